"""Coming and going, line by line of the table; passing by and approaching stand in `test_tracker_passages`."""

from dataclasses import replace

import pytest
import shapely

from gateway.core.events import FenceReported, PositionReported
from gateway.core.fences import tracker, visits
from gateway.core.fences.geometry import Area
from gateway.core.fences.tracker import FixFault
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.units import HOUR_MS, Position, metres_per_degree
from gateway.testing.engines import CAR, a_fence, a_release
from tests.core.fences.journey import FENCE, Journey, Noticed, east

MALL = replace(a_fence("mall", radius_m=500.0), exit_buffer_m=0.0)
RELEASE = a_release(fences=[FENCE])


def in_climate(climate: str) -> Memory:
    return Memory({StateKey(Scope.UNIT, CAR, "climate"): climate})


def located(memory: Memory, event: PositionReported) -> FenceReported | FixFault | None:
    return tracker.locate(memory, RELEASE, event, event.ts)


def test_far_from_every_fence_nothing_happens() -> None:
    assert Journey().at(5_000.0, 1) == []


@pytest.mark.parametrize(("way_m", "crossings"), [(99.99, [("station", "in")]), (100.01, [])])
def test_a_fence_is_entered_at_its_edge(way_m: float, crossings: Noticed) -> None:
    assert Journey().at(way_m, 1) == crossings


@pytest.mark.parametrize(("way_m", "crossings"), [(129.99, []), (130.01, [("station", "out")])])
def test_a_fence_is_left_beyond_its_exit_buffer(way_m: float, crossings: Noticed) -> None:
    journey = Journey()
    journey.at(0.0, 1_000)
    assert journey.at(way_m, 10_000) == crossings


def test_between_edge_and_buffer_who_is_outside_stays_outside() -> None:
    journey = Journey()
    assert journey.at(120.0, 1_000) == []
    assert journey.inside == []


@pytest.mark.parametrize(("accuracy_m", "crossings"), [(200.0, [("station", "in")]), (200.01, [])])
def test_a_fix_less_accurate_than_the_limit_is_no_evidence_of_having_entered(
    accuracy_m: float, crossings: Noticed
) -> None:
    assert Journey().at(0.0, 1, accuracy_m) == crossings


@pytest.mark.parametrize(("accuracy_m", "crossings"), [(69.0, [("station", "out")]), (71.0, [])])
def test_leaving_is_sure(accuracy_m: float, crossings: Noticed) -> None:
    journey = Journey()
    journey.at(0.0, 1_000)
    assert journey.at(200.0, 10_000, accuracy_m) == crossings


def test_a_poor_fix_does_not_enlarge_a_fence() -> None:
    assert Journey().at(101.0, 1, 50.0) == []


def test_who_is_inside_does_not_enter_again() -> None:
    journey = Journey()
    journey.at(0.0, 1_000)
    assert journey.at(1.0, 2_000) == []


def test_exits_come_before_entries_each_by_priority_then_by_id() -> None:
    north = replace(a_fence("b-north", centre=east(400.0)), exit_buffer_m=0.0)
    south = replace(a_fence("a-south", centre=east(400.0)), exit_buffer_m=0.0)
    first = replace(a_fence("z-first", centre=east(400.0)), priority=5)
    last = replace(a_fence("a-last"), priority=-5)
    journey = Journey(FENCE, last, replace(a_fence("old"), exit_buffer_m=0.0), north, south, first)
    assert journey.at(0.0, 1_000) == [("old", "in"), ("station", "in"), ("a-last", "in")]
    out = [("old", "out"), ("station", "out"), ("a-last", "out")]
    assert journey.at(400.0, 60_000) == [*out, ("z-first", "in"), ("a-south", "in"), ("b-north", "in")]


def test_fences_are_left_by_id_in_whatever_order_they_were_entered() -> None:
    journey = Journey(FENCE, MALL)
    journey.told(1, entered=("station",))
    journey.told(2, entered=("mall",))
    assert journey.inside == ["mall", "station"]
    assert journey.at(5_000.0, 3) == [("mall", "out"), ("station", "out")]


def test_the_edge_itself_is_inside() -> None:
    point = a_fence("point", radius_m=0.0)
    assert Journey(point).at(0.0, 1) == [("point", "in")]


def test_the_end_of_the_exit_buffer_is_not_yet_left() -> None:
    journey = Journey(replace(FENCE, exit_buffer_m=FENCE.distance_m(east(200.0))))
    journey.at(0.0, 1_000)
    assert journey.at(200.0, 10_000) == []
    assert journey.at(200.001, 20_000) == [("station", "out")]


