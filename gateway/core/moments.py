"""What the engine notices. A moment is named in campaigns by its class name.

`at` is engine time: the `now` of the event that showed it, or the due instant of its timer.
"""

from dataclasses import dataclass
from typing import TypeAlias, get_args


@dataclass(frozen=True, slots=True)
class _Moment:
    unit: str
    at: int


@dataclass(frozen=True, slots=True)
class FenceEntered(_Moment):
    """The unit came into a fence."""

    fence: str
    fence_kind: str


@dataclass(frozen=True, slots=True)
class FenceExited(_Moment):
    """The unit left a fence, or is no longer known to be in it.

    `reason`: left; fence_removed by a new release; closed, with the unit inside; gap: it was silent for too long.
    `stayed_s`: how long it was inside. `dwelled`: whether that was noticed to be a real visit.
    """

    fence: str
    fence_kind: str
    reason: str
    stayed_s: int = 0
    dwelled: bool = False


@dataclass(frozen=True, slots=True)
class FenceDwelled(_Moment):
    """The unit has been in a fence for the fence's `dwell_s`. Once a visit."""

    fence: str
    fence_kind: str


@dataclass(frozen=True, slots=True)
class FenceApproached(_Moment):
    """The unit heads for a fence and is as near as its `approach_m` or `approach_s` say. Once an approach."""

    fence: str
    fence_kind: str


@dataclass(frozen=True, slots=True)
class FencePassedBy(_Moment):
    """The unit went through a fence without stopping in it, perhaps between two fixes."""

    fence: str
    fence_kind: str


@dataclass(frozen=True, slots=True)
class Parked(_Moment):
    """The unit is parked, by the rule of `gateway.core.drive`. Carries the fences it is parked in."""

    fences: tuple[str, ...]
    fence_kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DroveOff(_Moment):
    """A parked unit is no longer parked."""


@dataclass(frozen=True, slots=True)
class TyrePressureLow(_Moment):
    """A wheel's `IsPressureLow` became true. `wheel`: e.g. `Row1.Left`."""

    wheel: str


@dataclass(frozen=True, slots=True)
class SubjectArrived(_Moment):
    """A known person was identified at the unit."""

    subject: str
    role: str
    method: str = "app"


@dataclass(frozen=True, slots=True)
class FuelRanLow(_Moment):
    """Little fuel or charge is left, by the rule of `gateway.core.supplies`. Not again before there is enough."""


@dataclass(frozen=True, slots=True)
class TyresOutOfSeason(_Moment):
    """The tyres fitted are not those of the season, by the rule of `gateway.core.season`. Once a season.

    `season`: winter or summer, the one it is.
    """

    season: str


@dataclass(frozen=True, slots=True)
class FactChanged(_Moment):
    """Something new was told of a subject who is here, of this unit, or of a fence that this unit is in.

    `about`: subject, unit or fence. `subject` and `fence` are empty unless it is about one.
    """

    fact: str
    about: str
    subject: str = ""
    fence: str = ""


@dataclass(frozen=True, slots=True)
class ChallengeAdvanced(_Moment):
    """Another of the moments that a challenge counts, by a subject: `done` so far, `left` to go."""

    challenge: str
    subject: str
    done: int
    left: int


@dataclass(frozen=True, slots=True)
class ChallengeMet(_Moment):
    """The last of the moments that a challenge counts. Once in its calendar window."""

    challenge: str
    subject: str


@dataclass(frozen=True, slots=True)
class UseSuspected(_Moment):
    """What was done could be somebody else's doing. For service only.

    `reason`: redeemed_twice, or impossible_travel. `action` and `offer` are empty for the latter.
    """

    reason: str
    holder: str
    action: str = ""
    offer: str = ""


@dataclass(frozen=True, slots=True)
class OfferAccepted(_Moment):
    """An offer of this unit was accepted, by its holder."""

    offer: str
    action: str
    holder: str = ""


@dataclass(frozen=True, slots=True)
class OfferDeclined(_Moment):
    """An offer of this unit was declined or dismissed, by its holder."""

    offer: str
    action: str
    holder: str = ""


@dataclass(frozen=True, slots=True)
class OfferIgnored(_Moment):
    """An offer of this unit was presented and expired without an answer."""

    offer: str
    action: str
    holder: str = ""


@dataclass(frozen=True, slots=True)
class OfferRedeemed(_Moment):
    """An offer of this unit was redeemed, here or at another unit."""

    offer: str
    action: str
    redeemed_at: str
    holder: str = ""


@dataclass(frozen=True, slots=True)
class AbsenceNoticed(_Moment):
    """Nothing of what a pattern waits not to happen has happened. Only that pattern hears of it.

    `pattern`: action and trigger. `subject`: whose pattern it is; empty if it is the unit's.
    """

    pattern: str
    subject: str = ""


Nameable: TypeAlias = (
    FenceEntered
    | FenceExited
    | FenceDwelled
    | FenceApproached
    | FencePassedBy
    | Parked
    | DroveOff
    | TyrePressureLow
    | TyresOutOfSeason
    | FuelRanLow
    | SubjectArrived
    | FactChanged
    | ChallengeAdvanced
    | ChallengeMet
    | UseSuspected
    | OfferAccepted
    | OfferDeclined
    | OfferIgnored
    | OfferRedeemed
)
"""What campaigns may wait for."""

Moment: TypeAlias = Nameable | AbsenceNoticed

MOMENTS: dict[str, type] = {kind.__name__: kind for kind in get_args(Nameable)}
"""Every moment by the name campaigns call it."""

LOCATION_MOMENTS = frozenset({"FenceEntered", "FenceExited", "FenceDwelled", "FenceApproached", "FencePassedBy"})
"""Moments that rest on where the unit is: marketing triggered by them needs `location_triggers`."""

SUSPICIONS = frozenset({"UseSuspected"})
"""Moments that must not be used to sell: for service and safety only."""


def whose(moment: Moment) -> str | None:
    """Return the holder whose doing a moment was; None if it was nobody's in particular."""
    return getattr(moment, "holder", None) or getattr(moment, "subject", None) or None
