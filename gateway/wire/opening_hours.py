"""Opening hours as people write them, made into what the engine evaluates without a calendar or a time zone.

A small part of the form that OpenStreetMap uses: `Mo-Fr 06:00-22:00; Sa 08:00-18:00; Su off`. Rules are separated by
`;`, and of two that name the same day the later one counts. A rule is days (`Mo`, `Mo-Fr`, `Sa,Su`, `Fr-Mo`; left out:
every day) and then intervals (`06:00-12:00,14:00-22:00`; across midnight `22:00-02:00`; until midnight `18:00-24:00`),
`24/7`, or `off`. Holidays are not known here.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.core.fences.hours import WEEK_MIN, OpeningHours
from gateway.core.units import SECOND_MS

FIRST_YEAR, LAST_YEAR = 2020, 2040
"""The years whose changes of the clock are compiled in; before and after, the nearest offset holds."""

DAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
_DAY_MIN = 24 * 60

_DAY = f"(?:{'|'.join(DAYS)})"
_RULE = re.compile(rf"(?:(?P<days>{_DAY}(?:-{_DAY})?(?:,{_DAY}(?:-{_DAY})?)*)(?: |$))?(?P<times>.*)")
_INTERVAL = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")

Interval: TypeAlias = tuple[int, int]
"""Minutes of a day or of the week: from, to."""


class HoursRefused(ValueError):
    """Opening hours, or a time zone, that cannot be read. A `ValueError`, so that pydantic reports it at its field."""


@lru_cache(maxsize=1024)
def compile_hours(text: str, time_zone: str) -> OpeningHours:
    """Return opening hours as the engine evaluates them.

    Raises:
        HoursRefused: The hours cannot be read, are never, or the zone is unknown.
    """
    return OpeningHours(week_of(text), offsets_of(time_zone))


@lru_cache(maxsize=1024)
def week_of(text: str) -> tuple[Interval, ...]:
    """Return when a week is open, in minutes since Monday 00:00 local, sorted and apart from each other.

    What runs over the end of Sunday stands as two.

    >>> week_of("Mo 06:00-22:00; Su 22:00-02:00")
    ((0, 120), (360, 1320), (9960, 10080))

    Raises:
        HoursRefused: The text is not of the form above, or never open.
    """
    days: list[list[Interval]] = [[] for _ in DAYS]
    for rule in text.split(";"):
        named, intervals = _rule_of(" ".join(rule.split()))
        for day in named:
            days[day] = intervals
    week = [(day * _DAY_MIN + start, day * _DAY_MIN + end) for day, spans in enumerate(days) for start, end in spans]
    if not week:
        raise HoursRefused(f"{text!r} is never open; leave opening_hours out for a fence that always is")
    return _merged(week)


def _rule_of(rule: str) -> tuple[list[int], list[Interval]]:
    match = _RULE.fullmatch(rule)
    days, times = (match["days"], match["times"]) if match else (None, "")
    if times == "24/7" and days is None:
        return list(range(7)), [(0, _DAY_MIN)]
    named = _days_of(days) if days else list(range(7))
    if times in {"off", "closed"}:
        return named, []
    if not times:
        raise HoursRefused(f"{rule!r} says no hours: a rule is like 'Mo-Fr 06:00-22:00', 'Su off' or '24/7'")
    return named, [_interval_of(part.strip(), rule) for part in times.split(",")]


def _days_of(days: str) -> list[int]:
    named: list[int] = []
    for part in days.split(","):
        first, _, last = part.partition("-")
        start = DAYS.index(first)
        end = DAYS.index(last) if last else start
        named += [day % 7 for day in range(start, end + 1 if end >= start else end + 8)]
    return named


def _interval_of(text: str, rule: str) -> Interval:
    match = _INTERVAL.fullmatch(text)
    if match is None:
        raise HoursRefused(
            f"{rule!r}: {text!r} is no interval like 06:00-22:00; days are {', '.join(DAYS)}, and PH is not known"
        )
    hours = [int(number) for number in match.groups()]
    start, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
    if end > _DAY_MIN or start == end:
        raise HoursRefused(f"{rule!r}: {text!r} has no length, or ends after 24:00")
    return start, end if end > start else end + _DAY_MIN


def _merged(week: list[Interval]) -> tuple[Interval, ...]:
    """Return intervals, cut at the end of Sunday, as few that do not touch."""
    cut = [span for start, end in week for span in ((start, min(end, WEEK_MIN)), (0, end - WEEK_MIN)) if span[1] > 0]
    merged: list[Interval] = []
    for start, end in sorted(cut):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


@lru_cache(maxsize=256)
def offsets_of(time_zone: str) -> tuple[tuple[int, int], ...]:
    """Return a zone's offsets from UTC: each with the instant it begins, from the first day of 2020 to the end of 2040.

    Raises:
        HoursRefused: There is no such zone.
    """
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise HoursRefused(f"unknown time zone {time_zone!r}; it must be one like 'America/Los_Angeles'") from error
    day = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    found = [(_ms(day), _offset_s(zone, day))]
    end = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)
    while day < end:
        following = day + timedelta(days=1)
        if _offset_s(zone, following) != found[-1][1]:
            change = _change_between(zone, day, following)
            found.append((_ms(change), _offset_s(zone, change)))
        day = following
    return tuple(found)


def _change_between(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Return the first second with another offset than `before` has."""
    offset_s = _offset_s(zone, before)
    low, high = 0, int((after - before).total_seconds())
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_s(zone, before + timedelta(seconds=middle)) == offset_s:
            low = middle
        else:
            high = middle
    return before + timedelta(seconds=high)


def _offset_s(zone: ZoneInfo, instant: datetime) -> int:
    offset = instant.astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _ms(instant: datetime) -> int:
    return int(instant.timestamp()) * SECOND_MS
