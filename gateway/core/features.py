"""From what is known to the vector a model was trained on: named, ordered, versioned.

A model's manifest lists the features it wants by name, in its order. A feature that is not known is NaN; the
models are trained to be asked so. Features of a person are read for a subject only, never for a session.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

FEATURE_VERSION = 1

CATEGORIES = ("bar", "carry_away", "coffee_house", "restaurant_under_20", "restaurant_20_50")
"""What an action can be about, as models know it."""

_UNKNOWN = math.nan


@dataclass(frozen=True, slots=True)
class FeatureView:
    """What a feature may read.

    Attributes:
        variables: The decision's context, as expressions see it.
        facts: The subject's facts; empty for a session.
        category: What the candidate is about.
        validity_s: How long its offer stays valid, redemption included.
    """

    variables: Mapping[str, object]
    facts: Mapping[str, object]
    category: str
    validity_s: int


def vector(names: Sequence[str], view: FeatureView) -> list[float]:
    """Return the features in the given order; NaN where unknown.

    Raises:
        KeyError: A name that `is_feature` does not know; `gateway.core.release` refuses such a model beforehand.
    """
    return [_FEATURES[name](view) for name in names]


def is_feature(name: str) -> bool:
    """Return whether this version of the engine can compute the feature."""
    return name in _FEATURES


def is_personal(name: str) -> bool:
    """Return whether the feature reads anything of a subject."""
    return name in _PERSONAL


def _number(value: object) -> float:
    if isinstance(value, bool | int | float):
        return float(value)
    return _UNKNOWN


def _alone(view: FeatureView) -> float:
    occupants = view.variables.get("occupants")
    if not isinstance(occupants, int) or occupants < 1:
        return _UNKNOWN
    return 1.0 if occupants == 1 else 0.0


def _variable(name: str) -> Callable[[FeatureView], float]:
    return lambda view: _number(view.variables.get(name))


def _fact(name: str) -> Callable[[FeatureView], float]:
    return lambda view: _number(view.facts.get(name))


def _is_category(category: str) -> Callable[[FeatureView], float]:
    return lambda view: 1.0 if view.category == category else 0.0


_VISITS = {f"visits_{category}": _fact(f"visits_{category}") for category in CATEGORIES}
_PERSONAL_FACTS = {
    **_VISITS,
    "visits_in_category": lambda view: _number(view.facts.get(f"visits_{view.category}")),
    "heading_home": _fact("heading_home"),
    "heading_to_work": _fact("heading_to_work"),
}
_FEATURES: dict[str, Callable[[FeatureView], float]] = {
    "hour": _variable("hour"),
    "alone": _alone,
    "air_temperature_c": _variable("air_temperature_c"),
    "minutes_away": _variable("minutes_away"),
    "same_direction": _variable("same_direction"),
    "validity_hours": lambda view: view.validity_s / 3600,
    **{f"category_{category}": _is_category(category) for category in CATEGORIES},
    **_PERSONAL_FACTS,
}
_PERSONAL = frozenset(_PERSONAL_FACTS)
