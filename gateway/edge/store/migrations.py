"""From an older schema to the present one.

A migration works on a copy. The copy takes the ledger's place when it is whole, checked and on the disk; until then
the old file is what it was. Killed at any step, the next start finds the one or the other.

`user_version` says which migrations a ledger has behind it. A table of them, as sqlite-utils would keep it, would be a
second truth in the file, and one without seals.
"""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from gateway.core.errors import StoreError
from gateway.edge.store import files, seal
from gateway.edge.store.check import look_over
from gateway.edge.store.tables import COLUMNS, SCHEMA, VERSION, insert

if TYPE_CHECKING:
    from sqlite_utils import Database


def migrate(path: Path) -> None:
    """Bring a sound ledger of an older version to the present one.

    Raises:
        StoreError: What came of it is not sound. The ledger is as it was.
        sqlite3.Error: The same, for lack of disk or rights.
        OSError: The same.
    """
    draft = files.draft_of(path)
    with closing(files.open_to_look(path)) as old, closing(sqlite3.connect(draft)) as copy:
        copy.execute("PRAGMA synchronous=OFF")
        old.backup(copy)
    with closing(files.open_draft(draft)) as connection:
        _apply(connection)
        connection.execute("VACUUM")
    found = look_over(draft)
    if found.fault is not None or found.version != VERSION:
        raise StoreError(f"{path}: could not be brought to version {VERSION}: {found.detail}")
    _close_log(path)
    files.put_in_place(draft, path)


def _apply(connection: sqlite3.Connection) -> None:
    # It costs 35 MB of memory, which a ledger that is up to date need not pay.
    from sqlite_utils import Database  # noqa: PLC0415

    database = Database(connection, execute_plugins=False)
    (version,) = database.execute("PRAGMA user_version").fetchone()
    for step in range(version + 1, VERSION + 1):
        _STEPS[step](database)
        database.execute(f"PRAGMA user_version={step}")


def _to_2(database: "Database") -> None:
    """Seal every row, number decisions and offers, and begin to count commits and gaps."""
    old = [name for name in COLUMNS if database.table(name).exists()]
    for name in old:
        for index in database.table(name).indexes:
            if not index.name.startswith("sqlite_autoindex"):
                database.execute(f'DROP INDEX "{index.name}"')
        database.rename_table(name, f"{name}_1")
    database.conn.executescript(SCHEMA)
    for name in old:
        columns = COLUMNS[name]
        # What has a number in the new schema has it as its row's number in the old one.
        values = ", ".join("rowid" if column == "seq" else column for column in columns)
        database.execute(
            f"INSERT INTO {name} ({', '.join(columns)}, seal)"  # noqa: S608 -- names of ours
            f" SELECT {values}, {seal.FUNCTION}('{name}', {values}) FROM {name}_1 ORDER BY {values}"
        )
        database.table(f"{name}_1").drop()
    database.conn.executemany(insert("meta"), [("commits", "0"), ("version", "2")])


_STEPS: Mapping[int, Callable[["Database"], None]] = MappingProxyType({2: _to_2})
"""By the version they lead to. The first one may use the present tables for as long as those are its own."""


def _close_log(path: Path) -> None:
    """Bring the old file's log home, so that none is left beside the new one, into which it would be played."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode=DELETE").fetchone()
    if mode != "delete" or files.beside(path, "-wal").exists():
        raise StoreError(f"{path}: is in use")
    files.sync_folder(path)
