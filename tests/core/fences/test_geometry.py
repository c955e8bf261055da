import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import shapely

from gateway.core.fences.geometry import Area, Circle, Corridor, Fence, order
from gateway.core.fences.hours import OpeningHours
from gateway.core.units import Position, metres_per_degree
from gateway.testing.engines import a_fence

Geodesic = Callable[[Position, Position], float]
LATITUDES = [0.0, 47.6, -47.6, 70.0, 80.0]
BEARINGS = range(0, 360, 15)


def away(start: Position, bearing_deg: float, way_m: float) -> Position:
    """Return about where one gets to; what it is exactly away is measured by the geodesic."""
    lon_m, lat_m = metres_per_degree(start.lat)
    bearing = math.radians(bearing_deg)
    lon = start.lon + way_m * math.sin(bearing) / lon_m
    return Position((lon + 180.0) % 360.0 - 180.0, start.lat + way_m * math.cos(bearing) / lat_m)


def an_area(*parts: tuple[float, float, float, float]) -> Fence:
    boxes = [shapely.box(*part) for part in parts]
    return Fence("mall", "mall", "Mall", Area(boxes[0] if len(boxes) == 1 else shapely.MultiPolygon(boxes)))


@pytest.mark.parametrize("lat", LATITUDES)
@pytest.mark.parametrize("way_m", [1.0, 99.0, 101.0, 500.0, 5_000.0])
def test_the_distance_to_a_circle_is_within_a_thousandth_of_the_geodesic(
    lat: float, way_m: float, geodesic_m: Geodesic
) -> None:
    fence = a_fence(centre=Position(8.0, lat), radius_m=100.0)
    for bearing_deg in BEARINGS:
        position = away(Position(8.0, lat), bearing_deg, way_m)
        to_centre_m = geodesic_m(Position(8.0, lat), position)
        assert fence.distance_m(position) + 100.0 == pytest.approx(to_centre_m, rel=1e-3)


def test_the_distance_within_a_circle_is_the_negative_way_to_its_edge() -> None:
    centre = Position(-122.3, 47.6)
    assert a_fence(centre=centre, radius_m=100.0).distance_m(centre) == -100.0
    assert a_fence(centre=centre, radius_m=0.0).distance_m(centre) == 0.0


@pytest.mark.parametrize("bearing_deg", [0, 45, 90, 225])
def test_a_circle_ends_at_its_radius(bearing_deg: int, geodesic_m: Geodesic) -> None:
    centre = Position(-122.3, 47.6)
    edge = away(centre, bearing_deg, 100.0)
    radius_m = geodesic_m(centre, edge)
    assert a_fence(centre=centre, radius_m=radius_m + 0.01).distance_m(edge) <= 0
    assert a_fence(centre=centre, radius_m=radius_m - 0.01).distance_m(edge) > 0


@pytest.mark.parametrize("lon", [180.0, -180.0, 179.9995, -179.9995])
def test_a_circle_reaches_across_the_antimeridian(lon: float, geodesic_m: Geodesic) -> None:
    centre = Position(lon, -16.5)
    fence = a_fence(centre=centre, radius_m=100.0)
    for bearing_deg in BEARINGS:
        for way_m in (99.0, 101.0):
            position = away(centre, bearing_deg, way_m)
            assert fence.distance_m(position) + 100.0 == pytest.approx(geodesic_m(centre, position), rel=1e-3)


@pytest.mark.parametrize("centre_lon", [180.0, -180.0])
@pytest.mark.parametrize("lon", [180.0, -180.0])
def test_both_names_of_the_antimeridian_are_one_place_to_a_circle(centre_lon: float, lon: float) -> None:
    assert a_fence(centre=Position(centre_lon, 10.0), radius_m=100.0).distance_m(Position(lon, 10.0)) == -100.0


