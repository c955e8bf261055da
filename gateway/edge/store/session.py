"""The one connection that writes: commits, and what keeps the ledger within its bounds between them.

A commit that finds the ledger or the disk full is tried once more after room was made. After any other failure the
connection is closed and another one opened for the next commit: what SQLite and the system remember after a failed
write is not to be trusted.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from gateway.core.errors import StoreError
from gateway.core.units import Instant
from gateway.edge.store.mark import CommitMark
from gateway.edge.store.rows import Gap, Row, Transaction
from gateway.edge.store.tables import PAGE_BYTES, put
from gateway.edge.store.upkeep import Budget, Retention, bytes_on_disk, evict, fill_of, give_back, retain

Connect = Callable[[Path, int], sqlite3.Connection]

_PROOF = "probe"
_PROVE = put("meta", ("name",), "value")
_DISPROVE = "DELETE FROM meta WHERE name = ?"
_PROOF_BYTES = 8 * PAGE_BYTES
_PROOF_BYTES_AT_MOST = 1024 * 1024
_ROW_BYTES = 64
_LAST_NOW = "SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'last_now'"
_REST_S = 60.0


class LedgerFull(StoreError):
    """There is no room in the budget or on the disk, and none could be made."""


class Session:
    """Writes a ledger. Belongs to one thread, and is opened with the first thing to be written."""

    def __init__(self, path: Path, budget: Budget, connect: Connect) -> None:
        self._path = path
        self._budget = budget
        self._connect = connect
        self._mark = CommitMark(path)
        self._connection: sqlite3.Connection | None = None
        self._gaps: list[Gap] = []
        self._now: Instant = 0
        self._evicting = False
        self._resting_until = 0.0
        self._retention: tuple[Retention, Instant] | None = None
        self._wanted_bytes = 0
        self._is_fresh = True

    def commit(self, transactions: Sequence[Transaction]) -> None:
        """Write all of them in one transaction; on failure, none.

        Raises:
            LedgerFull: There is no room, though all was taken out that can be spared.
            Exception: None of it is on disk. The session must be closed.
        """
        rows = [row for transaction in transactions for row in transaction.rows]
        now = max(transaction.now for transaction in transactions)
        try:
            try:
                self._write(rows, now)
            except sqlite3.Error as error:
                if not _is_full(error):
                    raise
                self._make_room(rows)
                self._write(rows, now)
        except Exception as error:
            self._wanted_bytes = _bytes_of(rows)
            if _is_full(error):
                raise LedgerFull(str(error)) from error
            raise

    def prove(self, now: Instant) -> None:
        """Write as much as the commit that failed had to, and take it back: nothing less says that the next succeeds.

        Raises:
            Exception: As `commit`.
        """
        proof = "x" * min(max(self._wanted_bytes, _PROOF_BYTES), _PROOF_BYTES_AT_MOST)
        wanted = self._wanted_bytes
        try:
            self.commit([Transaction(now, ((_PROVE, (_PROOF, proof)),))])
            self.commit([Transaction(now, ((_DISPROVE, (_PROOF,)),))])
        finally:
            self._wanted_bytes = wanted

    def retain(self, retention: Retention, now: Instant) -> None:
        """Take out, step by step, what is too old by now."""
        self._retention = retention, now

    def keep_up(self, *, idle: bool) -> bool:
        """Do one small step of what is due, if any is.

        Args:
            idle: Nobody waits for a commit; else only what keeps the ledger from getting full is done.

        Returns:
            Whether there may be more.

        Raises:
            sqlite3.Error: It could not be done. The session must be closed.
        """
        if self._connection is None and (self._retention is None or not idle):
            return False
        try:
            connection = self._open()
            if self._evict_step(connection):
                return True
            return idle and (self._retain_step(connection) or self._give_back_step(connection))
        except sqlite3.Error as error:
            self._retention = None
            self._rest()
            if not _is_full(error):
                raise
            # The disk is full. The next commit will tell, and make room.
            self._roll_back()
            return False

    def take_gaps(self) -> tuple[Gap, ...]:
        """Return the holes that were made since the last time."""
        gaps, self._gaps = tuple(self._gaps), []
        return gaps

    @property
    def bytes_on_disk(self) -> int:
        """What the ledger and its log take."""
        return sum(bytes_on_disk(self._path))

    def close(self) -> None:
        """Give up what is not committed and close."""
        self._mark.close()
        connection, self._connection = self._connection, None
        if connection is not None:
            # It is given up because it is broken; that it cannot even be closed is no news.
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            budget = self._budget
            connection = self._connect(self._path, budget.max_bytes)
            self._connection = connection
            connection.execute(f"PRAGMA journal_size_limit={budget.log_bytes}")
            if budget.is_small:
                connection.execute(f"PRAGMA wal_autocheckpoint={budget.checkpoint_pages}")
            self._limit(connection, budget.pages_for_commits)
            (self._now,) = connection.execute(_LAST_NOW).fetchone()
        return self._connection

    @staticmethod
    def _limit(connection: sqlite3.Connection, pages: int) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    @contextlib.contextmanager
    def _transaction(self, connection: sqlite3.Connection, now: Instant) -> Iterator[None]:
        """Commit what is done inside, and note it. What fails is left to be rolled back."""
        connection.execute("BEGIN IMMEDIATE")
        yield
        self._mark.count(connection, now)
        connection.execute("COMMIT")
        self._mark.note()

    def _write(self, rows: Sequence[Row], now: Instant) -> None:
        connection = self._open()
        self._shorten_log(connection)
        with self._transaction(connection, now):
            if self._is_fresh:
                # What a process that was killed had written to try the disk.
                connection.execute(_DISPROVE, (_PROOF,))
            for statement, cells in rows:
                connection.execute(statement, cells)
        self._is_fresh = False
        self._now = now

    def _shorten_log(self, connection: sqlite3.Connection) -> None:
        """Hold the log to its share, whoever may be reading.

        Raises:
            sqlite3.OperationalError: Full: a reader has held on for so long that the budget is used up.
        """
        file, log = bytes_on_disk(self._path)
        allowed = max(self._budget.log_bytes, self._budget.max_bytes - file)
        if log <= allowed:
            return
        connection.execute("PRAGMA busy_timeout=0")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.execute("PRAGMA busy_timeout=5000")
        if bytes_on_disk(self._path)[1] > allowed:
            error = sqlite3.OperationalError("the write-ahead log is full: somebody has been reading for very long")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

    def _make_room(self, rows: Sequence[Row]) -> None:
        """Take out what can be spared until these rows, twice over and each with its indices, fit into the file."""
        self._roll_back()
        connection = self._open()
        wanted = self._budget.step + len(rows) + 2 * _bytes_of(rows) // PAGE_BYTES
        wanted = min(wanted, self._budget.pages // 4)
        # What is in the log goes into the file, so that the log can be written from its beginning again.
        for step in (_take_over, lambda each: self._free(each, wanted), _take_over):
            try:
                step(connection)
            except sqlite3.Error as error:
                if not _is_full(error):
                    raise
                self._roll_back()

    def _free(self, connection: sqlite3.Connection, pages: int) -> None:
        while fill_of(connection).free < pages and self._evict(connection):
            pass

    def _roll_back(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _evict(self, connection: sqlite3.Connection) -> bool:
        self._limit(connection, self._budget.pages)
        try:
            with self._transaction(connection, self._now):
                gap = evict(connection, self._now, self._budget.step)
        finally:
            self._limit(connection, self._budget.pages_for_commits)
        if gap is None:
            return False
        self._gaps.append(gap)
        return True

    def _evict_step(self, connection: sqlite3.Connection) -> bool:
        used = fill_of(connection).used
        above = self._budget.evict_to if self._evicting else self._budget.evict_above
        self._evicting = used > above and time.monotonic() >= self._resting_until
        if self._evicting and not self._evict(connection):
            self._rest()
        return self._evicting

    def _rest(self) -> None:
        """Nothing can be spared now: look again after a while, not after each commit."""
        self._evicting = False
        self._resting_until = time.monotonic() + _REST_S

    def _retain_step(self, connection: sqlite3.Connection) -> bool:
        if self._retention is None:
            return False
        retention, now = self._retention
        with self._transaction(connection, self._now):
            gaps = retain(connection, retention, now, self._budget.step)
        self._gaps += gaps
        if not gaps:
            self._retention = None
        return bool(gaps)

    def _give_back_step(self, connection: sqlite3.Connection) -> bool:
        surplus = fill_of(connection).surplus
        if surplus <= 0:
            return False
        give_back(connection, min(surplus, self._budget.step))
        if surplus <= self._budget.step:
            # The file is cut when the log has been taken over into it.
            _take_over(connection)
        self._limit(connection, self._budget.pages_for_commits)
        return True


def _take_over(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _is_full(error: Exception) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _bytes_of(rows: Sequence[Row]) -> int:
    return sum(
        _ROW_BYTES + sum(len(cell) for cell in cells if isinstance(cell, str | bytes)) for _statement, cells in rows
    )
