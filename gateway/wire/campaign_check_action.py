"""What an action must not be: expressions that cannot run, service and safety that sell, words without a price."""

import re

from gateway.core.campaign import Kind
from gateway.core.features import is_personal
from gateway.core.policy import VARIABLES, ExpressionFault, constant_value
from gateway.core.terms import Calendar
from gateway.wire.campaign_forms import PLACE
from gateway.wire.campaign_grammar import EXPRESSION_FIELDS
from gateway.wire.campaign_known import Known, is_for_anyone, is_marketing, offset_of
from gateway.wire.campaign_rules import find_expression_fault
from gateway.wire.campaign_shapes import Part
from gateway.wire.campaign_source import Code, Located, suggestion

FOR_SOMEBODY = "write `audience: subject`, or leave it out"
_UNKNOWN_NAME = re.compile(r"unknown name '([^']+)'; known are (.*)")


def check_action(action: Part, known: Known) -> None:
    """Note what is wrong with an action apart from its words and its triggers."""
    if action.node_of("when") is None and action.node_of("follows") is None:
        hint = "write `when:` with what it waits for, or `follows:` with the action it comes after"
        action.note(Code.MISSING_FIELD, "when", "an action needs the field 'when'", hint)
    for name, located in action.all_of(str, EXPRESSION_FIELDS).items():
        _check_expression(action, name, located)
        if constant_value_of(located) is False:
            message = f"{name!r} is never true, so the action can never be offered"
            action.note(Code.UNREACHABLE, name, message, "remove the action, or correct the expression")
    for weight in action.parts("context_weight"):
        for located in weight.all_of(str, ("if",)).values():
            _check_expression(action, "if", located)
    _check_kind(action)
    check_contact(action)
    _check_propensity(action, known)
    _check_facts(action)
    _check_reward(action)
    group = action.get("group", str)
    if group is not None and group not in known.groups:
        action.note(Code.UNKNOWN_GROUP, "group", f"there is no group {group!r}", suggestion(group, known.groups))


def constant_value_of(located: Located[str]) -> bool | None:
    """Return what an expression that depends on nothing always is; None for any other, and for one with a fault."""
    return None if find_expression_fault(located.value) else constant_value(located.value)


def _check_expression(action: Part, name: str, located: Located[str]) -> None:
    fault = find_expression_fault(located.value)
    if fault is not None:
        message, hint = worded(name, fault)
        action.source.note(Code.BAD_EXPRESSION, located.node, message, hint, offset_of(located, fault))
        return
    fault = find_expression_fault(located.value, anyone=True) if is_for_anyone(action) else None
    if fault is not None:
        message = f"{name!r}: {fault.message}"
        offset = offset_of(located, fault)
        action.source.note(Code.PERSONAL_FOR_ANYONE, located.node, message, FOR_SOMEBODY, offset)


def worded(name: str, fault: ExpressionFault) -> tuple[str, str]:
    """Return message and hint: what the parser says, in the author's words."""
    unknown = _UNKNOWN_NAME.match(fault.message)
    if unknown:
        known = unknown[2].split(", ")
        what = "variable" if set(known) == VARIABLES.keys() else "moment it can see"
        return f"{name!r} names {unknown[1]!r}, which is no {what}", suggestion(unknown[1], known)
    said = fault.message.splitlines()[0].removeprefix("Syntax error: ").split(" expecting ")[0]
    if "Recursion" in said:
        said = "it is nested too deeply"
    elif "<EOF>" in said or said.startswith("Incomplete"):
        said = "it ends too early"
    return f"{name!r} is no valid expression: {said}", ""


def _check_kind(action: Part) -> None:
    """Marketing states its cap; service and safety have none, and carry neither reward nor budget."""
    kind = action.get("kind", Kind)
    if is_marketing(action) and action.node_of("cap") is None:
        hint = "write `cap: {count: 1, within: 24 h}` or `cap: unlimited`"
        action.note(Code.MISSING_FIELD, "cap", "a marketing action needs the field 'cap'", hint)
    if kind is None or is_marketing(action):
        return
    for name, code, message, hint in (
        ("cap", Code.CAP_NOT_MARKETING, f"a {kind} action is never capped", "remove the cap"),
        ("cool_down", Code.CONTACT_NOT_MARKETING, f"a {kind} action never cools down", "remove 'cool_down'"),
        ("suppress", Code.CONTACT_NOT_MARKETING, f"a {kind} action is never suppressed", "remove 'suppress'"),
        ("reward", Code.REWARD_NOT_MARKETING, f"a {kind} action carries no reward", "remove the reward"),
        ("budget", Code.BUDGET_NOT_MARKETING, f"a {kind} action spends nothing", "remove the budget"),
    ):
        if action.node_of(name) is not None:
            action.note(code, name, message, hint)


