"""The shape of a fence and the distance to its edge: negative within, positive without.

Distances are geodesic on WGS 84, within 0.5% or half a metre, whichever is larger, up to 85 degrees of latitude, from
a metre to continents. Edges are straight in longitude and latitude, as RFC 7946 section 3.1.1 has them; a shape over
the antimeridian or a pole is split there (section 3.1.9).
"""

from dataclasses import dataclass
from typing import TypeAlias

import shapely

from gateway.core.fences.ground import way_m
from gateway.core.fences.hours import OpeningHours
from gateway.core.fences.outline import outline_of
from gateway.core.units import Instant, Position


@dataclass(frozen=True, slots=True)
class Circle:
    """All places at most `radius_m` from the centre."""

    centre: Position
    radius_m: float

    def distance_m(self, lon: float, lat: float) -> float:
        """Return the distance of a place to the edge, in metres."""
        return way_m(self.centre.lon, self.centre.lat, lon, lat) - self.radius_m


@dataclass(frozen=True, slots=True, init=False)
class Area:
    """A polygon or multipolygon in degrees, holes included. Kept as WKB: a tenth of what is ready to be asked.

    Attributes:
        wkb: Well-known binary (OGC 06-103r4, section 8), two dimensions.
    """

    wkb: bytes

    def __init__(self, shape: shapely.Polygon | shapely.MultiPolygon | bytes) -> None:
        object.__setattr__(self, "wkb", shape if isinstance(shape, bytes) else shapely.to_wkb(shape))

    @property
    def shape(self) -> shapely.Polygon | shapely.MultiPolygon:
        """The shape, made anew."""
        return shapely.from_wkb(self.wkb)

    def distance_m(self, lon: float, lat: float) -> float:
        """Return the distance of a place to the edge, in metres."""
        outline = outline_of(self.wkb)
        way = outline.way_m(lon, lat)
        return -way if outline.holds(lon, lat) else way


@dataclass(frozen=True, slots=True, init=False)
class Corridor:
    """All places at most half of `width_m` from a line or several: a route, a street.

    Within, the distance is to the nearest of the two sides; at a bend the edge may be a little farther.
    """

    wkb: bytes
    width_m: float

    def __init__(self, line: shapely.LineString | shapely.MultiLineString | bytes, width_m: float) -> None:
        object.__setattr__(self, "wkb", line if isinstance(line, bytes) else shapely.to_wkb(line))
        object.__setattr__(self, "width_m", width_m)

    @property
    def line(self) -> shapely.LineString | shapely.MultiLineString:
        """The line in the middle, made anew."""
        return shapely.from_wkb(self.wkb)

    def distance_m(self, lon: float, lat: float) -> float:
        """Return the distance of a place to the edge, in metres."""
        return outline_of(self.wkb).way_m(lon, lat) - 0.5 * self.width_m


Shape: TypeAlias = Circle | Area | Corridor


def centre_of(shape: Shape) -> Position:
    """Return the middle of a shape: a circle's centre, else the centroid in degrees."""
    if isinstance(shape, Circle):
        return shape.centre
    middle = (shape.shape if isinstance(shape, Area) else shape.line).centroid
    return Position(middle.x, middle.y)


APPROACH_MPS = 50.0
"""180 km/h: whoever drives faster is noticed to approach a little later than `approach_s` before arriving."""


@dataclass(frozen=True, slots=True)
class Fence:
    """An area with a name and the rules of coming and going.

    Attributes:
        id: Unique in a release.
        kind: One of the glossary's fence kinds, e.g. `fuel_station`.
        exit_buffer_m: A unit has left when it is surely farther than this from the edge.
        dwell_s: Seconds inside after which it has dwelled; 0 means never.
        accuracy_limit_m: A fix less accurate than this is no evidence of having entered.
        beacon: The beacon whose sightings speak for this fence, or None.
        enter_buffer_m: How far inside the edge a unit must be to have entered.
        priority: Of fences that overlap, the larger is reported first.
        tags: What else is said of it; nothing is decided by them.
        opening_hours: When it can be entered; None: always.
        approach_m: How near a unit that heads for it approaches; 0: never.
        approach_s: How many seconds before it arrives; 0: never.
    """

    id: str
    kind: str
    name: str
    shape: Shape
    exit_buffer_m: float = 30.0
    dwell_s: int = 0
    accuracy_limit_m: float = 200.0
    beacon: str | None = None
    enter_buffer_m: float = 0.0
    priority: int = 0
    tags: tuple[str, ...] = ()
    opening_hours: OpeningHours | None = None
    approach_m: float = 0.0
    approach_s: int = 0

    def distance_m(self, position: Position) -> float:
        """Return the distance to the fence's edge in metres: negative inside, zero on it, positive outside."""
        return self.shape.distance_m(position.lon, position.lat)

    def is_open(self, at: Instant) -> bool:
        """Return whether the fence can be entered."""
        return self.opening_hours is None or self.opening_hours.is_open(at)

    def approach_zone_m(self) -> float:
        """Return the distance from within which an approach can be noticed; 0: it never is."""
        return max(self.approach_m, self.approach_s * APPROACH_MPS)


def order(fence: Fence) -> tuple[int, str]:
    """Return by what fences that something happens to at once are reported: by priority, then by id."""
    return -fence.priority, fence.id
