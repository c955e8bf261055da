"""Passing by and approaching: what is noticed of a fence that nobody stops in."""

import math
from dataclasses import replace

import pytest
import shapely

from gateway.core.events import PositionReported
from gateway.core.fences import visits
from gateway.core.fences.geometry import Circle, Corridor, Fence
from gateway.core.fences.hours import OpeningHours
from gateway.core.units import MINUTE_MS, Position
from gateway.testing.engines import CAR, a_fence
from tests.core.fences.journey import FENCE, Journey, Noticed, east

CLOSED = OpeningHours((), ((0, 0),))
SOUTH, NORTH = east(0.0, -2_000.0), east(0.0, 2_000.0)
STREET = Fence(
    "street", "zone", "Street", Corridor(shapely.LineString([(SOUTH.lon, SOUTH.lat), (NORTH.lon, NORTH.lat)]), 10.0)
)
BY, NEAR, NOTHING = [("street", "by")], [("station", "near")], Noticed()


def test_a_street_between_two_fixes_was_passed_by() -> None:
    journey = Journey(STREET)
    assert journey.at(-20.0, 1_000) == NOTHING
    assert journey.at(20.0, 2_000) == BY
    assert journey.inside == []


@pytest.mark.parametrize(
    ("way_m", "took_ms", "passed"), [(290.0, 15_000, True), (290.0, 15_001, False), (310.0, 15_000, False)]
)
def test_only_fixes_that_belong_together_pass_by(way_m: float, took_ms: int, *, passed: bool) -> None:
    journey = Journey(STREET)
    journey.at(-way_m / 2, 1_000)
    assert journey.at(way_m / 2, 1_000 + took_ms) == (BY if passed else NOTHING)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.98])
def test_a_fence_is_passed_by_wherever_it_lies_on_a_long_way(share: float) -> None:
    """Also where neither fix is near enough for the fence to be told of by itself."""
    small = a_fence("small", centre=east(280.0 * share), radius_m=3.0)
    journey = Journey(small)
    journey.at(0.0, 1_000)
    assert journey.at(280.0, 11_000) == [("small", "by")]


def test_a_way_beside_a_fence_does_not_pass_it_by() -> None:
    journey = Journey(a_fence("small", centre=east(100.0, 6.0), radius_m=5.0))
    journey.at(0.0, 1_000)
    assert journey.at(200.0, 9_000) == NOTHING


def test_a_fence_is_passed_by_again_only_after_it_was_surely_left_behind() -> None:
    journey = Journey(STREET)
    journey.at(-20.0, 1_000)
    assert journey.at(20.0, 2_000) == BY
    assert journey.at(-20.0, 3_000) == NOTHING
    assert journey.at(-60.0, 5_000, 40.0) == NOTHING
    assert journey.at(20.0, 9_000) == NOTHING
    assert journey.at(40.0, 10_000) == NOTHING
    assert journey.at(-20.0, 12_000) == BY


def test_who_was_passed_by_is_forgotten_with_its_fence() -> None:
    journey = Journey(STREET)
    journey.at(-20.0, 1_000)
    journey.at(20.0, 2_000)
    journey.release = Journey(FENCE).release
    journey.at(21.0, 3_000)
    journey.release = Journey(STREET).release
    assert journey.at(-20.0, 5_000) == BY


@pytest.mark.parametrize(("first_m", "second_m"), [(201.0, 5.0), (5.0, 201.0)])
def test_a_poor_fix_passes_nothing_by(first_m: float, second_m: float) -> None:
    journey = Journey(STREET)
    journey.at(-20.0, 1_000, first_m)
    assert journey.at(20.0, 2_000, second_m) == NOTHING


def test_a_closed_fence_is_not_passed_by() -> None:
    journey = Journey(replace(STREET, opening_hours=CLOSED))
    journey.at(-20.0, 1_000)
    assert journey.at(20.0, 2_000) == NOTHING


def test_a_fix_from_before_a_reported_crossing_passes_nothing_by() -> None:
    journey = Journey(STREET)
    journey.at(-20.0, 1_000)
    journey.told(5_000, entered=("street",))
    journey.told(5_000, exited=("street",))
    assert journey.at(20.0, 2_000) == NOTHING


def test_a_way_must_go_as_deep_as_the_enter_buffer_says() -> None:
    for enter_buffer_m, noticed in ((4.0, BY), (6.0, NOTHING)):
        journey = Journey(replace(STREET, enter_buffer_m=enter_buffer_m))
        journey.at(-20.0, 1_000)
        assert journey.at(20.0, 2_000) == noticed


