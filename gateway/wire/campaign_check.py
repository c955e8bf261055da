"""What a campaign must not be, beyond its grammar.

Names nobody knows, expressions that cannot run, service and safety that sell, words about a person in an action for
anyone, and actions that can never come about.

Every rule notes its problem at the field that breaks it and goes on. A rule that needs a field which could not be
read says nothing: that field has its own problem already.
"""

import re
from collections import Counter
from collections.abc import Iterable, KeysView, Mapping, Sequence
from dataclasses import dataclass, fields

from gateway.core.campaign import Kind, Placement
from gateway.core.features import is_personal
from gateway.core.fences.geometry import Fence
from gateway.core.moments import MOMENTS
from gateway.core.policy import VARIABLES, ExpressionFault, constant_value
from gateway.core.release import ModelSpec
from gateway.wire.campaign_draft import DraftAction, DraftCampaign, DraftStep, DraftTreatment, DraftTrigger
from gateway.wire.campaign_rules import find_expression_fault, price_in
from gateway.wire.campaign_source import Code, Located, suggestion

_UNKNOWN_NAME = re.compile(r"unknown name '([^']+)'")
_ONLY_WHILE_DRIVING = frozenset({"DroveOff"})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a campaign refers to. None: not known now, so nothing is said about names of that kind."""

    fences: Mapping[str, Fence] | None
    models: Mapping[str, ModelSpec] | None


def check_campaigns(campaigns: Sequence[DraftCampaign], surroundings: Surroundings) -> None:
    """Note every problem of the campaigns, together and each by itself."""
    _check_unique(campaigns)
    actions = [action for campaign in campaigns for action in campaign.actions]
    known = {action.id.value for action in actions if action.id}
    for campaign in campaigns:
        _check_validity(campaign)
    for action in actions:
        _check_expressions(action)
        _check_kind(action)
        _check_propensity(action, surroundings)
        _check_treatments(action)
        for trigger in action.triggers:
            for step in trigger.steps:
                _check_step(action, step, known, surroundings)
        _check_seen(action)
    _check_reachable(actions)


def _check_unique(campaigns: Sequence[DraftCampaign]) -> None:
    named: dict[str, DraftCampaign] = {}
    placed: dict[str, DraftAction] = {}
    for campaign in campaigns:
        if campaign.name:
            first = named.setdefault(campaign.name.value, campaign)
            if first is not campaign:
                message = f"the campaign {campaign.name.value!r} stands in {first.source.path} already"
                campaign.source.note(Code.DUPLICATE_CAMPAIGN, campaign.name.node, message, "give it another name")
        for action in campaign.actions:
            if action.id is None:
                continue
            other = placed.setdefault(action.id.value, action)
            if other is not action:
                where = f"{other.source.path}, line {other.node.start_mark.line + 1}"
                message = f"the action {action.id.value!r} stands in {where} already"
                action.source.note(Code.DUPLICATE_ACTION, action.id.node, message, "give it another id")


def _check_validity(campaign: DraftCampaign) -> None:
    starts, ends = campaign.starts, campaign.ends
    if starts and ends and ends.value <= starts.value:
        message = "'until' lies before 'from': the campaign is never valid"
        campaign.source.note(Code.EMPTY_VALIDITY, ends.node, message, "both days belong to it")


def _check_expressions(action: DraftAction) -> None:
    for name, located in action.expressions.items():
        fault = find_expression_fault(located.value)
        if fault is not None:
            message, hint = _worded(name, fault)
            action.source.note(Code.BAD_EXPRESSION, located.node, message, hint, _offset(located.value, fault))
            continue
        if action.for_anyone:
            fault = find_expression_fault(located.value, anyone=True)
            if fault is not None:
                message = f"{name!r}: {fault.message}"
                hint = "write `audience: subject`, or leave it out"
                offset = _offset(located.value, fault)
                action.source.note(Code.PERSONAL_FOR_ANYONE, located.node, message, hint, offset)
        _check_constant(action, name, located)


def _check_constant(action: DraftAction, name: str, located: Located[str]) -> None:
    if constant_value(located.value) is False:
        message = f"{name!r} is never true, so the action can never be offered"
        action.source.note(Code.UNREACHABLE, located.node, message, "remove the action, or correct the expression")


def _worded(name: str, fault: ExpressionFault) -> tuple[str, str]:
    """Return message and hint: what the parser says, in the author's words."""
    unknown = _UNKNOWN_NAME.match(fault.message)
    if unknown:
        return f"{name!r} names {unknown[1]!r}, which is no variable", suggestion(unknown[1], VARIABLES)
    said = fault.message.splitlines()[0].removeprefix("Syntax error: ").split(" expecting ")[0]
    if "Recursion" in said:
        said = "it is nested too deeply"
    elif "<EOF>" in said or said.startswith("Incomplete"):
        said = "it ends too early"
    return f"{name!r} is no valid expression: {said}", ""


