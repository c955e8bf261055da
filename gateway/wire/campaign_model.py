"""A compiled campaign: what a release holds of one campaign file, as JSON, format 2.

Reading is strict: an unknown field, a wrong type or a number out of range refuses the whole campaign, and so does
whatever breaks a rule of `gateway.wire.campaign_guard`. Each part is one of `gateway.core.campaign`, by the same
names, but that a contact policy says `unlimited` where it has no cap, so that a cap is never lost by omission.
"""

from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gateway.core import campaign as core
from gateway.core import steps, terms
from gateway.core.campaign import Audience, Kind, Placement
from gateway.core.events import Outcome
from gateway.core.moments import MOMENTS
from gateway.core.terms import Calendar, Per
from gateway.wire.campaign_rules import (
    BOUND_PATTERN,
    CURRENCY_PATTERN,
    FACT_PATTERN,
    LANGUAGE_PATTERN,
    MAX_COUNT,
    MAX_DURATION_S,
    MAX_EXPRESSION_LENGTH,
    MAX_MONEY_CENTS,
    MAX_TAG_LENGTH,
    MAX_TEXT_LENGTH,
)
from gateway.wire.fences import FENCE_KINDS
from gateway.wire.topics import ID_PATTERN

FORMAT: Final = 2
UNLIMITED: Final = "unlimited"

Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_LENGTH)]
OptionalText = Annotated[str, StringConstraints(max_length=MAX_TEXT_LENGTH)]
Language = Annotated[str, StringConstraints(pattern=f"^(?:{LANGUAGE_PATTERN.pattern})$")]
Expression = Annotated[str, StringConstraints(max_length=MAX_EXPRESSION_LENGTH)]
FactName = Annotated[str, StringConstraints(pattern=f"^{FACT_PATTERN.pattern}$")]
Bound = Annotated[str, StringConstraints(pattern=f"^(?:{BOUND_PATTERN.pattern})?$")]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TAG_LENGTH)]
Currency = Annotated[str, StringConstraints(pattern=f"^(?:{CURRENCY_PATTERN.pattern})?$")]
Factor = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]
Seconds = Annotated[int, Field(ge=1, le=MAX_DURATION_S)]
SecondsOrNone = Annotated[int, Field(ge=0, le=MAX_DURATION_S)]
Cents = Annotated[int, Field(ge=1, le=MAX_MONEY_CENTS)]


