"""Shapes across the antimeridian and over the poles, cut as RFC 7946 section 3.1.9 asks.

An edge that spans more than 180 degrees of longitude is read as the short way round. Following a ring so gives one
without breaks ("unrolled") on a plane that repeats every 360 degrees; that plane is cut at +-180 and its strips are
laid upon each other. A ring that comes back 360 degrees from where it began goes round a pole: the one on the side of
it that is the smaller part of the Earth, for nobody's fence is most of it; the ring is closed over that pole, a line of
the plane. In the same way the direction of a ring is put right and not believed: half of all tools write the other one.

Edges stay straight in longitude and latitude (section 3.1.1). What does not cross is returned as it came.
"""

import math
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import shapely
from numpy.typing import NDArray

Degrees: TypeAlias = NDArray[np.float64]
"""Positions, one a row: longitude, latitude."""

SNAP_DEG = 1e-9
"""0.1 mm: what is so near to the antimeridian or a pole lies on it."""
LONGEST_EDGE_DEG = 120.0
"""Longer edges of what was cut (along a parallel, over a pole) get points between, so that none seems to cross."""

_FULL_DEG = 360.0
_HALF_DEG = 180.0
_WORLD = shapely.box(-180.0, -90.0, 180.0, 90.0)


class Tangled(Exception):
    """A ring that crosses itself when it is followed the short way round.

    Attributes:
        unrolled: The area that it bounds, as invalid as it is.
    """

    def __init__(self, unrolled: shapely.Polygon) -> None:
        super().__init__(shapely.is_valid_reason(unrolled))
        self.unrolled = unrolled


def crosses(shape: shapely.Geometry) -> bool:
    """Tell whether a shape reaches beyond +-180 degrees or has an edge that is shorter the other way round."""
    bounds = shapely.bounds(shape)
    if bounds[0] < -_HALF_DEG or bounds[2] > _HALF_DEG:
        return True
    if not bounds[2] - bounds[0] > _HALF_DEG:
        return False
    if isinstance(shape, shapely.Polygon | shapely.MultiPolygon) and shape.is_valid and _is_as_drawn(shape):
        return False
    return any(_widest_edge(coordinates) > _HALF_DEG for coordinates in _paths(shape))


def split(shape: shapely.Geometry, *, trust_winding: bool = False, mend: bool = False) -> shapely.Geometry:
    """Return a polygon, line, or several of them, as parts that lie within +-180 degrees.

    Args:
        shape: In degrees; longitudes beyond 180 are of the next turn.
        trust_winding: An exterior ring bounds what lies to its left, be it all of the Earth but a field.
        mend: Make a ring valid that crosses itself, instead of raising.

    Raises:
        Tangled: A ring crosses itself, and `mend` is not set.
    """
    snapped = snap(shape)
    if isinstance(shape, shapely.LineString | shapely.MultiLineString):
        lines = [part for path in _paths(snapped) for part in _strips(shapely.LineString(_unroll(path)))]
        return _one_or_many(lines, shapely.MultiLineString)
    polygons = [snapped] if isinstance(snapped, shapely.Polygon) else list(snapped.geoms)
    areas = [_split_polygon(polygon, trust_winding=trust_winding, mend=mend) for polygon in polygons]
    return bridge_long_edges(areas[0] if len(areas) == 1 else _polygons_of(shapely.union_all(areas)))


def bridge_long_edges(shape: shapely.Geometry) -> shapely.Geometry:
    """Return a shape no edge of which is longer than 120 degrees, if one was longer than 180."""
    if not any(_widest_edge(path) > _HALF_DEG for path in _paths(shape)):
        return shape
    return with_short_edges(shape, LONGEST_EDGE_DEG)


def with_short_edges(shape: shapely.Geometry, longest: float) -> shapely.Geometry:
    """Return a shape with points between those that are farther apart, in its own units.

    Ring by ring: given a polygon, GEOS would also repair it, without a word, and keep one half of a bow tie.
    """
    if isinstance(shape, shapely.Polygon):
        rings = [shapely.segmentize(ring, longest) for ring in (shape.exterior, *shape.interiors)]
        return shapely.Polygon(rings[0], rings[1:])
    if isinstance(shape, shapely.MultiPolygon):
        return shapely.MultiPolygon([with_short_edges(part, longest) for part in shape.geoms])
    return shapely.segmentize(shape, longest)


