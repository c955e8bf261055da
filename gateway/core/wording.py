"""Placeholders in the words of an action, and what stands for them when it is offered.

| placeholder                        | what is said                                                        |
|------------------------------------|---------------------------------------------------------------------|
| `{amount}`                         | the reward's amount with its currency, `2.50 EUR`                   |
| `{facts.NAME}`, `{place.NAME}`     | a fact of the subject; of the unit or a fence it is in              |
| `{facts.NAME.age}`, `{place.NAME.age}` | how long ago that was told: `20 s`, `3 min`, `5 h`, `2 d`       |
| `{nearest.name}`, `{nearest.distance}` | the place the action points to, and how far it is: `400 m`, `1.2 km` |
| `{moment.FIELD}`                   | what the moment that completed the trigger says                     |

`{{` and `}}` are braces. Ages, distances and numbers are worded alike in every language.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from gateway.core.events import Scalar
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_NAME = "[a-z][a-z0-9_]{0,63}"
_KNOWN = re.compile(rf"amount|(?:facts|place)\.{_NAME}(?:\.age)?|nearest\.(?:name|distance)|moment\.{_NAME}")
_LONGEST_M = 975.0
"""From here on a distance is told in kilometres."""


class Unsaid(Exception):
    """Nothing is known that could stand for a placeholder."""

    def __init__(self, placeholder: str) -> None:
        super().__init__(placeholder)
        self.placeholder = placeholder


@lru_cache(maxsize=4096)
def placeholders(text: str) -> tuple[str, ...]:
    """Return the names of a text's placeholders in their order.

    >>> placeholders("{amount} off at {nearest.name}, {{really}}")
    ('amount', 'nearest.name')

    Raises:
        ValueError: A brace stands alone, or there is no such placeholder.
    """
    names = []
    for part in _PART.finditer(text):
        name = part[1]
        if name is None and part[0] in {"{", "}"}:
            raise ValueError(f"a single '{part[0]}': write '{part[0] * 2}' for a brace")
        if name is None:
            continue
        if not _KNOWN.fullmatch(name):
            raise ValueError(f"there is no placeholder {{{name}}}")
        names.append(name)
    return tuple(names)


def render(text: str, said: Callable[[str], str | None]) -> str:
    """Return a text with its placeholders replaced by what `said` answers for their names.

    Raises:
        Unsaid: It answers None for one.
    """
    if "{" not in text and "}" not in text:
        return text

    def replacement(part: re.Match[str]) -> str:
        if part[1] is None:
            return part[0][0]
        value = said(part[1])
        if value is None:
            raise Unsaid(part[1])
        return value

    return _PART.sub(replacement, text)


def amount(cents: int, currency: str) -> str:
    """Return an amount of money in words.

    >>> amount(250, "EUR")
    '2.50 EUR'
    """
    return f"{cents // 100}.{cents % 100:02d} {currency}"


def age(ms: int) -> str:
    """Return how long ago something was, in its largest whole unit.

    >>> age(200_000), age(-5)
    ('3 min', '0 s')
    """
    for unit_ms, name in ((DAY_MS, "d"), (HOUR_MS, "h"), (MINUTE_MS, "min")):
        if ms >= unit_ms:
            return f"{ms // unit_ms} {name}"
    return f"{max(0, ms) // SECOND_MS} s"


def distance(metres: float) -> str:
    """Return a distance as people say it: to 50 m, from a kilometre on to a tenth.

    >>> distance(430.0), distance(1234.0)
    ('450 m', '1.2 km')
    """
    if metres < _LONGEST_M:
        return f"{max(1, round(metres / 50)) * 50} m"
    return f"{metres / 1000:.1f} km"


def value(scalar: Scalar) -> str:
    """Return a value as it stands in a text; what cannot be printed is a space.

    >>> value(3.0), value("M"), value(True)
    ('3', 'M', 'yes')
    """
    if isinstance(scalar, bool):
        return "yes" if scalar else "no"
    if isinstance(scalar, float):
        return f"{scalar:.12g}"
    return "".join(each if each.isprintable() else " " for each in str(scalar))
