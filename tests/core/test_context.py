import doctest
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.core import context
from gateway.core.campaign import Placement
from gateway.core.drive import Drive, Driving
from gateway.core.events import SESSION, Role, Scalar, UnitKind
from gateway.core.policy import VARIABLES
from gateway.core.state import Memory, Scope, StateKey
from gateway.testing.engines import CAR, a_fence, a_release

ANNA, BEN = "s.anna", "s.ben"
SEATS = "Vehicle.Cabin.Seat.Row{}.{}.OccupancyStatus"
TYRE = "Vehicle.Chassis.Axle.Row{}.Wheel.{}.Tire.{}"
TEMPERATURE = "Vehicle.Exterior.AirTemperature"
GEAR = "Vehicle.Powertrain.Transmission.SelectedGear"
UNIT = context.Unit(CAR, UnitKind.CAR, ("driver_screen",), "en", contextual_offers=False, utc_offset_s=0)
RELEASE = a_release(fences=[a_fence("station"), replace(a_fence("mall"), kind="mall"), a_fence("other")])


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


def variables(memory: Memory, *, holder: str = SESSION, now: int = 0, unit: context.Unit = UNIT) -> dict[str, object]:
    return context.variables(memory, RELEASE, unit, Role.DRIVER, holder, now)


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


def test_a_session_has_no_facts() -> None:
    memory = Memory({StateKey(Scope.SUBJECT, ANNA, "fact", "vip"): True})
    assert dict(context.facts_of(memory, ANNA)) == {"vip": True}
    assert dict(context.facts_of(memory, SESSION)) == {}


@pytest.mark.parametrize("path", [TEMPERATURE, GEAR])
def test_the_newest_signal_wins_path_by_path(path: str) -> None:
    memory = heard((10, {path: 3}), (9, {path: 7}))
    assert context.signal(memory, CAR, path) == 3
    assert context.hear(memory, CAR, {path: 5}, 10) == {path: 5}
    assert context.signal(memory, CAR, path) == 5


def test_of_a_late_message_only_what_is_news_counts() -> None:
    memory = heard((10, {TEMPERATURE: 3.0}))
    late = {"Vehicle.Speed": 9.0, TEMPERATURE: 7.0, GEAR: 126}
    assert context.hear(memory, CAR, late, 9) == {"Vehicle.Speed": 9.0, GEAR: 126}
    assert context.signal(memory, CAR, TEMPERATURE) == 3.0
    assert context.signal(memory, CAR, GEAR) == 126


@pytest.mark.parametrize(("ts", "counts"), [(4, False), (5, True), (7, True)])
def test_each_path_of_a_late_message_is_judged_by_itself(ts: int, *, counts: bool) -> None:
    memory = heard((10, {TEMPERATURE: 3.0}), (5, {GEAR: 0}))
    newer = context.hear(memory, CAR, {TEMPERATURE: 7.0, GEAR: 126}, ts)
    assert newer == ({GEAR: 126} if counts else {})
    assert context.signal(memory, CAR, GEAR) == (126 if counts else 0)


def test_a_signal_that_says_nothing_new_counts_as_heard() -> None:
    assert context.hear(heard((10, {GEAR: 126})), CAR, {GEAR: 126}, 11) == {GEAR: 126}


def test_a_signal_never_heard_is_none() -> None:
    assert context.signal(Memory(), CAR, TEMPERATURE) is None
    assert context.signal(Memory(), CAR, GEAR) is None


def test_signals_that_change_rarely_and_decide_much_are_kept() -> None:
    memory = heard((10, {GEAR: 126, TEMPERATURE: 3.0, "Vehicle.Speed": 0.0}))
    kept = [(StateKey(Scope.UNIT, CAR, name, GEAR), value) for name, value in (("signal", 126), ("signal_ts", 10))]
    assert memory.take_changes() == kept


def test_after_a_restart_what_had_been_overtaken_is_still_late() -> None:
    known = heard((10, {GEAR: 127}), (20, {GEAR: 126}))
    restored = Memory(dict(known.take_changes()))
    assert context.hear(restored, CAR, {GEAR: 127}, 10) == {}
    assert context.hear(restored, CAR, {GEAR: 126}, 20) == {GEAR: 126}
    assert context.hear(restored, CAR, {GEAR: 127}, 30) == {GEAR: 127}


def test_what_holds_on_is_not_written_again() -> None:
    memory = heard((10, {GEAR: 126}))
    memory.take_changes()
    context.hear(memory, CAR, {GEAR: 126}, 20)
    assert memory.take_changes() == []


@pytest.mark.parametrize(
    "path",
    [
        GEAR,
        "Vehicle.LowVoltageSystemState",
        SEATS.format(2, "Middle"),
        TYRE.format(1, "Left", "IsPressureLow"),
        TYRE.format(2, "Right", "WinterStatus"),
    ],
)
def test_what_a_silent_bus_would_not_repeat_is_durable(path: str) -> None:
    assert path in context.DURABLE_SIGNALS


@pytest.mark.parametrize("path", [TEMPERATURE, "Vehicle.Speed", "Wayside.MinutesAway"])
def test_what_is_reported_all_the_time_is_not_durable(path: str) -> None:
    assert path not in context.DURABLE_SIGNALS


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


def test_variables_are_exactly_those_that_expressions_know() -> None:
    assert list(variables(Memory())) == list(VARIABLES)


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


def test_a_subject_is_known_with_its_facts() -> None:
    memory = Memory({StateKey(Scope.SUBJECT, ANNA, "fact", "stamps"): 9})
    known = variables(memory, holder=ANNA)
    assert (known["known"], known["facts"]) == (True, {"stamps": 9})


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


def test_the_examples_in_the_docstrings_hold() -> None:
    result = doctest.testmod(context)
    assert (result.failed, result.attempted > 0) == (0, True)
