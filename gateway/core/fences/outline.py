"""How far a place is from the outline of a shape whose edges are straight in longitude and latitude.

Theory. An edge that is straight in degrees (RFC 7946, section 3.1.1) is a curve on the ground. Three ways lead to it:

- *Near*. Around the place itself, a plane in which a degree of longitude has the length it has at the place keeps both
  straight edges straight and metres true: a way of `d` to the north or south is wrong by `d * d * tan(latitude) / 2R`
  in its east-west part. That is 0.2 m at 1.6 km and 45 degrees of latitude, or at 470 m and 85. Only what is nearest
  has to be within that reach: all else is then known to be farther.
- *Beyond*, the plane still finds the nearest point of each edge well enough, up to a way that is wrong by 0.2%: 25 km
  at 45 degrees, 2.2 km at 85. The ways to those points that come next to the least are measured on the ground.
- *Far*. Edges are halved until the piece that comes nearest is found: every piece is at least as far as its middle less
  half its length. Distances are those of `gateway.core.fences.ground`, so that this holds at the poles too.

Some edges are no edges of the shape, but where it was cut to fit a map: along a pole, which is one point, and where
two parts meet at the antimeridian. They bound nothing on the ground and are left out.
"""

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import shapely

from gateway.core.fences.ground import Floats, ways_m
from gateway.core.units import metres_per_degree

_RADIUS_M = 6_371_008.8
_OFF_M = 0.2
"""How wrong a distance may be where the plane alone is asked, or pieces of edges are no longer halved."""
_OFF = 0.002
_REACH_M, _REACH_FAR_M = 5_000.0, 50_000.0
"""How far the plane is used at the equator, where latitude itself sets no limit."""
_FEW = 40
_FINEST_M = 0.1
_DEGREE_M = 111_700.0
"""No degree of a great circle of the ellipsoid is longer."""


class Outline:
    """The edges of one shape, ready to be asked.

    Attributes:
        area: The shape itself, prepared; None for a line, which has no inside.
    """

    __slots__ = ("_few", "_lat", "_lats", "_lon", "_lons", "_span", "area")

    def __init__(self, geometry: shapely.Geometry) -> None:
        west, south, east, north = shapely.bounds(geometry).tolist()
        is_area = geometry.geom_type in {"Polygon", "MultiPolygon"}
        at_end = max(-west, east) >= 180.0 or max(-south, north) >= 90.0
        edges = _edges(geometry, is_area=is_area, at_end=at_end)
        self._lon, self._lat = edges[:, 0], edges[:, 1]
        self._lons, self._lats = edges[:, 2] - edges[:, 0], edges[:, 3] - edges[:, 1]
        self._few = edges.tolist() if len(edges) <= _FEW else []
        self._span = (west, east)
        self.area = geometry if is_area else None
        if is_area:
            shapely.prepare(geometry)

    def holds(self, lon: float, lat: float) -> bool:
        """Return whether the place lies within the shape or on its edge."""
        if self.area is None:
            return False
        west, east = self._span
        if west <= lon <= east and shapely.intersects_xy(self.area, lon, lat):
            return True
        return abs(lon) == 180.0 and bool(shapely.intersects_xy(self.area, -lon, lat))

    def way_m(self, lon: float, lat: float) -> float:
        """Return the distance to the nearest edge, whether from within or from without."""
        if not len(self._lon):
            return math.inf
        lon_m, lat_m = metres_per_degree(lat)
        west, east = self._span
        is_split = east - lon > 180.0 or west - lon < -180.0
        near_m, feet = math.inf, None
        if self._few and not is_split:
            near_m = self._near_few_m(lon, lat, lon_m, lat_m)
        else:
            feet = self._feet(lon, lat, lon_m, lat_m, is_split=is_split)
            near_m = float(np.hypot(*feet).min())
        bend_m = 2.0 * _RADIUS_M / max(abs(math.tan(math.radians(lat))), 1e-9)
        if near_m <= min(_REACH_M, math.sqrt(_OFF_M * bend_m)):
            return near_m
        if near_m > min(_REACH_FAR_M, _OFF * bend_m):
            return self._far_m(lon, lat)
        to_east, to_north = feet or self._feet(lon, lat, lon_m, lat_m, is_split=is_split)
        nearest = np.hypot(to_east, to_north) <= (1.0 + 4.0 * _OFF) * near_m
        return float(ways_m(lon, lat, lon + to_east[nearest] / lon_m, lat + to_north[nearest] / lat_m).min())

    def _feet(self, lon: float, lat: float, lon_m: float, lat_m: float, *, is_split: bool) -> tuple[Floats, Floats]:
        """Return how far east and north the nearest point of each edge is, in the plane that touches at the place."""
        east = self._lon - lon
        if is_split:
            # The short way round to the middle of each edge: none spans the antimeridian.
            east -= 360.0 * np.round((east + 0.5 * self._lons) / 360.0)
        east *= lon_m
        north = (self._lat - lat) * lat_m
        along_e, along_n = self._lons * lon_m, self._lats * lat_m
        # Where on the edge the foot of the perpendicular is; none is of length 0 in degrees, but it may be on a pole.
        share = (east * along_e + north * along_n) / -np.maximum(along_e * along_e + along_n * along_n, 1e-12)
        np.maximum(share, 0.0, out=share)
        np.minimum(share, 1.0, out=share)
        along_e *= share
        along_n *= share
        return east + along_e, north + along_n

    def _near_few_m(self, lon: float, lat: float, lon_m: float, lat_m: float) -> float:
        """Return the distance in that plane, one edge at a time: quicker for a few than it is to set up arrays."""
        least = math.inf
        for west, south, east, north in self._few:
            x, y = (west - lon) * lon_m, (south - lat) * lat_m
            along_x, along_y = (east - west) * lon_m, (north - south) * lat_m
            share = -(x * along_x + y * along_y)
            if share > 0.0:
                length = along_x * along_x + along_y * along_y
                share = share / length if share < length else 1.0
                x += share * along_x
                y += share * along_y
            square = x * x + y * y
            if square < least:  # noqa: PLR1730 -- a call for each edge would take a fifth of the time
                least = square
        return math.sqrt(least)

    def _far_m(self, lon: float, lat: float) -> float:
        """Return the distance by halving the edges that may come nearest."""
        edge, start, length = np.arange(len(self._lon)), np.zeros(len(self._lon)), 1.0
        # The ends of edges first: where one of them is nearest, the middles beside it approach it only slowly.
        best_m = min(
            float(ways_m(lon, lat, self._lon + end * self._lons, self._lat + end * self._lats).min()) for end in (0, 1)
        )
        while True:
            middle = start + 0.5 * length
            lats = self._lat[edge] + middle * self._lats[edge]
            ways = ways_m(lon, lat, self._lon[edge] + middle * self._lons[edge], lats)
            high = np.abs(0.5 * length * self._lats[edge])
            wide = np.abs(0.5 * length * self._lons[edge]) * np.cos(np.radians(np.maximum(np.abs(lats) - high, 0.0)))
            half_m = _DEGREE_M * np.hypot(wide, high)
            best_m = min(best_m, float(ways.min()))
            kept = ways - half_m <= best_m
            # A middle that is off by half a piece is farther by half * half / (2 * distance).
            if float(half_m[kept].max(initial=0.0)) <= max(math.sqrt(2.0 * _OFF_M * best_m), _FINEST_M):
                return best_m
            length *= 0.5
            edge, start = np.repeat(edge[kept], 2), np.repeat(start[kept], 2)
            start[1::2] += length


