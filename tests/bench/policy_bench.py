"""Screening: what 200 candidates cost that a moment brought about, each with three expressions of its own.

Told of the whole decision (from the event that parks the car to the effects) and of the screening by itself, by where
candidates are refused, with contact policies at none or all three levels and with more and more reservations on the
books. The figure to compare with earlier ones is `plain`: no contact policy, every candidate permitted, silence wins;
it is `decision_200_candidates` of the engine's own bench, measured here beside the others.
"""

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import engine_bench
from engine_bench import CAR, OFF, ON, START
from figures import figure, percentile

from gateway.core import context
from gateway.core.campaign import Action, Kind
from gateway.core.candidate import Addressee, Candidate, basis_of
from gateway.core.effects import DecisionRecorded, OfferMade
from gateway.core.engine import Engine
from gateway.core.events import (
    Role,
    SignalsReported,
    SubjectIdentified,
    UnitKind,
    UnitRegistered,
)
from gateway.core.release import Release, compile_release
from gateway.core.screening import Scene, screen
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.terms import Calendar, Cap, ContactPolicy, Group, Per, Reward, Suppression
from gateway.core.timers import Agenda
from gateway.core.turn import Turn
from gateway.core.units import SECOND_MS
from gateway.testing.engines import FixedScorer, agreement

CANDIDATES = 200
RUNS = 3
DECISIONS = 300
RESERVATIONS = (0, 50, 500)
SUBJECT = "s.1"
GROUP = "all"
HOUSEHOLD = "h.1"
PLENTY = 1_000_000
"""A cap that is never reached, so that each of its windows is counted and refuses nobody."""

LIMITS = ContactPolicy(
    caps=(Cap(PLENTY, each=Calendar.DAY), Cap(PLENTY, within_s=7 * 24 * 3600, per=Per.HOUSEHOLD)),
    cool_down_s=7200,
    suppression=Suppression(ignored=5, for_s=30 * 24 * 3600),
)
"""What each level asks: two windows, a cool-down and a suppression."""
REACHED = ContactPolicy(caps=(Cap(1, each=Calendar.MONTH),))
"""What each level asks where it is to refuse."""


@dataclass(frozen=True)
class Case:
    """A kind of decision.

    Attributes:
        alter: Changes an action of the engine's bench.
        contact: The contact policy of each level; none where it is None.
        reservations: How many the ledger brings along, spread over the three levels.
        slate: How many of the group are shown together.
        agreed: Whether the driver agrees to everything, or to nothing.
    """

    alter: Callable[[Action], Action] = lambda action: action
    contact: ContactPolicy | None = None
    reservations: int = 0
    slate: int = 1
    agreed: bool = True


def measure() -> dict[str, object]:
    """Return what decisions take, and the screening in them."""
    return {name: _figures(case) for name, case in _CASES.items()}


def _figures(case: Case) -> dict[str, object]:
    whole = [sorted(_decided(case)) for _ in range(1 + RUNS)][1:]
    alone = [sorted(_screened(case)) for _ in range(1 + RUNS)][1:]
    return {
        "decision_p50": figure([percentile(run, 0.50) * 1e6 for run in whole], "us"),
        "decision_p99": figure([percentile(run, 0.99) * 1e6 for run in whole], "us"),
        "screening_p50": figure([percentile(run, 0.50) * 1e6 for run in alone], "us"),
        "screening_p99": figure([percentile(run, 0.99) * 1e6 for run in alone], "us"),
        "outcome": _outcome(case),
    }


def release(case: Case) -> Release:
    """Return a release in which parking makes 200 candidates of such a kind."""
    given = engine_bench.release(CANDIDATES)
    contact = case.contact or ContactPolicy()
    actions = [replace(case.alter(action), contact=contact, group=GROUP) for action in given.actions.values()]
    groups = [Group(GROUP, contact, case.slate)]
    return compile_release("bench", 1, given.fences.values(), actions, [], groups=groups, contact=contact)


def ready(case: Case) -> Engine:
    """Return an engine in whose car sits a driver who has been offered this and that."""
    engine = Engine(release(case), epoch="b", scorer=FixedScorer())
    engine.receive(UnitRegistered(CAR, START, UnitKind.CAR, ("driver_screen",)), START)
    engine.receive(SubjectIdentified(CAR, START, "i1", SUBJECT, Role.DRIVER, state=_on_the_books(case)), START)
    if case.agreed:
        for consent in agreement(SUBJECT, unit=CAR, ts=START):
            engine.receive(consent, START)
    # As the process does once it has started.
    gc.collect()
    gc.freeze()
    return engine


