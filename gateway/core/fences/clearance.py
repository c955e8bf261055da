"""How far a unit may move before anything about its fences can change: until then, no geometry is asked.

Theory. When all fences around a fix have been measured, each tells how far the unit is from the nearest place at which
*something* could be noticed or undone: the edge to be entered, the end of the exit buffer of a fence it is in, the end
of an approach zone, for what was not measured the reach of the index. Wherever the unit goes within the least of these,
the *clearance*, every fix would come to the same: nothing. A straight way between two such places stays there as well,
so nothing is passed by between them.

A distance may be wrong by what the geometry allows itself, once when the clearance is measured and once when it would
be asked next; both are taken off. Accuracy needs no thought: it only keeps a fix from counting, and where something
waits for a better fix the clearance is 0. Time enters by an approach that is due some seconds before arriving, which
takes off how far the unit goes meanwhile at its speed; opening hours, beacons and reports change the state and thereby
remove what is kept here. A fix that is late, far from the last one or slow where standing matters is left to be judged.
"""

import math

from gateway.core.events import PositionReported
from gateway.core.fences.geometry import APPROACH_MPS
from gateway.core.fences.index import FAR_M, FenceIndex
from gateway.core.units import SECOND_MS, metres_per_degree

MAX_SPEED_MPS = 90.0
"""324 km/h: nothing on a road is faster."""
JUMP_SLACK_M = 30.0
"""What two honest fixes may be apart beyond their stated accuracy at any speed: 15 m of noise each."""
STEP_MS = 15_000
STEP_M = 300.0
"""Two fixes at most this far apart in time and space belong together: what lies between them was passed through."""
STANDING_MPS = 1.5
"""Slower than this is standing, as far as a fix can tell."""

ENABLED = True
"""Whether clearance is used. A test that shows that it changes nothing turns it off."""

_LEAST_M = 3.0
_WIDER = 1.005
_BEND_M = 0.004 * 6_371_008.8


def surely_m(distance_m: float) -> float:
    """Return how much of a gap is sure, next to a distance of that size: what two measurements may be off is taken."""
    return 1.0 + 0.01 * abs(distance_m)


class Clearance:
    """What a unit may do unwatched, from the place where all was measured."""

    __slots__ = (
        "_approach_s", "_clear_m", "_fixes", "_is_moving", "_is_watched", "_last", "_lat", "_lat_m", "_lon", "_lon_m",
        "_signs_at", "_timed_m", "index",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 -- it is made in one place
        self,
        index: FenceIndex,
        fixes: dict[str, object],
        fix: tuple[int, float, float, float],
        clear_m: float,
        *,
        timed_m: float,
        is_moving: bool,
        signs_at: float,
    ) -> None:
        self.index = index
        self._fixes, self._last = fixes, fix
        _, self._lon, self._lat, _ = fix
        lon_m, lat_m = metres_per_degree(self._lat)
        # Nowhere within the clearance is a degree of longitude longer than this.
        self._lon_m, self._lat_m = _WIDER * lon_m, _WIDER * lat_m
        self._clear_m = min(clear_m, FAR_M, _BEND_M / max(abs(math.tan(math.radians(self._lat))), 1e-9))
        self._timed_m, self._approach_s = timed_m, 1.01 * index.approach_s
        self._is_moving, self._signs_at = is_moving, signs_at
        self._is_watched = is_moving or timed_m < math.inf

    @property
    def is_worth_it(self) -> bool:
        """Whether a unit could move at all without being measured again."""
        return ENABLED and self._clear_m >= _LEAST_M

    def covers(self, event: PositionReported) -> bool:
        """Return whether a fix counts and can come to nothing; it is then the last one."""
        ts, position = event.ts, event.position
        lon, lat = position.lon, position.lat
        then, last_lon, last_lat, _ = self._last
        east, north = (lon - self._lon) * self._lon_m, (lat - self._lat) * self._lat_m
        if not (then < ts < self._signs_at and east * east + north * north < self._clear_m * self._clear_m):
            return False
        took_s = (ts - then) / SECOND_MS
        east, north = (lon - last_lon) * self._lon_m, (lat - last_lat) * self._lat_m
        way_m = math.sqrt(east * east + north * north)
        if way_m > JUMP_SLACK_M + MAX_SPEED_MPS * took_s:
            return False
        if self._is_watched and not self._is_harmless(event, way_m, took_s):
            return False
        self._last = self._fixes["last"] = (ts, lon, lat, event.accuracy_m or 0.0)
        return True

    def _is_harmless(self, event: PositionReported, way_m: float, took_s: float) -> bool:
        """Return whether the unit certainly keeps moving, and is slow enough not to arrive anywhere soon."""
        if way_m > STEP_M or took_s * SECOND_MS > STEP_MS:
            return False
        speed_mps = way_m / took_s if event.speed_mps is None else event.speed_mps
        if self._is_moving and speed_mps < 1.02 * STANDING_MPS:
            return False
        east = (event.position.lon - self._lon) * self._lon_m
        north = (event.position.lat - self._lat) * self._lat_m
        return math.hypot(east, north) + min(1.01 * speed_mps, APPROACH_MPS) * self._approach_s < self._timed_m
