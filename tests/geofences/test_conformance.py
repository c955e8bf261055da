"""The minimal documents of RFC 7946: each compiles, or is refused with the reason."""

from pathlib import Path

import pytest

from gateway.wire.fences import read_fences
from geofences.compiler import compile_sources
from geofences.sources import Defaults
from tests.geofences.conftest import refusal_of_all

FIXTURES = Path("conformance", "geojson_fixtures", "data")
SAID = Defaults(kind="zone", id_prefix="f", radius_m=50.0, width_m=20.0, ignore_unknown=True)
COMPILED = {
    "feature/one": ["polygon"],
    "featurecollection/one": ["circle", "corridor", "polygon"],
    "geometry/point": ["circle"],
    "geometry/point-xyz": ["circle"],
    "geometry/linestring": ["corridor"],
    "geometry/linestring-xyz": ["corridor"],
    "geometry/multilinestring": ["corridor"],
    "geometry/multilinestring-xyz": ["corridor"],
    "geometry/polygon": ["polygon"],
    "geometry/polygon-xyz": ["polygon"],
    "geometry/multipolygon": ["multipolygon"],
    "geometry/multipolygon-xyz": ["multipolygon"],
}
REFUSED = {
    "geometry/geometrycollection": "not a GeometryCollection",
    "geometry/geometrycollection-xyz": "not a GeometryCollection",
    "geometry/multipoint": "not a MultiPoint",
    "geometry/multipoint-xyz": "not a MultiPoint",
}

pytestmark = pytest.mark.realdata


def test_every_fixture_is_accounted_for(realdata: Path) -> None:
    folder = realdata / FIXTURES
    names = {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.geojson")}
    assert names == COMPILED.keys() | REFUSED.keys()


@pytest.mark.parametrize(("name", "shapes"), COMPILED.items())
def test_what_can_be_a_fence_compiles_once_the_rest_is_said(
    realdata: Path, tmp_path: Path, name: str, shapes: list[str]
) -> None:
    report = compile_sources([realdata / FIXTURES / f"{name}.geojson"], tmp_path / "out.gpkg", SAID)
    assert sorted(report.shapes) == shapes
    assert (report.repaired, report.split) == ([], [])
    assert len(read_fences(tmp_path / "out.gpkg")) == len(shapes)


@pytest.mark.parametrize("name", COMPILED)
def test_what_says_neither_id_nor_kind_is_refused_for_that(realdata: Path, tmp_path: Path, name: str) -> None:
    source = realdata / FIXTURES / f"{name}.geojson"
    for fault in refusal_of_all(tmp_path, source, ignore_unknown=True).faults:
        assert "id: Field required; kind: Field required" in fault.reason


@pytest.mark.parametrize(("name", "reason"), REFUSED.items())
def test_what_cannot_be_a_fence_is_refused_by_name(realdata: Path, tmp_path: Path, name: str, reason: str) -> None:
    (fault,) = refusal_of_all(tmp_path, realdata / FIXTURES / f"{name}.geojson", kind="zone", id_prefix="f").faults
    assert fault.place.index == 0
    assert fault.reason.endswith(reason)
