"""Time: wall time where it can be believed, elapsed time everywhere else."""

import pytest

from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, Instant
from gateway.edge.clock import (
    LEAP_MS,
    TOLERANCE_MS,
    WITNESSED_FOR_MS,
    AnchoredClock,
    Quality,
    elapsed_ns,
    next_quarter_hour,
    utc_offset_s,
)
from gateway.testing.clock import FakeClock

NS_PER_MS = 1_000_000
TRUE = 1_700_000_000_000
YEAR_MS = 365 * DAY_MS


class Device:
    """A device whose clocks are moved by hand, and its gateway's clock, checked once a second."""

    def __init__(self, wall: Instant, floor: Instant = 0, *, known: bool = True, earliest: Instant = 0) -> None:
        self.wall_ms = wall
        self.elapsed_ms = 77_000
        self.seen: list[Instant] = []
        self.clock = AnchoredClock(
            floor,
            lambda: self.wall_ms * NS_PER_MS,
            lambda: self.elapsed_ms * NS_PER_MS,
            known=known,
            earliest=earliest,
        )

    def passes(self, ms: int) -> None:
        """Let time pass, on both clocks."""
        while ms > 0:
            step = min(ms, 1_000)
            ms -= step
            self.wall_ms += step
            self.elapsed_ms += step
            self.clock.check()
            self.seen.append(self.clock.now())

    def units_say(self, ahead_ms: int = 0, *, times: int = 3) -> None:
        """Let units tell the time, `ahead_ms` before our own, often enough to be believed."""
        for _ in range(times):
            self.clock.witness("car-1", self.clock.now() + ahead_ms)
            self.passes(WITNESSED_FOR_MS)

    def a_backlog_comes(self, first: Instant) -> None:
        """Let a unit send at once, within 6 s, the two minutes that it, or the broker, had kept."""
        for second in range(120):
            self.clock.witness("car-1", first + second * 1_000)
            self.passes(50)


def test_it_starts_at_wall_time_in_milliseconds() -> None:
    device = Device(TRUE)
    assert (device.clock.now(), device.clock.quality) == (TRUE, Quality.PLAUSIBLE)


def test_it_moves_with_elapsed_time_between_two_looks_at_the_wall() -> None:
    device = Device(TRUE)
    device.wall_ms = 0
    device.elapsed_ms += 2_000
    assert device.clock.now() == TRUE + 2_000


@pytest.mark.parametrize("wall", [0, TRUE - DAY_MS, TRUE - 1])
def test_a_wall_clock_behind_the_floor_is_overruled_and_suspect(wall: Instant) -> None:
    device = Device(wall, floor=TRUE)
    device.elapsed_ms += 1_000
    assert device.clock.now() == TRUE + 1_000
    assert device.clock.quality is Quality.SUSPECT


def test_a_wall_clock_a_year_ahead_of_the_ledger_is_not_believed() -> None:
    device = Device(TRUE + YEAR_MS, floor=TRUE)
    assert (device.clock.now(), device.clock.quality) == (TRUE, Quality.SUSPECT)


def test_a_first_start_believes_any_wall_clock_after_the_making_of_its_release() -> None:
    device = Device(TRUE + YEAR_MS, floor=TRUE, known=False)
    assert (device.clock.now(), device.clock.quality) == (TRUE + YEAR_MS, Quality.PLAUSIBLE)
    assert Device(0, floor=TRUE, known=False).clock.quality is Quality.SUSPECT


@pytest.mark.parametrize(("off_ms", "quality"), [(LEAP_MS, Quality.PLAUSIBLE), (LEAP_MS + 1, Quality.SUSPECT)])
def test_a_device_that_was_off_is_believed_up_to_the_leap(off_ms: int, quality: Quality) -> None:
    assert Device(TRUE + off_ms, floor=TRUE).clock.quality is quality


def test_a_small_step_forward_is_followed_at_once() -> None:
    device = Device(TRUE)
    device.wall_ms += TOLERANCE_MS
    device.passes(1_000)
    assert device.clock.now() == device.wall_ms
    assert device.clock.quality is Quality.PLAUSIBLE


