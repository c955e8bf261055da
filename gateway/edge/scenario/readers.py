"""Readers of single values of a scenario: each returns what is meant, or raises a `Fault` that says what to write.

What stands there is read as it was written: `off` is a word, `08:00:00` a time, though YAML takes them for others.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, time
from typing import TypeVar

import yaml

from gateway.core.events import Purpose, Scalar
from gateway.core.units import SECOND_MS
from gateway.edge.scenario.story import At, Figure
from gateway.edge.scenario.words import EVERYTHING, GONE
from gateway.wire import campaign_readers as readers
from gateway.wire.campaign_source import Code, Fault, Reader, suggestion
from gateway.wire.topics import is_id

T = TypeVar("T")

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WHEN = re.compile(r"(?:(\d{4}-\d{2}-\d{2}|[A-Za-z]{3})[ T]+)?(\d{1,2}:\d{2}(?::\d{2})?)")
_AGO = re.compile(r"(.*\S)\s+ago")
_DISTANCE = re.compile(r"(\d+(?:\.\d+)?)\s*(m|km)")
_NUMBER = re.compile(r"[-+]?(?:0|[1-9]\d*)(?:\.(\d+))?")
_YAML_WORDS = frozenset({"yes", "no", "on", "off"})
_NULL = "tag:yaml.org,2002:null"


def written(node: yaml.Node, name: str) -> str:
    """Read what stands there, whatever YAML takes it for."""
    if not isinstance(node, yaml.ScalarNode) or node.tag == _NULL:
        raise Fault(Code.WRONG_TYPE, f"{name!r} must be followed by a word or a value")
    return str(node.value).strip()


def name(node: yaml.Node, field: str) -> str:
    """Read the name of something."""
    value = written(node, field)
    if not is_id(value):
        hint = "use up to 64 letters, digits, '.', '_', ':', '@' or '-', the first a letter or digit"
        raise Fault(Code.BAD_VALUE, f"{field!r} is no name: {value!r}", hint)
    return value


def text(node: yaml.Node, field: str) -> str:
    """Read words for people."""
    value = written(node, field)
    if not value:
        raise Fault(Code.BAD_VALUE, f"{field!r} is blank")
    return value


def flag(node: yaml.Node, field: str) -> bool:
    """Read `true` or `false`."""
    return readers.flag(node, field)


def items(node: yaml.Node) -> list[yaml.Node]:
    """Return the entries of a list, or the one thing that stands there."""
    return list(node.value) if isinstance(node, yaml.SequenceNode) else [node]


def several(read: Reader[T]) -> Reader[tuple[T, ...]]:
    """Return a reader of one such thing, or of a list of them."""

    def read_all(node: yaml.Node, field: str) -> tuple[T, ...]:
        return tuple(read(item, field) for item in items(node))

    return read_all


def scalar(node: yaml.Node, field: str) -> Scalar:
    """Read the value of a fact: a number, true, false, or text."""
    value = written(node, field)
    if isinstance(node, yaml.ScalarNode) and node.style is not None:
        return value
    if value in {"true", "false"}:
        return value == "true"
    if value.lower() in _YAML_WORDS:
        raise Fault(
            Code.WRONG_TYPE, f"{field!r} is {value!r}, which may mean two things", "write true, false or quotes"
        )
    if found := _NUMBER.fullmatch(value):
        return float(value) if found[1] is not None else int(value)
    return value


def is_null(node: yaml.Node) -> bool:
    """Return whether nothing stands there, or `null`."""
    return isinstance(node, yaml.ScalarNode) and node.tag == _NULL


def number(node: yaml.Node, field: str) -> float:
    """Read a number."""
    return figure(node, field).value


def figure(node: yaml.Node, field: str) -> Figure:
    """Read a number with the decimals it was written to."""
    found = _NUMBER.fullmatch(written(node, field))
    if found is None:
        raise Fault(Code.WRONG_TYPE, f"{field!r} must be a number")
    return Figure(float(found[0]), len(found[1] or ""))


def point(node: yaml.Node, field: str) -> tuple[float, float]:
    """Read longitude and latitude."""
    values = [number(item, field) for item in items(node)]
    if len(values) != 2 or abs(values[0]) > 180 or abs(values[1]) > 90:
        raise Fault(Code.BAD_VALUE, f"{field!r} must be longitude and latitude in degrees", "write [8.5, 47.4]")
    return values[0], values[1]


def duration_ms(node: yaml.Node, field: str) -> int:
    """Read a duration: `10 s`, `3 min`, `2 h`, `10 d`."""
    return readers.duration_s(node, field) * SECOND_MS


def ago_ms(node: yaml.Node, field: str) -> int:
    """Read how long ago: `3 h ago`."""
    found = _AGO.fullmatch(written(node, field))
    if found is None:
        raise Fault(Code.WRONG_TYPE, f"{field!r} must say how long ago", "write 3 h ago")
    bare = yaml.ScalarNode(node.tag, found[1], node.start_mark, node.end_mark)
    return duration_ms(bare, field)


def distance_m(node: yaml.Node, field: str) -> float:
    """Read a distance: `100 m`, `4 km`."""
    found = _DISTANCE.fullmatch(written(node, field))
    if found is None:
        raise Fault(Code.WRONG_TYPE, f"{field!r} must be a distance", "write 100 m or 4 km")
    return float(found[1]) * (1_000.0 if found[2] == "km" else 1.0)


def approach(node: yaml.Node, field: str) -> tuple[float | None, int | None]:
    """Read how near an approach is: metres, or seconds before arriving."""
    if _DISTANCE.fullmatch(written(node, field)) is not None:
        return distance_m(node, field), None
    return None, duration_ms(node, field) // SECOND_MS


def range_m(node: yaml.Node, field: str) -> float | None:
    """Read how far away a beacon is; None where it is gone."""
    return None if written(node, field) == GONE else distance_m(node, field)


def day_and_time(node: yaml.Node, field: str) -> datetime:
    """Read a date with a time, by the clock on the wall."""
    value = moment(node, field)
    if value.day is None:
        raise Fault(Code.WRONG_TYPE, f"{field!r} must be a date with a time", "write 2026-11-19 08:00")
    return datetime.combine(value.day, value.time)


def moment(node: yaml.Node, field: str) -> At:
    """Read a time: `08:00:00`, `Wed 17:30`, `2026-11-20 08:00`."""
    hint = "write 08:00, 08:00:30, Wed 17:30 or 2026-11-20 08:00"
    fault = Fault(Code.WRONG_TYPE, f"{field!r} is no time", hint)
    found = _WHEN.fullmatch(written(node, field))
    if found is None:
        raise fault
    try:
        clock = time.fromisoformat(found[2].zfill(5 if found[2].count(":") == 1 else 8))
        named = (found[1] or "").lower()
        if not named:
            return At(clock)
        return (
            At(clock, weekday=_WEEKDAYS.index(named))
            if named in _WEEKDAYS
            else At(clock, day=date.fromisoformat(named))
        )
    except ValueError as error:
        raise fault from error


def purposes(node: yaml.Node, field: str) -> tuple[Purpose, ...]:
    """Read purposes, or `everything`."""
    if isinstance(node, yaml.ScalarNode) and node.value == EVERYTHING:
        return tuple(Purpose)
    return several(choice({purpose.value: purpose for purpose in Purpose}))(node, field)


def choice(of: dict[str, T]) -> Callable[[yaml.Node, str], T]:
    """Return a reader of one of some words."""

    def read(node: yaml.Node, field: str) -> T:
        value = written(node, field)
        if value not in of:
            raise Fault(Code.BAD_VALUE, f"{field!r} cannot be {value!r}", suggestion(value, of))
        return of[value]

    return read
