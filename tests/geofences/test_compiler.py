import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import shapely

from gateway.core.fences.geometry import Area, Circle
from gateway.core.units import Position
from gateway.wire.fences import read_fences
from geofences.compiler import SourceRefused, compile_fences, encode_geometry, read_source, write_geopackage

DEMO = Path(__file__).resolve().parents[2] / "deploy" / "demo" / "fences" / "stations.geojson"
SQUARE = [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]
HOLE = [[0.4, 0.4], [0.4, 0.6], [0.6, 0.6], [0.6, 0.4], [0.4, 0.4]]


def feature(geometry: object, **properties: object) -> dict[str, Any]:
    named = {"id": "a", "kind": "zone", **properties}
    return {"type": "Feature", "properties": named, "geometry": geometry}


def point(lon: float = 10.0, lat: float = 50.0) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [lon, lat]}


def polygon(*rings: object) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def write(folder: Path, *features: object, **members: object) -> Path:
    path = folder / "source.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features), **members}))
    return path


def write_csv(folder: Path, text: str) -> Path:
    path = folder / "points.csv"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(source: Path, **options: Any) -> SourceRefused:  # noqa: ANN401 - the options of read_source
    with pytest.raises(SourceRefused) as refused:
        read_source(source, **options)
    return refused.value


def rows(package: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(package)) as connection:
        return connection.execute(query).fetchall()


def test_the_demo_fences_compile_and_read_back(tmp_path: Path) -> None:
    fences = compile_fences(DEMO, tmp_path / "stations.gpkg")
    assert read_fences(tmp_path / "stations.gpkg") == tuple(sorted(fences, key=lambda fence: fence.id))
    assert [fence.kind for fence in fences] == ["fuel_station"] * 3 + ["mall"]


def test_every_property_reaches_the_fence(tmp_path: Path) -> None:
    properties = {
        "name": "A fence",
        "radius_m": 60,
        "dwell_s": 120,
        "exit_buffer_m": 15.5,
        "accuracy_limit_m": 80,
        "beacon": "b-1",
        "tags": ["partner"],
    }
    (source,) = read_source(write(tmp_path, feature(point(), **properties)))
    fence = source.fence
    assert (fence.id, fence.kind, fence.name) == ("a", "zone", "A fence")
    assert fence.shape == Circle(Position(10.0, 50.0), 60.0)
    assert (fence.dwell_s, fence.exit_buffer_m, fence.accuracy_limit_m, fence.beacon) == (120, 15.5, 80.0, "b-1")
    assert source.tags == ("partner",)


def test_holes_and_parts_are_kept(tmp_path: Path) -> None:
    parts = {"type": "MultiPolygon", "coordinates": [[*SQUARE, HOLE], [[[5, 5], [6, 5], [6, 6], [5, 5]]]]}
    (fence,) = compile_fences(write(tmp_path, feature(parts)), tmp_path / "out.gpkg")
    assert isinstance(fence.shape, Area)
    assert fence.shape.shape.area == pytest.approx(1 - 0.04 + 0.5)
    assert read_fences(tmp_path / "out.gpkg") == (fence,)


def test_null_properties_are_as_if_left_out(tmp_path: Path) -> None:
    (source,) = read_source(write(tmp_path, feature(polygon(*SQUARE), radius_m=None, name=None, beacon=None)))
    assert source.fence.name == "a"


def test_each_wrong_feature_is_named_with_its_index_and_reason(tmp_path: Path) -> None:
    source = write(
        tmp_path,
        feature(point(), radius_m=60),
        feature(point()),
        feature(polygon(*SQUARE), id="b", kind="moon"),
        feature(polygon([[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]), id="c"),
        feature(polygon([[0, 0], [1, 1], [1, 0]]), id="d"),
        feature({"type": "Point", "coordinates": ["x"]}, id="e", radius_m=1),
        feature(None, id="f"),
        {"type": "Point"},
        feature(polygon(*SQUARE), id="g", radius=5),
        feature({"type": "GeometryCollection", "geometries": []}, id="h"),
    )
    refused = refusal(source)
    assert [index for index, _ in refused.faults] == list(range(1, 10))
    assert f"{source}: feature 1: a point needs radius_m" in str(refused)
    assert "feature 2: kind: Value error, unknown fence kind 'moon'" in str(refused)
    assert "feature 3: the geometry is not valid" in str(refused)
    assert "feature 6: needs a geometry and properties" in str(refused)
    assert "feature 7: must be a Feature" in str(refused)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is no GeoJSON"),
        ("[]", "must be a FeatureCollection"),
        ('{"type": "Feature"}', "must be a FeatureCollection"),
        ('{"type": "FeatureCollection"}', "'features' must be a list"),
        ("[" * 100_000, "is no GeoJSON"),
    ],
)
def test_what_is_no_feature_collection_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "source.json"
    path.write_text(text)
    assert reason in str(refusal(path))


def test_a_collection_in_other_coordinates_is_refused(tmp_path: Path) -> None:
    mercator = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3857"}}
    assert "WGS 84" in str(refusal(write(tmp_path, crs=mercator)))


def test_a_collection_that_names_its_wgs_84_is_read(tmp_path: Path) -> None:
    crs84 = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    assert read_source(write(tmp_path, crs=crs84)) == ()


def test_ids_are_unique(tmp_path: Path) -> None:
    twice = feature(point(), radius_m=60)
    assert "'a' stands twice" in str(refusal(write(tmp_path, twice, twice)))


