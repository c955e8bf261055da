from dataclasses import replace

import pytest
import shapely

from gateway.core.events import BeaconSighted, FenceReported, PositionReported
from gateway.core.fences import tracker
from gateway.core.fences.geometry import Area, Fence
from gateway.core.fences.tracker import Crossing, FixFault
from gateway.core.release import Release
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.units import Position, metres_per_degree
from gateway.testing.engines import CAR, STATION, a_fence, a_release

FENCE = replace(a_fence("station", radius_m=100.0), exit_buffer_m=30.0, accuracy_limit_m=200.0)
MALL = replace(a_fence("mall", radius_m=500.0), exit_buffer_m=0.0)
RELEASE = a_release(fences=[FENCE])
BOTH = a_release(fences=[FENCE, MALL])
NOW = 50_000


def east(way_m: float) -> Position:
    """Return a position that far east of the station's centre, by the fence's own measure."""
    return Position(STATION.lon + way_m / metres_per_degree(STATION.lat)[0], STATION.lat)


def fix(way_m: float, ts: int, accuracy_m: float | None = None) -> PositionReported:
    return PositionReported(CAR, ts, east(way_m), accuracy_m)


class Journey:
    """A unit whose crossings are made true as soon as they show."""

    def __init__(self, release: Release = RELEASE) -> None:
        self.memory, self.release = Memory(), release

    def at(self, way_m: float, ts: int, accuracy_m: float | None = None) -> list[tuple[str, bool]] | FixFault:
        crossings = tracker.locate(self.memory, self.release, fix(way_m, ts, accuracy_m))
        return crossings if isinstance(crossings, FixFault) else self.cross(crossings, ts)

    def told(self, ts: int, *, entered: tuple[str, ...] = (), exited: tuple[str, ...] = ()) -> list[tuple[str, bool]]:
        event = FenceReported(CAR, ts, entered, exited)
        return self.cross(tracker.report(self.memory, self.release, event), ts)

    def hears(self, distance_m: float | None, ts: int, beacon: str = "b1") -> list[tuple[str, bool]]:
        event = BeaconSighted(CAR, ts, beacon, distance_m)
        return self.cross(tracker.sight(self.memory, self.release, event), ts)

    def cross(self, crossings: list[Crossing], ts: int) -> list[tuple[str, bool]]:
        for crossing in crossings:
            tracker.cross(self.memory, CAR, crossing, ts, NOW)
        return [(crossing.fence.id, crossing.inside) for crossing in crossings]


def test_far_from_every_fence_nothing_happens() -> None:
    assert Journey().at(5_000.0, 1) == []


@pytest.mark.parametrize(("way_m", "crossings"), [(99.99, [("station", True)]), (100.01, [])])
def test_a_fence_is_entered_at_its_edge(way_m: float, crossings: list[tuple[str, bool]]) -> None:
    assert Journey().at(way_m, 1) == crossings


@pytest.mark.parametrize(("way_m", "crossings"), [(129.99, []), (130.01, [("station", False)])])
def test_a_fence_is_left_beyond_its_exit_buffer(way_m: float, crossings: list[tuple[str, bool]]) -> None:
    journey = Journey()
    journey.at(0.0, 1_000)
    assert journey.at(way_m, 10_000) == crossings


def test_between_edge_and_buffer_who_is_outside_stays_outside() -> None:
    journey = Journey()
    assert journey.at(120.0, 1_000) == []
    assert tracker.inside(journey.memory, CAR) == []


@pytest.mark.parametrize(("accuracy_m", "crossings"), [(200.0, [("station", True)]), (200.01, [])])
def test_a_fix_less_accurate_than_the_limit_is_no_evidence_of_having_entered(
    accuracy_m: float, crossings: list[tuple[str, bool]]
) -> None:
    assert Journey().at(0.0, 1, accuracy_m) == crossings


@pytest.mark.parametrize(("accuracy_m", "crossings"), [(69.0, [("station", False)]), (71.0, [])])
def test_leaving_is_sure(accuracy_m: float, crossings: list[tuple[str, bool]]) -> None:
    journey = Journey()
    journey.at(0.0, 1_000)
    assert journey.at(200.0, 10_000, accuracy_m) == crossings


def test_a_poor_fix_does_not_enlarge_a_fence() -> None:
    assert Journey().at(101.0, 1, 50.0) == []


def test_who_is_inside_does_not_enter_again() -> None:
    journey = Journey()
    journey.at(0.0, 1_000)
    assert journey.at(1.0, 2_000) == []


