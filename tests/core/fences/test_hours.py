from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import InvariantViolation
from gateway.core.fences.hours import WEEK_MIN, OpeningHours
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

UTC_ONLY = ((0, 0),)
DAILY = tuple((day * 1440 + 6 * 60, day * 1440 + 22 * 60) for day in range(7))
BERLIN = ((0, 3600), (1_774_746_000_000, 7200), (1_792_890_000_000, 3600))
"""Clocks go forward on 2026-03-29 at 01:00 UTC and back on 2026-10-25 at 01:00 UTC."""


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp()) * SECOND_MS


def test_it_is_open_from_the_instant_of_opening_until_that_of_closing() -> None:
    hours = OpeningHours(DAILY, UTC_ONLY)
    opens, closes = at("2026-01-05T06:00Z"), at("2026-01-05T22:00Z")
    assert [hours.is_open(instant) for instant in (opens - 1, opens, closes - 1, closes)] == [False, True, True, False]
    assert (hours.next_change(opens - 1), hours.next_change(opens), hours.next_change(closes - 1)) == (
        opens,
        closes,
        closes,
    )


def test_over_midnight_and_the_end_of_the_week_it_stays_open() -> None:
    sunday_night = OpeningHours(((0, 2 * 60), (6 * 1440 + 22 * 60, WEEK_MIN)), UTC_ONLY)
    assert sunday_night.is_open(at("2026-01-04T23:59Z"))
    assert sunday_night.next_change(at("2026-01-04T22:30Z")) == at("2026-01-05T02:00Z")
    assert sunday_night.next_change(at("2026-01-05T02:00Z")) == at("2026-01-11T22:00Z")


@pytest.mark.parametrize("week", [(), ((0, WEEK_MIN),), ((0, 60), (60, WEEK_MIN))])
def test_what_never_changes_has_no_next_change(week: tuple[tuple[int, int], ...]) -> None:
    assert OpeningHours(week, BERLIN).next_change(at("2026-03-28T12:00Z")) is None
    assert OpeningHours(week, BERLIN).is_open(0) is bool(week)


def test_it_opens_at_its_local_hour_in_winter_and_in_summer() -> None:
    hours = OpeningHours(DAILY, BERLIN)
    assert hours.next_change(at("2026-03-28T23:00Z")) == at("2026-03-29T04:00Z")
    assert hours.next_change(at("2026-03-27T23:00Z")) == at("2026-03-28T05:00Z")
    assert hours.next_change(at("2026-10-24T22:30Z")) == at("2026-10-25T05:00Z")


def test_the_hour_that_the_clock_leaves_out_is_left_out() -> None:
    """Sunday 02:00 to 03:00 does not come on the day the clock goes from 02:00 to 03:00."""
    hours = OpeningHours(((6 * 1440 + 120, 6 * 1440 + 180),), BERLIN)
    assert hours.next_change(at("2026-03-28T00:00Z")) == at("2026-04-05T00:00Z")


def test_the_hour_that_comes_twice_is_open_twice() -> None:
    hours = OpeningHours(((6 * 1440 + 120, 6 * 1440 + 150),), BERLIN)
    changes, instant = [], at("2026-10-24T12:00Z")
    for _ in range(4):
        following = hours.next_change(instant)
        assert following is not None
        instant = following
        changes.append(instant)
    half_past = [at("2026-10-25T00:00Z") + half * 30 * MINUTE_MS for half in range(4)]
    assert changes == half_past


def test_before_the_first_offset_it_holds_as_well() -> None:
    hours = OpeningHours(DAILY, ((DAY_MS, 3600),))
    assert hours.is_open(5 * HOUR_MS)
    assert not hours.is_open(5 * HOUR_MS - 1)


@pytest.mark.parametrize(
    "week", [((60, 0),), ((0, 0),), ((60, 90), (0, 30)), ((0, 60), (30, 90)), ((-1, 5),), ((0, 10081),)]
)
def test_a_week_out_of_order_is_a_fault_of_ours(week: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(InvariantViolation, match="opening hours"):
        OpeningHours(week, UTC_ONLY)


@pytest.mark.parametrize("offsets", [(), ((5, 0), (5, 3600)), ((5, 0), (4, 0))])
def test_offsets_out_of_order_are_a_fault_of_ours(offsets: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(InvariantViolation, match="offset"):
        OpeningHours((), offsets)


@given(st.integers(0, 364 * 24 * 60), st.sets(st.integers(0, WEEK_MIN), max_size=8))
def test_it_is_open_as_a_clock_on_the_wall_of_that_zone_says(minutes: int, edges: set[int]) -> None:
    bounds = sorted(edges)
    week = tuple(zip(bounds[::2], bounds[1::2], strict=False))
    instant = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    wall = instant.astimezone(ZoneInfo("Europe/Berlin"))
    minute = wall.weekday() * 1440 + wall.hour * 60 + wall.minute
    hours, now = OpeningHours(week, BERLIN), round(instant.timestamp()) * SECOND_MS
    assert hours.is_open(now) is any(start <= minute < end for start, end in week)
    following = hours.next_change(now)
    if following is not None:
        assert hours.is_open(following) is not hours.is_open(now)
        assert hours.is_open(following - 1) is hours.is_open(now)
