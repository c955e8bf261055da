"""How a unit moves through fences.

Theory. For each fence a unit is outside or inside. Nothing but this table changes that:

| state   | evidence                                                                  | next    | noticed      |
|---------|---------------------------------------------------------------------------|---------|--------------|
| outside | a fix within the fence whose accuracy, if known, is within its limit       | inside  | FenceEntered |
| inside  | a fix with `distance - accuracy > exit_buffer_m` (unknown accuracy: 0)     | outside | FenceExited  |
| inside  | `dwell_s` have passed                                                      | inside  | FenceDwelled |
| either  | another's report of a crossing, a beacon's sighting                        | as told | as above     |
| inside  | a new release has no such fence                                            | -       | FenceExited  |

So entering is prompt and leaving is sure: a poor fix neither enlarges a fence nor ends a visit. Fixes count in the
order of their own `ts`: one that is not newer than the last changes nothing. A fix that would need an impossible
speed is set aside; if the next one agrees with it, the unit really is there (a ferry, a tunnel, a tow truck).
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from gateway.core.events import BeaconSighted, FenceReported, PositionReported
from gateway.core.fences.geometry import Circle, Fence
from gateway.core.release import Release
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.units import SECOND_MS, Instant, delta_lon_deg, metres_per_degree

MAX_SPEED_MPS = 90.0
"""324 km/h: nothing on a road is faster."""
JUMP_SLACK_M = 30.0
"""What two honest fixes may be apart beyond their stated accuracy at any speed: 15 m of noise each."""
BEACON_RANGE_M = 5.0
"""How near a beacon of an area counts as being in it; a circle uses its radius."""

_INSIDE = "fence"
_FIX = "fix"
_LAST = "last"
_SUSPECT = "suspect"
_CROSSED = "crossed"


class FixFault(StrEnum):
    """Why a fix changed nothing."""

    LATE = "late_fix"
    JUMP = "implausible_jump"


@dataclass(frozen=True, slots=True)
class Crossing:
    """One fence entered or left."""

    fence: Fence
    inside: bool


_NOTHING: list[Crossing] = []


def locate(memory: Memory, release: Release, event: PositionReported) -> list[Crossing] | FixFault:
    """Return the crossings a fix shows, exits first, each by fence id; or why it shows nothing.

    Changes nothing but the unit's last fix; `cross` makes a crossing true.
    """
    fault = _accept(memory, event)
    if fault is not None:
        return fault
    inside = memory.group(Scope.UNIT, event.unit, _INSIDE)
    near = release.index.near(event.position)
    if not inside and not near:
        return _NOTHING
    accuracy_m = event.accuracy_m or 0.0
    exits = [
        Crossing(fence, inside=False)
        for fence in _known(release, inside)
        if fence.distance_m(event.position) - accuracy_m > fence.exit_buffer_m
        and not _older(memory, event.unit, fence.id, event.ts)
    ]
    entries = [
        Crossing(fence, inside=True)
        for fence in near
        if fence.id not in inside
        and accuracy_m <= fence.accuracy_limit_m
        and fence.distance_m(event.position) <= 0
        and not _older(memory, event.unit, fence.id, event.ts)
    ]
    return exits + entries


def report(memory: Memory, release: Release, event: FenceReported) -> list[Crossing]:
    """Return the crossings that a report of them shows: those of known fences which are news."""
    inside = memory.group(Scope.UNIT, event.unit, _INSIDE)
    told = [(fence, False) for fence in sorted(set(event.exited))]
    told += [(fence, True) for fence in sorted(set(event.entered))]
    return [
        Crossing(release.fences[fence], inside=enters)
        for fence, enters in told
        if fence in release.fences and (fence in inside) != enters and not _older(memory, event.unit, fence, event.ts)
    ]


def sight(memory: Memory, release: Release, event: BeaconSighted) -> list[Crossing]:
    """Return the crossing that a beacon's sighting shows: into its fence when near, out when surely far or silent."""
    fence = release.by_beacon.get(event.beacon)
    if fence is None or _older(memory, event.unit, fence.id, event.ts):
        return []
    is_inside = fence.id in memory.group(Scope.UNIT, event.unit, _INSIDE)
    range_m = fence.shape.radius_m if isinstance(fence.shape, Circle) else BEACON_RANGE_M
    near = event.distance_m is not None and event.distance_m <= range_m
    far = event.distance_m is None or event.distance_m > range_m + fence.exit_buffer_m
    if is_inside and far:
        return [Crossing(fence, inside=False)]
    if near and not is_inside:
        return [Crossing(fence, inside=True)]
    return []


