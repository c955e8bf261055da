from dataclasses import replace

import pytest

from gateway.core import perceive, triggers
from gateway.core.campaign import Placement
from gateway.core.drive import GEAR, LOW_VOLTAGE, PARKED_LIMIT_MS, SPEED, Driving
from gateway.core.effects import EventIgnored, OfferWithdrawn, OutcomeRecorded
from gateway.core.events import (
    SESSION,
    Outcome,
    Purpose,
    Role,
    SignalsReported,
    UnitLost,
)
from gateway.core.moments import (
    AbsenceNoticed,
    DroveOff,
    Parked,
    TyrePressureLow,
)
from gateway.core.state import Scope, StateKey
from gateway.core.steps import Absence, Step, Trigger
from gateway.core.timers import TimerKey
from gateway.core.units import Position
from gateway.testing.engines import (
    CAR,
    STATION,
    a_car,
    a_fence,
    a_fix,
    a_release,
    a_trigger,
    agreement,
    an_action,
    identified,
    ignition_off,
    left,
    outcome,
    speed,
)
from gateway.testing.samples import T0, make_offer
from tests.core.perceiving import ANNA, Car

FENCE = replace(a_fence("station"), dwell_s=60, beacon="b1")
TYRES = replace(an_action("tyres"), triggers=(a_trigger("Parked", "OfferRedeemed", within_s=90),))
RELEASE = a_release(fences=[FENCE], actions=[TYRES])
FAR = Position(STATION.lon + 0.1, STATION.lat)
PRESSURE = "Vehicle.Chassis.Axle.Row{}.Wheel.{}.Tire.IsPressureLow"


def test_a_unit_is_registered_as_its_shell_describes_it() -> None:
    car = Car(RELEASE)
    assert perceive.register(car.turn(), replace(a_car(), utc_offset_s=3600, contextual_offers=True)) == []
    assert car.memory.get(Scope.UNIT, CAR, "registered") == {
        "kind": "car",
        "placements": ["driver_screen", "passenger_screen", "voice", "phone"],
        "language": "en",
        "contextual_offers": True,
        "utc_offset_s": 3600,
        "time_is_sure": True,
    }


def test_parking_is_noticed_with_the_fences_it_happens_in() -> None:
    car = Car(RELEASE)
    car.hears(a_fix())
    assert car.hears(ignition_off()) == [Parked(CAR, T0, ("station",), ("fuel_station",))]
    assert Car(RELEASE).hears(ignition_off()) == [Parked(CAR, T0, (), ())]


def test_driving_off_is_noticed() -> None:
    car = Car(RELEASE)
    car.hears(ignition_off())
    assert car.hears(speed(5.0, T0 + 1)) == [DroveOff(CAR, T0 + 1)]


def test_what_says_nothing_new_of_motion_is_not_noticed() -> None:
    car = Car(RELEASE)
    car.hears(ignition_off())
    assert car.hears(ignition_off(T0 + 1)) == []
    assert car.signals({GEAR: 126}, T0 + 2) == []
    assert car.hears(speed(4.99, T0 + 3)) == []
    assert car.drive() is Driving.PARKED


def test_a_first_sign_of_motion_is_no_driving_off() -> None:
    car = Car(RELEASE)
    assert car.hears(speed(50.0)) == []
    assert car.drive() is Driving.DRIVING
    assert car.signals({LOW_VOLTAGE: "ON"}, T0 + 1) == []


def test_a_late_signal_counts_no_more_but_the_rest_of_its_message_does() -> None:
    car = Car(RELEASE)
    car.hears(speed(0.0, T0 + 10))
    assert car.hears(SignalsReported(CAR, T0, {SPEED: 50.0, LOW_VOLTAGE: "OFF"}), now=T0 + 11) != []
    assert car.effects == [EventIgnored(CAR, T0 + 11, "late_signal")]
    assert car.drive() is Driving.PARKED


def test_driving_off_takes_what_must_not_be_seen_off_the_drivers_screen() -> None:
    car = Car(RELEASE)
    car.hears(ignition_off())
    on_driver_screen = car.offers(1)
    car.offers(2, Placement.PASSENGER_SCREEN)
    car.offers(3, unit="car-2")
    car.hears(speed(5.0, T0 + 1))
    assert car.effects == [OfferWithdrawn(on_driver_screen, CAR, T0 + 1, "drove_off")]


