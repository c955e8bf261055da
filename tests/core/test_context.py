import doctest
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.core import consent, context, season
from gateway.core.campaign import Placement
from gateway.core.drive import Drive, Driving
from gateway.core.events import SESSION, Purpose, Role, Scalar, UnitKind
from gateway.core.facts import Basis
from gateway.core.policy import VARIABLES
from gateway.core.state import Memory, Scope, StateKey
from gateway.testing.engines import CAR, a_fence, a_release, agreement

ANNA, BEN = "s.anna", "s.ben"
SEATS = "Vehicle.Cabin.Seat.Row{}.{}.OccupancyStatus"
TYRE = "Vehicle.Chassis.Axle.Row{}.Wheel.{}.Tire.{}"
TEMPERATURE = "Vehicle.Exterior.AirTemperature"
GEAR = "Vehicle.Powertrain.Transmission.SelectedGear"
UNIT = context.Unit(CAR, UnitKind.CAR, ("driver_screen",), "en", contextual_offers=False, utc_offset_s=0)
RELEASE = a_release(
    fences=[
        replace(a_fence("station"), tags=("partner", "night")),
        replace(a_fence("mall"), kind="mall", tags=("partner",)),
        a_fence("other"),
    ]
)


def present(*people: tuple[str, Role, str | None]) -> Memory:
    return Memory(
        {
            StateKey(Scope.UNIT, unit, "presence", role.value): {"subject": subject, "ts": 1}
            for unit, role, subject in people
        }
    )


def heard(*reports: tuple[int, Mapping[str, Scalar]]) -> Memory:
    memory = Memory()
    for ts, signals in reports:
        context.hear(memory, CAR, signals, ts)
    return memory


def variables(
    memory: Memory,
    *,
    holder: str = SESSION,
    now: int = 0,
    unit: context.Unit = UNIT,
    basis: Basis = Basis.CONTRACT,
) -> dict[str, object]:
    return context.variables(memory, RELEASE, unit, Role.DRIVER, holder, now, basis)


def test_a_unit_is_registered_once_the_shell_has_described_it() -> None:
    described = {
        "kind": "car",
        "placements": ["driver_screen"],
        "language": "en",
        "contextual_offers": False,
        "utc_offset_s": 0,
    }
    memory = Memory({StateKey(Scope.UNIT, CAR, "registered"): described})
    assert context.is_registered(memory, CAR)
    assert not context.is_registered(memory, "car-2")
    assert context.unit_of(memory, CAR) == UNIT


def test_the_drive_state_of_a_unit_never_heard_of_is_unknown() -> None:
    assert context.drive_of(Memory(), CAR) == Drive()
    parked = Drive(Driving.PARKED, 5, frozenset({GEAR}))
    assert context.drive_of(Memory({StateKey(Scope.UNIT, CAR, "drive"): parked.to_json()}), CAR) == parked


def test_who_is_known_in_a_role() -> None:
    memory = present((CAR, Role.DRIVER, ANNA), (CAR, Role.PASSENGER, None))
    assert context.subject_in(memory, CAR, "driver") == ANNA
    assert context.subject_in(memory, CAR, "passenger") is None
    assert context.subject_in(memory, CAR, "customer") is None


def test_subjects_at_a_unit_are_those_in_any_role() -> None:
    memory = present((CAR, Role.DRIVER, ANNA), (CAR, Role.PASSENGER, BEN), (CAR, Role.CUSTOMER, None))
    assert context.subjects_at(memory, CAR) == {ANNA, BEN}
    assert context.subjects_at(memory, "till-1") == set()


def test_who_is_at_any_unit_is_present() -> None:
    memory = present((CAR, Role.DRIVER, ANNA), ("till-1", Role.CUSTOMER, None))
    assert context.is_present(memory, ANNA)
    assert not context.is_present(memory, BEN)


