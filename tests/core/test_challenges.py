from collections.abc import Sequence

import pytest

from gateway.core import challenges, consent
from gateway.core.events import ConsentChanged, Purpose
from gateway.core.moments import ChallengeAdvanced, ChallengeMet, FenceDwelled, FenceExited, Moment, Parked
from gateway.core.release import compile_release
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.steps import Challenge, Step
from gateway.core.terms import Calendar
from gateway.core.units import DAY_MS, HOUR_MS, Instant
from gateway.testing.engines import CAR, agreement

ANNA, BERT = "s.anna", "s.bert"
MONDAY: Instant = 1_700_438_400_000
"""2023-11-20T00:00:00Z."""
KEY = StateKey(Scope.SUBJECT, ANNA, "challenge", "visits")
VISITS = Challenge("visits", Step("FenceDwelled", fence_kind="cafe"), 3, Calendar.WEEK)
STOPS = Challenge("stops", Step("Parked", condition="moment.at % 2 == 0"), 2, Calendar.DAY)


class Counting:
    """People at the car, and challenges."""

    def __init__(self, *subjects: str, of: Sequence[Challenge] = (VISITS,)) -> None:
        self.memory = Memory()
        self.release = compile_release("r", 1, [], [], [], challenges=of)
        for role, subject in zip(("driver", "passenger"), subjects, strict=False):
            self.memory.put(StateKey(Scope.UNIT, CAR, "presence", role), {"subject": subject, "ts": 0})

    def agree(self, subject: str, *purposes: Purpose) -> "Counting":
        for event in agreement(subject, *purposes):
            consent.record(self.memory, event)
        return self

    def advance(self, moment: Moment, offset_s: int = 0) -> list[Moment]:
        return challenges.advance(self.memory, self.release, moment, moment.at, offset_s)

    def done(self, at: Instant, offset_s: int = 0) -> list[int]:
        advanced = self.advance(dwelled(at), offset_s)
        return [moment.done for moment in advanced if isinstance(moment, ChallengeAdvanced)]


def dwelled(at: Instant) -> FenceDwelled:
    return FenceDwelled(CAR, at, "bistro", "cafe")


def parked(at: Instant, *fences: str) -> Parked:
    return Parked(CAR, at, fences, ())


def test_each_moment_advances_a_challenge_and_the_last_one_meets_it_once() -> None:
    counting = Counting(ANNA).agree(ANNA)
    told = [counting.advance(dwelled(MONDAY + hour)) for hour in range(5)]
    assert told == [
        [ChallengeAdvanced(CAR, MONDAY, "visits", ANNA, 1, 2)],
        [ChallengeAdvanced(CAR, MONDAY + 1, "visits", ANNA, 2, 1)],
        [ChallengeAdvanced(CAR, MONDAY + 2, "visits", ANNA, 3, 0), ChallengeMet(CAR, MONDAY + 2, "visits", ANNA)],
        [],
        [],
    ]
    assert counting.memory.get(*KEY) == {"opened": MONDAY, "done": 3}


def test_a_new_window_counts_from_the_start() -> None:
    counting = Counting(ANNA).agree(ANNA)
    sunday = MONDAY + 7 * DAY_MS - 1
    assert [counting.done(at) for at in (MONDAY, sunday, sunday + 1)] == [[1], [2], [1]]


def test_a_change_to_winter_time_ends_no_week() -> None:
    counting = Counting(ANNA).agree(ANNA)
    summer, winter = 7200, 3600
    assert counting.done(MONDAY + HOUR_MS, summer) == [1]
    assert counting.done(MONDAY + 6 * DAY_MS, winter) == [2]


def test_each_person_counts_for_themselves() -> None:
    counting = Counting(BERT, ANNA).agree(ANNA).agree(BERT)
    assert [
        moment.subject for moment in counting.advance(dwelled(MONDAY)) if isinstance(moment, ChallengeAdvanced)
    ] == [
        ANNA,
        BERT,
    ]


@pytest.mark.parametrize(
    ("purposes", "visits", "stops"),
    [
        ((Purpose.PROFILING,), 0, 1),
        ((Purpose.LOCATION_TRIGGERS,), 0, 0),
        ((Purpose.PROFILING, Purpose.LOCATION_TRIGGERS), 1, 1),
    ],
)
def test_without_agreement_nothing_is_counted(purposes: tuple[Purpose, ...], visits: int, stops: int) -> None:
    counting = Counting(ANNA, of=(VISITS, STOPS)).agree(ANNA, *purposes)
    assert len(counting.advance(dwelled(MONDAY))) == visits
    assert len(counting.advance(parked(MONDAY))) == stops


def test_what_is_no_such_moment_is_not_counted() -> None:
    left = Challenge("left", Step("FenceExited"), 2, Calendar.DAY)
    counting = Counting(ANNA, of=(VISITS, STOPS, left)).agree(ANNA)
    assert counting.advance(FenceDwelled(CAR, MONDAY, "mall", "mall")) == []
    assert counting.advance(parked(MONDAY + 1)) == []
    assert counting.advance(FenceExited(CAR, MONDAY, "bistro", "cafe", "gap")) == []
    assert counting.advance(ChallengeMet(CAR, MONDAY, "visits", ANNA)) == []


def test_nothing_is_counted_where_nobody_is_known() -> None:
    assert Counting().advance(dwelled(MONDAY)) == []


def test_withdrawing_drops_what_was_counted_under_it() -> None:
    counting = Counting(ANNA, of=(VISITS, STOPS)).agree(ANNA)
    counting.advance(dwelled(MONDAY))
    counting.advance(parked(MONDAY))

    def kept(purpose: Purpose) -> list[str]:
        consent.record(counting.memory, ConsentChanged(CAR, MONDAY, f"w.{purpose}", ANNA, purpose, given=False))
        challenges.forget_unconsented(counting.memory, counting.release, ANNA, CAR, MONDAY)
        return list(counting.memory.group(Scope.SUBJECT, ANNA, "challenge"))

    assert kept(Purpose.THIRD_PARTY) == ["visits", "stops"]
    assert kept(Purpose.LOCATION_TRIGGERS) == ["stops"]
    assert kept(Purpose.PROFILING) == []


def test_what_was_counted_for_a_challenge_that_is_no_more_is_dropped() -> None:
    counting = Counting(ANNA).agree(ANNA)
    counting.advance(dwelled(MONDAY))
    challenges.forget_unconsented(counting.memory, compile_release("r", 2, [], [], []), ANNA, CAR, MONDAY)
    assert counting.memory.get(*KEY) is None
