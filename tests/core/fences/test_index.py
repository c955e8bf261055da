import random

import pytest
import shapely

from gateway.core.fences.geometry import Area, Fence
from gateway.core.fences.index import FenceIndex
from gateway.core.units import Position
from gateway.testing.engines import a_fence

HERE = Position(8.0, 47.0)


def ids(fences: list[Fence]) -> list[str]:
    return [fence.id for fence in fences]


def test_an_index_over_nothing_finds_nothing() -> None:
    index = FenceIndex([])
    assert len(index) == 0
    assert index.near(HERE) == []


def test_what_is_far_from_every_fence_is_near_none() -> None:
    index = FenceIndex([a_fence(centre=HERE)])
    assert len(index) == 1
    assert index.near(Position(8.01, 47.0)) == []


def test_fences_are_found_by_id_whatever_the_order_they_were_given_in() -> None:
    index = FenceIndex([a_fence(name, centre=HERE) for name in ("c", "a", "b")])
    assert ids(index.near(HERE)) == ["a", "b", "c"]


def test_a_fence_of_two_parts_is_found_once() -> None:
    lower, upper = [(7.9, 46.9), (8.1, 46.9), (7.9, 47.05)], [(8.1, 47.1), (7.9, 47.1), (8.1, 46.95)]
    parts = shapely.MultiPolygon([shapely.Polygon(lower), shapely.Polygon(upper)])
    index = FenceIndex([Fence("mall", "mall", "Mall", Area(parts))])
    assert ids(index.near(HERE)) == ["mall"]


@pytest.mark.parametrize("lon", [180.0, -180.0, 179.9995, -179.9995])
def test_a_circle_on_the_antimeridian_is_found_from_both_sides(lon: float) -> None:
    index = FenceIndex([a_fence(centre=Position(lon, -16.5), radius_m=200.0)])
    found = [ids(index.near(Position(side, -16.5))) for side in (179.9995, 180.0, -180.0, -179.9995)]
    assert found == [["station"]] * 4


@pytest.mark.parametrize("lon", [-180.0, -45.0, 0.0, 179.0])
def test_a_circle_on_a_pole_is_found_from_every_side(lon: float) -> None:
    index = FenceIndex([a_fence(centre=Position(0.0, 90.0), radius_m=1_000.0)])
    assert ids(index.near(Position(lon, 89.995))) == ["station"]
    assert index.near(Position(lon, 89.9)) == []


def test_no_fence_that_holds_a_position_is_missed() -> None:
    draw = random.Random(7)  # noqa: S311 -- places, not secrets
    centres = [Position(draw.uniform(-179, 179), draw.uniform(-80, 80)) for _ in range(200)]
    fences = [a_fence(f"f{number}", centre=centre, radius_m=50_000.0) for number, centre in enumerate(centres)]
    index = FenceIndex(fences)
    found = 0
    for centre in centres:
        for _ in range(5):
            position = Position(centre.lon + draw.uniform(-0.9, 0.9), centre.lat + draw.uniform(-0.6, 0.6))
            holding = {fence.id for fence in fences if fence.distance_m(position) <= 0}
            assert holding <= set(ids(index.near(position)))
            found += len(holding)
    assert found > 400
