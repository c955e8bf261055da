"""What is held while the ledger lags, against a reference that is too simple to be wrong."""

from dataclasses import dataclass, field

from hypothesis import event as seen
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.core.events import Event, Outcome, OutcomeReported, PositionReported, Scalar, SignalsReported
from gateway.core.units import Position
from gateway.edge import ingest
from gateway.edge.exchange import Receipt
from gateway.edge.ingest import Held, Message
from gateway.testing.samples import T0

GEAR = "Vehicle.Powertrain.Transmission.SelectedGear"
POSITION = "position"
UNITS = st.sampled_from(["car-1", "car-2"])
PATHS = st.sampled_from(["Vehicle.Speed", "Vehicle.Powertrain.FuelSystem.RelativeLevel", "Vehicle.TraveledDistance"])
TIMES = st.integers(T0, T0 + 6)
QOS = st.integers(0, 1)


@dataclass(frozen=True)
class Value:
    """A value as it was said, the `number`-th message of all."""

    number: int
    unit: str
    path: str
    ts: int
    value: object


@dataclass
class Reference:
    """Everything in a list; whatever is older than another of its unit and path is struck out.

    Attributes:
        waiting: Values not taken yet, in the order they were said; those that gave way are gone.
        edges: Messages kept whole and not taken yet, in their order.
    """

    waiting: list[Value] = field(default_factory=list)
    edges: list[tuple[int, str, int]] = field(default_factory=list)
    struck: int = 0

    def say(self, value: Value) -> None:
        rivals = [each for each in self.waiting if (each.unit, each.path) == (value.unit, value.path)]
        assert len(rivals) <= 1
        if not rivals:
            self.waiting.append(value)
            return
        self.struck += 1
        if value.ts >= rivals[0].ts:
            self.waiting.remove(rivals[0])
            self.waiting.append(value)


class Holding(RuleBasedStateMachine):
    """Messages come and are taken, in any order and number."""

    def __init__(self) -> None:
        super().__init__()
        self.conflated = 0
        self.held = Held(self._count)
        self.reference = Reference()
        self.number = 0
        self.owed: list[int] = []
        self.acknowledged: list[int] = []

    def _count(self, number: int) -> None:
        self.conflated += number

    def _put(self, unit: str, events: tuple[Event, ...], qos: int) -> None:
        receipts: tuple[Receipt, ...] = ()
        if qos:
            self.owed.append(self.number)
            receipts = (Receipt(self.acknowledged.append, self.number),)
        self.held.put(Message(unit, events, payload=b"x" * 10, receipts=receipts))

    @rule(unit=UNITS, ts=TIMES, paths=st.lists(PATHS, max_size=3, unique=True), qos=QOS)
    def report_signals(self, unit: str, ts: int, paths: list[str], qos: int) -> None:
        self.number += 1
        signals: dict[str, Scalar] = dict.fromkeys(paths, self.number)
        self._put(unit, (SignalsReported(unit, ts, signals),), qos)
        for path in paths:
            self.reference.say(Value(self.number, unit, path, ts, self.number))

    @rule(unit=UNITS, ts=TIMES, qos=QOS, paths=st.lists(PATHS, max_size=1))
    def report_position(self, unit: str, ts: int, qos: int, paths: list[str]) -> None:
        self.number += 1
        place = Position(self.number / 1_000 % 180, 47.0)
        signals: dict[str, Scalar] = dict.fromkeys(paths, self.number)
        self._put(unit, (PositionReported(unit, ts, place), SignalsReported(unit, ts, signals)), qos)
        self.reference.say(Value(self.number, unit, POSITION, ts, place))
        for path in paths:
            self.reference.say(Value(self.number, unit, path, ts, self.number))

    @rule(unit=UNITS, ts=TIMES, qos=QOS, kind=st.sampled_from(["gear", "outcome"]))
    def report_edge(self, unit: str, ts: int, qos: int, kind: str) -> None:
        self.number += 1
        reported: Event = SignalsReported(unit, ts, {GEAR: self.number, "Vehicle.Speed": 0.0})
        if kind == "outcome":
            reported = OutcomeReported(unit, ts, f"x{self.number}", "o1", Outcome.ACCEPTED)
        self._put(unit, (reported,), qos)
        self.reference.edges.append((self.number, unit, ts))

    @rule()
    def take_one(self) -> None:
        message = self.held.take()
        if message is None:
            assert (self.reference.waiting, self.reference.edges) == ([], [])
            return
        self._check(message)
        for receipt in message.receipts:
            receipt.acknowledge()

    def _check(self, message: Message) -> None:
        """What was taken is what waits by the reference, edges in their order, and nothing of it overtook one."""
        if message.payload:
            number, unit, ts = self.reference.edges.pop(0)
            assert (message.unit, message.events[0].ts) == (unit, ts)
            overtaken = [each for each in self.reference.waiting if each.unit == unit and each.number < number]
            assert overtaken == [], "what was said before an edge is heard before it"
            seen("an edge")
            return
        said = [value for event in message.events for value in _values_of(event)]
        waiting = {(each.path, each.ts): each for each in self.reference.waiting if each.unit == message.unit}
        for path, ts, value in said:
            told = waiting[path, ts]
            assert told.value == value
            assert not [
                number for number, unit, _ in self.reference.edges if unit == told.unit and number < told.number
            ]
            self.reference.waiting.remove(told)
            seen("a routine value")

    @invariant()
    def nothing_is_lost(self) -> None:
        assert self.conflated == self.reference.struck
        entries = self.held._entries.values()
        values = sum(len(entry.signals) + (entry.position is not None) for entry in entries)
        assert values == len(self.reference.waiting) == len(self.held._home)
        assert self.held._bytes == 10 * len(self.reference.edges)
        assert len(entries) <= len(self.reference.edges) + 2 * (len(self.reference.edges) + 1)

    def teardown(self) -> None:
        while len(self.held):
            self.take_one()
        self.take_one()
        assert sorted(self.acknowledged) == self.owed, "each is acknowledged once, conflated or not"


def _values_of(event: Event) -> list[tuple[str, int, object]]:
    if isinstance(event, PositionReported):
        return [(POSITION, event.ts, event.position)]
    assert isinstance(event, SignalsReported)
    return [(path, event.ts, value) for path, value in event.signals.items()]


TestHolding = Holding.TestCase
TestHolding.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


def test_it_is_full_by_bytes_too() -> None:
    held = Held(lambda _: None)
    outcome = OutcomeReported("car-1", T0, "x", "o1", Outcome.ACCEPTED)
    full = []
    for _ in range(64):
        held.put(Message("car-1", (outcome,), payload=b"x" * (ingest.KEPT_BYTES // 64)))
        full.append(held.is_full)
    held.take()
    full.append(held.is_full)
    held.clear()

    assert full == [False] * 63 + [True, False]
    assert held._bytes == 0
