"""Patterns as the engine plays them: timers, restarts, and people who come and go."""

from dataclasses import replace

import pytest

from gateway.core.campaign import Action
from gateway.core.effects import MomentNoticed, StateChanged
from gateway.core.engine import Engine
from gateway.core.events import Event
from gateway.core.moments import AbsenceNoticed
from gateway.core.state import StateKey
from gateway.core.steps import Absence, Step, Trigger
from gateway.core.terms import Per
from gateway.testing.engines import (
    CAR,
    EPOCH,
    FixedScorer,
    a_car,
    a_release,
    agreement,
    an_action,
    an_engine,
    decisions_in,
    identified,
    ignition_off,
    left,
    speed,
)
from gateway.testing.samples import T0

ANNA = "s.anna"
DAY = 86_400_000


def win_back(per: Per) -> Action:
    """Return an action for who parked twice in 30 days, and then not for 10."""
    pattern = Trigger((Step("Parked", times=2),), 30 * 86_400, absence=Absence(Step("Parked"), 10 * 86_400), per=per)
    return replace(an_action("back"), triggers=(pattern,))


def introduced() -> list[Event]:
    return [identified(ANNA, T0), *agreement(ANNA)]


def park(engine: Engine, at: int) -> list[object]:
    return [*engine.receive(speed(50.0, at - 1000), at - 1000), *engine.receive(ignition_off(at), at)]


def kept(effects: list[object]) -> dict[StateKey, object]:
    entries: dict[StateKey, object] = {}
    for effect in effects:
        if isinstance(effect, StateChanged):
            entries[effect.key] = effect.value
    return {key: value for key, value in entries.items() if value is not None}


@pytest.mark.parametrize("per", [Per.UNIT, Per.SUBJECT])
def test_an_absence_is_decided_upon_at_its_own_instant_also_after_a_restart(per: Per) -> None:
    release = a_release(actions=[win_back(per)])
    engine = an_engine(release)
    for event in introduced():
        engine.receive(event, T0)
    for day in (0, 5, 8):
        park(engine, T0 + day * DAY + 2000)
    due = T0 + 18 * DAY + 2000
    again = Engine.restore(engine.snapshot(), release, epoch=EPOCH, scorer=FixedScorer())
    for played in (engine, again):
        played.handle_timer(due - 1)
        effects = played.handle_timer(due + DAY)
        noticed = AbsenceNoticed(CAR, due, "back/0", ANNA if per is Per.SUBJECT else "")
        assert MomentNoticed(noticed) in effects
        (decision,) = decisions_in(effects)
        assert (decision.at, decision.moments) == (due, ("AbsenceNoticed",))


def test_who_was_away_when_a_waiting_ended_is_met_where_they_come_next() -> None:
    engine = an_engine(a_release(actions=[win_back(Per.SUBJECT)]), a_car(), a_car("car-2"))
    effects: list[object] = []
    for event in introduced():
        effects += engine.receive(event, T0)
    effects += park(engine, T0 + 2000) + park(engine, T0 + DAY) + engine.receive(left(T0 + 2 * DAY), T0 + 2 * DAY)
    back = T0 + 20 * DAY
    engine.receive(replace(identified(ANNA, back, unit="car-2"), state=kept(effects)), back)
    due = engine.next_timer()
    assert due is not None
    assert due <= back
    assert MomentNoticed(AbsenceNoticed("car-2", back, "back/0", ANNA)) in engine.handle_timer(back)
