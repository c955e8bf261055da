from pathlib import Path

import pytest
import shapely

from gateway.core.fences.geometry import Area, Circle, Corridor, Fence
from gateway.core.units import Position
from gateway.wire.fences import FencesRefused
from geofences.geopackage import SourceFence, write_geopackage
from geofences.inspection import Inspection, Problem, inspect

HERE = Position(10.0, 50.0)


def look_into(folder: Path, *fences: Fence) -> Inspection:
    write_geopackage([SourceFence(fence) for fence in fences], folder / "in.gpkg")
    return inspect(folder / "in.gpkg")


def area(id_: str, shape: shapely.Geometry, *, exit_buffer_m: float = 30.0, enter_buffer_m: float = 0.0) -> Fence:
    return Fence(id_, "zone", id_, Area(shape), exit_buffer_m=exit_buffer_m, enter_buffer_m=enter_buffer_m)


def square(lon: float, lat: float, side: float) -> shapely.Polygon:
    return shapely.box(lon, lat, lon + side, lat + side)


def codes(found: Inspection) -> set[tuple[str, str]]:
    return {(problem.fence, problem.code) for problem in found.problems}


def test_sound_fences_have_no_problems(tmp_path: Path) -> None:
    found = look_into(
        tmp_path, area("a", square(10, 50, 0.01)), Fence("b", "cafe", "B", Circle(Position(11, 50), 60.0))
    )
    assert found.problems == []
    assert (found.fences, found.kinds, found.shapes) == (2, {"cafe": 1, "zone": 1}, {"circle": 1, "polygon": 1})
    assert (found.vertices, found.overlapping, found.hours) == (6, 0, 0)
    assert found.extent_deg == pytest.approx([10.0, 49.99946, 11.00084, 50.01], abs=1e-5)
    assert found.area_km2 == pytest.approx(0.8079, rel=1e-3)


def test_an_empty_file_is_inspected(tmp_path: Path) -> None:
    found = look_into(tmp_path)
    assert (found.fences, found.extent_deg, found.area_km2, found.problems) == (0, None, 0.0, [])
    assert dict(found.rows())["kinds"] == "none"


@pytest.mark.parametrize(
    ("fence", "code"),
    [
        (Fence("a", "zone", "A", Circle(HERE, 5.0), exit_buffer_m=1.0), "tiny"),
        (area("a", square(10, 50, 2.0)), "huge"),
        (area("a", shapely.box(10, 50, 11, 50.00003), exit_buffer_m=1.0), "sliver"),
        (area("a", shapely.box(10, 50, 11, 50.003)), "sliver"),
        (Fence("a", "zone", "A", Circle(HERE, 25.0)), "exit_buffer"),
        (area("a", square(10, 50, 0.001), enter_buffer_m=50.0), "enter_buffer"),
        (
            area("a", square(10, 50, 0.1) - shapely.Polygon([(10, 50.02), (10.02, 50.01), (10.02, 50.03)])),
            "touches_itself",
        ),
        (area("a", shapely.MultiPolygon([square(10, 50, 0.1), square(10.1, 50.1, 0.1)])), "touches_itself"),
        (
            Fence("a", "zone", "A", Corridor(shapely.LineString([(0, 0), (0.1, 0.1), (0.1, 0), (0, 0.1)]), 60.0)),
            "crosses_itself",
        ),
    ],
)
def test_what_looks_like_a_mistake_is_told(tmp_path: Path, fence: Fence, code: str) -> None:
    assert codes(look_into(tmp_path, fence)) == {("a", code)}


def test_halves_that_meet_at_the_antimeridian_do_not_touch(tmp_path: Path) -> None:
    halves = shapely.MultiPolygon([square(179.9, 50, 0.1), square(-180, 50, 0.1)])
    assert look_into(tmp_path, area("a", halves)).problems == []


def test_overlaps_are_told_with_the_share_of_the_smaller_one(tmp_path: Path) -> None:
    found = look_into(
        tmp_path,
        area("big", square(10, 50, 0.04)),
        area("half", square(9.99, 50, 0.02)),
        area("inside", square(10.02, 50.02, 0.01)),
        area("beside", square(10.04, 50, 0.01)),
    )
    assert [(overlap.first, overlap.second) for overlap in found.overlaps] == [("big", "inside"), ("big", "half")]
    assert [overlap.share for overlap in found.overlaps] == pytest.approx([1.0, 0.5])
    assert found.overlapping == 2
    assert found.problems == []


def test_a_place_that_is_listed_twice_is_a_problem(tmp_path: Path) -> None:
    one, other = (Fence(name, "zone", name, Circle(HERE, 60.0)) for name in "ab")
    assert look_into(tmp_path, one, other).problems == [Problem("a", "same_place", "is all but the same place as b")]


def test_people_see_ten_of_many_and_scripts_all(tmp_path: Path) -> None:
    fences = [
        Fence(f"f{n:02}", "zone", "", Circle(Position(float(n), 50.0), 5.0), exit_buffer_m=1.0) for n in range(12)
    ]
    found = look_into(tmp_path, *fences)
    lines = [value for what, value in found.rows() if what == "problem"]
    assert len(lines) == 11
    assert lines[-1] == "and 2 more: --json has them"
    assert len(found.as_json()["problems"]) == 12  # type: ignore[arg-type]


def test_what_a_gateway_would_refuse_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in.gpkg").write_bytes(b"nothing")
    with pytest.raises(FencesRefused):
        inspect(tmp_path / "in.gpkg")
