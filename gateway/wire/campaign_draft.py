"""A campaign as far as it can be read: what stands in the file, field by field, each value with its place.

The tables below are the whole grammar. A draft may have holes where a field is absent or faulty; those are noted
already. `gateway.wire.campaign_check` judges a draft, and only one without any problem is turned into actions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import yaml

from gateway.core.campaign import Action, Audience, Cap, Kind, Placement, Reward, Step, Treatment, Trigger
from gateway.core.errors import InvariantViolation
from gateway.core.moments import MOMENTS
from gateway.core.units import DAY_MS, Instant
from gateway.wire import campaign_readers as readers
from gateway.wire.campaign_source import Code, Fields, Located, Reader, Source, has_key
from gateway.wire.fences import FENCE_KINDS

CAMPAIGN_FIELDS: Mapping[str, bool] = {"campaign": True, "valid": False, "actions": True}
VALID_FIELDS: Mapping[str, bool] = {"from": False, "until": False}
ACTION_FIELDS: Mapping[str, bool] = {
    "id": True,
    "kind": True,
    "audience": True,
    "when": True,
    "eligible": False,
    "applicable": False,
    "suitable": False,
    "propensity": True,
    "value": True,
    "annoyance": True,
    "lever": False,
    "context_weight": False,
    "cap": False,
    "valid_for": False,
    "redeem_within": False,
    "reward": False,
    "treatments": True,
}
STEP_FIELDS: Mapping[str, bool] = {"moment": True, "fence_kind": False, "fence": False, "action": False}
SEQUENCE_FIELDS: Mapping[str, bool] = {"sequence": True, "within": True}
MODEL_FIELDS: Mapping[str, bool] = {"model": True, "category": True}
PRIOR_FIELDS: Mapping[str, bool] = {"prior": True}
CAP_FIELDS: Mapping[str, bool] = {"count": True, "within": True}
REWARD_FIELDS: Mapping[str, bool] = {"id": True, "text": True}
TREATMENT_FIELDS: Mapping[str, bool] = {
    "placement": True,
    "language": True,
    "title": True,
    "body": True,
    "call_to_action": False,
    "personal": False,
    "private": False,
    "while_driving": False,
}
EXPRESSION_FIELDS = ("eligible", "applicable", "suitable")
FACTOR_FIELDS = ("value", "annoyance", "lever", "context_weight")
TEXT_FIELDS = ("title", "body", "call_to_action")
FLAG_FIELDS = ("personal", "private", "while_driving")

Unlimited = Literal["unlimited"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DraftStep:
    """One moment to wait for, with its filters: `fence_kind`, `fence`, `action`."""

    moment: Located[str] | None
    filters: Mapping[str, Located[str]]


@dataclass(frozen=True, slots=True)
class DraftTrigger:
    """A moment, or a sequence of them; `complete` if every step of it could be read."""

    node: yaml.Node
    steps: tuple[DraftStep, ...]
    within_s: int = 0
    complete: bool = True


@dataclass(frozen=True, slots=True)
class DraftTreatment:
    """The wording for one placement."""

    node: yaml.Node
    placement: Located[Placement] | None
    language: Located[str] | None
    texts: Mapping[str, Located[str]]
    flags: Mapping[str, Located[bool]]

    def is_set(self, flag: str) -> bool:
        """Return whether a flag stands there and is true."""
        return flag in self.flags and self.flags[flag].value


@dataclass(frozen=True, slots=True)
class DraftAction:
    """One action as written."""

    source: Source
    node: yaml.Node
    id: Located[str] | None
    kind: Located[Kind] | None
    audience: Located[Audience] | None
    triggers: tuple[DraftTrigger, ...]
    expressions: Mapping[str, Located[str]]
    model: Located[str] | None
    category: Located[str] | None
    prior: Located[float] | None
    factors: Mapping[str, Located[float]]
    cap: Located[Cap | Unlimited] | None
    cap_node: yaml.Node | None
    valid_for_s: Located[int] | None
    redeem_within_s: Located[int] | None
    reward: Located[Reward] | None
    reward_node: yaml.Node | None
    treatments: tuple[DraftTreatment, ...]

    @property
    def for_anyone(self) -> bool:
        """Whether it is for anyone, of whom nothing may be read."""
        return self.audience is not None and self.audience.value is Audience.ANYONE


@dataclass(frozen=True, slots=True)
class DraftCampaign:
    """One file. `ends` is the first instant after its last day."""

    source: Source
    name: Located[str] | None
    starts: Located[Instant] | None
    ends: Located[Instant] | None
    actions: tuple[DraftAction, ...]


def read_draft(source: Source, root: yaml.Node) -> DraftCampaign:
    """Return what can be read of a file; its problems are noted in the source."""
    fields = Fields(source, root, "a campaign", CAMPAIGN_FIELDS)
    valid_node = fields.node_of("valid")
    starts = ends = None
    if valid_node is not None:
        valid = Fields(source, valid_node, "'valid'", VALID_FIELDS)
        starts, until = valid.take("from", readers.day), valid.take("until", readers.day)
        ends = Located(until.value + DAY_MS, until.node) if until else None
    nodes = fields.take("actions", readers.items)
    actions = tuple(_read_action(source, node) for node in nodes.value) if nodes else ()
    return DraftCampaign(source, fields.take("campaign", readers.identifier), starts, ends, actions)


def _read_action(source: Source, node: yaml.Node) -> DraftAction:
    fields = Fields(source, node, "an action", ACTION_FIELDS)
    when = fields.take("when", readers.items)
    treatments = fields.take("treatments", readers.items)
    model, category, prior = _read_propensity(source, fields.node_of("propensity"))
    return DraftAction(
        source=source,
        node=node,
        id=fields.take("id", readers.identifier),
        kind=fields.take("kind", readers.choice({kind.value: kind for kind in Kind})),
        audience=fields.take("audience", readers.choice({audience.value: audience for audience in Audience})),
        triggers=tuple(_read_trigger(source, item) for item in when.value) if when else (),
        expressions=_take_all(fields, EXPRESSION_FIELDS, readers.expression),
        model=model,
        category=category,
        prior=prior,
        factors=_take_all(fields, FACTOR_FIELDS, readers.number()),
        cap=_read_cap(source, fields),
        cap_node=fields.node_of("cap"),
        valid_for_s=fields.take("valid_for", readers.duration_s),
        redeem_within_s=fields.take("redeem_within", readers.duration_s),
        reward=_read_reward(source, fields.node_of("reward")),
        reward_node=fields.node_of("reward"),
        treatments=tuple(_read_treatment(source, item) for item in treatments.value) if treatments else (),
    )


def _take_all(fields: Fields, names: tuple[str, ...], read: Reader[T]) -> dict[str, Located[T]]:
    taken = {name: fields.take(name, read) for name in names}
    return {name: value for name, value in taken.items() if value is not None}


def _read_trigger(source: Source, node: yaml.Node) -> DraftTrigger:
    if not has_key(node, "sequence"):
        step = _read_step(source, node)
        return DraftTrigger(node, (step,), complete=step.moment is not None)
    fields = Fields(source, node, "a sequence", SEQUENCE_FIELDS)
    within_s = fields.take("within", readers.duration_s)
    nodes = fields.take("sequence", readers.items)
    steps = tuple(_read_step(source, item) for item in nodes.value) if nodes else ()
    if nodes and len(steps) == 1:
        hint = "write `- moment: ...` without a sequence"
        source.note(Code.BAD_VALUE, nodes.node, "a sequence needs at least two moments", hint)
    complete = bool(steps) and all(step.moment for step in steps)
    return DraftTrigger(node, steps, within_s.value if within_s else 0, complete)


def _read_step(source: Source, node: yaml.Node) -> DraftStep:
    fields = Fields(source, node, "a moment to wait for", STEP_FIELDS)
    moment = fields.take("moment", readers.choice({name: name for name in MOMENTS}, Code.UNKNOWN_MOMENT))
    kinds = readers.choice({kind: kind for kind in FENCE_KINDS}, Code.UNKNOWN_FENCE_KIND)
    filters = {
        "fence_kind": fields.take("fence_kind", kinds),
        "fence": fields.take("fence", readers.identifier),
        "action": fields.take("action", readers.identifier),
    }
    return DraftStep(moment, {name: value for name, value in filters.items() if value is not None})


def _read_propensity(
    source: Source, node: yaml.Node | None
) -> tuple[Located[str] | None, Located[str] | None, Located[float] | None]:
    if node is None:
        return None, None, None
    if has_key(node, "prior"):
        return None, None, Fields(source, node, "a prior", PRIOR_FIELDS).take("prior", readers.number(1.0))
    fields = Fields(source, node, "a propensity, unless it is a prior,", MODEL_FIELDS)
    return fields.take("model", readers.identifier), fields.take("category", readers.identifier), None


def _read_cap(source: Source, fields: Fields) -> Located[Cap | Unlimited] | None:
    node = fields.node_of("cap")
    if node is None:
        return None
    if isinstance(node, yaml.ScalarNode):
        only: Mapping[str, Cap | Unlimited] = {"unlimited": "unlimited"}
        return fields.take("cap", readers.choice(only))
    limits = Fields(source, node, "a cap", CAP_FIELDS)
    count, within_s = limits.take("count", readers.count), limits.take("within", readers.duration_s)
    return Located(Cap(count.value, within_s.value), node) if count and within_s else None


def _read_reward(source: Source, node: yaml.Node | None) -> Located[Reward] | None:
    if node is None:
        return None
    fields = Fields(source, node, "a reward", REWARD_FIELDS)
    id_, text = fields.take("id", readers.identifier), fields.take("text", readers.text)
    return Located(Reward(id_.value, text.value), node) if id_ and text else None


def _read_treatment(source: Source, node: yaml.Node) -> DraftTreatment:
    fields = Fields(source, node, "a treatment", TREATMENT_FIELDS)
    placements = readers.choice({placement.value: placement for placement in Placement}, Code.UNKNOWN_PLACEMENT)
    return DraftTreatment(
        node=node,
        placement=fields.take("placement", placements),
        language=fields.take("language", readers.language),
        texts=_take_all(fields, TEXT_FIELDS, readers.text),
        flags=_take_all(fields, FLAG_FIELDS, readers.flag),
    )


def build_actions(draft: DraftCampaign) -> tuple[Action, ...]:
    """Return the actions of a draft without problems."""
    return tuple(_build_action(draft, action) for action in draft.actions)


def _build_action(campaign: DraftCampaign, draft: DraftAction) -> Action:
    """Return the action; what is left out has the default of `gateway.core.campaign.Action`."""
    cap = draft.cap.value if draft.cap else None
    durations = {"valid_for_s": draft.valid_for_s, "redeem_within_s": draft.redeem_within_s}
    action = Action(
        id=_required(draft.id),
        kind=_required(draft.kind),
        audience=_required(draft.audience),
        triggers=tuple(_build_trigger(trigger) for trigger in draft.triggers),
        treatments=tuple(_build_treatment(treatment) for treatment in draft.treatments),
        model=draft.model.value if draft.model else None,
        category=draft.category.value if draft.category else None,
        prior=draft.prior.value if draft.prior else None,
        cap=cap if isinstance(cap, Cap) else None,
        reward=draft.reward.value if draft.reward else None,
        starts=campaign.starts.value if campaign.starts else None,
        ends=campaign.ends.value if campaign.ends else None,
        campaign=_required(campaign.name),
    )
    optional: dict[str, Located[Any] | None] = {**draft.expressions, **draft.factors, **durations}
    return replace(action, **{name: located.value for name, located in optional.items() if located})


def _build_trigger(draft: DraftTrigger) -> Trigger:
    steps = tuple(
        replace(Step(_required(step.moment)), **{name: located.value for name, located in step.filters.items()})
        for step in draft.steps
    )
    return Trigger(steps, draft.within_s)


def _build_treatment(draft: DraftTreatment) -> Treatment:
    return Treatment(
        placement=_required(draft.placement),
        language=_required(draft.language),
        title=draft.texts["title"].value,
        body=draft.texts["body"].value,
        call_to_action=draft.texts["call_to_action"].value if "call_to_action" in draft.texts else "",
        personal=draft.is_set("personal"),
        private=draft.is_set("private"),
        while_driving=draft.is_set("while_driving"),
    )


def _required(located: Located[T] | None) -> T:
    if located is None:
        raise InvariantViolation("a draft without problems has every required field")
    return located.value
