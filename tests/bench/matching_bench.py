"""Matching: what a moment costs among many actions of which few wait for it, and with many patterns under way.

Each figure is of `triggers.match` alone, as the engine calls it for each moment, and `growth` is what ten thousand
actions cost beside ten. In each world one action waits for the moment that comes; whatever the others wait for or have
under way must cost it nothing. Two are told for comparison, up to a thousand: challenges, which are counted apart; and
`same_moment_condition_false`, where all wait for that moment and only their `if` says no.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import cycle

from figures import figure

from gateway.core import challenges, triggers
from gateway.core.campaign import Action, Audience, Kind, Placement, Treatment
from gateway.core.engine import Engine
from gateway.core.events import Purpose, Role
from gateway.core.fences.geometry import Circle, Fence
from gateway.core.moments import DroveOff, FenceDwelled, FenceEntered, Moment, OfferAccepted, OfferRedeemed, Parked
from gateway.core.release import compile_release
from gateway.core.state import Memory
from gateway.core.steps import Challenge, Step, Trigger
from gateway.core.terms import Calendar, Per
from gateway.core.timers import Agenda
from gateway.core.units import SECOND_MS, Instant, Position
from gateway.testing.engines import FixedScorer, a_car, agreement, identified

START = 1_767_250_800_000
CAR = "car-1"
SIZES = (10, 100, 1_000, 10_000)
SCANNED = (10, 100, 1_000)
"""Where each of them is asked, ten thousand tell no more."""
RUNS = 5
MOMENTS = 2_000
WEEK_S = 7 * 24 * 3600
MANY = 1_000_000

Build = Callable[[int], "World"]


@dataclass(frozen=True)
class World:
    """Actions, and moments of which each is matched against all of them.

    Attributes:
        actions: One of them may wait for what `moments` bring.
        opening: Moments that come first: they get patterns under way.
        moments: What then comes again and again, a second apart, given its instant.
        challenges: If there are any, they are counted, and no actions matched.
    """

    actions: Iterable[Action]
    moments: tuple[Callable[[Instant], Moment], ...]
    opening: tuple[Callable[[Instant], Moment], ...] = ()
    challenges: tuple[Challenge, ...] = ()
    fences: tuple[Fence, ...] = ()


def measure() -> dict[str, object]:
    """Return what a moment costs, by what the other actions do."""
    found: dict[str, object] = {name: _growing(build, SIZES) for name, build in _INDEXED.items()}
    return found | {name: _growing(build, SCANNED) for name, build in _ASKED.items()}


def _growing(build: Build, sizes: Iterable[int]) -> dict[str, object]:
    found = {size: _us_per_moment(build(size)) for size in sizes}
    medians = {size: statistics.median(each) for size, each in found.items()}
    by_size: dict[str, object] = {str(size): figure(each, "us/moment") for size, each in found.items()}
    return by_size | {"growth": round(medians[max(medians)] / medians[min(medians)], 2)}


def _us_per_moment(world: World) -> list[float]:
    """Return what a moment takes: of so many runs, after one that warms up, each of `MOMENTS`."""
    memory, match = _prepared(world)
    for moment in world.opening:
        match(moment(START))
    took = []
    for run in range(1 + RUNS):
        memory.take_changes()
        instants = range(START + run * MOMENTS * SECOND_MS, START + (run + 1) * MOMENTS * SECOND_MS, SECOND_MS)
        coming = [moment(at) for at, moment in zip(instants, cycle(world.moments), strict=False)]
        began = time.process_time()
        for each in coming:
            match(each)
        took.append((time.process_time() - began) / MOMENTS * 1e6)
    return took[1:]


def _prepared(world: World) -> tuple[Memory, Callable[[Moment], object]]:
    """Return a memory in which a car is known with its driver, who agreed to everything; and what matches there."""
    release = compile_release("bench", 1, world.fences, world.actions, [], challenges=world.challenges)
    engine = Engine(release, epoch="b", scorer=FixedScorer())
    engine.receive(a_car(CAR, ts=START), START)
    engine.receive(identified("s.1", START, role=Role.DRIVER, unit=CAR), START)
    for consent in agreement("s.1", *Purpose, unit=CAR, ts=START):
        engine.receive(consent, START)
    memory, agenda = Memory(engine.snapshot()), Agenda()
    if world.challenges:
        return memory, lambda moment: challenges.advance(memory, release, moment, moment.at, 0)
    return memory, lambda moment: triggers.match(memory, agenda, release, moment)


def _action(number: int, trigger: Trigger) -> Action:
    treatment = Treatment(Placement.DRIVER_SCREEN, "en", "Title", "Body")
    return Action(f"action-{number}", Kind.MARKETING, Audience.SUBJECT, (trigger,), (treatment,), prior=0.1)


def _one(step: Step, others: Callable[[int], Trigger], count: int) -> list[Action]:
    """Return an action that waits for a step alone, and so many others."""
    return [_action(0, Trigger((step,))), *(_action(number, others(number)) for number in range(1, count))]


def _entered(fence: str, kind: str, at: Instant) -> Moment:
    return FenceEntered(CAR, at, fence, kind)


def _dwelled(fence: str, kind: str, at: Instant) -> Moment:
    return FenceDwelled(CAR, at, fence, kind)


def _parked_in(fence: str, kind: str, at: Instant) -> Moment:
    return Parked(CAR, at, (fence,), (kind,))


def _parked_nowhere(at: Instant) -> Moment:
    return Parked(CAR, at, (), ())


def _drove_off(at: Instant) -> Moment:
    return DroveOff(CAR, at)


def _accepted(action: str, at: Instant) -> Moment:
    return OfferAccepted(CAR, at, "o.1", action, "s.1")


def _redeemed(action: str, at: Instant) -> Moment:
    return OfferRedeemed(CAR, at, "o.1", action, CAR, "s.1")


def _other_moments(count: int) -> World:
    others = _one(Step("Parked"), lambda number: Trigger((Step("OfferAccepted", action=f"a{number}"),)), count)
    return World(others, (_parked_nowhere,))


def _other_fences(count: int) -> World:
    others = _one(Step("FenceEntered", fence="f0"), lambda n: Trigger((Step("FenceEntered", fence=f"f{n}"),)), count)
    return World(others, (partial(_entered, "f0", "cafe"),))


def _other_kinds(count: int) -> World:
    step = Step("FenceEntered", fence_kind="cafe")
    others = _one(step, lambda number: Trigger((Step("FenceEntered", fence_kind=f"k{number}"),)), count)
    return World(others, (partial(_entered, "f0", "cafe"),))


def _other_tags(count: int) -> World:
    here = Fence("f0", "cafe", "F0", Circle(Position(8.5, 47.4), 100.0), tags=("partner",))
    step = Step("FenceEntered", tag="partner")
    others = _one(step, lambda number: Trigger((Step("FenceEntered", tag=f"t{number}"),)), count)
    return World(others, (partial(_entered, "f0", "cafe"),), fences=(here,))


def _other_parkings(count: int) -> World:
    step = Step("Parked", fence_kind="cafe")
    others = _one(step, lambda number: Trigger((Step("Parked", fence_kind=f"k{number}"),)), count)
    return World(others, (partial(_parked_in, "f0", "cafe"),))


def _sequence(number: int) -> Trigger:
    return Trigger((Step("Parked", fence_kind="cafe"), Step("OfferRedeemed", action=f"a{number}")), within_s=WEEK_S)


def _sequences_elsewhere(count: int) -> World:
    """All the others are under way, and what comes is nothing to them."""
    return World(
        _one(Step("FenceEntered", fence="f0"), _sequence, count),
        (partial(_entered, "f0", "cafe"),),
        opening=(partial(_parked_in, "f0", "cafe"),),
    )


def _sequence_goes_on(count: int) -> World:
    """All are under way at another kind of fence; one sequence is begun and completed, again and again."""
    here = Trigger((Step("Parked", fence="here"), Step("OfferRedeemed", action="a0")), within_s=WEEK_S)
    actions = [_action(0, here), *(_action(number, _sequence(number)) for number in range(1, count))]
    return World(
        actions,
        (partial(_parked_in, "here", "bank"), partial(_redeemed, "a0")),
        opening=(partial(_parked_in, "f0", "cafe"),),
    )


def _count_of(number: int, per: Per) -> Trigger:
    return Trigger((Step("FenceDwelled", fence=f"f{number}", times=3),), within_s=WEEK_S, per=per)


def _counts(per: Per, count: int) -> World:
    """Each counts visits to a fence of its own and has counted one; one counts on, and matches every third time."""
    return World(
        [_action(number, _count_of(number, per)) for number in range(count)],
        (partial(_dwelled, "f0", "cafe"),),
        opening=tuple(partial(_dwelled, f"f{number}", "cafe") for number in range(count)),
    )


def _counts_elsewhere(count: int) -> World:
    """Each has counted a visit of the driver's, and what comes is nothing to them."""
    opening = tuple(partial(_dwelled, f"f{number}", "cafe") for number in range(1, count))
    counting = _one(Step("DroveOff"), lambda number: _count_of(number, Per.SUBJECT), count)
    return World(counting, (_drove_off,), opening=opening)


