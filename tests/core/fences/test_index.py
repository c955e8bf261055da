import math
import random

import pytest
import shapely

from gateway.core.fences.geometry import Area, Corridor, Fence
from gateway.core.fences.index import FAR_M, MARGIN_M, FenceIndex
from gateway.core.units import Position
from gateway.testing.engines import a_fence

HERE = Position(8.0, 47.0)


def found(index: FenceIndex, lon: float, lat: float) -> list[str]:
    """Return the fences in whose box a place is."""
    return [index.fences[number].id for number, at_least_m in index.around(lon, lat)[0] if at_least_m == 0.0]


def test_an_index_over_nothing_finds_nothing_far_and_wide() -> None:
    index = FenceIndex([])
    assert len(index) == 0
    assert index.around(8.0, 47.0) == ([], FAR_M)
    assert (index.approach_s, index.zone_m) == (0, 0.0)


def test_where_nothing_is_near_it_says_so_for_kilometres() -> None:
    index = FenceIndex([a_fence(centre=HERE)])
    assert len(index) == 1
    assert index.around(8.5, 47.0) == ([], FAR_M)
    assert index.around(8.02, 47.0) == ([], MARGIN_M)


def test_fences_are_found_by_priority_then_by_id_whatever_the_order_they_were_given_in() -> None:
    fences = [a_fence(name, centre=HERE) for name in ("c", "a", "b")]
    first = Fence("z", "zone", "First", fences[0].shape, priority=1)
    assert found(FenceIndex([*fences, first]), 8.0, 47.0) == ["z", "a", "b", "c"]


def test_a_fence_of_two_parts_is_found_once_at_the_distance_of_the_nearer() -> None:
    lower, upper = [(7.9, 46.9), (8.1, 46.9), (7.9, 47.05)], [(8.1, 47.1), (7.9, 47.1), (8.1, 46.95)]
    parts = shapely.MultiPolygon([shapely.Polygon(lower), shapely.Polygon(upper)])
    index = FenceIndex([Fence("mall", "mall", "Mall", Area(parts)), a_fence("near", centre=HERE)])
    assert [index.fences[number].id for number, _ in index.around(8.0, 47.0)[0]] == ["mall", "near"]
    assert found(index, 8.0, 47.0) == ["mall", "near"]


@pytest.mark.parametrize("lon", [180.0, -180.0, 179.9995, -179.9995])
def test_a_circle_on_the_antimeridian_is_found_from_both_sides(lon: float) -> None:
    index = FenceIndex([a_fence(centre=Position(lon, -16.5), radius_m=200.0)])
    assert [found(index, side, -16.5) for side in (179.9995, 180.0, -180.0, -179.9995)] == [["station"]] * 4


@pytest.mark.parametrize("lon", [-180.0, -45.0, 0.0, 179.0])
@pytest.mark.parametrize("pole", [90.0, -90.0])
def test_a_circle_on_a_pole_is_found_from_every_side(lon: float, pole: float) -> None:
    index = FenceIndex([a_fence(centre=Position(0.0, pole), radius_m=1_000.0)])
    assert found(index, lon, math.copysign(89.995, pole)) == ["station"]
    assert index.around(lon, -pole) == ([], MARGIN_M)


@pytest.mark.parametrize(("lon", "at_least_m"), [(8.0, 0.0), (8.0025, 89.0)])
def test_a_distance_is_told_from_below(lon: float, at_least_m: float) -> None:
    index = FenceIndex([a_fence(centre=HERE)])
    ((_, told_m),) = index.around(lon, 47.0)[0]
    assert told_m == pytest.approx(at_least_m, abs=1.0)
    assert told_m <= max(0.0, index.fences[0].distance_m(Position(lon, 47.0)))


def test_a_fence_is_told_as_soon_as_its_approach_zone_is_near() -> None:
    fence = a_fence(centre=HERE)
    by_way, by_time = (
        Fence("way", "zone", "Way", fence.shape, approach_m=800.0),
        Fence("time", "zone", "Time", fence.shape, approach_s=60),
    )
    index = FenceIndex([fence, by_way, by_time])
    assert (index.approach_s, index.zone_m) == (60, 3_000.0)
    told = {index.fences[number].id for number, _ in index.around(8.01, 47.0)[0]}
    assert told == {"way", "time"}


def any_fence(draw: random.Random, number: int) -> Fence:
    """Return a fence of any size and kind, often where the map ends."""
    lon = draw.choice([draw.uniform(-180, 180), 180.0, -180.0, draw.uniform(179, 180), draw.uniform(-180, -179)])
    lat = draw.choice([draw.uniform(-90, 90), draw.uniform(-90, 90), 90.0, draw.uniform(84.5, 85.5)])
    size_m = 10 ** draw.uniform(0, 5.5)
    if draw.random() < 0.4:
        return a_fence(f"f{number}", centre=Position(lon, lat), radius_m=size_m)
    high = size_m / 111_000.0
    wide = min(high / max(math.cos(math.radians(lat)), 0.01), 60.0)
    west, east = max(-180.0, lon - wide), min(180.0, lon + wide)
    south, north = max(-90.0, lat - high), min(90.0, lat + high)
    line = shapely.LineString([(west, south), (east, north)])
    shape = Corridor(line, size_m / 10) if draw.random() < 0.3 else Area(shapely.box(west, south, east, north))
    return Fence(f"f{number}", "zone", "Any", shape)


def test_what_is_told_is_told_from_below_and_what_is_not_told_is_farther() -> None:
    draw = random.Random(7)  # noqa: S311 -- places, not secrets
    fences = [any_fence(draw, number) for number in range(120)]
    index = FenceIndex(fences)
    told_of = inside = 0
    for _ in range(120):
        lon, lat = beside(draw, draw.choice(fences))
        near, reach_m = index.around(lon, lat)
        told = dict(near)
        assert [number for number, _ in near] == sorted(told)
        told_of += len(told)
        for number, fence in enumerate(index.fences):
            away_m = fence.distance_m(Position(lon, lat))
            inside += away_m <= 0
            assert max(away_m, 0.0) * 1.005 + 0.5 >= told.get(number, reach_m)
    assert told_of > 300
    assert inside > 50


def beside(draw: random.Random, fence: Fence) -> tuple[float, float]:
    """Return a place in or near a fence."""
    shape = fence.shape
    if isinstance(shape, Area):
        lon, lat = shape.shape.exterior.coords[draw.randrange(4)]
    elif isinstance(shape, Corridor):
        lon, lat = shape.line.coords[draw.randrange(2)]
    else:
        lon, lat = shape.centre.lon, shape.centre.lat
    off = 10 ** draw.uniform(-6, -1)
    lon = (lon + draw.uniform(-off, off) / max(math.cos(math.radians(lat)), 0.01) + 540.0) % 360.0 - 180.0
    return lon, max(-90.0, min(90.0, lat + draw.uniform(-off, off)))