def test_a_small_step_back_is_made_up_for_by_running_slower() -> None:
    device = Device(TRUE)
    device.wall_ms -= 3_000
    device.passes(5_000)
    assert device.clock.now() == device.wall_ms + 2_500
    device.passes(30_000)
    assert device.clock.now() == device.wall_ms
    assert device.seen == sorted(set(device.seen))


@pytest.mark.parametrize("jump", [YEAR_MS, DAY_MS, -DAY_MS, -TRUE, TOLERANCE_MS + 1_000])
def test_a_jump_in_mid_run_is_suspect_and_moves_nothing(jump: int) -> None:
    device = Device(TRUE)
    device.wall_ms += jump
    device.passes(10_000)
    assert (device.clock.now(), device.clock.quality) == (TRUE + 10_000, Quality.SUSPECT)
    device.wall_ms -= jump
    device.passes(1_000)
    assert (device.clock.now(), device.clock.quality) == (TRUE + 11_000, Quality.PLAUSIBLE)


def test_units_that_tell_our_time_outvote_the_wall_clock_for_good() -> None:
    device = Device(TRUE)
    device.wall_ms += YEAR_MS
    device.passes(1_000)
    device.units_say()
    assert device.clock.quality is Quality.PLAUSIBLE
    device.passes(60_000)
    assert (device.clock.now(), device.clock.quality) == (device.wall_ms - YEAR_MS, Quality.PLAUSIBLE)
    device.wall_ms -= 2 * YEAR_MS
    device.passes(1_000)
    assert device.clock.quality.value == "suspect"


def test_one_unit_that_tells_the_wall_clocks_later_time_is_enough() -> None:
    device = Device(TRUE + YEAR_MS, floor=TRUE)
    device.clock.witness("car-1", TRUE + YEAR_MS + 400)
    assert (device.clock.now(), device.clock.quality) == (TRUE + YEAR_MS, Quality.PLAUSIBLE)
    assert device.clock.behind_ms() == 0


def test_to_be_set_back_takes_several_witnesses_over_some_time() -> None:
    device = Device(TRUE + HOUR_MS)
    device.wall_ms = TRUE
    device.passes(1_000)
    device.units_say(-HOUR_MS, times=2)
    assert device.clock.behind_ms() == 0
    device.units_say(-HOUR_MS, times=1)
    assert device.clock.behind_ms() == HOUR_MS
    device.clock.set_back(HOUR_MS)
    device.passes(1_000)
    assert (device.clock.now(), device.clock.quality) == (device.wall_ms, Quality.PLAUSIBLE)
    assert device.clock.behind_ms() == 0


def test_three_messages_at_one_instant_set_nothing_back() -> None:
    device = Device(TRUE + HOUR_MS)
    device.wall_ms = TRUE
    device.passes(1_000)
    for _ in range(10):
        device.clock.witness("car-1", device.wall_ms)
    assert device.clock.behind_ms() == 0


def test_a_device_that_starts_in_1970_follows_ntp_when_it_answers() -> None:
    device = Device(0, floor=TRUE)
    device.passes(30_000)
    device.wall_ms = TRUE + 9 * DAY_MS
    device.passes(1_000)
    assert (device.clock.now(), device.clock.quality) == (device.wall_ms, Quality.PLAUSIBLE)


def test_a_device_that_starts_in_1970_and_never_hears_of_ntp_follows_its_units() -> None:
    device = Device(0, floor=TRUE)
    for _ in range(3):
        assert device.clock.quality.value == "suspect"
        device.clock.witness("car-1", TRUE + 9 * DAY_MS + device.wall_ms)
        device.passes(WITNESSED_FOR_MS)
    assert (device.clock.now(), device.clock.quality) == (TRUE + 9 * DAY_MS + device.wall_ms, Quality.PLAUSIBLE)
    device.passes(60_000)
    assert (device.clock.now(), device.clock.quality) == (TRUE + 9 * DAY_MS + device.wall_ms, Quality.PLAUSIBLE)


def test_a_unit_alone_makes_no_leap_and_moves_nothing_back() -> None:
    device = Device(0, floor=TRUE)
    device.units_say(YEAR_MS, times=5)
    device.units_say(-HOUR_MS, times=5)
    assert (device.clock.now(), device.clock.quality) == (TRUE + device.wall_ms, Quality.SUSPECT)