class _Part(BaseModel):
    """A part of `gateway.core.campaign`, which `to_core` makes of it."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)
    of: ClassVar[type]

    def to_core(self, **further: object) -> Any:  # noqa: ANN401 -- an object of `of`
        """Return the part as the engine uses it, with fields that stand elsewhere in the document."""
        return self.of(**{name: _to_core(value) for name, value in self}, **further)


def _to_core(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(_to_core(each) for each in value)
    return value.to_core() if isinstance(value, _Part) else value


class CompiledStep(_Part):
    """One moment to wait for."""

    of = steps.Step
    moment: str
    fence_kind: str | None = None
    fence: Id | None = None
    action: Id | None = None
    tag: Tag | None = None
    fact: FactName | None = None
    challenge: Id | None = None
    condition: Expression = ""
    bound: Bound = ""
    times: Count = 1

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.moment not in MOMENTS:
            raise ValueError("unknown moment")
        if self.fence_kind is not None and self.fence_kind not in FENCE_KINDS:
            raise ValueError("unknown fence kind")
        if self.bound == "moment":
            raise ValueError("a moment cannot be called moment")
        return self


class CompiledAbsence(_Part):
    """What must not happen."""

    of = steps.Absence
    step: CompiledStep
    for_s: Seconds


class CompiledTrigger(_Part):
    """Moments in this order; `within_s` is 0 for a single one."""

    of = steps.Trigger
    steps: Annotated[tuple[CompiledStep, ...], Field(min_length=1)]
    within_s: SecondsOrNone = 0
    unless: tuple[CompiledStep, ...] = ()
    absence: CompiledAbsence | None = None
    per: Per = Per.UNIT


class CompiledCap(_Part):
    """At most `count` contacts in one window."""

    of = terms.Cap
    count: Count
    within_s: SecondsOrNone = 0
    each: Calendar | None = None
    per: Per = Per.SUBJECT

    @model_validator(mode="after")
    def _has_one_window(self) -> Self:
        if (self.within_s > 0) == (self.each is not None):
            raise ValueError("a cap has either within_s or each")
        return self


class CompiledSuppression(_Part):
    """After being ignored."""

    of = terms.Suppression
    ignored: Count
    for_s: Seconds


class CompiledContact(_Part):
    """A contact policy; its caps are listed, or it says `unlimited`."""

    of = terms.ContactPolicy
    caps: Annotated[tuple[CompiledCap, ...], Field(min_length=1)] | Literal["unlimited"]
    cool_down_s: SecondsOrNone = 0
    suppression: CompiledSuppression | None = None

    def to_core(self, **further: object) -> Any:  # noqa: ANN401 -- an object of `of`
        """Return the contact policy: `unlimited` is to have no cap."""
        return super().to_core(**further) if self.caps != UNLIMITED else self.model_copy(update={"caps": ()}).to_core()


class CompiledGroup(_Part):
    """Actions that share a contact policy."""

    of = terms.Group
    id: Id
    contact: CompiledContact
    slate: Count = 1


class CompiledChallenge(_Part):
    """So many moments in a calendar window."""

    of = steps.Challenge
    id: Id
    counted: CompiledStep
    times: Count
    each: Calendar


class CompiledFollows(_Part):
    """What came before."""

    of = core.Follows
    action: Id
    outcome: Literal[Outcome.ACCEPTED, Outcome.REDEEMED, Outcome.DECLINED]
    within_s: Seconds


class CompiledFactNeed(_Part):
    """A fact it rests on."""

    of = core.FactNeed
    name: FactName
    of_place: bool
    max_age_s: Seconds | None = None


class CompiledNearest(_Part):
    """The place it points to."""

    of = core.Nearest
    fence_kind: str
    fact: FactName

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.fence_kind not in FENCE_KINDS:
            raise ValueError("unknown fence kind")
        return self


class CompiledWeight(_Part):
    """A factor of the context weight."""

    of = core.Weight
    condition: Expression
    weight: Factor


class CompiledDiscount(_Part):
    """A personal discount."""

    of = terms.Discount
    risk: FactName
    worth: FactName
    share: Annotated[float, Field(gt=0, le=1)]
    step_cents: Cents
    at_most_cents: Cents


class CompiledReward(_Part):
    """What is given on acceptance."""

    of = terms.Reward
    id: Id
    text: Text
    cost_cents: Annotated[int, Field(ge=0, le=MAX_MONEY_CENTS)] = 0
    currency: Currency = ""
    discount: CompiledDiscount | None = None


class CompiledBudget(_Part):
    """What its rewards may cost."""

    of = terms.Budget
    total_cents: Cents
    each: Calendar | None = None


class CompiledTreatment(_Part):
    """The wording for one placement."""

    of = core.Treatment
    placement: Placement
    language: Language
    title: Text
    body: Text
    call_to_action: OptionalText = ""
    personal: bool = False
    private: bool = False
    while_driving: bool = False


class CompiledAction(_Part):
    """One action. Marketing has a contact policy, service and safety have none."""

    of = core.Action
    id: Id
    kind: Kind
    audience: Audience
    triggers: tuple[CompiledTrigger, ...]
    treatments: Annotated[tuple[CompiledTreatment, ...], Field(min_length=1)]
    eligible: Expression = ""
    applicable: Expression = ""
    suitable: Expression = ""
    model: Id | None = None
    category: Id | None = None
    prior: Probability | None = None
    prepared: bool = False
    value: Factor
    annoyance: Factor
    lever: Factor
    context_weight: Factor
    weights: tuple[CompiledWeight, ...] = ()
    contact: CompiledContact | None = None
    group: Id | None = None
    follows: CompiledFollows | None = None
    facts: tuple[CompiledFactNeed, ...] = ()
    nearest: CompiledNearest | None = None
    reward: CompiledReward | None = None
    budget: CompiledBudget | None = None
    valid_for_s: Seconds
    redeem_within_s: Seconds

    @model_validator(mode="after")
    def _knows_its_propensity(self) -> Self:
        if (self.model is None) != (self.category is None):
            raise ValueError("needs a model with a category, or a prior")
        if self.prepared if self.model is not None else not self.prepared and self.prior is None:
            raise ValueError("needs a model with a category, or a prior, or a prepared list")
        if self.model is not None and self.prior is not None:
            raise ValueError("needs a model with a category, or a prior, not both")
        return self

    @model_validator(mode="after")
    def _states_its_contact_policy(self) -> Self:
        if self.kind is Kind.MARKETING and self.contact is None:
            raise ValueError("marketing needs a contact policy with its caps, or `unlimited`")
        if self.kind is not Kind.MARKETING and self.contact is not None:
            raise ValueError("service and safety have no contact policy")
        return self

    def to_core(self, **further: object) -> Any:  # noqa: ANN401 -- an object of `of`
        """Return the action; one that has no contact policy is not limited."""
        if self.contact is not None:
            return super().to_core(**further)
        unlimited = CompiledContact(caps="unlimited")
        return self.model_copy(update={"contact": unlimited}).to_core(**further)


class CompiledCampaign(BaseModel):
    """One campaign. `ends_ms` is the first instant at which it is over."""

    model_config = _Part.model_config
    format: Literal[2]
    campaign: Id
    starts_ms: int | None = None
    ends_ms: int | None = None
    fallback: Language | None = None
    contact: CompiledContact | None = None
    groups: tuple[CompiledGroup, ...] = ()
    challenges: tuple[CompiledChallenge, ...] = ()
    actions: Annotated[tuple[CompiledAction, ...], Field(min_length=1)]
