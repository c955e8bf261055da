"""What the engine asks for.

The shell commits the durable effects in one transaction, then publishes, then acknowledges.

No effect is changed once it is made. `Refusal` and `Verdict` are not frozen all the same: a decision makes one of each
for every candidate, and to set a field of a frozen dataclass costs six times as much.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from gateway.core.campaign import Kind, Placement
from gateway.core.events import FenceReported, Outcome, Role
from gateway.core.moments import Moment
from gateway.core.state import StateKey
from gateway.core.units import Instant


class Stage(StrEnum):
    """The steps of screening, in their order, and the two after it."""

    KIND = "kind"
    ADDRESSEE = "addressee"
    CONSENT = "consent"
    SAFETY = "safety"
    ELIGIBILITY = "eligibility"
    APPLICABILITY = "applicability"
    SUITABILITY = "suitability"
    FACTS = "facts"
    CONTACT_POLICY = "contact_policy"
    BUDGET = "budget"
    SCORE = "score"
    ARBITRATION = "arbitration"


@dataclass(slots=True)
class Refusal:
    """Why a candidate was not chosen, with the values that decided it.

    Attributes:
        reason: An enumeration value, e.g. `no_consent`; safe as a metric label.
        detail: The values, e.g. `{"purpose": "profiling"}`.
    """

    stage: Stage
    reason: str
    detail: dict[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Verdict:
    """What became of one candidate: an action in its treatment for one placement.

    The factors are those of `gateway.core.arbitration`; all are None when the candidate was refused before scoring.
    `refusal` is None for the chosen ones only. `also`: what else would have refused it, where all of it was asked for.
    """

    action: str
    kind: Kind
    placement: Placement
    trigger: str
    refusal: Refusal | None
    propensity: float | None = None
    context_weight: float | None = None
    value: float | None = None
    lever: float | None = None
    annoyance: float | None = None
    net_value: float | None = None
    also: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """One choice among the candidates of one unit at one instant, silence included.

    Attributes:
        holder: The subject whom the chosen, else the first candidate addresses; `session` when unknown.
        moments: Names of the moments that brought it about.
        chosen: The action, or None: silence.
        offer: Its offer.
        slate: The offers shown beside it, in their order.
        context: The variables the expressions saw, without anything of a subject.
    """

    id: str
    unit: str
    at: Instant
    release: str
    holder: str
    moments: tuple[str, ...]
    verdicts: tuple[Verdict, ...]
    chosen: str | None
    offer: str | None
    context: dict[str, object]
    slate: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OfferedReward:
    """A reward as it is offered, worded.

    Attributes:
        cost_cents: What it costs, in hundredths of `currency`; 0 where nothing is counted.
        told_cents: The amount its reader is told; None: what it costs is not theirs to know.
    """

    id: str
    text: str
    cost_cents: int = 0
    currency: str = ""
    told_cents: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """Anything published to a person.

    Attributes:
        slate: The first offer of those that are shown together; empty: it stands alone.
        position: Its place among them, from 0.
        as_of: When the oldest of the facts it shows was told; None: it shows none.
    """

    id: str
    decision: str
    unit: str
    holder: str
    role: Role
    placement: Placement
    action: str
    kind: Kind
    language: str
    title: str
    body: str
    call_to_action: str
    reward: OfferedReward | None
    made: Instant
    expires: Instant
    slate: str = ""
    position: int = 0
    as_of: Instant | None = None


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A durable entry has a new value; None deletes it. Committed together with the decision it belongs to."""

    key: StateKey
    value: object


@dataclass(frozen=True, slots=True)
class MomentNoticed:
    """The engine noticed something. For traces and live views; nothing is stored of it."""

    moment: Moment


@dataclass(frozen=True, slots=True)
class FixTold:
    """What a fix amounts to, without saying where it was: a journal without coordinates keeps this in its stead."""

    report: FenceReported


@dataclass(frozen=True, slots=True)
class DecisionRecorded:
    """A decision with its whole trace."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class OfferMade:
    """Publish this, once it is committed."""

    offer: Offer


@dataclass(frozen=True, slots=True)
class OfferWithdrawn:
    """Take it off the screen.

    `reason`: consent_withdrawn, drove_off, drive_unknown, outranked, subject_left (from where it stood), not_alone,
    session_ended or clock_set_back.
    """

    offer: str
    unit: str
    at: Instant
    reason: str


@dataclass(frozen=True, slots=True)
class OutcomeRecorded:
    """An offer moved on. `id` is the report's, empty for an expiry the engine noticed itself."""

    id: str
    offer: str
    unit: str
    at: Instant
    outcome: Outcome
    detail: str


@dataclass(frozen=True, slots=True)
class ConsentRecorded:
    """A receipt: what was agreed or withdrawn. The entry that decides is a `StateChanged` beside it."""

    id: str
    unit: str
    holder: str
    purpose: str
    given: bool
    at: Instant


@dataclass(frozen=True, slots=True)
class EventIgnored:
    """A valid event that changes nothing, e.g. a late fix. Counted."""

    unit: str
    at: Instant
    reason: str


@dataclass(frozen=True, slots=True)
class EventRefused:
    """An event that its sender got wrong, e.g. an outcome of an unknown offer. Counted and dead-lettered."""

    unit: str
    at: Instant
    reason: str


Effect: TypeAlias = (
    StateChanged
    | MomentNoticed
    | FixTold
    | DecisionRecorded
    | OfferMade
    | OfferWithdrawn
    | OutcomeRecorded
    | ConsentRecorded
    | EventIgnored
    | EventRefused
)

DURABLE_EFFECTS = (
    StateChanged,
    DecisionRecorded,
    OfferMade,
    OfferWithdrawn,
    OutcomeRecorded,
    ConsentRecorded,
)
"""Effects that must be committed before anything is published or acknowledged."""
