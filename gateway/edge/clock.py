"""The clock of the process: wall time once, elapsed time ever after.

Wall time is read a single time, at start; from then on only elapsed time counts, so that a jump of the wall clock
(NTP, an operator, a dead battery) neither repeats nor skips anything. Time never runs below where the ledger ended.
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from gateway.core.units import MINUTE_MS, SECOND_MS, Instant

_NS_PER_MS = 1_000_000


class Clock(Protocol):
    """Tells the instant; never an earlier one than before."""

    def now(self) -> Instant:
        """Return the current instant."""
        ...


def elapsed_ns() -> int:
    """Return nanoseconds since the machine started, time spent suspended included.

    A car's computer sleeps between drives. `CLOCK_MONOTONIC` would stand still meanwhile, and a cap of one hour
    would last for as many hours of driving.
    """
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class AnchoredClock:
    """Wall time at construction, plus what has elapsed since.

    Args:
        floor: The last instant known to have been reached, e.g. the ledger's; a wall clock that lags behind it
            (1970 after a power cut) is overruled.
    """

    def __init__(
        self,
        floor: Instant = 0,
        wall_ns: Callable[[], int] = time.time_ns,
        elapsed_ns: Callable[[], int] = elapsed_ns,
    ) -> None:
        self._elapsed_ns = elapsed_ns
        self._start_ns = elapsed_ns()
        self._anchor_ns = max(wall_ns(), floor * _NS_PER_MS)

    def now(self) -> Instant:
        """Return the current instant; never less than before, and never below the floor."""
        return (self._anchor_ns + self._elapsed_ns() - self._start_ns) // _NS_PER_MS


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