@pytest.mark.parametrize(
    ("placement", "there", "whose"),
    [
        (Placement.DRIVER_SCREEN, [(CAR, Role.DRIVER, ANNA)], (Role.DRIVER, ANNA)),
        (Placement.DRIVER_SCREEN, [(CAR, Role.PASSENGER, BEN)], (Role.DRIVER, SESSION)),
        (Placement.PASSENGER_SCREEN, [(CAR, Role.DRIVER, ANNA)], (Role.PASSENGER, SESSION)),
        (Placement.KIOSK_SCREEN, [(CAR, Role.CUSTOMER, ANNA)], (Role.CUSTOMER, ANNA)),
        (Placement.VOICE, [(CAR, Role.CUSTOMER, BEN)], (Role.CUSTOMER, BEN)),
        (Placement.VOICE, [(CAR, Role.DRIVER, ANNA), (CAR, Role.CUSTOMER, BEN)], (Role.DRIVER, ANNA)),
        (Placement.PHONE, [(CAR, Role.PASSENGER, BEN)], (Role.PASSENGER, BEN)),
        (Placement.PHONE, [], (Role.DRIVER, SESSION)),
    ],
)
def test_a_placement_has_one_addressee(
    placement: Placement, there: list[tuple[str, Role, str]], whose: tuple[Role, str]
) -> None:
    assert context.addressee(present(*there), CAR, placement) == whose


@pytest.mark.parametrize(
    ("seats", "occupants"),
    [
        ({}, -1),
        ({(1, "DriverSide"): "UNKNOWN"}, -1),
        ({(1, "DriverSide"): "EMPTY"}, 0),
        ({(1, "DriverSide"): "OCCUPIED"}, 1),
        ({(1, "DriverSide"): "OCCUPIED", (1, "PassengerSide"): "UNKNOWN"}, 1),
        ({(1, "DriverSide"): "OCCUPIED", (2, "Middle"): "OCCUPIED", (3, "PassengerSide"): "EMPTY"}, 2),
    ],
)
def test_occupants_are_the_seats_that_say_so(seats: Mapping[tuple[int, str], str], occupants: int) -> None:
    memory = heard((1, {SEATS.format(row, side): status for (row, side), status in seats.items()}))
    assert context.occupants(memory, CAR) == occupants


@pytest.mark.parametrize(
    ("kind", "seats", "people", "alone"),
    [
        (UnitKind.CAR, {}, [], False),
        (UnitKind.CAR, {(1, "DriverSide"): "OCCUPIED"}, [ANNA], True),
        (UnitKind.CAR, {(1, "DriverSide"): "OCCUPIED"}, [ANNA, BEN], False),
        (UnitKind.CAR, {(1, "DriverSide"): "OCCUPIED", (2, "Middle"): "OCCUPIED"}, [ANNA], False),
        (UnitKind.CAR, {(1, "DriverSide"): "EMPTY"}, [ANNA], False),
        (UnitKind.KIOSK, {}, [ANNA], True),
        (UnitKind.KIOSK, {}, [BEN], False),
    ],
)
def test_who_is_alone_is_the_only_one_who_can_read(
    kind: UnitKind, seats: Mapping[tuple[int, str], str], people: list[str], *, alone: bool
) -> None:
    roles = [Role.DRIVER, Role.PASSENGER]
    memory = present(*((CAR, role, who) for role, who in zip(roles, people, strict=False)))
    context.hear(memory, CAR, {SEATS.format(row, side): status for (row, side), status in seats.items()}, 1)
    assert context.is_alone(memory, replace(UNIT, kind=kind), ANNA) is alone


def test_variables_are_exactly_those_that_expressions_know() -> None:
    assert variables(Memory()).keys() == VARIABLES.keys()


def test_of_a_unit_that_said_nothing_everything_is_unknown() -> None:
    known = variables(Memory())
    assert {name: known[name] for name in ("drive", "parked", "occupants", "fences", "fence_kinds")} == {
        "drive": "unknown",
        "parked": False,
        "occupants": -1,
        "fences": [],
        "fence_kinds": [],
    }
    assert (known["winter_tyres"], known["tyre_pressure_low"]) == ("UNKNOWN", False)
    for name in ("air_temperature_c", "fuel_level_percent", "fuel_range_km", "minutes_away", "same_direction"):
        assert known[name] is None
    assert (known["known"], known["role"], known["facts"]) == (False, "driver", {})


