"""Looking a ledger over before it is trusted: its shape, each seal, the tally, and whether it has gone back in time.

SQLite's own `integrity_check` finds what breaks the shape of the file and indexes that do not fit their tables. The
seals find a changed bit inside a value. The tally finds rows that are gone. The mark beside the ledger finds a file
that is whole, but older than what was committed.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gateway.edge.store.files import open_to_look
from gateway.edge.store.mark import FOLLOWS, Noted, read_mark
from gateway.edge.store.seal import seal_of
from gateway.edge.store.tables import APPLICATION_ID, COLUMNS, PAGE_BYTES, SCHEMA, UNSEALED, VERSION

_SCHEMA_ROWS = "SELECT name, tbl_name, type, sql FROM sqlite_schema"
_HEADER = slice(16, 24)
_HEADERS = frozenset(PAGE_BYTES.to_bytes(2, "big") + bytes((mode, mode, 0, 64, 32, 32)) for mode in (1, 2))
"""Page size, journal mode and constants: SQLite works with other values too, e.g. as a file that can only be read."""
_READ_FAILED = frozenset(
    {
        sqlite3.SQLITE_IOERR_READ,
        sqlite3.SQLITE_IOERR_SHORT_READ,
        sqlite3.SQLITE_IOERR_CORRUPTFS,
        8202,  # SQLITE_IOERR_DATA, which Python has no name for: a checksum of the file system does not fit
    }
)
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""How SQLite says that it cannot read something; the latter when it quotes what is damaged."""


class Fault(StrEnum):
    """What may be wrong with a ledger."""

    DAMAGED = "damaged"
    ROLLED_BACK = "rolled_back"
    """It is sound, and older than its mark."""
    FOREIGN = "foreign"
    """It is not the one its mark speaks of: another ledger, or under the log of another."""
    LOST = "lost"
    """There was one, and it is gone."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at a ledger has told.

    Attributes:
        version: Of its schema; 0 when it cannot be told.
        fault: None: it can be trusted.
        detail: The first thing that was found wrong.
    """

    version: int
    fault: Fault | None = None
    detail: str = ""


class _Damage(Exception):
    """The first thing that is wrong."""


def look_over(path: Path) -> Finding:
    """Return whether a ledger can be trusted. It is read whole, and nothing is changed.

    Raises:
        sqlite3.Error: It cannot be opened now, which says nothing about it: busy, no permission, no memory.
        OSError: The same.
    """
    version = 0
    try:
        with path.open("rb") as file:
            header = file.read(PAGE_BYTES)
        if header[_HEADER] not in _HEADERS:
            return Finding(0, Fault.DAMAGED, "no header of a ledger")
        # Before the ledger: a gateway that is running goes on committing, and its mark with it.
        noted = read_mark(path)
        with closing(open_to_look(path)) as connection:
            connection.execute("BEGIN")
            _check_shape(connection)
            version = _version(connection)
            if version == VERSION:
                _check_schema(connection)
                _check_rows(connection)
                return _compare_with_mark(connection, noted)
            return Finding(version)
    except _Damage as damage:
        return Finding(version, Fault.DAMAGED, str(damage))
    except UNREADABLE as error:
        if not tells_of_damage(error):
            raise
        return Finding(version, Fault.DAMAGED, str(error))


def tells_of_damage(error: Exception) -> bool:
    """Return whether an error speaks of the file; not of a lock, of permissions or of memory.

    Busy or out of disk is no damage: setting the ledger aside for it would forget every withdrawal.
    """
    if not isinstance(error, sqlite3.OperationalError):
        return True
    # "No such table" and "could not decode" are of no other kind: sound pages of something else.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code == sqlite3.SQLITE_ERROR or code in _READ_FAILED


def _check_shape(connection: sqlite3.Connection) -> None:
    # One error is enough: the first is the one to be told.
    (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if said != "ok":
        raise _Damage(f"integrity check: {' '.join(said.split())}")


def _version(connection: sqlite3.Connection) -> int:
    """Return the version of the schema; a sealed word of it counts for more than the number in the header."""
    if connection.execute("PRAGMA application_id").fetchone() != (APPLICATION_ID,):
        raise _Damage("not a ledger")
    version: int
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == UNSEALED:
        names = connection.execute("SELECT count(*) FROM meta WHERE name IN ('epoch', 'last_now', 'version')")
        if names.fetchone() != (2,):
            raise _Damage("no epoch, or a version that is none")
        return version
    for value, seal in connection.execute("SELECT value, seal FROM meta WHERE name = 'version'"):
        if seal_of("meta", "version", value) == seal and value != str(version):
            raise _Damage(f"version {version} in the header, {value} in the table")
    if version < VERSION:
        raise _Damage(f"version {version} never was")
    return version


def _check_schema(connection: sqlite3.Connection) -> None:
    """Hold what SQLite keeps of the tables against what made them: its text has no seal."""
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(SCHEMA)
        made = set(fresh.execute(_SCHEMA_ROWS))
    if missing := made - set(connection.execute(_SCHEMA_ROWS)):
        raise _Damage(f"{min(missing)[0]}: is not what was made")


def _check_rows(connection: sqlite3.Connection) -> None:
    tally = {name: (rows, seals) for name, rows, seals in connection.execute("SELECT name, rows, seals FROM tally")}
    for table, columns in COLUMNS.items():
        rows = total = 0
        for *cells, seal in connection.execute(f"SELECT {', '.join(columns)}, seal FROM {table}"):  # noqa: S608 -- names of ours
            if seal_of(table, *cells) != seal:
                raise _Damage(f"{table}: a row whose seal is broken")
            rows += 1
            total += seal
        if tally.get(table) != (rows, total):
            raise _Damage(f"{table}: {rows} rows do not come to the tally")
    names = {name for (name,) in connection.execute("SELECT name FROM meta")}
    if not names >= {"epoch", "last_now", "commits"}:
        raise _Damage("no epoch")


def _compare_with_mark(connection: sqlite3.Connection, noted: Noted | None) -> Finding:
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    if noted is None or noted.epoch == meta.get(FOLLOWS):
        return Finding(VERSION)
    if noted.epoch != meta["epoch"]:
        return Finding(VERSION, Fault.FOREIGN, "not the ledger that the mark speaks of")
    behind = noted.commits - int(meta["commits"])
    return Finding(VERSION, Fault.ROLLED_BACK, f"{behind} commits are missing") if behind > 0 else Finding(VERSION)