def _on_the_books(case: Case) -> Mapping[StateKey, object]:
    """Return what the ledger knows: a household, and reservations, theirs and its own, a third at each level."""
    known: dict[StateKey, object] = {
        StateKey(Scope.SUBJECT, SUBJECT, "fact", "household"): {"value": HOUSEHOLD, "ts": START, "until": None}
    }
    for number in range(case.reservations):
        level = (f"action-{number // 3 % CANDIDATES}", f"+{GROUP}", "*")[number % 3]
        for scope, owner in ((Scope.SUBJECT, SUBJECT), (Scope.HOUSEHOLD, HOUSEHOLD)):
            known[StateKey(scope, owner, "cap", f"{level}/o.{number}")] = START - number * SECOND_MS
    return known


def _decided(case: Case) -> list[float]:
    """Return what each of some parkings took, in seconds, from the event to the effects."""
    engine, now, took = ready(case), START, []
    for _ in range(DECISIONS):
        now += 1000
        engine.receive(SignalsReported(CAR, now, ON), now)
        now += 1000
        event = SignalsReported(CAR, now, OFF)
        began = time.perf_counter()
        engine.receive(event, now)
        took.append(time.perf_counter() - began)
    return took


def _screened(case: Case) -> list[float]:
    """Return what screening all candidates of a parking took, again and again, in seconds."""
    engine, now, took = ready(case), START + 1000, []
    engine.receive(SignalsReported(CAR, now, OFF), now)
    turn = Turn(Memory(engine.snapshot()), Agenda(), release(case), now)
    turn.memory.forget(Scope.OFFER, CAR)
    unit = context.unit_of(turn.memory, CAR)
    for _ in range(DECISIONS):
        # Nothing of whom they speak to has been read yet.
        to = Addressee(turn, unit, Role.DRIVER, SUBJECT, basis_of(Kind.MARKETING))
        candidates = [Candidate(action, action.treatments[0], to) for action in turn.release.actions.values()]
        began = time.perf_counter()
        scene = Scene(turn, unit)
        for candidate in candidates:
            screen(scene, candidate)
        took.append(time.perf_counter() - began)
    return took


def _outcome(case: Case) -> dict[str, object]:
    """Return what became of the candidates of one parking, and how many offers it brought: the case is what it says."""
    effects = ready(case).receive(SignalsReported(CAR, START + 1000, OFF), START + 1000)
    (decision,) = [effect.decision for effect in effects if isinstance(effect, DecisionRecorded)]
    stages = [verdict.refusal.stage.value for verdict in decision.verdicts if verdict.refusal is not None]
    refused = {stage: stages.count(stage) for stage in sorted(set(stages))}
    return {"refused_at": refused, "offers": sum(isinstance(effect, OfferMade) for effect in effects)}


def _ineligible(action: Action) -> Action:
    return replace(action, eligible=f"occupants > {action.id.removeprefix('action-')}")


def _unsuitable(action: Action) -> Action:
    return replace(action, suitable=f"weekday > {int(action.id.removeprefix('action-')) + 10}")


def _worthwhile(action: Action) -> Action:
    return replace(action, value=10.0, annoyance=0.0)


def _rewarded(action: Action) -> Action:
    return replace(action, reward=Reward("r", "A coffee", cost_cents=250, currency="EUR"))


_CASES: Mapping[str, Case] = {
    "plain": Case(),
    "refused_first_at_consent": Case(agreed=False),
    "refused_at_eligibility": Case(_ineligible, LIMITS, 50),
    "refused_at_suitability": Case(_unsuitable, LIMITS, 50),
    "refused_at_contact_policy": Case(contact=REACHED, reservations=600),
    **{
        f"permitted_three_levels_{count}_reservations": Case(contact=LIMITS, reservations=count)
        for count in RESERVATIONS
    },
    "permitted_with_rewards": Case(_rewarded, LIMITS, 50),
    "one_offered": Case(_worthwhile, LIMITS, 50),
    "slate_of_three_offered": Case(_worthwhile, LIMITS, 50, slate=3),
    "slate_of_three_offered_500_reservations": Case(_worthwhile, LIMITS, 500, slate=3),
}