def test_what_the_unit_reported_is_in_the_variables_in_their_units() -> None:
    memory = heard(
        (
            1,
            {
                TEMPERATURE: -3.5,
                "Vehicle.Powertrain.FuelSystem.RelativeLevel": 12,
                "Vehicle.Powertrain.FuelSystem.Range": 61_500,
                "Wayside.MinutesAway": 4.0,
                "Wayside.SameDirection": True,
            },
        )
    )
    known = variables(memory)
    assert (known["air_temperature_c"], known["fuel_level_percent"]) == (-3.5, 12)
    assert (known["fuel_range_km"], known["minutes_away"], known["same_direction"]) == (61.5, 4.0, True)


def test_a_range_that_is_no_number_is_unknown() -> None:
    assert variables(heard((1, {"Vehicle.Powertrain.FuelSystem.Range": "far"})))["fuel_range_km"] is None


def test_a_parked_unit_is_parked_in_the_variables() -> None:
    parked = Drive(Driving.PARKED, 5, frozenset({GEAR}))
    known = variables(Memory({StateKey(Scope.UNIT, CAR, "drive"): parked.to_json()}))
    assert (known["drive"], known["parked"]) == ("parked", True)


def test_fences_are_those_the_unit_is_in_and_each_kind_stands_once() -> None:
    visit = {"since": 1, "dwelled": False}
    inside = ("station", "mall", "other", "removed")
    known = variables(Memory({StateKey(Scope.UNIT, CAR, "fence", fence): visit for fence in inside}))
    assert known["fences"] == ["mall", "other", "removed", "station"]
    assert known["fence_kinds"] == ["fuel_station", "mall"]


def test_fences_ahead_are_those_that_are_approached_and_not_reached() -> None:
    memory = Memory(
        {
            StateKey(Scope.UNIT, CAR, "fence", "station"): {"since": 1, "dwelled": False},
            **{StateKey(Scope.UNIT, CAR, "approach", fence): {"since": 1} for fence in ("station", "mall", "other")},
        }
    )
    known = variables(memory)
    assert (known["fences"], known["fence_tags"]) == (["station"], ["night", "partner"])
    assert (known["ahead"], known["ahead_kinds"]) == (["mall", "other"], ["fuel_station", "mall"])
    assert known["ahead_tags"] == ["partner"]


def test_what_runs_low_is_low_in_the_variables() -> None:
    assert variables(Memory())["fuel_low"] is False
    low = {"low": True, "tank": True, "little": []}
    assert variables(Memory({StateKey(Scope.UNIT, CAR, "supplies"): low}))["fuel_low"] is True


@pytest.mark.parametrize(
    ("climate", "air_c", "status", "known"),
    [
        ("north", None, "NON_WINTER", ("winter", True)),
        ("north", None, "WINTER", ("winter", False)),
        ("north", 12.0, "NON_WINTER", ("unknown", False)),
        ("south", None, "WINTER", ("summer", True)),
        (None, "cold", "NON_WINTER", ("unknown", False)),
    ],
)
def test_the_season_and_whether_the_tyres_are_of_it(
    climate: str | None, air_c: Scalar | None, status: str, known: tuple[str, bool]
) -> None:
    said: dict[str, Scalar] = {TYRE.format(row, side, "WinterStatus"): status for row, side in WHEELS}
    memory = heard((1, said | ({} if air_c is None else {TEMPERATURE: air_c})))
    if climate is not None:
        season.keep_climate(memory, CAR, climate)
    found = variables(memory, now=NEW_YEARS_EVE)
    assert (found["season"], found["tyres_out_of_season"]) == known


WHEELS = [(1, "Left"), (1, "Right"), (2, "Left"), (2, "Right")]


