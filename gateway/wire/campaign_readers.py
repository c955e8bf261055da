"""Readers of single YAML values: each returns what a campaign means by it, or raises a `Fault` that says what to write.

Spellings that YAML 1.1 reads in unexpected ways (`no`, `1:30`, `010`) are refused, not guessed.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeVar

import yaml

from gateway.core.units import Instant
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
from gateway.wire.campaign_source import Code, Fault, Reader, suggestion
from gateway.wire.topics import is_id

ANY_AGE = 0
"""What `age` reads of a fact that may be of any age: no maximum in seconds."""

_DURATION = re.compile(r"(\d{1,12})\s*(s|min|h|d)")
_DURATION_UNIT_S = {"s": 1, "min": 60, "h": 3_600, "d": 86_400}
_NUMBER = re.compile(r"[-+]?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d{1,3})?")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9]\d{0,17})")
_NOT_FINITE = re.compile(r"[-+]?\.?(?:inf|nan|infinity)", re.IGNORECASE)
_MONEY = re.compile(r"(0|[1-9]\d{0,11})(?:\.(\d{1,2}))?")
_MONEY_TOO_FINE = re.compile(r"(?:0|[1-9]\d{0,11})\.\d{3,}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_STANDARD_TAGS = "tag:yaml.org,2002:"
_TEXT_TAG = f"{_STANDARD_TAGS}str"
_NULL_TAG = f"{_STANDARD_TAGS}null"
_BOOL_TAG = f"{_STANDARD_TAGS}bool"

T = TypeVar("T")


def items(node: yaml.Node, name: str) -> list[yaml.Node]:
    """Read a list that is not empty."""
    if not isinstance(node, yaml.SequenceNode):
        raise Fault(Code.WRONG_TYPE, f"{name!r} must be a list, each entry with a leading `- `")
    if not node.value:
        raise Fault(Code.MISSING_FIELD, f"{name!r} is an empty list")
    return list(node.value)


def _scalar(node: yaml.Node, name: str, wanted: str) -> yaml.ScalarNode:
    if not isinstance(node, yaml.ScalarNode):
        raise Fault(Code.WRONG_TYPE, f"{name!r} must be {wanted}")
    if node.tag == _NULL_TAG:
        raise Fault(Code.WRONG_TYPE, f"{name!r} is empty; it must be {wanted}")
    if not node.tag.startswith(_STANDARD_TAGS):
        raise Fault(Code.WRONG_TYPE, f"{name!r} begins with '!', which YAML takes for a tag", "put it in quotes")
    return node


def _plain(scalar: yaml.ScalarNode) -> str:
    """Return what was written without quotes; empty for anything quoted, which is text and no number."""
    return str(scalar.value) if scalar.style is None else ""


def text(node: yaml.Node, name: str) -> str:
    """Read a text for people, without its outer white space."""
    scalar = _scalar(node, name, "text")
    if scalar.tag != _TEXT_TAG:
        raise Fault(Code.WRONG_TYPE, f"{name!r} must be text", f"write it in quotes: '{scalar.value}'")
    value = str(scalar.value).strip()
    if not value:
        raise Fault(Code.BAD_VALUE, f"{name!r} is blank")
    if len(value) > MAX_TEXT_LENGTH:
        raise Fault(Code.BAD_VALUE, f"{name!r} is longer than {MAX_TEXT_LENGTH} characters")
    return value


def identifier(node: yaml.Node, name: str) -> str:
    """Read an id."""
    value = text(node, name)
    if not is_id(value):
        hint = "use up to 64 letters, digits, '.', '_', ':', '@' or '-', the first a letter or digit"
        raise Fault(Code.BAD_VALUE, f"{name!r} is no id: {value!r}", hint)
    return value


def language(node: yaml.Node, name: str) -> str:
    """Read a language code."""
    value = text(node, name)
    if not LANGUAGE_PATTERN.fullmatch(value):
        raise Fault(Code.BAD_VALUE, f"{name!r} is no language code: {value!r}", "write it as en, de or pt-BR")
    return value


def expression(node: yaml.Node, name: str) -> str:
    """Read the source of an expression; `true` and `false` are expressions too."""
    value = str(_scalar(node, name, "an expression").value).strip()
    if not value:
        raise Fault(Code.BAD_VALUE, f"{name!r} is blank", "leave it out if it always holds")
    if len(value) > MAX_EXPRESSION_LENGTH:
        raise Fault(Code.BAD_VALUE, f"{name!r} is longer than {MAX_EXPRESSION_LENGTH} characters")
    return value


def choice(of: Mapping[str, T], code: Code = Code.BAD_VALUE) -> Reader[T]:
    """Return a reader of one of the named values."""

    def read(node: yaml.Node, name: str) -> T:
        value = text(node, name)
        if value not in of:
            raise Fault(code, f"{name!r} cannot be {value!r}", suggestion(value, of))
        return of[value]

    return read


def flag(node: yaml.Node, name: str) -> bool:
    """Read `true` or `false`, and no other spelling."""
    if isinstance(node, yaml.ScalarNode) and node.tag == _BOOL_TAG and node.value in ("true", "false"):
        return bool(node.value == "true")
    raise Fault(Code.WRONG_TYPE, f"{name!r} must be true or false")


def true(node: yaml.Node, name: str) -> bool:
    """Read `true`, where nothing else can be meant."""
    if not flag(node, name):
        raise Fault(Code.BAD_VALUE, f"{name!r} can only be true", "leave it out")
    return True


def number(high: float = math.inf) -> Reader[float]:
    """Return a reader of a finite number from 0 to `high`, both included."""

    def read(node: yaml.Node, name: str) -> float:
        scalar = _scalar(node, name, "a number")
        written = _plain(scalar)
        if _NOT_FINITE.fullmatch(written):
            raise Fault(Code.OUT_OF_RANGE, f"{name!r} must be finite, not {written}")
        if not _NUMBER.fullmatch(written):
            raise Fault(Code.WRONG_TYPE, f"{name!r} must be a number, not {scalar.value!r}")
        value = float(written)
        if not (0.0 <= value <= high and math.isfinite(value)):
            bounds = "0 or more, and finite" if math.isinf(high) else f"between 0 and {high:g}"
            raise Fault(Code.OUT_OF_RANGE, f"{name!r} must be {bounds}, not {written}")
        return value

    return read


def count(node: yaml.Node, name: str) -> int:
    """Read a whole number of at least one."""
    scalar = _scalar(node, name, "a whole number")
    if not _INTEGER.fullmatch(_plain(scalar)):
        raise Fault(Code.WRONG_TYPE, f"{name!r} must be a whole number, not {scalar.value!r}")
    value = int(scalar.value)
    if not 1 <= value <= MAX_COUNT:
        raise Fault(Code.OUT_OF_RANGE, f"{name!r} must be between 1 and {MAX_COUNT}, not {value}")
    return value


def share(node: yaml.Node, name: str) -> float:
    """Read a number above 0 and up to 1."""
    value = number(1.0)(node, name)
    if not value:
        raise Fault(Code.OUT_OF_RANGE, f"{name!r} must be above 0")
    return value


def money_cents(node: yaml.Node, name: str) -> int:
    """Read an amount of money in hundredths: a number above 0 with at most two decimals."""
    scalar = _scalar(node, name, "an amount of money")
    written = _plain(scalar)
    found = _MONEY.fullmatch(written)
    if found is None:
        if _MONEY_TOO_FINE.fullmatch(written):
            raise Fault(Code.BAD_VALUE, f"{name!r} has more than two decimals: {written}")
        if _NUMBER.fullmatch(written) and float(written) < 0:
            raise Fault(Code.OUT_OF_RANGE, f"{name!r} must be above 0, not {written}")
        raise Fault(Code.WRONG_TYPE, f"{name!r} is no amount of money: {scalar.value!r}", "write it as 2.50")
    cents = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))
    if not 0 < cents <= MAX_MONEY_CENTS:
        bounds = f"between 0.01 and {MAX_MONEY_CENTS // 100}"
        raise Fault(Code.OUT_OF_RANGE, f"{name!r} must be {bounds}, not {written}")
    return cents


def tag(node: yaml.Node, name: str) -> str:
    """Read the tag of a fence."""
    value = text(node, name)
    if len(value) > MAX_TAG_LENGTH:
        raise Fault(Code.BAD_VALUE, f"{name!r} is longer than {MAX_TAG_LENGTH} characters")
    return value


def currency(node: yaml.Node, name: str) -> str:
    """Read a currency."""
    value = text(node, name)
    if not CURRENCY_PATTERN.fullmatch(value):
        hint = "write its three letters of ISO 4217, as EUR"
        raise Fault(Code.BAD_VALUE, f"{name!r} is no currency: {value!r}", hint)
    return value


def fact(node: yaml.Node, name: str) -> str:
    """Read the name of a fact."""
    value = text(node, name)
    if not FACT_PATTERN.fullmatch(value):
        hint = "use small letters, digits and '_', the first a letter"
        raise Fault(Code.BAD_VALUE, f"{name!r} is no name of a fact: {value!r}", hint)
    return value


def bound(node: yaml.Node, name: str) -> str:
    """Read the name by which later conditions call a moment."""
    value = text(node, name)
    if not BOUND_PATTERN.fullmatch(value) or value == "moment":
        hint = "use small letters and '_', and not 'moment', which is the moment at hand"
        raise Fault(Code.BAD_VALUE, f"{name!r} is no name for a moment: {value!r}", hint)
    return value


def age(node: yaml.Node, name: str) -> int:
    """Read how old a fact may be: a duration in seconds, or `any`, which is `ANY_AGE`."""
    if isinstance(node, yaml.ScalarNode) and node.value == "any":
        return ANY_AGE
    return duration_s(node, name)


def duration_s(node: yaml.Node, name: str) -> int:
    """Read a duration as whole seconds: `90 s`, `20 min`, `24 h`, `7 d`, or a whole number of seconds."""
    scalar = _scalar(node, name, "a duration")
    found = _DURATION.fullmatch(scalar.value)
    if found:
        value = int(found[1]) * _DURATION_UNIT_S[found[2]]
    elif _INTEGER.fullmatch(_plain(scalar)):
        value = int(scalar.value)
    else:
        hint = "write 90 s, 20 min, 24 h, 7 d, or a whole number of seconds"
        raise Fault(Code.WRONG_TYPE, f"{name!r} is no duration: {scalar.value!r}", hint)
    if not 1 <= value <= MAX_DURATION_S:
        raise Fault(Code.OUT_OF_RANGE, f"{name!r} must be between 1 s and {MAX_DURATION_S // 86_400} d")
    return value


def day(node: yaml.Node, name: str) -> Instant:
    """Read a date as the instant it begins in UTC."""
    scalar = _scalar(node, name, "a date")
    fault = Fault(Code.WRONG_TYPE, f"{name!r} is no date: {scalar.value!r}", "write it as 2026-01-31")
    if not _DAY.fullmatch(scalar.value):
        raise fault
    try:
        begins = datetime.fromisoformat(scalar.value).replace(tzinfo=UTC)
    except ValueError as error:
        raise fault from error
    return int(begins.timestamp()) * 1_000