def _split_polygon(polygon: shapely.Polygon, *, trust_winding: bool, mend: bool) -> shapely.Geometry:
    area, pole = _area_of(polygon.exterior, 0.0, trust_winding=trust_winding, mend=mend)
    for hole in polygon.interiors:
        # It goes round the same pole as its polygon, if round any.
        bounded, _ = _area_of(hole, pole, trust_winding=False, mend=mend)
        area = shapely.difference(area, bounded)
    return _polygons_of(area)


def _area_of(
    ring: shapely.LinearRing, pole: float, *, trust_winding: bool, mend: bool
) -> tuple[shapely.Geometry, float]:
    """Return the area within a ring, and the latitude of the pole it goes round, or 0.

    Args:
        ring: In degrees.
        pole: The pole that it must go round if any; 0: not known.
        trust_winding: See `split`.
        mend: See `split`.
    """
    path = _unroll(shapely.get_coordinates(ring))
    turned = path[-1, 0] - path[0, 0]
    if abs(turned) >= _HALF_DEG:
        left = math.copysign(90.0, turned)
        pole = pole or (left if trust_winding else _pole_of_smaller_side(path, left))
        return _flat(shapely.Polygon(_closed_over(path, pole)), mend=mend), pole
    area = _flat(shapely.Polygon(path), mend=mend)
    if trust_winding and not shapely.is_ccw(shapely.LinearRing(path)):
        area = shapely.difference(_WORLD, area)
    return area, 0.0


def _flat(unrolled: shapely.Polygon, *, mend: bool) -> shapely.Geometry:
    return shapely.union_all(_strips(_valid(unrolled, mend=mend)))


def _pole_of_smaller_side(path: Degrees, otherwise: float) -> float:
    """Return the pole on the smaller side of a path round the Earth.

    What of a sphere lies south of a latitude grows with its sine; along an edge the mean sine of its latitudes counts.
    """
    lons = np.diff(path[:, 0])
    start, end = np.radians(path[:-1, 1]), np.radians(path[1:, 1])
    middle = np.sin((start + end) / 2)
    mean_sines = (np.sin(start) + 4 * middle + np.sin(end)) / 6  # Simpson: exact to 1e-6 for edges of 10 degrees
    side = float(np.sum(lons * mean_sines) / np.sum(lons))
    return otherwise if abs(side) < 1e-9 else math.copysign(90.0, side)


def _valid(area: shapely.Polygon, *, mend: bool) -> shapely.Geometry:
    if area.is_valid:
        return area
    if not mend:
        raise Tangled(area)
    return shapely.make_valid(area, method="structure", keep_collapsed=False)


def _unroll(path: Degrees) -> Degrees:
    """Return a path the longitudes of which run on beyond +-180 instead of jumping.

    Whole turns are added to the longitudes given, so that those of the first turn stay exactly what they were.
    """
    steps = np.diff(path[:, 0])
    jumps = np.where(np.abs(steps) > _HALF_DEG, -np.round(steps / _FULL_DEG), 0.0)
    unrolled = path.copy()
    unrolled[1:, 0] += _FULL_DEG * np.cumsum(jumps)
    # The strip in which most of it lies is the middle one.
    unrolled[:, 0] -= _FULL_DEG * np.round(np.median(unrolled[:, 0]) / _FULL_DEG)
    return unrolled


def _closed_over(path: Degrees, pole: float) -> Degrees:
    """Return the ring of what lies between a path round a pole and the pole.

    It is cut where it meets the antimeridian nearest to the pole: from there nothing of it stands in the way.
    """
    ring = _with_seams(path[:-1] if np.array_equal(path[0], path[-1]) else path)
    seams = np.flatnonzero(np.abs(np.mod(ring[:-1, 0], _FULL_DEG) - _HALF_DEG) < SNAP_DEG)
    start = seams[np.argmin(np.abs(pole - ring[seams, 1]))]
    turned = ring[-1, 0] - ring[0, 0]
    turn = np.array([turned, 0.0])
    around = np.concatenate([ring[start:-1], ring[:start] + turn, ring[start : start + 1] + turn])
    around[:, 0] -= around[0, 0] - math.copysign(_HALF_DEG, -turned)
    ends = [[around[-1, 0], pole], [around[0, 0], pole]]
    return np.concatenate([around, ends])


