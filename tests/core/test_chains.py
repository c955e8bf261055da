from dataclasses import replace

import pytest

from gateway.core import chains
from gateway.core.campaign import Follows
from gateway.core.events import SESSION, Outcome
from gateway.core.release import Release
from gateway.core.state import Memory, Scope, StateKey
from gateway.testing.engines import CAR, a_release, an_action
from gateway.testing.samples import T0

ANNA, BEN = "s.anna", "s.ben"
AFTER = Follows("was_it_you", Outcome.ACCEPTED, 180)
CHAINED = a_release(actions=[an_action("was_it_you"), replace(an_action("card"), follows=AFTER)])
NOTED = StateKey(Scope.SUBJECT, ANNA, "followed", "was_it_you/accepted")


def noted(holder: str = ANNA, outcome: Outcome = Outcome.ACCEPTED, *, release: Release = CHAINED) -> Memory:
    memory = Memory()
    chains.note(memory, release, holder, CAR, "was_it_you", outcome, T0)
    return memory


def test_what_was_never_noted_opens_nothing() -> None:
    assert chains.open_until(Memory(), ANNA, CAR, AFTER, T0) is None


def test_it_is_open_from_then_on_and_closed_at_the_very_end() -> None:
    memory, end = noted(), T0 + 180_000
    assert chains.open_until(memory, ANNA, CAR, AFTER, T0) == end
    assert chains.open_until(memory, ANNA, CAR, AFTER, end - 1) == end
    assert chains.open_until(memory, ANNA, CAR, AFTER, end) is None


def test_the_same_again_opens_it_anew() -> None:
    memory = noted()
    chains.note(memory, CHAINED, ANNA, CAR, "was_it_you", Outcome.ACCEPTED, T0 + 60_000)
    assert chains.open_until(memory, ANNA, CAR, AFTER, T0) == T0 + 240_000


@pytest.mark.parametrize("outcome", [Outcome.DECLINED, Outcome.REDEEMED])
def test_another_outcome_opens_nothing_and_is_not_kept(outcome: Outcome) -> None:
    memory = noted(outcome=outcome)
    assert chains.open_until(memory, ANNA, CAR, AFTER, T0) is None
    assert memory.take_changes() == []


def test_what_nothing_follows_is_not_kept() -> None:
    assert noted(release=a_release(actions=[an_action("was_it_you")])).take_changes() == []


def test_what_nothing_follows_any_longer_is_let_go() -> None:
    memory = noted()
    memory.take_changes()
    chains.note(memory, a_release(), ANNA, CAR, "was_it_you", Outcome.ACCEPTED, T0)
    assert memory.take_changes() == [(NOTED, None)]


def test_it_opens_for_its_holder_alone_at_every_unit() -> None:
    memory = noted()
    assert chains.open_until(memory, ANNA, "till-1", AFTER, T0) is not None
    assert chains.open_until(memory, BEN, CAR, AFTER, T0) is None
    assert chains.open_until(memory, SESSION, CAR, AFTER, T0) is None


def test_of_a_session_it_lives_in_memory_and_ends_with_it() -> None:
    memory = noted(SESSION)
    assert chains.open_until(memory, SESSION, CAR, AFTER, T0) is not None
    assert chains.open_until(memory, SESSION, "till-1", AFTER, T0) is None
    assert memory.take_changes() == []
    memory.forget(Scope.SESSION, CAR)
    assert chains.open_until(memory, SESSION, CAR, AFTER, T0) is None
