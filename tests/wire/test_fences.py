import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.fences.geometry import Area, Circle, Corridor, Fence
from gateway.core.units import Position
from gateway.wire.fences import (
    FENCE_KINDS,
    FenceProperties,
    FencesRefused,
    check_unique,
    decode_geometry,
    make_fence,
    read_fences,
)
from gateway.wire.opening_hours import compile_hours
from geofences.geopackage import SourceFence, encode_geometry, write_geopackage

SQUARE = shapely.box(-122.33, 47.60, -122.32, 47.61)
WITH_HOLE = shapely.Polygon(SQUARE.exterior.coords, [shapely.box(-122.327, 47.603, -122.323, 47.607).exterior.coords])
TWO_PARTS = shapely.MultiPolygon([SQUARE, shapely.box(-122.30, 47.60, -122.29, 47.61)])
FENCES = (
    Fence("circle", "fuel_station", "A circle", Circle(Position(-122.3761, 47.6686), 60.0), beacon="b-1"),
    Fence("hole", "mall", "A hole", Area(WITH_HOLE), exit_buffer_m=50.0, dwell_s=300, accuracy_limit_m=80.0),
    Fence("parts", "zone", "Two parts", Area(TWO_PARTS)),
    Fence(
        "route",
        "zone",
        "A route",
        Corridor(shapely.LineString([(-122.33, 47.60), (-122.32, 47.61)]), 40.0),
        enter_buffer_m=5.0,
        priority=7,
        tags=("bus", "night"),
        opening_hours=compile_hours("Mo-Fr 06:00-22:00", "America/Los_Angeles"),
        approach_m=400.0,
        approach_s=60,
    ),
    Fence("routes", "zone", "Routes", Corridor(shapely.MultiLineString([[(0, 0), (1, 1)], [(2, 2), (3, 3)]]), 40.0)),
)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "fences.gpkg"
    hours = {"route": ("Mo-Fr 06:00-22:00", "America/Los_Angeles")}
    write_geopackage([SourceFence(fence, *hours.get(fence.id, (None, None))) for fence in FENCES], path)
    return path


def change(package: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(package)) as connection:
        # The triggers of the spatial index call functions that only GDAL and its like have.
        for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute(statement, values)
        connection.commit()


def test_fences_are_read_as_they_were_written(package: Path) -> None:
    assert read_fences(package) == FENCES


def test_holes_stay_open(package: Path) -> None:
    hole = read_fences(package)[1]
    assert hole.distance_m(Position(-122.325, 47.605)) > 0
    assert hole.distance_m(Position(-122.329, 47.605)) < 0


def test_reading_leaves_nothing_beside_the_file(package: Path) -> None:
    read_fences(package)
    assert list(package.parent.iterdir()) == [package]


def test_a_path_with_signs_of_its_own_is_read(package: Path) -> None:
    odd = package.rename(package.parent / "a?mode=rw#%41 b.gpkg")
    assert read_fences(odd) == FENCES


def test_columns_that_are_missing_or_null_have_the_defaults_of_the_core(package: Path) -> None:
    change(package, "DELETE FROM fences WHERE id LIKE 'route%'")
    for column in set(FenceProperties.model_fields) - {"id", "kind", "radius_m"}:
        change(package, f'ALTER TABLE fences DROP COLUMN "{column}"')
    circle = read_fences(package)[0]
    assert (circle.exit_buffer_m, circle.dwell_s, circle.accuracy_limit_m) == (30.0, 0, 200.0)
    assert (circle.name, circle.beacon, circle.tags, circle.priority) == ("circle", None, (), 0)
    assert (circle.enter_buffer_m, circle.opening_hours, circle.approach_m, circle.approach_s) == (0.0, None, 0.0, 0)


