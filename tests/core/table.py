"""A table, for tests: a parked car in which decisions fall."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.core import context
from gateway.core.campaign import Action, Kind, Placement
from gateway.core.decide import Judge, decide
from gateway.core.drive import Drive, Driving
from gateway.core.effects import (
    Decision,
    Effect,
    Verdict,
)
from gateway.core.events import Role, UnitKind
from gateway.core.moments import Moment, Parked
from gateway.core.release import ModelSpec, compile_release
from gateway.core.scoring import Scorer
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.terms import Group
from gateway.core.timers import Agenda
from gateway.core.triggers import Match
from gateway.core.turn import Turn
from gateway.testing.engines import CAR, EPOCH, FixedScorer, an_action, decisions_in
from gateway.testing.samples import T0

ANNA, BEN = "s.anna", "s.ben"
SCREENS = (Placement.DRIVER_SCREEN, Placement.PASSENGER_SCREEN)
UNIT = context.Unit(CAR, UnitKind.CAR, SCREENS, "en", contextual_offers=False, utc_offset_s=0)
PARKED = Parked(CAR, T0, ("station",), ("fuel_station",))
COUPON = ModelSpec(
    "coupon", "1", ("hour", "category_bar", "visits_in_category", "validity_hours"), ("bar", "coffee_house")
)
CROWD = ModelSpec("crowd", "1", ("alone",), ("bar",))


class Table:
    """A parked car in which decisions fall. Services need no consent, so what is decided is not about consent here."""

    def __init__(self, *people: tuple[Role, str]) -> None:
        parked = Drive(Driving.PARKED, T0, frozenset({"brake"}))
        entries: dict[StateKey, object] = {StateKey(Scope.UNIT, CAR, "drive"): parked.to_json()}
        for role, subject in people or ((Role.DRIVER, ANNA),):
            entries[StateKey(Scope.UNIT, CAR, "presence", role.value)] = {"subject": subject, "ts": T0}
        self.memory, self.agenda, self.scorer = Memory(entries), Agenda(), FixedScorer()

    def decide(
        self,
        *actions: Action,
        unit: context.Unit = UNIT,
        moments: Sequence[Moment] = (PARKED,),
        scorer: Scorer | None = None,
        all_refusals: bool = False,
        groups: Sequence[Group] = (),
    ) -> list[Effect]:
        distinct = {action.id: action for action in actions}.values()
        release = compile_release("release-1", 1, [], distinct, [COUPON, CROWD], groups=groups)
        turn = Turn(self.memory, self.agenda, release, T0)
        matches = [Match(action, "Parked", None, PARKED) for action in actions]
        decide(turn, unit, moments, matches, Judge(scorer or self.scorer, EPOCH, all_refusals))
        return turn.effects

    def decision(self, *actions: Action, unit: context.Unit = UNIT, scorer: Scorer | None = None) -> Decision:
        (decision,) = decisions_in(self.decide(*actions, unit=unit, scorer=scorer))
        return decision


def a_fact(value: object, ts: int = T0) -> dict[str, object]:
    return {"value": value, "ts": ts, "until": None}


def agrees(table: Table, *purposes: str) -> None:
    for purpose in purposes:
        said = {"purpose": purpose, "id": "g1", "given": True, "supersedes": [], "valid_until": None}
        table.memory.put(StateKey(Scope.SUBJECT, ANNA, "consent", f"{purpose}/given/g1"), said)


def verdicts_of(decision: Decision) -> dict[str, Verdict]:
    return {verdict.action: verdict for verdict in decision.verdicts}


def service(id_: str = "charger", *, placements: Sequence[Placement] = (Placement.DRIVER_SCREEN,)) -> Action:
    return an_action(id_, kind=Kind.SERVICE, placements=placements)


def by_model(id_: str, model: str = "coupon", category: str = "bar") -> Action:
    return replace(service(id_), model=model, category=category, prior=None)
