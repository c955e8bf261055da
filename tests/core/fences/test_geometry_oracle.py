"""Every distance against brute force on the ellipsoid: `earth` shares no line with the gateway.

As many cases as CI has patience for; `WAYSIDE_FAULTS=full pytest tests/core/fences/test_geometry_oracle.py` tries more
than 100,000. Each shape is random, of a metre to hundreds of kilometres, up to 85 degrees of latitude; each is asked at
its ends and edges and a hair beside them, within, around and far from it.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pytest
import shapely

from gateway.core.fences.geometry import Area, Circle, Corridor, Shape
from gateway.core.units import Position
from gateway.testing.faults import counts
from tests.core.fences import earth

SHAPES = counts(full=800, ci=16)
PLACES = 24
DEGREE_M = 111_195.0
MOST_LAT = 85.0
Ring = list[tuple[float, float]]


class Case(NamedTuple):
    """A shape, what brute force says of it, and where something is."""

    shape: Shape
    truth_m: Callable[[float, float], float]
    marks: Ring
    size_m: float


def lengths(draw: random.Random) -> float:
    return float(10 ** draw.uniform(0, 5.6))


def within(draw: random.Random, size_m: float) -> float:
    """Return a latitude at which a shape of that size stays below 85 degrees."""
    most = MOST_LAT - 0.2 - size_m / DEGREE_M
    return draw.choice([draw.uniform(-most, most), draw.choice([-most, most]), 0.0])


def star(draw: random.Random, lon: float, lat: float, size_m: float, corners: int) -> Ring:
    """Return a ring around a place, straight from corner to corner in degrees."""
    ring = []
    for corner in range(corners):
        angle, reach = math.tau * (corner + 0.7 * draw.random()) / corners, size_m * draw.uniform(0.3, 1.0)
        north = reach * math.sin(angle) / DEGREE_M
        wide = DEGREE_M * max(math.cos(math.radians(abs(lat) + abs(north))), math.cos(math.radians(MOST_LAT)))
        ring.append((lon + reach * math.cos(angle) / wide, lat + north))
    return [*ring, ring[0]]


def cut(rings: Sequence[Ring]) -> list[list[Ring]]:
    """Return the polygons of rings that may run over the antimeridian, cut there: shell and holes of each."""
    whole, parts = shapely.Polygon(rings[0], rings[1:]), list[list[Ring]]()
    for turn in (-360.0, 0.0, 360.0):
        seen = shapely.intersection(whole, shapely.box(-180.0 + turn, -90.0, 180.0 + turn, 90.0))
        for part in shapely.get_parts(seen):
            if isinstance(part, shapely.Polygon) and part.area > 0:
                ends = [part.exterior, *part.interiors]
                parts.append([[(exact(lon - turn), lat) for lon, lat in end.coords] for end in ends])
    return parts


def exact(lon: float) -> float:
    """Return the longitude of a cut as what it is."""
    return math.copysign(180.0, lon) if abs(abs(lon) - 180.0) < 1e-12 else lon


def an_area(polygons: list[list[Ring]], size_m: float, marks: Ring) -> Case:
    shapes = [shapely.Polygon(rings[0], rings[1:]) for rings in polygons]
    edges = earth.lines([ring for rings in polygons for ring in rings], closed=True)
    area = Area(shapes[0] if len(shapes) == 1 else shapely.MultiPolygon(shapes))
    return Case(area, lambda lon, lat: earth.distance_m(edges, lon, lat), marks, size_m)


def circles(draw: random.Random) -> Case:
    radius_m = min(lengths(draw), 300_000.0)
    lon, lat = draw.choice([draw.uniform(-180, 180), 180.0, -180.0]), within(draw, radius_m)

    def truth_m(to_lon: float, to_lat: float) -> float:
        return earth.between_m(lon, lat, to_lon, to_lat) - radius_m

    return Case(Circle(Position(lon, lat), radius_m), truth_m, star(draw, lon, lat, radius_m, 8), radius_m)


def areas(draw: random.Random) -> Case:
    size_m = lengths(draw)
    lon, lat = draw.uniform(-175, 175) * (1 - size_m / 1e6), within(draw, size_m)
    rings = [star(draw, lon, lat, size_m, draw.randint(3, 60))]
    if len(rings[0]) > 6:
        rings.append(star(draw, lon, lat, 0.1 * size_m, draw.randint(3, 8)))
    if not shapely.Polygon(rings[0], rings[1:]).is_valid:
        rings = rings[:1]
    return an_area(cut(rings), size_m, [place for ring in rings for place in ring])


def areas_at_the_antimeridian(draw: random.Random) -> Case:
    size_m = lengths(draw)
    lat = within(draw, size_m)
    ring = star(draw, 180.0 + draw.uniform(-0.5, 0.5) * size_m / DEGREE_M, lat, size_m, draw.randint(3, 30))
    seam = [(draw.choice([180.0, -180.0]), lat + draw.uniform(-1, 1) * size_m / DEGREE_M) for _ in range(8)]
    return an_area(cut([ring]), size_m, [*ring, *seam])


def caps(draw: random.Random) -> Case:
    """Return a shape over a pole, as a compiler would split it: down from the pole at the antimeridian."""
    pole, corners = draw.choice([90.0, -90.0]), draw.randint(4, 40)
    lats = [math.copysign(draw.uniform(60, 84), pole) for _ in range(corners)]
    edge = [(-180.0 + 360.0 * n / corners, lat) for n, lat in enumerate(lats)] + [(180.0, lats[0])]
    ring = [*edge, (180.0, pole), (-180.0, pole), edge[0]]
    poles = [(draw.uniform(-180, 180), math.copysign(draw.uniform(84.9, 90), pole)) for _ in range(8)]
    return an_area([[ring]], 1e6, [*edge, *poles, (0.0, pole), (180.0, pole)])


def corridors(draw: random.Random) -> Case:
    size_m = lengths(draw)
    lon, lat = draw.uniform(-175, 175) * (1 - size_m / 1e6), within(draw, size_m)
    line = star(draw, lon, lat, size_m, draw.randint(2, 50))[:-1]
    width_m = size_m * 10 ** draw.uniform(-3, -0.5)
    edges = earth.lines([line], closed=False)
    corridor = Corridor(shapely.LineString(line), width_m)
    return Case(corridor, lambda lon, lat: earth.distance_m(edges, lon, lat) - 0.5 * width_m, line, size_m)


def places(draw: random.Random, case: Case) -> Iterator[tuple[float, float]]:
    """Return places on the shape's ends and edges, beside them, around it and far off."""
    for _ in range(PLACES):
        (lon, lat), (other_lon, other_lat) = draw.choice(case.marks), draw.choice(case.marks)
        share = draw.choice([0.0, 0.0, 0.5, draw.random()])
        if abs(other_lon - lon) < 180.0:
            lon, lat = lon + share * (other_lon - lon), lat + share * (other_lat - lat)
        off_m = draw.choice([0.0, 0.3, 1.0, case.size_m * 10 ** draw.uniform(-3, 1)])
        angle = draw.uniform(0, math.tau)
        lat += off_m * math.sin(angle) / DEGREE_M
        lon += off_m * math.cos(angle) / DEGREE_M / max(math.cos(math.radians(lat)), 0.05)
        if abs(lat) <= MOST_LAT or (abs(lat) <= 90.0 and abs(case.marks[0][1]) >= 60.0 and case.size_m == 1e6):
            yield lon if abs(lon) <= 180.0 else (lon + 540.0) % 360.0 - 180.0, lat


@pytest.mark.parametrize("family", [circles, areas, areas_at_the_antimeridian, caps, corridors])
def test_every_distance_is_that_of_brute_force(family: Callable[[random.Random], Case]) -> None:
    """Within 0.5% or half a metre, whichever is larger; and on the right side of the edge, unless that is as near."""
    draw, tried = random.Random(20_260_101), 0  # noqa: S311 -- places, not secrets
    for _ in range(SHAPES * (2 if family in {circles, areas} else 1)):
        case = family(draw)
        for lon, lat in places(draw, case):
            measured_m, true_m = case.shape.distance_m(lon, lat), case.truth_m(lon, lat)
            assert measured_m == pytest.approx(true_m, rel=0.005, abs=0.5), (case.shape, lon, lat)
            tried += 1
    assert tried > SHAPES * PLACES * 0.7
