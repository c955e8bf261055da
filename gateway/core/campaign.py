"""What could be done, as the engine uses it. Campaign files are read and checked by `gateway.wire.campaigns`."""

import re
from dataclasses import dataclass, field, fields
from enum import IntEnum, StrEnum

from gateway.core.events import Outcome, Role
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


class Calendar(StrEnum):
    """A fixed window: the hour, day, week (from Monday) or month in the unit's local time."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Per(StrEnum):
    """Whose something is: whose offers a cap counts, whose moments a pattern follows."""

    SUBJECT = "subject"
    UNIT = "unit"
    HOUSEHOLD = "household"


@dataclass(frozen=True, slots=True)
class Step:
    """One moment to wait for; a given filter must match.

    Attributes:
        fence_kind, fence, tag: Match any fence the moment names, by its kind, its id, one of its tags.
        action: The action whose offer the moment is about.
        fact: The fact that has changed.
        challenge: The challenge that the moment is about.
        condition: CEL over `moment` and the moments bound by earlier steps; empty means always.
        bound: The name by which later conditions call this step's (last) moment; empty: they do not.
        times: How many such moments the step takes.
    """

    moment: str
    fence_kind: str | None = None
    fence: str | None = None
    action: str | None = None
    tag: str | None = None
    fact: str | None = None
    challenge: str | None = None
    condition: str = ""
    bound: str = ""
    times: int = 1


@dataclass(frozen=True, slots=True)
class Absence:
    """Nothing like `step` happens for `for_s` seconds. Its filters and condition are those of any step."""

    step: Step
    for_s: int


@dataclass(frozen=True, slots=True)
class Trigger:
    """Moments in this order, the last less than `within_s` seconds after the first.

    A trigger of one step, taken once, without absence, matches that one moment; `within_s` is then 0.

    Attributes:
        unless: Moments which, while the pattern is under way, undo it.
        absence: What must not happen after the last step: the trigger matches when that time has passed.
        per: UNIT: moments at one unit, while the same people are there. SUBJECT: the moments at any unit that a known
            person has had part in, remembered from visit to visit, if they agree to `profiling`.
    """

    steps: tuple[Step, ...]
    within_s: int = 0
    unless: tuple[Step, ...] = ()
    absence: Absence | None = None
    per: Per = Per.UNIT

    @property
    def is_single(self) -> bool:
        """Whether one moment alone makes it match, so that nothing is remembered for it."""
        return len(self.steps) == 1 and self.steps[0].times == 1 and self.absence is None


@dataclass(frozen=True, slots=True)
class Challenge:
    """So many moments in one calendar window, by one known person: each is a `ChallengeAdvanced`, the last also met.

    A condition of `counted` sees `moment` only.
    """

    id: str
    counted: Step
    times: int
    each: Calendar
    campaign: str = ""


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `count` contacts in a window: in any `within_s` seconds (sliding), or in each calendar window (fixed).

    Attributes:
        within_s: Seconds; 0 for a fixed window.
        each: The fixed window, or None. Exactly one of the two is given.
        per: Whose contacts are counted. Of a household that is not known, the subject's own; a session's only per unit
            and per session.
    """

    count: int
    within_s: int = 0
    each: Calendar | None = None
    per: Per = Per.SUBJECT


@dataclass(frozen=True, slots=True)
class Suppression:
    """After `ignored` offers in a row that were presented and left unanswered: none for `for_s` seconds."""

    ignored: int
    for_s: int


@dataclass(frozen=True, slots=True)
class ContactPolicy:
    """How often people may be bothered: at the level of an action, of a group of actions, or of all marketing.

    Attributes:
        caps: All of them hold.
        cool_down_s: After an offer of this level was declined or dismissed, none of it to that person for so long.
    """

    caps: tuple[Cap, ...] = ()
    cool_down_s: int = 0
    suppression: Suppression | None = None


UNLIMITED = ContactPolicy()


@dataclass(frozen=True, slots=True)
class Group:
    """Actions that share a contact policy and, if `slate` is above 1, are shown together, up to that many."""

    id: str
    contact: ContactPolicy = UNLIMITED
    slate: int = 1
    campaign: str = ""


