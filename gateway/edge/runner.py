"""Drives the engine: feed it, commit what it asks for, publish, acknowledge, re-arm one timer. Only it reads the clock.

    message -> read -> engine.receive -> one transaction -> (on disk) -> offers published -> message acknowledged

Everything here runs in the event loop and never waits; what must wait for the disk stands in `Awaiting`, in the order
of its tickets. If a commit fails, the engine's memory is ahead of the ledger: what it asked for is dropped, nothing is
acknowledged, the connection is cut, and once the disk can be written again the engine is restored from the ledger and
the broker sends the unacknowledged messages anew. No record, no offer.
"""

import asyncio
import time
from collections.abc import Callable

from gateway import __version__
from gateway.core.effects import Effect, EventRefused
from gateway.core.engine import Engine
from gateway.core.errors import StoreError
from gateway.core.events import Event, FactsChanged, ListPrepared, SubjectIdentified
from gateway.core.units import SECOND_MS, Instant
from gateway.edge.alarm import Alarm
from gateway.edge.arrivals import Arrivals
from gateway.edge.awaiting import Awaiting, Due
from gateway.edge.exchange import Carrier, Receipt
from gateway.edge.ingest import Held, Ingest, Message
from gateway.edge.journal import Journal
from gateway.edge.link import Backoff
from gateway.edge.observe import Health, Metrics, log, log_decision
from gateway.edge.outbox import Publication
from gateway.edge.publisher import Publisher
from gateway.edge.registry import UnitRegistry
from gateway.edge.setting import Gate, Setting
from gateway.edge.store.cache import What
from gateway.edge.store.rows import Recorder, Transaction, release_in_force, sign_of_life
from gateway.edge.store.session import LedgerFull
from gateway.edge.store.set_back import time_set_back
from gateway.edge.store.writer import Committed, LedgerWriter
from gateway.edge.timekeeper import Timekeeper
from gateway.edge.vitals import Vitals
from gateway.wire.payloads import Liveness
from gateway.wire.write import encode_offer

HOLD_AT = 2_000
"""Transactions on their way to the disk from which on messages are held back."""
GO_ON_AT = 200
"""Transactions on their way to the disk from which on held messages are taken up again."""

_BRING_ALONG = (SubjectIdentified, FactsChanged, ListPrepared)


