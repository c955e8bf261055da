"""How a unit moves through fences.

Theory. For each fence a unit is outside or inside. Nothing but this table changes that, or is noticed beside it:

| state   | evidence                                                                 | next    | noticed            |
|---------|--------------------------------------------------------------------------|---------|--------------------|
| outside | a fix with `distance <= -enter_buffer_m`, its accuracy, if known, within | inside  | FenceEntered       |
|         | the fence's limit                                                        |         |                    |
| inside  | a fix with `distance - accuracy > exit_buffer_m` (unknown accuracy: 0)   | outside | FenceExited left   |
| inside  | that, when from its entry on each fix followed within 15 s and 300 m,    | outside | FencePassedBy too  |
|         | none slower than 1.5 m/s, and it had not dwelled                         |         |                    |
| outside | two fixes 15 s and 300 m apart at most, both outside, with the fence on  | outside | FencePassedBy      |
|         | the straight way between; not again before it is as far as for leaving   |         |                    |
| outside | a fix that heads for it, `approach_m` or `approach_s` away; not again    | outside | FenceApproached    |
|         | before it left the fence, or approach zone and exit buffer, behind       |         |                    |
| outside | its route ends in the fence, and its ETA is within `approach_s`          | outside | FenceApproached    |
| inside  | `dwell_s` have passed                                                    | inside  | FenceDwelled       |
| either  | another's report of a crossing, a beacon's sighting                      | as told | as above           |
| outside | as for entering, while the fence is closed                               | waiting |                    |
| inside  | the fence closes                                                         | waiting | FenceExited closed |
| waiting | the fence opens                                                          | inside  | FenceEntered       |
| waiting | as for leaving                                                           | outside |                    |
| inside  | no sign of life for 24 h                                                 | outside | FenceExited gap    |
| inside  | a new release has no such fence                                          |         | FenceExited        |
|         |                                                                          |         | fence_removed      |

So entering is prompt and leaving is sure: a poor fix neither enlarges a fence nor ends a visit. Fixes count in the
order of their own `ts`: one that is not newer than the last changes nothing. A fix that would need an impossible
speed is set aside; if the next one agrees with it, the unit really is there (a ferry, a tunnel, a tow truck). After a
silence nothing is made up of what lay between: only fixes that belong together pass by, and a heading is one of now.

A fix also shows the climate: where that is another than before, the report says so.

Heading for a fence: from a point as far ahead as the fence is away, it is at most half as far. Heading and speed are
the receiver's, else those between two fixes that belong together.
"""

import math
from collections.abc import Iterable
from enum import StrEnum
from operator import itemgetter
from typing import NamedTuple, TypeAlias

from gateway.core import season
from gateway.core.events import BeaconSighted, FenceReported, PositionReported
from gateway.core.fences import visits
from gateway.core.fences.clearance import (
    JUMP_SLACK_M,
    MAX_SPEED_MPS,
    STANDING_MPS,
    STEP_M,
    STEP_MS,
    Clearance,
    surely_m,
)
from gateway.core.fences.geometry import APPROACH_MPS, Circle, Fence, order
from gateway.core.fences.index import MARGIN_M, Near
from gateway.core.release import Release
from gateway.core.state import Memory, Scope
from gateway.core.units import MINUTE_MS, SECOND_MS, Instant, delta_lon_deg, metres_per_degree

BEACON_RANGE_M = 5.0
"""How near a beacon of an area counts as being in it; a circle uses its radius."""
ROUTE_FENCE = "Wayside.Route.Fence"
"""The fence in which the unit's route ends, by its id: no coordinate."""
ROUTE_ETA_S = "Wayside.Route.EtaS"
ROUTE_MS = MINUTE_MS
"""How long an ETA stands instead of what heading and speed say."""