@dataclass(frozen=True, slots=True)
class Discount:
    """A personal discount: `share` of what may be lost, which is risk times worth; monotone in both, and capped.

    It is rounded down to `step_cents` and at most `at_most_cents`. See `gateway.core.discount`.

    Attributes:
        risk: The fact that holds the probability of walking away, 0 to 1.
        worth: The fact that holds what the customer is worth, in the reward's currency.
    """

    risk: str
    worth: str
    share: float
    step_cents: int
    at_most_cents: int


@dataclass(frozen=True, slots=True)
class Reward:
    """What is given on acceptance. Marketing only.

    Attributes:
        text: For people; `{amount}` stands for the amount.
        cost_cents: What it costs, in hundredths of `currency`; 0: nothing is counted. Of a discount, follows from it.
        currency: ISO 4217; empty without cost and discount.
    """

    id: str
    text: str
    cost_cents: int = 0
    currency: str = ""
    discount: Discount | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """What all rewards of an action may cost at this gateway, in hundredths; each calendar window, or None: in all."""

    total_cents: int
    each: Calendar | None = None


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


_READS_LOCATION = re.compile(r"\b(?:fences|fence_kinds|fence_tags|ahead|ahead_kinds|ahead_tags|place)\b")
_READS_PERSON = re.compile(r"\bfacts\b")
_SHOWS_PERSON = re.compile(r"\{facts\.")
_SHOWS_LOCATION = re.compile(r"\{(?:place\.|nearest\.|moment\.fence)")
_ASKS_WHERE = re.compile(r"\.\s*fences?(?:_kinds?)?\b|\[")


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
        located = (
            any(is_located(step) for step in self.steps)
            or self.nearest is not None
            or any(need.of_place for need in self.facts)
            or any(map(_READS_LOCATION.search, sources))
            or any(map(_SHOWS_LOCATION.search, texts))
        )
        object.__setattr__(self, "needs_location", located)
        object.__setattr__(self, "is_bounded", self.starts is not None or self.ends is not None)
        worded = [*texts, "" if self.reward is None else self.reward.text]
        object.__setattr__(self, "is_worded", any("{" in text or "}" in text for text in worded))
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


_PERSONAL_MOMENTS = frozenset({"ChallengeAdvanced", "ChallengeMet", "FactChanged"})


def _tells_of_person(step: Step) -> bool:
    """Return whether a step may be about what is remembered or known of a person; a fact of a fence is not."""
    of_fence = step.moment == "FactChanged" and bool(step.fence or step.fence_kind or step.tag)
    return bool(step.challenge) or (step.moment in _PERSONAL_MOMENTS and not of_fence)


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


def steps_of(trigger: Trigger) -> tuple[Step, ...]:
    """Return every step of a trigger, those that undo it or must not happen included."""
    absent = () if trigger.absence is None else (trigger.absence.step,)
    return (*trigger.steps, *trigger.unless, *absent)


def is_located(step: Step) -> bool:
    """Return whether a step rests on where somebody is: by its moment, a filter, or what its condition reads."""
    narrowed = bool(step.fence or step.fence_kind or step.tag)
    return narrowed or step.moment in LOCATION_MOMENTS or _ASKS_WHERE.search(step.condition) is not None


def describe(trigger: Trigger) -> str:
    """Return a trigger in words, e.g. `Parked in fuel_station, then OfferRedeemed of pastry within 1200 s`."""
    said = ", then ".join(_describe_step(step) for step in trigger.steps)
    if trigger.within_s:
        said += f" within {trigger.within_s} s"
    if trigger.absence is not None:
        said += f", then no {_describe_step(trigger.absence.step)} for {trigger.absence.for_s} s"
    if trigger.unless:
        said += f", unless {' or '.join(_describe_step(step) for step in trigger.unless)}"
    return said


_OF = ("action", "fact", "challenge")


def _describe_step(step: Step) -> str:
    where = step.fence or step.fence_kind
    said = f"{step.moment}{f' in {where}' if where else ''}{f' tagged {step.tag}' if step.tag else ''}"
    said += "".join(f" of {value}" for name in _OF if (value := getattr(step, name)) is not None)
    said += f" if {step.condition}" if step.condition else ""
    return said + (f" {step.times} times" if step.times > 1 else "")


FILTERS = tuple(f.name for f in fields(Step) if f.name not in {"moment", "condition", "bound", "times"})
"""The fields of a step by which it picks among moments of its kind."""
