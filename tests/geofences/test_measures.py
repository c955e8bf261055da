import math

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.fences.geometry import Area, Circle, Corridor, Fence
from gateway.core.units import Position
from geofences.measures import Plane, areas_m2, footprints

GEOD = pyproj.Geod(ellps="WGS84")


def geodesic_area_m2(shape: shapely.Geometry) -> float:
    """Return the area within edges that are straight in degrees, followed by short geodesics."""
    return abs(GEOD.geometry_area_perimeter(shapely.segmentize(shape, 0.005))[0])


@settings(max_examples=30, deadline=None)
@given(st.floats(-179, 150), st.floats(-85, 60), st.floats(0.01, 25), st.floats(0.01, 25))
def test_areas_are_those_of_the_ellipsoid(lon: float, lat: float, width: float, height: float) -> None:
    triangle = shapely.Polygon([(lon, lat), (lon + width, lat), (lon + width / 3, min(lat + height, 85.0))])
    assert areas_m2([triangle])[0] == pytest.approx(geodesic_area_m2(triangle), rel=1e-4)


def test_the_whole_earth_is_510_million_square_kilometres() -> None:
    assert areas_m2([shapely.box(-180, -90, 180, 90)])[0] == pytest.approx(510_065_621.7e6, rel=1e-6)


def circle(lon: float, lat: float, radius_m: float) -> Fence:
    return Fence("a", "zone", "A", Circle(Position(lon, lat), radius_m))


@pytest.mark.parametrize("lat", [0.0, 47.6, -80.0])
def test_a_circle_is_drawn_at_its_radius(lat: float) -> None:
    (drawn,) = footprints([circle(-122.3, lat, 500.0)])
    edge = shapely.get_coordinates(drawn)
    _, _, distances = GEOD.inv(np.full(len(edge), -122.3), np.full(len(edge), lat), edge[:, 0], edge[:, 1])
    assert distances == pytest.approx(np.full(len(edge), 500.0), rel=2e-3)
    assert areas_m2([drawn])[0] == pytest.approx(math.pi * 500**2, rel=0.01)


@pytest.mark.parametrize(("lon", "lat"), [(179.999, 10.0), (-180.0, -60.0), (30.0, 90.0), (0.0, -89.9999)])
def test_a_circle_over_the_antimeridian_or_a_pole_is_drawn_on_earth(lon: float, lat: float) -> None:
    (drawn,) = footprints([circle(lon, lat, 500.0)])
    assert drawn.is_valid
    west, south, east, north = drawn.bounds
    assert -180 <= west <= east <= 180
    assert -90 <= south <= north <= 90


def test_a_corridor_is_drawn_at_its_width() -> None:
    line = shapely.LineString([(10.0, 50.0), (10.1, 50.0)])
    (drawn,) = footprints([Fence("a", "zone", "A", Corridor(line, 60.0))])
    length_m = GEOD.geometry_length(line)
    assert areas_m2([drawn])[0] == pytest.approx(length_m * 60 + math.pi * 30**2, rel=0.01)


def test_a_corridor_of_several_lines_is_one_area() -> None:
    lines = shapely.MultiLineString([[(10.0, 50.0), (10.01, 50.0)], [(10.005, 49.99), (10.005, 50.01)]])
    (drawn,) = footprints([Fence("a", "zone", "A", Corridor(lines, 60.0))])
    assert drawn.geom_type == "Polygon"


def test_an_area_is_its_own_footprint() -> None:
    square = shapely.box(0, 0, 1, 1)
    assert footprints([Fence("a", "zone", "A", Area(square))])[0].equals(square)


@given(st.floats(-80, 79), st.floats(-179, 178), st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_nothing_is_shorter_on_the_plane_of_a_shape_than_on_earth(
    lat: float, lon: float, one: float, two: float, three: float
) -> None:
    plane = Plane.of(shapely.box(lon, lat, lon + 1, lat + 1))
    start, end = (lon + one, lat + two), (lon + three, lat + one)
    flat = shapely.get_coordinates(plane.flatten(shapely.LineString([start, end])))
    assert math.dist(*flat) >= GEOD.inv(*start, *end)[2] * (1 - 1e-6) - 1e-6


def test_a_plane_returns_what_it_was_given() -> None:
    square = shapely.box(10, 50, 11, 51)
    for plane in (Plane.of(square), Plane.at(10.5, 50.5)):
        assert plane.restore(plane.flatten(square)).equals_exact(square, 1e-12)