def test_locating_does_not_cross_by_itself() -> None:
    journey = Journey()
    assert located(journey.memory, PositionReported(CAR, 1, east(0.0))) == FenceReported(
        CAR, 1, ("station",), climate="north"
    )
    assert journey.inside == []
    assert journey.memory.take_changes() == []


def test_a_fence_that_the_release_no_longer_has_is_not_left_by_a_fix() -> None:
    journey = Journey()
    journey.at(0.0, 1_000)
    journey.release = a_release()
    assert journey.at(1_000.0, 60_000) == []


@pytest.mark.parametrize("ts", [999, 1_000])
def test_a_fix_that_is_not_newer_than_the_last_is_late(ts: int) -> None:
    journey = Journey()
    journey.at(5_000.0, 1_000)
    assert journey.at(0.0, ts) is FixFault.LATE
    assert journey.at(4_990.0, 1_001) == []


# In one second 90 m and 30 m of slack; a jump of more is set aside.
@pytest.mark.parametrize(("way_m", "believed"), [(119.9, True), (120.1, False)])
def test_a_jump_is_what_no_vehicle_can_do(way_m: float, *, believed: bool) -> None:
    journey = Journey()
    journey.at(5_000.0, 1_000)
    assert (journey.at(5_000.0 + way_m, 2_000) == []) is believed


@pytest.mark.parametrize(("way_m", "believed"), [(119.0, True), (121.0, False)])
def test_a_jump_is_one_in_whatever_direction(way_m: float, *, believed: bool) -> None:
    memory, start = in_climate("north"), Position(8.0, 47.0)
    north = Position(8.0, 47.0 + way_m / metres_per_degree(47.0)[1])
    located(memory, PositionReported(CAR, 1_000, start))
    assert (located(memory, PositionReported(CAR, 2_000, north)) is None) is believed


def test_inaccurate_fixes_may_be_farther_apart() -> None:
    journey = Journey()
    journey.at(5_000.0, 1_000, 300.0)
    assert journey.at(5_619.0, 2_000, 200.0) == []
    assert journey.at(6_700.0, 3_000, 200.0) is FixFault.JUMP


def test_a_jump_is_set_aside_and_the_honest_fix_after_it_counts() -> None:
    journey = Journey()
    journey.at(5_000.0, 1_000)
    assert journey.at(0.0, 2_000) is FixFault.JUMP
    assert journey.at(5_010.0, 3_000) == []
    assert journey.at(0.0, 4_000) is FixFault.JUMP


def test_two_fixes_that_agree_are_believed() -> None:
    journey = Journey()
    journey.at(50_000.0, 1_000)
    assert journey.at(10.0, 2_000) is FixFault.JUMP
    assert journey.at(0.0, 3_000) == [("station", "in")]
    assert journey.at(10.0, 4_000) == []


def test_two_jumps_that_do_not_agree_are_both_set_aside() -> None:
    journey = Journey()
    journey.at(50_000.0, 1_000)
    assert journey.at(10_000.0, 2_000) is FixFault.JUMP
    assert journey.at(0.0, 3_000) is FixFault.JUMP
    assert journey.at(1.0, 4_000) == [("station", "in")]


def test_a_jump_does_not_confirm_itself_by_being_sent_again() -> None:
    journey = Journey()
    journey.at(50_000.0, 1_000)
    assert journey.at(0.0, 3_000) is FixFault.JUMP
    assert journey.at(0.0, 3_000) is FixFault.JUMP
    assert journey.at(0.0, 2_500) is FixFault.JUMP


def test_a_short_way_over_the_antimeridian_is_no_jump() -> None:
    memory = in_climate("tropics")
    assert located(memory, PositionReported(CAR, 1_000, Position(179.9999, 10.0))) is None
    assert located(memory, PositionReported(CAR, 2_000, Position(-179.9999, 10.0))) is None


def test_each_unit_has_a_way_of_its_own() -> None:
    journey = Journey()
    journey.at(0.0, 1_000)
    other = PositionReported("car-2", 500, east(0.0))
    assert located(journey.memory, other) == FenceReported("car-2", 500, ("station",), climate="north")


def test_what_another_reports_is_taken_as_told_exits_first() -> None:
    journey = Journey(FENCE, MALL)
    assert journey.told(1, entered=("station",)) == [("station", "in")]
    assert journey.told(2, entered=("mall",), exited=("station",)) == [("station", "out"), ("mall", "in")]
    assert journey.inside == ["mall"]