def test_over_the_antimeridian_is_a_short_way() -> None:
    line = shapely.LineString([(180.0, -17.0), (180.0, -16.0)])
    journey = Journey(replace(STREET, shape=Corridor(line, 10.0)))
    journey.hear(PositionReported(CAR, 1_000, Position(179.9998, -16.5)))
    assert journey.hear(PositionReported(CAR, 3_000, Position(-179.9998, -16.5))) == BY


def through(journey: Journey, *steps: tuple[float, int]) -> Noticed:
    """Return what is noticed last of fixes at so many metres, so many seconds from the start."""
    for way_m, at_s in steps[:-1]:
        journey.at(way_m, 1_000 * at_s)
    noticed = journey.at(steps[-1][0], 1_000 * steps[-1][1])
    assert isinstance(noticed, list)
    return noticed


THROUGH = [("station", "out"), ("station", "by")]


def test_who_drives_through_a_fence_without_stopping_has_passed_it_by() -> None:
    assert through(Journey(), (-120.0, 1), (-90.0, 3), (0.0, 8), (90.0, 13), (140.0, 17)) == THROUGH


@pytest.mark.parametrize(
    "steps",
    [
        [(-120.0, 1), (-90.0, 3), (0.0, 8), (1.0, 9), (90.0, 14), (140.0, 17)],
        [(-120.0, 1), (-90.0, 3), (0.0, 8), (90.0, 24), (140.0, 27)],
        [(-90.0, 3), (0.0, 8), (90.0, 13), (140.0, 17)],
        [(-101.0, 1), (-99.6, 2), (0.0, 8), (90.0, 13), (140.0, 17)],
    ],
    ids=["stood", "silent", "began inside", "crept in"],
)
def test_who_may_have_stopped_has_not_passed_by(steps: list[tuple[float, int]]) -> None:
    assert through(Journey(), *steps) == [("station", "out")]


def test_who_dwelled_has_not_passed_by() -> None:
    journey = Journey()
    through(journey, (-120.0, 1), (-90.0, 3), (0.0, 8))
    visits.dwelled(journey.memory, CAR, "station")
    assert through(journey, (90.0, 13), (140.0, 17)) == [("station", "out")]


def test_a_visit_that_another_reported_was_not_seen_from_its_entry_on() -> None:
    journey = Journey()
    through(journey, (-120.0, 1), (-90.0, 3))
    journey.told(4_000, exited=("station",))
    journey.told(4_000, entered=("station",))
    assert through(journey, (0.0, 8), (90.0, 13), (140.0, 17)) == [("station", "out")]


def test_what_a_report_ended_is_not_passed_by_later() -> None:
    journey = Journey()
    through(journey, (-120.0, 1), (-90.0, 3))
    journey.told(4_000, exited=("station",))
    assert journey.memory.kinematics(CAR, "moving") == {"station": 3_000}
    journey.at(-120.0, 5_000)
    assert journey.memory.kinematics(CAR, "moving") == {}


def test_a_speed_that_the_receiver_tells_counts_before_that_between_fixes() -> None:
    journey = Journey()
    journey.at(-120.0, 1_000)
    for way_m, ts in ((-90.0, 3_000), (0.0, 8_000), (90.0, 13_000)):
        journey.drives(way_m, ts, speed_mps=0.5, heading_deg=90.0)
    assert journey.at(150.0, 17_000) == [("station", "out")]


BY_WAY = replace(FENCE, approach_m=400.0)
BY_TIME = replace(FENCE, approach_s=60)


@pytest.mark.parametrize(("way_m", "noticed"), [(-499.0, NEAR), (-501.0, NOTHING)])
def test_a_fence_is_approached_at_its_distance(way_m: float, noticed: Noticed) -> None:
    assert Journey(BY_WAY).drives(way_m, 1_000, speed_mps=14.0, heading_deg=90.0) == noticed


@pytest.mark.parametrize(("speed_mps", "noticed"), [(15.1, NEAR), (14.9, NOTHING)])
def test_a_fence_is_approached_so_long_before_arriving(speed_mps: float, noticed: Noticed) -> None:
    assert Journey(BY_TIME).drives(-1_000.0, 1_000, speed_mps=speed_mps, heading_deg=90.0) == noticed


@pytest.mark.parametrize(("heading_deg", "noticed"), [(90.0, NEAR), (110.0, NEAR), (150.0, NOTHING), (270.0, NOTHING)])
def test_only_who_heads_for_a_fence_approaches_it(heading_deg: float, noticed: Noticed) -> None:
    assert Journey(BY_WAY).drives(-450.0, 1_000, speed_mps=14.0, heading_deg=heading_deg) == noticed


def test_two_fixes_that_belong_together_tell_a_heading_as_well() -> None:
    journey = Journey(BY_WAY)
    assert journey.at(-460.0, 1_000) == NOTHING
    assert journey.at(-456.0, 2_000) == NOTHING, "too short a way to tell"
    assert journey.at(-440.0, 3_000) == NEAR


