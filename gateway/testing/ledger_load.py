"""Transactions that can be counted afterwards: what a ledger must hold when it was told to be committed.

Run as a program, it fills the ledger of a folder and notes in a file `told` beside it each number it was told to be on
disk; so a recording of its system calls says what was promised when. Prints how often a commit failed.
"""

import argparse
import asyncio
import os
import random
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from gateway.core.effects import ConsentRecorded, DecisionRecorded, OfferMade, OfferWithdrawn, OutcomeRecorded
from gateway.core.effects import StateChanged as Changed
from gateway.core.errors import StoreError
from gateway.core.events import Outcome, Purpose
from gateway.core.state import Scope, StateKey
from gateway.edge.store import schema, writer
from gateway.edge.store.ledger import Ledger
from gateway.edge.store.rows import Transaction, offer_sent
from gateway.edge.store.writer import Committed, LedgerWriter
from gateway.testing.ledger import transaction_of
from gateway.testing.samples import T0, make_decision, make_offer

TOLD = "told"
NEWEST = StateKey(Scope.UNIT, "car-1", "newest")
_BUDGET = 64 * 1024 * 1024
_KEPT_STATE = 5
_PATIENCE = 100


def numbered(number: int) -> Transaction:
    """Return a transaction that touches each table, overwrites, deletes and updates; it can be told by its number."""
    at = T0 + number
    decision, offer = make_decision(number, at=at), make_offer(number, made=at)
    # Of changing size, up to some pages: what is written is not always the same picture.
    decision = replace(decision, context={**decision.context, "note": "x" * (number * 997 % 9000)})
    consent = f"c-{number}"
    transaction = transaction_of(
        Changed(NEWEST, number),
        Changed(_mortal(number), {"number": number}),
        Changed(_mortal(number - _KEPT_STATE), None),
        Changed(StateKey(Scope.SUBJECT, f"s.{number}", "consent", f"profiling/given/{consent}"), {"id": consent}),
        DecisionRecorded(decision),
        OfferMade(offer),
        ConsentRecorded(consent, "car-1", f"s.{number}", Purpose.PROFILING.value, given=True, at=at),
        OutcomeRecorded(f"r-{number}", offer.id, "car-1", at, Outcome.SEEN, ""),
        OfferWithdrawn(make_offer(number - 1).id, "car-1", at, "consent_withdrawn"),
        now=at,
    )
    sent = offer_sent(offer.id, at)
    return replace(transaction, rows=(*transaction.rows, *sent.rows))


def _mortal(number: int) -> StateKey:
    return StateKey(Scope.OFFER, f"o.{number}", "open")


