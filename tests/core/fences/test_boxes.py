import math

import numpy as np
import pytest
import shapely

from gateway.core.fences.boxes import boxes_of, widened
from gateway.core.fences.geometry import Area, Corridor, Fence, Shape
from gateway.core.units import Position, metres_per_degree
from gateway.testing.engines import a_fence


def a_zone(shape: Shape) -> Fence:
    return Fence("zone", "zone", "Zone", shape)


def holds(box: list[float], lon: float, lat: float) -> bool:
    west, south, east, north = box
    return south <= lat <= north and any(west <= lon + turn <= east for turn in (-360.0, 0.0, 360.0))


def test_no_fences_have_no_boxes() -> None:
    edges, owners = boxes_of([])
    assert edges.shape == (0, 4)
    assert owners.tolist() == []


def test_the_boxes_stand_in_the_order_of_the_fences() -> None:
    parts = shapely.MultiPolygon([shapely.box(8.0, 47.0, 8.01, 47.01), shapely.box(9.0, 48.0, 9.01, 48.01)])
    street = Corridor(shapely.LineString([(8.0, 47.0), (8.01, 47.0)]), 20.0)
    edges, owners = boxes_of([a_zone(Area(parts)), a_fence(), a_zone(street), a_zone(Area(parts.geoms[0]))])
    assert owners.tolist() == [0, 0, 1, 2, 3]
    assert edges[[0, 1, 4]].tolist() == [list(part.bounds) for part in (*parts.geoms, parts.geoms[0])]


def test_a_corridors_box_holds_its_sides() -> None:
    ((west, south, east, north),) = boxes_of([a_zone(Corridor(shapely.LineString([(8.0, 47.0), (8.01, 47.0)]), 20.0))])[
        0
    ]
    lon_m, lat_m = metres_per_degree(47.0)
    assert [(8.0 - west) * lon_m, (east - 8.01) * lon_m] == pytest.approx([10.0] * 2, rel=0.01)
    assert [(47.0 - south) * lat_m, (north - 47.0) * lat_m] == pytest.approx([10.0] * 2, rel=0.01)


@pytest.mark.parametrize("lat", [0.0, 47.6, -70.0, 84.9, 89.99, -90.0])
@pytest.mark.parametrize("lon", [0.0, 179.9999, -180.0])
@pytest.mark.parametrize("radius_m", [1.0, 1_000.0, 100_000.0])
def test_every_place_of_a_circle_lies_in_its_box(lon: float, lat: float, radius_m: float) -> None:
    fence = a_fence(centre=Position(lon, lat), radius_m=radius_m)
    box = boxes_of([fence]).edges[0].tolist()
    spread = np.linspace(-1.2, 1.2, 13) * radius_m / 111_000.0
    inside = 0
    for high in spread:
        for wide in spread / max(math.cos(math.radians(lat)), 1e-4):
            place = Position((lon + wide + 540.0) % 360.0 - 180.0, min(90.0, max(-90.0, lat + high)))
            if fence.distance_m(place) <= 0:
                inside += 1
                assert holds(box, place.lon, place.lat)
    assert inside > 20


def test_a_box_that_is_widened_over_a_pole_goes_all_around() -> None:
    ((west, south, east, north),) = widened(np.array([[10.0, 89.9, 11.0, 89.95]]), np.array([20_000.0])).tolist()
    assert east - west >= 360.0
    assert (north, south) == (90.0, pytest.approx(89.72, abs=0.01))


def test_a_box_as_wide_as_the_earth_holds_everything() -> None:
    ((west, south, east, north),) = widened(np.array([[0.0, 0.0, 0.0, 0.0]]), np.array([3e7])).tolist()
    assert (south, north) == (-90.0, 90.0)
    assert east - west >= 360.0
