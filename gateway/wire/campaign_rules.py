"""What holds of a campaign wherever it is read: as YAML by its author, as JSON on a device.

A device never loads the YAML library: it is 1 MB, and a tenth of a second of its start.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import TypeAlias

from gateway.core.conditions import check_condition
from gateway.core.moments import MOMENTS
from gateway.core.policy import ExpressionFault, check_expression
from gateway.core.wording import placeholders

LANGUAGE_PATTERN = re.compile(r"[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|\d{3}))?")
"""A language, perhaps with script and region: the shape of RFC 5646 that product texts need, e.g. `pt-BR`."""

FACT_PATTERN = re.compile(r"[a-z][a-z0-9_]{0,63}")
"""The name of a fact, as expressions and placeholders can say it."""
BOUND_PATTERN = re.compile(r"[a-z][a-z_]{0,63}")
CURRENCY_PATTERN = re.compile(r"[A-Z]{3}")
"""The shape of ISO 4217; whether there is such a currency is not asked."""

MAX_COUNT = 1_000_000
MAX_MONEY_CENTS = 1_000_000_000
MAX_TAG_LENGTH = 64
MAX_TEXT_LENGTH = 1_000
MAX_EXPRESSION_LENGTH = 2_000

PLACEHOLDER_LENGTH = 8
"""What a placeholder counts for, whatever will stand there: as much as `2.50 EUR`."""

TellingMoments: TypeAlias = tuple[str | None, ...]
"""The moments by which an offer can come about; empty text: by the lack of one; None: it is not known by which."""

CHALLENGE_MOMENTS = frozenset({"ChallengeAdvanced", "ChallengeMet"})
"""Moments that challenges cause."""

_PART = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[{}]")
_IDS_OF_PEOPLE = frozenset({"subject", "holder"})
_OF_A_PERSON = re.compile(r"\b(?:subject|holder)\b")
_COMPUTED_FIELD = re.compile(r"""(?:\b(?!in\b)\w+|[)\]])\s*\[(?!\s*(?:"\w+"|'\w+'|\d+)\s*\])""")
_OF_EVERY_MOMENT = frozenset({"unit", "at"})
MAX_DURATION_S = 3660 * 86_400

_PRICED = re.compile(
    r"""
      [€$£¥] | \b(?:EUR|USD|GBP|CHF|JPY)\b          # a currency
    | \b\d+(?:[.,]\d+)?\s*(?:euros?|dollars?|cents?|bucks)\b
    | \b\d+(?:[.,]\d+)?\s*(?:%|percent|per\ cent)\s*(?:off|discount|less|cheaper|rabatt|günstiger)\b
    | (?<!-)(?<!feel\s)\bfree\b(?!\s+(?:of|from|to)\b)      # not: hands-free, feel free, free of, free to
    | \b(?:gratis|kostenlos|gratuit|gratuite|for\ nothing|on\ the\ house|half[ -]price|two\ for\ one)\b
    | \b(?:on|for)\s+sale\b
    | \b(?:discounts?|rabatt|coupons?|vouchers?|gutscheine?|cash-?back|bonus\ points|special\ offers?)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)


def price_in(text: str) -> str | None:
    """Return the words by which a text names a price, a reward or an advert, or None.

    Not to be got around by letters of another width, or with invisible ones between.

    >>> price_in("A free coffee"), price_in("Feel free to stop"), price_in("Now 20% off")
    ('free', None, '20% off')
    """
    seen = "".join(each for each in unicodedata.normalize("NFKC", text) if unicodedata.category(each) != "Cf")
    found = _PRICED.search(text) or _PRICED.search(seen)
    return found[0] if found else None


def find_expression_fault(source: str, *, anyone: bool = False) -> ExpressionFault | None:
    """Return what is wrong with an expression, or None."""
    try:
        check_expression(source, anyone=anyone)
    except ExpressionFault as fault:
        return fault
    return None


