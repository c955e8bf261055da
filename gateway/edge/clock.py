"""The clock of the process: wall time where it can be believed, elapsed time everywhere else.

Theory. A device's wall clock lies: 1970 after a power cut, a year ahead from a bad battery, a step when NTP answers.
Nothing of that is authenticated. So *our* time is an anchor plus what has elapsed since, and the wall clock only moves
the anchor where it cannot do harm or where a second clock, a unit's, says the same:

| the wall clock is, against ours                     | we                                                           |
|-----------------------------------------------------|--------------------------------------------------------------|
| at start: not before the floor, at most `LEAP` past it | begin with it                                             |
| at start: before the floor (1970, -1 d)              | begin at the floor, *adrift* and suspect                    |
| at start: more than `LEAP` past the floor (+1 y)     | begin at the floor, *adrift* and suspect                    |
| within `TOLERANCE`                                   | follow it: forward at once, back by running slower          |
| ahead by up to `LEAP` while adrift (NTP answered)    | follow it                                                   |
| anywhere else                                        | stay, and are suspect until units bear witness              |

| units' telemetry says, while we are suspect          | we                                                           |
|-----------------------------------------------------|--------------------------------------------------------------|
| the wall clock's time, which is ahead               | follow it                                                    |
| the wall clock's time, which is behind               | ask to be set back, after `WITNESSES` over `WITNESSED_FOR`  |
| ... but which is before the making of the release    | stay, and are suspect: a car that lost its battery boots    |
|                                                      | its units into 1970 as well                                 |
| our time                                             | believe ourselves, after as many                            |
| a later time, up to `LEAP`, while adrift, and the wall clock is before the floor | follow the unit, after as many   |

Several messages bear witness only if they are one unit's, and told at the pace at which time goes on: what a unit, or
the broker, had kept and sends at once tells of a time that is over. What has no time of its own (a scanner's radio
messages, which we stamp ourselves) is no witness.

The floor is the last instant the ledger knows, or the making of the release. While we are suspect, a consent that ends
on some day does not count: nobody knows whether the day has come. It counts again as soon as the time is known.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from zoneinfo import ZoneInfo

from gateway.core.units import DAY_MS, MINUTE_MS, SECOND_MS, Instant

TOLERANCE_MS = MINUTE_MS
"""Clocks this near tell the same time: as old as telemetry may be and still be fresh."""
LEAP_MS = 60 * DAY_MS
"""How long a device may have been off and still be believed when it says so: a car that stood through a winter."""
WITNESSES = 3
WITNESSED_FOR_MS = 5 * SECOND_MS
PACE_MS = 2 * SECOND_MS
"""By how much less or more than what elapsed a unit's time may have moved on: messages are on their way for a while."""
CHECK_EVERY_S = 1.0

_NS_PER_MS = 1_000_000
_SLEW = 0.1


class Quality(StrEnum):
    """What can be said of the time."""

    PLAUSIBLE = "plausible"
    SUSPECT = "suspect"


class Clock(Protocol):
    """Tells the instant; never an earlier one than before, unless it was set back by its user."""

    @property
    def quality(self) -> Quality:
        """What can be said of the time."""
        ...

    def now(self) -> Instant:
        """Return the current instant."""
        ...

    def check(self) -> None:
        """Compare with the wall clock; to be called every `CHECK_EVERY_S`."""
        ...

    def witness(self, unit: str, ts: Instant) -> None:
        """Take notice of the time that a unit has just told. Free of cost unless we are suspect."""
        ...

    def behind_ms(self) -> int:
        """Return by how much the clock is to be set back; 0: not at all."""
        ...

    def set_back(self, by_ms: int) -> None:
        """Go back. Whoever asks for it has moved everything that was remembered of the wrong time."""
        ...


def elapsed_ns() -> int:
    """Return nanoseconds since the machine started, time spent suspended included.

    A car's computer sleeps between drives. `CLOCK_MONOTONIC` would stand still meanwhile, and a cap of one hour
    would last for as many hours of driving.
    """
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@dataclass(slots=True)
class _Testimony:
    """What a unit has told at the pace of time: since when, and how often."""

    ahead_ms: int
    since_ms: int
    count: int = 1

    def agrees(self, ts: Instant, elapsed_ms: int) -> bool:
        """Return whether what it tells now goes on from what it told first."""
        return abs(ts - elapsed_ms - self.ahead_ms) <= PACE_MS

    def suffices(self, elapsed_ms: int) -> bool:
        """Return whether it has told so often enough, and for long enough."""
        return self.count >= WITNESSES and elapsed_ms - self.since_ms >= WITNESSED_FOR_MS


