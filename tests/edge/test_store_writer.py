"""The one thread that writes: in order, in groups, and never half."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

from gateway.core.effects import StateChanged
from gateway.core.state import Scope, StateKey
from gateway.edge.store.ledger import Ledger
from gateway.edge.store.rows import Transaction
from gateway.testing.ledger import WatchedWriter, transaction_of
from gateway.testing.samples import T0

OPEN = Callable[[], Ledger]
COUNT = StateKey(Scope.UNIT, "car-1", "count")
POISON = Transaction(T0, (("INSERT INTO no_such_table VALUES (1)", ()),))


def _count(value: int, key: StateKey = COUNT) -> Transaction:
    return transaction_of(StateChanged(key, value))


async def test_tickets_are_committed_in_their_order(ledger_path: Path, open_ledger: OPEN) -> None:
    watched = WatchedWriter(ledger_path)
    tickets = [watched.writer.submit(_count(number)) for number in range(1200)]
    await watched.until(lambda: watched.writer.backlog == 0)

    assert tickets == list(range(1, 1201))
    assert [c.ticket for c in watched.commits] == sorted(c.ticket for c in watched.commits)
    assert sum(c.count for c in watched.commits) == 1200
    assert open_ledger().restorable_state() == {COUNT: 1199}
    await watched.writer.close()


async def test_what_gathers_during_a_commit_is_committed_together(ledger_path: Path) -> None:
    watched = WatchedWriter(ledger_path)
    for number in range(400):
        watched.writer.submit(_count(number))
    await watched.until(lambda: watched.writer.backlog == 0)
    await watched.writer.close()

    assert len(watched.commits) < 400
    assert all(commit.seconds > 0 for commit in watched.commits)


async def test_a_failure_takes_along_all_that_was_submitted_until_the_next_era(
    ledger_path: Path, open_ledger: OPEN
) -> None:
    watched = WatchedWriter(ledger_path)
    await watched.commit(_count(1))
    watched.writer.submit(POISON)
    watched.writer.submit(_count(2))
    await watched.until(lambda: bool(watched.failures))
    watched.writer.submit(_count(3))
    watched.writer.begin_era()
    other = StateKey(Scope.UNIT, "car-2", "count")
    await watched.commit(_count(4, other))

    assert "could not be written" in str(watched.failures[0])
    assert len(watched.failures) == 1
    assert open_ledger().restorable_state() == {COUNT: 1, other: 4}
    await watched.writer.close()


async def test_a_failed_group_leaves_nothing_behind(ledger_path: Path, open_ledger: OPEN) -> None:
    watched = WatchedWriter(ledger_path)
    half = Transaction(T0, (*_count(1).rows, *POISON.rows))
    watched.writer.submit(half)
    await watched.until(lambda: bool(watched.failures))

    assert open_ledger().restorable_state() == {}
    await watched.writer.close()


async def test_a_value_that_cannot_be_stored_fails_like_any_other(ledger_path: Path) -> None:
    watched = WatchedWriter(ledger_path)
    watched.writer.submit(Transaction(T0, (("SELECT ?", (2**70,)),)))
    await watched.until(lambda: bool(watched.failures))

    assert isinstance(watched.failures[0].__cause__, OverflowError)
    await watched.writer.close()


async def test_a_full_disk_fails_and_recovers_by_itself(ledger_path: Path, open_ledger: OPEN) -> None:
    watched = WatchedWriter(ledger_path, max_bytes=40 * 4096)
    await watched.commit(_count(1))
    watched.writer.submit(transaction_of(StateChanged(StateKey(Scope.UNIT, "car-1", "large"), "x" * 500_000)))
    await watched.until(lambda: bool(watched.failures))
    assert "full" in str(watched.failures[0])

    watched.writer.begin_era()
    await watched.commit(_count(2))

    assert open_ledger().restorable_state() == {COUNT: 2}
    await watched.writer.close()


async def test_a_subjects_entries_are_known_before_they_are_on_disk(ledger_path: Path) -> None:
    watched = WatchedWriter(ledger_path)
    fact, other = StateKey(Scope.SUBJECT, "s.1", "fact", "visits"), StateKey(Scope.SUBJECT, "s.2", "fact", "visits")
    for key, value in ((fact, 1), (fact, 2), (other, 9)):
        watched.writer.submit(transaction_of(StateChanged(key, value)))
    watched.writer.submit(transaction_of(StateChanged(StateKey(Scope.SUBJECT, "s.1", "fact", "old"), None)))

    assert watched.writer.backlog == 4
    assert watched.writer.uncommitted_of_subject("s.1") == {fact: 2, fact._replace(item="old"): None}

    await watched.until(lambda: watched.writer.backlog == 0)
    assert watched.writer.uncommitted_of_subject("s.1") == {}
    await watched.writer.close()


async def test_closing_commits_what_is_queued_and_ends_the_thread(ledger_path: Path, open_ledger: OPEN) -> None:
    watched = WatchedWriter(ledger_path)
    for number in range(1300):
        watched.writer.submit(_count(number))
    await watched.writer.close()

    assert open_ledger().restorable_state() == {COUNT: 1299}
    assert sum(commit.count for commit in watched.commits) == 1300
    await asyncio.to_thread(_join_writers)


def _join_writers() -> None:
    for thread in threading.enumerate():
        if thread.name == "ledger-writer":
            thread.join(10)
            assert not thread.is_alive()
