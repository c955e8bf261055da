"""That what is skipped changes nothing is a property, in `tests/properties`; here is what is skipped."""

import math
from dataclasses import replace

import pytest

from gateway.core.events import PositionReported
from gateway.core.fences.clearance import Clearance, surely_m
from gateway.core.fences.index import FenceIndex
from gateway.core.units import Position
from gateway.testing.engines import CAR, a_fence
from tests.core.fences.journey import Journey, east

TIMED = FenceIndex([replace(a_fence(), approach_s=10)])


def a_clearance(
    clear_m: float = 500.0,
    *,
    where: Position = east(0.0),  # noqa: B008 -- a value
    timed_m: float = math.inf,
    is_moving: bool = False,
    signs_at: float = math.inf,
) -> Clearance:
    fix = (1_000, where.lon, where.lat, 0.0)
    return Clearance(TIMED, {}, fix, clear_m, timed_m=timed_m, is_moving=is_moving, signs_at=signs_at)


def fix(way_m: float, ts: int = 2_000, speed_mps: float | None = None) -> PositionReported:
    return PositionReported(CAR, ts, east(way_m), 5.0, speed_mps)


@pytest.mark.parametrize(("way_m", "covered"), [(97.0, True), (-97.0, True), (101.0, False), (-101.0, False)])
def test_a_unit_goes_unwatched_as_far_as_it_is_clear(way_m: float, *, covered: bool) -> None:
    assert a_clearance(100.0).covers(fix(way_m)) is covered


def test_the_clearance_counts_from_where_it_was_measured_not_from_the_last_fix() -> None:
    clearance = a_clearance(100.0)
    assert [clearance.covers(fix(40.0 * step, 1_000 + 1_000 * step)) for step in (1, 2, 3)] == [True, True, False]


@pytest.mark.parametrize(("ts", "covered"), [(999, False), (1_000, False), (1_001, True)])
def test_a_late_fix_is_left_to_be_judged(ts: int, *, covered: bool) -> None:
    assert a_clearance().covers(fix(1.0, ts)) is covered


@pytest.mark.parametrize(("way_m", "covered"), [(119.0, True), (121.0, False)])
def test_a_jump_is_left_to_be_judged(way_m: float, *, covered: bool) -> None:
    assert a_clearance().covers(fix(way_m)) is covered


def test_a_sign_of_life_that_is_due_is_left_to_be_given() -> None:
    clearance = a_clearance(signs_at=3_000)
    assert clearance.covers(fix(1.0, 2_999))
    assert not clearance.covers(fix(1.0, 3_000))


@pytest.mark.parametrize(
    ("way_m", "ts", "speed_mps", "covered"),
    [
        (20.0, 2_000, None, True),
        (1.0, 2_000, None, False),
        (20.0, 2_000, 1.0, False),
        (20.0, 17_000, 9.0, False),
        (310.0, 6_000, 60.0, False),
    ],
    ids=["moves", "stands", "says it stands", "was silent", "skipped a way"],
)
def test_who_may_be_passing_through_is_watched_for_standing(
    way_m: float, ts: int, speed_mps: float | None, *, covered: bool
) -> None:
    assert a_clearance(is_moving=True).covers(fix(way_m, ts, speed_mps)) is covered


@pytest.mark.parametrize(("speed_mps", "covered"), [(10.0, True), (30.0, False), (49.0, False)])
def test_who_is_so_fast_that_it_arrives_soon_is_watched(speed_mps: float, *, covered: bool) -> None:
    """280 m off, and noticed ten seconds before arriving."""
    assert a_clearance(timed_m=280.0).covers(fix(20.0, 2_000, speed_mps)) is covered


@pytest.mark.parametrize(("clear_m", "worth"), [(2.9, False), (3.1, True), (-50.0, False)])
def test_a_clearance_of_a_step_is_not_worth_it(clear_m: float, *, worth: bool) -> None:
    assert a_clearance(clear_m).is_worth_it is worth


def test_at_a_pole_no_degree_is_like_the_next() -> None:
    assert not a_clearance(where=Position(0.0, 90.0)).is_worth_it
    assert a_clearance(where=Position(0.0, 89.0)).is_worth_it


def test_over_the_antimeridian_all_is_measured_anew() -> None:
    clearance = a_clearance(where=Position(179.9999, 0.0))
    assert not clearance.covers(PositionReported(CAR, 2_000, Position(-179.9999, 0.0)))


def test_of_a_gap_only_so_much_is_sure_as_two_measurements_leave() -> None:
    assert [surely_m(away_m) for away_m in (0.0, 100.0, -1_000.0)] == [1.0, 2.0, 11.0]


def test_a_fix_that_is_covered_is_the_last_one() -> None:
    journey = Journey(a_fence(centre=east(2_000.0)))
    journey.at(0.0, 500)
    journey.at(0.0, 1_000)
    assert isinstance(journey.memory.scratch[CAR], Clearance)
    journey.at(10.0, 2_000, 7.0)
    at = east(10.0)
    assert journey.memory.kinematics(CAR, "fix")["last"] == (2_000, at.lon, at.lat, 7.0)


@pytest.mark.parametrize("ts", [500, 1_100])
def test_a_fix_that_is_set_aside_ends_the_clearance(ts: int) -> None:
    journey = Journey()
    journey.at(5_000.0, 1_000)
    journey.at(0.0, ts)
    assert journey.memory.scratch == {}
