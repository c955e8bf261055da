"""How a pattern goes on, moment by moment: a pure function of how far it has come and of what happens.

Theory. A *window* is how far a pattern has come: how many steps are taken whole, and of the one under way how many
moments. One moment is one step at most; the later step is tried first.

- **Sequence.** The window opens with the first step and ends `within_s` after it, at that very instant. A first step
  that comes again before the second one has begun opens it anew; later it does not, so that progress is never lost.
- **Counts.** A step is taken whole by its `times`-th moment. While nothing but the first step has been taken, the
  window *slides*: each of its moments passes out `within_s` after it was, the others stay, and it opens with the
  oldest that is left of the last `times`. So `three times within 7 d` is true of any 7 days. (A first step that is
  taken once and opens the window anew is the same rule, for one.)
- **Unless.** Such a moment undoes the pattern while it is under way; then it is taken as if nothing had been.
- **Absence.** After the last step the pattern waits for `for_s`; `within_s` bounds the steps, not the waiting. If the
  absent moment comes meanwhile and is the last step once more, still inside the window, that step counts on and the
  waiting begins anew (`visited twice within 30 d, then not for 10 d`: visits on days 0, 5 and 8 match on day 18);
  else it undoes the pattern, like `unless`. At the very instant at which the waiting ends nothing can undo it.
- **Match.** After the last step, or the waiting, the pattern starts afresh.
- **Doers.** A window knows whose doing its moments were: nobody's, one person's, or that of `SEVERAL`.

A window is small and bounded: instants of the first step (`times` at most), one count, and the moments bound by name.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import cel

from gateway.core import steps
from gateway.core.conditions import Conditions, context_of, tell
from gateway.core.fences.geometry import Fence
from gateway.core.moments import FactChanged, Moment, SubjectArrived, whose
from gateway.core.steps import Step, Trigger, steps_of
from gateway.core.units import SECOND_MS, Instant

Told: TypeAlias = Mapping[str, object]
"""A moment as its fields."""
Fits: TypeAlias = Callable[[Step, Mapping[str, Told]], bool]
"""Whether the moment is such a step, given the moments bound before."""
Named: TypeAlias = tuple[str, str]
"""A filter and a value of it."""

UNFILTERED: Named = ("", "")
"""Stands for the filter of a step that has none."""

SEVERAL = ""
"""Whose doing it was that was more than one person's: there is nobody whom it could be told to."""

_WHERE = frozenset({"fence", "fence_kind", "fences", "fence_kinds"})
_NARROWEST_FIRST = ("fence", "action", "fact", "challenge", "tag", "fence_kind")


@dataclass(frozen=True, slots=True)
class Window:
    """How far a pattern has come.

    Attributes:
        step: How many steps are taken whole.
        firsts: When the moments of the first step were; at most as many as it takes, the oldest first.
        count: How many moments of a later step that is under way.
        since: Since when it waits that nothing happens; None: it does not.
        bound: The moments that conditions call by name.
        about: Whose doing the moments were; None: nobody's.
    """

    step: int
    firsts: tuple[Instant, ...]
    count: int = 0
    since: Instant | None = None
    bound: Mapping[str, Told] = field(default_factory=dict)
    about: str | None = None

    @property
    def slides(self) -> bool:
        """Whether only the first step has been taken, whole or in part."""
        return self.since is None and (self.step == 0 or (self.step == 1 and self.count == 0))

    def to_json(self) -> dict[str, object]:
        """Return it as the ledger keeps it; what is not there is left out."""
        said: dict[str, object] = {"step": self.step, "opened": self.firsts[0]}
        if len(self.firsts) > 1:
            said["taken"] = list(self.firsts)
        if self.count:
            said["count"] = self.count
        if self.since is not None:
            said["since"] = self.since
        if self.bound:
            said["bound"] = dict(self.bound)
        if self.about is not None:
            said["about"] = self.about
        return said

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> "Window":
        """Return what `to_json` gave, or a ledger of schema version 2 holds: `step` and `opened` alone."""
        firsts = tuple(said.get("taken", (said["opened"],)))
        count, since, bound = said.get("count", 0), said.get("since"), said.get("bound", {})
        return cls(said["step"], firsts, count, since, bound, said.get("about"))


def due_of(trigger: Trigger, window: Window) -> Instant:
    """Return when a window ends by itself: the waiting is over, or nothing that it counts is left."""
    if window.since is not None and trigger.absence is not None:
        return window.since + trigger.absence.for_s * SECOND_MS
    return window.firsts[-1 if window.slides else 0] + trigger.within_s * SECOND_MS


def advance(
    trigger: Trigger, window: Window | None, told: Told, at: Instant, fits: Fits, *, doer: str | None = None
) -> tuple[Window | None, bool]:
    """Return how far a pattern has come after a moment, None if nowhere, and whether it matches.

    A window whose waiting is over is left as it is: it matches by its timer, whatever comes now.

    Args:
        trigger: The pattern.
        window: How far it had come; None: nowhere.
        told: The moment.
        at: When it was.
        fits: Whether it is such a step.
        doer: Whose doing it was; None: nobody's.
    """
    if window is not None and window.since is not None and at >= due_of(trigger, window):
        return window, False
    window = _standing(trigger, window, at)
    if window is not None and any(fits(step, window.bound) for step in trigger.unless):
        window = None
    if window is not None and window.since is not None and trigger.absence is not None:
        if not fits(trigger.absence.step, window.bound):
            return window, False
        window = _resumed(trigger, window, at) if fits(trigger.steps[-1], window.bound) else None
    after = _taken(trigger, window, told, at, fits)
    if after is not None and after is not window:
        is_anew = window is None or (after.firsts is not window.firsts and len(after.firsts) == 1)
        after = replace(after, about=joint(None if window is None or is_anew else window.about, doer))
    if after is None or after.step < len(trigger.steps):
        return after, False
    return (None, True) if trigger.absence is None else (replace(after, since=at), False)


