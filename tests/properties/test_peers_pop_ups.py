"""What users of other systems complain about in pop-ups, each complaint a test through the whole engine."""

from dataclasses import replace

import pytest

from gateway.core.campaign import Kind, Placement
from gateway.core.drive import GEAR, LOW_VOLTAGE, SPEED
from gateway.core.effects import OfferWithdrawn
from gateway.core.events import (
    Outcome,
    Role,
    Scalar,
    SignalsReported,
)
from gateway.core.steps import Step, Trigger
from gateway.core.terms import Cap, ContactPolicy
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from gateway.testing.engines import (
    CAR,
    an_action,
    offers_in,
)
from gateway.testing.place import (
    ANNA,
    OTHER_TILL,
    TILL,
    Place,
    a_visit,
    capped,
    enters,
    goes_elsewhere,
)
from gateway.testing.shell import Restarted

ENTER = Step("FenceEntered")


@pytest.mark.parametrize("first", [None, Outcome.PRESENTED, Outcome.SEEN, Outcome.ACCEPTED, Outcome.DECLINED])
def test_never_again_is_one_step_from_anywhere_and_final(first: Outcome | None) -> None:
    other = replace(an_action("other", moment="FenceEntered", placements=[Placement.KIOSK_SCREEN]), value=0.1)
    place = Place(replace(capped(Trigger((ENTER,))), contact=ContactPolicy()), replace(other, valid_for_s=1))
    place.comes(ANNA)
    a_visit(place, TILL)
    if first is not None:
        place.reported(first)
    place.reported(Outcome.NEVER_AGAIN)
    for later in (MINUTE_MS, DAY_MS, 400 * DAY_MS):
        place.waits(later)
        place.happens(Restarted())
        a_visit(place, goes_elsewhere(place))
        place.goes(OTHER_TILL)
        place.comes(ANNA)
        a_visit(place, TILL)
    assert place.offered() == [ANNA]
    assert set(place.reasons()) == {"never_again"}
    assert place.offered("other") == [ANNA] * 6, "what she did not mean is still open to her"


@pytest.mark.parametrize("said", [Outcome.DISMISSED, Outcome.DECLINED])
def test_what_is_dismissed_comes_back_after_its_cool_down_and_not_a_moment_sooner(said: Outcome) -> None:
    place = Place(replace(capped(Trigger((ENTER,))), contact=ContactPolicy(cool_down_s=3600), valid_for_s=1))
    place.comes(ANNA)
    a_visit(place, TILL)
    place.reported(said)
    answered = place.now
    place.now = answered + HOUR_MS - 2 * SECOND_MS
    a_visit(place, TILL)
    assert place.offered() == [ANNA]
    place.now = answered + HOUR_MS - SECOND_MS
    place.happens(enters(TILL))
    assert place.offered() == [ANNA, ANNA]


PARKS: dict[str, Scalar] = {LOW_VOLTAGE: "OFF"}
DRIVES: dict[str, Scalar] = {LOW_VOLTAGE: "ON", GEAR: 127, SPEED: 50.0}
RED_LIGHT: dict[str, Scalar] = {SPEED: 0.0}
HIGHWAY: dict[str, Scalar] = {SPEED: 130.0}


def in_the_car(*placements: Placement, kind: Kind = Kind.MARKETING, moment: str = "FenceEntered") -> Place:
    """Anna drives; something would be said to her at every turn."""
    place = Place(
        replace(an_action("capped", kind=kind, moment=moment, placements=placements), valid_for_s=3600),
    )
    place.comes(ANNA, CAR, Role.DRIVER)
    return place


def test_stopping_is_no_occasion_more_often_than_a_cap_allows() -> None:
    place = in_the_car(Placement.DRIVER_SCREEN)
    policy = ContactPolicy((Cap(3, within_s=86_400),))
    place = Place(replace(an_action("capped"), contact=policy, valid_for_s=30))
    place.comes(ANNA, CAR, Role.DRIVER)
    for _ in range(30):
        place.happens(SignalsReported(CAR, 0, DRIVES), SignalsReported(CAR, 0, PARKS))
        if offers_in(place.effects):
            place.reported(Outcome.PRESENTED, unit=CAR)
        place.waits(MINUTE_MS)
    assert len(place.offered()) == 3


@pytest.mark.parametrize("kind", list(Kind))
def test_a_red_light_is_no_parking_space(kind: Kind) -> None:
    place = in_the_car(Placement.DRIVER_SCREEN, Placement.VOICE, Placement.PHONE, kind=kind)
    for _ in range(10):
        place.happens(SignalsReported(CAR, 0, DRIVES), SignalsReported(CAR, 0, RED_LIGHT), enters(CAR))
        place.waits(MINUTE_MS)
    assert place.offered() == []
    assert set(place.reasons()) == {"not_parked", "voice_while_driving", "phone_while_driving"}


@pytest.mark.parametrize("kind", list(Kind))
def test_nothing_pops_up_at_highway_speed(kind: Kind) -> None:
    place = in_the_car(Placement.DRIVER_SCREEN, Placement.VOICE, Placement.PHONE, kind=kind)
    place.happens(SignalsReported(CAR, 0, DRIVES), SignalsReported(CAR, 0, HIGHWAY))
    for _ in range(10):
        place.happens(enters(CAR))
    assert place.offered() == []


def test_a_handbrake_left_on_does_not_open_the_screen_at_highway_speed() -> None:
    place = in_the_car(Placement.DRIVER_SCREEN)
    brake: dict[str, Scalar] = {"Vehicle.Chassis.ParkingBrake.IsEngaged": True}
    place.happens(SignalsReported(CAR, 0, brake), SignalsReported(CAR, 0, HIGHWAY), enters(CAR))
    place.happens(SignalsReported(CAR, 0, RED_LIGHT), enters(CAR))
    assert place.offered() == []


def test_what_stands_on_the_drivers_screen_goes_as_the_car_does() -> None:
    place = in_the_car(Placement.DRIVER_SCREEN, moment="Parked")
    place.happens(SignalsReported(CAR, 0, PARKS))
    assert place.offered() == [ANNA]
    place.happens(SignalsReported(CAR, 0, DRIVES))
    assert [effect.reason for effect in place.effects if isinstance(effect, OfferWithdrawn)] == ["drove_off"]


def test_nothing_is_known_of_a_car_that_has_said_nothing_so_nothing_pops_up() -> None:
    place = in_the_car(Placement.DRIVER_SCREEN)
    place.happens(enters(CAR))
    assert (place.offered(), place.reasons()) == ([], ["not_parked"])