_FIX = "fix"
_LAST = "last"
_SUSPECT = "suspect"
_MOVING = "moving"
_PASSED = "passed"
_TRACE_M = 1.0
"""A way through a fence shorter than this may be overlooked between two fixes."""
_TURN_M = 5.0
"""Of a shorter step nobody can tell where it heads."""
_EXACT_M = 25.0
"""Nearer boxes than this are measured exactly, which costs more now and lets the unit go on longer."""

_Fix: TypeAlias = tuple[int, float, float, float]
"""When, longitude, latitude, accuracy in metres."""
_Way: TypeAlias = tuple[float, float]
"""Metres east, metres north."""


class FixFault(StrEnum):
    """Why a fix changed nothing."""

    LATE = "late_fix"
    JUMP = "implausible_jump"


def locate(memory: Memory, release: Release, event: PositionReported, now: Instant) -> FenceReported | FixFault | None:
    """Return what a fix amounts to; why it shows nothing; or None: it is nothing new.

    Changes nothing but the unit's last fix; `visits.take` makes the report true.
    """
    clearance: Clearance | None = memory.scratch.get(event.unit)
    if clearance is not None and clearance.index is release.index and clearance.covers(event):
        return None
    fixes = memory.kinematics(event.unit, _FIX)
    last: _Fix | None = fixes.get(_LAST)
    fix = (event.ts, event.position.lon, event.position.lat, event.accuracy_m or 0.0)
    way = (0.0, 0.0) if last is None else _way(last, fix)
    if last is None and visits.is_overtaken(memory, event.unit, event.ts):
        return FixFault.LATE
    fault = _accept(fixes, fix, last, way)
    memory.scratch.pop(event.unit, None)
    if fault is not None:
        return fault
    survey = _Survey(memory, release, event, _step(last, fix, way, event), now)
    report = survey.report()
    if report is None:
        survey.keep_clearance(fixes, fix)
    return report


def sight(memory: Memory, release: Release, event: BeaconSighted) -> FenceReported | None:
    """Return what a beacon's sighting amounts to: into its fence when near, out when surely far or silent."""
    fence = release.by_beacon.get(event.beacon)
    if fence is None:
        return None
    is_inside = fence.id in visits.held(memory, event.unit)
    range_m = fence.shape.radius_m if isinstance(fence.shape, Circle) else BEACON_RANGE_M
    near = event.distance_m is not None and event.distance_m <= range_m
    far = event.distance_m is None or event.distance_m > range_m + fence.exit_buffer_m
    if is_inside and far:
        return FenceReported(event.unit, event.ts, exited=(fence.id,))
    return FenceReported(event.unit, event.ts, entered=(fence.id,) if near else ())


def route_ends(memory: Memory, release: Release, unit: str, ts: Instant, now: Instant) -> FenceReported | None:
    """Return the approach that a unit's route shows: it ends in a fence, and will soon."""
    fence_id, eta_s = _route(memory, unit, ts)
    fence = release.fences.get(fence_id)
    if fence is None or eta_s > fence.approach_s or not fence.is_open(now):
        return None
    if fence.id in visits.held(memory, unit) or memory.get(Scope.UNIT, unit, visits.APPROACH, fence.id) is not None:
        return None
    return FenceReported(unit, ts, approached=(fence.id,))


def _route(memory: Memory, unit: str, ts: Instant) -> tuple[str, float]:
    """Return in which fence the unit's route ends, and in how many seconds; without a fresh ETA: in none, never."""
    signals = memory.group(Scope.KINEMATICS, unit, "signal")
    fence, eta = signals.get(ROUTE_FENCE), signals.get(ROUTE_ETA_S)
    if fence is None or eta is None or ts - eta[0] > ROUTE_MS:
        return "", math.inf
    return str(fence[1]), float(eta[1])


class _Step(NamedTuple):
    """The way to a fix from the one before it.

    Attributes:
        start: The fix before; None when they do not belong together.
        speed_mps: How fast the unit goes; None when nobody knows.
        heading_deg: Where it heads for, clockwise from north; None when nobody knows.
    """

    start: _Fix | None
    way_m: float
    speed_mps: float | None
    heading_deg: float | None


