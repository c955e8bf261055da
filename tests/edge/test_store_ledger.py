"""What was written is read back: to restore, to publish, to explain."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
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
from gateway.core.errors import StoreError
from gateway.core.events import Outcome
from gateway.core.state import Scope, StateKey
from gateway.edge.store.ledger import Ledger, read_decision
from gateway.edge.store.rows import (
    OwedOffer,
    OwedWithdrawal,
    Transaction,
    offer_sent,
    release_in_force,
    sign_of_life,
    withdrawal_sent,
)
from gateway.testing.ledger import WatchedWriter, transaction_of
from gateway.testing.samples import T0, VALID_MS, make_decision, make_offer

DRIVE = StateKey(Scope.UNIT, "car-1", "drive")
OPEN = Callable[[], Ledger]


async def _write(path: Path, *transactions: Transaction) -> None:
    watched = WatchedWriter(path)
    await watched.commit(*transactions)
    await watched.writer.close()


async def _record(path: Path, *effects: Effect, now: int = T0) -> None:
    await _write(path, transaction_of(*effects, now=now))


def _presence(unit: str, subject: str | None) -> StateChanged:
    return StateChanged(StateKey(Scope.UNIT, unit, "presence", "driver"), {"subject": subject, "ts": T0})


async def test_the_newest_value_of_an_entry_is_its_value(ledger_path: Path, open_ledger: OPEN) -> None:
    await _record(ledger_path, StateChanged(DRIVE, {"state": "driving"}), StateChanged(DRIVE, {"state": "parked"}))

    assert open_ledger().restorable_state() == {DRIVE: {"state": "parked"}}


async def test_a_deleted_entry_is_gone(ledger_path: Path, open_ledger: OPEN) -> None:
    await _record(ledger_path, StateChanged(DRIVE, {}), StateChanged(DRIVE, None))

    assert open_ledger().restorable_state() == {}


async def test_only_subjects_who_are_present_are_restored(ledger_path: Path, open_ledger: OPEN) -> None:
    here = StateKey(Scope.SUBJECT, "s.here", "fact", "visits")
    gone = StateKey(Scope.SUBJECT, "s.gone", "fact", "visits")
    await _record(
        ledger_path,
        StateChanged(here, 3),
        StateChanged(gone, 4),
        _presence("car-1", "s.here"),
        _presence("car-2", None),
    )
    ledger = open_ledger()

    assert set(ledger.restorable_state()) == {
        here,
        StateKey(Scope.UNIT, "car-1", "presence", "driver"),
        StateKey(Scope.UNIT, "car-2", "presence", "driver"),
    }
    assert ledger.entries_of(Scope.SUBJECT, "s.gone") == {gone: 4}


async def test_last_now_rises_and_never_falls(ledger_path: Path, open_ledger: OPEN) -> None:
    await _write(
        ledger_path,
        transaction_of(StateChanged(DRIVE, 1), now=T0 + 9_999_999_999_999),
        transaction_of(StateChanged(DRIVE, 2), now=T0),
    )

    assert open_ledger().last_now == T0 + 9_999_999_999_999


async def test_an_offer_is_owed_until_it_was_sent(ledger_path: Path, open_ledger: OPEN) -> None:
    await _record(ledger_path, OfferMade(make_offer(1)), OfferMade(make_offer(2)))
    ledger = open_ledger()

    assert ledger.owed_offers(T0, 10) == [
        OwedOffer(f"o.car-1.e1.{n}", "car-1", f"o.car-1.e1.{n}".encode(), T0 + VALID_MS) for n in (1, 2)
    ]
    assert len(ledger.owed_offers(T0, 1)) == 1

    await _write(ledger_path, offer_sent("o.car-1.e1.1", T0))

    assert [owed.id for owed in ledger.owed_offers(T0, 10)] == ["o.car-1.e1.2"]


async def test_an_expired_offer_is_owed_no_longer(ledger_path: Path, open_ledger: OPEN) -> None:
    await _record(ledger_path, OfferMade(make_offer()))
    ledger = open_ledger()

    assert len(ledger.owed_offers(T0 + VALID_MS - 1, 10)) == 1
    assert ledger.owed_offers(T0 + VALID_MS, 10) == []


async def test_an_answered_offer_is_owed_no_longer(ledger_path: Path, open_ledger: OPEN) -> None:
    answered = OutcomeRecorded("x1", "o.car-1.e1.1", "car-1", T0, Outcome.DECLINED, "")
    await _record(ledger_path, OfferMade(make_offer()), answered)

    assert open_ledger().owed_offers(T0, 10) == []


async def test_a_withdrawal_is_owed_instead_of_its_offer_until_it_was_sent(
    ledger_path: Path, open_ledger: OPEN
) -> None:
    withdrawn = OfferWithdrawn("o.car-1.e1.1", "car-1", T0 + 5, "drove_off")
    await _record(ledger_path, OfferMade(make_offer()))
    await _record(ledger_path, withdrawn)
    ledger = open_ledger()

    assert ledger.owed_offers(T0, 10) == []
    assert ledger.owed_withdrawals(T0, 10) == [OwedWithdrawal("o.car-1.e1.1", "car-1", "drove_off", T0 + VALID_MS)]
    assert ledger.owed_withdrawals(T0 + VALID_MS, 10) == []

    await _write(ledger_path, withdrawal_sent("o.car-1.e1.1", T0))

    assert ledger.owed_withdrawals(T0, 10) == []


async def test_an_offer_that_is_withdrawn_as_it_is_made_is_never_published(
    ledger_path: Path, open_ledger: OPEN
) -> None:
    withdrawn = OfferWithdrawn("o.car-1.e1.1", "car-1", T0, "drove_off")
    await _record(ledger_path, OfferMade(make_offer()), withdrawn)
    ledger = open_ledger()

    assert ledger.owed_offers(T0, 10) == []
    assert ledger.owed_withdrawals(T0, 10) == []


async def test_the_whole_state_holds_those_who_are_absent_too(ledger_path: Path, open_ledger: OPEN) -> None:
    gone = StateKey(Scope.SUBJECT, "s.gone", "fact", "visits")
    await _record(ledger_path, StateChanged(gone, 4), StateChanged(DRIVE, {}))

    assert open_ledger().whole_state() == {gone: 4, DRIVE: {}}


async def test_a_decision_is_read_back_whole(ledger_path: Path) -> None:
    await _record(ledger_path, DecisionRecorded(make_decision()))

    assert read_decision(ledger_path, "d.car-1.e1.1") == make_decision()
    assert read_decision(ledger_path, "d.car-1.e1.2") is None


async def test_a_damaged_trace_is_a_store_error(ledger_path: Path) -> None:
    await _record(ledger_path, DecisionRecorded(make_decision()))
    with closing(sqlite3.connect(ledger_path)) as connection, connection:
        connection.execute("UPDATE decisions SET trace = '{}'")

    with pytest.raises(StoreError, match="damaged"):
        read_decision(ledger_path, "d.car-1.e1.1")


async def test_a_consent_is_kept_with_its_whole_receipt(ledger_path: Path) -> None:
    said = ConsentRecorded("c1", "car-1", "s.1", "profiling", given=True, at=T0)
    receipt = '{"id":"c1","notice":{"id":"n1"}}'
    await _write(ledger_path, transaction_of(said, receipts={"c1": receipt}))

    with closing(sqlite3.connect(ledger_path)) as connection:
        row = connection.execute("SELECT id, holder, purpose, given, receipt FROM consents").fetchone()
    assert row == ("c1", "s.1", "profiling", 1, receipt)


async def test_a_consent_that_is_said_twice_has_one_receipt(ledger_path: Path) -> None:
    given = ConsentRecorded("c1", "car-1", "s.1", "profiling", given=True, at=T0)
    withdrawn = ConsentRecorded("c1", "car-1", "s.1", "profiling", given=False, at=T0)
    await _write(ledger_path, transaction_of(given), transaction_of(given, withdrawn), transaction_of(withdrawn))

    with closing(sqlite3.connect(ledger_path)) as connection:
        assert connection.execute("SELECT given FROM consents ORDER BY seq").fetchall() == [(1,), (0,)]


def test_a_ledger_that_is_not_there_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        read_decision(tmp_path / "absent.db", "d.1")


def test_the_short_epoch_begins_the_epoch(open_ledger: OPEN) -> None:
    ledger = open_ledger()

    assert ledger.epoch.startswith(ledger.short_epoch)
    assert len(ledger.short_epoch) == 8


async def test_the_release_in_force_is_remembered(ledger_path: Path, open_ledger: OPEN) -> None:
    assert open_ledger().release is None

    await _write(ledger_path, release_in_force("r1", T0), release_in_force("r2", T0), sign_of_life(T0 + 7))

    assert (open_ledger().release, open_ledger().last_now) == ("r2", T0 + 7)
