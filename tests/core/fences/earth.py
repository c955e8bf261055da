"""How far a place is from a shape, by brute force: geodesics of PROJ to points set closely along every edge.

Not a line of the gateway is used; shapes come as lists of rings or lines in degrees. Nothing here is clever:

- a place is inside when a ray to the north crosses the rings an odd number of times, in plain degrees;
- an edge is 64 points; around the nearest of all, 64 closer ones, and so on until they are a hair apart;
- a point of an edge bounds nothing when the shape lies on both sides of it: so at the antimeridian, where a shape is
  cut to fit a map, and at a pole with the shape all around.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyproj import Geod

Floats = NDArray[np.float64]
Line = Sequence[tuple[float, float]]

_WGS84 = Geod(ellps="WGS84")
_STEPS = 64
_HAIR_DEG = 1e-9
_HAIR_M = 0.001
_SIDES = (180.0 - _HAIR_DEG, -180.0 + _HAIR_DEG)


class Lines(NamedTuple):
    """Edges as `lon, lat` of either end, and whether they close rings."""

    edges: Floats
    closed: bool


def lines(parts: Sequence[Line], *, closed: bool) -> Lines:
    """Return the edges of rings, or of lines."""
    return Lines(np.array([[*a, *b] for part in parts for a, b in pairwise(part) if a != b]), closed)


def way_m(lon: float, lat: float, lons: Floats, lats: Floats) -> Floats:
    """Return the geodesics from a place to others."""
    away = _WGS84.inv(np.full(lons.shape, lon), np.full(lats.shape, lat), lons, lats)[2]
    return np.asarray(away, dtype=np.float64)


def are_inside(shape: Lines, lons: Floats, lats: Floats) -> NDArray[np.bool_]:
    """Return of each place whether a ray from it to the north crosses the rings an odd number of times."""
    west, south, east, north = shape.edges.T
    crossed = (west > lons[:, None]) != (east > lons[:, None])
    with np.errstate(divide="ignore", invalid="ignore"):
        at = south + (lons[:, None] - west) * (north - south) / (east - west)
    return np.asarray((crossed & (at > lats[:, None])).sum(axis=1) % 2 == 1)


def surrounds(shape: Lines, lon: float, lat: float) -> bool:
    """Return whether a place is inside; where the map ends, whether a place a hair before its end is."""
    lat -= np.sign(lat) * _HAIR_DEG if abs(lat) == 90.0 else 0.0
    lons = np.array(_SIDES if abs(lon) == 180.0 else (lon,))
    return bool(are_inside(shape, lons, np.full(lons.shape, lat)).any())


def distance_m(shape: Lines, lon: float, lat: float) -> float:
    """Return the distance to the nearest edge: negative inside rings."""
    start, end = shape.edges[:, :2], shape.edges[:, 2:]
    low, high = np.zeros(len(start)), np.ones(len(start))
    nearest_m = np.inf
    for _ in range(12):
        share = low[:, None] + (high - low)[:, None] * np.linspace(0.0, 1.0, _STEPS)
        lons = start[:, :1] + share * (end - start)[:, :1]
        lats = start[:, 1:] + share * (end - start)[:, 1:]
        ways = way_m(lon, lat, lons, lats)
        if shape.closed:
            ways[~_bounds(shape, lons, lats)] = np.inf
        if np.isinf(ways).all():
            return -np.inf if surrounds(shape, lon, lat) else np.inf
        row, best = np.arange(len(ways)), ways.argmin(axis=1)
        found_m = float(ways.min())
        improved_m, nearest_m = nearest_m - found_m, min(nearest_m, found_m)
        # Around the nearest point of each edge; an edge whose nearest is far off beyond its step is out of the race.
        step = way_m_between(lons, lats)
        racing = np.isfinite(ways[row, best]) & (ways[row, best] - 2.0 * step <= nearest_m)
        low, high = share[row, np.maximum(best - 1, 0)], share[row, np.minimum(best + 1, _STEPS - 1)]
        start, end, low, high = start[racing], end[racing], low[racing], high[racing]
        if not len(start) or (improved_m < _HAIR_M and step[racing].max() < max(0.01, 1e-3 * nearest_m)):
            break
    return -nearest_m if shape.closed and surrounds(shape, lon, lat) else nearest_m


def way_m_between(lons: Floats, lats: Floats) -> Floats:
    """Return how far the points of each edge are apart, at most."""
    steps = _WGS84.inv(lons[:, :-1], lats[:, :-1], lons[:, 1:], lats[:, 1:])[2]
    return np.asarray(np.asarray(steps).max(axis=1), dtype=np.float64)


def _bounds(shape: Lines, lons: Floats, lats: Floats) -> NDArray[np.bool_]:
    """Return which points of edges have the shape on one side only."""
    bounding = np.ones(lons.shape, dtype=bool)
    at_seam = np.abs(lons) == 180.0
    if at_seam.any():
        west, east = (are_inside(shape, np.full(at_seam.sum(), side), lats[at_seam]) for side in _SIDES)
        bounding[at_seam] = west != east
    for pole in (-90.0, 90.0):
        around = np.arange(-179.9, 180.0, 5.0)
        held = are_inside(shape, around, np.full(around.shape, pole * (1 - _HAIR_DEG)))
        bounding[lats == pole] = held.any() and not held.all()
    return bounding


def between_m(lon: float, lat: float, to_lon: float, to_lat: float) -> float:
    """Return the geodesic between two places."""
    return float(_WGS84.inv(lon, lat, to_lon, to_lat)[2])