def cross(memory: Memory, unit: str, crossing: Crossing, ts: Instant, now: Instant) -> Instant | None:
    """Make a crossing true. Returns when the unit will have dwelled, or None."""
    key = StateKey(Scope.UNIT, unit, _INSIDE, crossing.fence.id)
    memory.kinematics(unit, _CROSSED)[crossing.fence.id] = ts
    if not crossing.inside:
        memory.drop(key)
        return None
    memory.put(key, {"since": now, "dwelled": False})
    return dwell_due(memory, crossing.fence, unit)


def dwell_due(memory: Memory, fence: Fence, unit: str) -> Instant | None:
    """Return when a unit inside will have dwelled; None if it never will, has already or is outside."""
    visit = memory.get(Scope.UNIT, unit, _INSIDE, fence.id)
    if visit is None or visit["dwelled"] or fence.dwell_s == 0:
        return None
    return int(visit["since"]) + fence.dwell_s * SECOND_MS


def dwelled(memory: Memory, unit: str, fence: str) -> None:
    """Note that the dwell was noticed: once a visit."""
    visit = memory.get(Scope.UNIT, unit, _INSIDE, fence)
    memory.put(StateKey(Scope.UNIT, unit, _INSIDE, fence), {**visit, "dwelled": True})


def inside(memory: Memory, unit: str) -> list[str]:
    """Return the ids of the fences the unit is in, in order."""
    return sorted(memory.group(Scope.UNIT, unit, _INSIDE))


def _known(release: Release, fences: object) -> list[Fence]:
    return [release.fences[fence] for fence in sorted(fences) if fence in release.fences]  # type: ignore[call-overload]


def _older(memory: Memory, unit: str, fence: str, ts: Instant) -> bool:
    """Return whether a crossing of this fence is known that happened later."""
    last = memory.get(Scope.KINEMATICS, unit, _CROSSED, fence)
    return last is not None and ts < last


def _accept(memory: Memory, event: PositionReported) -> FixFault | None:
    """Judge a fix against the last one, and remember it."""
    fixes = memory.kinematics(event.unit, _FIX)
    last = fixes.get(_LAST)
    fix = (event.ts, event.position.lon, event.position.lat, event.accuracy_m or 0.0)
    if last is not None and event.ts <= last[0]:
        return FixFault.LATE
    if last is not None and not _reachable(last, fix):
        suspect = fixes.get(_SUSPECT)
        if suspect is None or event.ts <= suspect[0] or not _reachable(suspect, fix):
            fixes[_SUSPECT] = fix
            return FixFault.JUMP
    fixes.pop(_SUSPECT, None)
    fixes[_LAST] = fix
    return None


def _reachable(start: tuple[float, ...], end: tuple[float, ...]) -> bool:
    """Return whether a vehicle can have come from one fix to the other, both `(ts, lon, lat, accuracy_m)`."""
    lon_m, lat_m = metres_per_degree((start[2] + end[2]) / 2)
    way_m = math.hypot(delta_lon_deg(start[1], end[1]) * lon_m, (end[2] - start[2]) * lat_m)
    return way_m - start[3] - end[3] <= JUMP_SLACK_M + MAX_SPEED_MPS * (end[0] - start[0]) / SECOND_MS
