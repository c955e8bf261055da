from gateway.core.units import Instant
from gateway.edge.awaiting import Awaiting
from gateway.edge.exchange import Receipt
from gateway.edge.store.rows import Transaction

NOW: Instant = 1_700_000_000_000


class Desk:
    """A disk that says yes when it is told to, and what was acknowledged."""

    def __init__(self) -> None:
        self.tickets = 0
        self.acknowledged: list[int] = []
        self.awaiting = Awaiting(self.submit)

    def submit(self, transaction: Transaction) -> int:
        assert transaction.now == NOW
        self.tickets += 1
        return self.tickets

    def receipt(self, number: int) -> tuple[Receipt, ...]:
        return (Receipt(self.acknowledged.append, number),)

    def commit(self, ticket: int) -> None:
        for due in self.awaiting.committed(ticket):
            for receipt in due.receipts:
                receipt.acknowledge()


def test_what_needs_no_record_is_acknowledged_at_once() -> None:
    desk = Desk()
    desk.awaiting.settle(desk.receipt(1))
    assert desk.acknowledged == [1]


def test_what_needs_no_record_waits_for_what_came_before_it() -> None:
    desk = Desk()
    desk.awaiting.record(Transaction(NOW, ()), desk.receipt(1), 0.0)
    desk.awaiting.settle(desk.receipt(2))
    assert desk.acknowledged == []
    desk.commit(1)
    assert desk.acknowledged == [1, 2]


def test_a_commit_allows_what_it_holds_and_nothing_after_it() -> None:
    desk = Desk()
    for number in (1, 2, 3):
        desk.awaiting.record(Transaction(NOW, ()), desk.receipt(number), 0.0)
    desk.commit(2)
    assert desk.acknowledged == [1, 2]


def test_what_is_given_up_is_never_acknowledged() -> None:
    desk = Desk()
    desk.awaiting.record(Transaction(NOW, ()), desk.receipt(1), 0.0)
    desk.awaiting.clear()
    desk.commit(9)
    assert desk.acknowledged == []