def _offset(source: str, fault: ExpressionFault) -> int | None:
    if not fault.line:
        return None
    lines = source.split("\n")
    return sum(len(line) + 1 for line in lines[: fault.line - 1]) + fault.column - 1


def _check_kind(action: DraftAction) -> None:
    """Marketing states its cap; service and safety have none, and carry no price, reward or advert."""
    if action.kind is None:
        return
    kind, note = action.kind.value, action.source.note
    if kind is Kind.MARKETING:
        if action.cap_node is None:
            hint = "write `cap: {count: 1, within: 24 h}` or `cap: unlimited`"
            note(Code.MISSING_FIELD, action.node, "a marketing action needs the field 'cap'", hint)
        return
    if action.cap_node is not None:
        note(Code.CAP_NOT_MARKETING, action.cap_node, f"a {kind} action is never capped", "remove the cap")
    if action.reward_node is not None:
        note(Code.REWARD_NOT_MARKETING, action.reward_node, f"a {kind} action carries no reward", "remove the reward")
    for treatment in action.treatments:
        for name, text in treatment.texts.items():
            words = price_in(text.value)
            if words:
                message = f"{name!r} of a {kind} action speaks of a price or an advert: {words!r}"
                offset = text.value.find(words)
                note(Code.PRICE_NOT_MARKETING, text.node, message, "say what is the matter, and sell nothing", offset)


def _check_propensity(action: DraftAction, surroundings: Surroundings) -> None:
    model, models = action.model, surroundings.models
    if model is None or models is None:
        return
    if model.value not in models:
        message = f"there is no model {model.value!r}"
        action.source.note(Code.UNKNOWN_MODEL, model.node, message, suggestion(model.value, models))
        return
    spec, category = models[model.value], action.category
    if category is not None and category.value not in spec.categories:
        message = f"the model {model.value!r} has no category {category.value!r}"
        action.source.note(Code.UNKNOWN_CATEGORY, category.node, message, suggestion(category.value, spec.categories))
    personal = [name for name in spec.features if is_personal(name)]
    if action.for_anyone and personal:
        message = f"the action is for anyone, but its model reads of a subject: {', '.join(personal)}"
        hint = "state a prior, or write `audience: subject`"
        action.source.note(Code.PERSONAL_FOR_ANYONE, model.node, message, hint)


def _check_treatments(action: DraftAction) -> None:
    placed = Counter[tuple[Placement, str]]()
    for treatment in action.treatments:
        _check_flags(action, treatment)
        if treatment.placement and treatment.language:
            place = (treatment.placement.value, treatment.language.value)
            placed[place] += 1
            if placed[place] == 2:
                message = f"a second treatment for {place[0]} in {place[1]!r}"
                action.source.note(Code.DUPLICATE_TREATMENT, treatment.node, message, "only one of them can be shown")


