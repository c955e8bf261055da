"""`cache.db`: how the gateway has fared, and how much of what there was in each hour. It decides nothing.

Beside the ledger and never in one transaction with it, so that it costs no decision its flush of the disk and can be
lost at any time: a file that is damaged is deleted and made anew, one that cannot be written is tried again with the
next. What is written meanwhile waits in memory, as much of it as there is room for. Nothing here is of a person, a unit
or a place.
"""

import json
import os
import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, TypeAlias

from gateway.core.units import HOUR_MS, Instant
from gateway.edge.store.files import COMPANIONS, beside, quoted
from gateway.edge.store.seal import seal_of, teach
from gateway.edge.store.upkeep import Budget, fill_of, give_back

MAX_BYTES = 16 * 1024 * 1024
NOTES_WAITING = 1_000
COUNTS_WAITING = 10_000

_APPLICATION_ID = 0x57415943  # "WAYC"
_VERSION = 1
_PAGE_BYTES = 4096
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_EVICTED_AT_ONCE = 500

_TABLES = """
CREATE TABLE health (
    seq     INTEGER PRIMARY KEY,
    at_ms   INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    what    TEXT NOT NULL,
    detail  TEXT NOT NULL,
    seal    INTEGER NOT NULL
);
CREATE TABLE hours (
    hour_ms INTEGER NOT NULL,
    name    TEXT NOT NULL,
    label   TEXT NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (hour_ms, name, label)
) WITHOUT ROWID;
"""
_NOTE = (
    "INSERT INTO health SELECT seq, at_ms, boot_id, what, detail, seal_of('health', seq, at_ms, boot_id, what, detail)"
    " FROM (SELECT coalesce((SELECT max(seq) FROM health), 0) + 1 AS seq, ? AS at_ms, ? AS boot_id, ? AS what,"
    " ? AS detail)"
)
_COUNT = "INSERT INTO hours VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count"
_SEALED = "SELECT seal, 'health', seq, at_ms, boot_id, what, detail FROM health"
_OLDEST_HOURS = (
    "DELETE FROM hours WHERE hour_ms <= coalesce((SELECT hour_ms FROM hours ORDER BY hour_ms LIMIT 1 OFFSET ?),"
    " (SELECT max(hour_ms) FROM hours))"
)
_OLDEST_HEALTH = "DELETE FROM health WHERE seq IN (SELECT seq FROM health ORDER BY seq LIMIT ?)"
_HEALTH = "SELECT at_ms, boot_id, what, detail FROM health ORDER BY seq"
_HOURS = "SELECT hour_ms, name, label, count FROM hours ORDER BY hour_ms, name, label"


class What(StrEnum):
    """What a note is about."""

    STARTED = "started"
    STOPPED = "stopped"
    LEDGER_QUARANTINED = "ledger_quarantined"
    LEDGER_FAILED = "ledger_failed"
    LEDGER_FULL = "ledger_full"
    LEDGER_RECOVERED = "ledger_recovered"
    CLOCK_SUSPECT = "clock_suspect"
    CLOCK_SURE = "clock_sure"
    BROKER_REFUSED = "broker_refused"


Totals: TypeAlias = Mapping[tuple[str, str], int]
"""Counts since the process started, by name and label; both are enumerations."""


class Note(NamedTuple):
    """Something that happened to the gateway.

    Attributes:
        detail: Plain values; never of a person, a unit or a place.
    """

    at: Instant
    boot: str
    what: str
    detail: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class HourCount:
    """How often something happened in the hour that begins at `hour`."""

    hour: Instant
    name: str
    label: str
    count: int