class _Survey:
    """All that one fix says about the fences around it, and how far the unit may go before that changes."""

    def __init__(self, memory: Memory, release: Release, event: PositionReported, step: _Step, now: Instant) -> None:
        self._memory, self._release, self._now = memory, release, now
        self._unit, self._ts = event.unit, event.ts
        self._lon, self._lat = event.position.lon, event.position.lat
        self._accuracy_m = event.accuracy_m or 0.0
        self._step = step
        self._inside = memory.group(Scope.UNIT, event.unit, visits.INSIDE)
        self._waiting = memory.group(Scope.UNIT, event.unit, visits.WAITING)
        self._approached = memory.group(Scope.UNIT, event.unit, visits.APPROACH)
        self._passed: dict[str, bool] = memory.kinematics(event.unit, _PASSED)
        self._moving: dict[str, Instant] = memory.kinematics(event.unit, _MOVING)
        self._measured: dict[str, float] = {}
        self._near, self._clear_m = release.index.around(self._lon, self._lat)
        self._timed_m = math.inf

    def report(self) -> FenceReported | None:
        """Return what is new; None if nothing is."""
        moves = self._step.start is not None and (self._step.speed_mps or 0.0) >= STANDING_MPS
        for fence_id in [fence_id for fence_id in self._moving if not moves or fence_id not in self._inside]:
            del self._moving[fence_id]
        exited = [fence for fence in self._known((*self._inside, *self._waiting)) if self._is_left(fence)]
        passed = [fence for fence in exited if self._went_through(fence)]
        receded = [fence for fence in self._known(self._approached) if self._has_receded(fence)]
        self._forget_passed()
        entered, passed_between, approached = self._come_upon()
        passed += passed_between
        climate = season.come_into(self._memory, self._unit, self._lat)
        told = (entered, exited, passed, approached, receded, climate)
        if not any(told) and not visits.is_sign_due(self._memory, self._unit, min(self._ts, self._now)):
            return None
        for fence in passed_between:
            self._passed[fence.id] = True
        for fence in entered if moves else ():
            self._moving[fence.id] = self._ts
        told_ids = (_ids(entered), _ids(exited), _ids(passed), _ids(approached), _ids(receded))
        return FenceReported(self._unit, self._ts, *told_ids, climate)

    def keep_clearance(self, fixes: dict[str, object], fix: _Fix) -> None:
        """Let the unit go on unwatched for as long as nothing can come of it."""
        clearance = Clearance(
            self._release.index,
            fixes,
            fix,
            min(self._clear_m, season.clear_m(self._lat)),
            timed_m=self._timed_m,
            is_moving=bool(self._moving),
            signs_at=visits.next_sign(self._memory, self._unit),
        )
        if clearance.is_worth_it:
            self._memory.scratch[self._unit] = clearance

    def _known(self, fences: Iterable[str]) -> list[Fence]:
        return visits.known(self._release, fences) if fences else []

    def _away_m(self, fence: Fence) -> float:
        if fence.id not in self._measured:
            self._measured[fence.id] = fence.shape.distance_m(self._lon, self._lat)
        return self._measured[fence.id]

    def _within(self, gap_m: float, away_m: float) -> None:
        """Bound the clearance by the gap to where a fence that far away would be news."""
        self._clear_m = min(self._clear_m, gap_m - surely_m(away_m))

    def _is_left(self, fence: Fence) -> bool:
        away_m = self._away_m(fence)
        self._within(fence.exit_buffer_m - away_m, away_m)
        return self._is_away(fence, away_m) and not self._is_older(fence)

    def _is_away(self, fence: Fence, away_m: float, beyond_m: float = 0.0) -> bool:
        return away_m - self._accuracy_m > beyond_m + fence.exit_buffer_m

    def _is_older(self, fence: Fence) -> bool:
        return visits.is_older(self._memory, self._unit, fence.id, self._ts)

    def _went_through(self, fence: Fence) -> bool:
        """Return whether a visit that ends was a passage: seen from its entry on, never standing, never dwelled."""
        entered, visit = self._moving.pop(fence.id, None), self._inside.get(fence.id)
        if entered is None or visit is None or visit["dwelled"]:
            return False
        return bool(entered == self._memory.get(Scope.KINEMATICS, self._unit, visits.CROSSED, fence.id))

    def _has_receded(self, fence: Fence) -> bool:
        away_m, zone_m = self._away_m(fence), fence.approach_zone_m()
        self._within(zone_m + fence.exit_buffer_m - away_m, away_m)
        return self._is_away(fence, away_m, zone_m) and fence.id not in self._inside

    def _forget_passed(self) -> None:
        """Let fences that were passed by be passed by again, once they were surely left behind."""
        for fence_id in list(self._passed):
            fence = self._release.fences.get(fence_id)
            if fence is None or self._is_away(fence, self._away_m(fence)):
                del self._passed[fence_id]
            else:
                self._within(fence.exit_buffer_m - self._away_m(fence), self._away_m(fence))

    def _come_upon(self) -> tuple[list[Fence], list[Fence], list[Fence]]:
        """Return which of the fences around are entered, passed by and approached."""
        entered: list[Fence] = []
        passed: list[Fence] = []
        approached: list[Fence] = []
        index, way_m = self._release.index, self._step.way_m
        for number, at_least_m in sorted(self._candidates(), key=itemgetter(1)):
            if at_least_m > way_m and at_least_m - index.zone_m - surely_m(at_least_m) >= self._clear_m:
                break  # neither it nor any that is farther away says anything new
            fence = index.fences[number]
            if fence.id in self._inside or fence.id in self._waiting:
                continue
            zone_m = fence.approach_zone_m()
            away_m = at_least_m
            if at_least_m < max(_EXACT_M, way_m, zone_m):
                away_m = self._away_m(fence)
            self._within(away_m + fence.enter_buffer_m, away_m)
            if away_m <= -fence.enter_buffer_m:
                if self._accuracy_m <= fence.accuracy_limit_m and not self._is_older(fence):
                    entered.append(fence)
                continue
            if self._is_passed_by(fence, away_m):
                passed.append(fence)
            if zone_m and fence.id not in self._approached and self._is_approached(fence, away_m):
                approached.append(fence)
        return entered, passed, approached

    def _candidates(self) -> list[Near]:
        """Return the fences around the fix, and on the way to it where that is long."""
        start = self._step.start
        if start is None or self._step.way_m <= MARGIN_M:
            return self._near
        found = dict(self._near)
        for share in (0.5, 1.0):
            lon, lat = _on_the_way(self._lon, self._lat, start, share)
            for number, _ in self._release.index.around(lon, lat)[0]:
                found.setdefault(number, 0.0)
        return sorted(found.items())

    def _is_passed_by(self, fence: Fence, away_m: float) -> bool:
        """Return whether the straight way from the fix before leads through the fence."""
        start, way_m = self._step.start, self._step.way_m
        if start is None or away_m > way_m or fence.id in self._passed or self._is_older(fence):
            return False
        if max(self._accuracy_m, start[3]) > fence.accuracy_limit_m or not fence.is_open(self._now):
            return False
        gone_m = max(away_m + fence.enter_buffer_m, _TRACE_M)
        # From each point go back as far as the fence is away: nothing that near is overlooked.
        while gone_m < way_m:
            lon, lat = _on_the_way(self._lon, self._lat, start, gone_m / way_m)
            into_m = fence.shape.distance_m(lon, lat) + fence.enter_buffer_m
            if into_m <= 0:
                return True
            gone_m += max(into_m, _TRACE_M)
        return False

    def _is_approached(self, fence: Fence, away_m: float) -> bool:
        """Return whether the unit heads for the fence and is near enough, in metres or in seconds."""
        step = self._step
        self._within(away_m - fence.approach_m if fence.approach_m else math.inf, away_m)
        if fence.approach_s:
            self._timed_m = min(self._timed_m, away_m - surely_m(away_m))
        by_time_m = min(step.speed_mps or 0.0, APPROACH_MPS) * fence.approach_s
        if by_time_m and _route(self._memory, self._unit, self._ts)[0] == fence.id:
            by_time_m = 0.0
        if step.heading_deg is None or away_m > max(fence.approach_m, by_time_m) or self._is_older(fence):
            return False
        if self._accuracy_m > fence.accuracy_limit_m or not fence.is_open(self._now):
            return False
        lon, lat = _ahead(self._lon, self._lat, step.heading_deg, max(away_m, 0.0))
        return fence.shape.distance_m(lon, lat) <= max(0.5 * away_m, 0.0)