def _check_flags(action: DraftAction, treatment: DraftTreatment) -> None:
    if action.for_anyone and treatment.is_set("personal"):
        message = "a personal treatment in an action for anyone, of whom nothing is known"
        hint = "write `audience: subject`, or word it for anyone"
        action.source.note(Code.PERSONAL_FOR_ANYONE, treatment.flags["personal"].node, message, hint)
    if treatment.is_set("while_driving") and treatment.placement and treatment.placement.value is not Placement.VOICE:
        message = f"'while_driving' is for voice only, not for {treatment.placement.value}"
        action.source.note(Code.WHILE_DRIVING_NOT_VOICE, treatment.flags["while_driving"].node, message, "remove it")


def _check_step(action: DraftAction, step: DraftStep, known: set[str], surroundings: Surroundings) -> None:
    note = action.source.note
    target = step.filters.get("action")
    if target and target.value not in known:
        message = f"there is no action {target.value!r}"
        note(Code.UNKNOWN_ACTION, target.node, message, suggestion(target.value, known))
    fence, kind, fences = step.filters.get("fence"), step.filters.get("fence_kind"), surroundings.fences
    if fence and fences is not None:
        if fence.value not in fences:
            message = f"there is no fence {fence.value!r}"
            note(Code.UNKNOWN_FENCE, fence.node, message, suggestion(fence.value, fences))
        elif kind and fences[fence.value].kind != kind.value:
            message = f"the fence {fence.value!r} is a {fences[fence.value].kind}, not a {kind.value}"
            note(Code.FILTER_NEVER_MATCHES, kind.node, message, "give one of the two")
    if step.moment:
        carried = {field.name.removesuffix("s") for field in fields(MOMENTS[step.moment.value])}
        for name, located in step.filters.items():
            if name not in carried:
                message = f"{step.moment.value} names no {name}, so it can never match"
                note(Code.FILTER_NEVER_MATCHES, located.node, message, f"remove {name!r}")


def _check_seen(action: DraftAction) -> None:
    """An action that comes up only while driving needs a treatment that may be given then."""
    complete = all(trigger.complete for trigger in action.triggers)
    if not action.triggers or not complete or not action.treatments or not all(t.placement for t in action.treatments):
        return
    if all(_last_moment(trigger) in _ONLY_WHILE_DRIVING for trigger in action.triggers) and not any(
        _may_be_given_while_driving(treatment) for treatment in action.treatments
    ):
        message = "it comes up only while driving, and no treatment of it may be given then"
        hint = "add passenger_screen or a voice with `while_driving: true`"
        action.source.note(Code.UNREACHABLE, action.node, message, hint)


def _last_moment(trigger: DraftTrigger) -> str | None:
    last = trigger.steps[-1].moment
    return last.value if last else None


def _may_be_given_while_driving(treatment: DraftTreatment) -> bool:
    placement = treatment.placement.value if treatment.placement else None
    if placement is Placement.VOICE:
        return treatment.is_set("while_driving")
    return placement is not Placement.DRIVER_SCREEN


def _check_reachable(actions: Iterable[DraftAction]) -> None:
    """Find the actions that wait for an offer which can never be made: their own, or one in a circle.

    An action is reachable if one of its triggers waits for reachable actions only; the least fixed point, so that
    those which wait for each other are none. A step without an action, or with an unknown one, holds nobody up.
    """
    unsettled = {action.id.value: action for action in actions if action.id}
    while reached := [name for name, action in unsettled.items() if _is_reached(action, unsettled.keys())]:
        for name in reached:
            del unsettled[name]
    for name, action in unsettled.items():
        awaited = sorted({other for trigger in action.triggers for other in _awaited(trigger)} & unsettled.keys())
        others = "an offer of itself" if awaited == [name] else f"offers of {', '.join(awaited)}"
        message = f"the action {name!r} can never be offered: it waits for {others}, which can never be made"
        action.source.note(Code.UNREACHABLE, action.node, message, "give it a trigger that needs no such offer")


def _is_reached(action: DraftAction, unsettled: KeysView[str]) -> bool:
    return not action.triggers or any(unsettled.isdisjoint(_awaited(trigger)) for trigger in action.triggers)


def _awaited(trigger: DraftTrigger) -> set[str]:
    return {step.filters["action"].value for step in trigger.steps if "action" in step.filters}