def test_after_a_silence_nobody_knows_the_heading() -> None:
    journey = Journey(BY_WAY)
    journey.at(-700.0, 1_000)
    assert journey.at(-450.0, 30_000) == NOTHING


def test_an_approach_is_noticed_once() -> None:
    journey = Journey(BY_WAY)
    assert journey.drives(-450.0, 1_000, speed_mps=14.0, heading_deg=90.0) == NEAR
    assert journey.drives(-440.0, 2_000, speed_mps=14.0, heading_deg=90.0) == NOTHING
    assert journey.drives(-520.0, 10_000, speed_mps=14.0, heading_deg=270.0) == NOTHING
    assert journey.drives(-450.0, 20_000, speed_mps=14.0, heading_deg=90.0) == NOTHING, "it never left the zone"


def test_who_left_the_zone_may_approach_anew() -> None:
    journey = Journey(BY_WAY)
    journey.drives(-450.0, 1_000, speed_mps=14.0, heading_deg=90.0)
    assert journey.drives(-540.0, 10_000, speed_mps=14.0, heading_deg=270.0) == NOTHING
    assert journey.drives(-450.0, 20_000, speed_mps=14.0, heading_deg=90.0) == NEAR


def test_who_left_the_fence_may_approach_anew() -> None:
    journey = Journey(BY_WAY)
    journey.drives(-450.0, 1_000, speed_mps=14.0, heading_deg=90.0)
    assert journey.drives(0.0, 30_000, speed_mps=14.0, heading_deg=90.0) == [("station", "in")]
    assert journey.drives(200.0, 60_000, speed_mps=14.0, heading_deg=90.0) == [("station", "out")]
    assert journey.drives(220.0, 62_000, speed_mps=14.0, heading_deg=270.0) == NEAR


@pytest.mark.parametrize("fence", [replace(BY_WAY, opening_hours=CLOSED), replace(BY_WAY, accuracy_limit_m=4.0)])
def test_a_closed_fence_and_a_poor_fix_are_no_approach(fence: Fence) -> None:
    assert Journey(fence).drives(-450.0, 1_000, speed_mps=14.0, heading_deg=90.0) == NOTHING


def test_a_fix_from_before_a_reported_crossing_is_no_approach() -> None:
    journey = Journey(BY_WAY)
    journey.told(5_000, entered=("station",))
    journey.told(5_000, exited=("station",))
    assert journey.drives(-450.0, 4_000, speed_mps=14.0, heading_deg=90.0) == NOTHING


def test_within_the_enter_buffer_who_goes_on_approaches() -> None:
    journey = Journey(replace(BY_WAY, enter_buffer_m=50.0))
    assert journey.drives(-90.0, 1_000, speed_mps=14.0, heading_deg=90.0) == NEAR


def test_a_route_is_believed_before_heading_and_speed() -> None:
    journey = Journey(BY_TIME)
    assert journey.route("station", 300.0, 1_000) == NOTHING
    assert journey.drives(-300.0, 2_000, speed_mps=14.0, heading_deg=90.0) == NOTHING
    assert journey.route("station", 60.0, 3_000) == NEAR
    assert journey.route("station", 50.0, 4_000) == NOTHING


def test_a_route_that_was_not_heard_of_for_a_minute_is_not_believed() -> None:
    journey = Journey(BY_TIME)
    journey.route("station", 300.0, 1_000)
    at = 1_000 + MINUTE_MS
    assert journey.drives(-300.0, at, speed_mps=14.0, heading_deg=90.0) == NOTHING
    assert journey.drives(-290.0, at + 1, speed_mps=14.0, heading_deg=90.0) == NEAR


def test_a_route_elsewhere_says_nothing_of_this_fence() -> None:
    journey = Journey(BY_TIME)
    assert journey.route("elsewhere", 10.0, 1_000) == NOTHING
    assert journey.drives(-300.0, 2_000, speed_mps=14.0, heading_deg=90.0) == NEAR


def test_a_route_into_a_fence_that_is_closed_or_around_the_unit_is_no_approach() -> None:
    assert Journey(replace(BY_TIME, opening_hours=CLOSED)).route("station", 10.0, 1_000) == NOTHING
    journey = Journey(BY_TIME)
    journey.told(500, entered=("station",))
    assert journey.route("station", 10.0, 1_000) == NOTHING


def test_near_a_pole_ahead_is_a_place_too() -> None:
    pole = replace(BY_WAY, shape=Circle(Position(0.0, 90.0), 100.0))
    journey = Journey(pole)
    north = Position(20.0, 90.0 - 450.0 / 111_694.0)
    heading = PositionReported(CAR, 1_000, north, 5.0, 14.0, math.degrees(0.0))
    assert journey.hear(heading) == NEAR
