"""Each message has its due time before the load starts; triggers take turns and change no rate."""

import doctest
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.load import schedule as module
from simulators.load.schedule import NS, PlanRefused, Schedule, Trigger

RATES = st.integers(1, 10_000)


def test_examples_are_true() -> None:
    result = doctest.testmod(module)
    assert (result.failed, result.attempted > 0) == (0, True)


@given(RATES, st.integers(1, 60), st.integers(-5, 70 * NS))
def test_as_many_are_due_as_have_their_due_time_behind_them(rate: int, seconds: int, elapsed_ns: int) -> None:
    schedule = Schedule(rate, seconds)
    due = schedule.due_by(elapsed_ns)
    assert 0 <= due <= schedule.count == rate * seconds
    assert due == 0 or schedule.due_ns(due - 1) <= elapsed_ns
    assert due == schedule.count or schedule.due_ns(due) > elapsed_ns


@given(RATES.filter(lambda rate: rate >= 40), st.integers(1, 30), st.integers(1, 9), st.floats(0.1, 5))
def test_triggers_are_armed_before_they_are_due_and_take_turns(
    rate: int, seconds: int, units: int, every_s: float
) -> None:
    triggers = Schedule(rate, seconds, units, every_s).triggers()
    places = [place for trigger in triggers for place in (trigger.arming, trigger.message)]
    assert all(earlier < later for earlier, later in itertools.pairwise(places))
    assert all(0 <= place < rate * seconds for place in places)
    assert [trigger.unit for trigger in triggers] == [number % units for number in range(len(triggers))]


def test_the_first_trigger_comes_after_half_the_distance_of_two() -> None:
    assert Schedule(100, 3, 2, 1.0).triggers() == (Trigger(0, 0, 50), Trigger(1, 100, 150), Trigger(0, 200, 250))


def test_a_unit_is_armed_half_a_second_before_at_most() -> None:
    assert Schedule(10, 15, 1, 10.0).triggers() == (Trigger(0, 45, 50),)


def test_without_a_distance_there_are_no_triggers() -> None:
    assert Schedule(10, 15).triggers() == ()


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        ((0, 10), "the rate must be 1 to 200,000 messages/s, not 0"),
        ((200_001, 10), "rate"),
        ((10, 0.05), "duration must be 0.1 to 3,600 s"),
        ((10, 3_601), "duration"),
        ((10, float("nan")), "duration"),
        ((1, 0.5), "number of messages"),
        ((10_000, 3_600), "number of messages"),
        ((10, 10, 0), "number of units"),
        ((10, 10, 10_001), "number of units"),
        ((10, 10, 1, -1.0), "-1 s apart"),
        ((10, 10, 1, float("inf")), "inf s apart"),
        ((2, 10, 1, 1.0), "a trigger every 1 s needs a rate of 4/s"),
    ],
)
def test_a_load_without_bounds_is_refused(schedule: tuple[int, float], says: str) -> None:
    with pytest.raises(PlanRefused, match=says):
        Schedule(*schedule)