class Runner:
    """One gateway, from the ledger's state on. To be started once, in a running loop."""

    def __init__(
        self, setting: Setting, gate: Gate, metrics: Metrics, health: Health, backoff: Backoff | None = None
    ) -> None:
        config = setting.config
        self._setting = setting
        self._gate = gate
        self._metrics = metrics
        self._health = health
        self._clock = setting.clock
        self._ledger = setting.ledger
        self._loop = asyncio.get_running_loop()
        self._publisher = Publisher(self._clock, metrics, self._ledger, self._note, self._failed)
        self._registry = UnitRegistry(config.units, setting.standing.release)
        self._ingest = Ingest(
            config.id, setting.credential_key, metrics, self._publisher.put, devices=self._registry.devices
        )
        self._held = Held(metrics.conflated.inc)
        self._journal = Journal(config.journal, config.id, setting.ledger.short_epoch, setting.standing.release.id)
        self._vitals = Vitals(metrics, self._clock, config.ledger)
        self._writer = LedgerWriter(
            setting.ledger.path,
            config.ledger.max_mib * 1024 * 1024,
            self._committed,
            self._failed,
            self._vitals.upkept,
            self._vitals.cache_told,
        )
        self._arrivals = Arrivals(self._ledger, self._writer)
        self._awaiting = Awaiting(self._writer.submit)
        self._alarm = Alarm(self._clock, self._wake)
        self._time = Timekeeper(self._clock, self._time_judged, self._begin_set_back)
        self._turning_back = False
        self._turned_ms = 0
        self._holding = self._failing = self._draining = False
        self._failures = 0
        self._backoff = backoff or Backoff(first_s=1.0)
        self._recovered_at = 0.0
        self._probing: asyncio.TimerHandle | None = None
        self._moved_on = asyncio.Event()
        self._healthy_ledger = health.ledger
        self._engine = self._restored_engine()

    def start(self) -> None:
        """Make the units known and take up the timers; what fell due meanwhile is dealt with now."""
        now = self._clock.now()
        if self._ledger.release not in {None, self._setting.standing.release.id}:
            effects = self._engine.activate(self._setting.standing.release, now)
            self._journal.activated(self._setting.standing.release.id, effects, now)
            self._conclude(effects, now)
        self._writer.submit(release_in_force(self._setting.standing.release.id, now))
        self._health.clock = self._clock.quality
        self._check_calendar(now)
        self._arm()
        self._time.start()
        self._vitals.start(self._writer, version=__version__, release=self._setting.standing.release.id)
        if self._healthy_ledger == "quarantined":
            self._vitals.note(What.LEDGER_QUARANTINED)
        self._health.started = True

    # What the link tells.

    def message(self, topic: str, payload: bytes, receipt: Receipt | None, *, retained: bool) -> None:
        """Take a message in: decide on it now, or hold it while the ledger lags."""
        if self._draining or self._failing or self._turning_back:
            return
        now = self._clock.now()
        message = self._ingest.read(topic, payload, receipt, now, retained=retained)
        if message is not None and not self._time.is_sure:
            self._time.hear(message.events, message.topic)
            now = self._clock.now()
        if message is None:
            self._awaiting.settle(() if receipt is None else (receipt,))
        elif self._holding:
            self._hold(message)
        else:
            self._hear(message, now)

    def confirmed(self, token: object, code: int) -> None:
        """Take the broker's answer for a publication."""
        if isinstance(token, Publication):
            self._publisher.confirm(token, code)
            self._moved_on.set()

    def connected(self, connection: Carrier) -> None:
        """Announce the gateway and publish what is owed."""
        after = self._writer.last_ticket if self._writer.backlog else None
        self._publisher.attach(connection, self._setting.standing, after)

    def disconnected(self) -> None:
        """Forget what the connection carried; the ledger knows what is owed."""
        self._publisher.detach()
        self._moved_on.set()

    # The way of a message.

    def _hear(self, message: Message, now: Instant) -> None:
        if self._turning_back:
            return  # it has just shown that the clock is ahead, and is for the right time
        started = time.perf_counter()
        if now >= self._registry.due:
            self._check_calendar(now)
        effects: list[Effect] = []
        try:
            for event in message.events:
                effects += self._receive(event, now)
        except StoreError as error:
            self._failed(error)
            return
        self._conclude(effects, now, message, started)
        self._arm()
        if self._writer.backlog >= HOLD_AT and not self._holding:
            self._holding = True
            log.warning("holding", backlog=self._writer.backlog)

    def _receive(self, event: Event, now: Instant) -> list[Effect]:
        if isinstance(event, _BRING_ALONG):
            self._fire(now)  # what is read of the ledger must not be older than what is due
            event = self._arrivals.informed(event)
        effects = self._engine.receive(event, now)
        self._journal.record(event, effects, now)
        return effects

    def _conclude(
        self, effects: list[Effect], now: Instant, message: Message | None = None, started: float | None = None
    ) -> None:
        """Commit what is durable; acknowledge what caused it once that is on disk."""
        receipts = message.receipts if message is not None else ()
        if not effects:
            self._awaiting.settle(receipts)
            return
        self._metrics.count_effects(effects)
        recorder = Recorder(encode_offer, message.consents if message is not None else {})
        recorder.add(effects)
        transaction = recorder.transaction(now)
        self._refuse(effects, message, now)
        if transaction is None:
            self._awaiting.settle(receipts)
            return
        seconds = 0.0 if started is None else time.perf_counter() - started
        self._awaiting.record(transaction, receipts, seconds)

    def _refuse(self, effects: list[Effect], message: Message | None, now: Instant) -> None:
        for effect in effects:
            if isinstance(effect, EventRefused) and message is not None and message.topic:
                self._ingest.dead_letter(message.topic, message.payload, effect.reason, now)

    # While the ledger lags.

    def _hold(self, message: Message) -> None:
        self._held.put(message)
        self._metrics.held.set(len(self._held))
        if self._held.is_full and self._publisher.connection is not None:
            self._publisher.connection.pause()

    def _go_on(self) -> None:
        """Take up what was held, until the ledger lags again."""
        while not self._failing and self._writer.backlog < HOLD_AT and (message := self._held.take()) is not None:
            self._hear(message, self._clock.now())
        self._metrics.held.set(len(self._held))
        if not self._held:
            self._holding = False
            if self._publisher.connection is not None:
                self._publisher.connection.resume()

    # What the writer tells.

    def _committed(self, committed: Committed) -> None:
        self._metrics.count_commit(committed.count, committed.seconds)
        self._metrics.backlog.set(self._writer.backlog)
        for due in self._awaiting.committed(committed.ticket):
            self._fulfil(due)
        self._publisher.committed(committed.ticket)
        if self._failing:
            self._recover()
        elif self._turning_back:
            self._turn_back()
        elif self._holding and self._writer.backlog <= GO_ON_AT:
            self._go_on()
        self._moved_on.set()

    def _fulfil(self, due: Due) -> None:
        """Do what the record allows: publish, tell, acknowledge."""
        if due.transaction is not None:
            self._publisher.publish(due.transaction.owed)
            for decision in due.transaction.decisions:
                self._metrics.count_decision(decision, due.seconds)
                log_decision(decision, due.seconds)
        for receipt in due.receipts:
            receipt.acknowledge()

    def _note(self, transaction: Transaction) -> None:
        """Note what the broker has taken, unless the ledger is failing."""
        if not self._failing:
            self._writer.submit(transaction)

    def _failed(self, error: StoreError) -> None:
        """Stop: the engine knows what the ledger does not. Try the disk again after a while."""
        log.error("ledger_failed", reason=str(error))
        self._metrics.commit_failures.inc()
        self._health.ledger = "full" if isinstance(error, LedgerFull) else "failing"
        if not self._failing:
            self._vitals.note(What.LEDGER_FULL if isinstance(error, LedgerFull) else What.LEDGER_FAILED)
            if self._loop.time() - self._recovered_at >= self._backoff.steady_s:
                self._failures = 0
        self._failing = True
        self._holding = self._turning_back = False
        self._turned_ms = 0
        self._awaiting.clear()
        self._held.clear()
        self._alarm.disarm()
        self._journal.close()
        self._gate.hold()
        self._writer.begin_era()
        if self._probing is not None:
            self._probing.cancel()
        self._probing = self._loop.call_later(self._backoff.delay_s(self._failures), self._probe)
        self._failures += 1
        self._moved_on.set()

    def _probe(self) -> None:
        """Try what a commit needs: a row that is only changed in place would prove nothing of a full disk."""
        if not self._draining:
            self._writer.probe(self._clock.now())

    def _recover(self) -> None:
        """The disk can be written again. Only time can tell for how long: until then the waiting goes on growing."""
        if self._resume():
            log.info("ledger_recovered", failures=self._failures)
            self._vitals.note(What.LEDGER_RECOVERED, failures=self._failures)
            self._failing = False
            self._recovered_at = self._loop.time()
            self._health.ledger = self._healthy_ledger

    def _resume(self) -> bool:
        """Go on from what the ledger knows. Returns whether it can be read."""
        try:
            self._engine = self._restored_engine()
        except StoreError as error:
            self._failed(error)
            return False
        self._registry.forget()
        self._check_calendar(self._clock.now())
        self._arm()
        self._gate.release()
        return True

    def _restored_engine(self) -> Engine:
        state = self._ledger.restorable_state()
        self._journal.begin(state, self._clock.now())
        setting = self._setting
        return Engine.restore(state, setting.standing.release, epoch=self._ledger.short_epoch, scorer=setting.scorer)

    # Time.

    def _arm(self) -> None:
        due = self._engine.next_timer()
        if not self._draining:
            self._alarm.arm(self._registry.due if due is None else min(due, self._registry.due))

    def _wake(self) -> None:
        """Let the engine fire what is due."""
        started = time.perf_counter()
        now = self._clock.now()
        if now >= self._registry.due:
            self._check_calendar(now)
        self._fire(now, started)
        self._arm()

    def _fire(self, now: Instant, started: float | None = None) -> None:
        if (due := self._engine.next_timer()) is not None and due <= now:
            effects = self._engine.handle_timer(now)
            self._journal.record(None, effects, now)
            self._conclude(effects, now, started=started)

    def _check_calendar(self, now: Instant) -> None:
        """Tell the engine of units whose local time has changed; at the start, of every unit."""
        self._journal.check(now)
        for registered in self._registry.registrations(now, time_is_sure=self._time.is_sure):
            self._conclude(self._receive(registered, now), now)

    def _time_judged(self) -> None:
        """Tell the engine that the time has become suspect, or sure again; and timers may be due at once."""
        self._health.clock = self._clock.quality
        log.warning("clock", quality=self._clock.quality.value)
        if not self._failing and not self._turning_back:
            self._check_calendar(self._clock.now())
            self._alarm.disarm()
            self._arm()
            self._publisher.time_judged()

    def _begin_set_back(self) -> None:
        """Take nothing in until the ledger's time is set back: first all that was decided must be on disk."""
        if self._failing or self._draining or self._turning_back:
            return
        self._turning_back, self._holding = True, False
        self._held.clear()
        self._alarm.disarm()
        self._gate.hold()
        self._writer.submit(sign_of_life(self._clock.now()))

    def _turn_back(self) -> None:
        """Set the ledger's time back, and once that is on disk, the clock's; go on with an engine of that time."""
        if self._writer.backlog:
            return
        turned_ms, self._turned_ms = self._turned_ms, self._clock.behind_ms()
        if turned_ms:
            self._clock.set_back(turned_ms)
            log.warning("clock_set_back", by_s=turned_ms // SECOND_MS)
        if turned_ms or not self._turned_ms:  # the wall clock may have come to agree with us meanwhile
            self._turning_back, self._turned_ms = False, 0
            self._resume()
            return
        try:
            self._writer.submit(time_set_back(self._ledger, self._clock.now() - self._turned_ms, self._turned_ms))
        except StoreError as error:
            self._failed(error)

    # The end.

    async def drain(self) -> None:
        """Take nothing in any more; wait until all is committed, published and confirmed, and say goodbye."""
        self._draining = True
        self._alarm.disarm()
        await self.settled()
        if self._publisher.connection is not None:
            self._publisher.put(self._setting.standing.announcement(Liveness.GONE))
        await self._until(lambda: self._publisher.connection is None or not len(self._publisher))
        await self.settled()

    async def settled(self) -> None:
        """Wait until all that was submitted is on disk, or the disk says no."""
        await self._until(lambda: self._failing or not self._writer.backlog)

    async def close(self) -> None:
        """Commit what is queued, and close ledger and journal."""
        self._time.stop()
        self._vitals.stop()
        if self._probing is not None:
            self._probing.cancel()
        self._ingest.tell_rest(self._clock.now())
        await self._writer.close()
        self._journal.close()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._moved_on.clear()
            await self._moved_on.wait()
