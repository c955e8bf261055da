"""The way out: offers and withdrawals as screens get them."""

import dataclasses
import json

import pytest

from gateway.core.campaign import Kind, Placement
from gateway.core.effects import Offer, OfferedReward, OfferWithdrawn
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
    reward=OfferedReward("pastry", "gratis"),
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
        "reward": {"id": "pastry", "text": "gratis", "amount": None, "currency": None},
        "made_ms": 12,
        "expires_ms": 300_012,
        "slate": None,
        "as_of_ms": None,
    }


@pytest.mark.parametrize(("cents", "amount"), [(250, "2.50"), (5, "0.05"), (100_000, "1000.00"), (None, None)])
def test_the_amount_of_a_reward_is_a_decimal_and_none_where_it_is_not_told(
    cents: int | None, amount: str | None
) -> None:
    reward = OfferedReward("coupon", "off", 999, "EUR", told_cents=cents)
    written = json.loads(encode_offer(dataclasses.replace(OFFER, reward=reward)))["reward"]
    assert written == {"id": "coupon", "text": "off", "amount": amount, "currency": amount and "EUR"}


def test_an_offer_tells_its_place_on_a_slate_and_the_age_of_what_it_shows() -> None:
    written = json.loads(encode_offer(dataclasses.replace(OFFER, slate="o.car-7.e1.11", position=1, as_of=5)))
    assert (written["slate"], written["as_of_ms"]) == ({"id": "o.car-7.e1.11", "position": 1}, 5)


def test_firmware_that_knows_only_the_fields_of_before_finds_them_where_they_were() -> None:
    reward = OfferedReward("coupon", "2.50 off", 250, "EUR", told_cents=250)
    newer = json.loads(encode_offer(dataclasses.replace(OFFER, reward=reward, slate="o.car-7.e1.11", as_of=5)))
    older = json.loads(encode_offer(OFFER))
    assert [name for name in older if newer[name] != older[name]] == ["reward", "slate", "as_of_ms"]
    assert newer["reward"]["text"] == "2.50 off"


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
