import zipfile
from datetime import UTC, datetime
from pathlib import Path

import geopandas as gpd
import pyogrio
import pyproj
import pytest
import shapely

from gateway.core.fences.geometry import Area, Circle, Corridor
from gateway.core.units import Position
from gateway.wire.fences import read_fences
from geofences.compiler import compile_sources
from geofences.sources import Defaults
from tests.geofences.conftest import feature, point, polygon, refusal_of_all, write

NORTH_SEATTLE = shapely.box(-122.33, 47.70, -122.32, 47.71)


def table(shapes: list[shapely.Geometry], crs: object = 4326, **columns: list[object]) -> gpd.GeoDataFrame:
    named = {"id": [f"f{number}" for number in range(len(shapes))], "kind": ["zone"] * len(shapes), **columns}
    return gpd.GeoDataFrame(named, geometry=shapes, crs=crs)


def save(frame: gpd.GeoDataFrame, path: Path, **options: str) -> Path:
    pyogrio.write_dataframe(frame, path, **options)
    return path


def test_a_geopackage_of_someone_else_is_read(tmp_path: Path) -> None:
    shapes = [NORTH_SEATTLE, shapely.LineString([(-122.3, 47.6), (-122.2, 47.7)]), shapely.Point(-122.3, 47.6)]
    frame = table(
        shapes, name=["A", None, "C"], dwell_s=[60.0, None, None], radius_m=[None, None, 40], width_m=[None, 20.0, None]
    )
    source = save(frame, tmp_path / "in.gpkg", layer="places")
    report = compile_sources([source], tmp_path / "out.gpkg")
    area, line, circle = read_fences(tmp_path / "out.gpkg")
    assert (area.name, area.dwell_s, line.name, line.dwell_s) == ("A", 60, "f1", 0)
    assert isinstance(area.shape, Area)
    assert area.shape.shape.equals(NORTH_SEATTLE)
    assert isinstance(line.shape, Corridor)
    assert circle.shape == Circle(Position(-122.3, 47.6), 40.0)
    assert report.remarks == []


def test_a_compiled_file_compiles_to_itself(tmp_path: Path) -> None:
    rules = {"opening_hours": "Mo-Fr 06:00-22:00", "time_zone": "Europe/Berlin", "tags": ["a", "b"], "priority": 5}
    source = write(
        tmp_path, feature(point(), id="p", radius_m=60, **rules), feature(polygon([[0, 0], [1, 0], [1, 1], [0, 0]]))
    )
    compile_sources([source], tmp_path / "one.gpkg")
    compile_sources([tmp_path / "one.gpkg"], tmp_path / "two.gpkg")
    assert (tmp_path / "two.gpkg").read_bytes() == (tmp_path / "one.gpkg").read_bytes()


def test_every_layer_is_read_and_named_in_faults(tmp_path: Path) -> None:
    source = tmp_path / "in.gpkg"
    save(table([NORTH_SEATTLE]), source, layer="one")
    save(table([NORTH_SEATTLE], id=["g"], kind=["moon"]), source, layer="two")
    pyogrio.write_dataframe(table([NORTH_SEATTLE]).drop(columns="geometry"), source, layer="notes")
    (fault,) = refusal_of_all(tmp_path, source).faults
    assert str(fault).startswith(f"{source}, layer two: feature 0: kind: unknown fence kind 'moon'")


@pytest.mark.parametrize("is_zipped", [False, True])
def test_a_shapefile_is_read_with_its_short_names_and_reprojected(tmp_path: Path, is_zipped: bool) -> None:  # noqa: FBT001 - drawn
    transformer = pyproj.Transformer.from_crs(4326, 32610, always_xy=True)
    utm = shapely.transform(NORTH_SEATTLE, transformer.transform, interleaved=False)
    folder = tmp_path / "shapes"
    folder.mkdir()
    frame = table(
        [utm], crs=32610, exit_buffe=[12.5], opening_ho=["24/7"], time_zone=["America/Los_Angeles"], tags=["a, b"]
    )
    source = save(frame, folder / "in.shp")
    if is_zipped:
        source = tmp_path / "in.zip"
        with zipfile.ZipFile(source, "w") as archive:
            for part in sorted(folder.iterdir()):
                archive.write(part, part.name)
    report = compile_sources([source], tmp_path / "out.gpkg")
    (fence,) = read_fences(tmp_path / "out.gpkg")
    assert (fence.exit_buffer_m, fence.tags) == (12.5, ("a", "b"))
    assert fence.opening_hours is not None
    assert report.remarks == [f"{source}: reprojected from WGS 84 / UTM zone 10N to EPSG:4326"]
    assert isinstance(fence.shape, Area)
    assert shapely.hausdorff_distance(fence.shape.shape, NORTH_SEATTLE) < 1e-6


