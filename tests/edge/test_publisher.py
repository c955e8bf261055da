from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.core.errors import StoreError
from gateway.edge.observe import Metrics
from gateway.edge.outbox import LIMIT
from gateway.edge.publisher import Publisher
from gateway.edge.status import Standing
from gateway.edge.store import schema
from gateway.edge.store.ledger import Ledger
from gateway.edge.store.rows import OwedOffer, OwedWithdrawal, Transaction, offer_sent, withdrawal_sent
from gateway.testing.carrier import FakeCarrier
from gateway.testing.clock import FakeClock
from gateway.testing.engines import a_release
from gateway.testing.samples import T0

STANDING = Standing("gw-1", a_release(), T0)
OFFER = OwedOffer("o1", "car-1", b"{}", T0 + 60_000)
WITHDRAWAL = OwedWithdrawal("o2", "car-1", "drove_off", None)


class Desk:
    """A publisher over an empty ledger, and what it asked for."""

    def __init__(self, ledger: Ledger) -> None:
        self.noted: list[Transaction] = []
        self.failures: list[StoreError] = []
        self.carrier = FakeCarrier()
        self.publisher = Publisher(FakeClock(T0), Metrics(), ledger, self.noted.append, self.failures.append)


@contextmanager
def a_desk(tmp_path: Path) -> Iterator[Desk]:
    path = tmp_path / "ledger.db"
    schema.prepare(path)
    ledger = Ledger(path)
    try:
        yield Desk(ledger)
    finally:
        ledger.close()


def test_it_announces_the_gateway_before_anything_else(tmp_path: Path) -> None:
    with a_desk(tmp_path) as desk:
        desk.publisher.attach(desk.carrier, STANDING)
        desk.publisher.publish([OFFER])
        assert [sent.topic for sent in desk.carrier.sent] == ["wayside/v1/gw-1/status", "wayside/v1/car-1/offers"]


def test_what_the_broker_has_taken_is_noted(tmp_path: Path) -> None:
    with a_desk(tmp_path) as desk:
        desk.publisher.attach(desk.carrier, STANDING)
        desk.publisher.publish([OFFER, WITHDRAWAL])
        for sent in desk.carrier.sent:
            desk.publisher.confirm(sent.token, 0)  # type: ignore[arg-type]
        assert desk.noted == [offer_sent("o1", T0), withdrawal_sent("o2", T0)]
        assert len(desk.publisher) == 0


def test_without_a_connection_it_leaves_things_to_the_ledger(tmp_path: Path) -> None:
    with a_desk(tmp_path) as desk:
        desk.publisher.attach(desk.carrier, STANDING)
        desk.publisher.detach()
        desk.publisher.publish([OFFER])
        assert desk.publisher.connection is None
        assert len(desk.publisher) == 0


def test_a_ledger_that_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    with a_desk(tmp_path) as desk:
        desk.publisher._ledger.close()
        desk.publisher.attach(desk.carrier, STANDING)
        assert len(desk.failures) == 1


def test_what_is_owed_waits_for_the_commit_also_when_the_outbox_has_room_again(tmp_path: Path) -> None:
    with a_desk(tmp_path) as desk:
        desk.publisher._ledger.close()  # so that it shows when it is read
        desk.carrier.capacity = 1
        desk.publisher.attach(desk.carrier, STANDING, after=5)
        desk.publisher.publish(OwedOffer(f"o{number}", "car-1", b"{}", T0 + 60_000) for number in range(LIMIT + 1))
        desk.carrier.capacity = LIMIT
        desk.publisher.confirm(desk.carrier.sent[0].token, 0)  # type: ignore[arg-type]
        assert len(desk.carrier.sent) == 1 + LIMIT
        assert desk.failures == []
        desk.publisher.committed(5)
        assert len(desk.failures) == 1
