"""What the ledger takes: real transactions of real decisions through the thread that writes, and the disk by itself."""

import asyncio
import os
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import engine_bench
from figures import figure, percentile, repeated

from gateway.core.errors import StoreError
from gateway.core.events import SignalsReported
from gateway.core.release import compile_release
from gateway.edge.store import schema
from gateway.edge.store.rows import Recorder, Transaction
from gateway.edge.store.writer import Committed, LedgerWriter
from gateway.wire.write import encode_offer

RUNS = 5
COMMITS = 200
GROUPS = (1, 50)
MAX_BYTES = 64 * 1024 * 1024
FLUSHES = 200
FLUSH_BYTES = 32 * 1024
"""About what the write-ahead log gets for a decision with its offer."""


def measure() -> dict[str, object]:
    """Return the figures of the ledger, on the disk of the system's folder for temporary files."""
    return {
        "rows_per_transaction": sum(len(each.rows) for each in _transactions(100)) / 100,
        "disk_flush_p50": repeated(partial(_flush_us, 0.50), "us"),
        "disk_flush_p99": repeated(partial(_flush_us, 0.99), "us"),
        **{f"{group}_a_group": _of_group(group) for group in GROUPS},
    }


def _of_group(group: int) -> dict[str, object]:
    """Return the figures of groups of that size, each submitted when the one before it is on disk.

    The thread commits what has gathered: of a group that comes at once, the first may be on its way alone.
    """
    transactions = _transactions(1 + group * COMMITS)
    runs = [_written(transactions, group) for _ in range(1 + RUNS)][1:]
    return {
        "commits": figure([commits / seconds for commits, seconds in runs], "commits/s", 0),
        "transactions": figure([(len(transactions) - 1) / seconds for _, seconds in runs], "transactions/s", 0),
    }


def _transactions(wanted: int) -> list[Transaction]:
    """Return what a car that parks and drives off again and again is recorded with: decision, offer, withdrawal."""
    engine, now = engine_bench.ready(1), engine_bench.START
    given = engine_bench.release(1)
    worthwhile = [replace(action, value=10.0, annoyance=0.0) for action in given.actions.values()]
    engine.activate(compile_release("worthwhile", 2, given.fences.values(), worthwhile, []), now)
    transactions: list[Transaction] = []
    while len(transactions) < wanted:
        now += 1000
        signals = engine_bench.OFF if len(transactions) % 2 == 0 else engine_bench.ON
        recorder = Recorder(encode_offer)
        recorder.add(engine.receive(SignalsReported(engine_bench.CAR, now, signals), now))
        transaction = recorder.transaction(now)
        if transaction is None:
            raise AssertionError("a car that parked or drove off leaves a record")
        transactions.append(transaction)
    return transactions


def _written(transactions: list[Transaction], group: int) -> tuple[int, float]:
    """Return in how many commits all but the first are written, and in how many seconds."""
    with tempfile.TemporaryDirectory(prefix="wayside-bench-") as name:
        path = Path(name) / "ledger.db"
        schema.prepare(path)
        return asyncio.run(_write(path, transactions, group))


async def _write(path: Path, transactions: list[Transaction], group: int) -> tuple[int, float]:
    told: asyncio.Queue[Committed | StoreError] = asyncio.Queue()
    writer = LedgerWriter(path, MAX_BYTES, told.put_nowait, told.put_nowait)
    try:
        # The file is opened with the first commit.
        await _committed(told, writer.submit(transactions[0]))
        began, commits = time.perf_counter(), 0
        for start in range(1, len(transactions), group):
            tickets = [writer.submit(transaction) for transaction in transactions[start : start + group]]
            commits += await _committed(told, tickets[-1])
        return commits, time.perf_counter() - began
    finally:
        await writer.close()


async def _committed(told: "asyncio.Queue[Committed | StoreError]", ticket: int) -> int:
    """Wait until everything up to a ticket is on disk; return how many commits that took."""
    commits = 0
    while True:
        answer = await told.get()
        if isinstance(answer, StoreError):
            raise answer
        commits += 1
        if answer.ticket >= ticket:
            return commits


def _flush_us(share: float) -> float:
    """Return what the disk takes to make certain of what was appended to a file."""
    took = []
    with tempfile.NamedTemporaryFile(prefix="wayside-bench-") as file:
        for _ in range(FLUSHES):
            os.write(file.fileno(), b"x" * FLUSH_BYTES)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return percentile(sorted(took), share) * 1e6