def joint(about: str | None, doer: str | None) -> str | None:
    """Return whose doing moments were, with one more."""
    if about is None or doer is None or about == doer:
        return about if doer is None else doer
    return SEVERAL


def _standing(trigger: Trigger, window: Window | None, at: Instant) -> Window | None:
    """Return what is left of a window at an instant; one that waits has no end of its steps."""
    if window is None or window.since is not None:
        return window
    within_ms = trigger.within_s * SECOND_MS
    if not window.slides:
        return window if at < window.firsts[0] + within_ms else None
    kept = tuple(first for first in window.firsts if at < first + within_ms)
    if len(kept) == len(window.firsts):
        return window
    return Window(0, kept, about=window.about) if kept else None


def _resumed(trigger: Trigger, window: Window, at: Instant) -> Window | None:
    """Return a waiting window as it was before its last moment, so that the last step can count on."""
    last = len(trigger.steps) - 1
    count = 0 if last == 0 else trigger.steps[last].times - 1
    return _standing(trigger, replace(window, step=last, count=count, since=None), at)


def _taken(trigger: Trigger, window: Window | None, told: Told, at: Instant, fits: Fits) -> Window | None:
    """Return the window past what the moment is a step of; as it was if of none."""
    if window is not None and window.step > 0:
        step = trigger.steps[window.step]
        if fits(step, window.bound):
            bound = {**window.bound, step.bound: told} if step.bound else window.bound
            if window.count + 1 < step.times:
                return replace(window, count=window.count + 1, bound=bound)
            return replace(window, step=window.step + 1, count=0, bound=bound)
        if not window.slides:
            return window
    first = trigger.steps[0]
    if not fits(first, {}):
        return window
    firsts = (*(() if window is None else window.firsts), at)[-first.times :]
    return Window(int(len(firsts) == first.times), firsts, bound={first.bound: told} if first.bound else {})


class Occasion:
    """A moment, with all that steps ask of it worked out once."""

    def __init__(self, fences: Mapping[str, Fence], conditions: Conditions, moment: Moment) -> None:
        """Take the fences and the conditions of a release, for what a moment is."""
        self.moment = moment
        self.names = names_of(fences, moment)
        self._name = type(moment).__name__
        # That something is known of a fence tells that the unit is there: only who asks for fences hears of it.
        self._tells_where = isinstance(moment, FactChanged) and bool(moment.fence)
        self._conditions = conditions
        self._answers: dict[str, bool] = {}

    @cached_property
    def told(self) -> Told:
        """The moment as its fields."""
        return tell(self.moment)

    @cached_property
    def told_nowhere(self) -> Told:
        """The moment without where it was: what a pattern that does not ask for that may keep of it."""
        return {name: said for name, said in self.told.items() if name not in _WHERE}

    @property
    def doer(self) -> str | None:
        """Whose doing it was; None: nobody's, as that somebody has come, which is an occasion for all."""
        return None if isinstance(self.moment, SubjectArrived) else whose(self.moment)

    def fits(self, step: Step, bound: Mapping[str, Told]) -> bool:
        """Return whether the moment is such a step: of its kind, past its filters, and its condition holds."""
        if step.moment != self._name or not passes(step, self.names):
            return False
        if self._tells_where and not steps.is_located(step):
            return False
        if not step.condition:
            return True
        if bound:
            return self._conditions.holds(step.condition, context_of(self.told, bound))
        if step.condition not in self._answers:
            self._answers[step.condition] = self._conditions.holds(step.condition, self._alone)
        return self._answers[step.condition]

    @cached_property
    def _alone(self) -> cel.Context:
        return context_of(self.told, {})


def passes(step: Step, names: frozenset[Named]) -> bool:
    """Return whether each filter of a step is among what a moment names; one on what it does not name fails."""
    return (
        (step.fence_kind is None or ("fence_kind", step.fence_kind) in names)
        and (step.fence is None or ("fence", step.fence) in names)
        and (step.tag is None or ("tag", step.tag) in names)
        and (step.action is None or ("action", step.action) in names)
        and (step.fact is None or ("fact", step.fact) in names)
        and (step.challenge is None or ("challenge", step.challenge) in names)
    )


def names_of(fences: Mapping[str, Fence], moment: Moment) -> frozenset[Named]:
    """Return all that a moment names, as filters ask for it; kinds and tags also of the fences it names by their id."""
    here = _each(moment, "fence", "fences")
    known = [fences[fence] for fence in here if fence in fences]
    kinds = _each(moment, "fence_kind", "fence_kinds") or tuple(fence.kind for fence in known)
    return frozenset(
        [
            *(("fence", fence) for fence in here),
            *(("fence_kind", kind) for kind in kinds),
            *(("tag", tag) for fence in known for tag in fence.tags),
            *((name, value) for name in ("action", "fact", "challenge") if (value := getattr(moment, name, ""))),
        ]
    )


def narrowest(step: Step) -> Named:
    """Return the filter of a step that the fewest moments pass, by which to find it."""
    return next(((name, value) for name in _NARROWEST_FIRST if (value := getattr(step, name)) is not None), UNFILTERED)


def is_located(trigger: Trigger) -> bool:
    """Return whether a pattern rests on where somebody was."""
    return any(steps.is_located(step) for step in steps_of(trigger))


def _each(moment: Moment, one: str, many: str) -> tuple[str, ...]:
    single = getattr(moment, one, "")
    return (single,) if single else getattr(moment, many, ())
