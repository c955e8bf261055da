"""Fixed windows: the hour, day, week or month that it is in a unit's local time. Weeks begin on Monday (ISO 8601).

Theory. A window is told by the instant at which it began, as of the offset that holds now. When the offset changes
(summer time, a border), the begin of the window in which that happens moves with it, so that what was counted close
to that begin may fall out of it or into it, as it would on a wall calendar.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from gateway.core.terms import Calendar
from gateway.core.units import DAY_MS, HOUR_MS, SECOND_MS, Instant

_WEEK_DAYS = 7
_EPOCH_WEEKDAY = 3
"""1970-01-01 was a Thursday; Monday is 0."""


def window_start(calendar: Calendar, now: Instant, utc_offset_s: int) -> Instant:
    """Return when the calendar window that holds `now` began; `now` itself at the very instant it begins.

    >>> window_start(Calendar.DAY, 1_700_000_000_000, 3600)  # 2023-11-14T23:13:20 in local time
    1699916400000
    """
    offset_ms = utc_offset_s * SECOND_MS
    local = now + offset_ms
    if calendar is Calendar.MONTH:
        date = datetime.fromtimestamp(local // SECOND_MS, tz=UTC)
        return int(datetime(date.year, date.month, 1, tzinfo=UTC).timestamp()) * SECOND_MS - offset_ms
    if calendar is Calendar.WEEK:
        day = local // DAY_MS
        return (day - (day + _EPOCH_WEEKDAY) % _WEEK_DAYS) * DAY_MS - offset_ms
    length_ms = HOUR_MS if calendar is Calendar.HOUR else DAY_MS
    return now - local % length_ms


LONGEST_MS: Mapping[Calendar, int] = {
    Calendar.HOUR: HOUR_MS,
    Calendar.DAY: DAY_MS,
    Calendar.WEEK: _WEEK_DAYS * DAY_MS,
    Calendar.MONTH: 31 * DAY_MS,
}
"""The longest that a window can be: whatever the offset, what happened that long ago is in an earlier one."""
