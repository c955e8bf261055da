"""The mark beside the ledger: it may lag behind, never lead, and a ledger that is older than its mark is found."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.core.effects import StateChanged
from gateway.core.state import Scope, StateKey
from gateway.edge.store import schema
from gateway.edge.store.check import Fault, Finding, look_over
from gateway.edge.store.ledger import Ledger
from gateway.edge.store.mark import CommitMark, Noted, mark_of, read_mark
from gateway.edge.store.tables import VERSION
from gateway.testing.ledger import WatchedWriter, transaction_of
from gateway.testing.samples import T0

COUNT = StateKey(Scope.UNIT, "car-1", "count")


async def _commit(path: Path, *values: int, copy_to: Path | None = None) -> None:
    """Commit each value by itself; copy the folder while the log is still beside the ledger, as a kill leaves it."""
    watched = WatchedWriter(path)
    for value in values:
        await watched.commit(transaction_of(StateChanged(COUNT, value), now=T0 + value))
    if copy_to is not None:
        shutil.copytree(path.parent, copy_to)
    await watched.writer.close()


def _commits(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT value FROM meta WHERE name = 'commits'").fetchone()[0])


async def test_each_commit_is_counted_and_noted(ledger_path: Path, open_ledger: Callable[[], Ledger]) -> None:
    assert read_mark(ledger_path) is None
    await _commit(ledger_path, 1, 2, 3)

    noted = read_mark(ledger_path)
    assert noted == Noted(open_ledger().epoch, 3, T0 + 3)
    assert _commits(ledger_path) == 3
    assert mark_of(ledger_path).stat().st_mode & 0o777 == 0o600
    assert look_over(ledger_path) == Finding(VERSION)


async def test_a_failed_commit_is_not_noted(ledger_path: Path) -> None:
    await _commit(ledger_path, 1)
    with closing(schema.connect_writer(ledger_path, 1 << 26)) as connection:
        mark = CommitMark(ledger_path)
        connection.execute("BEGIN IMMEDIATE")
        mark.count(connection, T0 + 9)
        connection.execute("ROLLBACK")
        mark.close()

    noted = read_mark(ledger_path)
    assert noted is not None
    assert noted.commits == _commits(ledger_path) == 1


@pytest.mark.parametrize("left", [0, 32, 5000], ids=["emptied", "only its header", "cut short"])
async def test_a_log_that_was_cut_short_is_found(ledger_path: Path, tmp_path: Path, left: int) -> None:
    killed = tmp_path / "killed"
    await _commit(ledger_path, *range(1, 9), copy_to=killed)
    path = killed / ledger_path.name
    assert look_over(path) == Finding(VERSION)
    os.truncate(path.with_name("ledger.db-wal"), left)

    finding = look_over(path)
    assert (finding.fault, finding.version) == (Fault.ROLLED_BACK, VERSION)
    assert "commits are missing" in finding.detail


async def test_a_log_that_is_gone_is_found(ledger_path: Path, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    await _commit(ledger_path, 1, 2, copy_to=killed)
    (killed / "ledger.db-wal").unlink()

    assert look_over(killed / "ledger.db").detail == "2 commits are missing"


async def test_a_ledger_put_back_from_a_copy_is_found(ledger_path: Path, tmp_path: Path) -> None:
    await _commit(ledger_path, 1)
    shutil.copy(ledger_path, tmp_path / "copy")
    await _commit(ledger_path, 2)
    shutil.copy(tmp_path / "copy", ledger_path)

    assert look_over(ledger_path).fault is Fault.ROLLED_BACK


async def test_a_mark_that_lags_says_nothing(ledger_path: Path, tmp_path: Path) -> None:
    await _commit(ledger_path, 1)
    shutil.copy(mark_of(ledger_path), tmp_path / "lagging")
    await _commit(ledger_path, 2)
    shutil.copy(tmp_path / "lagging", mark_of(ledger_path))

    assert look_over(ledger_path) == Finding(VERSION)


async def test_a_ledger_of_another_epoch_than_its_mark_is_found(ledger_path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "ledger.db"
    schema.prepare(other)
    await _commit(other, 1, 2, 3)
    shutil.copy(mark_of(other), mark_of(ledger_path))

    assert look_over(ledger_path).fault is Fault.FOREIGN


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 99, b"wayside-mark-1 e 1 1 0\n", b"\xff\xfe", "wayside-mark-1 e ² 1 x\n".encode()]
)
async def test_a_mark_that_cannot_be_read_says_nothing(ledger_path: Path, content: bytes) -> None:
    await _commit(ledger_path, 1)
    mark_of(ledger_path).write_bytes(content)

    assert read_mark(ledger_path) is None
    assert look_over(ledger_path) == Finding(VERSION)


async def test_any_flipped_bit_makes_a_mark_say_nothing(ledger_path: Path) -> None:
    await _commit(ledger_path, 1)
    whole = mark_of(ledger_path).read_bytes()
    for bit in range(len(whole) * 8):
        content = bytearray(whole)
        content[bit // 8] ^= 1 << bit % 8
        mark_of(ledger_path).write_bytes(content)
        assert read_mark(ledger_path) is None


async def test_a_mark_that_cannot_be_written_fails_no_commit(ledger_path: Path) -> None:
    mark_of(ledger_path).mkdir()

    await _commit(ledger_path, 1)

    mark_of(ledger_path).rmdir()
    await _commit(ledger_path, 2)
    noted = read_mark(ledger_path)
    assert noted is not None
    assert noted.commits == 2