def _undone_elsewhere(count: int) -> World:
    """All are under way, each undone by the answer to an offer of its own; somebody accepts something else."""

    def pattern(number: int) -> Trigger:
        steps = Step("Parked", fence_kind="cafe"), Step("FenceEntered", fence=f"f{number}")
        return Trigger(steps, within_s=WEEK_S, unless=(Step("OfferAccepted", action=f"a{number}"),))

    return World(
        _one(Step("OfferAccepted", action="a0"), pattern, count),
        (partial(_accepted, "a0"),),
        opening=(partial(_parked_in, "f0", "cafe"),),
    )


def _challenges(count: int) -> World:
    """One of all challenges counts visits to this fence; the others count those to others."""
    counted = tuple(
        Challenge(f"c{number}", Step("FenceDwelled", fence=f"f{number}"), MANY, Calendar.MONTH)
        for number in range(count)
    )
    return World((), (partial(_dwelled, "f0", "cafe"),), challenges=counted)


def _conditions(count: int) -> World:
    """All wait for this moment, and the condition of each, unlike any other, says no."""

    def pattern(number: int) -> Trigger:
        return Trigger((Step("FenceEntered", fence_kind="cafe", condition=f"moment.fence == 'f{number}'"),))

    return World(
        _one(Step("FenceEntered", fence="f0"), pattern, count),
        (partial(_entered, "f0", "cafe"),),
    )


_INDEXED: Mapping[str, Build] = {
    "other_moments": _other_moments,
    "other_fences": _other_fences,
    "other_fence_kinds": _other_kinds,
    "other_tags": _other_tags,
    "parked_in_other_kinds": _other_parkings,
    "sequences_under_way": _sequences_elsewhere,
    "sequence_goes_on_among_others": _sequence_goes_on,
    "counts_under_way": _counts_elsewhere,
    "count_goes_on_per_unit": partial(_counts, Per.UNIT),
    "count_goes_on_per_subject": partial(_counts, Per.SUBJECT),
    "undone_by_others": _undone_elsewhere,
}
_ASKED: Mapping[str, Build] = {
    "other_challenges": _challenges,
    "same_moment_condition_false": _conditions,
}
