"""The way out: offers and withdrawals as screens get them."""

import dataclasses
import json

import pytest

from gateway.core.campaign import Kind, Placement, Reward
from gateway.core.effects import Offer, OfferWithdrawn
from gateway.core.errors import InvariantViolation
from gateway.core.events import Role
from gateway.wire import payloads
from gateway.wire.read import read_offer
from gateway.wire.write import encode_offer, encode_withdrawal

OFFER = Offer(
    id="o.car-7.e1.12",
    decision="d.car-7.e1.31",
    unit="car-7",
    holder="p.4711",
    role=Role.DRIVER,
    placement=Placement.DRIVER_SCREEN,
    action="pastry",
    kind=Kind.MARKETING,
    language="de-DE",
    title="Ein S\u00fc\u00dfes?",
    body="Bis elf.",
    call_to_action="Ja",
    reward=Reward("pastry", "gratis"),
    made=12,
    expires=300_012,
)


def test_an_offer_has_exactly_the_fields_of_its_payload() -> None:
    assert json.loads(encode_offer(OFFER)) == {
        "id": "o.car-7.e1.12",
        "decision_id": "d.car-7.e1.31",
        "unit": "car-7",
        "role": "driver",
        "placement": "driver_screen",
        "action": "pastry",
        "kind": "marketing",
        "language": "de-DE",
        "title": "Ein S\u00fc\u00dfes?",
        "body": "Bis elf.",
        "call_to_action": "Ja",
        "reward": {"id": "pastry", "text": "gratis"},
        "made_ms": 12,
        "expires_ms": 300_012,
    }


def test_an_offer_does_not_name_its_holder() -> None:
    assert b"p.4711" not in encode_offer(OFFER)


def test_what_is_written_is_what_a_screen_reads() -> None:
    offer = read_offer(encode_offer(dataclasses.replace(OFFER, reward=None)))
    assert isinstance(offer, payloads.Offer)
    assert offer.reward is None
    withdrawal = read_offer(encode_withdrawal(OfferWithdrawn("o.car-7.e1.12", "car-7", 5, "drove_off")))
    assert withdrawal == payloads.Withdrawal(id="o.car-7.e1.12", reason="drove_off")


def test_an_offer_that_no_release_should_hold_is_our_own_fault() -> None:
    with pytest.raises(InvariantViolation, match="action"):
        encode_offer(dataclasses.replace(OFFER, action="a pastry"))
    with pytest.raises(InvariantViolation, match="reason"):
        encode_withdrawal(OfferWithdrawn("o", "car-7", 5, "Because!"))