def numbers_in(ledger: Path) -> dict[str, set[int]]:
    """Return which numbers each table knows of; all agree when no transaction is there by half.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        found = {
            table: {int(str(cell).rpartition(separator)[2]) for (cell,) in connection.execute(query)}
            for table, separator, query in _NUMBERED
        }
        newest = connection.execute("SELECT value FROM state WHERE name = 'newest'").fetchone()
        open_ = {int(row[0].partition(".")[2]) for row in connection.execute(_MORTALS)}
        found["decisions"] |= _evicted(connection, found["decisions"])
    count = len(found["outcomes"])
    found["newest"] = set(range(1, int(newest[0]) + 1)) if newest else set()
    # The deletions: as many as there should be, and the youngest.
    is_right = open_ == set(range(max(1, count - _KEPT_STATE + 1), count + 1))
    found["deleted"] = found["outcomes"] if is_right else open_
    return found


def _evicted(connection: sqlite3.Connection, there: set[int]) -> set[int]:
    """Return the oldest decisions, as many of them as the ledger says it has taken out to make room."""
    (count,) = connection.execute("SELECT coalesce(sum(count), 0) FROM gaps WHERE stream = 'decisions'").fetchone()
    return set(range(1, count + 1)) if min(there, default=count + 1) == count + 1 else set()


_MORTALS = "SELECT owner FROM state WHERE name = 'open'"
_NUMBERED = (
    ("decisions", ".", "SELECT id FROM decisions"),
    ("offers", ".", "SELECT id FROM offers WHERE publication = 'sent' AND outcome = 'seen'"),
    ("outcomes", "-", "SELECT id FROM outcomes"),
    ("consents", "-", "SELECT id FROM consents"),
    ("agreed", ".", "SELECT owner FROM state WHERE scope = 'subject'"),
)


class _Load:
    """A writer and who waits for it."""

    def __init__(self, ledger: Path, told: Callable[[int], None]) -> None:
        self._told = told
        self._number_of: dict[int, int] = {}
        self._news = asyncio.Event()
        self._failure: StoreError | None = None
        self.writer = LedgerWriter(ledger, _BUDGET, self._committed, self._failed)

    def submit(self, number: int) -> None:
        self._number_of[self.writer.submit(numbered(number))] = number

    async def settled(self) -> StoreError | None:
        """Wait until all is committed; return why it is not."""
        while self.writer.backlog and self._failure is None:
            self._news.clear()
            await self._news.wait()
        failure, self._failure = self._failure, None
        return failure

    def _committed(self, done: Committed) -> None:
        self._told(self._number_of[done.ticket])
        self._news.set()

    def _failed(self, error: StoreError) -> None:
        self._failure = error
        self._news.set()


async def fill(
    ledger: Path, count: int, rng: random.Random, told: Callable[[int], None], *, stubborn: bool = False
) -> int:
    """Commit `count` numbered transactions to a prepared ledger, in bursts, going on from what is there.

    Args:
        ledger: The file.
        count: How many.
        rng: Draws the size of each burst.
        told: Called with a number once all transactions up to it are said to be on disk.
        stubborn: Go on after a failure, from what the ledger then knows, as a gateway does.

    Returns:
        How often a commit failed.

    Raises:
        StoreError: One was not committed, and it is not stubborn.
    """
    # Somebody reads, as long as a gateway runs; that keeps the log from being closed with its writer.
    with closing(Ledger(ledger)):
        return await _fill(ledger, count, rng, _Load(ledger, told), stubborn=stubborn)


async def _fill(ledger: Path, count: int, rng: random.Random, load: _Load, *, stubborn: bool) -> int:
    number = _next_number(ledger)
    end, failures = number + count, 0
    while number < end:
        for _ in range(min(rng.choice((1, 1, 2, 5)), end - number)):
            load.submit(number)
            number += 1
        failure = await load.settled()
        if failure is not None:
            if not stubborn:
                raise failure
            failures += 1
            load.writer.begin_era()
            number = _next_number(ledger)
    await load.writer.close()
    return failures


def _next_number(ledger: Path) -> int:
    """Return the number after the newest. A disk on which calls fail is asked until it answers."""
    error: sqlite3.Error | None = None
    for _ in range(_PATIENCE):
        try:
            return 1 + max(numbers_in(ledger)["outcomes"], default=0)
        except sqlite3.OperationalError as refused:
            error = refused
    raise StoreError(f"{ledger}: cannot be read") from error


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--synchronous", default="FULL", help="anything else is a control: it shows what FULL prevents")
    parser.add_argument("--checkpoint-pages", type=int, default=1000)
    parser.add_argument("--stubborn", action="store_true", help="go on after failures, on a ledger that is prepared")
    parser.add_argument("--killed", action="store_true", help="end by kill -9, its log unfinished")
    given = parser.parse_args()
    connect = schema.connect_writer

    def connect_altered(path: Path, max_bytes: int) -> sqlite3.Connection:
        connection = connect(path, max_bytes)
        if given.synchronous != "FULL":
            connection.execute(f"PRAGMA synchronous={given.synchronous}")
        connection.execute(f"PRAGMA wal_autocheckpoint={given.checkpoint_pages}")
        return connection

    writer.connect_writer = connect_altered  # type: ignore[attr-defined] # the one way to a control
    file = os.open(given.folder / TOLD, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def told(number: int) -> None:
        os.write(file, b"%d\n" % number)
        if given.killed and number >= given.count:
            os.kill(os.getpid(), signal.SIGKILL)

    ledger = given.folder / "ledger.db"
    if not given.stubborn:
        schema.prepare(ledger)
    rng = random.Random(given.seed)  # noqa: S311 -- a load
    failures = asyncio.run(fill(ledger, given.count, rng, told, stubborn=given.stubborn))
    sys.stdout.write(f"{failures}\n")


if __name__ == "__main__":
    _main()
