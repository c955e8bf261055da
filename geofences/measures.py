"""Metres for shapes in degrees: areas, planes to work on, and what a fence covers.

Edges are straight in longitude and latitude. The Earth is the WGS 84 ellipsoid.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from gateway.core.fences.geometry import Area, Circle, Fence
from gateway.core.units import metres_per_degree
from geofences import antimeridian
from geofences.geopackage import geometry_of

_SEMI_MAJOR_M = 6_378_137.0
_ECCENTRICITY = math.sqrt(6.694379990141317e-3)
_STEP_DEG = 0.02
_QUARTER_SEGMENTS = 8
"""Of a circle as it is drawn and compared: 32 corners, 0.6% less area than the circle."""

Geometries = NDArray[np.object_]
Degrees = NDArray[np.float64]


def areas_m2(shapes: Sequence[shapely.Geometry] | Geometries) -> NDArray[np.float64]:
    """Return the areas of polygons in square metres, within 0.01% up to 85 degrees of latitude.

    They are measured on a map that keeps areas: the cylindrical equal-area projection of the ellipsoid (Snyder, Map
    Projections: A Working Manual, USGS 1987, p. 81), on which edges are straight enough between points so near.
    """
    fine = np.array(shapes, dtype=object)
    west, south, east, north = shapely.bounds(fine).T
    for number in np.flatnonzero((east - west > _STEP_DEG) | (north - south > _STEP_DEG)):
        fine[number] = antimeridian.with_short_edges(fine[number], _STEP_DEG)
    areas: NDArray[np.float64] = np.abs(shapely.area(shapely.transform(fine, _equal_area)))
    return areas


def _equal_area(degrees: Degrees) -> Degrees:
    sine = np.sin(np.radians(degrees[:, 1]))
    scaled = _ECCENTRICITY * sine
    q = (1 - _ECCENTRICITY**2) * (sine / (1 - scaled**2) + np.arctanh(scaled) / _ECCENTRICITY)
    return np.column_stack([_SEMI_MAJOR_M * np.radians(degrees[:, 0]), _SEMI_MAJOR_M * q / 2])


@dataclass(frozen=True, slots=True)
class Plane:
    """Degrees to metres and back. True at one latitude; nearer to the pole, what lies west or east is too far."""

    lon_deg: float
    lat_deg: float
    lon_m: float
    lat_m: float

    @classmethod
    def of(cls, shape: shapely.Geometry) -> "Plane":
        """Return the plane on which nothing of a shape is shorter than on Earth."""
        west, south, east, north = shape.bounds
        nearest_equator = 0.0 if south <= 0.0 <= north else min(abs(south), abs(north))
        lon_m, _ = metres_per_degree(nearest_equator)
        _, lat_m = metres_per_degree(max(abs(south), abs(north)))
        return cls((west + east) / 2, (south + north) / 2, lon_m, lat_m)

    @classmethod
    def at(cls, lon_deg: float, lat_deg: float) -> "Plane":
        """Return the plane that touches the Earth at a place."""
        # A degree of longitude has no length at a pole; what lies there is drawn as if 1 km away from it.
        lon_m, lat_m = metres_per_degree(math.copysign(min(abs(lat_deg), 89.99), lat_deg))
        return cls(lon_deg, lat_deg, lon_m, lat_m)

    def flatten(self, shape: shapely.Geometry) -> shapely.Geometry:
        """Return a shape in metres."""
        return shapely.transform(shape, lambda d: (d - [self.lon_deg, self.lat_deg]) * [self.lon_m, self.lat_m])

    def restore(self, shape: shapely.Geometry) -> shapely.Geometry:
        """Return a shape in degrees."""
        return shapely.transform(shape, lambda m: m / [self.lon_m, self.lat_m] + [self.lon_deg, self.lat_deg])


def footprints(fences: Sequence[Fence]) -> Geometries:
    """Return what fences cover as polygons in degrees, circles and corridors drawn with corners."""
    drawn = np.empty(len(fences), dtype=object)
    for number, fence in enumerate(fences):
        drawn[number] = _footprint(fence)
    return drawn


def _footprint(fence: Fence) -> shapely.Geometry:
    if isinstance(fence.shape, Area):
        return fence.shape.shape
    bare = geometry_of(fence)
    reach_m = fence.shape.radius_m if isinstance(fence.shape, Circle) else fence.shape.width_m / 2
    parts = []
    for part in shapely.get_parts(bare):
        west, south, east, north = part.bounds
        plane = Plane.at((west + east) / 2, (south + north) / 2)
        parts.append(_on_earth(plane.restore(plane.flatten(part).buffer(reach_m, quad_segs=_QUARTER_SEGMENTS))))
    return parts[0] if len(parts) == 1 else shapely.union_all(parts)


def _on_earth(area: shapely.Geometry) -> shapely.Geometry:
    west, south, east, north = area.bounds
    if south < -90.0 or north > 90.0:
        area = shapely.intersection(area, shapely.box(west, -90.0, east, 90.0))
    return antimeridian.split(area, mend=True) if antimeridian.crosses(area) else area