def test_a_report_that_is_no_news_shows_nothing() -> None:
    journey = Journey(FENCE, MALL)
    journey.told(1, entered=("station",))
    assert journey.told(2, entered=("station",), exited=("mall",)) == []


def test_a_report_of_an_unknown_fence_shows_nothing() -> None:
    assert Journey().told(1, entered=("elsewhere",)) == []


def test_a_report_from_before_the_last_crossing_changes_nothing() -> None:
    journey = Journey()
    journey.told(10, entered=("station",))
    assert journey.told(9, exited=("station",)) == []
    assert journey.told(10, exited=("station",)) == [("station", "out")]
    assert journey.told(9, entered=("station",)) == []


def test_a_report_of_one_fence_is_not_late_for_another() -> None:
    journey = Journey(FENCE, MALL)
    journey.told(10, entered=("station",))
    assert journey.told(9, entered=("mall",)) == [("mall", "in")]


def beacon_journey(shape: Area | None = None) -> Journey:
    fence = replace(a_fence("shelf", radius_m=8.0), exit_buffer_m=4.0, beacon="b1")
    return Journey(replace(fence, shape=shape or fence.shape))


@pytest.mark.parametrize(("distance_m", "entered"), [(8.0, True), (8.01, False)])
def test_a_beacon_is_near_within_the_radius_of_its_circle(distance_m: float, *, entered: bool) -> None:
    assert beacon_journey().hears(distance_m, 1) == ([("shelf", "in")] if entered else [])


@pytest.mark.parametrize(("distance_m", "entered"), [(5.0, True), (5.01, False)])
def test_a_beacon_of_an_area_is_near_within_five_metres(distance_m: float, *, entered: bool) -> None:
    journey = beacon_journey(Area(shapely.box(8.0, 47.0, 8.1, 47.1)))
    assert journey.hears(distance_m, 1) == ([("shelf", "in")] if entered else [])


@pytest.mark.parametrize(("distance_m", "left"), [(8.01, False), (12.0, False), (12.01, True), (None, True)])
def test_a_beacon_is_left_when_surely_far_or_silent(distance_m: float | None, *, left: bool) -> None:
    journey = beacon_journey()
    journey.hears(1.0, 1)
    assert journey.hears(distance_m, 2) == ([("shelf", "out")] if left else [])


def test_a_beacon_that_is_heard_on_and_on_is_entered_once() -> None:
    journey = beacon_journey()
    journey.hears(1.0, 1)
    assert journey.hears(1.0, 2) == []


def test_silence_of_a_beacon_that_was_not_near_is_no_exit() -> None:
    assert beacon_journey().hears(None, 1) == []


def test_a_beacon_of_no_fence_shows_nothing() -> None:
    assert beacon_journey().hears(1.0, 1, beacon="b2") == []


def test_a_sighting_from_before_the_last_crossing_changes_nothing() -> None:
    journey = beacon_journey()
    journey.hears(1.0, 10)
    assert journey.hears(None, 9) == []
    assert journey.hears(None, 10) == [("shelf", "out")]


def test_the_fences_a_unit_is_in_come_in_order() -> None:
    journey = Journey(FENCE, MALL)
    assert journey.told(1, entered=("station", "mall")) == [("mall", "in"), ("station", "in")]
    assert journey.inside == ["mall", "station"]
    assert journey.told(2, exited=("station", "mall")) == [("mall", "out"), ("station", "out")]


def climates_on_the_way(*lats: float) -> list[str]:
    """Return the climates that fixes tell of, an hour apart, far from any fence."""
    memory = Memory()
    told = []
    for number, lat in enumerate(lats):
        event = PositionReported(CAR, 1 + number * HOUR_MS, Position(50.0, lat))
        report = located(memory, event)
        if isinstance(report, FenceReported):
            visits.take(memory, RELEASE, report, event.ts)
            told.append(report.climate)
    return told


def test_the_climate_is_told_once_and_again_across_a_tropic() -> None:
    assert climates_on_the_way(24.5, 24.4, 24.0, 23.6, 23.45, 23.35, 23.25, 23.45, 23.55) == [
        "north",
        "tropics",
        "north",
    ]


def test_no_way_is_so_clear_of_fences_that_a_tropic_is_missed() -> None:
    small_steps = [-23.0 - 0.002 * number for number in range(400)]
    assert climates_on_the_way(*small_steps) == ["tropics", "south"]
