import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.fences.geometry import Area, Circle, Fence
from gateway.core.units import Position
from gateway.wire.fences import FENCE_KINDS, FencesRefused, check_unique, decode_geometry, make_fence, read_fences
from geofences.compiler import SourceFence, encode_geometry, write_geopackage

SQUARE = shapely.box(-122.33, 47.60, -122.32, 47.61)
WITH_HOLE = shapely.Polygon(SQUARE.exterior.coords, [shapely.box(-122.327, 47.603, -122.323, 47.607).exterior.coords])
TWO_PARTS = shapely.MultiPolygon([SQUARE, shapely.box(-122.30, 47.60, -122.29, 47.61)])
FENCES = (
    Fence("circle", "fuel_station", "A circle", Circle(Position(-122.3761, 47.6686), 60.0), beacon="b-1"),
    Fence("hole", "mall", "A hole", Area(WITH_HOLE), exit_buffer_m=50.0, dwell_s=300, accuracy_limit_m=80.0),
    Fence("parts", "zone", "Two parts", Area(TWO_PARTS)),
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "fences.gpkg"
    write_geopackage([SourceFence(fence) for fence in FENCES], path)
    return path


def change(package: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(package)) as connection:
        connection.execute(statement, values)
        connection.commit()


def test_fences_are_read_as_they_were_written(package: Path) -> None:
    assert read_fences(package) == FENCES


def test_holes_stay_open(package: Path) -> None:
    hole = read_fences(package)[1]
    assert hole.distance_m(Position(-122.325, 47.605)) > 0
    assert hole.distance_m(Position(-122.329, 47.605)) == 0


def test_reading_leaves_nothing_beside_the_file(package: Path) -> None:
    read_fences(package)
    assert list(package.parent.iterdir()) == [package]


def test_a_path_with_signs_of_its_own_is_read(package: Path) -> None:
    odd = package.rename(package.parent / "a?mode=rw#%41 b.gpkg")
    assert read_fences(odd) == FENCES


def test_columns_that_are_missing_or_null_have_the_defaults_of_the_core(package: Path) -> None:
    for column in ("exit_buffer_m", "accuracy_limit_m", "dwell_s", "name", "beacon", "tags"):
        change(package, f'ALTER TABLE fences DROP COLUMN "{column}"')
    circle = read_fences(package)[0]
    assert (circle.exit_buffer_m, circle.dwell_s, circle.accuracy_limit_m) == (30.0, 0, 200.0)
    assert (circle.name, circle.beacon) == ("circle", None)


def test_a_second_table_of_features_is_read_too(package: Path) -> None:
    change(package, "CREATE TABLE more (fid INTEGER PRIMARY KEY, shape BLOB, id TEXT, kind TEXT)")
    change(package, "INSERT INTO more VALUES (1, ?, 'area', 'zone')", encode_geometry(SQUARE))
    contents = (
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) VALUES ('more', 'features', ?, 4326)"
    )
    change(package, contents, "more")
    change(package, "INSERT INTO gpkg_geometry_columns VALUES ('more', 'shape', 'GEOMETRY', 4326, 0, 0)")
    assert [fence.id for fence in read_fences(package)] == ["area", "circle", "hole", "parts"]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("PRAGMA application_id = 1", "is no GeoPackage"),
        ("DELETE FROM gpkg_contents", "has no table of features"),
        ("DROP TABLE gpkg_geometry_columns", "no such table"),
        ("DROP TABLE fences", "has no column id, kind"),
        ("ALTER TABLE fences DROP COLUMN kind", "has no column kind"),
        ("UPDATE gpkg_geometry_columns SET srs_id = 3857", "not in WGS 84"),
        ("UPDATE gpkg_geometry_columns SET column_name = 'geom\" FROM x --'", "must be letters, digits and '_'"),
        ("UPDATE fences SET kind = 'moon' WHERE id = 'hole'", "fence 'hole': kind: .*unknown fence kind 'moon'"),
        ("UPDATE fences SET id = 'a b' WHERE id = 'hole'", "fence 'a b': id: String should match"),
        ("UPDATE fences SET radius_m = NULL", "fence 'circle': a point needs radius_m"),
        ("UPDATE fences SET radius_m = -1 WHERE id = 'circle'", "radius_m: Input should be greater than 0"),
        ("UPDATE fences SET radius_m = 10 WHERE id = 'hole'", "radius_m is for a point, not for a Polygon"),
        ("UPDATE fences SET dwell_s = -1", "dwell_s: Input should be greater"),
        ("UPDATE fences SET dwell_s = 'long'", "dwell_s: Input should be a valid integer"),
        ("UPDATE fences SET beacon = 'b-1'", "the beacon 'b-1' speaks for two fences"),
        ("UPDATE fences SET geom = x'00'", "the geometry is no GeoPackage binary"),
        ("UPDATE fences SET geom = 'text'", "the geometry is no GeoPackage binary"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(package: Path, statement: str, message: str) -> None:
    change(package, statement)
    with pytest.raises(FencesRefused, match=message) as refused:
        read_fences(package)
    assert str(refused.value).startswith("fences.gpkg: ")


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fences.gpkg"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(FencesRefused, match=r"fences\.gpkg"):
        read_fences(path)
    with pytest.raises(FencesRefused, match="unable to open"):
        read_fences(tmp_path / "none.gpkg")


def test_a_file_cut_short_is_refused(package: Path) -> None:
    package.write_bytes(package.read_bytes()[:20_000])
    with pytest.raises(FencesRefused):
        read_fences(package)


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        (shapely.Polygon(), "empty"),
        (shapely.LineString([(0, 0), (1, 1)]), "not a LineString"),
        (shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), "not valid: Self-intersection"),
        (shapely.box(0, 0, 1, 91), "latitude -90..90"),
        (shapely.box(179, 0, 181, 1), "longitude must be -180..180"),
        (shapely.Polygon([(179, 0), (-179, 0), (-179, 1), (179, 1)]), "split it at the antimeridian"),
    ],
)
def test_an_unsound_geometry_is_refused(geometry: shapely.Geometry, message: str) -> None:
    with pytest.raises(FencesRefused, match=message):
        make_fence({"id": "a", "kind": "zone"}, geometry)