def test_a_car_that_lost_its_battery_and_all_its_units_with_it_is_not_set_back_to_1970() -> None:
    device = Device(30_000, floor=TRUE, earliest=TRUE - YEAR_MS)
    for _ in range(9):
        device.clock.witness("car-1", device.wall_ms)
        device.passes(WITNESSED_FOR_MS)
    assert (device.clock.behind_ms(), device.clock.quality) == (0, Quality.SUSPECT)


def test_a_backlog_that_passes_the_wall_clocks_time_sets_nothing_back() -> None:
    device = Device(TRUE)
    device.wall_ms -= DAY_MS
    device.passes(1_000)
    device.a_backlog_comes(device.wall_ms - MINUTE_MS)
    assert (device.clock.behind_ms(), device.clock.quality) == (0, Quality.SUSPECT)


@pytest.mark.parametrize("since_ms", [0, 2 * MINUTE_MS])
def test_a_backlog_from_where_a_device_stopped_does_not_hold_it_in_the_past(since_ms: int) -> None:
    device = Device(0, floor=TRUE)
    device.a_backlog_comes(TRUE + since_ms)
    assert device.clock.quality is Quality.SUSPECT
    device.units_say(7 * DAY_MS)
    assert (device.clock.now(), device.clock.quality) == (TRUE + 7 * DAY_MS + device.wall_ms, Quality.PLAUSIBLE)


def test_units_that_disagree_by_seconds_bear_witness_each_for_itself() -> None:
    device = Device(TRUE)
    device.wall_ms += YEAR_MS
    device.passes(1_000)
    for _ in range(3):
        device.clock.witness("car-1", device.clock.now() - 20_000)
        device.clock.witness("till-1", device.clock.now() + 20_000)
        device.passes(WITNESSED_FOR_MS)
    assert device.clock.quality is Quality.PLAUSIBLE


def test_a_unit_that_is_ahead_does_not_lead_a_clock_that_only_lost_its_wall() -> None:
    device = Device(TRUE + DAY_MS, floor=TRUE)
    device.wall_ms = 0
    device.passes(1_000)
    device.units_say(50 * DAY_MS, times=5)
    assert (device.clock.now(), device.clock.quality) == (TRUE + DAY_MS + 26_000, Quality.SUSPECT)


def test_a_wall_clock_that_moves_on_after_units_agreed_with_it_is_not_followed_back() -> None:
    device = Device(TRUE)
    device.wall_ms -= HOUR_MS
    device.passes(1_000)
    device.units_say(-HOUR_MS)
    assert device.clock.behind_ms() == HOUR_MS
    device.wall_ms += 2 * DAY_MS
    device.passes(1_000)
    assert (device.clock.behind_ms(), device.clock.quality) == (0, Quality.SUSPECT)


def test_a_late_message_is_no_witness() -> None:
    device = Device(TRUE)
    device.wall_ms += DAY_MS
    device.passes(1_000)
    device.units_say(-HOUR_MS, times=9)
    assert device.clock.quality is Quality.SUSPECT


def test_nobody_is_heard_while_nothing_is_in_doubt() -> None:
    device = Device(TRUE)
    device.clock.witness("car-1", TRUE + YEAR_MS)
    assert (device.clock.now(), device.clock.quality) == (TRUE, Quality.PLAUSIBLE)


def test_the_real_clock_agrees_with_wall_time_and_never_goes_back() -> None:
    clock = AnchoredClock()
    first = clock.now()
    assert first > 1_600_000_000_000
    assert clock.now() >= first
    assert elapsed_ns() > 0


def test_the_fake_clock_moves_only_forward() -> None:
    clock = FakeClock(at=1_000)
    assert clock.advance(5) == clock.now() == 1_005
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


def test_local_time_is_looked_up_by_the_quarter_hour() -> None:
    assert utc_offset_s("Asia/Kathmandu", TRUE) == 20_700
    assert next_quarter_hour(TRUE) == TRUE - TRUE % (HOUR_MS // 4) + HOUR_MS // 4