@lru_cache(maxsize=2_048)
def outline_of(wkb: bytes) -> Outline:
    """Return the outline of a shape. The last that were asked for are kept, so that memory has a bound."""
    return Outline(shapely.from_wkb(wkb))


def _edges(geometry: shapely.Geometry, *, is_area: bool, at_end: bool) -> Floats:
    """Return the edges that bound the shape on the ground, as rows of `lon, lat, lon, lat`.

    Args:
        geometry: An area or lines.
        is_area: Which of them.
        at_end: Whether it reaches where the map ends: the antimeridian or a pole.
    """
    if geometry.geom_type == "LineString" or (is_area and _is_one_ring(geometry)):
        coordinates = shapely.get_coordinates(geometry)
        edges: Floats = np.concatenate([coordinates[:-1], coordinates[1:]], axis=1)
    else:
        parts = shapely.get_parts(geometry)
        lines = shapely.get_rings(parts) if is_area else parts
        coordinates, owners = shapely.get_coordinates(lines, return_index=True)
        edges = np.concatenate([coordinates[:-1], coordinates[1:]], axis=1)[owners[1:] == owners[:-1]]
    moves = (edges[:, :2] != edges[:, 2:]).any(axis=1)
    if not moves.all():
        edges = edges[moves]
    if not (is_area and at_end):
        return edges
    edges = edges[(np.abs(edges[:, 1]) != 90.0) | (edges[:, 1] != edges[:, 3])]
    at_seam = (np.abs(edges[:, 0]) == 180.0) & (edges[:, 0] == edges[:, 2])
    bounding = np.array(list(_bounding(edges[at_seam])), dtype=np.float64).reshape(-1, 4)
    return np.concatenate([edges[~at_seam], bounding])


def _is_one_ring(area: shapely.Polygon | shapely.MultiPolygon) -> bool:
    return bool(area.geom_type == "Polygon" and shapely.get_num_interior_rings(area) == 0)


def _bounding(seam: Floats) -> Iterable[tuple[float, float, float, float]]:
    """Return the parts of the antimeridian with the shape on one side only.

    On either side the edges do not overlap, so what is covered once begins and ends with every other end of an edge.
    """
    ends = sorted(float(lat) for lat in seam[:, (1, 3)].ravel())
    for south, north in zip(ends[::2], ends[1::2], strict=True):
        if south < north:
            yield 180.0, south, 180.0, north
