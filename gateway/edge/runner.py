"""Drives the engine: feed it, commit what it asks for, publish, acknowledge, re-arm one timer. Only it reads the clock.

    message -> read -> engine.receive -> one transaction -> (on disk) -> offers published -> message acknowledged

Everything here runs in the event loop and never waits; what must wait for the disk stands in `_awaiting`, in the order
of its tickets. If a commit fails, the engine's memory is ahead of the ledger: what it asked for is dropped, nothing is
acknowledged, the connection is cut, and once the disk can be written again the engine is restored from the ledger and
the broker sends the unacknowledged messages anew. No record, no offer.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from gateway.core.effects import Effect, EventRefused
from gateway.core.engine import Engine
from gateway.core.errors import StoreError
from gateway.core.events import Event, SubjectIdentified
from gateway.core.scoring import Scorer
from gateway.core.state import StateKey
from gateway.core.units import Instant
from gateway.edge.alarm import Alarm
from gateway.edge.clock import Clock
from gateway.edge.config import GatewayConfig
from gateway.edge.exchange import Carrier, Receipt
from gateway.edge.ingest import Held, Ingest, Message
from gateway.edge.journal import Journal
from gateway.edge.link import Backoff
from gateway.edge.observe import Health, Metrics, log, log_decision
from gateway.edge.outbox import LIMIT, Kind, Outbox, Publication, publication_of
from gateway.edge.registry import UnitRegistry
from gateway.edge.status import Standing
from gateway.edge.store.ledger import Ledger
from gateway.edge.store.rows import (
    Owed,
    Recorder,
    Transaction,
    offer_sent,
    release_in_force,
    sign_of_life,
    withdrawal_sent,
)
from gateway.edge.store.writer import Committed, LedgerWriter
from gateway.wire.payloads import Liveness
from gateway.wire.write import encode_offer

HOLD_AT = 2_000
"""Transactions on their way to the disk from which on messages are held back."""
GO_ON_AT = 200
"""Transactions on their way to the disk from which on held messages are taken up again."""


class Gate(Protocol):
    """The way to the broker, as far as the runner must open and shut it."""

    def hold(self) -> None:
        """Cut the connection and make no new one."""
        ...

    def release(self) -> None:
        """Connect again."""
        ...


@dataclass(frozen=True, slots=True)
class Setting:
    """What a runner works with. The ledger is prepared; the scorer has verified its models."""

    config: GatewayConfig
    scorer: Scorer
    standing: Standing
    credential_key: bytes
    ledger: Ledger
    clock: Clock


class _Awaiting(NamedTuple):
    """What may happen once a ticket is committed."""

    ticket: int
    receipts: tuple[Receipt, ...]
    transaction: Transaction | None
    seconds: float


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
        self._outbox = Outbox(self._clock, metrics, self._published, self._publish_owed)
        self._ingest = Ingest(config.id, setting.credential_key, metrics, self._outbox.put)
        self._held = Held(metrics.conflated.inc)
        self._journal = Journal(config.journal, config.id, setting.ledger.short_epoch, setting.standing.release.id)
        self._writer = LedgerWriter(
            setting.ledger.path, config.ledger.max_mib * 1024 * 1024, self._committed, self._failed
        )
        self._awaiting: deque[_Awaiting] = deque()
        self._connection: Carrier | None = None
        self._alarm = Alarm(self._clock, self._wake)
        self._registry = UnitRegistry(config.units)
        self._holding = False
        self._failing = False
        self._draining = False
        self._failures = 0
        self._backoff = backoff or Backoff(first_s=1.0)
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
        self._check_calendar(now)
        self._arm()
        self._health.started = True

    # What the link tells.

    def message(self, topic: str, payload: bytes, receipt: Receipt | None, *, retained: bool) -> None:
        """Take a message in: decide on it now, or hold it while the ledger lags."""
        if self._draining or self._failing:
            return
        now = self._clock.now()
        message = self._ingest.read(topic, payload, receipt, now, retained=retained)
        if message is None:
            self._settle(() if receipt is None else (receipt,))
        elif self._holding:
            self._hold(message)
        else:
            self._hear(message, now)

    def confirmed(self, token: object, code: int) -> None:
        """Take the broker's answer for a publication."""
        if isinstance(token, Publication):
            self._outbox.confirm(token, code)
            self._moved_on.set()

    def connected(self, connection: Carrier) -> None:
        """Announce the gateway and publish what is owed."""
        self._connection = connection
        self._outbox.attach(connection)
        self._outbox.put(self._setting.standing.announcement(Liveness.BORN))
        self._publish_owed()

    def disconnected(self) -> None:
        """Forget what the connection carried; the ledger knows what is owed."""
        self._connection = None
        self._outbox.detach()
        self._moved_on.set()

    # The way of a message.

    def _hear(self, message: Message, now: Instant) -> None:
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
        if isinstance(event, SubjectIdentified):
            event = replace(event, state=self._state_of(event.subject))
        effects = self._engine.receive(event, now)
        if self._journal.is_open:
            self._journal.record(event, effects, now)
        return effects

    def _state_of(self, subject: str) -> dict[StateKey, object]:
        """Return what is known of a subject: the ledger's entries under those on their way to it."""
        state = self._ledger.subject_state(subject) | self._writer.uncommitted_of_subject(subject)
        return {key: value for key, value in state.items() if value is not None}

    def _conclude(
        self, effects: list[Effect], now: Instant, message: Message | None = None, started: float | None = None
    ) -> None:
        """Commit what is durable; acknowledge what caused it once that is on disk."""
        receipts = message.receipts if message is not None else ()
        if not effects:
            self._settle(receipts)
            return
        self._metrics.count_effects(effects)
        recorder = Recorder(encode_offer, message.consents if message is not None else {})
        recorder.add(effects)
        transaction = recorder.transaction(now)
        self._refuse(effects, message, now)
        if transaction is None:
            self._settle(receipts)
            return
        seconds = 0.0 if started is None else time.perf_counter() - started
        self._awaiting.append(_Awaiting(self._writer.submit(transaction), receipts, transaction, seconds))

    def _settle(self, receipts: tuple[Receipt, ...]) -> None:
        """Acknowledge what needs no record of its own.

        It waits for all that came before it, since it may be a repetition of something that is not on disk yet.
        """
        if not receipts:
            return
        if self._awaiting:
            self._awaiting.append(_Awaiting(self._awaiting[-1].ticket, receipts, None, 0.0))
            return
        for receipt in receipts:
            receipt.acknowledge()

    def _refuse(self, effects: list[Effect], message: Message | None, now: Instant) -> None:
        for effect in effects:
            if isinstance(effect, EventRefused) and message is not None and message.topic:
                self._ingest.dead_letter(message.topic, message.payload, effect.reason, now)

    # While the ledger lags.

    def _hold(self, message: Message) -> None:
        self._held.put(message)
        self._metrics.held.set(len(self._held))
        if self._held.is_full and self._connection is not None:
            self._connection.pause()

    def _go_on(self) -> None:
        """Take up what was held, until the ledger lags again."""
        while not self._failing and self._writer.backlog < HOLD_AT and (message := self._held.take()) is not None:
            self._hear(message, self._clock.now())
        self._metrics.held.set(len(self._held))
        if not self._held:
            self._holding = False
            if self._connection is not None:
                self._connection.resume()

    # What the writer tells.

    def _committed(self, committed: Committed) -> None:
        self._metrics.count_commit(committed.count, committed.seconds)
        self._metrics.backlog.set(self._writer.backlog)
        while self._awaiting and self._awaiting[0].ticket <= committed.ticket:
            self._fulfil(self._awaiting.popleft())
        if self._failing:
            self._recover()
        elif self._holding and self._writer.backlog <= GO_ON_AT:
            self._go_on()
        self._moved_on.set()

    def _fulfil(self, awaiting: _Awaiting) -> None:
        """Do what the record allows: publish, tell, acknowledge."""
        if awaiting.transaction is not None:
            for owed in awaiting.transaction.owed:
                self._outbox.put(publication_of(owed))
            for decision in awaiting.transaction.decisions:
                self._metrics.count_decision(decision, awaiting.seconds)
                log_decision(decision, awaiting.seconds)
        for receipt in awaiting.receipts:
            receipt.acknowledge()

    def _failed(self, error: StoreError) -> None:
        """Stop: the engine knows what the ledger does not. Try the disk again after a while."""
        log.error("ledger_failed", reason=str(error))
        self._metrics.commit_failures.inc()
        self._health.ledger = "failing"
        self._failing = True
        self._holding = False
        self._awaiting.clear()
        self._held.clear()
        self._alarm.disarm()
        self._journal.close()
        self._gate.hold()
        self._writer.begin_era()
        if not self._draining:
            self._loop.call_later(self._backoff.delay_s(self._failures), self._probe)
        self._failures += 1
        self._moved_on.set()

    def _probe(self) -> None:
        if not self._draining:
            self._writer.submit(sign_of_life(self._clock.now()))

    def _recover(self) -> None:
        """Go on from what the ledger knows."""
        try:
            self._engine = self._restored_engine()
        except StoreError as error:
            self._failed(error)
            return
        log.info("ledger_recovered", failures=self._failures)
        self._failing = False
        self._failures = 0
        self._health.ledger = self._healthy_ledger
        self._registry.forget()
        self._check_calendar(self._clock.now())
        self._arm()
        self._gate.release()

    def _restored_engine(self) -> Engine:
        state = self._ledger.restorable_state()
        self._journal.begin(state, self._clock.now())
        setting = self._setting
        return Engine.restore(state, setting.standing.release, epoch=self._ledger.short_epoch, scorer=setting.scorer)

    # Publishing.

    def _publish_owed(self) -> None:
        """Publish what the ledger says is owed, as much of it as there is room for."""
        now = self._clock.now()
        try:
            owed: list[Owed] = [*self._ledger.owed_withdrawals(now, LIMIT), *self._ledger.owed_offers(now, LIMIT)]
        except StoreError as error:
            self._failed(error)
            return
        for each in owed:
            self._outbox.put(publication_of(each))

    def _published(self, publication: Publication) -> None:
        """Note that the broker has taken it. Should the note be lost, it is published again under the same id."""
        if self._failing:
            return
        if publication.kind is Kind.OFFER:
            self._writer.submit(offer_sent(publication.id, self._clock.now()))
        elif publication.kind is Kind.WITHDRAWAL:
            self._writer.submit(withdrawal_sent(publication.id, self._clock.now()))

    # Time.

    def _arm(self) -> None:
        due = self._engine.next_timer()
        self._alarm.arm(self._registry.due if due is None else min(due, self._registry.due))

    def _wake(self) -> None:
        """Let the engine fire what is due."""
        started = time.perf_counter()
        now = self._clock.now()
        if now >= self._registry.due:
            self._check_calendar(now)
        effects = self._engine.handle_timer(now)
        if self._journal.is_open:
            self._journal.record(None, effects, now)
        self._conclude(effects, now, started=started)
        self._arm()

    def _check_calendar(self, now: Instant) -> None:
        """Tell the engine of units whose local time has changed; at the start, of every unit."""
        self._journal.check(now)
        for registered in self._registry.registrations(now):
            self._conclude(self._receive(registered, now), now)

    # The end.

    async def drain(self) -> None:
        """Take nothing in any more; wait until all is committed, published and confirmed, and say goodbye."""
        self._draining = True
        self._alarm.disarm()
        await self.settled()
        if self._connection is not None:
            self._outbox.put(self._setting.standing.announcement(Liveness.GONE))
        await self._until(lambda: self._connection is None or not len(self._outbox))
        await self.settled()

    async def settled(self) -> None:
        """Wait until all that was submitted is on disk, or the disk says no."""
        await self._until(lambda: self._failing or not self._writer.backlog)

    async def close(self) -> None:
        """Commit what is queued, and close ledger and journal."""
        await self._writer.close()
        self._journal.close()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._moved_on.clear()
            await self._moved_on.wait()
