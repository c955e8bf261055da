import sqlite3
from pathlib import Path

import geopandas as gpd
import pyogrio
import pytest
import shapely

from gateway.wire.fences import read_fences
from geofences.compiler import compile_fences, read_source
from geofences.geopackage import encode_geometry, write_geopackage
from tests.geofences.conftest import SQUARE, feature, line, point, polygon, rows, write

DEMO = Path(__file__).resolve().parents[2] / "deploy" / "demo" / "fences" / "stations.geojson"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """One fence of each shape, with ids that sort otherwise than they stand."""
    two = {"type": "MultiPolygon", "coordinates": [SQUARE, [[[5, 5], [6, 5], [6, 6], [5, 5]]]]}
    lines = {"type": "MultiLineString", "coordinates": [[[0, 0], [1, 1]], [[2, 2], [3, 3]]]}
    source = write(
        tmp_path,
        feature(polygon(*SQUARE), id="d", tags=["x"]),
        feature(two, id="c"),
        feature(line([0, 0], [1, 1]), id="b", width_m=20, opening_hours="24/7", time_zone="UTC"),
        feature(lines, id="a", width_m=20),
        feature(point(), id="e", radius_m=60),
    )
    compile_fences(source, tmp_path / "out.gpkg")
    return tmp_path / "out.gpkg"


def test_the_file_is_a_geopackage_by_its_standard(tmp_path: Path) -> None:
    package = tmp_path / "out.gpkg"
    compile_fences(DEMO, package)
    assert package.read_bytes()[68:72] == b"GPKG"
    assert rows(package, "PRAGMA user_version") == [(10400,)]
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


def test_it_has_a_spatial_index_as_annex_f_3_asks(package: Path) -> None:
    (extension,) = rows(package, "SELECT table_name, column_name, extension_name, scope FROM gpkg_extensions")
    assert extension == ("fences", "geom", "gpkg_rtree_index", "write-only")
    triggers = {name for (name,) in rows(package, "SELECT name FROM sqlite_master WHERE type = 'trigger'")}
    acts = ("insert", "update2", "update4", "update5", "update6", "update7", "delete")
    assert triggers == {f"rtree_fences_geom_{act}" for act in acts}
    indexed = rows(package, "SELECT id FROM rtree_fences_geom ORDER BY id")
    assert indexed == rows(package, "SELECT fid FROM fences ORDER BY fid") == [(n,) for n in range(1, 6)]
    query = "SELECT f.id FROM fences f JOIN rtree_fences_geom r ON r.id = f.fid WHERE minx <= 10 AND maxx >= 10"
    assert rows(package, query) == [("e",)]
    assert rows(package, "SELECT rtreecheck('rtree_fences_geom')") == [("ok",)]


def test_gdal_reads_it_and_uses_the_index(package: Path) -> None:
    info = pyogrio.read_info(package)
    assert (info["layer_name"], info["crs"], info["features"]) == ("fences", "EPSG:4326", 5)
    assert info["capabilities"]["fast_spatial_filter"]
    near = pyogrio.read_dataframe(package, bbox=(9, 49, 11, 51))
    assert near["id"].tolist() == ["e"]
    everything = gpd.read_file(package)
    assert everything["id"].tolist() == ["a", "b", "c", "d", "e"]
    assert everything.geometry.geom_type.tolist() == [
        "MultiLineString",
        "LineString",
        "MultiPolygon",
        "Polygon",
        "Point",
    ]
    assert everything.crs == "EPSG:4326"


def test_what_gdal_changes_in_it_a_device_reads(package: Path) -> None:
    table = gpd.read_file(package)
    added = table[table["id"] == "e"].assign(id="f", beacon="b-1")
    added.geometry = [shapely.Point(11, 51)]
    pyogrio.write_dataframe(added, package, layer="fences", append=True)
    fences = {fence.id: fence for fence in read_fences(package)}
    assert fences["f"].beacon == "b-1"
    assert (11.0,) in rows(package, "SELECT minx FROM rtree_fences_geom")


def test_a_device_reads_what_was_written(package: Path, tmp_path: Path) -> None:
    sources = read_source(tmp_path / "source.geojson")
    assert read_fences(package) == tuple(sorted((source.fence for source in sources), key=lambda fence: fence.id))


def test_the_same_fences_give_the_same_bytes_in_any_order(package: Path, tmp_path: Path) -> None:
    sources = read_source(tmp_path / "source.geojson")
    write_geopackage(sources[::-1], tmp_path / "again.gpkg")
    assert (tmp_path / "again.gpkg").read_bytes() == package.read_bytes()


def test_no_fences_make_an_empty_geopackage(tmp_path: Path) -> None:
    write_geopackage([], tmp_path / "out.gpkg")
    assert read_fences(tmp_path / "out.gpkg") == ()
    assert pyogrio.read_info(tmp_path / "out.gpkg")["features"] == 0


def test_a_write_that_fails_leaves_nothing_half_done(tmp_path: Path) -> None:
    (source,) = read_source(write(tmp_path, feature(point(), radius_m=60)))
    with pytest.raises(sqlite3.IntegrityError):
        write_geopackage([source, source], tmp_path / "out.gpkg")
    assert [path.name for path in tmp_path.iterdir()] == ["source.geojson"]


def test_an_area_carries_its_envelope_and_a_point_none() -> None:
    assert encode_geometry(shapely.Point(1, 2))[3] == 0b001
    assert encode_geometry(shapely.box(0, 0, 1, 1))[3] == 0b011
