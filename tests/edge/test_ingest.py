"""From a message to what the engine is to hear, and what gives way while the ledger lags."""

import json
from dataclasses import dataclass, field

import pytest

from gateway.core.events import FactsChanged, Outcome, OutcomeReported, PositionReported, Scalar, SignalsReported
from gateway.core.units import Position
from gateway.edge import ingest
from gateway.edge.exchange import Receipt
from gateway.edge.ingest import Held, Ingest, Message
from gateway.edge.observe import Metrics
from gateway.edge.outbox import Publication
from gateway.testing.samples import T0

TELEMETRY = "wayside/v1/car-1/telemetry"
GEAR = "Vehicle.Powertrain.Transmission.SelectedGear"
SPEED = "Vehicle.Speed"
FUEL = "Vehicle.Powertrain.FuelSystem.RelativeLevel"


@dataclass
class Border:
    """An ingest, with what it published."""

    taken: bool = True
    letters: list[Publication] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.metrics = Metrics()
        self.ingest = Ingest("gw-1", b"k" * 32, self.metrics, self._put)

    def _put(self, publication: Publication) -> bool:
        if self.taken:
            self.letters.append(publication)
        return self.taken

    def read(
        self, topic: str, body: object, receipt: Receipt | None = None, *, retained: bool = False
    ) -> Message | None:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.ingest.read(topic, payload, receipt, T0, retained=retained)

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"wayside_{name}_total", labels) or 0.0


def test_a_message_is_read_and_counted() -> None:
    border = Border()
    receipt = Receipt(lambda _: None, 1)
    body = {"ts_ms": T0, "signals": {SPEED: 20.0, "Vehicle.Nonsense": 1, "Wayside.Route.Polyline": "x"}, "more": 1}
    message = border.read(TELEMETRY, body, receipt)

    assert message is not None
    assert message.events == (SignalsReported("car-1", T0, {SPEED: 20.0}),)
    assert message.receipts == (receipt,)
    assert border.count("messages", channel="telemetry") == 1
    assert [border.count(name) for name in ("unknown_fields", "unknown_signals", "withheld_signals")] == [1, 1, 1]


def test_a_consent_brings_its_whole_receipt() -> None:
    border = Border()
    notice = {"id": "n1", "version": "2", "language": "de"}
    body = {"id": "c1", "ts_ms": T0, "holder": "s.1", "purpose": "profiling", "state": "given", "notice": notice}
    message = border.read("wayside/v1/car-1/consents", body)

    assert message is not None
    assert json.loads(message.consents["c1"])["notice"] == notice


def test_a_refused_message_is_counted_and_told_of_without_its_content() -> None:
    border = Border()

    assert border.read(TELEMETRY, b'{"secret": "words"}') is None
    (letter,) = border.letters
    assert json.loads(letter.payload)["reason"] == "bad_payload"
    assert letter.topic == "wayside/v1/gw-1/deadletter"
    assert b"words" not in letter.payload
    assert border.count("dead_letters", reason="bad_payload") == 1


def test_retained_telemetry_is_refused() -> None:
    border = Border()

    assert border.read(TELEMETRY, {"ts_ms": T0, "signals": {GEAR: 126}}, retained=True) is None
    assert border.count("dead_letters", reason="retained") == 1


def test_dead_letters_are_bounded_in_number_and_counted_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "DEAD_LETTER_BURST", 3)
    border = Border()
    for _ in range(5):
        border.read(TELEMETRY, b"{")
    assert len(border.letters) == 3
    assert border.count("dead_letters", reason="bad_json") == 5
    assert border.count("dead_letters_unpublished") == 2

    border.ingest.dead_letter(TELEMETRY, b"{", "bad_json", T0 + 200)
    assert len(border.letters) == 4


def test_a_clock_that_was_set_back_takes_no_dead_letters_with_it() -> None:
    border = Border()
    border.ingest.dead_letter(TELEMETRY, b"{", "bad_json", T0 + 86_400_000)
    border.ingest.dead_letter(TELEMETRY, b"{", "bad_json", T0)
    assert len(border.letters) == 2


def test_a_dead_letter_nobody_takes_is_counted() -> None:
    border = Border(taken=False)
    border.read(TELEMETRY, b"{")

    assert border.count("dead_letters_unpublished") == 1


class Waiting:
    """Held messages, and how many values gave way."""

    def __init__(self) -> None:
        self.conflated = 0
        self.held = Held(self._count)

    def _count(self, number: int) -> None:
        self.conflated += number

    def signals(self, ts: int, signals: dict[str, Scalar], *receipts: Receipt, unit: str = "car-1") -> None:
        self.held.put(Message(unit, (SignalsReported(unit, ts, signals),), receipts=receipts))

    def position(self, ts: int, lon: float) -> None:
        self.held.put(Message("car-1", (PositionReported("car-1", ts, Position(lon, 47.4)),)))

    def taken(self) -> list[Message]:
        messages = []
        while (message := self.held.take()) is not None:
            messages.append(message)
        return messages

    def events(self) -> list[object]:
        return [event for message in self.taken() for event in message.events]


