"""What is taken out of a ledger, in which order, and that every hole of it stays on record."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.effects import (
    ConsentRecorded,
    DecisionRecorded,
    Effect,
    OfferMade,
    OfferWithdrawn,
    OutcomeRecorded,
    StateChanged,
)
from gateway.core.events import Outcome
from gateway.core.state import Scope, StateKey
from gateway.core.units import DAY_MS, Instant
from gateway.edge.store import check, schema
from gateway.edge.store.rows import Gap
from gateway.edge.store.upkeep import (
    TEXT_STREAM,
    Budget,
    Fill,
    Retention,
    bytes_on_disk,
    evict,
    fill_of,
    give_back,
    record,
    retain,
)
from gateway.testing.ledger import transaction_of
from gateway.testing.samples import T0, VALID_MS, make_decision, make_offer

MIB = 1024 * 1024
LATER = T0 + VALID_MS
KEEP = Retention(decisions_ms=30 * DAY_MS, results_ms=400 * DAY_MS)


@pytest.fixture
def connection(ledger_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(schema.connect_writer(ledger_path, 64 * MIB)) as connection:
        yield connection


def _write(connection: sqlite3.Connection, *effects: Effect) -> None:
    for statement, cells in transaction_of(*effects).rows:
        connection.execute(statement, cells)


def _silence(number: int, at: Instant = T0) -> DecisionRecorded:
    return DecisionRecorded(replace(make_decision(number, at=at), chosen=None, offer=None))


def _offer(number: int, made: Instant = T0) -> list[Effect]:
    live = StateKey(Scope.OFFER, "car-1", "live", f"o.car-1.e1.{number}")
    return [
        DecisionRecorded(make_decision(number, at=made)),
        OfferMade(make_offer(number, made=made)),
        StateChanged(live, {"state": "made"}),
    ]


def _end(number: int, outcome: Outcome = Outcome.DECLINED, at: Instant = T0 + 1) -> list[Effect]:
    offer = f"o.car-1.e1.{number}"
    return [
        OutcomeRecorded(f"r{number}", offer, "car-1", at, outcome, ""),
        StateChanged(StateKey(Scope.OFFER, "car-1", "live", offer), None),
    ]


def _numbers(connection: sqlite3.Connection, query: str) -> list[int]:
    return [int(str(cell).rpartition(".")[2]) for (cell,) in connection.execute(query)]


def _decisions(connection: sqlite3.Connection) -> list[int]:
    return _numbers(connection, "SELECT id FROM decisions ORDER BY seq")


def _texts(connection: sqlite3.Connection) -> list[int]:
    return _numbers(connection, "SELECT id FROM offers WHERE length(payload) > 0 ORDER BY seq")


def _gaps(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    return connection.execute("SELECT stream, reason, from_ms, to_ms, count, at_ms FROM gaps ORDER BY seq").fetchall()


def _is_whole(path: Path) -> bool:
    return check.look_over(path).fault is None


def test_silences_go_first_then_explanations_of_ended_offers_then_their_texts(
    connection: sqlite3.Connection, ledger_path: Path
) -> None:
    _write(connection, *_offer(1), *_end(1), _silence(2), *_offer(3), *_end(3), _silence(4), *_offer(5))
    seen = []
    while evict(connection, T0 + 9, 1) is not None:
        seen.append((_decisions(connection), _texts(connection)))

    assert seen == [
        ([1, 3, 4, 5], [1, 3, 5]),
        ([1, 3, 5], [1, 3, 5]),
        ([3, 5], [1, 3, 5]),
        ([5], [1, 3, 5]),
        ([5], [3, 5]),
        ([5], [5]),
    ]
    assert _is_whole(ledger_path)


def test_what_alters_or_proves_a_decision_is_never_evicted(connection: sqlite3.Connection) -> None:
    consent = ConsentRecorded("c1", "car-1", "s.1", "profiling", given=True, at=T0)
    _write(connection, *_offer(1), *_end(1), consent)
    state = StateChanged(StateKey(Scope.SUBJECT, "s.1", "consent", "profiling"), {"given": True})
    _write(connection, state)
    tables = ("state", "offers", "outcomes", "consents")
    before = [connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in tables]  # noqa: S608
    while evict(connection, LATER, 100) is not None:
        pass

    assert [connection.execute(f"SELECT count(*) FROM {table}").fetchone() for table in tables] == before  # noqa: S608
    assert connection.execute("SELECT outcome, payload FROM offers").fetchall() == [("declined", b"")]


@pytest.mark.parametrize("ended", ["withdrawn", "expired", "nothing known"])
def test_an_offer_has_ended_when_no_screen_can_show_it_any_more(connection: sqlite3.Connection, ended: str) -> None:
    _write(connection, *_offer(1))
    if ended == "withdrawn":
        gone = StateChanged(StateKey(Scope.OFFER, "car-1", "live", "o.car-1.e1.1"), None)
        _write(connection, OfferWithdrawn("o.car-1.e1.1", "car-1", T0, "drove_off"), gone)
    elif ended == "expired":
        _write(connection, *_end(1, Outcome.EXPIRED))
    else:
        # The state was lost, and with it what became of the offer: it may stand on a screen until it expires.
        connection.execute("DELETE FROM state")
        assert evict(connection, LATER - 1, 9) is None

    assert evict(connection, LATER, 9) == Gap("decisions", T0, T0, 1, "budget", LATER)


def test_an_accepted_offer_is_kept_whole_until_it_is_redeemed(connection: sqlite3.Connection) -> None:
    accepted = OutcomeRecorded("r1", "o.car-1.e1.1", "car-1", T0, Outcome.ACCEPTED, "")
    _write(connection, *_offer(1), accepted)
    assert evict(connection, LATER + DAY_MS, 9) is None

    _write(connection, *_end(1, Outcome.REDEEMED))
    assert evict(connection, LATER + DAY_MS, 9) is not None


def test_a_hole_tells_from_when_to_when_and_how_much(connection: sqlite3.Connection) -> None:
    _write(connection, _silence(1, T0 + 5), _silence(2, T0 + 6), _silence(3, T0 + 7))

    assert evict(connection, T0 + 9, 2) == Gap("decisions", T0 + 5, T0 + 6, 2, "budget", T0 + 9)
    assert _gaps(connection) == [("decisions", "budget", T0 + 5, T0 + 6, 2, T0 + 9)]


def test_holes_of_one_day_stream_and_reason_are_one_row(connection: sqlite3.Connection, ledger_path: Path) -> None:
    day = T0 - T0 % DAY_MS
    for gap in (
        Gap("decisions", 5, 6, 2, "budget", day),
        Gap("decisions", 3, 9, 4, "budget", day + DAY_MS - 1),
        Gap("decisions", 1, 1, 1, "retention", day),
        Gap(TEXT_STREAM, 2, 2, 1, "budget", day),
        Gap("decisions", 10, 11, 1, "budget", day + DAY_MS),
        Gap("decisions", 10, 11, None, "damaged", day),
        Gap("decisions", 10, 12, None, "damaged", day),
    ):
        record(connection, gap)

    assert _gaps(connection) == [
        ("decisions", "budget", 3, 9, 6, day + DAY_MS - 1),
        ("decisions", "retention", 1, 1, 1, day),
        (TEXT_STREAM, "budget", 2, 2, 1, day),
        ("decisions", "budget", 10, 11, 1, day + DAY_MS),
        ("decisions", "damaged", 10, 11, None, day),
        ("decisions", "damaged", 10, 12, None, day),
    ]
    assert _is_whole(ledger_path)


def test_a_decision_is_kept_for_exactly_as_long_as_it_may_be(connection: sqlite3.Connection) -> None:
    _write(connection, _silence(1, T0), _silence(2, T0 + 1), *_offer(3, T0), *_end(3))

    assert retain(connection, KEEP, T0 + KEEP.decisions_ms, 9) == ()
    assert retain(connection, KEEP, T0 + KEEP.decisions_ms + 1, 9) == (
        Gap("decisions", T0, T0, 2, "retention", T0 + KEEP.decisions_ms + 1),
    )
    assert _decisions(connection) == [2]


def test_a_result_is_kept_for_exactly_as_long_as_it_may_be_and_goes_with_its_outcomes(
    connection: sqlite3.Connection, ledger_path: Path
) -> None:
    _write(connection, *_offer(1, T0), *_end(1, at=T0 + 7), *_offer(2, T0 + 1), *_end(2))
    connection.execute("DELETE FROM decisions")
    due = LATER + KEEP.results_ms

    assert retain(connection, KEEP, due, 9) == ()
    assert retain(connection, KEEP, due + 1, 9) == (
        Gap("offers", T0, T0, 1, "retention", due + 1),
        Gap("outcomes", T0 + 7, T0 + 7, 1, "retention", due + 1),
    )
    assert connection.execute("SELECT offer FROM outcomes").fetchall() == [("o.car-1.e1.2",)]
    assert _is_whole(ledger_path)


def test_age_takes_nothing_out_that_has_not_ended(connection: sqlite3.Connection) -> None:
    _write(connection, *_offer(1))

    assert retain(connection, KEEP, T0 + 10 * KEEP.results_ms, 9) == ()


def test_outcomes_whose_offer_was_lost_go_by_their_own_age(connection: sqlite3.Connection) -> None:
    _write(connection, OutcomeRecorded("r1", "o.lost", "car-1", T0, Outcome.SEEN, ""))

    assert retain(connection, KEEP, T0 + KEEP.results_ms, 9) == ()
    assert [gap.stream for gap in retain(connection, KEEP, T0 + KEEP.results_ms + 1, 9)] == ["outcomes"]


def test_age_never_takes_out_a_receipt_or_state(connection: sqlite3.Connection) -> None:
    _write(connection, ConsentRecorded("c1", "car-1", "s.1", "profiling", given=True, at=T0))
    _write(connection, StateChanged(StateKey(Scope.SUBJECT, "s.1", "fact", "visits"), 3))

    assert retain(connection, KEEP, T0 + 100 * KEEP.results_ms, 9) == ()


def test_age_is_seen_to_in_steps(connection: sqlite3.Connection) -> None:
    _write(connection, *(_silence(number) for number in range(1, 8)))
    counts = []
    while gaps := retain(connection, KEEP, T0 + 2 * KEEP.decisions_ms, 3):
        counts += [gap.count for gap in gaps]

    assert counts == [3, 3, 1]
    assert [row[4] for row in _gaps(connection)] == [7]


def test_free_pages_are_given_back_to_the_disk(connection: sqlite3.Connection, ledger_path: Path) -> None:
    note: dict[str, object] = {"note": "x" * 3000}
    _write(connection, *(DecisionRecorded(replace(_silence(n).decision, context=note)) for n in range(1, 500)))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    full = ledger_path.stat().st_size
    assert full > MIB
    connection.execute("DELETE FROM decisions")
    while (fill := fill_of(connection)).surplus:
        give_back(connection, 32)
        assert fill.pages - 32 <= fill_of(connection).pages < fill.pages
    give_back(connection, 0)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    assert bytes_on_disk(ledger_path) == (ledger_path.stat().st_size, 0)
    assert ledger_path.stat().st_size < full / 10


def test_a_twentieth_of_the_file_may_be_free() -> None:
    assert Fill(100, 5).surplus == 0
    assert Fill(100, 6).surplus == 1
    assert Fill(100, 6).used == 94


@pytest.mark.parametrize("mib", [1, 2, 4, 16, 64, 512, 65_536])
def test_a_budget_is_shared_out_without_rest(mib: int) -> None:
    budget = Budget(mib * MIB)

    assert budget.pages * 4096 + budget.log_bytes <= mib * MIB < (budget.pages + 1) * 4096 + budget.log_bytes
    assert 0 < budget.evict_to < budget.evict_above < budget.pages_for_commits < budget.pages
    # What is in the log when it is taken over, and the largest step or group after it, fit into its share.
    assert (budget.checkpoint_pages + max(budget.step, budget.group_limit)) * 4096 <= budget.log_bytes
    assert not (budget.is_small and mib >= 64)


def test_what_is_not_there_takes_nothing(tmp_path: Path) -> None:
    assert bytes_on_disk(tmp_path / "ledger.db") == (0, 0)
