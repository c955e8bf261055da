import itertools
from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import budget
from gateway.core.calendar import LONGEST_MS, window_start
from gateway.core.campaign import Action
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.terms import Budget, Calendar
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, Instant
from gateway.testing.engines import an_action

TODAY = 20_000 * DAY_MS
SPENT = StateKey(Scope.ENGINE, "", "spent", "pastry")


def of(total_cents: int, each: Calendar | None = None) -> Action:
    return replace(an_action("pastry"), budget=Budget(total_cents, each))


DAILY = of(1000, Calendar.DAY)


def left(memory: Memory, action: Action, now: Instant, utc_offset_s: int = 0) -> int:
    """Return the most that can still be paid."""
    refused = budget.objection(memory, action, 10**9, now, utc_offset_s)
    assert refused is not None
    cents = refused[1]["left_cents"]
    assert isinstance(cents, int)
    return cents


def test_an_action_without_a_budget_is_never_refused_and_nothing_is_counted() -> None:
    memory, free = Memory(), an_action("pastry")
    assert budget.objection(memory, free, 10**9, TODAY, 0) is None
    assert budget.spend(memory, free, 10**9, TODAY, 0) is None
    assert memory.take_changes() == []


def test_what_costs_nothing_is_not_counted() -> None:
    memory = Memory()
    assert budget.spend(memory, DAILY, 0, TODAY, 0) is None
    assert memory.take_changes() == []


def test_the_last_cent_can_be_spent_and_not_one_more() -> None:
    memory = Memory()
    budget.spend(memory, DAILY, 750, TODAY, 0)
    assert budget.objection(memory, DAILY, 250, TODAY, 0) is None
    refused = budget.objection(memory, DAILY, 251, TODAY, 0)
    assert refused == ("budget_spent", {"left_cents": 250, "cost_cents": 251})


def test_a_calendar_window_begins_anew_at_its_very_edge() -> None:
    memory = Memory()
    assert budget.spend(memory, DAILY, 1000, TODAY + HOUR_MS, 0) == TODAY
    assert left(memory, DAILY, TODAY + DAY_MS - 1) == 0
    assert left(memory, DAILY, TODAY + DAY_MS) == 1000


def test_the_day_is_that_of_the_units_local_time() -> None:
    memory = Memory()
    assert budget.spend(memory, DAILY, 1000, TODAY, 3600) == TODAY - HOUR_MS
    assert left(memory, DAILY, TODAY + DAY_MS - HOUR_MS - 1, 3600) == 0
    assert left(memory, DAILY, TODAY + DAY_MS - HOUR_MS, 3600) == 1000


def test_without_a_window_it_is_for_the_whole_campaign() -> None:
    memory, action = Memory(), of(1000)
    assert budget.spend(memory, action, 1000, TODAY, 0) == 0
    assert left(memory, action, TODAY + 1000 * DAY_MS) == 0


def test_what_nobody_was_shown_is_given_back() -> None:
    memory = Memory()
    opened = budget.spend(memory, DAILY, 600, TODAY, 0)
    assert opened is not None
    budget.give_back(memory, "pastry", 600, opened)
    assert left(memory, DAILY, TODAY) == 1000


def test_what_was_shown_after_all_is_spent_after_all_though_it_be_too_much() -> None:
    memory = Memory()
    opened = budget.spend(memory, DAILY, 600, TODAY, 0)
    assert opened is not None
    budget.give_back(memory, "pastry", 600, opened)
    budget.spend(memory, DAILY, 900, TODAY, 0)
    budget.spend_again(memory, "pastry", 600, opened)
    assert memory.get(*SPENT) == {"opened": TODAY, "cents": 1500}
    assert left(memory, DAILY, TODAY) == 0


def test_yesterdays_money_does_not_come_back_today() -> None:
    memory = Memory()
    yesterday = budget.spend(memory, DAILY, 600, TODAY - 1, 0)
    assert yesterday is not None
    budget.spend(memory, DAILY, 700, TODAY, 0)
    budget.give_back(memory, "pastry", 600, yesterday)
    assert left(memory, DAILY, TODAY) == 300


