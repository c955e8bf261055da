"""From a message to what the engine is to hear: read, counted, refused, and held back while the ledger lags.

While messages are held, routine signals are conflated: of each (unit, path) only the newest is kept. What changes
rarely and decides much is never conflated: gear, brake, ignition, seats, tyres, and everything that is no telemetry.
It is bounded all the same: when `KEPT_LIMIT` of it or `KEPT_BYTES` wait, the socket is read no more, and the broker
keeps the rest.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from gateway.core.context import DURABLE_SIGNALS
from gateway.core.errors import InvalidInput
from gateway.core.events import Event, PositionReported, Scalar, SignalsReported
from gateway.core.units import SECOND_MS, Instant
from gateway.edge.exchange import Receipt
from gateway.edge.observe import Metrics, log
from gateway.edge.outbox import Kind, Publication
from gateway.edge.summary import Summary
from gateway.wire.deadletter import dead_letter
from gateway.wire.devices import Devices, Ignored
from gateway.wire.payloads import Consent
from gateway.wire.read import Received, read, read_device
from gateway.wire.topics import DEVICE_ROOTS, Channel, parse_topic, presentable, topic_of

KEPT_LIMIT = 5_000
KEPT_BYTES = 16 * 1024 * 1024
DEAD_LETTER_BURST = 50
DEAD_LETTERS_PER_S = 10

_NO_RECEIPTS: Mapping[str, str] = MappingProxyType({})
_POSITION = "position"


class Message(NamedTuple):
    """A message, understood.

    Attributes:
        topic: Empty for what was put together here from several.
        receipts: What is owed once it is dealt with.
        consents: The receipts that the ledger keeps whole, by the consent's id.
    """

    unit: str
    events: tuple[Event, ...]
    topic: str = ""
    payload: bytes = b""
    receipts: tuple[Receipt, ...] = ()
    consents: Mapping[str, str] = _NO_RECEIPTS


class Ingest:
    """Reads messages, counts them, and refuses those that are wrong.

    Args:
        put: Publishes a dead letter; returns False if it cannot.
        devices: Those that speak dialects of their own; none unless given.
    """

    def __init__(
        self,
        gateway: str,
        credential_key: bytes,
        metrics: Metrics,
        put: Callable[[Publication], bool],
        devices: Devices | None = None,
    ) -> None:
        self._devices = devices or Devices()
        self._key = credential_key
        self._metrics = metrics
        self._put = put
        self._topic = topic_of(gateway, Channel.DEADLETTER)
        self._refusals = Summary("messages_refused")
        self._allowance = float(DEAD_LETTER_BURST)
        self._allowed_at: Instant = 0
        self._numbered = 0

    def read(
        self, topic: str, payload: bytes, receipt: Receipt | None, now: Instant, *, retained: bool
    ) -> Message | None:
        """Return what a message says, or None when it is refused: counted and dead-lettered, nothing else is lost."""
        self._refusals.catch_up(now)
        if topic.startswith(DEVICE_ROOTS):
            return self._read_device(topic, payload, receipt, now, retained=retained)
        try:
            received = read(topic, payload, now, credential_key=self._key, retained=retained)
        except InvalidInput as refused:
            self._metrics.count_dead_letter(refused.reason)
            self.dead_letter(topic, payload, refused.reason, now)
            return None
        self._count(received)
        if received.channel is Channel.STATUS:
            self._devices.forget(received.unit)
        if received.refused is not None:
            self._metrics.count_dead_letter(received.refused.reason)
            self.dead_letter(topic, payload, received.refused.reason, now)
        receipts = () if receipt is None else (receipt,)
        return Message(received.unit, received.events, topic, payload, receipts, _consents_of(received))

    def _read_device(
        self, topic: str, payload: bytes, receipt: Receipt | None, now: Instant, *, retained: bool
    ) -> Message | None:
        """Return what a device says; None also when it is left unheard: counted, without a word to anybody."""
        told = presentable(topic)
        try:
            said = read_device(topic, payload, now, self._devices, credential_key=self._key, retained=retained)
        except InvalidInput as refused:
            self._metrics.count_dead_letter(refused.reason)
            self.dead_letter(told, payload, refused.reason, now)
            return None
        if isinstance(said, Ignored):
            self._metrics.count_ignored(said.reason)
            return None
        self._metrics.count_message(said.dialect)
        if said.refused is not None:
            self._metrics.count_dead_letter(said.refused.reason)
            self.dead_letter(told, payload, said.refused.reason, now)
        return Message(said.unit, said.events, told, payload, () if receipt is None else (receipt,))

    def dead_letter(self, topic: str, payload: bytes, reason: str, now: Instant) -> None:
        """Tell of a refused message, unless too many were told of just now; that is counted."""
        unit = _unit_of(topic)
        log.debug("message_refused", reason=reason, unit=unit, length=len(payload))
        self._refusals.note(reason, now, unit=unit)
        elapsed_ms = max(0, now - self._allowed_at)  # the clock may have been set back
        self._allowed_at = now
        self._allowance = min(DEAD_LETTER_BURST, self._allowance + elapsed_ms * DEAD_LETTERS_PER_S / SECOND_MS)
        self._numbered += 1
        if self._allowance >= 1.0:
            letter = dead_letter(topic, payload, reason, now)
            publication = Publication(Kind.DEAD_LETTER, str(self._numbered), self._topic, letter.encode())
            if self._put(publication):
                self._allowance -= 1.0
                return
        self._metrics.dead_letters_unpublished.inc()

    def tell_rest(self, now: Instant) -> None:
        """Say in the log what was refused and not said yet."""
        self._refusals.flush(now)

    def _count(self, received: Received) -> None:
        metrics = self._metrics
        metrics.count_message(received.channel)
        if received.unknown_fields:
            metrics.unknown_fields.inc(received.unknown_fields)
        if received.unknown_signals:
            metrics.unknown_signals.inc(received.unknown_signals)
        if received.withheld:
            metrics.withheld.inc(received.withheld)


def _unit_of(topic: str) -> str | None:
    """Return the unit that a topic of ours names; any other text from outside is not logged."""
    try:
        return parse_topic(topic).owner
    except InvalidInput:
        return None


def _consents_of(received: Received) -> Mapping[str, str]:
    payload = received.payload
    return {payload.id: payload.encode().decode()} if isinstance(payload, Consent) else _NO_RECEIPTS


@dataclass(slots=True)
class _Entry:
    """A message that is kept as it came, or a unit's newest values, each with the `ts` it was reported at."""

    unit: str
    kept: Message | None = None
    signals: dict[str, tuple[Instant, Scalar]] = field(default_factory=dict)
    position: PositionReported | None = None
    receipts: list[Receipt] = field(default_factory=list)

    def drop(self, path: str) -> None:
        """Give up a value for a newer one."""
        if path == _POSITION:
            self.position = None
        else:
            del self.signals[path]


