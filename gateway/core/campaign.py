"""What could be done, as the engine uses it. Campaign files are read and checked by `gateway.wire.campaigns`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from gateway.core.events import Outcome, Role
from gateway.core.steps import Challenge, Step, Trigger, is_located, steps_of
from gateway.core.terms import UNLIMITED, Budget, ContactPolicy, Group, Per, Reward
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


TEXT_LIMITS: Mapping[Placement, tuple[int, int, int]] = {
    Placement.DRIVER_SCREEN: (40, 120, 24),
    Placement.PASSENGER_SCREEN: (60, 240, 24),
    Placement.KIOSK_SCREEN: (60, 240, 30),
    Placement.VOICE: (80, 200, 0),
    Placement.PHONE: (60, 240, 24),
}
"""How many characters a title, a body and a call to action may have; 0: there is none."""


@dataclass(frozen=True, slots=True)
class Follows:
    """A chain: only within `within_s` seconds after the same holder's offer of `action` came to `outcome`.

    The outcome itself is an occasion; whatever other trigger comes, it comes to nothing outside that window.
    """

    action: str
    outcome: Outcome
    within_s: int


@dataclass(frozen=True, slots=True)
class FactNeed:
    """A fact that an action rests on: it must be known, and be told of `max_age_s` ago at most; None: of any age.

    Attributes:
        of_place: It is a fact of the unit or of a fence it is in, else one of the subject.
    """

    name: str
    of_place: bool
    max_age_s: int | None = None


@dataclass(frozen=True, slots=True)
class Weight:
    """A factor of the context weight, where its CEL condition holds."""

    condition: str
    weight: float


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest fence of a kind, measured from the fence the unit is in, of which `fact` is known to be true."""

    fence_kind: str
    fact: str


@dataclass(frozen=True, slots=True)
class Treatment:
    """The wording for one placement in one language. Texts may hold the placeholders of `gateway.core.wording`.

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

    @property
    def texts(self) -> tuple[str, str, str]:
        """Title, body and call to action."""
        return self.title, self.body, self.call_to_action


_READS_LOCATION = re.compile(
    r"\b(?:fences|fence_kinds|fence_tags|ahead|ahead_kinds|ahead_tags|place|minutes_away|same_direction)\b"
)
_READS_PERSON = re.compile(r"\bfacts\b")
_SHOWS_PERSON = re.compile(r"\{facts\.")
_SHOWS_LOCATION = re.compile(r"\{(?:place\.|nearest\.|moment\.fence)")


@dataclass(frozen=True, slots=True)
class Action:
    """What could be done, when, for whom, and what it is worth.

    Attributes:
        triggers: Any of these makes it a candidate; none are needed if it follows another.
        eligible, applicable, suitable: CEL; empty means always.
        prior: P itself; or
        model, category: The model that gives P and the category it is asked about; or
        prepared: P is what the centre's prepared list says of this action, else the prior if there is one. P never
            comes from nowhere: exactly one of prior and model is set, or `prepared` with or without a prior.
        value, annoyance, lever, context_weight: Factors of the net value, all >= 0.
        weights: Further factors of the context weight.
        contact: Its own contact policy. Limits marketing only.
        group: The group it belongs to, or None.
        facts: What it rests on.
        budget: What its rewards may cost; None: nothing is counted.
        fallback: The language to use where there is no treatment in the unit's; None: the first that is given.
        valid_for_s: How long an offer of it may be shown.
        redeem_within_s: How long after acceptance it may be redeemed.
        starts, ends: Instants between which it may be offered; None is open.
        campaign: The campaign it stands in.
        is_bounded: Whether it has a first or a last day.
        is_worded: Whether its words hold placeholders, or may.
        needs_location: Whether it rests on where the person is; follows from its triggers, expressions and texts.
        reads_person: Whether it reads or remembers anything of a person, beyond what they said to its own offers.
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
    prepared: bool = False
    value: float = 1.0
    annoyance: float = 0.0
    lever: float = 1.0
    context_weight: float = 1.0
    weights: tuple[Weight, ...] = ()
    contact: ContactPolicy = UNLIMITED
    group: str | None = None
    follows: Follows | None = None
    facts: tuple[FactNeed, ...] = ()
    nearest: Nearest | None = None
    reward: Reward | None = None
    budget: Budget | None = None
    fallback: str | None = None
    valid_for_s: int = 300
    redeem_within_s: int = 3600
    starts: Instant | None = None
    ends: Instant | None = None
    campaign: str = ""
    is_bounded: bool = field(init=False, repr=False, compare=False)
    is_worded: bool = field(init=False, repr=False, compare=False)
    needs_location: bool = field(init=False, repr=False, compare=False)
    reads_person: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        sources, texts = self.expressions, [text for treatment in self.treatments for text in treatment.texts]
        texts += [] if self.reward is None else [self.reward.text]
        located = (
            any(is_located(step) for step in self.steps)
            or self.nearest is not None
            or any(need.of_place for need in self.facts)
            or any(map(_READS_LOCATION.search, sources))
            or any(map(_SHOWS_LOCATION.search, texts))
        )
        object.__setattr__(self, "needs_location", located)
        object.__setattr__(self, "is_bounded", self.starts is not None or self.ends is not None)
        object.__setattr__(self, "is_worded", any("{" in text or "}" in text for text in texts))
        personal = (
            self.model is not None
            or self.prepared
            or (self.reward is not None and self.reward.discount is not None)
            or any(trigger.per is Per.SUBJECT for trigger in self.triggers)
            or any(_tells_of_person(step) for step in self.steps)
            or any(not need.of_place for need in self.facts)
            or any(map(_READS_PERSON.search, sources))
            or any(map(_SHOWS_PERSON.search, texts))
        )
        object.__setattr__(self, "reads_person", personal)

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every step of its triggers, those that undo or must not happen included."""
        return tuple(step for trigger in self.triggers for step in steps_of(trigger))

    @property
    def expressions(self) -> tuple[str, ...]:
        """The CEL sources that are evaluated over the context of a decision; empty ones left out."""
        weights = (weight.condition for weight in self.weights)
        return tuple(filter(None, (self.eligible, self.applicable, self.suitable, *weights)))


_ASKS_WHO = re.compile(r"\b(?:subject|holder)\b")
_PERSONAL_MOMENTS = frozenset({"ChallengeAdvanced", "ChallengeMet", "FactChanged"})


def _tells_of_person(step: Step) -> bool:
    """Return whether a step may be about who a person is, or about what is remembered or known of them.

    A fact of a fence is not.
    """
    of_fence = step.moment == "FactChanged" and bool(step.fence or step.fence_kind or step.tag)
    asks_who = _ASKS_WHO.search(step.condition) is not None
    return asks_who or bool(step.challenge) or (step.moment in _PERSONAL_MOMENTS and not of_fence)


@dataclass(frozen=True, slots=True)
class Campaigns:
    """All that the campaign files of a release say.

    Attributes:
        contact: The contact policy over all marketing.
    """

    actions: tuple[Action, ...] = ()
    groups: tuple[Group, ...] = ()
    challenges: tuple[Challenge, ...] = ()
    contact: ContactPolicy = UNLIMITED
