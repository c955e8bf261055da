"""From campaign files without any problem to what the engine uses. What is left out has the core's own default."""

from dataclasses import replace
from typing import Any

from gateway.core.campaign import (
    Action,
    Audience,
    Campaigns,
    FactNeed,
    Follows,
    Kind,
    Nearest,
    Placement,
    Treatment,
    Weight,
)
from gateway.core.events import Outcome
from gateway.core.steps import FILTERS, Absence, Challenge, Step, Trigger
from gateway.core.terms import Budget, Calendar, Cap, ContactPolicy, Discount, Group, Per, Reward, Suppression
from gateway.core.units import DAY_MS, Instant
from gateway.wire.campaign_forms import PLACE
from gateway.wire.campaign_grammar import EXPRESSION_FIELDS
from gateway.wire.campaign_shapes import Part
from gateway.wire.campaign_source import Located

_STEP_FIELDS = ("moment", *FILTERS)
_FACTORS = ("value", "annoyance", "lever", "context_weight")


def build_campaign(campaign: Part) -> Campaigns:
    """Return what one campaign file says."""
    name = campaign.need("campaign", str)
    policies = campaign.parts("contact_policy")
    return Campaigns(
        actions=tuple(_action(campaign, name, action) for action in campaign.parts("actions")),
        groups=tuple(_group(name, group) for group in campaign.parts("groups")),
        challenges=tuple(_challenge(name, challenge) for challenge in campaign.parts("challenges")),
        contact=_contact(policies[0]) if policies else ContactPolicy(),
    )


def validity(campaign: Part) -> tuple[Located[Instant] | None, Located[Instant] | None]:
    """Return the instants between which it holds; the last day belongs to it."""
    (valid,) = campaign.parts("valid") or (None,)
    if valid is None:
        return None, None
    until = valid.located("until", int)
    return valid.located("from", int), Located(until.value + DAY_MS, until.node) if until else None


def _group(campaign: str, group: Part) -> Group:
    return Group(group.need("id", str), _contact(group), group.get("slate", int) or 1, campaign)


def _challenge(campaign: str, challenge: Part) -> Challenge:
    return Challenge(
        id=challenge.need("id", str),
        counted=_step(challenge.parts("counts")[0]),
        times=challenge.need("times", int),
        each=challenge.need("each", Calendar),
        campaign=campaign,
    )


def _contact(part: Part) -> ContactPolicy:
    (suppress,) = part.parts("suppress") or (None,)
    return ContactPolicy(
        caps=tuple(_cap(cap) for cap in part.parts("cap")),
        cool_down_s=part.get("cool_down", int) or 0,
        suppression=Suppression(suppress.need("ignored", int), suppress.need("for", int)) if suppress else None,
    )


def _cap(cap: Part) -> Cap:
    return Cap(
        count=cap.need("count", int),
        within_s=cap.get("within", int) or 0,
        each=cap.get("each", Calendar),
        per=cap.get("per", Per) or Per.SUBJECT,
    )


def _action(campaign: Part, name: str, part: Part) -> Action:
    starts, ends = validity(campaign)
    action = Action(
        id=part.need("id", str),
        kind=part.need("kind", Kind),
        audience=part.need("audience", Audience),
        triggers=tuple(_trigger(trigger) for trigger in part.parts("when")),
        treatments=tuple(_treatment(treatment) for treatment in part.parts("treatments")),
        contact=_contact(part),
        group=part.get("group", str),
        facts=_facts(part),
        fallback=campaign.get("fallback", str),
        starts=starts.value if starts else None,
        ends=ends.value if ends else None,
        campaign=name,
        **_propensity(part),
        **_single_parts(part),
    )
    given: dict[str, Any] = {
        **part.all_of(str, EXPRESSION_FIELDS),
        **part.all_of(float, _FACTORS),
        **{f"{field}_s": located for field, located in part.all_of(int, ("valid_for", "redeem_within")).items()},
    }
    return replace(action, **{field: located.value for field, located in given.items()})


def _single_parts(part: Part) -> dict[str, Any]:
    """Return those fields of an action that are mappings of their own."""
    found: dict[str, Any] = {"weights": tuple(_weight(weight) for weight in part.parts("context_weight"))}
    for follows in part.parts("follows"):
        found["follows"] = Follows(
            follows.need("action", str), follows.need("outcome", Outcome), follows.need("within", int)
        )
    for nearest in part.parts("nearest"):
        found["nearest"] = Nearest(nearest.need("fence_kind", str), nearest.need("fact", str))
    for reward in part.parts("reward"):
        found["reward"] = _reward(reward)
    for budget in part.parts("budget"):
        found["budget"] = Budget(budget.need("total", int), budget.get("each", Calendar))
    return found


def _weight(weight: Part) -> Weight:
    return Weight(weight.get("if", str) or "", weight.need("weight", float))


def _propensity(part: Part) -> dict[str, Any]:
    (given,) = part.parts("propensity")
    return {
        "model": given.get("model", str),
        "category": given.get("category", str),
        "prior": given.get("prior", float),
        "prepared": given.get("prepared", bool) or False,
    }


def _facts(part: Part) -> tuple[FactNeed, ...]:
    (facts,) = part.parts("facts") or (None,)
    if facts is None:
        return ()
    return tuple(
        FactNeed(name.removeprefix(PLACE), name.startswith(PLACE), max_age.value or None)
        for name, max_age in facts.all_of(int).items()
    )


def _reward(part: Part) -> Reward:
    (discount,) = part.parts("discount") or (None,)
    return Reward(
        id=part.need("id", str),
        text=part.need("text", str),
        cost_cents=part.get("cost", int) or 0,
        currency=part.get("currency", str) or "",
        discount=_discount(discount) if discount else None,
    )


def _discount(part: Part) -> Discount:
    return Discount(
        risk=part.need("risk", str),
        worth=part.need("worth", str),
        share=part.need("share", float),
        step_cents=part.need("step", int),
        at_most_cents=part.need("at_most", int),
    )


def _trigger(part: Part) -> Trigger:
    (absent,) = part.parts("absent") or (None,)
    return Trigger(
        steps=tuple(_step(step) for step in part.parts("sequence") or (part,)),
        within_s=part.get("within", int) or 0,
        unless=tuple(_step(step) for step in part.parts("unless")),
        absence=Absence(_step(absent), absent.need("for", int)) if absent else None,
        per=part.get("per", Per) or Per.UNIT,
    )


def _step(part: Part) -> Step:
    named = {name: located.value for name, located in part.all_of(str, _STEP_FIELDS).items()}
    return Step(
        **named, condition=part.get("if", str) or "", bound=part.get("as", str) or "", times=part.get("times", int) or 1
    )


def _treatment(part: Part) -> Treatment:
    return Treatment(
        placement=part.need("placement", Placement),
        language=part.need("language", str),
        title=part.need("title", str),
        body=part.need("body", str),
        call_to_action=part.get("call_to_action", str) or "",
        personal=part.get("personal", bool) or False,
        private=part.get("private", bool) or False,
        while_driving=part.get("while_driving", bool) or False,
    )
