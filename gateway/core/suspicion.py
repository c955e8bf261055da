"""Who is identified in two places, too far apart for the time between: one of the two may be somebody else.

Theory. A *sighting* is the arrival of a subject at a unit that is in a fence. Two in a row, at different units, are
suspected if the way between their fences is longer than `FAR_M` and nobody could have made it at `SPEED_KMH`:

- what counts is the least way: between the middles, less what each fence spans. So a fence as large as a city, a
  border, a radius set too wide never suspects anybody;
- of several fences around the unit the smallest tells most;
- the time between is that of the senders' `ts`, whichever came first.

Only the last sighting is kept, as the fence's id, and only of who agrees to `location_triggers`; a withdrawal drops it.

    sighted   owner: subject    {"unit", "fence", "ts"}
"""

import functools

import shapely

from gateway.core import consent
from gateway.core.events import Purpose, SubjectIdentified
from gateway.core.fences import visits
from gateway.core.fences.geometry import Area, Circle, Corridor, Fence, Shape, centre_of
from gateway.core.fences.ground import way_m
from gateway.core.release import Release
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.units import HOUR_MS, Instant

FAR_M = 10_000.0
"""Nearer than this, two clocks that differ by a minute or two would already suspect a neighbour."""
SPEED_KMH = 300.0
"""Faster than a car, and than a train from door to door. Who flies may be suspected: what follows is a question."""

_NAME = "sighted"


def sight(memory: Memory, release: Release, event: SubjectIdentified, now: Instant) -> bool:
    """Take in that a subject has arrived. Returns whether they could not be here, having been where they were last."""
    if not consent.granted(memory, event.subject, event.unit, Purpose.LOCATION_TRIGGERS, now):
        return False
    around = visits.known(release, visits.inside(memory, event.unit))
    if not around:
        return False
    fence = min(around, key=lambda fence: _span_m(fence.shape))
    key = StateKey(Scope.SUBJECT, event.subject, _NAME)
    last = memory.get(*key)
    if last is None or last["ts"] <= event.ts:
        memory.put(key, {"unit": event.unit, "fence": fence.id, "ts": event.ts})
    if last is None or last["unit"] == event.unit:
        return False
    before = release.fences.get(last["fence"])
    return before is not None and _is_too_far(before, fence, abs(event.ts - last["ts"]))


def forget(memory: Memory, subject: str) -> None:
    """Drop where a subject was last, here and in the ledger."""
    memory.drop(StateKey(Scope.SUBJECT, subject, _NAME))


def _is_too_far(a: Fence, b: Fence, took_ms: int) -> bool:
    here, there = centre_of(a.shape), centre_of(b.shape)
    least_m = way_m(here.lon, here.lat, there.lon, there.lat) - _span_m(a.shape) - _span_m(b.shape)
    return least_m > FAR_M and least_m > SPEED_KMH * 1000 * took_ms / HOUR_MS


@functools.lru_cache(maxsize=1024)
def _span_m(shape: Shape) -> float:
    """Return how far the farthest place of a shape may be from its middle."""
    if isinstance(shape, Circle):
        return shape.radius_m
    middle, drawn = centre_of(shape), _drawn(shape)
    farthest_m = max(way_m(middle.lon, middle.lat, lon, lat) for lon, lat in shapely.get_coordinates(drawn))
    return farthest_m + (0.5 * shape.width_m if isinstance(shape, Corridor) else 0.0)


def _drawn(shape: Area | Corridor) -> shapely.Geometry:
    return shape.shape if isinstance(shape, Area) else shape.line