@pytest.mark.parametrize(
    ("statuses", "tyres"),
    [
        (["WINTER"] * 4, "WINTER"),
        (["WINTER"] * 3, "UNKNOWN"),
        (["WINTER", "WINTER", "WINTER", "UNKNOWN"], "UNKNOWN"),
        (["WINTER", "WINTER", "WINTER", "NON_WINTER"], "NON_WINTER"),
        (["NON_WINTER"], "NON_WINTER"),
        ([], "UNKNOWN"),
    ],
)
def test_winter_tyres_are_four(statuses: list[str], tyres: str) -> None:
    reported = zip(WHEELS, statuses, strict=False)
    memory = heard((1, {TYRE.format(row, side, "WinterStatus"): status for (row, side), status in reported}))
    assert variables(memory)["winter_tyres"] == tyres


@pytest.mark.parametrize("wheel", WHEELS)
def test_one_low_wheel_is_low_pressure(wheel: tuple[int, str]) -> None:
    path = TYRE.format(*wheel, "IsPressureLow")
    assert variables(heard((1, {path: True})))["tyre_pressure_low"] is True
    assert variables(heard((1, {path: False})))["tyre_pressure_low"] is False


def fact(value: Scalar, until: int | None = None) -> dict[str, object]:
    return {"value": value, "ts": 1, "until": until}


def test_a_subject_is_known_with_its_facts_and_a_session_with_none() -> None:
    memory = Memory({StateKey(Scope.SUBJECT, ANNA, "fact", "stamps"): fact(9)})
    known = variables(memory, holder=ANNA)
    assert (known["known"], known["facts"]) == (True, {"stamps": 9})
    assert variables(memory)["facts"] == {}


def test_facts_of_who_does_not_agree_are_for_service_only() -> None:
    memory = Memory({StateKey(Scope.SUBJECT, ANNA, "fact", "stamps"): fact(9)})
    assert variables(memory, holder=ANNA, basis=Basis.PROFILING)["facts"] == {}
    consent.record(memory, agreement(ANNA, Purpose.PROFILING)[0])
    assert variables(memory, holder=ANNA, basis=Basis.PROFILING)["facts"] == {"stamps": 9}


def test_facts_of_a_place_are_those_of_the_unit_and_of_the_fences_it_is_in() -> None:
    memory = Memory(
        {
            StateKey(Scope.UNIT, CAR, "fence", "station"): {"since": 1, "dwelled": False},
            StateKey(Scope.FENCE, "station", "fact", "stock"): fact(3),
            StateKey(Scope.FENCE, "mall", "fact", "queue"): fact(9),
            StateKey(Scope.UNIT, CAR, "fact", "price"): fact(2.5, until=10),
        }
    )
    assert variables(memory, now=9)["place"] == {"stock": 3, "price": 2.5}
    assert variables(memory, now=10)["place"] == {"stock": 3}


NEW_YEARS_EVE = int(datetime(2025, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("now", "utc_offset_s", "local"),
    [
        (NEW_YEARS_EVE, 0, (23, 3, 12, 31)),
        (NEW_YEARS_EVE + 1, 0, (0, 4, 1, 1)),
        (NEW_YEARS_EVE, 3600, (0, 4, 1, 1)),
        (NEW_YEARS_EVE, -8 * 3600, (15, 3, 12, 31)),
        (NEW_YEARS_EVE + 1, 20_700, (5, 4, 1, 1)),
    ],
)
def test_the_time_is_the_units_own(now: int, utc_offset_s: int, local: tuple[int, int, int, int]) -> None:
    known = variables(Memory(), now=now, unit=replace(UNIT, utc_offset_s=utc_offset_s))
    assert (known["hour"], known["weekday"], known["month"], known["day"]) == local


def test_the_time_where_a_registered_unit_is_is_its_own() -> None:
    memory = Memory({StateKey(Scope.UNIT, CAR, "registered"): {"utc_offset_s": 3600}})
    assert context.local_time(memory, CAR, NEW_YEARS_EVE).year == 2026


def test_the_examples_in_the_docstrings_hold() -> None:
    result = doctest.testmod(context)
    assert (result.failed, result.attempted > 0) == (0, True)
