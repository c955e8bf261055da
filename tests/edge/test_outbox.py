"""What is to be published, until the broker has it."""

from dataclasses import dataclass, field

import pytest

from gateway.edge import outbox
from gateway.edge.observe import Metrics
from gateway.edge.outbox import Kind, Outbox, Publication, publication_of
from gateway.edge.store.rows import OwedOffer, OwedWithdrawal
from gateway.testing.carrier import FakeCarrier
from gateway.testing.clock import FakeClock
from gateway.testing.samples import T0


@dataclass
class Post:
    """An outbox, and what it told."""

    capacity: int = 1_000
    confirmed: list[str] = field(default_factory=list)
    rooms: int = 0

    def __post_init__(self) -> None:
        self.clock = FakeClock(T0)
        self.metrics = Metrics()
        self.carrier = FakeCarrier(self.capacity)
        self.outbox = Outbox(self.clock, self.metrics, lambda done: self.confirmed.append(done.id), self._room)
        self.outbox.attach(self.carrier)

    def _room(self) -> None:
        self.rooms += 1

    def answer(self, number: int, code: int = 0) -> None:
        token = self.carrier.sent[number].token
        assert isinstance(token, Publication)
        self.carrier.capacity += 1
        self.outbox.confirm(token, code)

    def count(self, kind: str, result: str) -> float:
        labels = {"kind": kind, "result": result}
        return self.metrics.registry.get_sample_value("wayside_publications_total", labels) or 0.0


def _offer(number: int, expires: int | None = None) -> Publication:
    return Publication(Kind.OFFER, f"o{number}", "wayside/v1/car-1/offers", b"{}", expires)


def _letter(number: int) -> Publication:
    return Publication(Kind.DEAD_LETTER, str(number), "wayside/v1/gw-1/deadletter", b"{}")


def test_without_a_connection_nothing_is_taken() -> None:
    post = Post()
    post.outbox.detach()

    assert not post.outbox.put(_offer(1))
    assert len(post.outbox) == 0


def test_a_dead_letter_waits_for_the_connection_that_is_being_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "DEAD_LETTER_LIMIT", 2)
    post = Post()
    post.outbox.detach()

    assert [post.outbox.put(_letter(number)) for number in range(3)] == [True, True, False]
    again = FakeCarrier(10)
    post.outbox.attach(again)
    assert post.outbox.put(_offer(1))

    assert [sent.payload for sent in again.sent] == [b"{}"] * 3


def test_what_the_broker_has_taken_is_confirmed() -> None:
    post = Post()
    post.outbox.put(_offer(1))
    assert (post.confirmed, len(post.outbox)) == ([], 1)
    post.answer(0)

    assert (post.confirmed, len(post.outbox)) == (["o1"], 0)
    assert post.count("offer", "taken") == 1


def test_what_nobody_subscribes_to_counts_as_published() -> None:
    post = Post()
    post.outbox.put(_offer(1))
    post.answer(0, 16)

    assert post.confirmed == ["o1"]
    assert post.count("offer", "unheard") == 1


def test_what_the_broker_refuses_stays_owed() -> None:
    post = Post()
    post.outbox.put(_offer(1))
    post.answer(0, 135)

    assert post.confirmed == []
    assert post.count("offer", "refused") == 1


def test_beyond_the_brokers_capacity_it_waits_its_turn() -> None:
    post = Post(capacity=2)
    for number in range(4):
        post.outbox.put(_offer(number))
    assert [sent.token for sent in post.carrier.sent] == [_offer(0), _offer(1)]
    post.answer(0)
    post.answer(1)

    assert [sent.token for sent in post.carrier.sent] == [_offer(number) for number in range(4)]


def test_what_is_put_twice_is_sent_once() -> None:
    post = Post(capacity=1)
    assert all(post.outbox.put(_offer(number)) for number in (1, 2, 1, 2))
    post.answer(0)

    assert len(post.carrier.sent) == 2


def test_an_offer_tells_the_broker_how_long_it_is_valid_rounded_up() -> None:
    post = Post()
    post.outbox.put(_offer(1, T0 + 1_001))
    post.outbox.put(_offer(2))

    assert [sent.expiry_s for sent in post.carrier.sent] == [2, None]


def test_what_expired_while_it_waited_is_not_sent() -> None:
    post = Post(capacity=1)
    for number in (1, 2, 3):
        post.outbox.put(_offer(number, T0 + 1_000 * number))
    post.clock.advance(2_000)
    post.answer(0)

    assert [sent.token for sent in post.carrier.sent] == [_offer(1, T0 + 1_000), _offer(3, T0 + 3_000)]
    assert post.count("offer", "expired") == 1


def test_an_offer_withdrawn_while_it_waits_is_never_shown() -> None:
    post = Post(capacity=1)
    post.outbox.put(_letter(0))
    post.outbox.put(_offer(1))
    post.outbox.put(publication_of(OwedWithdrawal("o1", "car-1", "drove_off", None)))
    post.answer(0)

    assert len(post.outbox) == 1
    assert post.carrier.sent[1].payload == b'{"id":"o1","withdrawn":true,"reason":"drove_off"}'


def test_a_lost_connection_forgets_what_it_carried() -> None:
    post = Post(capacity=1)
    post.outbox.put(_offer(1))
    post.outbox.put(_offer(2))
    post.outbox.detach()
    post.outbox.attach(FakeCarrier())

    assert len(post.outbox) == 0


def test_a_closed_connection_is_given_nothing() -> None:
    post = Post()
    post.carrier.is_open = False
    post.outbox.put(_offer(1))

    assert post.carrier.sent == []


def test_what_does_not_fit_is_asked_for_again_when_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "LIMIT", 2)
    post = Post(capacity=0)
    assert [post.outbox.put(_offer(number)) for number in range(3)] == [True, True, False]
    post.carrier.capacity = 10
    assert post.outbox.put(_letter(1))

    assert post.rooms == 1
    assert len(post.carrier.sent) == 3


def test_dead_letters_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "DEAD_LETTER_LIMIT", 2)
    post = Post()
    assert [post.outbox.put(_letter(number)) for number in range(3)] == [True, True, False]
    post.answer(0)

    assert post.outbox.put(_letter(4))


def test_an_owed_offer_is_published_as_it_was_recorded() -> None:
    owed = OwedOffer("o1", "car-1", b"as recorded", T0)

    assert publication_of(owed) == Publication(Kind.OFFER, "o1", "wayside/v1/car-1/offers", b"as recorded", T0)


def test_a_refusal_is_counted_by_the_brokers_reason() -> None:
    post = Post()
    for number, code in enumerate((135, 151, 151)):
        post.outbox.put(_offer(number))
        post.answer(number, code)
    sample = post.metrics.registry.get_sample_value

    assert post.count("offer", "refused") == 3
    assert sample("wayside_broker_reasons_total", {"kind": "puback", "reason": "not_authorized"}) == 1
    assert sample("wayside_broker_reasons_total", {"kind": "puback", "reason": "quota_exceeded"}) == 2
    assert post.confirmed == []
