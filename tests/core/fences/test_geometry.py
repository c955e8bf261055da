import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import shapely

from gateway.core.fences.geometry import Area, Box, Circle, Fence
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


def an_area(*parts: Box) -> Fence:
    boxes = [shapely.box(*part) for part in parts]
    return Fence("mall", "mall", "Mall", Area(boxes[0] if len(boxes) == 1 else shapely.MultiPolygon(boxes)))


def holds(boxes: tuple[Box, ...], position: Position) -> bool:
    return any(west <= position.lon <= east and south <= position.lat <= north for west, south, east, north in boxes)


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


def test_within_an_area_and_on_its_edge_the_distance_is_zero() -> None:
    fence = an_area((8.0, 47.0, 8.01, 47.01))
    inside = [Position(8.005, 47.005), Position(8.0, 47.0), Position(8.01, 47.005), Position(8.005, 47.01)]
    assert [fence.distance_m(position) for position in inside] == [pytest.approx(0.0, abs=1e-6)] * 4


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
    assert fence.distance_m(Position(8.005, 47.015)) == 0.0


def test_an_area_of_parts_is_as_near_as_its_nearest_part(geodesic_m: Geodesic) -> None:
    fence = an_area((8.0, 47.0, 8.01, 47.01), (8.02, 47.0, 8.021, 47.001))
    assert fence.distance_m(Position(8.0205, 47.0005)) == 0.0
    beside = Position(8.022, 47.0005)
    assert fence.distance_m(beside) == pytest.approx(geodesic_m(Position(8.021, 47.0005), beside), rel=1e-3)


@pytest.mark.parametrize("larger_west", [True, False])
def test_an_area_that_is_split_at_the_antimeridian_is_one(geodesic_m: Geodesic, *, larger_west: bool) -> None:
    west_edge, east_edge = (179.98, -179.99) if larger_west else (179.99, -179.98)
    fence = an_area((west_edge, -17.0, 180.0, -16.99), (-180.0, -17.0, east_edge, -16.99))
    for lon in (179.995, 180.0, -180.0, -179.995):
        assert fence.distance_m(Position(lon, -16.995)) == pytest.approx(0.0, abs=1e-6)
    for lon, edge in ((179.97, west_edge), (-179.97, east_edge)):
        outside = Position(lon, -16.995)
        assert fence.distance_m(outside) == pytest.approx(geodesic_m(Position(edge, -16.995), outside), rel=1e-3)


@pytest.mark.parametrize("lat", [*LATITUDES, 89.9])
@pytest.mark.parametrize("lon", [0.0, 179.9999, -179.9999, 180.0])
def test_every_point_of_a_circle_lies_in_its_boxes(lon: float, lat: float) -> None:
    fence = a_fence(centre=Position(lon, lat), radius_m=1_000.0)
    for bearing_deg in BEARINGS:
        for way_m in (0.0, 500.0, 999.0):
            position = away(Position(lon, lat), bearing_deg, way_m)
            assert fence.distance_m(position) <= 0
            assert holds(fence.boxes(), position)


def test_the_box_of_a_circle_is_a_hundredth_wider_than_the_circle() -> None:
    fence = a_fence(centre=Position(8.0, 0.0), radius_m=1_000.0)
    lon_m, lat_m = metres_per_degree(0.0)
    ((west, south, east, north),) = fence.boxes()
    assert [8.0 - west, east - 8.0] == pytest.approx([1_010 / lon_m] * 2)
    assert [-south, north] == pytest.approx([1_010 / lat_m] * 2)


@pytest.mark.parametrize(("lon", "other_lon"), [(179.9999, -180.0), (-179.9999, 180.0), (180.0, -180.0)])
def test_a_circle_across_the_antimeridian_has_a_box_on_either_side(lon: float, other_lon: float) -> None:
    boxes = a_fence(centre=Position(lon, 10.0), radius_m=100.0).boxes()
    assert len(boxes) == 2
    assert {box[0] for box in boxes} >= {-180.0}
    assert {box[2] for box in boxes} >= {180.0}
    assert holds(boxes, Position(other_lon, 10.0))
    assert not holds(boxes, Position(0.0, 10.0))


@pytest.mark.parametrize("lat", [90.0, -90.0])
def test_a_circle_over_a_pole_has_a_box_round_the_world(lat: float) -> None:
    ((west, south, east, north),) = a_fence(centre=Position(0.0, lat), radius_m=1_000.0).boxes()
    assert (west, east) == (-180.0, 180.0)
    assert -90.0 <= south < north <= 90.0
    assert lat in {south, north}


def test_an_area_has_a_box_for_each_part() -> None:
    parts = ((8.0, 47.0, 8.01, 47.01), (9.0, 48.0, 9.01, 48.01))
    assert an_area(*parts).boxes() == parts
    assert an_area(parts[0]).boxes() == parts[:1]


def test_fences_that_say_the_same_are_equal() -> None:
    assert a_fence() == a_fence()
    assert replace(a_fence(), dwell_s=60) != a_fence()


def test_a_changed_circle_is_measured_anew() -> None:
    moved = replace(a_fence(), shape=Circle(Position(8.0, 10.0), 50.0))
    assert moved.distance_m(Position(8.0, 10.0)) == -50.0


def test_a_plain_fence_is_left_30_m_beyond_its_edge_and_never_dwelled_in() -> None:
    plain = Fence("mall", "mall", "Mall", Circle(Position(8.0, 10.0), 50.0))
    assert (plain.exit_buffer_m, plain.dwell_s, plain.accuracy_limit_m, plain.beacon) == (30.0, 0, 200.0, None)