def check_contact(part: Part) -> None:
    """Each cap has one window: of an action, a group, or all marketing."""
    for cap in part.parts("cap"):
        sliding, fixed = cap.node_of("within"), cap.node_of("each")
        if sliding is None and fixed is None:
            hint = f"add `within: 24 h`, or `each:` {', '.join(Calendar)}"
            cap.source.note(Code.BAD_CAP, cap.node, "a cap needs a window, 'within' or 'each'", hint)
        elif sliding is not None and fixed is not None:
            cap.note(Code.BAD_CAP, "each", "a cap has one window, not both 'within' and 'each'", "write two caps")


def _check_propensity(action: Part, known: Known) -> None:
    for propensity in action.parts("propensity"):
        if is_for_anyone(action) and propensity.node_of("prepared") is not None:
            message = "the action is for anyone, but a prepared list is a person's"
            propensity.note(
                Code.PERSONAL_FOR_ANYONE, "prepared", message, "state a prior, or write `audience: subject`"
            )
        model, category = propensity.get("model", str), propensity.get("category", str)
        if model is None or known.models is None:
            continue
        spec = known.models.get(model)
        if spec is None:
            propensity.note(
                Code.UNKNOWN_MODEL, "model", f"there is no model {model!r}", suggestion(model, known.models)
            )
            continue
        if category is not None and category not in spec.categories:
            message = f"the model {model!r} has no category {category!r}"
            propensity.note(Code.UNKNOWN_CATEGORY, "category", message, suggestion(category, spec.categories))
        personal = [name for name in spec.features if is_personal(name)]
        if is_for_anyone(action) and personal:
            message = f"the action is for anyone, but its model reads of a subject: {', '.join(personal)}"
            propensity.note(Code.PERSONAL_FOR_ANYONE, "model", message, "state a prior, or write `audience: subject`")


def _check_facts(action: Part) -> None:
    if not is_for_anyone(action):
        return
    for facts in action.parts("facts"):
        for name in facts.all_of(int):
            if not name.startswith(PLACE):
                message = f"the fact {name!r} is a person's, but the action is for anyone"
                facts.note(Code.PERSONAL_FOR_ANYONE, name, message, f"write `{PLACE}{name}` if it is one of the place")


def _check_reward(action: Part) -> None:
    """An amount has a currency, and a currency an amount; a budget has something to count."""
    has_amount = False
    for reward in action.parts("reward"):
        cost, discount, currency = (reward.node_of(name) for name in ("cost", "discount", "currency"))
        has_amount = cost is not None or discount is not None
        if cost is not None and discount is not None:
            reward.note(Code.BAD_REWARD, "cost", "a reward has a cost or a discount, not both", "remove the cost")
        elif has_amount and currency is None:
            message = "a reward with an amount needs the field 'currency'"
            reward.source.note(Code.BAD_REWARD, reward.node, message, "add `currency: EUR`")
        elif currency is not None and not has_amount:
            message = "a currency, but neither a cost nor a discount"
            reward.note(Code.BAD_REWARD, "currency", message, "add `cost: 2.50`, or remove it")
        for part in reward.parts("discount"):
            _check_discount(action, part)
    if is_marketing(action) and action.node_of("budget") is not None and not has_amount:
        message = "a budget, but no reward with a cost or a discount that it could count"
        action.note(Code.BUDGET_WITHOUT_COST, "budget", message, "add `cost` and `currency` to the reward")


def _check_discount(action: Part, discount: Part) -> None:
    if is_for_anyone(action):
        message = "a personal discount in an action for anyone, of whom nothing is known"
        discount.source.note(Code.PERSONAL_FOR_ANYONE, discount.node, message, "write `cost`, or `audience: subject`")
    step, at_most = discount.get("step", int), discount.get("at_most", int)
    if step is not None and at_most is not None and at_most < step:
        message = "'at_most' is less than one 'step', so the discount is always nothing"
        discount.note(Code.OUT_OF_RANGE, "at_most", message, "make it a multiple of 'step'")
