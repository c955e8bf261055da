"""Whom an offer may be shown to, beside whom, and where: addressee, consent and safety."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from gateway.core import consent
from gateway.core.campaign import Audience, Kind, Placement
from gateway.core.drive import Drive, Driving
from gateway.core.effects import Refusal, Stage
from gateway.core.events import SESSION, Purpose, Scalar, UnitKind
from gateway.core.state import Scope, StateKey
from gateway.testing.engines import CAR, agreement, an_action
from gateway.testing.samples import T0
from tests.core.setting import (
    ANNA,
    BEN,
    PASSENGER,
    PASTRY,
    PERSONAL,
    TREATMENT,
    Setting,
)

SEAT = StateKey(Scope.UNIT, CAR, "signal", "Vehicle.Cabin.Seat.Row1.PassengerSide.OccupancyStatus")


@pytest.mark.parametrize("kind", list(Kind))
def test_a_session_sees_only_actions_for_anyone(kind: Kind) -> None:
    session = Setting(holder=SESSION, contextual_offers=True)
    refusal = session.screen(replace(PASTRY, kind=kind))
    assert refusal == Refusal(Stage.ADDRESSEE, "nobody_known", {"role": "driver"})
    assert session.screen(replace(PASTRY, kind=kind, audience=Audience.ANYONE)) is None


def test_a_session_sees_marketing_only_where_the_owner_switched_it_on() -> None:
    anyone = replace(PASTRY, audience=Audience.ANYONE)
    refusal = Setting(holder=SESSION).screen(anyone)
    assert refusal == Refusal(Stage.ADDRESSEE, "contextual_offers_off", {"unit": CAR})
    assert Setting().screen(anyone) is None


@pytest.mark.parametrize("kind", [Kind.SERVICE, Kind.SAFETY])
def test_service_and_safety_reach_a_session_everywhere(kind: Kind) -> None:
    assert Setting(holder=SESSION).screen(replace(PASTRY, audience=Audience.ANYONE, kind=kind)) is None


def test_what_is_personal_is_shown_to_who_is_alone() -> None:
    alone = Setting()
    alone.memory.put(SEAT._replace(item=SEAT.item.replace("Passenger", "Driver")), "OCCUPIED")
    assert alone.screen(PERSONAL) is None


def test_what_is_personal_is_not_shown_beside_a_companion() -> None:
    two = Setting()
    two.memory.put(SEAT, "OCCUPIED")
    two.memory.put(SEAT._replace(item=SEAT.item.replace("Passenger", "Driver")), "OCCUPIED")
    refusal = two.screen(PERSONAL)
    assert refusal == Refusal(Stage.ADDRESSEE, "not_alone", {"occupants": 2, "others_known": 0})
    assert two.screen(PASTRY) is None


def test_what_is_personal_is_not_shown_beside_another_known_person() -> None:
    two = Setting()
    two.memory.put(PASSENGER, {"subject": BEN, "ts": T0})
    refusal = two.screen(PERSONAL)
    assert refusal == Refusal(Stage.ADDRESSEE, "not_alone", {"occupants": -1, "others_known": 1})


def test_who_is_known_in_two_roles_is_still_alone() -> None:
    both = Setting()
    both.memory.put(PASSENGER, {"subject": ANNA, "ts": T0})
    both.memory.put(SEAT, "OCCUPIED")
    assert both.screen(PERSONAL) is None


def test_a_car_whose_seats_say_nothing_may_hold_anybody() -> None:
    refusal = Setting().screen(PERSONAL)
    assert refusal == Refusal(Stage.ADDRESSEE, "not_alone", {"occupants": -1, "others_known": 0})
    kiosk = Setting()
    kiosk.unit = replace(kiosk.unit, kind=UnitKind.KIOSK)
    assert kiosk.screen(PERSONAL) is None


def test_a_private_placement_needs_no_privacy_around_it() -> None:
    two = Setting()
    two.memory.put(PASSENGER, {"subject": BEN, "ts": T0})
    assert two.screen(replace(PASTRY, treatments=(replace(TREATMENT, personal=True, private=True),))) is None


@pytest.mark.parametrize("purpose", [Purpose.OFFER_DISPLAY, Purpose.LOCATION_TRIGGERS, Purpose.PROFILING])
def test_marketing_needs_every_purpose_it_rests_on(purpose: Purpose) -> None:
    action = replace(an_action(moment="FenceEntered"), model="coupon", category="bar", prior=None)
    setting = Setting()
    assert setting.screen(action) is None
    consent.record(setting.memory, replace(agreement(ANNA, purpose)[0], id="w1", given=False))
    assert setting.screen(action) == Refusal(Stage.CONSENT, "no_consent", {"purpose": purpose.value})


@pytest.mark.parametrize("kind", [Kind.SERVICE, Kind.SAFETY])
def test_service_and_safety_work_for_who_refuses_everything(kind: Kind) -> None:
    setting = Setting()
    setting.memory.forget(Scope.SUBJECT, ANNA)
    assert setting.screen(replace(PASTRY, kind=kind)) is None
    assert setting.screen(PASTRY) == Refusal(Stage.CONSENT, "no_consent", {"purpose": "offer_display"})


@pytest.mark.parametrize("kind", list(Kind))
def test_while_driving_nothing_stands_on_the_drivers_screen(kind: Kind) -> None:
    setting = Setting()
    setting.memory.put(StateKey(Scope.UNIT, CAR, "drive"), Drive(Driving.DRIVING, T0).to_json())
    refusal = setting.screen(replace(PASTRY, kind=kind))
    assert refusal == Refusal(Stage.SAFETY, "not_parked", {"drive": "driving", "placement": "driver_screen"})


@pytest.mark.parametrize(
    ("facts", "permitted"),
    [
        ({"voice_opt_in": True}, True),
        ({"voice_opt_in": False}, False),
        ({"voice_opt_in": 1}, False),
        ({"voice_opt_in": "yes"}, False),
        ({}, False),
    ],
)
def test_voice_while_driving_needs_the_subjects_own_yes(facts: Mapping[str, Scalar], *, permitted: bool) -> None:
    setting = Setting(facts=facts)
    setting.memory.put(StateKey(Scope.UNIT, CAR, "drive"), None)
    voice = replace(TREATMENT, placement=Placement.VOICE, while_driving=True)
    refusal = setting.screen(replace(PASTRY, treatments=(voice,)))
    said = Refusal(Stage.SAFETY, "voice_while_driving", {"drive": "unknown", "placement": "voice"})
    assert refusal == (None if permitted else said)
