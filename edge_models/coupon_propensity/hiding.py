"""What a device may not know: in which parts, how often, and how features look without them."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from edge_models.coupon_propensity.survey import (
    CATEGORY_FLAGS,
    DESTINATION,
    FEATURES,
    PERSONAL,
    VISITS,
    Matrix,
    columns,
)

# What a device often cannot know, and the share of the hidden copies in which each is hidden.
HIDDEN_SHARES: Final[tuple[tuple[tuple[str, ...], float], ...]] = (
    (VISITS, 0.5),
    (DESTINATION, 0.25),
    (("air_temperature_c",), 0.25),
    (("minutes_away",), 0.25),
    (("same_direction",), 0.25),
    (("alone",), 0.15),
    (("hour",), 0.05),
    (("validity_hours",), 0.05),
    (CATEGORY_FLAGS, 0.05),
    (FEATURES, 0.02),
)

# The situations measured, and what is hidden in each.
SITUATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "all_known": (),
    "visits_unknown": VISITS,
    "guest": PERSONAL,
    "guest_silent_car": (*PERSONAL, "air_temperature_c", "minutes_away", "same_direction", "alone"),
}


def hide(features: Matrix, names: Sequence[str]) -> Matrix:
    """Return a copy in which the named features are unknown."""
    hidden = features.copy()
    hidden[:, columns(names)] = np.nan
    return hidden


def hide_at_random(features: Matrix, rng: np.random.Generator) -> Matrix:
    """Return a copy in which each group of `HIDDEN_SHARES` is unknown in its share of the rows."""
    hidden = features.copy()
    for names, share in HIDDEN_SHARES:
        hidden[np.ix_(rng.random(len(features)) < share, columns(names))] = np.nan
    return hidden
