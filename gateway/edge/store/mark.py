"""The mark beside the ledger: which commit was the last, noted outside of the file it speaks of.

A write-ahead log that is cut short or lost leaves a ledger that is sound and older: nothing in the file can tell. So
each commit raises a number in the ledger, and then, once it is on disk, notes that number in `ledger.mark`. The note is
never forced to the disk. It may lag behind the ledger, therefore, but never lead it; a ledger that knows of fewer
commits than its mark has gone back in time, and one of another epoch is not the ledger that was there.
"""

import os
import sqlite3
import zlib
from pathlib import Path
from typing import NamedTuple

from gateway.core.units import Instant
from gateway.edge.store.tables import update

_LAST_NOW = update(
    "meta",
    {"value": "given.now"},
    ("now",),
    "meta.name = 'last_now' AND CAST(meta.value AS INTEGER) < CAST(given.now AS INTEGER)",
)
_COMMITS = update(
    "meta",
    {"value": "CAST(CAST(meta.value AS INTEGER) + 1 AS TEXT)"},
    (),
    "meta.name = 'commits' RETURNING value, (SELECT value FROM meta WHERE name = 'epoch')",
)
FOLLOWS = "follows"
"""The entry of `meta` that names the epoch whose mark may still lie beside a ledger that has no commit yet."""

_KIND = "wayside-mark-1"
_PARTS = 5


class Noted(NamedTuple):
    """What a mark says: the number of the last commit of an epoch, and the engine's instant then."""

    epoch: str
    commits: int
    now: Instant


def mark_of(ledger: Path) -> Path:
    """Return where the mark of a ledger lies."""
    return ledger.with_suffix(".mark")


def read_mark(ledger: Path) -> Noted | None:
    """Return what is noted beside a ledger; None where nothing is, or nothing that can be read.

    Raises:
        OSError: It is there and cannot be opened.
    """
    try:
        text = mark_of(ledger).read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return None
    parts = text.split()
    if len(parts) != _PARTS or not (parts[2].isdecimal() and parts[3].isdecimal()):
        return None
    noted = Noted(parts[1], int(parts[2]), int(parts[3]))
    return noted if text == _written(noted) else None


class CommitMark:
    """Counts commits and notes them. Belongs to the thread that writes the ledger."""

    def __init__(self, ledger: Path) -> None:
        self._path = mark_of(ledger)
        self._descriptor: int | None = None
        self._counted: Noted | None = None

    def count(self, connection: sqlite3.Connection, now: Instant) -> None:
        """Raise the number of commits and the last instant, as a part of the transaction that is open.

        Raises:
            sqlite3.Error: It could not be written.
        """
        connection.execute(_LAST_NOW, (str(now),))
        commits, epoch = connection.execute(_COMMITS).fetchone()
        self._counted = Noted(epoch, int(commits), now)

    def note(self) -> None:
        """Note what was counted, after its commit. Not being able to only makes the mark lag."""
        if self._counted is None:
            return
        try:
            if self._descriptor is None:
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            os.pwrite(self._descriptor, _written(self._counted).encode("ascii"), 0)
        except OSError:
            # The commit stands; the next one opens the file anew.
            self.close()

    def close(self) -> None:
        """Let go of the file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _written(noted: Noted) -> str:
    """Return a mark as it lies on the disk: always of one length, so that writing it anew leaves nothing behind."""
    text = f"{_KIND} {noted.epoch} {noted.commits:020d} {noted.now:020d}"
    return f"{text} {zlib.crc32(text.encode('ascii', 'replace')):08x}\n"