def test_a_csv_of_points_becomes_circles(tmp_path: Path) -> None:
    source = write_csv(tmp_path, '\ufeffname,longitude,latitude\n"Shop, and more",-117.19,34.05\n,-118,35\n')
    fences = compile_fences(source, tmp_path / "out.gpkg", kind="fuel_station")
    assert [(f.id, f.name, f.shape) for f in fences] == [
        ("fuel_station-1", "Shop, and more", Circle(Position(-117.19, 34.05), 100.0)),
        ("fuel_station-2", "fuel_station-2", Circle(Position(-118.0, 35.0), 100.0)),
    ]


def test_a_compressed_csv_is_read_with_the_radius_given(tmp_path: Path) -> None:
    path = tmp_path / "points.csv.gz"
    path.write_bytes(gzip.compress(b"name,longitude,latitude\nA,1,2\n"))
    (source,) = read_source(path, kind="cafe", radius_m=25.0)
    assert source.fence.shape == Circle(Position(1.0, 2.0), 25.0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name,lon,lat\nA,1,2\n", "needs the columns name, longitude, latitude"),
        ("", "at least one row"),
        ("name,longitude,latitude\n", "at least one row"),
        ("name,longitude,latitude\nA,1,2\nB,x,2\n", "row 1: longitude and latitude must be numbers"),
        ("name,longitude,latitude\nA\n", "row 0: longitude and latitude must be numbers"),
        ("name,longitude,latitude\nA,nan,2\n", "row 0: "),
        ("name,longitude,latitude\nA,1,95\n", "row 0: invalid_position"),
        ('name,longitude,latitude\n"A"b,1,2\n', "is no CSV"),
    ],
)
def test_a_wrong_csv_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in str(refusal(write_csv(tmp_path, text), kind="cafe"))


def test_a_csv_needs_the_kind_of_place_it_lists(tmp_path: Path) -> None:
    assert "kind of place" in str(refusal(write_csv(tmp_path, "name,longitude,latitude\nA,1,2\n")))
    assert "unknown fence kind" in str(refusal(write_csv(tmp_path, "name,longitude,latitude\nA,1,2\n"), kind="moon"))


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "points.csv.gz"
    path.write_bytes(gzip.compress(b"name,longitude,latitude\nA,1,2\n" * 100)[:-9])
    assert "is no CSV" in str(refusal(path, kind="cafe"))


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    assert "must be named" in str(refusal(tmp_path / "fences.shp"))
    assert "No such file" in str(refusal(tmp_path / "fences.geojson"))


def test_the_file_is_a_geopackage_by_its_standard(tmp_path: Path) -> None:
    package = tmp_path / "out.gpkg"
    compile_fences(DEMO, package)
    assert package.read_bytes()[68:72] == b"GPKG"
    assert rows(package, "PRAGMA user_version") == [(10300,)]
    assert rows(package, "PRAGMA integrity_check") == [("ok",)]
    assert rows(package, "PRAGMA foreign_key_check") == []
    systems = rows(package, "SELECT srs_id, organization, organization_coordsys_id FROM gpkg_spatial_ref_sys")
    assert sorted(systems) == [(-1, "NONE", -1), (0, "NONE", 0), (4326, "EPSG", 4326)]
    contents = rows(package, "SELECT table_name, data_type, min_x, min_y, max_x, max_y, srs_id FROM gpkg_contents")
    assert contents == [("fences", "features", -122.3761, 47.5593, -122.2866, 47.7098, 4326)]
    assert rows(package, "SELECT * FROM gpkg_geometry_columns") == [("fences", "geom", "GEOMETRY", 4326, 0, 0)]
    assert rows(package, "SELECT id, tags FROM fences WHERE id = 'station-rainier'") == [
        ("station-rainier", '["partner"]')
    ]


def test_the_same_source_gives_the_same_rows(tmp_path: Path) -> None:
    dumps = []
    for name in ("one.gpkg", "two.gpkg"):
        compile_fences(DEMO, tmp_path / name)
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            dumps.append(list(connection.iterdump()))
    assert dumps[0] == dumps[1]


def test_no_fences_make_an_empty_geopackage(tmp_path: Path) -> None:
    write_geopackage([], tmp_path / "out.gpkg")
    assert read_fences(tmp_path / "out.gpkg") == ()


def test_a_refused_source_leaves_the_last_good_file(tmp_path: Path) -> None:
    package = tmp_path / "out.gpkg"
    compile_fences(write(tmp_path, feature(point(), radius_m=60)), package)
    before = package.read_bytes()
    with pytest.raises(SourceRefused):
        compile_fences(write(tmp_path, feature(point())), package)
    assert package.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.gpkg", "source.geojson"]


def test_a_write_that_fails_leaves_nothing_half_done(tmp_path: Path) -> None:
    (source,) = read_source(write(tmp_path, feature(point(), radius_m=60)))
    with pytest.raises(sqlite3.IntegrityError):
        write_geopackage([source, source], tmp_path / "out.gpkg")
    assert [path.name for path in tmp_path.iterdir()] == ["source.geojson"]


def test_an_area_carries_its_envelope_and_a_point_none() -> None:
    assert encode_geometry(shapely.Point(1, 2))[3] == 0b001
    assert encode_geometry(shapely.box(0, 0, 1, 1))[3] == 0b011


@pytest.mark.realdata
def test_the_fuel_stations_of_california_compile(realdata: Path, tmp_path: Path) -> None:
    source = realdata / "pois" / "california_osm_fuel.csv"
    fences = compile_fences(source, tmp_path / "fuel.gpkg", kind="fuel_station")
    assert len(fences) == source.read_bytes().count(b"\n") - 1 == 2925
    assert len(read_fences(tmp_path / "fuel.gpkg")) == 2925
