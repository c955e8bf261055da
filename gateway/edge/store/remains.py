"""Reading a damaged ledger: row by row, around what cannot be read, and only what a seal vouches for."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from gateway.edge.store.check import UNREADABLE, tells_of_damage
from gateway.edge.store.files import open_to_look
from gateway.edge.store.seal import Cell, seal_of
from gateway.edge.store.tables import COLUMNS, UNSEALED

_KEYS = MappingProxyType({"state": ("scope", "owner", "name", "item"), "meta": ("name",)})
_SEQ = ("seq",)


class Remains:
    """A ledger that cannot be trusted as a whole. It is only read; close it by `close`.

    Attributes:
        sealed: Whether its rows have seals; in a ledger of the first version they have none, and nothing vouches for
            them.
        with_log: Whether its log was read; if not, nobody can know what stood there.
    """

    def __init__(self, path: Path, version: int, *, with_log: bool = True) -> None:
        self.sealed = version != UNSEALED
        self.with_log = with_log
        # An empty database stands for a ledger that is gone.
        self._connection = open_to_look(path, with_log=with_log) if path.exists() else sqlite3.connect(":memory:")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def rows(self, table: str) -> Iterator[tuple[tuple[Cell, ...], int]]:
        """Yield the rows that can be read and whose seal is right, and their seals; a row may come twice."""
        for *cells, seal in self._readable(table):
            right = seal_of(table, *cells)
            if seal == right or not self.sealed:
                yield tuple(cells), right

    def meta(self) -> dict[str, str]:
        """Return the sound entries of `meta`."""
        return {str(name): str(value) for (name, value), _ in self.rows("meta")} if self.sealed else {}

    def tally(self, table: str) -> tuple[int, int] | None:
        """Return how many rows a table has and what their seals come to; None when that cannot be told."""
        with suppress(*UNREADABLE):
            for rows, seals in self._connection.execute("SELECT rows, seals FROM tally WHERE name = ?", (table,)):
                return rows, seals
        return None

    def _readable(self, table: str) -> Iterator[tuple[Cell, ...]]:
        """Yield what can be read from the front until it breaks off, then from the back, then in between."""
        key = _KEYS.get(table, _SEQ)
        low: tuple[Cell, ...] | None = None
        high: tuple[Cell, ...] | None = None
        try:
            for low in self._connection.execute(self._select(table, f"ORDER BY {', '.join(key)}")):
                yield low
        except UNREADABLE as error:
            _raise_unless_damage(error)
        else:
            return
        try:
            for high in self._connection.execute(self._select(table, f"ORDER BY {' DESC, '.join(key)} DESC")):
                yield high
        except UNREADABLE as error:
            _raise_unless_damage(error)
        if key == _SEQ and low is not None and high is not None:
            yield from self._between(table, _number(low) + 1, _number(high) - 1)

    def _between(self, table: str, low: int, high: int) -> Iterator[tuple[Cell, ...]]:
        """Yield the rows between two numbers, however many places there are that cannot be read."""
        if low > high:
            return
        try:
            for row in self._connection.execute(self._select(table, "WHERE seq BETWEEN ? AND ?"), (low, high)):
                yield row
                low = _number(row) + 1
        except UNREADABLE as error:
            _raise_unless_damage(error)
        else:
            return
        if low < high:
            middle = (low + high) // 2
            yield from self._between(table, low, middle)
            yield from self._between(table, middle + 1, high)

    def _select(self, table: str, rest: str) -> str:
        columns = ", ".join(COLUMNS[table])
        return f"SELECT {columns}, {'seal' if self.sealed else 0} FROM {table} {rest}"  # noqa: S608 -- names of ours


def _number(row: tuple[Cell, ...]) -> int:
    number = row[0]
    return number if isinstance(number, int) else 0


def _raise_unless_damage(error: Exception) -> None:
    if not tells_of_damage(error):
        raise error