def _ids(fences: Iterable[Fence]) -> tuple[str, ...]:
    """Return fences by their ids, as they are reported."""
    return tuple(fence.id for fence in sorted(fences, key=order))


def _accept(fixes: dict[str, _Fix], fix: _Fix, last: _Fix | None, way: _Way) -> FixFault | None:
    """Judge a fix against the last one, and remember it."""
    if last is not None:
        if fix[0] <= last[0]:
            return FixFault.LATE
        if not _reachable(last, fix, way):
            suspect = fixes.get(_SUSPECT)
            if suspect is None or fix[0] <= suspect[0] or not _reachable(suspect, fix, _way(suspect, fix)):
                fixes[_SUSPECT] = fix
                return FixFault.JUMP
        fixes.pop(_SUSPECT, None)
    fixes[_LAST] = fix
    return None


def _reachable(start: _Fix, end: _Fix, way: _Way) -> bool:
    """Return whether a vehicle can have come from one fix to the other."""
    return math.hypot(*way) - start[3] - end[3] <= JUMP_SLACK_M + MAX_SPEED_MPS * (end[0] - start[0]) / SECOND_MS


def _way(start: _Fix, end: _Fix) -> _Way:
    """Return how far east and north one fix is of another, in metres."""
    lon_m, lat_m = metres_per_degree((start[2] + end[2]) / 2)
    return delta_lon_deg(start[1], end[1]) * lon_m, (end[2] - start[2]) * lat_m