def test_a_second_table_of_features_is_read_too(package: Path) -> None:
    change(package, "CREATE TABLE more (fid INTEGER PRIMARY KEY, shape BLOB, id TEXT, kind TEXT)")
    change(package, "INSERT INTO more VALUES (1, ?, 'area', 'zone')", encode_geometry(SQUARE))
    contents = (
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) VALUES ('more', 'features', ?, 4326)"
    )
    change(package, contents, "more")
    change(package, "INSERT INTO gpkg_geometry_columns VALUES ('more', 'shape', 'GEOMETRY', 4326, 0, 0)")
    assert [fence.id for fence in read_fences(package)] == ["area", "circle", "hole", "parts", "route", "routes"]


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
        ("UPDATE fences SET kind = 'moon' WHERE id = 'hole'", "fence 'hole': kind: unknown fence kind 'moon'"),
        ("UPDATE fences SET id = 'a b' WHERE id = 'hole'", "fence 'a b': id: String should match"),
        ("UPDATE fences SET radius_m = NULL", "fence 'circle': a point needs radius_m"),
        ("UPDATE fences SET width_m = NULL", "fence 'route': a line needs width_m"),
        ("UPDATE fences SET width_m = 5 WHERE id = 'hole'", "fence 'hole': width_m is for a line, and this is none"),
        ("UPDATE fences SET name = x'07' WHERE id = 'hole'", "fence 'hole': name: Input should be a valid string"),
        ("UPDATE fences SET tags = 'fuel' WHERE id = 'hole'", "fence 'hole': tags: must be a list in JSON"),
        ("UPDATE fences SET tags = '[7]' WHERE id = 'hole'", "fence 'hole': tags.0: Input should be a valid string"),
        ("UPDATE fences SET priority = 1001 WHERE id = 'hole'", "fence 'hole': priority: Input should be less than"),
        ("UPDATE fences SET time_zone = NULL", "fence 'route': opening_hours needs a time_zone"),
        ("UPDATE fences SET time_zone = 'Mars/Olympus'", "fence 'circle': time_zone: unknown time zone 'Mars/Olympus'"),
        (
            "UPDATE fences SET opening_hours = 'PH off'",
            "fence 'circle': opening_hours: 'PH off': 'PH off' is no interval",
        ),
        ("UPDATE fences SET enter_buffer_m = 60", "fence 'circle': enter_buffer_m 60 leaves nothing"),
        ("UPDATE fences SET enter_buffer_m = 20 WHERE id = 'route'", "fence 'route': enter_buffer_m 20 leaves nothing"),
        ("UPDATE fences SET approach_s = -1 WHERE id = 'hole'", "fence 'hole': approach_s: Input should be greater"),
        ("UPDATE fences SET radius_m = -1 WHERE id = 'circle'", "radius_m: Input should be greater than 0"),
        ("UPDATE fences SET radius_m = 10 WHERE id = 'hole'", "radius_m is for a point, and this is none"),
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
        (shapely.LineString([(0, 0), (1, 1)]), "a line needs width_m"),
        (shapely.MultiPoint([(0, 0), (1, 1)]), "not a MultiPoint"),
        (shapely.GeometryCollection([shapely.Point(0, 0)]), "not a GeometryCollection"),
        (shapely.LinearRing([(0, 0), (1, 1), (1, 0)]), "not a LinearRing"),
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
    assert fence.distance_m(Position(-179.5, -16.5)) < 0
    assert fence.distance_m(Position(179.5, -16.5)) < 0


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


def test_many_fences_are_the_same_as_each_by_itself(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together = read_fences(package)

    def refuse(*_: object) -> None:
        raise FencesRefused("several")

    monkeypatch.setattr("gateway.wire.fences._check_many", refuse)
    assert read_fences(package) == together == FENCES


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


@pytest.mark.parametrize("encode", [big_endian_without_envelope, with_envelope_of_four_dimensions])
def test_fences_written_in_another_form_are_the_same(
    package: Path, encode: Callable[[shapely.Geometry], bytes]
) -> None:
    change(package, "UPDATE fences SET geom = ? WHERE id = 'hole'", encode(WITH_HOLE))
    assert read_fences(package) == FENCES


@pytest.mark.parametrize("has_measures", [False, True])
def test_heights_and_measures_in_a_file_are_left_out(package: Path, has_measures: bool) -> None:  # noqa: FBT001 - drawn
    high = shapely.force_3d(WITH_HOLE, 7.0)
    blob = encode_geometry(high)
    if has_measures:
        rings = ", ".join(
            f"({', '.join(f'{x} {y} 7 9' for x, y in ring.coords)})"
            for ring in (WITH_HOLE.exterior, *WITH_HOLE.interiors)
        )
        blob = encode_geometry(shapely.from_wkt(f"POLYGON ZM ({rings})"))
    change(package, "UPDATE fences SET geom = ? WHERE id = 'hole'", blob)
    assert read_fences(package) == FENCES


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), "fence 'hole': the geometry is not valid"),
        (shapely.box(179, 0, 181, 1), "fence 'hole': longitude must be"),
        (shapely.Polygon([(179, 0), (-179, 0), (-179, 1), (179, 1)]), "fence 'hole': an edge spans more than 180"),
        (shapely.Polygon(), "fence 'hole': the geometry is empty"),
        (shapely.MultiPoint([(0, 0)]), "fence 'hole': a fence is a Point, .*, not a MultiPoint"),
    ],
)
def test_one_unsound_geometry_among_many_is_named(package: Path, shape: shapely.Geometry, message: str) -> None:
    header = b"GP\x00\x01" + struct.pack("<i", 4326)
    change(package, "UPDATE fences SET geom = ? WHERE id = 'hole'", header + bytes(shapely.to_wkb(shape)))
    with pytest.raises(FencesRefused, match=message):
        read_fences(package)


def test_opening_hours_are_read_into_what_the_engine_evaluates(package: Path) -> None:
    route = next(fence for fence in read_fences(package) if fence.id == "route")
    monday_noon_in_seattle_ms = 1_780_340_400_000  # 2026-06-01T19:00:00Z
    assert route.is_open(monday_noon_in_seattle_ms)
    assert not route.is_open(monday_noon_in_seattle_ms + 11 * 3_600_000)


def test_a_device_reads_fences_without_the_compilers_libraries() -> None:
    foreign = "{'geopandas', 'pandas', 'pyogrio', 'pyproj'}"
    code = f"import sys, gateway.wire.fences; print(sorted({foreign} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
