"""A seal on a row: a checksum of its cells, kept beside them, by which a changed bit inside a value is found.

SQLite finds what breaks the shape of its file; a flipped bit inside a value leaves the shape whole. The seal is CRC-32
over the name of the table and all other cells of the row: every change of up to 32 neighbouring bits is found, any
other with a probability of 1 - 2^-32. It guards against decay, not against people: whoever can write the file can
seal what they like.

Two different rows are never one text to the checksum: each cell is written with its type and its length before it.
"""

import sqlite3
import struct
import zlib
from collections.abc import Sequence
from typing import TypeAlias

Cell: TypeAlias = str | bytes | int | float | None

FUNCTION = "seal_of"
"""What the checksum is called in SQL; its arguments are the table's name and the cells in the order of the columns."""

NEVER = -1
"""What stands in place of a seal that no row can have."""


def canonical(cells: Sequence[Cell]) -> bytes:
    """Return cells as bytes; different cells, different bytes.

    >>> canonical(["ab", 7, None])
    b't2:abi7;n'
    """
    parts: list[bytes] = []
    for cell in cells:
        if isinstance(cell, str):
            # As SQLite keeps it; what is no UTF-8 was read with `surrogateescape` and goes back the same way.
            text = cell.encode("utf-8", "surrogateescape")
            parts.append(b"t%d:%b" % (len(text), text))
        elif cell is None:
            parts.append(b"n")
        elif isinstance(cell, int):
            parts.append(b"i%d;" % cell)
        elif isinstance(cell, bytes):
            parts.append(b"b%d:%b" % (len(cell), cell))
        else:
            parts.append(b"f%b" % struct.pack(">d", cell))
    return b"".join(parts)


def seal_of(table: str, *cells: Cell) -> int:
    """Return the seal of a row. The seal itself is not among its cells."""
    return zlib.crc32(canonical((table, *cells)))


def teach(connection: sqlite3.Connection) -> None:
    """Let a connection seal rows in SQL."""
    connection.create_function(FUNCTION, -1, seal_of, deterministic=True)


def tolerant_text(text: bytes) -> str:
    """Return a text cell as it is on disk, also one that has been damaged: to be set as `text_factory`."""
    return text.decode("utf-8", "surrogateescape")
