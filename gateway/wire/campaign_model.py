"""A compiled campaign: what a release holds of one campaign file, as JSON, format 1.

Reading is strict: an unknown field, a wrong type or a number out of range refuses the whole campaign. The rules that
protect people (no price on service or safety, nothing personal for anyone, a cap on marketing) are held here a second
time, since a release may have been made by other hands than `wayside release build`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from gateway.core.campaign import (
    Action,
    Audience,
    Cap,
    Kind,
    Placement,
    Reward,
    Step,
    Treatment,
    Trigger,
)
from gateway.core.errors import ReleaseError
from gateway.core.moments import MOMENTS
from gateway.wire.campaign_rules import (
    LANGUAGE_PATTERN,
    MAX_DURATION_S,
    MAX_EXPRESSION_LENGTH,
    MAX_TEXT_LENGTH,
    find_expression_fault,
    price_in,
)
from gateway.wire.fences import FENCE_KINDS
from gateway.wire.topics import ID_PATTERN

Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH)]
OptionalText = Annotated[str, StringConstraints(max_length=MAX_TEXT_LENGTH)]
Language = Annotated[str, StringConstraints(pattern=f"^(?:{LANGUAGE_PATTERN.pattern})$")]
Expression = Annotated[str, StringConstraints(max_length=MAX_EXPRESSION_LENGTH)]
Factor = Annotated[float, Field(ge=0)]
Seconds = Annotated[int, Field(ge=1, le=MAX_DURATION_S)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


class CompiledStep(_Part):
    """One moment to wait for."""

    moment: str
    fence_kind: str | None = None
    fence: Id | None = None
    action: Id | None = None

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.moment not in MOMENTS:
            raise ValueError("unknown moment")
        if self.fence_kind is not None and self.fence_kind not in FENCE_KINDS:
            raise ValueError("unknown fence kind")
        return self


class CompiledTrigger(_Part):
    """Moments in this order; `within_s` is 0 for a single one."""

    steps: Annotated[tuple[CompiledStep, ...], Field(min_length=1)]
    within_s: Annotated[int, Field(ge=0, le=MAX_DURATION_S)] = 0

    @model_validator(mode="after")
    def _has_a_window(self) -> Self:
        if (len(self.steps) > 1) != (self.within_s > 0):
            raise ValueError("a sequence needs within_s, a single moment has none")
        return self


class CompiledReward(_Part):
    """What is given on acceptance."""

    id: Id
    text: Text


class CompiledCap(_Part):
    """At most `count` offers in any `within_s` seconds."""

    count: Annotated[int, Field(ge=1)]
    within_s: Seconds


class CompiledTreatment(_Part):
    """The wording for one placement."""

    placement: Placement
    language: Language
    title: Text
    body: Text
    call_to_action: OptionalText = ""
    personal: bool = False
    private: bool = False
    while_driving: bool = False


class CompiledAction(_Part):
    """One action. Marketing names its cap or `unlimited`, so that a cap is never lost by omission."""

    id: Id
    kind: Kind
    audience: Audience
    triggers: Annotated[tuple[CompiledTrigger, ...], Field(min_length=1)]
    treatments: Annotated[tuple[CompiledTreatment, ...], Field(min_length=1)]
    eligible: Expression = ""
    applicable: Expression = ""
    suitable: Expression = ""
    model: Id | None = None
    category: Id | None = None
    prior: Annotated[float, Field(ge=0, le=1)] | None = None
    value: Factor
    annoyance: Factor
    lever: Factor
    context_weight: Factor
    cap: CompiledCap | Literal["unlimited"] | None = None
    reward: CompiledReward | None = None
    valid_for_s: Seconds
    redeem_within_s: Seconds

    @model_validator(mode="after")
    def _knows_its_propensity(self) -> Self:
        if (self.model is None) == (self.prior is None) or (self.model is None) != (self.category is None):
            raise ValueError("needs a model with a category, or a prior")
        return self

    @model_validator(mode="after")
    def _sells_only_as_marketing(self) -> Self:
        if self.kind is Kind.MARKETING:
            if self.cap is None:
                raise ValueError("marketing needs a cap, or `unlimited`")
            return self
        if self.reward is not None or self.cap is not None:
            raise ValueError("service and safety carry neither reward nor cap")
        if any(price_in(text) for t in self.treatments for text in (t.title, t.body, t.call_to_action)):
            raise ValueError("service and safety carry no price and no advert")
        return self

    @model_validator(mode="after")
    def _reads_nothing_of_anyone(self) -> Self:
        anyone = self.audience is Audience.ANYONE
        if anyone and any(treatment.personal for treatment in self.treatments):
            raise ValueError("nothing personal in an action for anyone")
        for source in filter(None, (self.eligible, self.applicable, self.suitable)):
            fault = find_expression_fault(source, anyone=anyone)
            if fault is not None:
                raise ValueError(f"expression {source!r}: {fault.message}")
        return self


class CompiledCampaign(_Part):
    """One campaign. `ends_ms` is the first instant at which it is over."""

    format: Literal[1]
    campaign: Id
    starts_ms: int | None = None
    ends_ms: int | None = None
    actions: Annotated[tuple[CompiledAction, ...], Field(min_length=1)]


def compile_campaign(name: str, actions: Sequence[Action]) -> dict[str, object]:
    """Return the JSON of a campaign whose actions share its validity.

    Raises:
        ReleaseError: An action breaks a rule.
    """
    document = {
        "format": 1,
        "campaign": name,
        "starts_ms": actions[0].starts,
        "ends_ms": actions[0].ends,
        "actions": [_document(action) for action in actions],
    }
    return _validated(document).model_dump(mode="json", exclude_none=True)


def _document(action: Action) -> dict[str, object]:
    derived = {field.name for field in fields(action) if not field.init}
    elsewhere = derived | {"starts", "ends", "campaign"}
    document = {name: value for name, value in asdict(action).items() if name not in elsewhere}
    if action.kind is Kind.MARKETING and action.cap is None:
        document["cap"] = "unlimited"
    return document


def _validated(document: Mapping[str, object]) -> CompiledCampaign:
    try:
        return CompiledCampaign.model_validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ReleaseError(f"campaign: {where}: {first['msg']}") from error


def read_campaign(document: Mapping[str, object]) -> tuple[Action, ...]:
    """Return the actions of a compiled campaign.

    Raises:
        ReleaseError: It is of another format or breaks a rule of this one.
    """
    if document.get("format") != 1:
        raise ReleaseError(f"campaign format {document.get('format')!r} is not known; this gateway reads format 1")
    compiled = _validated(document)
    return tuple(_read_action(compiled, action) for action in compiled.actions)


def _read_action(campaign: CompiledCampaign, compiled: CompiledAction) -> Action:
    cap, reward = compiled.cap, compiled.reward
    return Action(
        id=compiled.id,
        kind=compiled.kind,
        audience=compiled.audience,
        triggers=tuple(
            Trigger(tuple(Step(s.moment, s.fence_kind, s.fence, s.action) for s in trigger.steps), trigger.within_s)
            for trigger in compiled.triggers
        ),
        treatments=tuple(Treatment(**dict(treatment)) for treatment in compiled.treatments),
        eligible=compiled.eligible,
        applicable=compiled.applicable,
        suitable=compiled.suitable,
        model=compiled.model,
        category=compiled.category,
        prior=compiled.prior,
        value=compiled.value,
        annoyance=compiled.annoyance,
        lever=compiled.lever,
        context_weight=compiled.context_weight,
        cap=Cap(cap.count, cap.within_s) if isinstance(cap, CompiledCap) else None,
        reward=Reward(reward.id, reward.text) if reward else None,
        valid_for_s=compiled.valid_for_s,
        redeem_within_s=compiled.redeem_within_s,
        starts=campaign.starts_ms,
        ends=campaign.ends_ms,
        campaign=campaign.campaign,
    )
