"""What a trigger and a challenge must not be.

Patterns that cannot match, conditions that cannot run, and names, filters and moments that are not for this action.
"""

from collections.abc import Mapping
from dataclasses import fields

from gateway.core.moments import MOMENTS, SUSPICIONS
from gateway.core.policy import constant_value
from gateway.core.steps import FILTERS
from gateway.core.terms import Per
from gateway.wire.campaign_check_action import FOR_SOMEBODY, worded
from gateway.wire.campaign_known import (
    Known,
    all_steps_of,
    is_for_anyone,
    is_marketing,
    offset_of,
    steps_of,
)
from gateway.wire.campaign_rules import CHALLENGE_MOMENTS, find_condition_fault
from gateway.wire.campaign_shapes import Part
from gateway.wire.campaign_source import Code, suggestion

_OF_A_FENCE = frozenset({"fence_kind", "tag"})


def check_triggers(action: Part, known: Known) -> None:
    """Note what is wrong with what an action waits for, and with what it follows."""
    for trigger in action.parts("when"):
        if trigger.node_of("sequence") is None:
            _check_count(trigger)
        else:
            _check_sequence(trigger)
        _check_conditions(trigger, anyone=is_for_anyone(action))
        _check_personal(action, trigger)
        for step in all_steps_of(trigger):
            _check_step(step, known)
            moment = step.located("moment", str)
            if moment and moment.value in SUSPICIONS and is_marketing(action):
                message = f"{moment.value} is for service and safety only: suspicion must not sell"
                step.note(Code.SUSPICION_SELLS, "moment", message, "write `kind: service`, and sell nothing")
    for follows in action.parts("follows"):
        _check_target(follows, known)


def check_challenge(challenge: Part, known: Known) -> None:
    """Note what is wrong with what a challenge counts."""
    for counted in challenge.parts("counts"):
        _check_step(counted, known)
        _check_condition(counted, {}, anyone=False)
        moment = counted.get("moment", str)
        if moment in CHALLENGE_MOMENTS:
            message = f"a challenge cannot count {moment}, which challenges cause"
            counted.note(Code.COUNTS_CHALLENGES, "moment", message, "count what people do")
        if moment in SUSPICIONS:
            message = f"{moment} is for service and safety only: it cannot be counted"
            counted.note(Code.SUSPICION_SELLS, "moment", message, "count what people do")


def _check_count(trigger: Part) -> None:
    """A single moment may be counted, and then it has a window."""
    times, within = trigger.get("times", int), trigger.node_of("within")
    if (times or 1) > 1 and within is None:
        message = "'times' without 'within': it is not said in which time"
        trigger.note(Code.BAD_PATTERN, "times", message, "add `within: 7 d`")
    if trigger.node_of("times") is not None and times is None:
        return
    for name in ("within", "per"):
        if (times or 1) == 1 and trigger.node_of(name) is not None:
            message = f"{name!r} says nothing of a single moment"
            trigger.note(Code.BAD_PATTERN, name, message, "remove it, or add `times: 2`")


def _check_sequence(trigger: Part) -> None:
    steps, within = trigger.parts("sequence"), trigger.node_of("within")
    if not steps:
        return
    is_one = len(steps) == 1 and (steps[0].node_of("times") is None or steps[0].get("times", int) == 1)
    if is_one and trigger.node_of("absent") is None:
        message = "a sequence needs at least two moments, or one with `times` or `absent`"
        trigger.note(Code.BAD_PATTERN, "sequence", message, "write `- moment: ...` without a sequence")
    elif is_one and within is not None:
        message = "'within' says nothing of one moment; how long nothing must happen stands in 'absent'"
        trigger.note(Code.BAD_PATTERN, "within", message, "remove it")
    elif not is_one and within is None:
        message = "a sequence needs the field 'within'"
        trigger.source.note(Code.MISSING_FIELD, trigger.node, message, "add `within: 30 min`")
    bound: set[str] = set()
    for step in steps:
        name = step.get("as", str)
        if name is not None and name in bound:
            message = f"two moments of the sequence are called {name!r}"
            step.note(Code.DUPLICATE_NAME, "as", message, "give one of them another name")
        elif name is not None:
            bound.add(name)


