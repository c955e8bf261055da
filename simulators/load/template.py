"""Topics and payloads with places in them: `{unit}`, `{ts_ms}` and `{n}`.

Braces that name none of these stand for themselves, so that JSON needs no escaping.
"""

import re
from collections.abc import Callable

_PLACES = re.compile(r"\{(unit|ts_ms|n)\}")


def unit_in(template: str, unit: str) -> str:
    """Return a template with the unit put in.

    >>> unit_in("wayside/v1/{unit}/telemetry", "car-1")
    'wayside/v1/car-1/telemetry'
    """
    return template.replace("{unit}", unit)


def filled_for(template: str, unit: str) -> Callable[[int, int], bytes]:
    """Return what fills in a unit's template: a function of the message's due time in ms and its number.

    >>> filled_for('{"at": {ts_ms}, "temperature": 4.{n}}', "car-1")(1_700_000_000_000, 17)
    b'{"at": 1700000000000, "temperature": 4.17}'
    """

    def format_of(match: re.Match[str]) -> str:
        name = match.group(1)
        return unit.replace("%", "%%") if name == "unit" else f"%({name})d"

    whole = _PLACES.sub(format_of, template.replace("%", "%%")).encode()
    return lambda ts_ms, n: whole % {b"ts_ms": ts_ms, b"n": n}