def _step(last: _Fix | None, fix: _Fix, way: _Way, event: PositionReported) -> _Step:
    heading_deg, speed_mps, way_m = event.heading_deg, event.speed_mps, math.hypot(*way)
    if last is None or fix[0] - last[0] > STEP_MS or way_m > STEP_M:
        return _Step(None, 0.0, speed_mps, heading_deg)
    if speed_mps is None:
        speed_mps = way_m / (fix[0] - last[0]) * SECOND_MS
    if heading_deg is None and way_m >= _TURN_M:
        heading_deg = math.degrees(math.atan2(*way))
    return _Step(last, way_m, speed_mps, heading_deg)


def _on_the_way(lon: float, lat: float, start: _Fix, share: float) -> tuple[float, float]:
    """Return the place that share of the way back to where a step began."""
    back = lon + share * delta_lon_deg(lon, start[1])
    return delta_lon_deg(0.0, back), lat + share * (start[2] - lat)


def _ahead(lon: float, lat: float, heading_deg: float, way_m: float) -> tuple[float, float]:
    """Return the place so far ahead."""
    lon_m, lat_m = metres_per_degree(lat)
    heading = math.radians(heading_deg)
    ahead = lon + way_m * math.sin(heading) / max(lon_m, 1.0)
    return delta_lon_deg(0.0, ahead), max(-90.0, min(90.0, lat + way_m * math.cos(heading) / lat_m))