class Held:
    """Messages that wait until the ledger has caught up, in their order but for what is conflated.

    Each (unit, path) has at most one value here: `_home` knows in which entry, and since when. An entry that lost all
    its values stays for its receipts.

    Args:
        conflated: Told how many values gave way to a newer one.
    """

    def __init__(self, conflated: Callable[[int], None]) -> None:
        self._conflated = conflated
        self._entries: dict[int, _Entry] = {}
        self._number = 0
        self._bytes = 0
        self._home: dict[tuple[str, str], tuple[int, Instant]] = {}
        self._open: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def is_full(self) -> bool:
        """Whether no more can be taken without growing beyond the bound."""
        return len(self._entries) >= KEPT_LIMIT or self._bytes >= KEPT_BYTES

    def clear(self) -> None:
        """Give everything up; nothing of it was acknowledged."""
        self._entries.clear()
        self._home.clear()
        self._bytes = 0
        self._open.clear()

    def put(self, message: Message) -> None:
        """Keep a message, or the newest of what it says."""
        if not all(map(_is_routine, message.events)):
            self._append(_Entry(message.unit, kept=message))
            self._bytes += len(message.payload)
            self._open.pop(message.unit, None)
            return
        number = self._open.get(message.unit)
        if number is None:
            number = self._open[message.unit] = self._append(_Entry(message.unit))
        entry = self._entries[number]
        entry.receipts.extend(message.receipts)
        for event in message.events:
            if isinstance(event, PositionReported):
                if self._is_newest(number, message.unit, _POSITION, event.ts):
                    entry.position = event
            elif isinstance(event, SignalsReported):
                for path, value in event.signals.items():
                    if self._is_newest(number, message.unit, path, event.ts):
                        entry.signals[path] = (event.ts, value)

    def take(self) -> Message | None:
        """Remove and return the first message; None when there is none."""
        if not self._entries:
            return None
        number = next(iter(self._entries))
        entry = self._entries.pop(number)
        if entry.kept is not None:
            self._bytes -= len(entry.kept.payload)
            return entry.kept
        if self._open.get(entry.unit) == number:
            del self._open[entry.unit]
        for path in entry.signals if entry.position is None else (*entry.signals, _POSITION):
            del self._home[entry.unit, path]
        return Message(entry.unit, _events_of(entry), receipts=tuple(entry.receipts))

    def _append(self, entry: _Entry) -> int:
        self._number += 1
        self._entries[self._number] = entry
        return self._number

    def _is_newest(self, number: int, unit: str, path: str, ts: Instant) -> bool:
        """Return whether a value is to be kept, after removing the one it replaces."""
        home = self._home.get((unit, path))
        if home is not None:
            self._conflated(1)
            held_in, newest = home
            if ts < newest:
                return False
            self._entries[held_in].drop(path)
        self._home[unit, path] = number, ts
        return True


def _is_routine(event: Event) -> bool:
    if isinstance(event, SignalsReported):
        return DURABLE_SIGNALS.isdisjoint(event.signals)
    return isinstance(event, PositionReported)


def _events_of(entry: _Entry) -> tuple[Event, ...]:
    """Return the values of an entry as events: one for each `ts`, the oldest first, and the position before all."""
    by_ts: dict[Instant, dict[str, Scalar]] = {}
    for path, (ts, value) in entry.signals.items():
        by_ts.setdefault(ts, {})[path] = value
    signals = [SignalsReported(entry.unit, ts, by_ts[ts]) for ts in sorted(by_ts)]
    return (*([] if entry.position is None else [entry.position]), *signals)
