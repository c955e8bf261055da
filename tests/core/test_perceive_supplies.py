"""What is noticed of supplies and tyres, one turn each."""

from datetime import UTC, datetime

import pytest

from gateway.core import context, perceive, supplies
from gateway.core.drive import LOW_VOLTAGE
from gateway.core.events import FenceReported, Scalar
from gateway.core.moments import FuelRanLow, Parked, TyresOutOfSeason
from gateway.testing.engines import CAR, a_car, a_fix, ignition_off
from gateway.testing.samples import T0
from tests.core.perceiving import Car

ALL_SEASON: dict[str, Scalar] = dict.fromkeys(context.WINTER_STATUS, "NON_WINTER")
WINTER: dict[str, Scalar] = dict.fromkeys(context.WINTER_STATUS, "WINTER")
JULY = int(datetime(2026, 7, 1, tzinfo=UTC).timestamp() * 1000)
AIR = context.AIR_TEMPERATURE


def in_the_north() -> Car:
    """Return a car that is known to be in the north, in November."""
    car = Car()
    car.hears(FenceReported(CAR, T0, climate="north"))
    return car


def test_what_runs_low_is_noticed_once() -> None:
    car = Car()
    assert car.signals({supplies.LEVEL: 20}) == []
    assert car.signals({supplies.LEVEL: 12}, T0 + 1) == [FuelRanLow(CAR, T0 + 1)]
    assert car.signals({supplies.LEVEL: 11}, T0 + 2) == []
    assert context.signal(car.memory, CAR, supplies.LEVEL) == 11


def test_a_level_that_is_reported_late_is_no_news() -> None:
    car = Car()
    car.signals({supplies.LEVEL: 20}, T0 + 10)
    assert car.signals({supplies.LEVEL: 5}, T0) == []


def test_tyres_that_are_out_of_season_are_noticed_with_their_report() -> None:
    assert in_the_north().signals(ALL_SEASON) == [TyresOutOfSeason(CAR, T0, "winter")]
    assert in_the_north().signals(WINTER) == []


def test_tyres_are_looked_at_again_when_the_unit_is_parked() -> None:
    car = in_the_north()
    car.signals(WINTER)
    parked = Parked(CAR, JULY, (), ())
    assert car.hears(ignition_off(JULY)) == [parked, TyresOutOfSeason(CAR, JULY, "summer")]
    car.signals({LOW_VOLTAGE: "ON"}, JULY + 1)
    assert car.hears(ignition_off(JULY + 2)) == [Parked(CAR, JULY + 2, (), ())]


def test_tyres_are_looked_at_when_it_gets_cold_by_a_band() -> None:
    car = in_the_north()
    car.signals({AIR: 12.0})
    car.signals(ALL_SEASON)
    assert car.signals({AIR: 10.5}, T0 + 1) == []
    assert car.signals({AIR: 9.5}, T0 + 2) == [TyresOutOfSeason(CAR, T0 + 2, "winter")]
    assert car.signals({AIR: 9.0}, T0 + 3) == []
    assert car.signals({AIR: 3.0}, T0 + 4) == []


def test_tyres_are_looked_at_when_the_climate_is_another() -> None:
    car = Car()
    assert car.signals(ALL_SEASON) == []
    assert car.hears(a_fix()) == [TyresOutOfSeason(CAR, T0, "winter")]
    assert car.hears(FenceReported(CAR, T0 + 1, climate="south")) == []


def test_the_calendar_is_that_of_the_unit() -> None:
    eve = int(datetime(2026, 9, 30, 23, 30, tzinfo=UTC).timestamp() * 1000)
    car = in_the_north()
    car.signals({**ALL_SEASON, LOW_VOLTAGE: "ON"}, JULY)
    assert car.hears(ignition_off(eve)) == [Parked(CAR, eve, (), ())]
    car.signals({LOW_VOLTAGE: "ON"}, eve + 1)
    perceive.register(car.turn(), a_car(utc_offset_s=3600))
    assert car.hears(ignition_off(eve + 2))[1:] == [TyresOutOfSeason(CAR, eve + 2, "winter")]


@pytest.mark.parametrize("signals", [{AIR: 2.0}, {AIR: 2.0, supplies.LEVEL: 80}])
def test_what_is_reported_all_the_time_is_written_once_at_most(signals: dict[str, Scalar]) -> None:
    car = Car()
    car.signals(signals)
    car.memory.take_changes()
    car.signals(signals, T0 + 1)
    assert car.memory.take_changes() == []