def test_of_each_unit_and_path_the_newest_value_is_kept() -> None:
    waiting = Waiting()
    for number in range(100):
        waiting.signals(T0 + number, {SPEED: float(number)})
        waiting.signals(T0 + number, {SPEED: -1.0}, unit="car-2")
    waiting.signals(T0 + 50, {SPEED: 50.0})

    assert len(waiting.held) == 2
    assert waiting.conflated == 199
    assert waiting.events() == [
        SignalsReported("car-1", T0 + 99, {SPEED: 99.0}),
        SignalsReported("car-2", T0 + 99, {SPEED: -1.0}),
    ]
    assert len(waiting.held) == 0


def test_values_keep_the_instant_they_were_reported_at() -> None:
    waiting = Waiting()
    waiting.signals(T0 + 5, {SPEED: 5.0})
    waiting.signals(T0, {FUEL: 50})

    assert waiting.events() == [
        SignalsReported("car-1", T0, {FUEL: 50}),
        SignalsReported("car-1", T0 + 5, {SPEED: 5.0}),
    ]


def test_positions_are_conflated_and_come_first() -> None:
    waiting = Waiting()
    waiting.signals(T0, {SPEED: 5.0})
    waiting.position(T0 + 1, 8.1)
    waiting.position(T0 + 3, 8.3)
    waiting.position(T0 + 2, 8.2)

    assert waiting.events() == [
        PositionReported("car-1", T0 + 3, Position(8.3, 47.4)),
        SignalsReported("car-1", T0, {SPEED: 5.0}),
    ]
    assert waiting.conflated == 2


def test_what_changes_rarely_is_kept_whole_and_in_order() -> None:
    waiting = Waiting()
    for number, gear in enumerate((127, 126, 127, 126)):
        waiting.signals(T0 + number, {GEAR: gear, SPEED: float(number)})
    outcome = OutcomeReported("car-1", T0, "x", "o1", Outcome.ACCEPTED)
    waiting.held.put(Message("car-1", (outcome,)))

    assert [event.signals[GEAR] for event in waiting.events() if isinstance(event, SignalsReported)] == [
        127,
        126,
        127,
        126,
    ]
    assert waiting.conflated == 0


def test_a_newer_value_moves_behind_what_was_kept_in_between() -> None:
    waiting = Waiting()
    waiting.signals(T0, {SPEED: 50.0, FUEL: 40})
    waiting.signals(T0 + 1, {GEAR: 126})
    waiting.signals(T0 + 2, {SPEED: 0.0})
    waiting.position(T0 + 3, 8.1)
    waiting.signals(T0 + 4, {GEAR: 127})
    waiting.position(T0 + 5, 8.2)

    assert waiting.events() == [
        SignalsReported("car-1", T0, {FUEL: 40}),
        SignalsReported("car-1", T0 + 1, {GEAR: 126}),
        SignalsReported("car-1", T0 + 2, {SPEED: 0.0}),
        SignalsReported("car-1", T0 + 4, {GEAR: 127}),
        PositionReported("car-1", T0 + 5, Position(8.2, 47.4)),
    ]


def test_what_was_taken_no_longer_counts_as_known() -> None:
    waiting = Waiting()
    waiting.signals(T0 + 9, {SPEED: 9.0})
    waiting.taken()
    waiting.signals(T0, {SPEED: 1.0})

    assert waiting.events() == [SignalsReported("car-1", T0, {SPEED: 1.0})]
    assert waiting.conflated == 0


def test_every_receipt_is_kept_even_of_what_gave_way() -> None:
    acknowledged: list[int] = []
    waiting = Waiting()
    for number in range(3):
        waiting.signals(T0 + number, {SPEED: 1.0}, Receipt(acknowledged.append, number))
    (message,) = waiting.taken()
    for receipt in message.receipts:
        receipt.acknowledge()

    assert acknowledged == [0, 1, 2]


def test_it_is_full_at_its_bound_and_empty_when_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "KEPT_LIMIT", 2)
    waiting = Waiting()
    full = []
    for gear in (126, 127):
        waiting.signals(T0, {GEAR: gear})
        full.append(waiting.held.is_full)
    waiting.held.clear()

    assert full == [False, True]
    assert waiting.taken() == []


def test_facts_are_held_one_by_one_and_never_conflated() -> None:
    border, conflated = Border(), list[int]()
    held = Held(conflated.append)
    for stock in (3, 2, 1):
        facts = {"id": f"f{stock}", "ts_ms": T0, "facts": {"stock": stock}, "fence": "cafe"}
        message = border.read("wayside/v1/car-1/facts", facts)
        assert message is not None
        held.put(message)
    assert [taken.events for _ in range(3) if (taken := held.take())] == [
        (FactsChanged("car-1", T0, "", {"stock": stock}, f"f{stock}", "cafe"),) for stock in (3, 2, 1)
    ]
    assert conflated == []
    assert border.count("messages", channel="facts") == 3


def test_facts_of_a_place_that_the_broker_kept_are_taken_and_those_of_a_person_are_not() -> None:
    border = Border()
    facts = {"id": "f", "ts_ms": T0, "facts": {"stock": 3}}
    assert border.read("wayside/v1/car-1/facts", facts | {"fence": "cafe"}, retained=True) is not None
    assert border.read("wayside/v1/car-1/facts", facts | {"subject": "p.1"}, retained=True) is None
    assert border.count("dead_letters", reason="retained") == 1
