"""On which terms: how often people may be bothered, what is given, and what that may cost."""

from dataclasses import dataclass
from enum import StrEnum


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
