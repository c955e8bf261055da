"""The native dialect: VSS signals become events of the core.

Of one message the position comes first, so that what its signals bring about (a car that parks) already knows the
fence it happens in. Coordinates end here: none is left among the signals.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from gateway.core.errors import InvalidInput
from gateway.core.events import Event, PositionReported, Scalar, SignalsReported
from gateway.core.units import Instant, Position
from gateway.wire import vss
from gateway.wire.payloads import EARLIEST_MS, LATEST_MS, Telemetry
from gateway.wire.reasons import Reason
from gateway.wire.vss import Use

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_KMH_PER_MPS: Final = 3.6
# Looked up once: a member costs a call into its enumeration each time.
_WITHHELD: Final = Use.WITHHELD
_POSITION: Final = Use.POSITION

_HEARD = {path: (leaf.use, vss.SUCCESSORS.get(path), vss.check_of(leaf)) for path, leaf in vss.LEAVES.items()}


class Translated(NamedTuple):
    """What a telemetry message says.

    Attributes:
        unknown_signals: How many paths are not listened to.
        withheld: How many signals hold a coordinate or a name, and no event does.
        refused: What is wrong with the first signal or position that is; all others count the same.
    """

    events: tuple[Event, ...]
    unknown_signals: int
    withheld: int
    refused: InvalidInput | None = None


def translate(unit: str, telemetry: Telemetry) -> Translated:
    """Return the events of a telemetry message: at most a position, then at most one event of all other signals.

    A flag of an older VSS gives way to its successor where a message holds both.

    What is odd is left out and told of in `refused`: one broken sensor must not hide that the car drives.
    """
    signals: dict[str, Scalar] = {}
    located: dict[str, Scalar] = {}
    superseded: dict[str, Scalar] = {}
    unknown = withheld = 0
    refused: InvalidInput | None = None
    for path, raw in telemetry.signals.items():
        heard = _HEARD.get(path)
        if heard is None:
            unknown += 1
            continue
        use, successor, check = heard
        if use is _WITHHELD:
            withheld += 1
            continue
        value = check(raw)
        if value is None:
            refused = refused or InvalidInput(Reason.BAD_VALUE, _expectation(path))
            continue
        if use is _POSITION:
            located[path] = value
        elif successor is not None:
            superseded[successor] = value
        else:
            signals[path] = value
    if superseded:
        signals = superseded | signals
    position = None
    try:
        position = _position(unit, telemetry.ts_ms, located, signals.get(vss.SPEED)) if located else None
    except InvalidInput as error:
        refused = refused or error
    if position is None:
        events: tuple[Event, ...] = (SignalsReported(unit, telemetry.ts_ms, signals),) if signals else ()
        return Translated(events, unknown, withheld + len(located), refused)
    events = (position, SignalsReported(unit, telemetry.ts_ms, signals)) if signals else (position,)
    return Translated(events, unknown, withheld, refused)


def _position(unit: str, ts: Instant, located: dict[str, Scalar], speed_kmh: Scalar | None) -> PositionReported | None:
    """Return the fix; None when there are no coordinates at all.

    An accuracy of zero or less and a heading outside 0 to 360 are how receivers say "unknown". A speed may carry the
    sign of reversing; a fix has only its magnitude.
    """
    lon, lat = located.get(vss.LONGITUDE), located.get(vss.LATITUDE)
    if lon is None and lat is None:
        return None
    if lon is None or lat is None:
        raise InvalidInput(Reason.BAD_VALUE, f"half a position: {vss.LATITUDE} and {vss.LONGITUDE} belong together")
    accuracy_m, heading_deg = located.get(vss.HORIZONTAL_ACCURACY), located.get(vss.HEADING)
    timestamp = located.get(vss.TIMESTAMP)
    return PositionReported(
        unit,
        ts if timestamp is None else _instant(str(timestamp)),
        Position(float(lon), float(lat)),
        float(accuracy_m) if accuracy_m is not None and float(accuracy_m) > 0 else None,
        None if speed_kmh is None else abs(float(speed_kmh)) / _KMH_PER_MPS,
        float(heading_deg) if heading_deg is not None and 0 <= float(heading_deg) <= 360 else None,
    )


def _instant(text: str) -> Instant:
    """Return the instant of an ISO 8601 text; without an offset it is UTC, as VSS has it."""
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        instant = (aware - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError) as error:
        raise InvalidInput(Reason.BAD_VALUE, f"{vss.TIMESTAMP}: expected an ISO 8601 instant") from error
    if not EARLIEST_MS <= instant <= LATEST_MS:
        raise InvalidInput(Reason.BAD_VALUE, f"{vss.TIMESTAMP}: expected an instant of the years 2000 to 2099")
    return instant


def _expectation(path: str) -> str:
    leaf = vss.LEAVES[path]
    return f"{path}: expected {'one of ' + ', '.join(leaf.allowed) if leaf.allowed else leaf.datatype.value}"