class AnchoredClock:
    """See the theory above.

    Args:
        floor: The last instant known to have been reached: the ledger's, or the making of the release.
        known: Whether the floor is where this device was last; else (a first start) any later wall clock is believed.
        earliest: Before it is never now, whatever anybody says: the making of the release.
    """

    def __init__(
        self,
        floor: Instant = 0,
        wall_ns: Callable[[], int] = time.time_ns,
        elapsed_ns: Callable[[], int] = elapsed_ns,
        *,
        known: bool = True,
        earliest: Instant = 0,
    ) -> None:
        self._earliest_ns = earliest * _NS_PER_MS
        self._wall_ns = wall_ns
        self._elapsed_ns = elapsed_ns
        self._checked_ns = elapsed_ns()
        self._floor_ns = floor * _NS_PER_MS
        wall = wall_ns()
        ahead_ms = (wall - self._floor_ns) // _NS_PER_MS
        self._adrift = wall < self._floor_ns or (known and floor > 0 and ahead_ms > LEAP_MS)
        self._quality = Quality.SUSPECT if self._adrift else Quality.PLAUSIBLE
        self._offset_ns = (self._floor_ns if self._adrift else wall) - self._checked_ns
        self._settled_ms: int | None = None
        self._behind_ms = 0
        self._told: dict[str, _Testimony] = {}

    @property
    def quality(self) -> Quality:
        """What can be said of the time."""
        return self._quality

    def now(self) -> Instant:
        """Return the current instant; never less than before, but for `set_back`, and never below the floor."""
        return (self._elapsed_ns() + self._offset_ns) // _NS_PER_MS

    def check(self) -> None:
        """Compare with the wall clock."""
        elapsed = self._elapsed_ns()
        since, self._checked_ns = elapsed - self._checked_ns, elapsed
        ahead_ns = self._wall_ns() - elapsed - self._offset_ns
        ahead_ms = ahead_ns // _NS_PER_MS
        if abs(ahead_ms + self._behind_ms) > TOLERANCE_MS:
            self._behind_ms = 0  # the wall clock has moved since units agreed with it
        if abs(ahead_ms) <= TOLERANCE_MS:
            self._believe()
            # Back only as fast as time goes on meanwhile, so that `now` never decreases.
            self._offset_ns += ahead_ns if ahead_ns > 0 else max(ahead_ns, -int(since * _SLEW))
        elif self._adrift and 0 < ahead_ms <= LEAP_MS:
            self._follow(ahead_ns)
        elif self._settled_ms is None or abs(ahead_ms - self._settled_ms) > TOLERANCE_MS:
            self._settled_ms = None
            self._quality = Quality.SUSPECT

    def witness(self, unit: str, ts: Instant) -> None:
        """Take notice of the time that a unit has just told."""
        if self._quality is Quality.PLAUSIBLE:
            return
        elapsed = self._elapsed_ns()
        suffices = self._take_down(unit, ts, elapsed // _NS_PER_MS)
        ours_ms = ts - (elapsed + self._offset_ns) // _NS_PER_MS
        wall_ns = self._wall_ns()
        ahead_ns = wall_ns - elapsed - self._offset_ns
        if abs(ours_ms) <= TOLERANCE_MS:
            if suffices:
                self._believe(ahead_ns // _NS_PER_MS)
        elif abs(ts - wall_ns // _NS_PER_MS) <= TOLERANCE_MS:
            if ahead_ns > 0:
                self._follow(ahead_ns)
            elif suffices and wall_ns >= self._earliest_ns:
                self._behind_ms = -ahead_ns // _NS_PER_MS
        elif suffices and self._adrift and wall_ns < self._floor_ns and 0 < ours_ms <= LEAP_MS:
            self._follow(ours_ms * _NS_PER_MS)
            self._settled_ms = (wall_ns - elapsed - self._offset_ns) // _NS_PER_MS

    def behind_ms(self) -> int:
        """Return by how much the clock is to be set back; 0: not at all."""
        return self._behind_ms

    def set_back(self, by_ms: int) -> None:
        """Go back."""
        self._offset_ns -= by_ms * _NS_PER_MS
        self._floor_ns = min(self._floor_ns, self._elapsed_ns() + self._offset_ns)
        self._believe()

    def _take_down(self, unit: str, ts: Instant, elapsed_ms: int) -> bool:
        """Keep what a unit tells; return whether it has told the same for long enough."""
        testimony = self._told.get(unit)
        if testimony is None or not testimony.agrees(ts, elapsed_ms):
            self._told[unit] = _Testimony(ts - elapsed_ms, elapsed_ms)
            return False
        testimony.count += 1
        return testimony.suffices(elapsed_ms)

    def _follow(self, ahead_ns: int) -> None:
        self._offset_ns += ahead_ns
        self._believe()

    def _believe(self, settled_ms: int | None = None) -> None:
        """Hold our time for right; the wall clock may go on to be `settled_ms` ahead of it."""
        self._settled_ms = settled_ms
        self._quality = Quality.PLAUSIBLE
        self._adrift = False
        self._behind_ms = 0
        self._told.clear()


QUARTER_HOUR_MS = 15 * MINUTE_MS
"""Offsets change at whole quarter hours of UTC, wherever on Earth."""


def utc_offset_s(zone: str, now: Instant) -> int:
    """Return local time minus UTC in a time zone, in seconds.

    >>> utc_offset_s("Asia/Kathmandu", 1_700_000_000_000)
    20700
    """
    offset = datetime.fromtimestamp(now / SECOND_MS, tz=ZoneInfo(zone)).utcoffset()
    return 0 if offset is None else round(offset.total_seconds())


def next_quarter_hour(now: Instant) -> Instant:
    """Return the first whole quarter hour after `now`."""
    return now - now % QUARTER_HOUR_MS + QUARTER_HOUR_MS
