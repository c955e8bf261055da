"""What the engine hears: validated facts, in the past tense.

Every event names its unit and `ts`, the instant the sender says it happened. The engine decides at `now`, which is
passed beside the event; `ts` only orders fixes and signals among themselves and tells what is stale.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from gateway.core.state import StateKey
from gateway.core.units import Instant, Position

Scalar: TypeAlias = bool | int | float | str


class Role(StrEnum):
    """What a subject is at a unit."""

    DRIVER = "driver"
    PASSENGER = "passenger"
    CUSTOMER = "customer"


class Purpose(StrEnum):
    """What a person may agree to, one by one. Unknown is denied."""

    LOCATION_TRIGGERS = "location_triggers"
    PROFILING = "profiling"
    OFFER_DISPLAY = "offer_display"
    CLOUD_SYNC = "cloud_sync"
    MODEL_TRAINING = "model_training"
    THIRD_PARTY = "third_party"


class Outcome(StrEnum):
    """What became of an offer. `presented -> seen -> accepted -> redeemed`; the others end it."""

    PRESENTED = "presented"
    SEEN = "seen"
    ACCEPTED = "accepted"
    REDEEMED = "redeemed"
    DECLINED = "declined"
    DISMISSED = "dismissed"
    NEVER_AGAIN = "never_again"
    EXPIRED = "expired"


class UnitKind(StrEnum):
    """What kind of installed place of contact a unit is."""

    CAR = "car"
    KIOSK = "kiosk"
    BEACON = "beacon"


SESSION = "session"
"""The holder's name on the wire for whoever is at the unit unknown."""


@dataclass(frozen=True, slots=True)
class UnitRegistered:
    """A unit this gateway serves, or its local time has changed. Sent by the shell before anything else of the unit.

    Attributes:
        placements: Where this unit can show something, e.g. `driver_screen`.
        contextual_offers: Whether the unit's owner lets unknown people (sessions) see marketing.
        utc_offset_s: Local time minus UTC now; sent again when it changes.
        time_is_sure: False while the gateway's clock is suspect: then a consent that ends on some day does not count.
    """

    unit: str
    ts: Instant
    kind: UnitKind
    placements: tuple[str, ...]
    language: str = "en"
    contextual_offers: bool = False
    utc_offset_s: int = 0
    time_is_sure: bool = True


@dataclass(frozen=True, slots=True)
class UnitLost:
    """The unit's own connection ended: what it last said can no longer be trusted, and its session is wiped."""

    unit: str
    ts: Instant


@dataclass(frozen=True, slots=True)
class PositionReported:
    """A fix. `accuracy_m` None means unknown, which is not the same as good."""

    unit: str
    ts: Instant
    position: Position
    accuracy_m: float | None = None
    speed_mps: float | None = None
    heading_deg: float | None = None


@dataclass(frozen=True, slots=True)
class SignalsReported:
    """Vehicle signals by VSS path, coordinates excepted. Newest `ts` wins, path by path."""

    unit: str
    ts: Instant
    signals: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class FenceReported:
    """Crossings seen elsewhere at one instant: by a phone's own geofencing, or by the engine that wrote a journal.

    One that tells of no fence is a sign of life: the unit still is where it was.

    Attributes:
        exited: Fences that were left; the engine takes them first.
        entered: Fences that were entered.
        passed_by: Fences that were gone through without stopping.
        approached: Fences that the unit heads for.
        receded: Fences whose approach is over, so that another one would be news.
        climate: Where on earth, as coarsely as seasons need it: `north`, `south` or `tropics`; empty: not said.
    """

    unit: str
    ts: Instant
    entered: tuple[str, ...] = ()
    exited: tuple[str, ...] = ()
    passed_by: tuple[str, ...] = ()
    approached: tuple[str, ...] = ()
    receded: tuple[str, ...] = ()
    climate: str = ""


@dataclass(frozen=True, slots=True)
class BeaconSighted:
    """A beacon of a fence was heard. `distance_m` None: heard no longer."""

    unit: str
    ts: Instant
    beacon: str
    distance_m: float | None


@dataclass(frozen=True, slots=True)
class SubjectIdentified:
    """A known person is at the unit. Brings along all that the ledger knows of them, so that the engine asks nobody.

    Attributes:
        state: The subject's own entries, as earlier `StateChanged` effects wrote them.
    """

    unit: str
    ts: Instant
    id: str
    subject: str
    role: Role
    method: str = "app"
    state: Mapping[StateKey, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubjectLeft:
    """The person in `role` is gone. Without a known person there, it hands the unit over: the session is wiped."""

    unit: str
    ts: Instant
    id: str
    role: Role


@dataclass(frozen=True, slots=True)
class ConsentChanged:
    """A person agreed or withdrew, for one purpose.

    Attributes:
        holder: A subject, or `SESSION`: whoever is at the unit unknown.
        supersedes: For `given`: ids of the withdrawals the person was told of; see `gateway.core.consent`.
        valid_until: For `given`: the end of it; None means no end.
    """

    unit: str
    ts: Instant
    id: str
    holder: str
    purpose: Purpose
    given: bool
    supersedes: tuple[str, ...] = ()
    valid_until: Instant | None = None


@dataclass(frozen=True, slots=True)
class FactsChanged:
    """Something is known from elsewhere (visits a month, a basket, stock, a price). None forgets it.

    It is about the `subject`, if one is named; else about the `fence`, if one is named; else about the unit itself.
    Newest `ts` wins, fact by fact.

    Attributes:
        valid_until: The end of it; None means no end. Its age counts from `ts`.
        state: The subject's own entries, as for `SubjectIdentified`: to know of somebody absent what is newer.
    """

    unit: str
    ts: Instant
    subject: str
    facts: Mapping[str, Scalar | None]
    id: str = ""
    fence: str = ""
    valid_until: Instant | None = None
    state: Mapping[StateKey, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ListPrepared:
    """The centre has prepared for a subject how likely each of these actions is to be accepted. Replaces the last list.

    Attributes:
        propensities: By action, 0 to 1.
        valid_until: The end of it; None means no end.
        state: The subject's own entries, as for `SubjectIdentified`.
    """

    unit: str
    ts: Instant
    id: str
    subject: str
    propensities: Mapping[str, float]
    valid_until: Instant | None = None
    state: Mapping[StateKey, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutcomeReported:
    """What became of an offer, from the unit it was shown at or from another (a till redeems what a car offered)."""

    unit: str
    ts: Instant
    id: str
    offer: str
    outcome: Outcome
    detail: str = ""


Event: TypeAlias = (
    UnitRegistered
    | UnitLost
    | PositionReported
    | SignalsReported
    | FenceReported
    | BeaconSighted
    | SubjectIdentified
    | SubjectLeft
    | ConsentChanged
    | FactsChanged
    | ListPrepared
    | OutcomeReported
)