@pytest.mark.parametrize("pole", [90.0, -90.0])
@pytest.mark.parametrize("lon", [-180.0, -90.0, 0.0, 123.4, 180.0])
def test_a_circle_around_a_pole_ends_at_its_radius_on_every_meridian(
    pole: float, lon: float, geodesic_m: Geodesic
) -> None:
    centre, position = Position(0.0, pole), Position(lon, math.copysign(89.99, pole))
    fence = a_fence(centre=centre, radius_m=1_000.0)
    assert fence.distance_m(position) + 1_000.0 == pytest.approx(geodesic_m(centre, position), rel=1e-3)


def test_on_the_edge_of_an_area_the_distance_is_zero() -> None:
    fence = an_area((8.0, 47.0, 8.01, 47.01))
    edge = [Position(8.0, 47.0), Position(8.01, 47.005), Position(8.005, 47.01)]
    assert [fence.distance_m(position) for position in edge] == [pytest.approx(0.0, abs=1e-6)] * 3


def test_within_an_area_the_distance_is_the_negative_way_to_its_nearest_edge(geodesic_m: Geodesic) -> None:
    fence, inside = an_area((8.0, 47.0, 8.01, 47.01)), Position(8.001, 47.005)
    assert fence.distance_m(inside) == pytest.approx(-geodesic_m(Position(8.0, 47.005), inside), rel=1e-3)


@pytest.mark.parametrize("lat", [0.0, 47.0, -60.0])
def test_the_distance_to_an_area_is_the_way_to_its_nearest_edge(lat: float, geodesic_m: Geodesic) -> None:
    fence = an_area((8.0, lat, 8.01, lat + 0.01))
    east, north = Position(8.015, lat + 0.005), Position(8.005, lat + 0.012)
    corner, north_east = Position(8.01, lat + 0.01), Position(8.013, lat + 0.013)
    assert fence.distance_m(east) == pytest.approx(geodesic_m(Position(8.01, lat + 0.005), east), rel=1e-3)
    assert fence.distance_m(north) == pytest.approx(geodesic_m(Position(8.005, lat + 0.01), north), rel=1e-3)
    assert fence.distance_m(north_east) == pytest.approx(geodesic_m(corner, north_east), rel=1e-3)


def test_a_hole_is_outside(geodesic_m: Geodesic) -> None:
    shell, hole = shapely.box(8.0, 47.0, 8.03, 47.03), shapely.box(8.01, 47.01, 8.02, 47.02)
    fence = Fence("ring", "zone", "Ring", Area(shell.difference(hole)))
    middle = Position(8.015, 47.015)
    nearest_m = geodesic_m(Position(8.02, 47.015), middle)
    assert fence.distance_m(middle) == pytest.approx(nearest_m, rel=1e-3)
    beside = Position(8.009, 47.015)
    assert fence.distance_m(beside) == pytest.approx(-geodesic_m(Position(8.01, 47.015), beside), rel=1e-3)


def test_an_area_of_parts_is_as_near_as_its_nearest_part(geodesic_m: Geodesic) -> None:
    fence = an_area((8.0, 47.0, 8.01, 47.01), (8.02, 47.0, 8.021, 47.001))
    assert fence.distance_m(Position(8.0205, 47.0005)) < 0.0
    beside = Position(8.022, 47.0005)
    assert fence.distance_m(beside) == pytest.approx(geodesic_m(Position(8.021, 47.0005), beside), rel=1e-3)


@pytest.mark.parametrize("larger_west", [True, False])
def test_an_area_that_is_split_at_the_antimeridian_is_one(geodesic_m: Geodesic, *, larger_west: bool) -> None:
    west_edge, east_edge = (179.98, -179.99) if larger_west else (179.99, -179.98)
    fence = an_area((west_edge, -17.0, 180.0, -16.99), (-180.0, -17.0, east_edge, -16.99))
    for lon in (179.999, 180.0, -180.0, -179.999):
        south = geodesic_m(Position(lon, -17.0), Position(lon, -16.995))
        assert fence.distance_m(Position(lon, -16.995)) == pytest.approx(-south, rel=1e-3)
    for lon, edge in ((179.97, west_edge), (-179.97, east_edge)):
        outside = Position(lon, -16.995)
        assert fence.distance_m(outside) == pytest.approx(geodesic_m(Position(edge, -16.995), outside), rel=1e-3)


