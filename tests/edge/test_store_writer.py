"""The one thread that writes: in order, in groups, never half, and never past its budget."""

import asyncio
import random
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.core.effects import DecisionRecorded, OfferMade, OutcomeRecorded, StateChanged
from gateway.core.events import Outcome
from gateway.core.state import Scope, StateKey
from gateway.core.units import DAY_MS
from gateway.edge.store import check, schema
from gateway.edge.store.cache import Note, counts_in, notes_in
from gateway.edge.store.ledger import Ledger
from gateway.edge.store.rows import Transaction, sign_of_life
from gateway.edge.store.session import LedgerFull
from gateway.edge.store.upkeep import TEXT_STREAM, Retention, bytes_on_disk
from gateway.testing.ledger import WatchedWriter, transaction_of
from gateway.testing.samples import T0, VALID_MS, make_decision, make_offer
from gateway.testing.small_disk import SmallDisk

OPEN = Callable[[], Ledger]
COUNT = StateKey(Scope.UNIT, "car-1", "count")
MIB = 1024 * 1024
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


async def test_a_subjects_entries_are_known_before_they_are_on_disk(ledger_path: Path) -> None:
    watched = WatchedWriter(ledger_path)
    fact, other = StateKey(Scope.SUBJECT, "s.1", "fact", "visits"), StateKey(Scope.SUBJECT, "s.2", "fact", "visits")
    for key, value in ((fact, 1), (fact, 2), (other, 9)):
        watched.writer.submit(transaction_of(StateChanged(key, value)))
    watched.writer.submit(transaction_of(StateChanged(StateKey(Scope.SUBJECT, "s.1", "fact", "old"), None)))

    assert watched.writer.backlog == 4
    assert watched.writer.uncommitted_of(Scope.SUBJECT, "s.1") == {fact: 2, fact._replace(item="old"): None}

    await watched.until(lambda: watched.writer.backlog == 0)
    assert watched.writer.uncommitted_of(Scope.SUBJECT, "s.1") == {}
    await watched.writer.close()


async def test_closing_commits_what_is_queued_and_ends_the_thread(ledger_path: Path, open_ledger: OPEN) -> None:
    watched = WatchedWriter(ledger_path)
    for number in range(1300):
        watched.writer.submit(_count(number))
    await watched.writer.close()

    assert open_ledger().restorable_state() == {COUNT: 1299}
    assert sum(commit.count for commit in watched.commits) == 1300
    await asyncio.to_thread(_join_writers)


def _decided(number: int, note: str = "") -> Transaction:
    """Return a silence, or every third time an offer that was declined at once."""
    at = T0 + number
    decision = replace(make_decision(number, at=at), context={"note": note})
    if number % 3:
        return transaction_of(DecisionRecorded(replace(decision, chosen=None, offer=None)), now=at)
    offer = make_offer(number, made=at)
    answered = OutcomeRecorded(f"r{number}", offer.id, "car-1", at, Outcome.DECLINED, "")
    return transaction_of(DecisionRecorded(decision), OfferMade(offer), answered, now=at)


def _rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def _count_rows(path: Path, table: str) -> int:
    (row,) = _rows(path, f"SELECT count(*) FROM {table}")  # noqa: S608 -- a table of ours
    return int(row[0])


@pytest.mark.parametrize(("mib", "burst"), [(1, 7), (4, 60)])
async def test_thousands_of_decisions_stay_within_the_budget_and_every_hole_adds_up(
    ledger_path: Path, mib: int, burst: int
) -> None:
    rng = random.Random(mib)  # noqa: S311 -- data
    watched = WatchedWriter(ledger_path, mib * MIB)
    resident, number, largest = psutil.Process().memory_info().rss, 0, 0
    while number < 1800:
        transactions = [_decided(number + each, "x" * rng.randrange(6000)) for each in range(1, burst + 1)]
        await watched.commit(*transactions)
        number += burst
        largest = max(largest, sum(bytes_on_disk(ledger_path)))
    await watched.writer.close()

    assert watched.failures == []
    assert max(largest, watched.largest) <= mib * MIB
    assert psutil.Process().memory_info().rss - resident < 24 * MIB
    gaps = dict(_rows(ledger_path, "SELECT stream, sum(count) FROM gaps GROUP BY stream"))
    assert gaps["decisions"] == number - _count_rows(ledger_path, "decisions")
    assert gaps.get(TEXT_STREAM, 0) == _count_rows(ledger_path, "offers WHERE length(payload) = 0")
    assert _count_rows(ledger_path, "offers") == _count_rows(ledger_path, "outcomes") == number // 3
    assert sum(gap.count or 0 for gap in watched.gaps if gap.stream == "decisions") == gaps["decisions"]
    assert check.look_over(ledger_path).fault is None


