"""From effects to what one transaction writes."""

import pytest

from gateway.core.effects import DecisionRecorded, EventIgnored, EventRefused, OfferMade, OfferWithdrawn, StateChanged
from gateway.core.state import Scope, StateKey
from gateway.edge.store.rows import OwedOffer, OwedWithdrawal, Recorder, decision_from
from gateway.testing.ledger import transaction_of
from gateway.testing.samples import T0, make_decision, make_offer


def test_effects_that_are_not_durable_make_no_transaction() -> None:
    recorder = Recorder(lambda _: b"")
    recorder.add([EventIgnored("car-1", T0, "late_fix"), EventRefused("car-1", T0, "unknown_offer")])

    assert recorder.transaction(T0) is None


def test_what_is_written_no_longer_follows_the_engine() -> None:
    value = {"since": 1}
    transaction = transaction_of(StateChanged(StateKey(Scope.UNIT, "car-1", "drive"), value))
    value["since"] = 2

    assert transaction.rows[0][1][-1] == '{"since":1}'


def test_what_may_follow_the_commit_goes_with_the_transaction() -> None:
    offer = make_offer()
    withdrawn = OfferWithdrawn("o.car-1.e1.9", "car-1", T0, "drove_off")
    transaction = transaction_of(DecisionRecorded(make_decision()), OfferMade(offer), withdrawn)

    assert transaction.decisions == (make_decision(),)
    assert transaction.owed == (
        OwedOffer(offer.id, "car-1", offer.id.encode(), offer.expires),
        OwedWithdrawal("o.car-1.e1.9", "car-1", "drove_off", None),
    )


def test_an_offer_that_is_withdrawn_as_it_is_made_is_not_owed() -> None:
    offer = make_offer()
    transaction = transaction_of(OfferMade(offer), OfferWithdrawn(offer.id, "car-1", T0, "drove_off"))

    assert transaction.owed == ()


def test_a_transaction_of_nothing_durable_is_no_sample() -> None:
    with pytest.raises(ValueError, match="no durable effect"):
        transaction_of(EventIgnored("car-1", T0, "late_fix"))


def test_a_trace_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="validation error"):
        decision_from("{}")
