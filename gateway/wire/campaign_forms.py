"""The single values of a campaign file: how each is read, and how it is written."""

import math
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from gateway.wire import campaign_readers as readers
from gateway.wire.campaign_rules import (
    BOUND_PATTERN,
    CURRENCY_PATTERN,
    FACT_PATTERN,
    LANGUAGE_PATTERN,
    MAX_COUNT,
    MAX_DURATION_S,
    MAX_EXPRESSION_LENGTH,
    MAX_MONEY_CENTS,
    MAX_TAG_LENGTH,
    MAX_TEXT_LENGTH,
)
from gateway.wire.campaign_shapes import MapOf, Scalar
from gateway.wire.campaign_source import Code
from gateway.wire.topics import ID_PATTERN

_DURATION_SCHEMA: Final[list[dict[str, object]]] = [
    {"type": "string", "pattern": r"^0*[1-9][0-9]{0,11}\s*(s|min|h|d)$"},
    {"type": "integer", "minimum": 1, "maximum": MAX_DURATION_S},
]


def _matching(pattern: str) -> dict[str, object]:
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


def _number(high: float = math.inf) -> dict[str, object]:
    return {"type": "number", "minimum": 0, **({} if math.isinf(high) else {"maximum": high})}


def words(of: Mapping[str, object], code: Code = Code.BAD_VALUE) -> Scalar:
    """Return the form of one of these words, each with what it means."""
    return Scalar(readers.choice(of, code), {"type": "string", "enum": list(of)})


def members(of: Iterable[StrEnum], code: Code = Code.BAD_VALUE) -> Scalar:
    """Return the form of one of an enumeration's words."""
    return words({member.value: member for member in of}, code)


ID = Scalar(readers.identifier, {"type": "string", "pattern": ID_PATTERN})
TEXT = Scalar(readers.text, {"type": "string", "pattern": r"\S", "maxLength": MAX_TEXT_LENGTH})
TAG = Scalar(readers.tag, {"type": "string", "pattern": r"\S", "maxLength": MAX_TAG_LENGTH})
LANGUAGE = Scalar(readers.language, _matching(LANGUAGE_PATTERN.pattern))
EXPRESSION = Scalar(
    readers.expression,
    {"anyOf": [{"type": "string", "pattern": r"\S", "maxLength": MAX_EXPRESSION_LENGTH}, {"type": "boolean"}]},
)
FLAG = Scalar(readers.flag, {"type": "boolean"})
TRUE = Scalar(readers.true, {"const": True})
FACTOR = Scalar(readers.number(), _number())
PROBABILITY = Scalar(readers.number(1.0), _number(1.0))
SHARE = Scalar(readers.share, {"type": "number", "exclusiveMinimum": 0, "maximum": 1})
COUNT = Scalar(readers.count, {"type": "integer", "minimum": 1, "maximum": MAX_COUNT})
DURATION = Scalar(readers.duration_s, {"anyOf": _DURATION_SCHEMA})
DAY = Scalar(readers.day, {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"})
MONEY = Scalar(
    readers.money_cents,
    {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_MONEY_CENTS // 100},
)
CURRENCY = Scalar(readers.currency, _matching(CURRENCY_PATTERN.pattern))
FACT = Scalar(readers.fact, _matching(FACT_PATTERN.pattern))
BOUND = Scalar(readers.bound, {**_matching(BOUND_PATTERN.pattern), "not": {"const": "moment"}})

PLACE = "place."
"""What the name of a fact begins with that is of a place, and not of the person."""


def _is_fact_name(name: str) -> bool:
    return FACT_PATTERN.fullmatch(name.removeprefix(PLACE)) is not None


FACT_NEEDS = MapOf(
    what="'facts'",
    is_name=_is_fact_name,
    names={"pattern": rf"^(?:place\.)?{FACT_PATTERN.pattern}$"},
    hint="write NAME for a fact of the person, place.NAME for one of the unit or a fence it is in",
    value=Scalar(readers.age, {"anyOf": [{"const": "any"}, *_DURATION_SCHEMA]}),
)