def _check_conditions(trigger: Part, *, anyone: bool) -> None:
    """A condition sees its own moment and those bound before; of what undoes or must not happen, those of all steps."""
    bound: dict[str, str] = {}
    for step in steps_of(trigger):
        if not _check_condition(step, bound, anyone=anyone):
            return
        moment, name = step.get("moment", str), step.get("as", str)
        if moment and name:
            bound[name] = moment
        elif step.node_of("as") is not None:
            return
    for step in (*trigger.parts("unless"), *trigger.parts("absent")):
        _check_condition(step, bound, anyone=anyone)


def _check_condition(step: Part, bound: Mapping[str, str], *, anyone: bool) -> bool:
    """Note what is wrong with the `if` of a step. Returns whether its moment, on which that rests, could be read."""
    moment, condition = step.get("moment", str), step.located("if", str)
    if moment is None:
        return False
    if condition is None:
        return True
    fault = find_condition_fault(condition.value, moment, bound)
    if fault is not None:
        message, hint = worded("if", fault)
        step.note(Code.BAD_EXPRESSION, "if", message, hint, offset_of(condition, fault))
    elif anyone and (fault := find_condition_fault(condition.value, moment, bound, anyone=True)) is not None:
        step.note(Code.PERSONAL_FOR_ANYONE, "if", f"'if': {fault.message}", FOR_SOMEBODY, offset_of(condition, fault))
    elif constant_value(condition.value) is False:
        step.note(Code.UNREACHABLE, "if", "'if' is never true, so this is never noticed", "correct the expression")
    return True


def _check_personal(action: Part, trigger: Part) -> None:
    """Of whoever is there unknown nothing is remembered from visit to visit, and no challenge is counted."""
    if not is_for_anyone(action):
        return
    if trigger.get("per", Per) is Per.SUBJECT:
        message = "'per: subject' in an action for anyone: there is nobody to remember"
        trigger.note(Code.PERSONAL_FOR_ANYONE, "per", message, "write `per: unit`, or `audience: subject`")
    for step in all_steps_of(trigger):
        if step.get("moment", str) in CHALLENGE_MOMENTS:
            message = "challenges are a person's, but the action is for anyone"
            step.note(Code.PERSONAL_FOR_ANYONE, "moment", message, FOR_SOMEBODY)


def _check_step(step: Part, known: Known) -> None:
    _check_target(step, known)
    challenge = step.get("challenge", str)
    if challenge is not None and challenge not in known.challenges:
        message = f"there is no challenge {challenge!r}"
        step.note(Code.UNKNOWN_CHALLENGE, "challenge", message, suggestion(challenge, known.challenges))
    _check_fence(step, known)
    moment = step.get("moment", str)
    if moment is None:
        return
    carried = {field.name.removesuffix("s") for field in fields(MOMENTS[moment])}
    carried |= _OF_A_FENCE if "fence" in carried else set()
    for name in FILTERS:
        if step.node_of(name) is not None and name not in carried:
            message = f"{moment} names no {name}, so it can never match"
            step.note(Code.FILTER_NEVER_MATCHES, name, message, f"remove {name!r}")


def _check_target(part: Part, known: Known) -> None:
    action = part.get("action", str)
    if action is not None and action not in known.actions:
        message = f"there is no action {action!r}"
        part.note(Code.UNKNOWN_ACTION, "action", message, suggestion(action, known.actions))


def _check_fence(step: Part, known: Known) -> None:
    fence, kind, tag = (step.get(name, str) for name in ("fence", "fence_kind", "tag"))
    if known.fences is None:
        return
    if fence is not None and fence not in known.fences:
        hint = suggestion(fence, known.fences)
        step.note(Code.UNKNOWN_FENCE, "fence", f"there is no fence {fence!r}", hint)
    elif fence is not None and kind is not None and known.fences[fence].kind != kind:
        message = f"the fence {fence!r} is a {known.fences[fence].kind}, not a {kind}"
        step.note(Code.FILTER_NEVER_MATCHES, "fence_kind", message, "give one of the two")
    tags = {name for other in known.fences.values() for name in other.tags}
    if tag is not None and tag not in tags:
        step.note(Code.UNKNOWN_TAG, "tag", f"no fence has the tag {tag!r}", suggestion(tag, tags))
