"""What operators ask of a ledger: how it stands, whether it can be trusted, all of it, and the room it can give back.

Everything but `vacuum` reads beside a gateway that is running, and never disturbs it.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlite_utils import Database

from gateway.core.errors import StoreError
from gateway.core.units import Instant
from gateway.edge.lock import sole_user_of
from gateway.edge.store import files
from gateway.edge.store.check import Finding, look_over
from gateway.edge.store.rows import Gap
from gateway.edge.store.schema import LedgerTooNew, connect_reader, connect_writer
from gateway.edge.store.tables import COLUMNS, VERSION

TABLES = tuple(COLUMNS)
"""What can be exported."""

_UNLIMITED_BYTES = 1 << 40
_INSTANT_OF = {"decisions": "at_ms", "offers": "made_ms", "outcomes": "at_ms", "consents": "at_ms", "gaps": "at_ms"}
_JSON = frozenset({"trace", "receipt", "value", "payload"})
_OWED = (
    "SELECT count(*) FILTER (WHERE publication = 'pending' AND withdrawn_ms IS NULL AND outcome IS NULL),"
    " count(*) FILTER (WHERE withdrawal = 'pending') FROM offers WHERE expires_ms > ?"
)
_GAPS = "SELECT stream, from_ms, to_ms, count, reason, at_ms FROM gaps ORDER BY seq"


@dataclass(frozen=True, slots=True)
class Holding:
    """What a table holds; `first` and `last` where its rows have an instant."""

    rows: int
    first: Instant | None
    last: Instant | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a ledger stands.

    Attributes:
        file_bytes: Of the database itself.
        log_bytes: Of its write-ahead log.
        free_bytes: Of the database, what `vacuum` would give back.
        owed_offers: Offers still to be published, which stood at `last_now`.
        owed_withdrawals: Withdrawals still to be published.
        set_aside: The names of damaged ledgers that lie beside it.
    """

    version: int
    epoch: str
    release: str | None
    last_now: Instant
    commits: int
    file_bytes: int
    log_bytes: int
    free_bytes: int
    tables: Mapping[str, Holding]
    owed_offers: int
    owed_withdrawals: int
    gaps: tuple[Gap, ...]
    set_aside: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return it as plain values."""
        return asdict(self)


def inspect(path: Path) -> Standing:
    """Return how a ledger stands.

    Raises:
        StoreError: There is none, it is of another version, or it cannot be read.
    """
    with reading(path) as connection:
        meta = dict(connection.execute("SELECT name, value FROM meta"))
        last_now = int(meta["last_now"])
        owed_offers, owed_withdrawals = connection.execute(_OWED, (last_now,)).fetchone()
        (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
        (free_pages,) = connection.execute("PRAGMA freelist_count").fetchone()
        return Standing(
            version=VERSION,
            epoch=meta["epoch"],
            release=meta.get("release"),
            last_now=last_now,
            commits=int(meta["commits"]),
            file_bytes=_size(path),
            log_bytes=_size(files.beside(path, "-wal")),
            free_bytes=page_bytes * free_pages,
            tables={table: _holding(connection, table) for table in TABLES},
            owed_offers=owed_offers,
            owed_withdrawals=owed_withdrawals,
            gaps=tuple(Gap(*row) for row in connection.execute(_GAPS)),
            set_aside=tuple(sorted(each.name for each in path.parent.glob(f"{path.name}.bad-*") if _is_whole(each))),
        )


def verify(path: Path) -> Finding:
    """Return what a start of the gateway would find wrong with a ledger; nothing is changed.

    Beside a running gateway the ledger is looked at as of its last commit.

    Raises:
        StoreError: There is none, or it cannot be opened now.
    """
    _require(path)
    try:
        return look_over(path)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{path}: cannot be looked at: {error}") from error


def export(path: Path, tables: Iterable[str] = TABLES) -> Iterator[dict[str, object]]:
    """Yield every row of some tables, all as of one instant, each with its table's name; JSON is unpacked.

    Raises:
        StoreError: There is no ledger, it is of another version, or it cannot be read.
    """
    with reading(path) as connection:
        database = Database(connection)
        for table in tables:
            for row in database.table(table).rows_where(select=", ".join(COLUMNS[table])):
                yield {"table": table, **{name: _unpacked(table, name, cell) for name, cell in row.items()}}


def vacuum(path: Path) -> tuple[int, int]:
    """Give the free pages of a ledger back to the disk, and empty its log. Returns its bytes before and after.

    Raises:
        StoreError: A gateway is running on it, there is none, or it cannot be written.
    """
    _require(path)
    with sole_user_of(path.parent):
        if (found := verify(path)).fault is not None:
            raise StoreError(f"{path}: is damaged ({found.detail}): start the gateway, which salvages what is sound")
        before = _size(path) + _size(files.beside(path, "-wal"))
        try:
            with closing(connect_writer(path, _UNLIMITED_BYTES)) as connection:
                # As a script: a statement that answers with no columns is stepped once, which is one page.
                connection.executescript("PRAGMA incremental_vacuum")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{path}: could not be vacuumed: {error}") from error
        return before, _size(path) + _size(files.beside(path, "-wal"))


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a ledger of this version for one consistent reading.

    Raises:
        StoreError: There is none, it is of another version, or it cannot be read.
    """
    _require(path)
    try:
        with closing(connect_reader(path)) as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise LedgerTooNew(path, version)
            if version < VERSION:
                raise StoreError(f"{path}: has schema version {version}: start the gateway once, which migrates it")
            connection.execute("BEGIN")
            yield connection
    except (sqlite3.Error, KeyError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read: {error}; `wayside ledger verify` tells more") from error


def _require(path: Path) -> None:
    if not path.is_file():
        raise StoreError(f"{path}: there is no ledger")


def _holding(connection: sqlite3.Connection, table: str) -> Holding:
    instant = _INSTANT_OF.get(table)
    span = f"min({instant}), max({instant})" if instant else "NULL, NULL"
    return Holding(*connection.execute(f"SELECT count(*), {span} FROM {table}").fetchone())  # noqa: S608 -- names of ours


def _unpacked(table: str, name: str, cell: object) -> object:
    if isinstance(cell, bytes):
        cell = cell.decode("utf-8")
    is_json = name in _JSON and table != "meta"
    # What evictions have emptied is no JSON.
    if is_json and isinstance(cell, str) and cell:
        return json.loads(cell)
    return cell


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _is_whole(path: Path) -> bool:
    return not path.name.endswith(files.COMPANIONS)
