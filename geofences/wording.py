"""From what a source says of a feature to what `FenceProperties` takes.

Tables know no lists and often no whole numbers, and a Shapefile cuts names off after ten characters: what is meant is
clear, and is put into the form of the wire. What a fence does not have is refused, or left out when told.
"""

import json
import math
from collections.abc import Mapping
from typing import NamedTuple

from gateway.wire.fences import FencesRefused
from geofences.sources import PROPERTIES, Defaults, Feature, Reading

_WHOLE = frozenset({"priority", "dwell_s", "approach_s"})
_NUMBERS = _WHOLE | {"radius_m", "width_m", "enter_buffer_m", "exit_buffer_m", "accuracy_limit_m", "approach_m"}
_SHAPEFILE_NAME = 10
_CUT_OFF = {name[:_SHAPEFILE_NAME]: name for name in PROPERTIES if len(name) > _SHAPEFILE_NAME}


class Worded(NamedTuple):
    """What a feature says, in the words of the wire.

    Attributes:
        properties: For `FenceProperties`.
        left_out: What else it says, by name.
        took_radius: It is a point that says no radius, and was given the one for such points.
    """

    properties: dict[str, object]
    left_out: list[str]
    took_radius: bool


def word(feature: Feature, reading: Reading, defaults: Defaults) -> Worded:
    """Return what a feature says, with what is said for it.

    Raises:
        FencesRefused: It says something that a fence does not have.
    """
    said = {name: value for name, value in feature.properties.items() if not _is_missing(value)}
    known = {_meant(name): value for name, value in said.items() if _meant(name) in PROPERTIES}
    unknown = [name for name in said if _meant(name) not in PROPERTIES]
    for property_, source in (("id", defaults.id_from), ("name", defaults.name_from)):
        chosen = _find(said, source) if source is not None else None
        if chosen is not None:
            known[property_] = _text(chosen)
    used = {name.lower() for name in (defaults.id_from, defaults.name_from) if name is not None}
    foreign = sorted(name for name in unknown if name.lower() not in used)
    if foreign and not defaults.ignore_unknown and feature.place.what == "feature":
        raise FencesRefused(f"a fence has no {', '.join(map(repr, foreign))}; --ignore-unknown leaves such out")
    worded = {name: _worded(name, value) for name, value in known.items()}
    given = _defaults_for(feature, reading, defaults)
    return Worded({**given, **worded}, foreign, "radius_m" in given and "radius_m" not in worded)


def _defaults_for(feature: Feature, reading: Reading, defaults: Defaults) -> dict[str, object]:
    said: dict[str, object] = {}
    if defaults.kind is not None:
        said["kind"] = defaults.kind
    if reading.id_prefix is not None and feature.place.index is not None:
        said["id"] = f"{reading.id_prefix}-{feature.place.index + 1}"
    kind = feature.shape.geom_type
    if kind == "Point" and reading.points_radius_m is not None:
        said["radius_m"] = reading.points_radius_m
    if kind in {"LineString", "MultiLineString"} and defaults.width_m is not None:
        said["width_m"] = defaults.width_m
    return said


def _meant(name: str) -> str:
    lower = name.lower()
    return _CUT_OFF.get(lower, lower) if lower not in PROPERTIES else lower


def _find(said: Mapping[str, object], name: str) -> object:
    return next((value for key, value in said.items() if key.lower() == name.lower()), None)


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _text(value: object) -> str:
    """Return a value as text: 7.0 from a table is the number 7."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _worded(name: str, value: object) -> object:
    if name == "tags" and isinstance(value, str):
        return _tags(value)
    if name in _NUMBERS and isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return value  # the check of properties names it
    if name in _WHOLE and isinstance(value, float) and value.is_integer():
        return int(value)
    if name in {"id", "name", "beacon"} and isinstance(value, int | float) and not isinstance(value, bool):
        return _text(value)
    return value


def _tags(text: str) -> object:
    if text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            return text  # the check of properties names it
    return [tag.strip() for tag in text.split(",") if tag.strip()]
