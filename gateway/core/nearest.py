"""The nearest place where something works: measured from the fence a unit is in, never from where it is.

So that the answer is the same when a journal without coordinates is replayed, and no position is needed to give it.
"""

from typing import NamedTuple

from gateway.core import facts
from gateway.core.campaign import Nearest
from gateway.core.fences import visits
from gateway.core.fences.geometry import Fence, centre_of
from gateway.core.release import Release
from gateway.core.state import Memory, Scope
from gateway.core.units import Instant, distance_m


class Nearby(NamedTuple):
    """A fence, and how far its middle is from that of the fence the unit is in."""

    fence: Fence
    distance_m: float


def find(memory: Memory, release: Release, unit: str, wanted: Nearest, now: Instant) -> Nearby | None:
    """Return the nearest other fence of the wanted kind whose fact is true; None if there is none, or no here."""
    here = visits.known(release, visits.inside(memory, unit))
    if not here:
        return None
    middle, around = centre_of(here[0].shape), {fence.id for fence in here}
    # Only fences of which something is known can be meant: few, however many the release has.
    working = [
        Nearby(fence, distance_m(middle, centre_of(fence.shape)))
        for id_ in memory.owners(Scope.FENCE)
        if (fence := release.fences.get(id_)) is not None
        and (fence.kind == wanted.fence_kind and id_ not in around and _works(memory, id_, wanted.fact, now))
    ]
    return min(working, key=lambda nearby: (nearby.distance_m, nearby.fence.id), default=None)


def _works(memory: Memory, fence: str, name: str, now: Instant) -> bool:
    fact = facts.of_fence(memory, fence, now).get(name)
    return fact is not None and fact.value is True
