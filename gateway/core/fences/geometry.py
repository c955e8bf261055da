"""The shape of a fence and the distance to its edge.

Distances are measured on a plane that touches the ellipsoid at the fence itself, so that they are metres wherever a
road goes: within 0.1% for a few kilometres up to 85 degrees of latitude, and rough beyond. Edges are straight in
longitude and latitude, as RFC 7946 section 3.1.1 has them.
"""

import math
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import numpy as np
import shapely
from numpy.typing import NDArray

from gateway.core.units import Position, delta_lon_deg, metres_per_degree

Box: TypeAlias = tuple[float, float, float, float]
"""West, south, east, north in degrees."""


@dataclass(frozen=True, slots=True)
class Circle:
    """All points at most `radius_m` from the centre."""

    centre: Position
    radius_m: float


@dataclass(frozen=True, slots=True)
class Area:
    """A polygon or multipolygon in degrees, holes included. One that spans the antimeridian is split there."""

    shape: shapely.Polygon | shapely.MultiPolygon


@dataclass(frozen=True)
class Fence:
    """An area with a name and the rules of coming and going.

    Attributes:
        id: Unique in a release.
        kind: One of the glossary's fence kinds, e.g. `fuel_station`.
        exit_buffer_m: A unit has left when it is surely farther than this from the edge.
        dwell_s: Seconds inside after which it has dwelled; 0 means never.
        accuracy_limit_m: A fix less accurate than this is no evidence of having entered.
        beacon: The beacon whose sightings speak for this fence, or None.
    """

    id: str
    kind: str
    name: str
    shape: Circle | Area
    exit_buffer_m: float = 30.0
    dwell_s: int = 0
    accuracy_limit_m: float = 200.0
    beacon: str | None = None
    _anchor: Position = field(init=False, repr=False, compare=False)
    _lon_m: float = field(init=False, repr=False, compare=False)
    _lat_m: float = field(init=False, repr=False, compare=False)
    _plane: shapely.Geometry | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        anchor = self.shape.centre if isinstance(self.shape, Circle) else _anchor_of(self.shape)
        lon_m, lat_m = metres_per_degree(anchor.lat)
        for name, value in (("_anchor", anchor), ("_lon_m", lon_m), ("_lat_m", lat_m)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_plane", self._flatten() if isinstance(self.shape, Area) else None)

    def distance_m(self, position: Position) -> float:
        """Return the distance to the fence in metres; zero or less inside.

        Inside a circle it is the negative distance to the edge; inside an area it is 0.
        """
        x = delta_lon_deg(self._anchor.lon, position.lon) * self._lon_m
        y = (position.lat - self._anchor.lat) * self._lat_m
        if isinstance(self.shape, Circle):
            return math.hypot(x, y) - self.shape.radius_m
        return float(shapely.distance(self._plane, shapely.Point(x, y)))

    def boxes(self) -> tuple[Box, ...]:
        """Return the boxes in degrees that hold the fence: two when a circle spans the antimeridian."""
        if isinstance(self.shape, Area):
            parts = self.shape.shape.geoms if isinstance(self.shape.shape, shapely.MultiPolygon) else [self.shape.shape]
            return tuple(part.bounds for part in parts)
        centre, radius_m = self.shape.centre, self.shape.radius_m
        # A hundredth more than the radius covers the difference between the plane and the ellipsoid.
        south = max(-90.0, centre.lat - 1.01 * radius_m / self._lat_m)
        north = min(90.0, centre.lat + 1.01 * radius_m / self._lat_m)
        half_lon = 1.01 * radius_m / self._lon_m if self._lon_m > 0 else 180.0
        if half_lon >= 180.0:  # over a pole: every longitude
            return ((-180.0, south, 180.0, north),)
        west, east = centre.lon - half_lon, centre.lon + half_lon
        if west < -180.0:
            return ((-180.0, south, east, north), (west + 360.0, south, 180.0, north))
        if east > 180.0:
            return ((west, south, 180.0, north), (-180.0, south, east - 360.0, north))
        return ((west, south, east, north),)

    def _flatten(self) -> shapely.Geometry:
        """Return the area in metres around the anchor, prepared for repeated questions."""
        area, anchor = cast("Area", self.shape), self._anchor

        def project(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
            metres = degrees.copy()
            metres[:, 0] = ((degrees[:, 0] - anchor.lon + 180.0) % 360.0 - 180.0) * self._lon_m
            metres[:, 1] = (degrees[:, 1] - anchor.lat) * self._lat_m
            return metres

        plane = shapely.transform(area.shape, project)
        shapely.prepare(plane)
        return plane


def _anchor_of(area: Area) -> Position:
    """Return a point of the area: its largest part's representative point, so that both sides of +-180 stay near."""
    shape = area.shape
    largest = max(shape.geoms, key=lambda part: part.area) if isinstance(shape, shapely.MultiPolygon) else shape
    point = shapely.point_on_surface(largest)
    return Position(point.x, point.y)