async def _until_full(watched: WatchedWriter) -> int:
    """Write state, which is never evicted, until nothing goes any more; return how much of it is on disk."""
    number = 0
    while not watched.failures:
        for _ in range(25):
            number += 1
            watched.writer.submit(_count(number, StateKey(Scope.UNIT, f"u.{number}", "x" * 500)))
        await watched.until(lambda: not watched.writer.backlog or bool(watched.failures))
    return watched.commits[-1].ticket


async def test_a_ledger_that_can_spare_nothing_fails_closed_until_it_is_given_more(ledger_path: Path) -> None:
    watched = WatchedWriter(ledger_path, MIB)
    kept = await _until_full(watched)
    assert isinstance(watched.failures[0], LedgerFull)
    for attempt in range(2, 5):
        watched.writer.begin_era()
        watched.writer.probe(T0)
        await watched.until(lambda attempt=attempt: len(watched.failures) == attempt)  # type: ignore[misc]
    await watched.writer.close()
    assert _count_rows(ledger_path, "state") == kept
    assert sum(bytes_on_disk(ledger_path)) <= MIB

    again = WatchedWriter(ledger_path, 2 * MIB)
    again.writer.probe(T0)
    await again.commit(_count(1))
    assert again.failures == []
    assert _count_rows(ledger_path, "state") == kept + 1
    await again.writer.close()


async def test_a_budget_that_was_lowered_is_come_down_to(ledger_path: Path) -> None:
    watched = WatchedWriter(ledger_path, 16 * MIB)
    await watched.commit(*(_decided(number, "x" * 3000) for number in range(1, 1500)))
    await watched.writer.close()
    assert sum(bytes_on_disk(ledger_path)) > 4 * MIB

    lowered = WatchedWriter(ledger_path, 2 * MIB)
    await lowered.commit(_count(1))
    await lowered.until(lambda: sum(bytes_on_disk(ledger_path)) <= 2 * MIB)
    await lowered.commit(_count(2))
    assert lowered.failures == []
    await lowered.writer.close()


async def test_only_a_probe_that_needs_room_tells_that_there_is_some(ledger_path: Path) -> None:
    watched = WatchedWriter(ledger_path, MIB)
    await _until_full(watched)
    watched.writer.begin_era()
    await watched.commit(sign_of_life(T0 + 1))  # a row changed in place: no sign of room
    watched.writer.probe(T0 + 2)
    await watched.until(lambda: len(watched.failures) == 2)

    assert _rows(ledger_path, "SELECT value FROM meta WHERE name = 'last_now'") == [(str(T0 + 1),)]
    await watched.writer.close()


async def test_a_probe_is_as_large_as_what_failed(ledger_path: Path) -> None:
    watched = WatchedWriter(ledger_path, MIB)
    watched.writer.submit(_count(1, StateKey(Scope.UNIT, "u", "x" * 900_000)))
    await watched.until(lambda: bool(watched.failures))
    watched.writer.begin_era()
    watched.writer.probe(T0)
    await watched.until(lambda: len(watched.failures) == 2)
    watched.writer.begin_era()
    await watched.commit(_count(1))
    await watched.writer.close()


async def test_a_probe_leaves_nothing_behind_nor_does_one_that_was_killed(ledger_path: Path) -> None:
    watched = WatchedWriter(ledger_path)
    ticket = watched.writer.probe(T0)
    await watched.until(lambda: bool(watched.commits) and watched.commits[-1].ticket >= ticket)
    assert "probe" not in dict(_rows(ledger_path, "SELECT name, value FROM meta"))
    await watched.writer.close()
    with closing(schema.connect_writer(ledger_path, MIB)) as connection:
        connection.execute("INSERT INTO meta VALUES ('probe', 'x', seal_of('meta', 'probe', 'x'))")

    again = WatchedWriter(ledger_path)
    await again.commit(_count(1))
    assert "probe" not in dict(_rows(ledger_path, "SELECT name, value FROM meta"))
    await again.writer.close()


async def test_age_takes_out_and_gives_back_to_the_disk_what_nobody_is_waiting_for(ledger_path: Path) -> None:
    watched = WatchedWriter(ledger_path)
    await watched.commit(*(_decided(number, "x" * 3000) for number in range(1, 901)))
    keep = Retention(30 * DAY_MS, 400 * DAY_MS)
    watched.writer.retain(keep, T0 + 31 * DAY_MS)
    await watched.until(lambda: sum(gap.count or 0 for gap in watched.gaps) == 900)
    full = watched.largest
    await watched.until(lambda: ledger_path.stat().st_size < full / 8)
    watched.writer.retain(keep, T0 + VALID_MS + 401 * DAY_MS)
    await watched.until(lambda: sum(gap.count or 0 for gap in watched.gaps) == 1500)
    await watched.writer.close()

    gaps = _rows(ledger_path, "SELECT stream, reason, count FROM gaps")
    assert sorted(map(str, gaps)) == [
        "('decisions', 'retention', 900)",
        "('offers', 'retention', 300)",
        "('outcomes', 'retention', 300)",
    ]
    assert check.look_over(ledger_path).fault is None