def test_long_edges_of_a_projected_map_stay_where_they_were(tmp_path: Path) -> None:
    square = shapely.box(500_000, 6_600_000, 600_000, 6_700_000)  # 60 degrees north; 100 km
    compile_sources([save(table([square], crs=32610), tmp_path / "in.gpkg")], tmp_path / "out.gpkg")
    (fence,) = read_fences(tmp_path / "out.gpkg")
    back = pyproj.Transformer.from_crs(4326, 32610, always_xy=True)
    assert isinstance(fence.shape, Area)
    fine = shapely.segmentize(fence.shape.shape.exterior, 0.001)
    moved = shapely.transform(fine, back.transform, interleaved=False)
    assert shapely.distance(shapely.points(shapely.get_coordinates(moved)), square.exterior).max() < 0.1


def test_a_bow_tie_on_a_projected_map_is_repaired_and_not_halved(tmp_path: Path) -> None:
    bow_tie = shapely.Polygon([(500_000, 5e6), (502_000, 5_002_000), (502_000, 5e6), (500_000, 5_002_000)])
    report = compile_sources([save(table([bow_tie], crs=32610), tmp_path / "in.gpkg")], tmp_path / "out.gpkg")
    assert report.area_km2 == pytest.approx(2.0, rel=2e-3)
    assert len(report.repaired) == 1


def test_geojson_that_names_another_reference_system_is_reprojected(tmp_path: Path) -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}
    square = [[0, 0], [111_319.49, 0], [111_319.49, 111_319.49], [0, 111_319.49], [0, 0]]
    report = compile_sources([write(tmp_path, feature(polygon(square)), crs=crs)], tmp_path / "out.gpkg")
    assert report.extent_deg == pytest.approx([0, 0, 1, 1], abs=1e-3)
    assert report.remarks == [f"{tmp_path / 'source.geojson'}: reprojected from WGS 84 / Pseudo-Mercator to EPSG:4326"]


def test_a_source_that_does_not_say_where_it_is_needs_to_be_told(tmp_path: Path) -> None:
    source = save(table([NORTH_SEATTLE]), tmp_path / "in.shp")
    source.with_suffix(".prj").unlink()
    assert "does not say its coordinate reference system; give --crs" in str(refusal_of_all(tmp_path, source))
    report = compile_sources([source], tmp_path / "out.gpkg", Defaults(crs="EPSG:4326"))
    assert report.fences == 1


def test_what_a_projection_cannot_say_is_refused_by_its_number(tmp_path: Path) -> None:
    shapes = [shapely.box(4e6, 3e6, 4.1e6, 3.1e6), shapely.box(1e12, 1e12, 2e12, 2e12), shapely.Point(1e30, 0)]
    source = save(table(shapes, crs=3035, radius_m=[None, None, 5.0]), tmp_path / "in.gpkg")
    assert [
        fault.place.index for fault in refusal_of_all(tmp_path, source).faults if "lies outside" in fault.reason
    ] == [1, 2]


def test_a_feature_without_a_geometry_is_refused_by_its_number(tmp_path: Path) -> None:
    frame = table([NORTH_SEATTLE, None])
    assert "feature 1: needs a geometry" in str(refusal_of_all(tmp_path, save(frame, tmp_path / "in.gpkg")))


def test_points_that_a_table_promoted_are_points_again(tmp_path: Path) -> None:
    frame = table([shapely.MultiPoint([(1, 2)]), shapely.MultiPoint([(1, 2), (3, 4)])], radius_m=[10.0, 10.0])
    refused = refusal_of_all(tmp_path, save(frame, tmp_path / "in.gpkg"))
    assert [fault.place.index for fault in refused.faults] == [1]
    assert "not a MultiPoint" in str(refused)


def test_columns_of_strange_types_say_text_or_nothing(tmp_path: Path) -> None:
    frame = table([NORTH_SEATTLE, NORTH_SEATTLE], seen=[datetime(2026, 1, 1, tzinfo=UTC), None], big=[2**40, 1])
    source = save(frame, tmp_path / "in.gpkg")
    assert refusal_of_all(tmp_path, source).faults[1].reason == "a fence has no 'big'; --ignore-unknown leaves such out"


def test_what_is_no_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in.gpkg").write_bytes(b"nothing at all")
    assert "cannot be opened" in str(refusal_of_all(tmp_path, tmp_path / "in.gpkg"))
    pyogrio.write_dataframe(table([NORTH_SEATTLE]).drop(columns="geometry"), tmp_path / "bare.gpkg", layer="notes")
    assert "has no layer of features" in str(refusal_of_all(tmp_path, tmp_path / "bare.gpkg"))
