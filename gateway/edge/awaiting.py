"""What may happen once something is on disk, in the order of its tickets."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from gateway.edge.exchange import Receipt
from gateway.edge.store.rows import Transaction


class Due(NamedTuple):
    """What a commit allows: to publish and tell of its transaction, to acknowledge what caused it.

    Attributes:
        transaction: None where nothing was to be recorded.
        seconds: How long the engine took over it.
    """

    ticket: int
    receipts: tuple[Receipt, ...]
    transaction: Transaction | None
    seconds: float


class Awaiting:
    """Holds back until the disk has said yes.

    Args:
        submit: Queues a transaction for the disk and returns its ticket.
    """

    def __init__(self, submit: Callable[[Transaction], int]) -> None:
        self._submit = submit
        self._due: deque[Due] = deque()

    def record(self, transaction: Transaction, receipts: tuple[Receipt, ...], seconds: float) -> None:
        """Queue a transaction; what it allows waits for it."""
        self._due.append(Due(self._submit(transaction), receipts, transaction, seconds))

    def settle(self, receipts: tuple[Receipt, ...]) -> None:
        """Acknowledge what needs no record of its own.

        It waits for all that came before it, since it may be a repetition of something that is not on disk yet.
        """
        if receipts and self._due:
            self._due.append(Due(self._due[-1].ticket, receipts, None, 0.0))
            return
        for receipt in receipts:
            receipt.acknowledge()

    def committed(self, ticket: int) -> Iterable[Due]:
        """Yield, and let go of, what the commit of a ticket allows."""
        while self._due and self._due[0].ticket <= ticket:
            yield self._due.popleft()

    def clear(self) -> None:
        """Give everything up: nothing of it is acknowledged."""
        self._due.clear()
