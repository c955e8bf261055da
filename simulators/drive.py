"""A drive as data: a road, and what the car does along it, sampled once a simulated second. Pure; it sends nothing."""

import bisect
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from gateway.wire import vss

Value: TypeAlias = bool | int | float | str

_KMH_PER_MPS = 3.6
_METRES_PER_DEGREE = 111_195.0
"""Of latitude, on a sphere of 6,371 km. A simulated road need not agree with a surveyed one."""


@dataclass(frozen=True)
class Road:
    """A line through at least two points `(longitude, latitude)` in degrees, straight in between."""

    points: tuple[tuple[float, float], ...]
    _ends_m: tuple[float, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        lengths = (_length_m(start, end) for start, end in itertools.pairwise(self.points))
        object.__setattr__(self, "_ends_m", tuple(itertools.accumulate(lengths)))

    @property
    def length_m(self) -> float:
        """How long it is."""
        return self._ends_m[-1]

    def at(self, along_m: float) -> tuple[float, float]:
        """Return the point so many metres from its beginning; its first or last point beyond either end."""
        along_m = min(max(along_m, 0.0), self.length_m)
        number = min(bisect.bisect_left(self._ends_m, along_m), len(self._ends_m) - 1)
        begin_m = self._ends_m[number - 1] if number else 0.0
        share = (along_m - begin_m) / (self._ends_m[number] - begin_m)
        (lon, lat), (to_lon, to_lat) = self.points[number], self.points[number + 1]
        return lon + share * (to_lon - lon), lat + share * (to_lat - lat)


@dataclass(frozen=True, slots=True)
class Go:
    """Drive on to `to_m` metres along the road, being at `at_kmh` there; the speed changes evenly on the way."""

    to_m: float
    at_kmh: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Stay as it is for so many seconds."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Say:
    """Report signals beside the usual ones, once: a second passes."""

    signals: Mapping[str, Value]


Step: TypeAlias = Go | Wait | Say


@dataclass(frozen=True, slots=True)
class Place:
    """Where on its road the car is, and how fast."""

    along_m: float = 0.0
    kmh: float = 0.0


@dataclass(frozen=True, slots=True)
class Frame:
    """One second of a drive: where the car is at its end, and what the bus says then."""

    place: Place
    signals: Mapping[str, Value]


def frames(road: Road, start: Place, steps: Sequence[Step]) -> Iterator[Frame]:
    """Yield the drive second by second. Each step ends on a whole second, at exactly the place it names.

    Raises:
        ValueError: A step that cannot be driven: over a distance at no speed, or backwards.
    """
    place = start
    for step in steps:
        for then, extra in _seconds(place, step):
            lon, lat = road.at(then.along_m)
            usual: dict[str, Value] = {vss.LONGITUDE: lon, vss.LATITUDE: lat, vss.SPEED: round(then.kmh, 2)}
            yield Frame(then, usual | dict(extra))
            place = then


def _seconds(place: Place, step: Step) -> Iterator[tuple[Place, Mapping[str, Value]]]:
    match step:
        case Say(signals):
            yield place, signals
        case Wait(seconds):
            yield from itertools.repeat((place, {}), seconds)
        case Go():
            yield from ((each, {}) for each in _way(place, step))


def _way(start: Place, go: Go) -> Iterator[Place]:
    """Yield the places of an even change of speed; its time is rounded up to whole seconds."""
    way_m, mean_mps = go.to_m - start.along_m, (start.kmh + go.at_kmh) / 2 / _KMH_PER_MPS
    if way_m <= 0 or mean_mps <= 0:
        raise ValueError(f"cannot drive {way_m:g} m from {start.kmh:g} to {go.at_kmh:g} km/h")
    seconds = math.ceil(way_m / mean_mps)
    for second in range(1, seconds + 1):
        share = second / seconds
        kmh = start.kmh + share * (go.at_kmh - start.kmh)
        # The way is the integral of the speed, scaled to what the rounding of the time left over.
        way_share = share * (start.kmh + kmh) / (start.kmh + go.at_kmh)
        yield Place(start.along_m + way_share * way_m, kmh)


def _length_m(start: tuple[float, float], end: tuple[float, float]) -> float:
    shrink = math.cos(math.radians((start[1] + end[1]) / 2))
    return math.hypot((end[0] - start[0]) * shrink, end[1] - start[1]) * _METRES_PER_DEGREE
