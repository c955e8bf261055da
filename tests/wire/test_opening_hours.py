from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.fences.hours import OpeningHours
from gateway.wire.opening_hours import DAYS, HoursRefused, compile_hours, offsets_of, week_of

DAY = 1440
WEEK = 7 * DAY
HOUR_MS = 3_600_000


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1000


@pytest.mark.parametrize(
    ("text", "week"),
    [
        ("24/7", ((0, WEEK),)),
        ("00:00-24:00", ((0, WEEK),)),
        ("Mo 06:00-22:00", ((360, 1320),)),
        ("Mo,We 06:00-07:00", ((360, 420), (2 * DAY + 360, 2 * DAY + 420))),
        ("Mo-We 06:00-07:00; Tu off", ((360, 420), (2 * DAY + 360, 2 * DAY + 420))),
        ("Mo-Su 06:00-07:00; Tu-Su off", ((360, 420),)),
        ("Mo 06:00-12:00,14:00-22:00", ((360, 720), (840, 1320))),
        ("Mo 06:00-12:00, 11:00-22:00", ((360, 1320),)),
        ("  Mo   06:00-07:00 ;Tu 06:00-07:00", ((360, 420), (DAY + 360, DAY + 420))),
        ("Mo 22:00-02:00", ((1320, 1560),)),
        ("Su 22:00-02:00", ((0, 120), (WEEK - 120, WEEK))),
        ("Su 22:00-02:00; Mo 01:00-03:00", ((0, 180), (WEEK - 120, WEEK))),
        ("Sa-Mo 06:00-07:00", ((360, 420), (5 * DAY + 360, 5 * DAY + 420), (6 * DAY + 360, 6 * DAY + 420))),
        ("Mo closed; Tu 06:00-07:00", ((DAY + 360, DAY + 420),)),
        ("24/7; Su off", ((0, 6 * DAY),)),
    ],
)
def test_hours_are_read_as_people_mean_them(text: str, week: tuple[tuple[int, int], ...]) -> None:
    assert week_of(text) == week


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "says no hours"),
        ("Mo", "says no hours"),
        ("Mo 06:00-22:00;", "says no hours"),
        ("off", "never open"),
        ("Mo 06:00-07:00; Mo off", "never open"),
        ("PH off", "is no interval like"),
        ("Mo-Fr 6-22", "is no interval like"),
        ("Mon 06:00-22:00", "is no interval like"),
        ("Mo 06:00-22:00+", "is no interval like"),
        ("Mo 25:00-26:00", "is no interval like"),
        ("Mo 06:00-24:30", "ends after 24:00"),
        ("Mo 08:00-08:00", "has no length"),
        ("Mo 24/7", "is no interval like"),
    ],
)
def test_hours_that_cannot_be_read_are_refused(text: str, reason: str) -> None:
    with pytest.raises(HoursRefused, match=reason):
        week_of(text)


@settings(deadline=None)
@given(st.text(alphabet="MoTuWeSaSu0123456789:-,;/ offclosed", max_size=40))
def test_no_text_does_anything_but_be_read_or_refused(text: str) -> None:
    try:
        week = week_of(text)
    except HoursRefused:
        return
    assert OpeningHours(week, ((0, 0),)).week == week


def test_an_unknown_zone_is_refused() -> None:
    for name in ("Mars/Olympus", "", "../../etc/passwd", "/etc/localtime"):
        with pytest.raises(HoursRefused, match="unknown time zone"):
            offsets_of(name)


@pytest.mark.parametrize(
    "name", ["America/Los_Angeles", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]
)
def test_the_offsets_are_those_of_the_zone_from_2020_to_2040(name: str) -> None:
    hours = OpeningHours(((0, WEEK),), offsets_of(name))
    zone = ZoneInfo(name)
    for at in range(ms("2020-01-01T00:00:00+00:00"), ms("2040-12-31T00:00:00+00:00"), 97 * HOUR_MS):
        offset = datetime.fromtimestamp(at / 1000, tz=UTC).astimezone(zone).utcoffset()
        assert offset is not None
        started = max(start for start, _ in hours.offsets if start <= at)
        assert dict(hours.offsets)[started] == offset.total_seconds()


def test_the_clock_changes_at_its_very_second() -> None:
    changes = dict(offsets_of("Europe/Berlin"))
    assert changes[ms("2026-03-29T01:00:00+00:00")] == 7200
    assert changes[ms("2026-10-25T01:00:00+00:00")] == 3600


@pytest.mark.parametrize("day", ["2026-03-27", "2026-03-30", "2026-10-23", "2026-10-26"])
def test_a_fence_opens_at_its_local_hour_in_winter_and_in_summer(day: str) -> None:
    hours = compile_hours("Mo-Fr 06:00-22:00", "Europe/Berlin")
    six = datetime.fromisoformat(f"{day}T06:00:00").replace(tzinfo=ZoneInfo("Europe/Berlin"))
    at = int(six.timestamp()) * 1000
    assert not hours.is_open(at - 1)
    assert hours.is_open(at)
    assert hours.next_change(at - 1) == at


@settings(deadline=None)
@given(
    st.integers(0, WEEK - 1),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 1439), st.integers(0, 1440)), max_size=6),
)
def test_it_is_open_in_exactly_the_minutes_that_are_said(minute: int, said: list[tuple[int, int, int]]) -> None:
    rules = {day: (start, end) for day, start, end in said if start != end}
    if not rules:
        return
    text = "; ".join(
        f"{DAYS[day]} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
        for day, (start, end) in rules.items()
    )

    def covers(day: int, start: int, end: int) -> bool:
        since = (minute - day * DAY - start) % WEEK
        return since < (end - start) % DAY if end != start + DAY else since < DAY

    expected = any(covers(day, *span) for day, span in rules.items())
    assert any(start <= minute < end for start, end in week_of(text)) == expected
