"""The one thread that writes.

Transactions are submitted from the event loop and committed in their order, as many at once as have gathered while
the last commit was on its way to the disk (group commit). Each has a ticket, a number that only grows; the loop is told
"committed through ticket n". When a commit fails, nothing that was submitted after it may succeed either, because the
engine that made it had moved on; so everything of that *era* is discarded until the loop, having restored the engine,
begins the next one.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.core.errors import StoreError
from gateway.core.state import Scope, StateKey
from gateway.core.units import Instant
from gateway.edge.store.rows import Transaction
from gateway.edge.store.schema import connect_writer

GROUP_LIMIT = 500
"""Transactions in one commit, at most: what a failure can take along, and what a reader waits for."""

_LAST_NOW = "UPDATE meta SET value = ? WHERE name = 'last_now' AND CAST(value AS INTEGER) < ?"


@dataclass(frozen=True, slots=True)
class Committed:
    """Everything up to `ticket` is on disk. `count` transactions took `seconds`."""

    ticket: int
    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Queued:
    era: int
    ticket: int
    transaction: Transaction


class LedgerWriter:
    """Commits what the loop submits.

    Args:
        committed: Called in the loop after each commit, in order.
        failed: Called in the loop when a commit failed, once an era; nothing is committed until `begin_era`.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        committed: Callable[[Committed], None],
        failed: Callable[[StoreError], None],
    ) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._committed = committed
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Queued | None] = queue.SimpleQueue()
        self._uncommitted: deque[_Queued] = deque()
        self._era = 0
        self._last_ticket = 0
        self._stopped = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """How many transactions are not committed yet."""
        return len(self._uncommitted)

    @property
    def last_ticket(self) -> int:
        """The ticket of the newest transaction; 0 before the first."""
        return self._last_ticket

    def submit(self, transaction: Transaction) -> int:
        """Queue a transaction and return its ticket. Never waits."""
        self._last_ticket += 1
        queued = _Queued(self._era, self._last_ticket, transaction)
        self._uncommitted.append(queued)
        self._queue.put(queued)
        return self._last_ticket

    def uncommitted_of_subject(self, subject: str) -> dict[StateKey, object]:
        """Return the entries of a subject that are on their way to the disk; None stands for a deletion."""
        return {
            key: value
            for queued in self._uncommitted
            for key, value in queued.transaction.changes
            if key.scope is Scope.SUBJECT and key.owner == subject
        }

    def begin_era(self) -> None:
        """Begin anew after a failure: what was submitted before is given up, what comes now is written."""
        self._era += 1
        self._uncommitted.clear()

    async def close(self) -> None:
        """Commit what is queued, checkpoint, and end the thread."""
        self._queue.put(None)
        await self._stopped

    def _tell_committed(self, era: int, committed: Committed) -> None:
        if era != self._era:
            return
        while self._uncommitted and self._uncommitted[0].ticket <= committed.ticket:
            self._uncommitted.popleft()
        self._committed(committed)

    def _tell_failed(self, era: int, error: StoreError) -> None:
        if era == self._era:
            self._failed(error)

    def _tell_stopped(self) -> None:
        if not self._stopped.done():
            self._stopped.set_result(None)

    # From here on: the writer's thread.

    def _tell(self, callback: Callable[..., None], *arguments: object) -> None:
        # A loop that has ended gave up waiting for the disk, and there is nobody left to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *arguments)

    def _run(self) -> None:
        session = _Session(self._path, self._max_bytes)
        failed_era = -1
        while (group := self._next_group()) is not None:
            group = [queued for queued in group if queued.era > failed_era]
            if not group:
                continue
            era = group[-1].era
            group = [queued for queued in group if queued.era == era]
            started = time.perf_counter()
            try:
                session.commit([queued.transaction for queued in group])
            except Exception as error:  # noqa: BLE001 -- whatever it was, whoever waits must hear of it
                failed_era = era
                session.close()
                failure = StoreError(f"{self._path}: could not be written: {error}")
                failure.__cause__ = error
                self._tell(self._tell_failed, era, failure)
                continue
            committed = Committed(group[-1].ticket, len(group), time.perf_counter() - started)
            self._tell(self._tell_committed, era, committed)
        session.close()
        self._tell(self._tell_stopped)

    def _next_group(self) -> list[_Queued] | None:
        """Wait for one, then take whatever else is there; None when the end was asked for and nothing is left."""
        first = self._queue.get()
        if first is None:
            return None
        group = [first]
        while len(group) < GROUP_LIMIT:
            try:
                queued = self._queue.get_nowait()
            except queue.Empty:
                break
            if queued is None:
                self._queue.put(None)
                break
            group.append(queued)
        return group


class _Session:
    """The writing connection, opened anew after a failure: SQLite's state after a failed fsync is not to be trusted."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._connection: sqlite3.Connection | None = None

    def commit(self, transactions: list[Transaction]) -> None:
        """Write all of them in one transaction; on failure, none.

        Raises:
            Exception: None of it is on disk. The session must be closed.
        """
        if self._connection is None:
            self._connection = connect_writer(self._path, self._max_bytes)
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        for transaction in transactions:
            for statement, cells in transaction.rows:
                connection.execute(statement, cells)
        now: Instant = max(transaction.now for transaction in transactions)
        connection.execute(_LAST_NOW, (str(now), now))
        connection.execute("COMMIT")

    def close(self) -> None:
        """Give up what is not committed and close."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
