"""What another release makes of windows that are open, and what becomes of those of an older ledger."""

from dataclasses import replace

import pytest

from gateway.core import triggers
from gateway.core.moments import DroveOff, Parked
from gateway.core.release import Release
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.steps import Absence, Step
from gateway.core.terms import Per
from gateway.core.timers import Agenda, TimerKey
from gateway.testing.engines import CAR, a_release, a_trigger, an_action

T = 1_000_000
PARKED = Parked(CAR, T, (), ())
TYRES = replace(an_action("tyres"), triggers=(a_trigger("Parked", "DroveOff", within_s=60),))
OLD = a_release(actions=[TYRES])
LATER = a_release(actions=[replace(TYRES, triggers=(a_trigger("Parked", "DroveOff", within_s=61),))])
KEY = StateKey(Scope.UNIT, CAR, "window", "tyres/0")


@pytest.mark.parametrize(
    ("old", "new", "stays"),
    [
        (OLD, a_release(actions=[TYRES, an_action("other")]), True),
        (OLD, a_release(), False),
        (OLD, a_release(actions=[replace(TYRES, value=2.0)]), True),
        (OLD, a_release(actions=[replace(TYRES, triggers=())]), False),
        (OLD, LATER, False),
        (None, a_release(actions=[replace(TYRES, value=2.0)]), True),
        (None, a_release(actions=[replace(TYRES, triggers=())]), False),
        (None, a_release(), False),
        (None, LATER, False),
    ],
)
def test_another_release_keeps_the_windows_of_unchanged_patterns_only(
    old: Release | None, new: Release, *, stays: bool
) -> None:
    memory = Memory()
    triggers.match(memory, Agenda(), OLD, PARKED)
    triggers.close_changed(memory, old, new, CAR)
    assert (memory.get(*KEY) is not None) == stays


def altered(**changes: object) -> Release:
    return a_release(actions=[replace(TYRES, triggers=(replace(TYRES.triggers[0], **changes),))])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new", "stays"),
    [
        (None, OLD, True),
        (None, LATER, True),
        (OLD, OLD, True),
        (OLD, LATER, False),
        (a_release(), OLD, False),
        (None, altered(unless=(Step("DroveOff"),)), False),
        (None, altered(absence=Absence(Step("DroveOff"), 5)), False),
        (None, altered(per=Per.SUBJECT), False),
        (None, altered(steps=(Step("Parked", times=2), Step("DroveOff"))), False),
        (None, altered(steps=(Step("Parked"), Step("DroveOff", condition="moment.at > 0"))), False),
        (None, altered(steps=(Step("Parked", times=2),)), False),
    ],
)
def test_a_window_without_a_fingerprint_stands_for_plain_sequences(
    old: Release | None, new: Release, *, stays: bool
) -> None:
    memory = Memory({KEY: {"step": 1, "opened": T}})
    triggers.close_changed(memory, old, new, CAR)
    assert (memory.get(*KEY) is not None) == stays


def test_a_window_of_an_older_ledger_goes_on() -> None:
    memory = Memory({KEY: {"step": 1, "opened": T}})
    assert triggers.windows(memory, OLD, CAR) == [(TimerKey("window", CAR, "tyres/0"), T + 60_000)]
    (found,) = triggers.match(memory, Agenda(), OLD, DroveOff(CAR, T + 59_000))
    assert found.action == TYRES


def test_a_window_further_on_than_its_pattern_goes_is_closed() -> None:
    memory = Memory({KEY: {"step": 2, "opened": T}})
    triggers.close_changed(memory, None, OLD, CAR)
    assert memory.entries() == {}