def test_parked_is_latched_for_its_limit_and_then_unknown() -> None:
    car = Car(RELEASE)
    car.hears(ignition_off())
    offer, limit = car.offers(), TimerKey("parked_limit", CAR)
    assert perceive.timers_of(car.turn(), CAR) == [(limit, T0 + PARKED_LIMIT_MS)]
    assert car.agenda.take_due(T0 + PARKED_LIMIT_MS - 1) == (make_offer().expires, TimerKey("offer", offer))
    assert car.agenda.take_due(T0 + PARKED_LIMIT_MS - 1) is None
    assert car.agenda.take_due(T0 + PARKED_LIMIT_MS) == (T0 + PARKED_LIMIT_MS, limit)
    assert car.fires(limit, T0 + PARKED_LIMIT_MS) == []
    assert car.effects == [OfferWithdrawn(offer, CAR, T0 + PARKED_LIMIT_MS, "drive_unknown")]
    assert car.drive() is Driving.UNKNOWN
    assert perceive.timers_of(car.turn(), CAR) == []


def test_who_drove_off_has_no_limit_of_parking() -> None:
    car = Car(RELEASE)
    car.hears(ignition_off())
    car.hears(speed(50.0, T0 + 1))
    assert car.agenda.next_due() is None


@pytest.mark.parametrize(
    ("row", "side", "wheel"), [(1, "Left", "Row1.Left"), (1, "Right", "Row1.Right"), (2, "Left", "Row2.Left")]
)
def test_a_wheel_that_becomes_low_is_noticed_once(row: int, side: str, wheel: str) -> None:
    car, path = Car(RELEASE), PRESSURE.format(row, side)
    assert car.signals({path: True}) == [TyrePressureLow(CAR, T0, wheel)]
    assert car.signals({path: True}, T0 + 1) == []
    assert car.signals({path: False}, T0 + 2) == []
    assert car.signals({path: True}, T0 + 3) == [TyrePressureLow(CAR, T0 + 3, wheel)]


def test_a_low_wheel_that_is_reported_late_is_not_noticed() -> None:
    car, path = Car(RELEASE), PRESSURE.format(1, "Left")
    car.signals({path: False}, T0 + 10)
    assert car.hears(SignalsReported(CAR, T0, {path: True}), now=T0 + 10) == []


def test_wheels_are_noticed_in_one_order() -> None:
    car = Car(RELEASE)
    paths = [PRESSURE.format(row, side) for row, side in ((2, "Right"), (1, "Left"), (2, "Left"))]
    moments = car.signals(dict.fromkeys(paths, True))
    assert moments == [TyrePressureLow(CAR, T0, wheel) for wheel in ("Row1.Left", "Row2.Left", "Row2.Right")]


def test_parking_comes_before_the_wheel_in_one_message() -> None:
    moments = Car(RELEASE).signals({PRESSURE.format(1, "Left"): True, LOW_VOLTAGE: "OFF"})
    assert [type(moment) for moment in moments] == [Parked, TyrePressureLow]


def test_an_offer_closes_with_its_expiry_if_nobody_ended_it() -> None:
    car = Car(RELEASE)
    unanswered, declined = car.offers(1), car.offers(2)
    car.hears(outcome(declined, Outcome.DECLINED))
    assert car.fires(TimerKey("offer", unanswered), T0 + 9) == []
    assert car.effects == [OutcomeRecorded("", unanswered, CAR, T0 + 9, Outcome.EXPIRED, "")]
    assert car.fires(TimerKey("offer", declined), T0 + 9) == []
    assert car.effects == []


def test_a_window_closes_by_itself() -> None:
    car = Car(RELEASE)
    window = StateKey(Scope.UNIT, CAR, "window", "tyres/0")
    car.memory.put(window, {"step": 1, "opened": T0})
    timer = TimerKey("window", CAR, "tyres/0")
    assert perceive.timers_of(car.turn(), CAR) == [(timer, T0 + 90_000)]
    assert car.fires(timer, T0 + 90_000) == []
    assert car.memory.get(*window) is None


