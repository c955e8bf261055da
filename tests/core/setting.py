"""The setting of a screening, for tests: a parked car, and who sits in it."""

from collections.abc import Mapping
from dataclasses import replace

from gateway.core import consent, context
from gateway.core.campaign import Action
from gateway.core.candidate import Addressee, Candidate, basis_of
from gateway.core.drive import Drive, Driving
from gateway.core.effects import Refusal
from gateway.core.events import SESSION, Role, Scalar, UnitKind
from gateway.core.release import ModelSpec
from gateway.core.screening import Scene, screen, screen_whole
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.timers import Agenda
from gateway.core.turn import Turn
from gateway.testing.engines import CAR, a_release, agreement, an_action
from gateway.testing.samples import T0

ANNA, BEN = "s.anna", "s.ben"
PASTRY = an_action("pastry")
TREATMENT = PASTRY.treatments[0]
COUPON = ModelSpec("coupon", "1", ("hour",), ("bar",))
DRIVER = StateKey(Scope.UNIT, CAR, "presence", "driver")
PASSENGER = StateKey(Scope.UNIT, CAR, "presence", "passenger")


def fact(value: Scalar, *, ts: int = T0, until: int | None = None) -> dict[str, object]:
    return {"value": value, "ts": ts, "until": until}


class Setting:
    """A parked car with Anna at the wheel, who agreed to everything."""

    def __init__(
        self, *, holder: str = ANNA, contextual_offers: bool = False, facts: Mapping[str, Scalar] | None = None
    ) -> None:
        parked = Drive(Driving.PARKED, T0, frozenset({"brake"}))
        self.memory = Memory({StateKey(Scope.UNIT, CAR, "drive"): parked.to_json()})
        self.holder = holder
        if holder != SESSION:
            self.memory.put(DRIVER, {"subject": holder, "ts": T0})
        for name, value in (facts or {}).items():
            self.memory.put(StateKey(Scope.SUBJECT, holder, "fact", name), fact(value))
        for event in agreement(holder):
            consent.record(self.memory, event)
        self.unit = context.Unit(CAR, UnitKind.CAR, ("driver_screen",), "en", contextual_offers, 0)

    def put(self, scope: Scope, owner: str, name: str, item: str, value: object) -> None:
        self.memory.put(StateKey(scope, owner, name, item), value)

    def scene(self, action: Action, now: int = T0) -> Scene:
        return Scene(a_turn(self, action, now), self.unit)

    def candidate(self, scene: Scene, action: Action, **known: object) -> Candidate:
        turn = a_turn(self, action, scene.now)
        addressee = Addressee(turn, self.unit, Role.DRIVER, self.holder, basis_of(action.kind))
        addressee.evaluation = turn.release.expressions.evaluation({**addressee.evaluation.variables, **known})
        return Candidate(action, action.treatments[0], addressee)

    def screen(self, action: Action, *, now: int = T0, **known: object) -> Refusal | None:
        scene = self.scene(action, now)
        refusal = screen(scene, self.candidate(scene, action, **known))
        whole = screen_whole(scene, self.candidate(scene, action, **known))
        assert next(iter(whole), None) == refusal
        return refusal


PERSONAL = replace(PASTRY, treatments=(replace(TREATMENT, personal=True),))


def a_turn(setting: Setting, action: Action, now: int = T0) -> Turn:
    return Turn(setting.memory, Agenda(), a_release(actions=[action], models=[COUPON]), now)