async def test_a_reader_who_holds_on_does_not_make_the_log_outgrow_the_budget(ledger_path: Path) -> None:
    watched = WatchedWriter(ledger_path, MIB)
    await watched.commit(_count(0))
    with closing(schema.connect_reader(ledger_path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM state").fetchone()
        number = 0
        while not watched.failures:
            number += 1
            watched.writer.submit(_count(number))
            await watched.until(lambda: not watched.writer.backlog or bool(watched.failures))
        assert isinstance(watched.failures[0], LedgerFull)
        assert watched.largest <= MIB + 128 * 1024

    watched.writer.begin_era()
    watched.writer.probe(T0)
    await watched.commit(_count(-1))
    assert len(watched.failures) == 1
    await watched.writer.close()


async def test_upkeep_that_fails_fails_no_commit(ledger_path: Path, open_ledger: OPEN) -> None:
    watched = WatchedWriter(ledger_path)
    await watched.commit(_decided(1))
    with closing(sqlite3.connect(ledger_path, isolation_level=None)) as connection:
        connection.execute("ALTER TABLE gaps RENAME TO elsewhere")
    watched.writer.retain(Retention(1, 1), T0 + DAY_MS)
    await watched.commit(_count(1))
    await watched.commit(_count(2))

    assert watched.failures == []
    assert watched.gaps == []
    assert open_ledger().restorable_state() == {COUNT: 2}
    assert _count_rows(ledger_path, "decisions") == 1
    await watched.writer.close()


async def test_a_disk_filled_at_random_moments_loses_nothing_that_was_told_to_be_on_it(small_disk: SmallDisk) -> None:
    rng = random.Random(7)  # noqa: S311 -- moments
    path = small_disk.path / "ledger.db"
    schema.prepare(path)
    watched = WatchedWriter(path, 2 * MIB)
    number, promised, failures = 0, set[int](), 0
    for _ in range(25):
        of_ticket = {}
        for _ in range(rng.randrange(1, 60)):
            number += 1
            key = StateKey(Scope.UNIT, f"u.{number % 40}", str(number))
            transaction = replace(_decided(number, "x" * rng.randrange(4000)), changes=())
            extra = _count(number, key)
            of_ticket[watched.writer.submit(replace(transaction, rows=(*transaction.rows, *extra.rows)))] = number
            if rng.random() < 0.05:
                small_disk.fill(leaving=rng.choice((0, 0, 4096, 20_000, 100_000)))
                await asyncio.sleep(0)
        await watched.until(lambda before=failures: not watched.writer.backlog or len(watched.failures) > before)  # type: ignore[misc]
        done = watched.commits[-1].ticket if watched.commits else 0
        promised |= {each for ticket, each in of_ticket.items() if ticket <= done}
        small_disk.free()
        if len(watched.failures) > failures:
            failures = len(watched.failures)
            watched.writer.begin_era()
            ticket = watched.writer.probe(T0 + number)
            await watched.until(lambda ticket=ticket: any(each.ticket >= ticket for each in watched.commits))  # type: ignore[misc]

    assert failures > 0
    assert len(watched.failures) == failures
    kept = {int(name) for (name,) in _rows(path, "SELECT name FROM state")}
    assert kept == promised
    (gone,) = _rows(path, "SELECT coalesce(sum(count), 0) FROM gaps WHERE stream = 'decisions'")
    assert _count_rows(path, "decisions") + gone[0] == len(promised)
    await watched.writer.close()
    assert check.look_over(path).fault is None


async def test_notes_and_counts_are_written_beside_the_ledger_and_wait_for_nobody(ledger_path: Path) -> None:
    watched = WatchedWriter(ledger_path)
    watched.writer.note(Note(T0, "boot", "started", {}))
    watched.writer.count(T0, {("messages", "telemetry"): 3})
    await watched.writer.close()

    cache = ledger_path.with_name("cache.db")
    assert [note.what for note in notes_in(cache)] == ["started"]
    assert [count.count for count in counts_in(cache)] == [3]


@pytest.mark.parametrize("state", ["damaged", "unusable", "lost"])
async def test_whatever_becomes_of_the_cache_commits_go_on(ledger_path: Path, state: str) -> None:
    cache = ledger_path.with_name("cache.db")
    if state == "damaged":
        cache.write_bytes(b"no database" * 1000)
    elif state == "unusable":
        cache.mkdir()
    watched = WatchedWriter(ledger_path)
    for number in range(5):
        watched.writer.note(Note(T0, "boot", "started", {}))
        await watched.commit(_count(number))
    await watched.writer.close()

    assert watched.failures == []
    assert watched.cache_said == {"damaged": ["cache_made_anew"], "unusable": ["cache_failing"], "lost": []}[state]


def _join_writers() -> None:
    for thread in threading.enumerate():
        if thread.name == "ledger-writer":
            thread.join(10)
            assert not thread.is_alive()
