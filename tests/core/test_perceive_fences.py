"""How fixes, reports, beacons, routes and timers move a unit through fences, one turn each."""

from dataclasses import replace

import pytest

from gateway.core import perceive
from gateway.core.effects import EventIgnored, FixTold
from gateway.core.events import BeaconSighted, FenceReported, Scalar
from gateway.core.fences.hours import OpeningHours
from gateway.core.moments import FenceApproached, FenceDwelled, FenceEntered, FenceExited
from gateway.core.timers import TimerKey
from gateway.core.units import DAY_MS, HOUR_MS, Position
from gateway.testing.engines import CAR, STATION, a_car, a_fence, a_fix, a_release
from gateway.testing.samples import T0
from tests.core.perceiving import Car

FENCE = replace(a_fence("station"), dwell_s=60, beacon="b1")
RELEASE = a_release(fences=[FENCE])
FAR = Position(STATION.lon + 0.1, STATION.lat)


def test_a_fix_within_a_fence_enters_it_and_sets_the_dwell() -> None:
    car = Car(RELEASE)
    moments = car.hears(a_fix(STATION, T0 - 50), now=T0)
    assert moments == [FenceEntered(CAR, T0, "station", "fuel_station")]
    assert car.agenda.take_due(T0 + 60_000) == (T0 + 60_000, TimerKey("dwell", CAR, "station"))


def test_a_fix_beyond_a_fence_leaves_it_and_cancels_the_dwell() -> None:
    car = Car(RELEASE)
    car.hears(a_fix())
    moments = car.hears(a_fix(FAR, T0 + 600_000))
    assert moments == [FenceExited(CAR, T0 + 600_000, "station", "fuel_station", "left", stayed_s=600)]
    assert car.agenda.next_due() is None


@pytest.mark.parametrize(("ts", "reason"), [(T0, "late_fix"), (T0 + 1, "implausible_jump")])
def test_a_fix_that_shows_nothing_is_ignored_with_its_reason(ts: int, reason: str) -> None:
    car = Car(RELEASE)
    car.hears(a_fix(FAR, T0))
    assert car.hears(a_fix(STATION, ts), now=T0 + 1) == []
    assert car.effects == [EventIgnored(CAR, T0 + 1, reason)]


def test_a_report_of_crossings_has_the_effect_of_the_fix_that_showed_them() -> None:
    by_fix, by_report = Car(RELEASE), Car(RELEASE)
    ts = T0 + 600_000
    assert by_fix.hears(a_fix()) == by_report.hears(FenceReported(CAR, T0, ("station",), climate="north"))
    away = FenceReported(CAR, ts, exited=("station",))
    assert by_fix.hears(a_fix(FAR, ts)) == by_report.hears(away)
    assert by_fix.memory.take_changes() == by_report.memory.take_changes()
    assert by_fix.agenda.next_due() == by_report.agenda.next_due()


def test_a_beacon_speaks_for_its_fence() -> None:
    car = Car(RELEASE)
    assert car.hears(BeaconSighted(CAR, T0, "b1", 1.0)) == [FenceEntered(CAR, T0, "station", "fuel_station")]
    gone = car.hears(BeaconSighted(CAR, T0 + 1, "b1", None))
    assert gone == [FenceExited(CAR, T0 + 1, "station", "fuel_station", "left")]


def test_a_dwell_is_noticed_and_not_due_again() -> None:
    car = Car(RELEASE)
    car.hears(a_fix())
    dwell, silence = TimerKey("dwell", CAR, "station"), (TimerKey("silence", CAR), T0 + DAY_MS)
    assert perceive.timers_of(car.turn(), CAR) == [(dwell, T0 + 60_000), silence]
    assert car.fires(dwell, T0 + 60_000) == [FenceDwelled(CAR, T0 + 60_000, "station", "fuel_station")]
    assert perceive.timers_of(car.turn(), CAR) == [silence]


def test_a_fence_of_another_release_has_no_timer() -> None:
    car = Car(RELEASE)
    car.hears(a_fix())
    car.release = a_release()
    assert [key.name for key, _ in perceive.timers_of(car.turn(), CAR)] == ["silence"]


def test_who_is_in_a_fence_that_a_release_removes_leaves_it_once() -> None:
    car = Car(RELEASE)
    car.hears(a_fix())
    perceive.register(car.turn(), a_car("car-2"))
    car.release = a_release()
    removed = FenceExited(CAR, T0, "station", "fuel_station", "fence_removed")
    assert perceive.fences_removed(car.turn(), RELEASE) == [removed]
    assert perceive.fences_removed(car.turn(), RELEASE) == []