@pytest.mark.parametrize("lon", [181.0, float("nan"), float("inf")])
def test_a_circle_lies_on_earth(lon: float) -> None:
    with pytest.raises(FencesRefused):
        make_fence({"id": "a", "kind": "zone", "radius_m": 10.0}, shapely.Point(lon, 0.0))


def test_an_area_split_at_the_antimeridian_is_one_fence() -> None:
    shape = shapely.MultiPolygon([shapely.box(179, -17, 180, -16), shapely.box(-180, -17, -179, -16)])
    fence, _ = make_fence({"id": "fiji", "kind": "zone"}, shape)
    assert fence.distance_m(Position(-179.5, -16.5)) == 0
    assert fence.distance_m(Position(179.5, -16.5)) == 0


def test_heights_are_left_out() -> None:
    fence, _ = make_fence({"id": "a", "kind": "zone", "radius_m": 10.0}, shapely.Point(1.0, 2.0, 3.0))
    assert fence.shape == Circle(Position(1.0, 2.0), 10.0)


@pytest.mark.parametrize("kind", FENCE_KINDS)
def test_every_kind_of_the_glossary_is_known(kind: str) -> None:
    assert make_fence({"id": "a", "kind": kind}, SQUARE)[0].kind == kind


def test_an_unknown_property_is_refused() -> None:
    with pytest.raises(FencesRefused, match="radius: Extra inputs"):
        make_fence({"id": "a", "kind": "zone", "radius": 10}, SQUARE)


def test_no_id_stands_twice() -> None:
    with pytest.raises(FencesRefused, match="'circle' stands twice"):
        check_unique([FENCES[0], FENCES[0]])


def big_endian_without_envelope(shape: shapely.Geometry) -> bytes:
    return b"GP\x00\x00" + struct.pack(">i", 4326) + bytes(shapely.to_wkb(shape, byte_order=0))


def with_envelope_of_four_dimensions(shape: shapely.Geometry) -> bytes:
    return b"GP\x00" + bytes([0b1001]) + struct.pack("<i8d", 4326, *range(8)) + bytes(shapely.to_wkb(shape))


@pytest.mark.parametrize("encode", [encode_geometry, big_endian_without_envelope, with_envelope_of_four_dimensions])
@pytest.mark.parametrize("shape", [shapely.Point(-122.3, 47.6), WITH_HOLE, TWO_PARTS])
def test_every_form_of_a_geopackage_binary_is_decoded(
    encode: Callable[[shapely.Geometry], bytes], shape: shapely.Geometry
) -> None:
    assert decode_geometry(encode(shape)) == shape


@pytest.mark.parametrize(
    "blob",
    [
        b"GP\x00\x21" + struct.pack("<i", 4326) + bytes(shapely.to_wkb(SQUARE)),
        b"GP\x00\x0b" + struct.pack("<i", 4326) + bytes(shapely.to_wkb(SQUARE)),
        b"GP\x00\x01" + struct.pack("<i", 3857) + bytes(shapely.to_wkb(SQUARE)),
        b"GP\x01\x01" + struct.pack("<i", 4326) + bytes(shapely.to_wkb(SQUARE)),
        b"GP\x00\x01" + struct.pack("<i", 4326),
        None,
    ],
)
def test_other_blobs_are_refused(blob: object) -> None:
    with pytest.raises(FencesRefused):
        decode_geometry(blob)


@given(st.binary(max_size=120), st.booleans())
def test_no_bytes_make_decoding_raise_anything_else(blob: bytes, has_header: bool) -> None:  # noqa: FBT001 - drawn
    with suppress(FencesRefused):
        decode_geometry(b"GP\x00\x01\xe6\x10\x00\x00" + blob if has_header else blob)