def a_street(*places: tuple[float, float], width_m: float = 20.0) -> Fence:
    return Fence("street", "zone", "Street", Corridor(shapely.LineString(places), width_m))


def test_a_corridor_reaches_half_its_width_to_either_side_and_round_its_ends(geodesic_m: Geodesic) -> None:
    fence = a_street((8.0, 47.0), (8.01, 47.0))
    assert fence.distance_m(Position(8.005, 47.0)) == pytest.approx(-10.0)
    for lon, lat in ((8.005, 47.0002), (8.005, 46.9998), (8.0103, 47.0), (7.9997, 47.0)):
        on_the_line = Position(min(max(lon, 8.0), 8.01), 47.0)
        to_line_m = geodesic_m(on_the_line, Position(lon, lat))
        assert fence.distance_m(Position(lon, lat)) == pytest.approx(to_line_m - 10.0, rel=1e-3)


def test_a_corridor_of_several_lines_is_as_near_as_its_nearest(geodesic_m: Geodesic) -> None:
    lines = shapely.MultiLineString([[(8.0, 47.0), (8.01, 47.0)], [(8.0, 47.01), (8.01, 47.01)]])
    fence, between = Fence("route", "zone", "Route", Corridor(lines, 20.0)), Position(8.005, 47.008)
    to_line_m = geodesic_m(Position(8.005, 47.01), between)
    assert fence.distance_m(between) == pytest.approx(to_line_m - 10.0, rel=1e-3)


def test_a_shape_is_the_same_made_of_its_well_known_binary() -> None:
    square, line = shapely.box(8.0, 47.0, 8.1, 47.1), shapely.LineString([(8.0, 47.0), (8.1, 47.0)])
    assert Area(shapely.to_wkb(square)) == Area(square)
    assert Corridor(shapely.to_wkb(line), 5.0) == Corridor(line, 5.0)
    assert Area(square).shape == square
    assert Corridor(line, 5.0).line == line


def test_fences_that_say_the_same_are_equal() -> None:
    assert a_fence() == a_fence()
    assert replace(a_fence(), dwell_s=60) != a_fence()


def test_a_changed_circle_is_measured_anew() -> None:
    moved = replace(a_fence(), shape=Circle(Position(8.0, 10.0), 50.0))
    assert moved.distance_m(Position(8.0, 10.0)) == -50.0


def test_a_plain_fence_is_left_30_m_beyond_its_edge_and_never_dwelled_in() -> None:
    plain = Fence("mall", "mall", "Mall", Circle(Position(8.0, 10.0), 50.0))
    assert (plain.exit_buffer_m, plain.dwell_s, plain.accuracy_limit_m, plain.beacon) == (30.0, 0, 200.0, None)
    assert (plain.enter_buffer_m, plain.priority, plain.tags, plain.approach_zone_m()) == (0.0, 0, (), 0.0)
    assert plain.is_open(0)


def test_a_fence_with_hours_is_open_as_they_say() -> None:
    assert not replace(a_fence(), opening_hours=OpeningHours((), ((0, 0),))).is_open(0)


@pytest.mark.parametrize(("approach_m", "approach_s", "zone_m"), [(800.0, 0, 800.0), (800.0, 60, 3000.0)])
def test_an_approach_zone_reaches_as_far_as_either_rule(approach_m: float, approach_s: int, zone_m: float) -> None:
    assert replace(a_fence(), approach_m=approach_m, approach_s=approach_s).approach_zone_m() == zone_m


def test_fences_are_ordered_by_priority_then_by_id() -> None:
    fences = [a_fence("b"), a_fence("a"), replace(a_fence("z"), priority=1), replace(a_fence("0"), priority=-1)]
    assert [fence.id for fence in sorted(fences, key=order)] == ["z", "a", "b", "0"]