def test_exits_come_before_entries_and_each_by_id() -> None:
    north = replace(a_fence("b-north", centre=east(400.0)), exit_buffer_m=0.0)
    south = replace(a_fence("a-south", centre=east(400.0)), exit_buffer_m=0.0)
    journey = Journey(a_release(fences=[FENCE, replace(a_fence("old"), exit_buffer_m=0.0), north, south]))
    assert journey.at(0.0, 1_000) == [("old", True), ("station", True)]
    assert journey.at(400.0, 60_000) == [("old", False), ("station", False), ("a-south", True), ("b-north", True)]


def test_fences_are_left_by_id_in_whatever_order_they_were_entered() -> None:
    journey = Journey(BOTH)
    journey.told(1, entered=("station",))
    journey.told(2, entered=("mall",))
    assert tracker.inside(journey.memory, CAR) == ["mall", "station"]
    assert journey.at(5_000.0, 3) == [("mall", False), ("station", False)]


def test_the_edge_itself_is_inside() -> None:
    point = a_fence("point", radius_m=0.0)
    assert Journey(a_release(fences=[point])).at(0.0, 1) == [("point", True)]


def test_the_end_of_the_exit_buffer_is_not_yet_left() -> None:
    journey = Journey(a_release(fences=[replace(FENCE, exit_buffer_m=FENCE.distance_m(east(200.0)))]))
    journey.at(0.0, 1_000)
    assert journey.at(200.0, 10_000) == []
    assert journey.at(200.001, 20_000) == [("station", False)]


def test_locating_does_not_cross_by_itself() -> None:
    memory = Memory()
    assert tracker.locate(memory, RELEASE, fix(0.0, 1)) == [Crossing(FENCE, inside=True)]
    assert tracker.inside(memory, CAR) == []
    assert memory.take_changes() == []


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
    memory, start = Memory(), Position(8.0, 47.0)
    north = Position(8.0, 47.0 + way_m / metres_per_degree(47.0)[1])
    tracker.locate(memory, RELEASE, PositionReported(CAR, 1_000, start))
    assert (tracker.locate(memory, RELEASE, PositionReported(CAR, 2_000, north)) == []) is believed


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
    assert journey.at(0.0, 3_000) == [("station", True)]
    assert journey.at(10.0, 4_000) == []


def test_two_jumps_that_do_not_agree_are_both_set_aside() -> None:
    journey = Journey()
    journey.at(50_000.0, 1_000)
    assert journey.at(10_000.0, 2_000) is FixFault.JUMP
    assert journey.at(0.0, 3_000) is FixFault.JUMP
    assert journey.at(1.0, 4_000) == [("station", True)]


def test_a_jump_does_not_confirm_itself_by_being_sent_again() -> None:
    journey = Journey()
    journey.at(50_000.0, 1_000)
    assert journey.at(0.0, 3_000) is FixFault.JUMP
    assert journey.at(0.0, 3_000) is FixFault.JUMP
    assert journey.at(0.0, 2_500) is FixFault.JUMP


def test_a_short_way_over_the_antimeridian_is_no_jump() -> None:
    memory = Memory()
    assert tracker.locate(memory, RELEASE, PositionReported(CAR, 1_000, Position(179.9999, 10.0))) == []
    assert tracker.locate(memory, RELEASE, PositionReported(CAR, 2_000, Position(-179.9999, 10.0))) == []


def test_each_unit_has_a_way_of_its_own() -> None:
    journey = Journey()
    journey.at(0.0, 1_000)
    other = PositionReported("car-2", 500, east(0.0))
    assert tracker.locate(journey.memory, RELEASE, other) == [Crossing(FENCE, inside=True)]


def test_what_another_reports_is_taken_as_told_exits_first() -> None:
    journey = Journey(BOTH)
    assert journey.told(1, entered=("station",)) == [("station", True)]
    assert journey.told(2, entered=("mall",), exited=("station",)) == [("station", False), ("mall", True)]
    assert tracker.inside(journey.memory, CAR) == ["mall"]


def test_a_report_that_is_no_news_shows_nothing() -> None:
    journey = Journey(BOTH)
    journey.told(1, entered=("station",))
    assert journey.told(2, entered=("station",), exited=("mall",)) == []


def test_a_report_of_an_unknown_fence_shows_nothing() -> None:
    assert Journey().told(1, entered=("elsewhere",)) == []


