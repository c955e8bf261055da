from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.calendar import LONGEST_MS, window_start
from gateway.core.terms import Calendar
from gateway.core.units import HOUR_MS, Instant

INSTANTS = st.integers(-(2**40), 2**42)  # 1935 to 2109
OFFSETS_S = st.integers(-14 * 4, 14 * 4).map(lambda quarters: quarters * 900)


def at(said: str) -> Instant:
    return int(datetime.fromisoformat(said).timestamp()) * 1000


def by_the_wall(calendar: Calendar, now: Instant, utc_offset_s: int) -> Instant:
    """Return the same by the standard library's dates: the oracle."""
    local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now, seconds=utc_offset_s)
    start = local.replace(minute=0, second=0, microsecond=0)
    if calendar is not Calendar.HOUR:
        start = start.replace(hour=0)
    if calendar is Calendar.WEEK:
        start -= timedelta(days=local.isoweekday() - 1)
    if calendar is Calendar.MONTH:
        start = start.replace(day=1)
    return (start - timedelta(seconds=utc_offset_s) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("calendar", "began"),
    [
        (Calendar.HOUR, "2026-03-04T13:00:00+00:00"),
        (Calendar.DAY, "2026-03-04T00:00:00+00:00"),
        (Calendar.WEEK, "2026-03-02T00:00:00+00:00"),
        (Calendar.MONTH, "2026-03-01T00:00:00+00:00"),
    ],
)
def test_each_window_begins_where_a_wall_calendar_has_it(calendar: Calendar, began: str) -> None:
    assert window_start(calendar, at("2026-03-04T13:37:11+00:00"), 0) == at(began)


def test_a_window_holds_its_first_instant_and_not_the_one_before() -> None:
    monday = at("2026-03-02T00:00:00+00:00")
    assert window_start(Calendar.WEEK, monday, 0) == monday
    assert window_start(Calendar.WEEK, monday - 1, 0) == at("2026-02-23T00:00:00+00:00")


def test_weeks_begin_on_monday_also_across_the_new_year() -> None:
    assert window_start(Calendar.WEEK, at("2027-01-01T12:00:00+00:00"), 0) == at("2026-12-28T00:00:00+00:00")


def test_it_is_the_units_local_time_that_counts() -> None:
    in_delhi, evening = 19_800, at("2026-03-03T19:00:00+00:00")
    assert window_start(Calendar.DAY, evening, 0) == at("2026-03-03T00:00:00+00:00")
    assert window_start(Calendar.DAY, evening, in_delhi) == at("2026-03-04T00:00:00+05:30")
    assert window_start(Calendar.HOUR, evening, in_delhi) == at("2026-03-04T00:00:00+05:30")


@given(st.sampled_from(Calendar), INSTANTS, OFFSETS_S)
def test_windows_are_those_of_the_calendar(calendar: Calendar, now: Instant, utc_offset_s: int) -> None:
    assert window_start(calendar, now, utc_offset_s) == by_the_wall(calendar, now, utc_offset_s)


@given(st.sampled_from(Calendar), INSTANTS, st.integers(0, 40 * 24 * HOUR_MS), OFFSETS_S)
def test_a_later_instant_is_never_in_an_earlier_window(
    calendar: Calendar, now: Instant, later_ms: int, utc_offset_s: int
) -> None:
    start = window_start(calendar, now, utc_offset_s)
    assert start <= now
    assert window_start(calendar, start, utc_offset_s) == start
    assert start <= window_start(calendar, now + later_ms, utc_offset_s)


@given(st.sampled_from(Calendar), INSTANTS, OFFSETS_S)
def test_no_window_is_longer_than_its_longest(calendar: Calendar, now: Instant, utc_offset_s: int) -> None:
    assert now - LONGEST_MS[calendar] < window_start(calendar, now, utc_offset_s)
