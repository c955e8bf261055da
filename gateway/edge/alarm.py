"""One timer for all that is ever due."""

import asyncio
from collections.abc import Callable

from gateway.core.units import SECOND_MS, Instant
from gateway.edge.clock import Clock


class Alarm:
    """Calls `wake` at the instant it was last armed for, by the gateway's clock and never before it."""

    def __init__(self, clock: Clock, wake: Callable[[], None]) -> None:
        self._clock = clock
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._due: Instant | None = None
        self._timer: asyncio.TimerHandle | None = None

    def arm(self, due: Instant) -> None:
        """Wake at `due`; whatever it was armed for before is forgotten."""
        if due == self._due:
            return
        self.disarm()
        self._due = due
        self._timer = self._loop.call_later(max(0, due - self._clock.now()) / SECOND_MS, self._ring)

    def disarm(self) -> None:
        """Do not wake."""
        if self._timer is not None:
            self._timer.cancel()
        self._due = self._timer = None

    def _ring(self) -> None:
        due, self._due, self._timer = self._due, None, None
        # The loop counts other milliseconds than the clock and may be a fraction of one early.
        if due is not None and self._clock.now() < due:
            self.arm(due)
        else:
            self._wake()
