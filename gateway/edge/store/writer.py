"""The one thread that writes.

Transactions are submitted from the event loop and committed in their order, as many at once as have gathered while
the last commit was on its way to the disk (group commit). Each has a ticket, a number that only grows; the loop is told
"committed through ticket n". When a commit fails, nothing that was submitted after it may succeed either, because the
engine that made it had moved on; so everything of that *era* is discarded until the loop, having restored the engine,
begins the next one.

Between the commits the thread keeps the ledger within its bounds, in small steps, and writes `cache.db`.
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
from typing import TypeAlias

from gateway.core.errors import StoreError
from gateway.core.state import Scope, StateKey
from gateway.core.units import Instant
from gateway.edge.store.cache import Cache, Note, Totals
from gateway.edge.store.rows import Gap, Transaction, sign_of_life
from gateway.edge.store.schema import connect_writer
from gateway.edge.store.session import LedgerFull, Session
from gateway.edge.store.upkeep import Budget, Retention

GROUP_LIMIT = 500
"""Transactions in one commit, at most: what a failure can take along, and what a reader waits for."""


@dataclass(frozen=True, slots=True)
class Committed:
    """Everything up to `ticket` is on disk. `count` transactions took `seconds`."""

    ticket: int
    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Upkept:
    """What became of the ledger besides commits.

    Attributes:
        ledger_bytes: What it takes on disk now, its write-ahead log included.
        gaps: The holes that were made to keep it within its bounds.
    """

    ledger_bytes: int
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class _Queued:
    era: int
    ticket: int
    transaction: Transaction
    is_probe: bool = False


_Errand: TypeAlias = Callable[[], None]


class LedgerWriter:
    """Commits what the loop submits.

    Args:
        path: The ledger. `cache.db` lies beside it.
        max_bytes: What the ledger and its write-ahead log may take.
        committed: Called in the loop after each commit, in order.
        failed: Called in the loop when a commit failed, once an era; nothing is committed until `begin_era`.
        upkept: Called in the loop when the ledger's size has changed or holes were made.
        cache_told: Called in the loop as `Cache.told` is.
    """

    def __init__(
        self,
        path: Path,
        max_bytes: int,
        committed: Callable[[Committed], None],
        failed: Callable[[StoreError], None],
        upkept: Callable[[Upkept], None] | None = None,
        cache_told: Callable[[str, str], None] | None = None,
    ) -> None:
        self._path = path
        self._committed = committed
        self._failed = failed
        self._upkept = upkept
        self._cache_told = cache_told
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Queued | _Errand | None] = queue.SimpleQueue()
        self._uncommitted: deque[_Queued] = deque()
        self._era = 0
        self._last_ticket = 0
        self._stopped = self._loop.create_future()
        # Made here and used in the writer's thread only; neither opens its file before.
        self._budget = Budget(max_bytes)
        self._session = Session(path, self._budget, connect_writer)
        self._cache = Cache(path.with_name("cache.db"), self._tell_cache)
        self._failed_era = -1
        self._ending = False
        self._told_bytes = -1
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
        return self._put(transaction)

    def probe(self, now: Instant) -> int:
        """Try, after a failure, whether a commit like the one that failed would succeed now; return the ticket.

        Success is told as of any commit.
        """
        return self._put(sign_of_life(now), is_probe=True)

    def retain(self, retention: Retention, now: Instant) -> None:
        """Have taken out, when there is time, what is too old by now."""
        self._queue.put(lambda: self._session.retain(retention, now))

    def note(self, note: Note) -> None:
        """Have a note written to the cache, if that can be."""
        self._queue.put(lambda: self._cache.note(note))

    def count(self, now: Instant, totals: Totals) -> None:
        """Have what was added to the totals written to the cache, if that can be."""
        self._queue.put(lambda: self._cache.count(now, totals))

    def uncommitted_of(self, scope: Scope, owner: str) -> dict[StateKey, object]:
        """Return the entries of an owner that are on their way to the disk; None stands for a deletion."""
        return {
            key: value
            for queued in self._uncommitted
            if (scope, owner) in queued.transaction.owners
            for key, value in queued.transaction.changes
            if key.scope is scope and key.owner == owner
        }

    def begin_era(self) -> None:
        """Begin anew after a failure: what was submitted before is given up, what comes now is written."""
        self._era += 1
        self._uncommitted.clear()

    async def close(self) -> None:
        """Commit what is queued, write what the cache waits for, and end the thread."""
        self._queue.put(None)
        await self._stopped

    def _put(self, transaction: Transaction, *, is_probe: bool = False) -> int:
        self._last_ticket += 1
        queued = _Queued(self._era, self._last_ticket, transaction, is_probe)
        self._uncommitted.append(queued)
        self._queue.put(queued)
        return self._last_ticket

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

    def _tell_cache(self, what: str, reason: str) -> None:
        if self._cache_told is not None:
            self._tell(self._cache_told, what, reason)

    def _run(self) -> None:
        more = False
        while not self._ending:
            group = self._next_group(wait=not more)
            if group:
                self._commit(group)
            more = self._keep_up()
            self._tell_upkept()
            self._cache.flush()
        self._session.close()
        self._cache.close()
        self._tell(self._tell_stopped)

    def _next_group(self, *, wait: bool) -> list[_Queued]:
        """Run what errands there are, and return the transactions that have gathered meanwhile.

        Args:
            wait: For the first of either.
        """
        group: list[_Queued] = []
        limit = min(GROUP_LIMIT, self._budget.group_limit)
        while len(group) < limit:
            try:
                queued = self._queue.get(block=wait)
            except queue.Empty:
                break
            wait = False
            if queued is None:
                self._ending = True
                break
            if isinstance(queued, _Queued):
                group.append(queued)
            else:
                queued()
        return group

    def _commit(self, group: list[_Queued]) -> None:
        group = [queued for queued in group if queued.era > self._failed_era]
        if not group:
            return
        era = group[-1].era
        group = [queued for queued in group if queued.era == era]
        transactions = [queued.transaction for queued in group]
        started = time.perf_counter()
        try:
            if any(queued.is_probe for queued in group):
                self._session.prove(transactions[-1].now)
            self._session.commit(transactions)
        except Exception as error:  # noqa: BLE001 -- whatever it was, whoever waits must hear of it
            self._failed_era = era
            self._session.close()
            kind = LedgerFull if isinstance(error, LedgerFull) else StoreError
            failure = kind(f"{self._path}: could not be written: {error}")
            failure.__cause__ = error
            self._tell(self._tell_failed, era, failure)
            return
        committed = Committed(group[-1].ticket, len(group), time.perf_counter() - started)
        self._tell(self._tell_committed, era, committed)

    def _keep_up(self) -> bool:
        try:
            return self._session.keep_up(idle=self._queue.empty())
        except sqlite3.Error:
            # Nothing that was submitted is lost by it. Whether the disk can be written, the next commit will tell.
            self._session.close()
            return False

    def _tell_upkept(self) -> None:
        gaps, size = self._session.take_gaps(), self._session.bytes_on_disk
        if self._upkept is not None and (gaps or size != self._told_bytes):
            self._told_bytes = size
            self._tell(self._upkept, Upkept(size, gaps))
