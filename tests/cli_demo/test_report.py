"""A report compares what units heard and said with what the ledger holds."""

from dataclasses import replace

import pytest

from gateway.cli_demo.report import Report
from gateway.core.events import Outcome
from gateway.edge.store.account import Account, OfferEntry, OutcomeEntry
from gateway.testing.samples import T0, make_offer
from gateway.wire.payloads import Offer
from gateway.wire.read import read_offer
from gateway.wire.write import encode_offer
from simulators.unit import Address, Shown, SimulatedClock, Unit

SENT = make_offer()
ENTRY = OfferEntry(
    SENT.id,
    SENT.decision,
    "car-1",
    "s.1",
    SENT.action,
    "marketing",
    "driver_screen",
    T0,
    sent=True,
    outcome=None,
    withdrawn=None,
)
SEEN = OutcomeEntry(SENT.id, "car-1", T0, Outcome.SEEN)
ACCOUNT = Account((), (ENTRY,), (SEEN,), (), {})


def report(account: Account, *, withdrawn: str | None = None) -> Report:
    offer = read_offer(encode_offer(SENT))
    assert isinstance(offer, Offer)
    car = Unit("car-1", Address("127.0.0.1", 1), SimulatedClock(T0))
    car.shown[offer.id] = Shown(offer, [Outcome.SEEN], withdrawn)
    car.reported.append((offer.id, Outcome.SEEN))
    return Report((), (car,), account, 1.0)


def test_a_ledger_that_tells_the_same_has_no_disagreement() -> None:
    assert report(ACCOUNT).disagreements() == []


@pytest.mark.parametrize(
    ("account", "withdrawn", "disagreement"),
    [
        (replace(ACCOUNT, outcomes=()), None, f"only over MQTT: {SENT.id} seen at car-1"),
        (replace(ACCOUNT, outcomes=(SEEN, SEEN)), None, f"only in the ledger: {SENT.id} seen at car-1"),
        (
            replace(ACCOUNT, offers=(replace(ENTRY, sent=False),)),
            None,
            f"only over MQTT: {SENT.id} of pastry offered at car-1",
        ),
        (ACCOUNT, "drove_off", f"only over MQTT: {SENT.id} withdrawn: drove_off"),
        (
            replace(ACCOUNT, offers=(replace(ENTRY, withdrawn="outranked"),)),
            None,
            f"only in the ledger: {SENT.id} withdrawn: outranked",
        ),
    ],
)
def test_each_difference_is_told(account: Account, withdrawn: str | None, disagreement: str) -> None:
    assert report(account, withdrawn=withdrawn).disagreements() == [disagreement]


def test_an_offer_that_was_never_sent_is_no_disagreement() -> None:
    unsent = replace(ENTRY, id="o.car-1.e1.2", sent=False)
    assert report(replace(ACCOUNT, offers=(ENTRY, unsent))).disagreements() == []
