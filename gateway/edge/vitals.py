"""How the gateway fares: noted when it happens, counted by the hour, and old records taken out once an hour.

All of it is done in the writer's thread, when that has time; here is only said when. Nothing that decides reads it.
"""

import asyncio

from gateway.core.units import DAY_MS
from gateway.edge.clock import Clock, Quality
from gateway.edge.config import LedgerConfig
from gateway.edge.observe import Metrics, log
from gateway.edge.store.cache import Note, What, boot_id
from gateway.edge.store.upkeep import Retention
from gateway.edge.store.writer import LedgerWriter, Upkept

COUNT_EVERY_S = 30.0
RETAIN_EVERY_S = 3600.0

_REFUSED = ("connections", "refused")


class Vitals:
    """Told by the runner; belongs to its loop.

    Nothing is taken out for its age while the time is suspect: a clock that has leapt a year ahead would take out all.
    """

    def __init__(self, metrics: Metrics, clock: Clock, config: LedgerConfig) -> None:
        self._metrics = metrics
        self._clock = clock
        self._retention = Retention(config.keep_decisions_days * DAY_MS, config.keep_results_days * DAY_MS)
        self._boot = boot_id()
        self._writer: LedgerWriter | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._retain_at = 0.0
        self._quality = Quality.PLAUSIBLE
        self._refused = 0

    def start(self, writer: LedgerWriter, **detail: str | int) -> None:
        """Note that the gateway has started, and look after it from now on."""
        self._writer = writer
        self.note(What.STARTED, **detail)
        self._look()

    def stop(self) -> None:
        """Note that the gateway stops; to be called before the writer is closed."""
        if self._timer is not None:
            self._timer.cancel()
        if self._writer is not None:
            self._writer.count(self._clock.now(), self._metrics.totals())
            self.note(What.STOPPED)

    def note(self, what: What, **detail: str | int) -> None:
        """Note that something has happened to the gateway; nothing of a person, a unit or a place."""
        if self._writer is not None:
            self._writer.note(Note(self._clock.now(), self._boot, what.value, detail))

    def upkept(self, upkept: Upkept) -> None:
        """Take notice of the ledger's size and of what was taken out of it."""
        self._metrics.count_upkeep(upkept.ledger_bytes, upkept.gaps)

    def cache_told(self, what: str, reason: str) -> None:
        """Say what became of the cache. It is no reason to worry anybody at night."""
        if what == "cache_works":
            log.info(what)
        else:
            log.warning(what, reason=reason)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(COUNT_EVERY_S, self._look)
        if self._writer is None:
            return
        now, totals = self._clock.now(), self._metrics.totals()
        self._writer.count(now, totals)
        refused, self._refused = totals.get(_REFUSED, 0) - self._refused, totals.get(_REFUSED, 0)
        if refused:
            self.note(What.BROKER_REFUSED, times=refused)
        if self._clock.quality is not self._quality:
            self._quality = self._clock.quality
            self.note(What.CLOCK_SUSPECT if self._quality is Quality.SUSPECT else What.CLOCK_SURE)
        if self._quality is not Quality.SUSPECT and loop.time() >= self._retain_at:
            self._retain_at = loop.time() + RETAIN_EVERY_S
            self._writer.retain(self._retention, now)
