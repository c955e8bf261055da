"""One reading of the ledger: everything in its order, as it stands, beside a gateway that writes."""

from pathlib import Path

import pytest

from gateway.core.effects import (
    ConsentRecorded,
    DecisionRecorded,
    OfferMade,
    OfferWithdrawn,
    OutcomeRecorded,
    StateChanged,
)
from gateway.core.errors import StoreError
from gateway.core.events import Outcome
from gateway.core.state import Scope, StateKey
from gateway.edge.store.account import AccountReader
from gateway.edge.store.rows import offer_sent
from gateway.testing.ledger import WatchedWriter, transaction_of
from gateway.testing.samples import T0, make_decision, make_offer

OFFER, DECISION = make_offer(), make_decision()
DRIVE = StateKey(Scope.UNIT, "car-1", "drive")


async def test_an_empty_ledger_gives_an_empty_account(ledger_path: Path) -> None:
    with AccountReader(ledger_path) as reader:
        account = reader.read()
    assert (account.decisions, account.offers, account.outcomes, account.consents) == ((), (), (), ())
    assert account.units == {}


async def test_an_account_holds_decision_offer_outcomes_and_where_they_were_reported(ledger_path: Path) -> None:
    watched = WatchedWriter(ledger_path)
    await watched.commit(
        transaction_of(DecisionRecorded(DECISION), OfferMade(OFFER)),
        transaction_of(OutcomeRecorded("i1", OFFER.id, "car-1", T0 + 1, Outcome.ACCEPTED, "")),
        transaction_of(OutcomeRecorded("i2", OFFER.id, "till-1", T0 + 2, Outcome.REDEEMED, "")),
    )
    with AccountReader(ledger_path) as reader:
        account = reader.read()
    await watched.writer.close()
    (offer,) = account.offers
    assert account.decisions == (DECISION,)
    assert (offer.id, offer.action, offer.outcome, offer.sent, offer.withdrawn) == (
        OFFER.id,
        "pastry",
        Outcome.REDEEMED,
        False,
        None,
    )
    assert [(each.unit, each.at, each.outcome) for each in account.outcomes] == [
        ("car-1", T0 + 1, Outcome.ACCEPTED),
        ("till-1", T0 + 2, Outcome.REDEEMED),
    ]


async def test_an_account_says_what_was_sent_withdrawn_and_agreed_to(ledger_path: Path) -> None:
    watched = WatchedWriter(ledger_path)
    await watched.commit(
        transaction_of(OfferMade(OFFER)),
        offer_sent(OFFER.id, T0),
        transaction_of(OfferWithdrawn(OFFER.id, OFFER.unit, T0 + 1, "drove_off")),
        transaction_of(ConsentRecorded("c1", "car-1", "s.1", "profiling", given=True, at=T0)),
        transaction_of(ConsentRecorded("c2", "car-1", "s.1", "profiling", given=False, at=T0 + 1)),
    )
    with AccountReader(ledger_path) as reader:
        account = reader.read()
    await watched.writer.close()
    assert [(offer.sent, offer.withdrawn) for offer in account.offers] == [(True, "drove_off")]
    assert [(said.id, said.purpose, said.given, said.at) for said in account.consents] == [
        ("c1", "profiling", True, T0),
        ("c2", "profiling", False, T0 + 1),
    ]


async def test_a_commit_is_noticed_and_shows_where_a_unit_is(ledger_path: Path) -> None:
    watched = WatchedWriter(ledger_path)
    with AccountReader(ledger_path) as reader:
        before = reader.version()
        assert reader.version() == before
        subject = StateKey(Scope.SUBJECT, "s.1", "fact", "stamps")
        await watched.commit(transaction_of(StateChanged(DRIVE, {"state": "parked"}), StateChanged(subject, 3)))
        assert reader.version() != before
        assert reader.read().units == {DRIVE: {"state": "parked"}}
    await watched.writer.close()


def test_a_ledger_that_is_not_there_is_an_error_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"ledger\.db: cannot be read"):
        AccountReader(tmp_path / "ledger.db")


def test_a_file_that_is_no_ledger_is_an_error_of_the_store(tmp_path: Path) -> None:
    other = tmp_path / "ledger.db"
    other.write_bytes(b"not a database, " * 100)
    with pytest.raises(StoreError, match="cannot be read"), AccountReader(other) as reader:
        reader.read()
