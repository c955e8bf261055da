"""When a fence is open: a local week and a time zone's offsets, evaluated without knowing any zone.

Whoever reads `opening_hours` and `time_zone` compiles them to this value (see `gateway.wire.fences`). Days begin and
clocks change as the offsets say, so that a fence opens at its local hour in winter and in summer.
"""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise

from gateway.core.errors import InvariantViolation
from gateway.core.units import DAY_MS, MINUTE_MS, SECOND_MS, Instant

WEEK_MIN = 7 * 24 * 60
"""Minutes of a week. Minute 0 is Monday, 00:00."""

_MONDAY_MS = 4 * DAY_MS  # 1970-01-05, the first Monday
_HORIZON_MS = 15 * DAY_MS
"""A week holds every change there is; a second one covers the days a clock change may hide."""


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """The minutes of a local week in which something is open.

    Attributes:
        week: Half-open `(start, end)` in minutes of the week, `0 <= start < end <= WEEK_MIN`, in order, disjoint. What
            runs over the end of Sunday stands as two: one that ends there, one that starts at 0.
        offsets: `(from, local time minus UTC in seconds)`, in order; the first also holds before it.

    Raises:
        InvariantViolation: They are not so: whoever compiled them is wrong.

    >>> OpeningHours(((0, 60),), ((0, 3600),)).is_open(4 * DAY_MS - 3600 * SECOND_MS)
    True
    """

    week: tuple[tuple[int, int], ...]
    offsets: tuple[tuple[Instant, int], ...]

    def __post_init__(self) -> None:
        edges = [minute for interval in self.week for minute in interval]
        in_order = all(a <= b for a, b in pairwise(edges)) and all(a < b for a, b in self.week)
        if edges and not (in_order and edges[0] >= 0 and edges[-1] <= WEEK_MIN):
            raise InvariantViolation(f"opening hours out of order: {self.week}")
        starts = [start for start, _ in self.offsets]
        if not starts or starts != sorted(set(starts)):
            raise InvariantViolation("a zone has at least one offset, in order of their starts")

    def is_open(self, at: Instant) -> bool:
        """Return whether it is open; at the very instant of opening it is, at that of closing it no longer is."""
        return self._is_open_in(self._local_ms(at) / MINUTE_MS)

    def next_change(self, at: Instant) -> Instant | None:
        """Return the first instant after `at` at which it opens or closes; None if it never does."""
        before, end = self.is_open(at), at + _HORIZON_MS
        while at < end:
            at = self._next_edge(at)
            if self.is_open(at) != before:
                return at
        return None

    def _is_open_in(self, minute: float) -> bool:
        return any(start <= minute < end for start, end in self.week)

    def _local_ms(self, at: Instant) -> int:
        """Return the milliseconds of the local week that have passed."""
        return (at + self._offset_ms(at) - _MONDAY_MS) % (WEEK_MIN * MINUTE_MS)

    def _offset_ms(self, at: Instant) -> int:
        number = bisect_right(self.offsets, at, key=lambda offset: offset[0])
        return self.offsets[max(number - 1, 0)][1] * SECOND_MS

    def _next_edge(self, at: Instant) -> Instant:
        """Return the next instant at which anything can change: an edge of the week, its end, or a clock change."""
        local_ms = self._local_ms(at)
        edges_ms = [minute * MINUTE_MS for interval in self.week for minute in interval] + [WEEK_MIN * MINUTE_MS]
        edge = at - local_ms + min(edge for edge in edges_ms if edge > local_ms)
        number = bisect_right(self.offsets, at, key=lambda offset: offset[0])
        return min(edge, self.offsets[number][0]) if number < len(self.offsets) else edge
