import pytest

from gateway.core.units import Position
from gateway.edge.replay.parking import GEAR_DRIVE, GEAR_PARK, ParkingRule, ParkingWatch

SPOT = Position(-122.4, 37.75)
ACROSS_THE_ROAD = Position(-122.4, 37.75 + 40 / 111_000)
ROUND_THE_CORNER = Position(-122.4, 37.75 + 60 / 111_000)


def gears(*fixes: tuple[int, Position], rule: ParkingRule | None = None) -> list[tuple[int, int]]:
    """Return what a watch says of fixes given as seconds and positions, with the second it says it at."""
    watch = ParkingWatch(rule or ParkingRule())
    said = [(at_s, watch.see(at_s * 1000, position)) for at_s, position in fixes]
    return [(at_s, gear) for at_s, gear in said if gear is not None]


def test_a_stop_is_parked_at_the_first_fix_that_is_late_enough() -> None:
    assert gears((0, SPOT), (60, SPOT), (119, SPOT), (125, SPOT), (200, SPOT)) == [(125, GEAR_PARK)]


def test_a_stop_is_parked_at_exactly_the_stay() -> None:
    assert gears((0, SPOT), (120, SPOT)) == [(120, GEAR_PARK)]


def test_a_fix_near_the_first_one_does_not_move_the_stop() -> None:
    assert gears((0, SPOT), (60, ACROSS_THE_ROAD), (120, SPOT)) == [(120, GEAR_PARK)]


def test_the_distance_counts_from_the_first_fix_and_does_not_creep() -> None:
    creeping = [(60 * step, Position(-122.4, 37.75 + step * 30 / 111_000)) for step in range(20)]
    assert gears(*creeping) == []


def test_it_drives_at_the_first_fix_beyond() -> None:
    fixes = [(0, SPOT), (120, SPOT), (180, ROUND_THE_CORNER), (240, ROUND_THE_CORNER), (300, ROUND_THE_CORNER)]
    assert gears(*fixes) == [(120, GEAR_PARK), (180, GEAR_DRIVE), (300, GEAR_PARK)]


def test_an_unfinished_stop_begins_anew_after_a_gap() -> None:
    assert gears((0, SPOT), (181, SPOT), (300, SPOT), (301, SPOT)) == [(301, GEAR_PARK)]


def test_a_gap_of_exactly_the_limit_counts_as_having_stayed() -> None:
    assert gears((0, SPOT), (180, SPOT)) == [(180, GEAR_PARK)]


@pytest.mark.parametrize(("afterwards", "expected"), [(SPOT, []), (ROUND_THE_CORNER, [(40_000, GEAR_DRIVE)])])
def test_a_finished_stop_holds_over_any_gap(afterwards: Position, expected: list[tuple[int, int]]) -> None:
    assert gears((0, SPOT), (120, SPOT), (40_000, afterwards)) == [(120, GEAR_PARK), *expected]


def test_a_single_stray_fix_ends_a_stop() -> None:
    fixes = [(0, SPOT), (120, SPOT), (121, ROUND_THE_CORNER), (122, SPOT), (242, SPOT)]
    assert gears(*fixes) == [(120, GEAR_PARK), (121, GEAR_DRIVE), (242, GEAR_PARK)]


def test_the_rule_is_the_callers() -> None:
    rule = ParkingRule(radius_m=100.0, stay_s=10, max_gap_s=5)
    assert gears((0, SPOT), (5, ROUND_THE_CORNER), (10, SPOT), rule=rule) == [(10, GEAR_PARK)]
