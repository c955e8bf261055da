"""Patterns of moments as campaigns state them: steps, triggers, challenges. How they go on: `gateway.core.patterns`."""

import re
from dataclasses import dataclass, fields

from gateway.core.moments import LOCATION_MOMENTS
from gateway.core.terms import Calendar, Per

# Wherever the word stands: between a dot and a field there may be a comment.
_ASKS_WHERE = re.compile(r"\bfences?(?:_kinds?)?\b|\[")


@dataclass(frozen=True, slots=True)
class Step:
    """One moment to wait for; a given filter must match.

    Attributes:
        fence_kind, fence, tag: Match any fence the moment names, by its kind, its id, one of its tags.
        action: The action whose offer the moment is about.
        fact: The fact that has changed.
        challenge: The challenge that the moment is about.
        condition: CEL over `moment` and the moments bound by earlier steps; empty means always.
        bound: The name by which later conditions call this step's (last) moment; empty: they do not.
        times: How many such moments the step takes.
    """

    moment: str
    fence_kind: str | None = None
    fence: str | None = None
    action: str | None = None
    tag: str | None = None
    fact: str | None = None
    challenge: str | None = None
    condition: str = ""
    bound: str = ""
    times: int = 1


@dataclass(frozen=True, slots=True)
class Absence:
    """Nothing like `step` happens for `for_s` seconds. Its filters and condition are those of any step."""

    step: Step
    for_s: int


@dataclass(frozen=True, slots=True)
class Trigger:
    """Moments in this order, the last less than `within_s` seconds after the first.

    A trigger of one step, taken once, without absence, matches that one moment; `within_s` is then 0.

    Attributes:
        unless: Moments which, while the pattern is under way, undo it.
        absence: What must not happen after the last step: the trigger matches when that time has passed.
        per: UNIT: moments at one unit, while the same people are there. SUBJECT: the moments at any unit that a known
            person has had part in, remembered from visit to visit, if they agree to `profiling`.
    """

    steps: tuple[Step, ...]
    within_s: int = 0
    unless: tuple[Step, ...] = ()
    absence: Absence | None = None
    per: Per = Per.UNIT

    @property
    def is_single(self) -> bool:
        """Whether one moment alone makes it match, so that nothing is remembered for it."""
        return len(self.steps) == 1 and self.steps[0].times == 1 and self.absence is None


@dataclass(frozen=True, slots=True)
class Challenge:
    """So many moments in one calendar window, by one known person: each is a `ChallengeAdvanced`, the last also met.

    A condition of `counted` sees `moment` only.
    """

    id: str
    counted: Step
    times: int
    each: Calendar
    campaign: str = ""


def steps_of(trigger: Trigger) -> tuple[Step, ...]:
    """Return every step of a trigger, those that undo it or must not happen included."""
    absent = () if trigger.absence is None else (trigger.absence.step,)
    return (*trigger.steps, *trigger.unless, *absent)


def is_located(step: Step) -> bool:
    """Return whether a step rests on where somebody is: by its moment, a filter, or what its condition reads."""
    narrowed = bool(step.fence or step.fence_kind or step.tag)
    return narrowed or step.moment in LOCATION_MOMENTS or _ASKS_WHERE.search(step.condition) is not None


def describe(trigger: Trigger) -> str:
    """Return a trigger in words, e.g. `Parked in fuel_station, then OfferRedeemed of pastry within 1200 s`."""
    said = ", then ".join(_describe_step(step) for step in trigger.steps)
    if trigger.within_s:
        said += f" within {trigger.within_s} s"
    if trigger.absence is not None:
        said += f", then no {_describe_step(trigger.absence.step)} for {trigger.absence.for_s} s"
    if trigger.unless:
        said += f", unless {' or '.join(_describe_step(step) for step in trigger.unless)}"
    return said


_OF = ("action", "fact", "challenge")


def _describe_step(step: Step) -> str:
    where = step.fence or step.fence_kind
    said = f"{step.moment}{f' in {where}' if where else ''}{f' tagged {step.tag}' if step.tag else ''}"
    said += "".join(f" of {value}" for name in _OF if (value := getattr(step, name)) is not None)
    said += f" if {step.condition}" if step.condition else ""
    return said + (f" {step.times} times" if step.times > 1 else "")


FILTERS = tuple(f.name for f in fields(Step) if f.name not in {"moment", "condition", "bound", "times"})
"""The fields of a step by which it picks among moments of its kind."""
