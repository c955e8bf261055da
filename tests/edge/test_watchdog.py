"""A peer that says nothing is noticed in time; one that is only slow, or whom we do not hear, is left alone."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.watchdog import ANSWER_WITHIN_S, BULK_BYTES, DROPPING, ROLL_CALL_S, SILENT, Watchdog

INTERVAL_S = 30.0


@dataclass
class Call:
    """A call that was asked for."""

    at_s: float
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Timeline:
    """Time that passes when it is told to."""

    now_s: float = 1_000.0
    calls: list[Call] = field(default_factory=list)

    def time(self) -> float:
        return self.now_s

    def call_later(self, delay: float, callback: Callable[[], None], /) -> Call:
        self.calls.append(Call(self.now_s + delay, callback))
        return self.calls[-1]

    def advance(self, to_s: float, *, late_s: float = 0.0) -> None:
        """Move on, every call at its instant, or all of them late."""
        while due := [call for call in self.calls if not call.cancelled and call.at_s <= to_s]:
            call = min(due, key=lambda each: each.at_s)
            self.calls.remove(call)
            self.now_s = max(self.now_s, call.at_s + late_s)
            call.callback()
        self.now_s = max(self.now_s, to_s)


class Watched:
    """A watchdog, what it asked and when it gave up; the peer answers for as long as it is there."""

    def __init__(self, answers_after_s: float = 0.0) -> None:
        self.timeline = Timeline()
        self.started_s = self.timeline.now_s
        self.asked: list[float] = []
        self.given_up_s: float | None = None
        self.reason = ""
        self.is_there = True
        self.drops = False
        self._answers_after_s = answers_after_s
        self.dog = Watchdog(self.timeline, self._ask, self._give_up)
        self.dog.start(INTERVAL_S)

    def _ask(self) -> None:
        self.asked.append(self.timeline.now_s)
        if self.is_there:
            self.timeline.call_later(self._answers_after_s, self._answer if not self.drops else self._say_something)

    def _answer(self) -> None:
        self.dog.heard(2)
        self.dog.answered()

    def _say_something(self) -> None:
        self.dog.heard(200)

    def flood(self, seconds: float) -> None:
        """Let data come in bulk, twenty times a second."""
        for _ in range(round(seconds * 20)):
            self.dog.heard(BULK_BYTES)
            self.timeline.advance(self.timeline.now_s + 0.05)

    def _give_up(self, reason: str) -> None:
        assert self.given_up_s is None
        self.reason = reason
        self.given_up_s = self.timeline.now_s

    def after(self, seconds: float) -> float:
        return self.started_s + seconds


def test_a_peer_that_answers_is_never_given_up_and_asked_twice_an_interval() -> None:
    watched = Watched(answers_after_s=14.0)
    watched.timeline.advance(watched.after(3_000))

    assert watched.given_up_s is None
    assert len(watched.asked) == 200


@given(last_word_s=st.floats(0.0, 500.0))
def test_silence_is_noticed_after_an_interval_and_before_one_and_a_half(last_word_s: float) -> None:
    watched = Watched()
    for second in range(int(last_word_s)):
        watched.timeline.advance(watched.after(second))
        watched.dog.heard(200)
    watched.timeline.advance(watched.after(last_word_s))
    watched.is_there = False
    watched.dog.heard(200)
    spoke_s = watched.timeline.now_s
    watched.timeline.advance(watched.after(1_000))

    assert watched.given_up_s is not None
    assert watched.reason == SILENT
    assert INTERVAL_S <= watched.given_up_s - spoke_s <= 1.5 * INTERVAL_S
    assert [at for at in watched.asked if spoke_s <= at <= watched.given_up_s - INTERVAL_S / 2], "it had time to answer"


def test_nobody_is_given_up_by_a_watchdog_that_was_asleep() -> None:
    watched = Watched()
    watched.timeline.advance(watched.after(40))
    watched.timeline.advance(watched.after(60), late_s=3_600)
    assert watched.given_up_s is None

    watched.is_there = False
    watched.timeline.advance(watched.timeline.now_s + 2 * INTERVAL_S)
    assert watched.given_up_s is not None


def test_who_is_not_listened_to_is_asked_and_not_given_up() -> None:
    watched = Watched()
    watched.is_there = False
    watched.dog.deafen()
    watched.dog.deafen()
    watched.timeline.advance(watched.after(600))
    given_up_s = watched.given_up_s
    assert given_up_s is None
    assert len(watched.asked) >= 40, "we are there for the peer"

    watched.dog.undeafen()
    watched.dog.undeafen()
    watched.timeline.advance(watched.after(650))
    assert watched.given_up_s is not None
    assert watched.given_up_s - watched.after(600) == pytest.approx(ANSWER_WITHIN_S, abs=ROLL_CALL_S)


def test_who_keeps_answering_in_a_flood_is_not_given_up_and_asked_less_after_it() -> None:
    watched = Watched(answers_after_s=0.9 * ANSWER_WITHIN_S)
    watched.flood(60.0)
    asked = len(watched.asked)
    watched.timeline.advance(watched.after(360))

    assert watched.given_up_s is None
    assert asked >= 60 / ROLL_CALL_S * 0.9
    assert len(watched.asked) - asked <= 24, "twice an interval again"


@given(flood_s=st.floats(1.0, 30.0), lost=st.integers(1, 4))
def test_an_answer_that_was_dropped_in_a_flood_is_missed_once_the_flood_is_over(flood_s: float, lost: int) -> None:
    watched = Watched(answers_after_s=0.3)
    watched.flood(flood_s / 2)
    watched.drops = True
    while watched.given_up_s is None and lost:
        before = len(watched.asked)
        watched.flood(0.05)
        lost -= len(watched.asked) - before
    watched.timeline.advance(watched.timeline.now_s + 0.3)
    watched.drops = False
    watched.flood(flood_s / 2)
    over_s = watched.timeline.now_s
    watched.timeline.advance(over_s + 10.0)

    assert watched.reason == DROPPING
    assert watched.given_up_s is not None
    assert watched.given_up_s - over_s <= ANSWER_WITHIN_S + 2 * ROLL_CALL_S


def test_who_drops_half_of_its_answers_is_given_up_while_the_flood_lasts() -> None:
    watched = Watched(answers_after_s=0.3)
    for _ in range(60):
        watched.drops = not watched.drops
        watched.flood(0.25)
        if watched.reason:
            break

    assert watched.reason == DROPPING


def test_who_speaks_but_answers_nothing_is_given_up_without_a_flood_too() -> None:
    watched = Watched()
    watched.drops = True
    watched.timeline.advance(watched.after(600))

    assert watched.reason == DROPPING
    assert watched.given_up_s == pytest.approx(watched.after(1.5 * INTERVAL_S))


def test_a_watchdog_that_was_stopped_does_nothing() -> None:
    watched = Watched()
    watched.flood(1.0)
    asked = len(watched.asked)
    watched.dog.stop()
    watched.dog.stop()
    watched.dog.heard(BULK_BYTES)
    watched.timeline.advance(watched.after(600))

    assert (len(watched.asked), watched.given_up_s) == (asked, None)
