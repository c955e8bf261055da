"""What is due when. Timers are derived from the state, never stored: a restored engine makes the same ones anew."""

import heapq
from typing import NamedTuple

from gateway.core.units import Instant

_STALE_AT_MOST = 64
"""Fewer timers than this that were moved or cancelled may always stay behind."""


class TimerKey(NamedTuple):
    """Names a timer; also the order in which timers of the same instant fire.

    Attributes:
        name: absence, dwell, hours, offer, parked_limit, session, silence, window.
        owner: The unit, or the offer.
        item: The fence, or the action and trigger.
    """

    name: str
    owner: str
    item: str = ""


class Agenda:
    """Timers by due instant. Setting one again moves it; at most one is pending for a key."""

    def __init__(self) -> None:
        self._due: dict[TimerKey, Instant] = {}
        self._heap: list[tuple[Instant, TimerKey]] = []

    def set(self, key: TimerKey, due: Instant) -> None:
        """Make `key` due at `due`, wherever it stood before."""
        if self._due.get(key) != due:
            self._due[key] = due
            heapq.heappush(self._heap, (due, key))
            if len(self._heap) > 2 * len(self._due) + _STALE_AT_MOST:
                # What was cancelled behind one that stays would stay as long: those of everybody who came and went.
                self._heap = [(at, name) for name, at in self._due.items()]
                heapq.heapify(self._heap)

    def cancel(self, key: TimerKey) -> None:
        """Forget a timer; one that is not pending may be cancelled too."""
        self._due.pop(key, None)

    def next_due(self) -> Instant | None:
        """Return when the next timer is due, or None."""
        self._discard_stale()
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: Instant) -> tuple[Instant, TimerKey] | None:
        """Remove and return the first timer due at or before `now`, in (due, key) order, or None."""
        self._discard_stale()
        if not self._heap or self._heap[0][0] > now:
            return None
        due, key = heapq.heappop(self._heap)
        del self._due[key]
        return due, key

    def _discard_stale(self) -> None:
        """Drop what was moved or cancelled: an entry counts only while it is the due instant of its key."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
