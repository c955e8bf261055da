"""What could be done, as the engine uses it. Campaign files are read and checked by `gateway.wire.campaigns`."""

import re
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from gateway.core.events import Role
from gateway.core.moments import LOCATION_MOMENTS
from gateway.core.units import Instant


class Kind(StrEnum):
    """Of which nature an action is. Service and safety carry no price, reward or advert."""

    MARKETING = "marketing"
    SERVICE = "service"
    SAFETY = "safety"


class Rank(IntEnum):
    """Safety before service before marketing: by rule, not by value."""

    SAFETY = 0
    SERVICE = 1
    MARKETING = 2


RANK = {Kind.SAFETY: Rank.SAFETY, Kind.SERVICE: Rank.SERVICE, Kind.MARKETING: Rank.MARKETING}


class Audience(StrEnum):
    """For whom: a known subject, or anyone, of whom nothing is read."""

    SUBJECT = "subject"
    ANYONE = "anyone"


class Placement(StrEnum):
    """Where a treatment is shown or said."""

    DRIVER_SCREEN = "driver_screen"
    PASSENGER_SCREEN = "passenger_screen"
    KIOSK_SCREEN = "kiosk_screen"
    VOICE = "voice"
    PHONE = "phone"


ADDRESSEE: dict[Placement, tuple[Role, ...]] = {
    Placement.DRIVER_SCREEN: (Role.DRIVER,),
    Placement.PASSENGER_SCREEN: (Role.PASSENGER,),
    Placement.KIOSK_SCREEN: (Role.CUSTOMER,),
    Placement.VOICE: (Role.DRIVER, Role.CUSTOMER),
    Placement.PHONE: (Role.DRIVER, Role.PASSENGER, Role.CUSTOMER),
}
"""Whose placement it is: the first of these roles that is present; the first of all when nobody is known."""


@dataclass(frozen=True, slots=True)
class Step:
    """One moment to wait for; a given filter must match. `fence_kind` and `fence` match any fence the moment names."""

    moment: str
    fence_kind: str | None = None
    fence: str | None = None
    action: str | None = None


@dataclass(frozen=True, slots=True)
class Trigger:
    """Moments in this order at one unit, the last less than `within_s` seconds after the first.

    A trigger of one step matches that one moment; `within_s` is then 0.
    """

    steps: tuple[Step, ...]
    within_s: int = 0


@dataclass(frozen=True, slots=True)
class Reward:
    """What is given on acceptance. Marketing only."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Treatment:
    """The wording for one placement in one language.

    Attributes:
        personal: It tells something about its addressee; nobody else may be there to read it.
        private: Only the addressee can read this placement, so `personal` needs no privacy around it.
        while_driving: For voice: may be said while driving, to a subject who opted in to voice.
    """

    placement: Placement
    language: str
    title: str
    body: str
    call_to_action: str = ""
    personal: bool = False
    private: bool = False
    while_driving: bool = False


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `count` offers of the action to one holder in any `within_s` seconds (a sliding window)."""

    count: int
    within_s: int


_READS_LOCATION = re.compile(r"\b(?:fences|fence_kinds)\b")


@dataclass(frozen=True, slots=True)
class Action:
    """What could be done, when, for whom, and what it is worth.

    Attributes:
        triggers: Any of these makes it a candidate.
        eligible, applicable, suitable: CEL; empty means always.
        model, category: The model that gives P and the category it is asked about; or
        prior: P itself. Exactly one of model and prior is set: P never comes from nowhere.
        value, annoyance, lever, context_weight: Factors of the net value, all >= 0.
        cap: Limits marketing only; None is written `unlimited` in a campaign.
        valid_for_s: How long an offer of it may be shown.
        redeem_within_s: How long after acceptance it may be redeemed.
        starts, ends: Instants between which it may be offered; None is open.
        campaign: The campaign it stands in.
        needs_location: Whether it rests on where the person is; follows from its triggers and expressions.
    """

    id: str
    kind: Kind
    audience: Audience
    triggers: tuple[Trigger, ...]
    treatments: tuple[Treatment, ...]
    eligible: str = ""
    applicable: str = ""
    suitable: str = ""
    model: str | None = None
    category: str | None = None
    prior: float | None = None
    value: float = 1.0
    annoyance: float = 0.0
    lever: float = 1.0
    context_weight: float = 1.0
    cap: Cap | None = None
    reward: Reward | None = None
    valid_for_s: int = 300
    redeem_within_s: int = 3600
    starts: Instant | None = None
    ends: Instant | None = None
    campaign: str = ""
    needs_location: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        steps = [step for trigger in self.triggers for step in trigger.steps]
        located = any(step.moment in LOCATION_MOMENTS or step.fence or step.fence_kind for step in steps)
        located = located or any(map(_READS_LOCATION.search, (self.eligible, self.applicable, self.suitable)))
        object.__setattr__(self, "needs_location", located)


def describe(trigger: Trigger) -> str:
    """Return a trigger in words, e.g. `Parked in fuel_station, then OfferRedeemed of pastry within 1200 s`."""
    steps = ", then ".join(_describe_step(step) for step in trigger.steps)
    return f"{steps} within {trigger.within_s} s" if len(trigger.steps) > 1 else steps


def _describe_step(step: Step) -> str:
    where = f" in {step.fence or step.fence_kind}" if step.fence or step.fence_kind else ""
    return f"{step.moment}{where}{f' of {step.action}' if step.action else ''}"