def test_a_seat_that_is_taken_takes_what_is_personal_off_the_screen() -> None:
    car, seat = Car(RELEASE), "Vehicle.Cabin.Seat.Row1.{}.OccupancyStatus"
    car.hears(identified(ANNA))
    car.signals({seat.format("DriverSide"): "OCCUPIED"})
    offer = car.offers(personal=True)
    car.signals({seat.format("PassengerSide"): "OCCUPIED"}, T0 + 1)
    assert car.effects == [OfferWithdrawn(offer, CAR, T0 + 1, "not_alone")]


def test_an_absence_is_noticed_when_its_time_has_passed() -> None:
    absent = Absence(Step("OfferRedeemed"), 60)
    idle = replace(an_action("idle"), triggers=(Trigger((Step("Parked"),), 600, absence=absent),))
    car = Car(a_release(actions=[idle]))
    triggers.match(car.memory, car.agenda, car.release, Parked(CAR, T0, (), ()))
    ((key, due),) = perceive.timers_of(car.turn(), CAR)
    assert (key.name, due) == ("absence", T0 + 60_000)
    assert car.fires(key, due) == [AbsenceNoticed(CAR, due, "idle/0")]


def test_a_lost_unit_is_not_known_to_be_parked_and_everybody_has_left() -> None:
    car = Car(RELEASE)
    car.hears(identified(ANNA))
    car.hears(agreement(SESSION, Purpose.OFFER_DISPLAY)[0])
    car.hears(a_fix(FAR, T0))
    car.hears(ignition_off())
    offer = car.offers()
    assert car.hears(UnitLost(CAR, T0 + 1)) == []
    assert car.effects == [OfferWithdrawn(offer, CAR, T0 + 1, "drive_unknown")]
    assert car.drive() is Driving.UNKNOWN
    assert car.memory.get(Scope.UNIT, CAR, "presence", "driver") == {"subject": None, "ts": T0 + 1}
    assert dict(car.memory.group(Scope.UNIT, CAR, "signal")) == {}
    assert car.memory.owners(Scope.SESSION) == []
    assert car.memory.get(Scope.KINEMATICS, CAR, "fix") is None


def test_a_lost_unit_was_not_started_anew_whoever_comes_next_keeps_their_session() -> None:
    car = Car(RELEASE)
    car.hears(UnitLost(CAR, T0))
    car.hears(agreement(SESSION, Purpose.OFFER_DISPLAY)[0])
    perceive.register(car.turn(), replace(a_car(), utc_offset_s=3600))
    assert car.memory.owners(Scope.SESSION) == [CAR]


def test_a_lost_unit_loses_its_signals_and_its_people_in_one_order() -> None:
    car = Car(RELEASE)
    for role in (Role.PASSENGER, Role.DRIVER):
        car.hears(identified(f"s.{role}", role=role))
    car.signals({LOW_VOLTAGE: "OFF"})
    car.signals({GEAR: 126, PRESSURE.format(1, "Left"): False})
    car.memory.take_changes()
    car.hears(UnitLost(CAR, T0 + 1))
    changed = [(key.name, key.item) for key, _ in car.memory.take_changes()]
    assert changed == [
        ("drive", ""),
        ("signal", PRESSURE.format(1, "Left")),
        ("signal", LOW_VOLTAGE),
        ("signal", GEAR),
        ("signal_ts", PRESSURE.format(1, "Left")),
        ("signal_ts", LOW_VOLTAGE),
        ("signal_ts", GEAR),
        ("presence", "driver"),
        ("presence", "passenger"),
    ]


def test_losing_a_unit_that_said_nothing_changes_nothing() -> None:
    car = Car(RELEASE)
    assert car.hears(UnitLost(CAR, T0)) == []
    assert (car.effects, car.memory.take_changes()) == ([], [])


def test_whoever_had_left_a_lost_unit_is_not_moved() -> None:
    car = Car(RELEASE)
    car.hears(identified(ANNA))
    car.hears(left(T0 + 1))
    car.memory.take_changes()
    car.hears(UnitLost(CAR, T0 + 2))
    assert car.memory.take_changes() == []
