"""The rules that protect people, held of a campaign as a device reads it.

They are those of `wayside check`, held here a second time, since a release may have been made by other hands than
`wayside release build`.
"""

from collections.abc import Iterator
from dataclasses import fields

from gateway.core.campaign import TEXT_LIMITS, Action, Audience, Campaigns, Kind, Placement
from gateway.core.conditions import conditions_of
from gateway.core.moments import MOMENTS, SUSPICIONS
from gateway.core.steps import Challenge, Step, Trigger, steps_of
from gateway.core.terms import Per
from gateway.wire.campaign_rules import (
    CHALLENGE_MOMENTS,
    TellingMoments,
    facts_told,
    find_condition_fault,
    find_expression_fault,
    find_placeholder_fault,
    length_of,
    price_in,
)

_TEXTS = ("title", "body", "call_to_action")


def breaches(campaigns: Campaigns) -> Iterator[str]:
    """Yield what breaks a rule, each with where."""
    for action in campaigns.actions:
        for rule in (_patterns, _kind, _anyone, _driving, _expressions, _reward, _texts):
            for breach in rule(action):
                yield f"action {action.id!r}: {breach}"
    for challenge in campaigns.challenges:
        for breach in _challenge(challenge):
            yield f"challenge {challenge.id!r}: {breach}"


def _patterns(action: Action) -> Iterator[str]:
    if not action.triggers and action.follows is None:
        yield "needs a trigger, or an action that it follows"
    for trigger in action.triggers:
        yield from _pattern(trigger, anyone=action.audience is Audience.ANYONE)


def _pattern(trigger: Trigger, *, anyone: bool) -> Iterator[str]:
    has_window = len(trigger.steps) > 1 or trigger.steps[0].times > 1
    if has_window != (trigger.within_s > 0):
        yield "a sequence needs within_s, a single moment has none"
    if trigger.is_single and (trigger.unless or trigger.per is not Per.UNIT):
        yield "a single moment is of one unit, and nothing undoes it"
    if trigger.per is Per.HOUSEHOLD:
        yield "a pattern is followed per unit or per subject"
    names = [step.bound for step in trigger.steps if step.bound]
    if len(names) > len(set(names)):
        yield "two moments of a sequence have one name"
    for condition in conditions_of(trigger):
        fault = find_condition_fault(*condition, anyone=anyone)
        if fault is not None:
            yield f"condition {condition.source!r}: {fault.message}"
    for step in steps_of(trigger):
        yield from _filters(step)


def _filters(step: Step) -> Iterator[str]:
    if step.challenge is not None and step.moment not in CHALLENGE_MOMENTS:
        yield f"{step.moment} is about no challenge"
    if step.fact is not None and "fact" not in {field.name for field in fields(MOMENTS[step.moment])}:
        yield f"{step.moment} is about no fact"


def _kind(action: Action) -> Iterator[str]:
    if action.kind is Kind.MARKETING:
        if any(step.moment in SUSPICIONS for step in action.steps):
            yield "suspicion must not sell"
        return
    if action.reward is not None or action.budget is not None:
        yield "service and safety carry neither reward nor budget"
    if any(price_in(text) for treatment in action.treatments for text in treatment.texts):
        yield "service and safety carry no price and no advert"


def _anyone(action: Action) -> Iterator[str]:
    """Of whoever is there unknown nothing is read, remembered or told."""
    if action.audience is not Audience.ANYONE:
        return
    if any(treatment.personal for treatment in action.treatments):
        yield "nothing personal in an action for anyone"
    if any(not need.of_place for need in action.facts):
        yield "no fact of a person in an action for anyone"
    if action.prepared or (action.reward is not None and action.reward.discount is not None):
        yield "no prepared list and no discount in an action for anyone"
    if any(trigger.per is Per.SUBJECT for trigger in action.triggers):
        yield "nobody to remember in an action for anyone"
    if any(step.moment in CHALLENGE_MOMENTS for step in action.steps):
        yield "no challenges in an action for anyone"


def _driving(action: Action) -> Iterator[str]:
    """Only a voice is heard without looking."""
    if any(each.while_driving and each.placement is not Placement.VOICE for each in action.treatments):
        yield "while_driving is for voice only"


def _expressions(action: Action) -> Iterator[str]:
    for source in action.expressions:
        fault = find_expression_fault(source, anyone=action.audience is Audience.ANYONE)
        if fault is not None:
            yield f"expression {source!r}: {fault.message}"


def _reward(action: Action) -> Iterator[str]:
    reward = action.reward
    has_amount = reward is not None and bool(reward.cost_cents or reward.discount)
    if action.budget is not None and not has_amount:
        yield "a budget needs a reward with a cost or a discount"
    if reward is None:
        return
    if reward.cost_cents and reward.discount:
        yield "a reward has a cost or a discount, not both"
    if has_amount != bool(reward.currency):
        yield "a reward has a currency if it has an amount"
    if reward.discount and reward.discount.at_most_cents < reward.discount.step_cents:
        yield "a discount is at most one step or more"


def _texts(action: Action) -> Iterator[str]:
    for treatment in action.treatments:
        for name, limit, text in zip(_TEXTS, TEXT_LIMITS[treatment.placement], treatment.texts, strict=True):
            if length_of(text) > limit:
                yield f"{name} has more than {limit} characters for {treatment.placement}"
            yield from _placeholders(action, text, is_personal=treatment.personal or treatment.private)
    if action.reward is not None:
        is_personal = all(treatment.personal or treatment.private for treatment in action.treatments)
        if action.reward.discount is not None and not is_personal:
            yield "a personal discount in a treatment that is not personal"
        yield from _placeholders(action, action.reward.text, is_personal=is_personal)


def _placeholders(action: Action, text: str, *, is_personal: bool) -> Iterator[str]:
    reward = action.reward
    has_amount = reward is not None and bool(reward.cost_cents or reward.discount)
    has_nearest = action.nearest is not None
    fault = find_placeholder_fault(text, _telling(action), has_amount=has_amount, has_nearest=has_nearest)
    if fault is not None:
        yield f"text {text!r}: {fault[0]}"
        return
    stated = {f"place.{need.name}" if need.of_place else need.name for need in action.facts}
    for placeholder, fact in facts_told(text):
        if fact not in stated:
            yield f"text {text!r}: the fact {fact!r} is not among its facts"
        if placeholder.startswith("facts.") and not is_personal:
            yield f"text {text!r}: a fact of a person in a treatment that is not personal"


def _telling(action: Action) -> TellingMoments:
    ending = ["" if trigger.absence else trigger.steps[-1].moment for trigger in action.triggers]
    return (*ending, *([f"Offer{action.follows.outcome.value.title()}"] if action.follows else []))


def _challenge(challenge: Challenge) -> Iterator[str]:
    counted = challenge.counted
    if counted.moment in CHALLENGE_MOMENTS | SUSPICIONS:
        yield f"it cannot count {counted.moment}"
        return
    if counted.bound or counted.times > 1:
        yield "what it counts is one moment without a name"
    fault = find_condition_fault(counted.condition, counted.moment, {}) if counted.condition else None
    if fault is not None:
        yield f"condition {counted.condition!r}: {fault.message}"
    yield from _filters(counted)
