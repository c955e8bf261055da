"""What the engine notices. A moment is named in campaigns by its class name.

`at` is engine time: the `now` of the event that showed it, or the due instant of its timer.
"""

from dataclasses import dataclass
from typing import TypeAlias


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
    """

    fence: str
    fence_kind: str
    reason: str


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


@dataclass(frozen=True, slots=True)
class OfferAccepted(_Moment):
    """An offer of this unit was accepted, by its holder."""

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


Moment: TypeAlias = (
    FenceEntered
    | FenceExited
    | FenceDwelled
    | FenceApproached
    | FencePassedBy
    | Parked
    | DroveOff
    | TyrePressureLow
    | SubjectArrived
    | OfferAccepted
    | OfferRedeemed
)

MOMENTS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        FenceEntered,
        FenceExited,
        FenceDwelled,
        FenceApproached,
        FencePassedBy,
        Parked,
        DroveOff,
        TyrePressureLow,
        SubjectArrived,
        OfferAccepted,
        OfferRedeemed,
    )
}
"""Every moment by the name campaigns call it."""

LOCATION_MOMENTS = frozenset({"FenceEntered", "FenceExited", "FenceDwelled", "FenceApproached", "FencePassedBy"})
"""Moments that rest on where the unit is: marketing triggered by them needs `location_triggers`."""