def _with_seams(path: Degrees) -> Degrees:
    """Return a path with a point wherever it crosses an odd multiple of 180 degrees."""
    points: list[Degrees] = [path[:1]]
    for (lon, lat), (next_lon, next_lat) in pairwise(path):
        west, east = min(lon, next_lon), max(lon, next_lon)
        first = math.floor((west + _HALF_DEG) / _FULL_DEG) + 1
        last = math.ceil((east + _HALF_DEG) / _FULL_DEG) - 1
        seams = [turn * _FULL_DEG - _HALF_DEG for turn in range(first, last + 1)]
        for seam in seams if next_lon > lon else reversed(seams):
            share = (seam - lon) / (next_lon - lon)
            points.append(np.array([[seam, lat + share * (next_lat - lat)]]))
        points.append(np.array([[next_lon, next_lat]]))
    return np.concatenate(points)


def _strips(shape: shapely.Geometry) -> list[shapely.Geometry]:
    """Return what a shape has in each strip of 360 degrees, moved to the middle one."""
    west, _, east, _ = shape.bounds
    if west >= -_HALF_DEG and east <= _HALF_DEG:
        return [shape]
    turns = range(math.floor((west + _HALF_DEG) / _FULL_DEG), math.ceil((east - _HALF_DEG) / _FULL_DEG) + 1)
    parts = []
    for turn in turns:
        offset = turn * _FULL_DEG
        strip = shapely.box(offset - _HALF_DEG, -90.0, offset + _HALF_DEG, 90.0)
        cut = shapely.intersection(shape, strip)
        moved = shapely.transform(cut, lambda degrees, by=offset: degrees - [by, 0.0])
        dimensions = shapely.get_dimensions(shape)
        parts += [part for part in shapely.get_parts(moved) if shapely.get_dimensions(part) == dimensions]
    return parts


def snap(shape: shapely.Geometry) -> shapely.Geometry:
    """Return a shape in two dimensions with what all but touches the antimeridian or a pole on it."""

    def move(degrees: Degrees) -> Degrees:
        degrees = degrees.copy()
        nearest = np.round((degrees[:, 0] - _HALF_DEG) / _FULL_DEG) * _FULL_DEG + _HALF_DEG
        near = np.abs(degrees[:, 0] - nearest) < SNAP_DEG
        degrees[near, 0] = nearest[near]
        pole = np.copysign(90.0, degrees[:, 1])
        near = np.abs(degrees[:, 1] - pole) < SNAP_DEG
        degrees[near, 1] = pole[near]
        return degrees

    return shapely.transform(shapely.force_2d(shape), move)


def _is_as_drawn(shape: shapely.Geometry) -> bool:
    """Tell whether each edge over 180 degrees runs along a parallel from seam to seam: a band, or cut already."""
    for path in _paths(shape):
        edges = np.abs(np.diff(path, axis=0))
        wide = edges[edges[:, 0] > _HALF_DEG]
        if not np.all((wide[:, 0] == _FULL_DEG) & (wide[:, 1] == 0.0)):
            return False
    return True


def _paths(shape: shapely.Geometry) -> list[Degrees]:
    """Return the coordinates of each ring or line of a shape."""
    parts = shapely.get_parts(shape)
    if shapely.get_dimensions(shape) == 2:
        parts = shapely.get_rings(parts)
    return [shapely.get_coordinates(part) for part in parts]


def _widest_edge(path: Degrees) -> float:
    return float(np.abs(np.diff(path[:, 0])).max()) if len(path) > 1 else 0.0


def _polygons_of(area: shapely.Geometry) -> shapely.Geometry:
    return _one_or_many([part for part in shapely.get_parts(area) if part.geom_type == "Polygon"], shapely.MultiPolygon)


def _one_or_many(parts: list[shapely.Geometry], many: type[shapely.Geometry]) -> shapely.Geometry:
    return parts[0] if len(parts) == 1 else many(parts)
