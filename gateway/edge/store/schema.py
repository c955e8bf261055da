"""The tables of `ledger.db`, and how a file is opened.

One connection writes and checkpoints; every other one is read-only and never checkpoints, because the SQLite of many
systems (3.7.0 to 3.51.2) can corrupt a write-ahead log that two connections reset at once. `synchronous=FULL` is not
negotiable: with NORMAL, a power cut loses rows that were already acknowledged to their sender.
"""

import json
import os
import sqlite3
import uuid
from pathlib import Path

from gateway.core.errors import StoreError

VERSION = 1
APPLICATION_ID = 0x57415953  # "WAYS"

_PAGE_BYTES = 4096
_WAL_LIMIT_BYTES = 16 * 1024 * 1024

_TABLES = """
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE state (
    scope TEXT NOT NULL,
    owner TEXT NOT NULL,
    name  TEXT NOT NULL,
    item  TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (scope, owner, name, item)
) WITHOUT ROWID;

CREATE TABLE decisions (
    id      TEXT PRIMARY KEY,
    unit    TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    release TEXT NOT NULL,
    chosen  TEXT,
    offer   TEXT,
    trace   TEXT NOT NULL
);
CREATE INDEX decisions_at ON decisions (at_ms);

CREATE TABLE offers (
    id                TEXT PRIMARY KEY,
    decision          TEXT NOT NULL,
    unit              TEXT NOT NULL,
    holder            TEXT NOT NULL,
    action            TEXT NOT NULL,
    kind              TEXT NOT NULL,
    placement         TEXT NOT NULL,
    made_ms           INTEGER NOT NULL,
    expires_ms        INTEGER NOT NULL,
    payload           BLOB NOT NULL,
    publication       TEXT NOT NULL DEFAULT 'pending' CHECK (publication IN ('pending', 'sent')),
    outcome           TEXT,
    withdrawn_ms      INTEGER,
    withdrawal_reason TEXT,
    withdrawal        TEXT CHECK (withdrawal IN ('pending', 'sent'))
);
CREATE INDEX offers_owed ON offers (expires_ms) WHERE publication = 'pending' OR withdrawal = 'pending';

CREATE TABLE outcomes (
    seq     INTEGER PRIMARY KEY,
    id      TEXT NOT NULL,
    offer   TEXT NOT NULL,
    unit    TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    detail  TEXT NOT NULL
);
CREATE INDEX outcomes_offer ON outcomes (offer);

CREATE TABLE consents (
    seq     INTEGER PRIMARY KEY,
    id      TEXT NOT NULL,
    unit    TEXT NOT NULL,
    holder  TEXT NOT NULL,
    purpose TEXT NOT NULL,
    given   INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,
    receipt TEXT NOT NULL,
    UNIQUE (holder, purpose, id, given, unit)
);
"""


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


def prepare(path: Path) -> Path | None:
    """Make the ledger ready to be written; a file that is damaged is set aside and a fresh one begun.

    Returns:
        Where the damaged file was put; None when there was none.

    Raises:
        LedgerTooNew: A newer Wayside wrote it.
        StoreError: Neither the file nor a fresh one can be used.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        quarantined = _quarantine(path) if path.exists() and not _is_sound(path) else None
        if not path.exists():
            _create(path)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{path}: cannot be prepared: {error}") from error
    return quarantined


def _is_sound(path: Path) -> bool:
    """Return whether it is a ledger that SQLite finds whole.

    Raises:
        LedgerTooNew: It is sound and from the future.
    """
    # Read-only, so that looking at a damaged file does not tidy away the log that its salvage needs.
    connection = sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True, isolation_level=None)
    try:
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            return False
        if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
            return False
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise LedgerTooNew(path, version)
        (known,) = connection.execute("SELECT count(*) FROM meta WHERE name IN ('epoch', 'last_now')").fetchone()
        return bool(known == 2)
    except sqlite3.DatabaseError as error:
        # Busy or out of disk is no damage: setting the ledger aside for it would forget every withdrawal.
        if isinstance(error, sqlite3.OperationalError) and not _tells_of_damage(error):
            raise
        return False
    finally:
        connection.close()


def _tells_of_damage(error: sqlite3.OperationalError) -> bool:
    return error.sqlite_errorcode == sqlite3.SQLITE_ERROR  # "no such table": sound pages of something else


def _quarantine(path: Path) -> Path:
    number = 1
    while (target := path.with_name(f"{path.name}.bad-{number}")).exists():
        number += 1
    path.rename(target)
    for suffix in ("-wal", "-shm"):
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(target.with_name(target.name + suffix))
    return target


def _create(path: Path) -> None:
    """Make an empty ledger under a passing name, so that a half-made one is never found under the real one."""
    draft = path.with_name(path.name + ".new")
    for suffix in ("", "-wal", "-shm", "-journal"):
        draft.with_name(draft.name + suffix).unlink(missing_ok=True)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    connection = sqlite3.connect(draft, isolation_level=None)
    try:
        connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(f"BEGIN;{_TABLES}COMMIT;")
        connection.execute("BEGIN")
        connection.execute("INSERT INTO meta VALUES ('epoch', ?), ('last_now', '0')", (str(uuid.uuid4()),))
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={VERSION}")
        connection.execute("COMMIT")
    finally:
        connection.close()
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


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
        f"max_page_count={max(1, max_bytes // _PAGE_BYTES)}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Return a connection that can only read, and never checkpoints."""
    connection = sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True, isolation_level=None, timeout=5.0)
    for pragma in ("busy_timeout=5000", "wal_autocheckpoint=0", "trusted_schema=OFF", "query_only=ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _quoted(path: Path) -> str:
    return path.resolve().as_uri().removeprefix("file://")


def encode(value: object) -> str:
    """Return a state value as the ledger keeps it: JSON, compact, keys in their order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def decode(text: str) -> object:
    """Return the value that `encode` wrote."""
    value: object = json.loads(text)
    return value
