"""Changes in a ledger that nobody made: as if bits had decayed, or rows had never been written."""

import sqlite3
from contextlib import closing
from pathlib import Path

_TRIGGERS = "SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = 'trigger'"
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table'"


def let_decay(ledger: Path, *statements: str) -> None:
    """Carry out statements so that no seal is renewed and the tally does not hear of it.

    Raises:
        sqlite3.Error: A statement is wrong.
    """
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        triggers = connection.execute(_TRIGGERS).fetchall()
        for name, _, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        left = {name for (name,) in connection.execute(_TABLES)}
        for _, table, sql in triggers:
            if table in left:
                connection.execute(sql)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
