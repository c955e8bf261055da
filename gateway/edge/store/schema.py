"""The tables of `ledger.db`, and how a file is opened.

One connection writes and checkpoints; every other one is read-only and never checkpoints, because the SQLite of many
systems (3.7.0 to 3.51.2) can corrupt a write-ahead log that two connections reset at once. `synchronous=FULL` is not
negotiable: with NORMAL, a power cut loses rows that were already acknowledged to their sender.
"""

import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.core.errors import StoreError
from gateway.edge.store import files, seal
from gateway.edge.store.check import Fault, Finding, look_over
from gateway.edge.store.migrations import migrate
from gateway.edge.store.salvage import Salvage, finish_salvage, is_lost, salvage
from gateway.edge.store.tables import PAGE_BYTES, VERSION

_WAL_LIMIT_BYTES = 16 * 1024 * 1024


class LedgerTooNew(StoreError):
    """The ledger was written by a newer Wayside. It is left as it is.

    Attributes:
        path: The ledger.
        found: Its version.
        known: The newest version known here.
    """

    def __init__(self, path: Path, found: int) -> None:
        super().__init__(
            f"{path}: has schema version {found}, but this gateway knows only up to {VERSION}: install a newer one"
        )
        self.path = path
        self.found = found
        self.known = VERSION


@dataclass(frozen=True, slots=True)
class Opening:
    """How a ledger was made ready.

    Attributes:
        migrated_from: The older version it had; None when it had none.
        salvage: What was wrong with it and what became of it; None when nothing was.
    """

    migrated_from: int | None = None
    salvage: Salvage | None = None


def prepare(path: Path) -> Opening:
    """Make the ledger ready to be written.

    One of an older version is migrated; one that is damaged, or has gone back in time, is set aside, and a new epoch
    begins with what can be trusted of it.

    Raises:
        LedgerTooNew: A newer Wayside wrote it.
        StoreError: Neither the file nor a fresh one can be used.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if (finished := finish_salvage(path)) is not None:
            return Opening(salvage=finished)
        if path.exists():
            return _open(path)
        if is_lost(path):
            return Opening(salvage=salvage(path, Finding(VERSION, Fault.LOST, "the file is gone")))
        draft = files.draft_of(path)
        files.begin(draft)
        files.put_in_place(draft, path)
        return Opening()
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{path}: cannot be prepared: {error}") from error


def _open(path: Path) -> Opening:
    # A journal that does not fit is no reason to stop here: what it leaves is looked over like everything else.
    with suppress(sqlite3.DatabaseError):
        files.roll_back(path)
    found = look_over(path)
    if found.fault is not None:
        return Opening(salvage=salvage(path, found))
    if found.version > VERSION:
        raise LedgerTooNew(path, found.version)
    if found.version < VERSION:
        migrate(path)
        return Opening(migrated_from=found.version)
    return Opening()


def connect_writer(path: Path, max_bytes: int) -> sqlite3.Connection:
    """Return the one connection that writes. It belongs to the thread that opens it."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=5.0)
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "busy_timeout=5000",
        "foreign_keys=ON",
        "trusted_schema=OFF",
        "cell_size_check=ON",
        "secure_delete=ON",
        f"journal_size_limit={_WAL_LIMIT_BYTES}",
        f"max_page_count={max(1, max_bytes // PAGE_BYTES)}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    seal.teach(connection)
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Return a connection that can only read, and never checkpoints."""
    connection = sqlite3.connect(f"file:{files.quoted(path)}?mode=ro", uri=True, isolation_level=None, timeout=5.0)
    for pragma in ("busy_timeout=5000", "wal_autocheckpoint=0", "trusted_schema=OFF", "query_only=ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection
