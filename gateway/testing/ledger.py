"""A ledger writer that remembers what it was told, so that a test waits for events and never for time."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from gateway.core.effects import Effect
from gateway.core.errors import StoreError
from gateway.core.units import Instant
from gateway.edge.store.rows import Gap, Recorder, Transaction
from gateway.edge.store.writer import Committed, LedgerWriter, Upkept
from gateway.testing.samples import T0

_PATIENCE_S = 10.0


class WatchedWriter:
    """A real writer over a real file.

    Attributes:
        commits: What was committed, in order.
        failures: What went wrong, in order.
        gaps: The holes it made, in order.
        largest: What the ledger took on disk at most, as far as it was told.
        cache_said: What was told of the cache, in order.
    """

    def __init__(self, path: Path, max_bytes: int = 64 * 1024 * 1024) -> None:
        self.commits: list[Committed] = []
        self.failures: list[StoreError] = []
        self.gaps: list[Gap] = []
        self.largest = 0
        self.cache_said: list[str] = []
        self._told = asyncio.Event()
        self.writer = LedgerWriter(
            path,
            max_bytes,
            self._committed,
            self._failed,
            self._upkept,
            lambda what, _reason: self.cache_said.append(what),
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something the writer told made a condition true.

        Raises:
            TimeoutError: It did not come true in good time.
        """
        async with asyncio.timeout(_PATIENCE_S):
            while not condition():
                self._told.clear()
                await self._told.wait()

    async def commit(self, *transactions: Transaction) -> None:
        """Submit transactions and wait until all are on disk."""
        ticket = 0
        for transaction in transactions:
            ticket = self.writer.submit(transaction)
        await self.until(lambda: bool(self.commits) and self.commits[-1].ticket >= ticket)

    def _committed(self, committed: Committed) -> None:
        self.commits.append(committed)
        self._told.set()

    def _failed(self, error: StoreError) -> None:
        self.failures.append(error)
        self._told.set()

    def _upkept(self, upkept: Upkept) -> None:
        self.gaps += upkept.gaps
        self.largest = max(self.largest, upkept.ledger_bytes)
        self._told.set()


def transaction_of(*effects: Effect, now: Instant = T0, receipts: dict[str, str] | None = None) -> Transaction:
    """Return the transaction of some durable effects; an offer's payload is its id.

    Raises:
        ValueError: None of them is durable.
    """
    recorder = Recorder(lambda offer: offer.id.encode(), receipts or {})
    recorder.add(effects)
    transaction = recorder.transaction(now)
    if transaction is None:
        raise ValueError("no durable effect")
    return transaction
