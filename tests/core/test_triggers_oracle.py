"""Patterns against what they mean: every choice of moments is tried, nothing is remembered."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import triggers
from gateway.core.moments import AbsenceNoticed, DroveOff, Moment, OfferRedeemed, Parked
from gateway.core.release import compile_release
from gateway.core.state import Memory
from gateway.core.steps import Absence, Step, Trigger
from gateway.core.timers import Agenda
from gateway.testing.engines import CAR, an_action

A, B, X = Step("Parked"), Step("OfferRedeemed"), Step("DroveOff")
History = Sequence[tuple[int, str]]

HISTORIES = st.lists(st.tuples(st.integers(1, 6), st.sampled_from("AAABX")), max_size=14).map(
    lambda gaps: [(sum(gap for gap, _ in gaps[: n + 1]), name) for n, (_, name) in enumerate(gaps)]
)
WITHIN, TIMES = st.integers(1, 15), st.integers(1, 4)


def noticed(at_s: int, name: str) -> Moment:
    at = at_s * 1000
    if name == "A":
        return Parked(CAR, at, (), ())
    return OfferRedeemed(CAR, at, "o.1", "pastry", CAR) if name == "B" else DroveOff(CAR, at)


def engine_says(trigger: Trigger, history: History) -> list[int]:
    """Return the seconds at which a trigger matches, fed as by the engine: timers first, at their own instants."""
    memory, agenda = Memory(), Agenda()
    release = compile_release("r", 1, [], [replace(an_action("a"), triggers=(trigger,))], [])
    matched: list[int] = []

    def fire(until: int) -> None:
        while (due := agenda.take_due(until)) is not None:
            at, key = due
            if key.name == "window":
                triggers.close_window(memory, key.owner, key.item)
                continue
            for moment in triggers.absence_passed(memory, release, key.owner, key.item, at):
                assert isinstance(moment, AbsenceNoticed)
                matched.extend(found.moment.at // 1000 for found in triggers.match(memory, agenda, release, moment))

    for at_s, name in history:
        fire(at_s * 1000)
        matched += [at_s for _ in triggers.match(memory, agenda, release, noticed(at_s, name))]
    fire(10_000_000)
    assert memory.entries() == {}
    assert agenda.next_due() is None
    return matched


def undone(history: History, since: int, until: int) -> bool:
    return any(name == "X" and since < at < until for at, name in history)


def instants(history: History, name: str, after: int) -> list[int]:
    return [at for at, each in history if each == name and at > after]


def a_choice_of(history: History, times: int, within_s: int, after: int, last: int) -> bool:
    """Whether any so many A's up to an instant lie within the window that ends with it, with no X between."""
    return any(
        last - chosen[0] < within_s and not undone(history, chosen[0], last)
        for chosen in combinations([at for at in instants(history, "A", after) if at <= last], times)
    )


@settings(max_examples=300, deadline=None)
@given(HISTORIES, TIMES, WITHIN)
def test_counts_match_as_they_mean(history: History, times: int, within_s: int) -> None:
    expected: list[int] = []
    for at, name in history:
        after = expected[-1] if expected else 0
        if name == "A" and at in instants(history, "A", after) and a_choice_of(history, times, within_s, after, at):
            expected.append(at)
    single = times == 1
    trigger = Trigger((replace(A, times=times),), 0 if single else within_s, unless=() if single else (X,))
    assert engine_says(trigger, history) == expected


@settings(max_examples=300, deadline=None)
@given(HISTORIES, TIMES, WITHIN)
def test_sequences_match_as_they_mean(history: History, times: int, within_s: int) -> None:
    expected: list[int] = []
    for at, name in history:
        after = expected[-1] if expected else 0
        if name == "B" and a_choice_of(history, times, within_s, after, at):
            expected.append(at)
    assert engine_says(Trigger((replace(A, times=times), B), within_s, unless=(X,)), history) == expected


@settings(max_examples=300, deadline=None)
@given(HISTORIES, TIMES, WITHIN, st.integers(1, 12))
def test_absences_match_as_they_mean(history: History, times: int, within_s: int, for_s: int) -> None:
    expected: list[int] = []
    for at, name in history:
        after = expected[-1] if expected else 0
        due = at + for_s
        last = name == "A" and at >= after and not any(at < other < due for other in instants(history, "A", 0))
        if last and not undone(history, at, due) and a_choice_of(history, times, within_s, after - 1, at):
            expected.append(due)
    trigger = Trigger((replace(A, times=times),), within_s, unless=(X,), absence=Absence(A, for_s))
    assert engine_says(trigger, history) == expected