def test_a_report_from_before_the_last_crossing_changes_nothing() -> None:
    journey = Journey()
    journey.told(10, entered=("station",))
    assert journey.told(9, exited=("station",)) == []
    assert journey.told(10, exited=("station",)) == [("station", False)]
    assert journey.told(9, entered=("station",)) == []


def test_a_report_of_one_fence_is_not_late_for_another() -> None:
    journey = Journey(BOTH)
    journey.told(10, entered=("station",))
    assert journey.told(9, entered=("mall",)) == [("mall", True)]


def beacon_journey(shape: Area | None = None) -> Journey:
    fence = replace(a_fence("shelf", radius_m=8.0), exit_buffer_m=4.0, beacon="b1")
    return Journey(a_release(fences=[replace(fence, shape=shape or fence.shape)]))


@pytest.mark.parametrize(("distance_m", "entered"), [(8.0, True), (8.01, False)])
def test_a_beacon_is_near_within_the_radius_of_its_circle(distance_m: float, *, entered: bool) -> None:
    assert beacon_journey().hears(distance_m, 1) == ([("shelf", True)] if entered else [])


@pytest.mark.parametrize(("distance_m", "entered"), [(5.0, True), (5.01, False)])
def test_a_beacon_of_an_area_is_near_within_five_metres(distance_m: float, *, entered: bool) -> None:
    journey = beacon_journey(Area(shapely.box(8.0, 47.0, 8.1, 47.1)))
    assert journey.hears(distance_m, 1) == ([("shelf", True)] if entered else [])


@pytest.mark.parametrize(("distance_m", "left"), [(8.01, False), (12.0, False), (12.01, True), (None, True)])
def test_a_beacon_is_left_when_surely_far_or_silent(distance_m: float | None, *, left: bool) -> None:
    journey = beacon_journey()
    journey.hears(1.0, 1)
    assert journey.hears(distance_m, 2) == ([("shelf", False)] if left else [])


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
    assert journey.hears(None, 10) == [("shelf", False)]


def dwelling(dwell_s: int) -> tuple[Memory, Fence]:
    memory, fence = Memory(), replace(FENCE, dwell_s=dwell_s)
    tracker.cross(memory, CAR, Crossing(fence, inside=True), 1, NOW)
    return memory, fence


def test_the_dwell_is_reached_so_long_after_the_engine_saw_the_entry() -> None:
    crossing = Crossing(replace(FENCE, dwell_s=90), inside=True)
    assert tracker.cross(Memory(), CAR, crossing, 1, NOW) == NOW + 90_000


def test_a_fence_without_dwell_is_never_dwelled_in() -> None:
    assert tracker.cross(Memory(), CAR, Crossing(FENCE, inside=True), 1, NOW) is None
    memory, fence = dwelling(0)
    assert tracker.dwell_due(memory, fence, CAR) is None


def test_a_dwell_is_noticed_once_a_visit() -> None:
    memory, fence = dwelling(90)
    assert tracker.dwell_due(memory, fence, CAR) == NOW + 90_000
    tracker.dwelled(memory, CAR, fence.id)
    assert tracker.dwell_due(memory, fence, CAR) is None
    tracker.cross(memory, CAR, Crossing(fence, inside=False), 2, NOW + 1)
    assert tracker.cross(memory, CAR, Crossing(fence, inside=True), 3, NOW + 2) == NOW + 2 + 90_000


def test_who_is_outside_does_not_dwell() -> None:
    memory, fence = dwelling(90)
    assert tracker.cross(memory, CAR, Crossing(fence, inside=False), 2, NOW + 1) is None
    assert tracker.dwell_due(memory, fence, CAR) is None


def test_a_visit_is_kept_and_its_end_deletes_it() -> None:
    memory, fence = dwelling(90)
    key = StateKey(Scope.UNIT, CAR, "fence", fence.id)
    tracker.dwelled(memory, CAR, fence.id)
    tracker.cross(memory, CAR, Crossing(fence, inside=False), 2, NOW + 1)
    assert memory.take_changes() == [
        (key, {"since": NOW, "dwelled": False}),
        (key, {"since": NOW, "dwelled": True}),
        (key, None),
    ]


def test_the_fences_a_unit_is_in_come_in_order() -> None:
    journey = Journey(BOTH)
    assert journey.told(1, entered=("station", "mall")) == [("mall", True), ("station", True)]
    assert tracker.inside(journey.memory, CAR) == ["mall", "station"]
    assert tracker.inside(journey.memory, "car-2") == []
    assert journey.told(2, exited=("station", "mall")) == [("mall", False), ("station", False)]