def test_a_fence_that_stays_is_not_left() -> None:
    car = Car(RELEASE)
    car.hears(a_fix())
    assert perceive.fences_removed(car.turn(), RELEASE) == []


def test_what_a_fix_amounts_to_is_told_without_where_it_was() -> None:
    car = Car(RELEASE)
    car.hears(a_fix())
    assert car.effects == [FixTold(FenceReported(CAR, T0, ("station",), climate="north"))]
    car.hears(a_fix(ts=T0 + 1_000))
    assert car.effects == []


OFFICE_HOURS = OpeningHours(((1_320, 1_380),), ((0, 0),))
"""Mondays from 22:00 to 23:00. `T0` is a Tuesday, 22:13:20."""
MONDAY = T0 - DAY_MS


def test_a_fence_closes_around_a_unit_and_opens_for_it_by_timer() -> None:
    car = Car(RELEASE)
    car.release = a_release(fences=[replace(FENCE, opening_hours=OFFICE_HOURS)])
    assert car.hears(a_fix(ts=MONDAY)) == [FenceEntered(CAR, MONDAY, "station", "fuel_station")]
    hours, closes = TimerKey("hours", CAR, "station"), MONDAY + 2_800_000
    assert car.agenda.take_due(closes) == (MONDAY + 60_000, TimerKey("dwell", CAR, "station"))
    assert car.agenda.take_due(closes) == (closes, hours)
    assert car.fires(hours, closes) == [FenceExited(CAR, closes, "station", "fuel_station", "closed", stayed_s=2_800)]
    opens = closes + 7 * DAY_MS - HOUR_MS
    assert (hours, opens) in perceive.timers_of(car.turn(), CAR)
    assert car.fires(hours, opens) == [FenceEntered(CAR, opens, "station", "fuel_station")]
    assert (hours, opens + HOUR_MS) in perceive.timers_of(car.turn(), CAR)


def test_hours_that_a_release_changed_during_a_visit_turn_from_then_on() -> None:
    car = Car(RELEASE)
    car.hears(a_fix(ts=MONDAY))
    hours = TimerKey("hours", CAR, "station")
    car.release = a_release(fences=[replace(FENCE, opening_hours=OFFICE_HOURS)])
    assert car.fires(hours, MONDAY + 1) == []
    assert car.agenda.take_due(MONDAY + 2_800_000) == (MONDAY + 60_000, TimerKey("dwell", CAR, "station"))
    assert car.agenda.take_due(MONDAY + 2_800_000) == (MONDAY + 2_800_000, hours)
    car.fires(hours, MONDAY + 2_800_000)
    car.release = RELEASE
    assert (hours, MONDAY + 2_800_000) in perceive.timers_of(car.turn(), CAR)
    assert car.fires(hours, T0) == [FenceEntered(CAR, T0, "station", "fuel_station")]
    assert hours not in dict(perceive.timers_of(car.turn(), CAR))


def test_who_is_silent_for_a_day_is_nowhere() -> None:
    car = Car(RELEASE)
    car.hears(a_fix())
    gone = FenceExited(CAR, T0 + DAY_MS, "station", "fuel_station", "gap")
    assert car.fires(TimerKey("silence", CAR), T0 + DAY_MS) == [gone]
    assert perceive.timers_of(car.turn(), CAR) == []


def test_a_sign_of_life_puts_the_silence_off() -> None:
    car = Car(RELEASE)
    car.hears(a_fix())
    car.hears(a_fix(ts=T0 + HOUR_MS))
    assert car.effects == [FixTold(FenceReported(CAR, T0 + HOUR_MS))]
    assert (TimerKey("silence", CAR), T0 + HOUR_MS + DAY_MS) in perceive.timers_of(car.turn(), CAR)


@pytest.mark.parametrize(("eta_s", "approaches"), [(60.0, True), (61.0, False)])
def test_a_route_that_ends_in_a_fence_approaches_it_in_time(eta_s: float, *, approaches: bool) -> None:
    car = Car(RELEASE)
    car.release = a_release(fences=[replace(FENCE, approach_s=60)])
    told: dict[str, Scalar] = {"Wayside.Route.Fence": "station", "Wayside.Route.EtaS": eta_s}
    assert car.signals(told) == ([FenceApproached(CAR, T0, "station", "fuel_station")] if approaches else [])
    late = [FenceApproached(CAR, T0 + 1_000, "station", "fuel_station")]
    assert car.signals({"Wayside.Route.EtaS": eta_s - 1.0}, T0 + 1_000) == ([] if approaches else late)
