import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gateway.wire.fences import FencesRefused
from geofences.mending import mend
from tests.geofences.conftest import BOW_TIE

GEOD = pyproj.Geod(ellps="WGS84")


def test_a_sound_shape_stays_as_it_is() -> None:
    square = shapely.orient_polygons(shapely.box(0, 0, 1, 1))
    mended = mend(square)
    assert mended.shape.equals_exact(square)
    assert (mended.repaired, mended.was_split, mended.was_turned, mended.was_simplified) == (None, False, False, False)
    assert mended.vertices_before == 5


def test_a_bow_tie_becomes_two_triangles_and_says_what_changed() -> None:
    mended = mend(shapely.Polygon(BOW_TIE))
    assert mended.shape.is_valid
    assert mended.shape.area == pytest.approx(0.00005)
    assert mended.repaired is not None
    assert mended.repaired.startswith("Self-intersection[0.005 0.005]: area 0 -> ")


def test_parts_that_overlap_are_joined_and_not_cut_out_of_each_other() -> None:
    mended = mend(shapely.MultiPolygon([shapely.box(0, 0, 2, 1), shapely.box(1, 0, 3, 1)]))
    assert mended.shape.area == pytest.approx(3.0)
    assert mended.repaired is not None
    assert "(-25.00%)" in mended.repaired


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (shapely.Polygon(BOW_TIE), "not valid: Self-intersection"),
        (shapely.Polygon([(170, 0), (-170, 10), (-170, 0), (170, 10)]), "not valid: Self-intersection"),
        (shapely.MultiLineString([[(0, 0), (1, 1)], [(2, 2), (2, 2)]]), "not valid: Too few points"),
    ],
)
def test_strictly_nothing_is_repaired(shape: shapely.Geometry, reason: str) -> None:
    with pytest.raises(FencesRefused, match=reason):
        mend(shape, strict=True)
    assert mend(shape).repaired is not None


def test_strictly_what_was_put_right_in_reading_is_refused_too() -> None:
    with pytest.raises(FencesRefused, match="a ring was not closed"):
        mend(shapely.box(0, 0, 1, 1), strict=True, notes=("a ring was not closed",))
    assert mend(shapely.box(0, 0, 1, 1), notes=("a ring was not closed",)).repaired == "a ring was not closed"


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (shapely.Polygon(), "the geometry is empty"),
        (shapely.Polygon([(0, 0), (1, 1), (2, 2), (0, 0)]), "nothing is left of it"),
        (shapely.LineString([(1, 1), (1, 1)]), "nothing is left of it"),
        (shapely.Point(1, 91), "latitude -90..90"),
        (shapely.Point(181, 0), "longitude must be"),
        (shapely.box(550_000, 5_200_000, 550_100, 5_200_100), "longitude must be"),
        (shapely.Point(float("nan"), 0), "empty|not finite"),
        (shapely.LineString([(0, 0), (float("inf"), 0)]), "not finite"),
        (shapely.MultiPoint([(0, 0), (1, 1)]), "not a MultiPoint"),
    ],
)
def test_what_nothing_can_be_made_of_is_refused(shape: shapely.Geometry, reason: str) -> None:
    with pytest.raises(FencesRefused, match=reason):
        mend(shape)


def test_rings_run_as_rfc_7946_has_them() -> None:
    clockwise = shapely.Polygon([(0, 0), (0, 9), (9, 9), (9, 0)], [[(1, 1), (2, 1), (2, 2), (1, 2)]])
    mended = mend(clockwise)
    assert mended.was_turned
    assert mended.shape.exterior.is_ccw
    assert not mended.shape.interiors[0].is_ccw


def test_a_shape_over_the_antimeridian_is_split_and_says_so() -> None:
    mended = mend(shapely.Polygon([(179, 0), (-179, 0), (-179, 1), (179, 1)]))
    assert mended.was_split
    assert mended.shape.geom_type == "MultiPolygon"
    assert mended.repaired is None


def test_noise_at_the_antimeridian_is_no_crossing() -> None:
    mended = mend(shapely.Polygon([(179, 0), (180.00000000000006, 0), (180.00000000000003, 1), (179, 1)]))
    assert not mended.was_split
    assert mended.shape.bounds == (179, 0, 180, 1)


def test_a_tangled_ring_over_the_antimeridian_is_repaired_and_split() -> None:
    mended = mend(shapely.Polygon([(179, 0), (-179, 1), (-179, 0), (179, 1)]))
    assert mended.was_split
    assert mended.shape.area == pytest.approx(1.0)
    assert mended.repaired is not None


def test_nothing_is_simplified_unless_told() -> None:
    wavy = shapely.Point(10, 50).buffer(0.01, quad_segs=64)
    assert shapely.get_num_coordinates(mend(wavy).shape) == shapely.get_num_coordinates(wavy)


def dense(shape: shapely.Geometry) -> NDArray[np.float64]:
    places: NDArray[np.float64] = shapely.get_coordinates(shapely.segmentize(shape, 0.0002))
    return places


def hausdorff_m(one: shapely.Geometry, other: shapely.Geometry) -> float:
    """Return the distance of two outlines in metres, at the points of both, by the geodesic to the nearest point."""

    def directed(start: shapely.Geometry, end: shapely.Geometry) -> float:
        farthest = 0.0
        fine = dense(end)
        for place in dense(start):
            _, _, ways = GEOD.inv(np.full(len(fine), place[0]), np.full(len(fine), place[1]), fine[:, 0], fine[:, 1])
            farthest = max(farthest, float(np.min(ways)))
        return farthest

    return max(directed(one, other), directed(other, one))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 47.6, -70.0]), st.floats(1.0, 60.0))
def test_simplifying_stays_within_the_tolerance_on_the_ground(seed: int, lat: float, tolerance_m: float) -> None:
    turns = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    radii = 0.003 * (1 + 0.1 * np.random.default_rng(seed).standard_normal(60).clip(-2, 2))
    ring = shapely.Polygon(np.column_stack([10 + radii * np.cos(turns), lat + radii * np.sin(turns)]))
    mended = mend(ring, simplify_m=tolerance_m)
    assert mended.shape.is_valid
    spacing_m = 0.0002 * 111_700
    assert hausdorff_m(ring.exterior, mended.shape.exterior) <= tolerance_m + spacing_m
    assert mended.moved_m <= tolerance_m
    assert {tuple(p) for p in shapely.get_coordinates(mended.shape)} <= {
        tuple(p) for p in shapely.get_coordinates(ring)
    }


def test_simplifying_a_line_keeps_its_ends() -> None:
    line = shapely.LineString([(0, 0), (0.001, 0.0000001), (0.002, 0)])
    mended = mend(line, simplify_m=1.0)
    assert mended.shape.equals_exact(shapely.LineString([(0, 0), (0.002, 0)]))
    assert mended.was_simplified
    assert 0 < mended.moved_m < 0.02


def test_simplifying_keeps_holes_and_parts() -> None:
    hole = shapely.Point(10, 50).buffer(0.001, quad_segs=32)
    shape = shapely.MultiPolygon([shapely.box(9.9, 49.9, 10.1, 50.1) - hole, shapely.Point(11, 50).buffer(0.001)])
    simple = mend(shape, simplify_m=20.0).shape
    assert len(simple.geoms) == 2
    assert len(simple.geoms[0].interiors) == 1
