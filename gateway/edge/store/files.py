"""A ledger as files: how one is begun under a passing name, opened to be looked at, and put in its place.

What stands under a ledger's name is whole at every instant: a new file is made beside it, forced to the disk, and only
then renamed; a name is changed in one step or not at all, whenever the power goes.
"""

import os
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

from gateway.core.units import Instant
from gateway.edge.store import seal
from gateway.edge.store.tables import APPLICATION_ID, PAGE_BYTES, SCHEMA, VERSION, insert

COMPANIONS = ("-wal", "-shm")
"""What SQLite keeps beside a ledger while it is open, and after it was not closed."""


def beside(path: Path, suffix: str) -> Path:
    """Return the file whose name is that of another and a suffix."""
    return path.with_name(path.name + suffix)


def draft_of(path: Path) -> Path:
    """Return the passing name under which a ledger is made; whatever an earlier try left there is removed.

    Raises:
        OSError: It cannot be.
    """
    draft = beside(path, ".new")
    for suffix in ("", "-journal", *COMPANIONS):
        beside(draft, suffix).unlink(missing_ok=True)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return draft


def begin(draft: Path, last_now: Instant = 0) -> None:
    """Make the tables of a new epoch in an empty file.

    Raises:
        sqlite3.Error: It cannot be written.
    """
    with closing(open_draft(draft)) as connection:
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.executescript(f"BEGIN;{SCHEMA}COMMIT;")
        connection.execute("BEGIN")
        meta = {"epoch": str(uuid.uuid4()), "last_now": str(last_now), "commits": "0", "version": str(VERSION)}
        connection.executemany(insert("meta"), meta.items())
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")


def open_draft(draft: Path) -> sqlite3.Connection:
    """Return a connection that writes a file nobody else knows of, without a write-ahead log to be left behind.

    It forces nothing to the disk: `put_in_place` does, once, and until then nobody will miss the file.
    """
    connection = sqlite3.connect(draft, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.execute("PRAGMA secure_delete=ON")
    seal.teach(connection)
    return connection


def open_to_look(path: Path, *, with_log: bool = True) -> sqlite3.Connection:
    """Return a connection that changes nothing, not even the log of a damaged ledger, and reads damaged text.

    Args:
        path: What to look at.
        with_log: Whether the log beside it belongs to it.
    """
    mode = "mode=ro" if with_log else "immutable=1"
    connection = sqlite3.connect(f"file:{quoted(path)}?{mode}", uri=True, isolation_level=None, timeout=5.0)
    connection.text_factory = seal.tolerant_text
    return connection


def roll_back(path: Path) -> None:
    """Undo what a power cut left half done while a ledger was given its write-ahead log, or relieved of it.

    That one switch is made under a rollback journal, which only a connection that may write can play back. Where
    there is no such journal, nothing is opened.

    Raises:
        sqlite3.Error: It cannot be undone; the journal stays.
    """
    if beside(path, "-journal").exists():
        with closing(sqlite3.connect(path, isolation_level=None, timeout=5.0)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()


def put_in_place(draft: Path, path: Path) -> None:
    """Give a whole file its name, in one step that survives a power cut.

    Raises:
        OSError: It cannot be; the name means what it meant before.
    """
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.rename(path)
    sync_folder(path)


def sync_folder(path: Path) -> None:
    """Force the names in a file's folder to the disk."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def quoted(path: Path) -> str:
    """Return a path as it stands in a URI."""
    return path.resolve().as_uri().removeprefix("file://")
