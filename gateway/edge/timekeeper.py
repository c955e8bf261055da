"""Looks after the clock: once a second against the wall, and with every message while the time is in doubt."""

import asyncio
from collections.abc import Callable, Iterable

from gateway.core.events import Event, PositionReported, SignalsReported
from gateway.edge.clock import CHECK_EVERY_S, Clock, Quality

_SCANNED = "home/"
"""What the topics begin with of messages that tell no time and are stamped with ours: we would confirm ourselves."""


class Timekeeper:
    """Tells the runner what becomes of the time. Belongs to the loop it is started in.

    Args:
        judged: Called when the time has become suspect, or sure again.
        behind: Called, perhaps again and again, while the clock asks to be set back.
    """

    def __init__(self, clock: Clock, judged: Callable[[], None], behind: Callable[[], None]) -> None:
        self._clock = clock
        self._judged = judged
        self._behind = behind
        self._quality = clock.quality
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_sure(self) -> bool:
        """Whether the time is what it seems to be."""
        return self._clock.quality is not Quality.SUSPECT

    def start(self) -> None:
        """Look at the clock every `CHECK_EVERY_S`, until `stop`."""
        self._timer = asyncio.get_running_loop().call_later(CHECK_EVERY_S, self._tick)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def hear(self, events: Iterable[Event], topic: str = "") -> None:
        """Let a message bear witness, by the newest it tells; to be called while the time is not sure."""
        if not topic.startswith(_SCANNED):
            told = [event for event in events if isinstance(event, PositionReported | SignalsReported)]
            if told:
                newest = max(told, key=lambda event: event.ts)
                self._clock.witness(newest.unit, newest.ts)
        self._look()

    def _tick(self) -> None:
        self.start()
        self._clock.check()
        self._look()

    def _look(self) -> None:
        if self._clock.quality is not self._quality:
            self._quality = self._clock.quality
            self._judged()
        if self._clock.behind_ms():
            self._behind()