def boot_id() -> str:
    """Return what names this start of the machine; `unknown` where the system does not say."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


class _DamagedError(sqlite3.DatabaseError):
    """It can be read and is not what was written."""


@dataclass
class Cache:
    """Keeps notes and counts. Belongs to one thread; the file is opened with the first thing to be written.

    Attributes:
        path: Where it lies.
        told: Called, in that thread, when the file was lost (`cache_made_anew`), cannot be written (`cache_failing`)
            or can be again (`cache_works`), and why.
        max_bytes: What the file and its log may take.
    """

    path: Path
    told: Callable[[str, str], None]
    max_bytes: int = MAX_BYTES
    _connection: sqlite3.Connection | None = None
    _is_failing: bool = False
    _is_news: bool = False
    _notes: deque[Note] = field(default_factory=lambda: deque(maxlen=NOTES_WAITING))
    _counts: Counter[tuple[Instant, str, str]] = field(default_factory=Counter)
    _seen: dict[tuple[str, str], int] = field(default_factory=dict)

    def note(self, note: Note) -> None:
        """Keep a note; it is written by the next `flush`."""
        self._is_news = True
        self._notes.append(note)

    def count(self, now: Instant, totals: Totals) -> None:
        """Keep what has been added since the last time, under the hour that it is now."""
        self._is_news = True
        hour = now - now % HOUR_MS
        for (name, label), total in totals.items():
            more = total - self._seen.get((name, label), 0)
            if more > 0 and len(self._counts) < COUNTS_WAITING:
                self._counts[hour, name, label] += more
        self._seen = dict(totals)

    def flush(self) -> None:
        """Write what waits, if something was added to it. If it cannot be written, it waits on."""
        is_news, self._is_news = self._is_news, False
        if not is_news or not (self._notes or self._counts):
            return
        try:
            try:
                self._write()
            except sqlite3.DatabaseError as error:
                if not _tells_of_damage(error):
                    raise
                self._discard()
                self.told("cache_made_anew", str(error))
                self._write()
        except (sqlite3.Error, OSError) as error:
            self.close()
            self._turn(failing=True, reason=str(error))
        else:
            self._notes.clear()
            self._counts.clear()
            self._turn(failing=False, reason="")

    def close(self) -> None:
        """Let go of the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _turn(self, *, failing: bool, reason: str) -> None:
        if failing is not self._is_failing:
            self._is_failing = failing
            self.told("cache_failing" if failing else "cache_works", reason)

    def _discard(self) -> None:
        self.close()
        for suffix in ("", *COMPANIONS):
            beside(self.path, suffix).unlink(missing_ok=True)

    def _write(self) -> None:
        if self._connection is None:
            self._connection = _open(self.path, self.max_bytes)
        connection, budget = self._connection, Budget(self.max_bytes)
        if fill_of(connection).used > budget.evict_above:
            _make_room(connection, budget)
        try:
            self._add(connection)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
                raise
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            _make_room(connection, budget)
            self._add(connection)

    def _add(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        notes = [(note.at, note.boot, note.what, json.dumps(note.detail)) for note in self._notes]
        connection.executemany(_NOTE, notes)
        connection.executemany(_COUNT, [(*key, count) for key, count in self._counts.items()])
        connection.execute("COMMIT")


def _open(path: Path, max_bytes: int) -> sqlite3.Connection:
    """Return a connection to a file that is whole, made if it is not there.

    Raises:
        sqlite3.Error: It is damaged, or cannot be used.
        OSError: It cannot be made.
    """
    if not path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    budget = Budget(max_bytes)
    connection = sqlite3.connect(path, isolation_level=None, timeout=1.0)
    try:
        if path.stat().st_size == 0:
            _create(connection)
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "trusted_schema=OFF",
            "cell_size_check=ON",
            "secure_delete=ON",
            f"journal_size_limit={budget.log_bytes}",
            f"wal_autocheckpoint={budget.checkpoint_pages}",
            f"max_page_count={budget.pages}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        teach(connection)
        _check(connection)
    except (sqlite3.Error, OSError):
        connection.close()
        raise
    return connection


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA page_size={_PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    marks = f"PRAGMA application_id={_APPLICATION_ID};PRAGMA user_version={_VERSION};"
    connection.executescript(f"BEGIN;{_TABLES}{marks}COMMIT;")


def _check(connection: sqlite3.Connection) -> None:
    (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise _DamagedError(said)
    marks = tuple(connection.execute(f"PRAGMA {mark}").fetchone()[0] for mark in ("application_id", "user_version"))
    if marks != (_APPLICATION_ID, _VERSION):
        raise _DamagedError("is of another make")
    for seal, *cells in connection.execute(_SEALED):
        if seal != seal_of(*cells):
            raise _DamagedError("a row is not what was written")


def _tells_of_damage(error: sqlite3.DatabaseError) -> bool:
    # "No such table" are sound pages of something else; full, busy or read-only is no damage.
    return not isinstance(error, sqlite3.OperationalError) or error.sqlite_errorcode == sqlite3.SQLITE_ERROR


def _make_room(connection: sqlite3.Connection, budget: Budget) -> None:
    """Take out the oldest counts, then the oldest notes, until there is room."""
    for statement in (_OLDEST_HOURS, _OLDEST_HEALTH):
        while fill_of(connection).used > budget.evict_to:
            if connection.execute(statement, (_EVICTED_AT_ONCE,)).rowcount <= 0:
                break
    give_back(connection, fill_of(connection).surplus)


def notes_in(path: Path) -> list[Note]:
    """Return the notes of a cache, the oldest first.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    with closing(_look(path)) as connection:
        return [Note(at, boot, what, json.loads(text)) for at, boot, what, text in connection.execute(_HEALTH)]


def counts_in(path: Path) -> list[HourCount]:
    """Return the counts of a cache, the oldest hour first.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    with closing(_look(path)) as connection:
        return [HourCount(*row) for row in connection.execute(_HOURS)]


def _look(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{quoted(path)}?mode=ro", uri=True, isolation_level=None)
    connection.execute("PRAGMA wal_autocheckpoint=0")
    return connection
