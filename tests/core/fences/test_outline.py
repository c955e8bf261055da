import math

import numpy as np
import pytest
import shapely

from gateway.core.fences.outline import Outline, outline_of

SQUARE = shapely.box(8.0, 47.0, 8.01, 47.01)


def many_edges(geometry: shapely.Geometry) -> Outline:
    """Return the outline of the same shape with more places on its edges than are looked at one by one."""
    return Outline(shapely.segmentize(geometry, geometry.length / 100))


@pytest.mark.parametrize(("lon", "lat", "held"), [(8.005, 47.005, True), (8.0, 47.005, True), (8.011, 47.0, False)])
def test_a_shape_holds_its_inside_and_its_edge(lon: float, lat: float, *, held: bool) -> None:
    assert Outline(SQUARE).holds(lon, lat) is held


def test_a_line_holds_nothing() -> None:
    assert not Outline(shapely.LineString([(8.0, 47.0), (8.01, 47.0)])).holds(8.005, 47.0)


def test_on_the_antimeridian_a_shape_holds_what_it_holds_under_either_name() -> None:
    outline = Outline(shapely.box(-180.0, 47.0, -179.9, 47.1))
    assert [outline.holds(lon, 47.05) for lon in (180.0, -180.0, 179.99)] == [True, True, False]


@pytest.mark.parametrize(("lon", "lat"), [(8.005, 47.002), (8.02, 47.02), (8.0, 46.9), (-170.0, 47.0), (8.005, 60.0)])
def test_few_edges_and_many_are_as_far(lon: float, lat: float) -> None:
    assert many_edges(SQUARE).way_m(lon, lat) == pytest.approx(Outline(SQUARE).way_m(lon, lat), rel=1e-3)


@pytest.mark.parametrize(("lon", "lat"), [(8.2, 47.2), (8.005, 47.1), (7.9, 46.9)])
def test_near_and_far_are_two_ways_to_the_same_distance(lon: float, lat: float) -> None:
    outline = Outline(SQUARE)
    assert outline._far_m(lon, lat) == pytest.approx(outline.way_m(lon, lat), rel=2e-3)


def test_a_long_edge_is_a_curve_on_the_ground() -> None:
    """Half way along 60 degrees of the 60th parallel the geodesic between its ends is 500 km farther north."""
    edge = Outline(shapely.LineString([(-30.0, 60.0), (30.0, 60.0)]))
    assert edge.way_m(0.0, 60.0) == pytest.approx(0.0, abs=0.1)
    assert edge.way_m(0.0, 60.01) == pytest.approx(1_114.0, rel=2e-3)


def test_what_is_cut_at_the_antimeridian_has_no_edge_there() -> None:
    halves = shapely.MultiPolygon([shapely.box(179.0, 0.0, 180.0, 1.0), shapely.box(-180.0, 0.0, -179.0, 1.0)])
    assert Outline(halves).way_m(180.0, 0.5) == pytest.approx(55_287.0, rel=2e-3)
    assert many_edges(halves).way_m(-180.0, 0.5) == pytest.approx(55_287.0, rel=2e-3)


def test_where_one_side_reaches_farther_the_antimeridian_bounds_the_rest() -> None:
    halves = shapely.MultiPolygon([shapely.box(179.0, 0.0, 180.0, 1.0), shapely.box(-180.0, 0.0, -179.0, 3.0)])
    assert Outline(halves).way_m(-179.999, 2.0) == pytest.approx(111.3, rel=2e-3)
    assert Outline(shapely.box(179.0, 0.0, 180.0, 1.0)).way_m(179.999, 0.5) == pytest.approx(111.3, rel=2e-3)


def test_a_cap_over_a_pole_is_bounded_by_its_parallel_alone() -> None:
    outline = Outline(shapely.box(-180.0, 80.0, 180.0, 90.0))
    to_parallel_m = 1_116_825.0
    for lon, lat in ((0.0, 90.0), (123.0, 90.0), (180.0, 89.9999)):
        assert outline.holds(lon, lat)
        assert outline.way_m(lon, lat) == pytest.approx(to_parallel_m, rel=2e-3)


def test_what_has_no_edge_at_all_is_infinitely_far_away() -> None:
    assert Outline(shapely.box(-180.0, -90.0, 180.0, 90.0)).way_m(8.0, 47.0) == math.inf


def test_a_place_given_twice_is_no_edge() -> None:
    doubled = shapely.LineString([(8.0, 47.0), (8.0, 47.0), (8.01, 47.0)])
    assert Outline(doubled).way_m(8.005, 47.0) == pytest.approx(0.0, abs=1e-6)
    assert len(Outline(doubled)._lon) == 1


def test_the_same_outline_is_made_once() -> None:
    wkb = shapely.to_wkb(SQUARE)
    assert outline_of(wkb) is outline_of(bytes(bytearray(wkb)))


def test_holes_have_edges_too() -> None:
    ring = Outline(SQUARE.difference(shapely.box(8.004, 47.004, 8.006, 47.006)))
    assert not ring.holds(8.005, 47.005)
    assert ring.way_m(8.005, 47.005) == pytest.approx(76.0, rel=0.01)
    assert np.isclose(ring.way_m(8.004, 47.005), 0.0)