def find_condition_fault(
    source: str, moment: str, bound: Mapping[str, str], *, anyone: bool = False
) -> ExpressionFault | None:
    """Return what is wrong with the `if` of a step, given its moment and those bound by earlier steps; or None.

    What a condition reads decides which consent its action needs, so nothing may hide it: no comment between a moment
    and its field and, for anyone, no field that is named by anything but its name.
    """
    try:
        check_condition(source, moment, bound)
    except ExpressionFault as fault:
        return fault
    if "//" in source:
        return _fault_at(source, source.index("//"), "'//' begins a comment, which stands behind '#' in YAML")
    if anyone and (found := _OF_A_PERSON.search(source)) is not None:
        return _fault_at(source, found.start(), f"{found[0]!r} tells of a person, but the action is for anyone")
    if anyone and (found := _COMPUTED_FIELD.search(source)) is not None:
        return _fault_at(source, found.start(), "a field without its name may tell of a person")
    return None


def _fault_at(source: str, offset: int, message: str) -> ExpressionFault:
    return ExpressionFault(message, source.count("\n", 0, offset) + 1, offset - source.rfind("\n", 0, offset))


def length_of(text: str) -> int:
    """Return how much room a text takes, placeholders by `PLACEHOLDER_LENGTH`.

    >>> length_of("{amount} off, {{really}}")
    22
    """
    return len(_PART.sub(lambda part: "x" * (PLACEHOLDER_LENGTH if len(part[0]) > len("{{") else 1), text))


def facts_told(text: str) -> Iterator[tuple[str, str]]:
    """Yield the placeholders of a valid text that tell a fact, each with the name of that fact in an action's `facts`.

    >>> list(facts_told("{place.stock.age} ago: {facts.size}"))
    [('place.stock.age', 'place.stock'), ('facts.size', 'size')]
    """
    for name in placeholders(text):
        if name.startswith(("facts.", "place.")):
            yield name, name.removesuffix(".age").removeprefix("facts.")


def find_placeholder_fault(
    text: str, told: TellingMoments, *, has_amount: bool, has_nearest: bool
) -> tuple[str, str, int] | None:
    """Return what is wrong with the first placeholder nothing could stand for, a hint, and its offset; or None."""
    for part in _PART.finditer(text):
        try:
            names = placeholders(part[0])
        except ValueError as error:
            return (
                str(error),
                "known are {amount}, {facts.NAME}, {place.NAME}, {nearest.name}, {moment.FIELD}",
                part.start(),
            )
        for name in names:
            if name == "amount" and not has_amount:
                return "{amount} without a reward that has one", "give the reward a cost or a discount", part.start()
            if name.startswith("nearest.") and not has_nearest:
                return f"{{{name}}} without 'nearest'", "add `nearest: {fence_kind: ..., fact: ...}`", part.start()
            if name.startswith("moment."):
                fault = _moment_fault(name.removeprefix("moment."), told)
                if fault is not None:
                    return *fault, part.start()
    return None


def _moment_fault(field: str, told: TellingMoments) -> tuple[str, str] | None:
    """Return what is wrong with a field of the moment that completes a trigger, which must have it whichever it is."""
    if field in _IDS_OF_PEOPLE:
        return f"{{moment.{field}}} is an id, and tells people nothing", "leave it out"
    for moment in told:
        if moment is None:
            continue
        known = _worded_fields(moment)
        if field not in known:
            by = f"by {moment}" if moment else "by something that did not happen"
            hint = f"it has {', '.join(sorted(known))}" if moment else "say it without"
            return f"{{moment.{field}}} is not known when it comes about {by}", hint
    return None


def _worded_fields(moment: str) -> set[str]:
    """Return the fields of a moment that can stand in a text: no lists, no ids of people."""
    if not moment:
        return set(_OF_EVERY_MOMENT)
    return {field.name for field in fields(MOMENTS[moment]) if field.type in (str, int, bool)} - _IDS_OF_PEOPLE