def test_what_was_spent_of_a_budget_no_longer_known_is_given_back_to_nobody() -> None:
    memory = Memory()
    budget.give_back(memory, "pastry", 600, TODAY)
    assert memory.take_changes() == []


@pytest.mark.parametrize("offsets_s", [(0, 3600), (3600, 0)], ids=["spring", "autumn"])
def test_a_change_of_summer_time_neither_opens_a_second_day_nor_skips_the_next(offsets_s: tuple[int, int]) -> None:
    before_s, after_s = offsets_s
    memory, midnight = Memory(), TODAY - before_s * 1000
    budget.spend(memory, DAILY, 1000, midnight + HOUR_MS, before_s)
    assert left(memory, DAILY, midnight + 3 * HOUR_MS, after_s) == 0
    assert left(memory, DAILY, TODAY + DAY_MS - after_s * 1000, after_s) == 1000


def test_two_units_that_disagree_what_time_it_is_share_one_budget() -> None:
    memory, half_an_hour_s = Memory(), 1800
    hourly = of(1000, Calendar.HOUR)
    budget.spend(memory, hourly, 1000, TODAY + 40 * MINUTE_MS, 0)
    assert left(memory, hourly, TODAY + 41 * MINUTE_MS, half_an_hour_s) == 0
    assert left(memory, hourly, TODAY + 59 * MINUTE_MS, half_an_hour_s) == 0


def test_a_budget_that_becomes_daily_begins_with_the_day() -> None:
    memory = Memory()
    budget.spend(memory, of(1000), 1000, TODAY, 0)
    assert left(memory, DAILY, TODAY) == 1000


FATES = st.sampled_from(["shown", "given back", "given back, shown after all"])
TRIES = st.lists(st.tuples(st.integers(0, 400), st.integers(0, DAY_MS), FATES), max_size=40)


@given(TRIES, st.sampled_from([None, *Calendar]), st.sampled_from([0, 3600, -12_600]))
def test_never_more_is_spent_in_a_window_than_there_is(
    tries: list[tuple[int, int, str]], each: Calendar | None, utc_offset_s: int
) -> None:
    memory, action, now = Memory(), of(1000, each), TODAY
    shown: dict[Instant, int] = defaultdict(int)
    for cost_cents, later_ms, fate in tries:
        now += later_ms
        window = 0 if each is None else window_start(each, now, utc_offset_s)
        possible = budget.objection(memory, action, cost_cents, now, utc_offset_s) is None
        assert possible == (shown[window] + cost_cents <= 1000)
        opened = budget.spend(memory, action, cost_cents, now, utc_offset_s) if possible else None
        if opened is None:
            continue
        if fate != "shown":
            budget.give_back(memory, "pastry", cost_cents, opened)
        if fate == "given back, shown after all":
            budget.spend_again(memory, "pastry", cost_cents, opened)
        shown[window] += cost_cents * (fate != "given back")
    assert all(cents <= 1000 for cents in shown.values())


@given(TRIES, st.sampled_from(list(Calendar)), st.lists(st.sampled_from([0, 1800, 3600]), min_size=1))
def test_windows_are_more_than_half_as_long_as_the_calendars_whatever_the_offsets(
    tries: list[tuple[int, int, str]], each: Calendar, offsets_s: list[int]
) -> None:
    memory, action, now = Memory(), of(1000, each), TODAY
    opened = []
    for number, (cost_cents, later_ms, _) in enumerate(tries):
        now += later_ms
        window = budget.spend(memory, action, cost_cents, now, offsets_s[number % len(offsets_s)])
        opened += [] if window is None else [window]
    assert opened == sorted(opened)
    starts = sorted(set(opened))
    assert all(later - start > LONGEST_MS[each] // 2 for start, later in itertools.pairwise(starts))
