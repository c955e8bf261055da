"""From sources that people edit to a GeoPackage that devices read and QGIS opens.

Sources are a GeoJSON FeatureCollection (RFC 7946) whose features carry the properties of a fence, or a CSV of points
with the columns `name, longitude, latitude`, which become circles. All faults of a source are found in one go, and a
source with a fault compiles to nothing. The same source gives the same rows; no clock is read.
"""

import csv
import gzip
import io
import json
import os
import sqlite3
import struct
import tempfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import shapely

from gateway.core.errors import ReleaseError
from gateway.core.fences.geometry import Circle, Fence
from gateway.wire.fences import APPLICATION_ID, WGS84_SRS_ID, FencesRefused, check_unique, make_fence

DEFAULT_RADIUS_M = 100.0
TABLE = "fences"
_CSV_COLUMNS = ("name", "longitude", "latitude")
_CRS_NAMES = frozenset({"urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:EPSG::4326", "EPSG:4326"})

# OGC 12-128r15: tables 3, 4 and 5, and the three mandatory rows of requirement 11.
_WGS84_WKT = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],'
    'AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],'
    'UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4326"]]'
)
_SPATIAL_REF_SYS = (
    ("Undefined Cartesian SRS", -1, "NONE", -1, "undefined", "undefined Cartesian coordinate reference system"),
    ("Undefined geographic SRS", 0, "NONE", 0, "undefined", "undefined geographic coordinate reference system"),
    ("WGS 84 geodetic", WGS84_SRS_ID, "EPSG", WGS84_SRS_ID, _WGS84_WKT, "longitude and latitude on WGS 84, degrees"),
)
_SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = 10300;
CREATE TABLE gpkg_spatial_ref_sys (
    srs_name TEXT NOT NULL,
    srs_id INTEGER NOT NULL PRIMARY KEY,
    organization TEXT NOT NULL,
    organization_coordsys_id INTEGER NOT NULL,
    definition TEXT NOT NULL,
    description TEXT
);
CREATE TABLE gpkg_contents (
    table_name TEXT NOT NULL PRIMARY KEY,
    data_type TEXT NOT NULL,
    identifier TEXT UNIQUE,
    description TEXT DEFAULT '',
    last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
    min_x DOUBLE,
    min_y DOUBLE,
    max_x DOUBLE,
    max_y DOUBLE,
    srs_id INTEGER,
    CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id)
);
CREATE TABLE gpkg_geometry_columns (
    table_name TEXT NOT NULL,
    column_name TEXT NOT NULL,
    geometry_type_name TEXT NOT NULL,
    srs_id INTEGER NOT NULL,
    z TINYINT NOT NULL,
    m TINYINT NOT NULL,
    CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),
    CONSTRAINT uk_gc_table_name UNIQUE (table_name),
    CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
    CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id)
);
CREATE TABLE {TABLE} (
    fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    geom GEOMETRY NOT NULL,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    radius_m DOUBLE,
    dwell_s INTEGER NOT NULL,
    exit_buffer_m DOUBLE NOT NULL,
    accuracy_limit_m DOUBLE NOT NULL,
    beacon TEXT,
    tags TEXT NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class SourceFence:
    """A fence with what only its editors need: `tags` go into the GeoPackage and no further."""

    fence: Fence
    tags: tuple[str, ...] = ()


class SourceRefused(ReleaseError):
    """A source that cannot be compiled.

    Attributes:
        path: The source.
        faults: Each wrong feature's or row's index, from 0, with the reason; the index is None for the whole file.
    """

    def __init__(self, path: Path, faults: Sequence[tuple[int | None, str]], what: str = "feature") -> None:
        lines = [reason if index is None else f"{what} {index}: {reason}" for index, reason in faults]
        super().__init__("\n".join(f"{path}: {line}" for line in lines))
        self.path = path
        self.faults = tuple(faults)


def compile_fences(
    source: Path, out: Path, *, kind: str | None = None, radius_m: float = DEFAULT_RADIUS_M
) -> tuple[Fence, ...]:
    """Compile a source into a GeoPackage, which appears whole or not at all. Returns its fences.

    Args:
        source: A `.geojson`, `.json`, `.csv` or `.csv.gz` file.
        out: The GeoPackage; one that is there is replaced.
        kind: What kind of place every point of a CSV is.
        radius_m: The radius of every circle of a CSV, in metres.

    Raises:
        SourceRefused: The source is wrong.
    """
    fences = read_source(source, kind=kind, radius_m=radius_m)
    write_geopackage(fences, out)
    return tuple(fence.fence for fence in fences)


def read_source(
    source: Path, *, kind: str | None = None, radius_m: float = DEFAULT_RADIUS_M
) -> tuple[SourceFence, ...]:
    """Return the fences of a source, in its order; the arguments are those of `compile_fences`.

    Raises:
        SourceRefused: The source is wrong.
    """
    name = source.name.lower()
    if name.endswith((".geojson", ".json")):
        fences = _read_geojson(source)
    elif name.endswith((".csv", ".csv.gz")):
        fences = _read_csv(source, kind, radius_m)
    else:
        raise SourceRefused(source, [(None, "must be named .geojson, .json, .csv or .csv.gz")])
    try:
        check_unique(fence.fence for fence in fences)
    except FencesRefused as error:
        raise SourceRefused(source, [(None, str(error))]) from error
    return fences


def _read_geojson(source: Path) -> tuple[SourceFence, ...]:
    try:
        document = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SourceRefused(source, [(None, f"is no GeoJSON: {error}")]) from error
    if not isinstance(document, dict) or document.get("type") != "FeatureCollection":
        raise SourceRefused(source, [(None, "must be a FeatureCollection")])
    crs = document.get("crs")
    if crs is not None and not (isinstance(crs, dict) and _crs_name(crs) in _CRS_NAMES):
        raise SourceRefused(source, [(None, "must be in WGS 84 longitude and latitude (RFC 7946, section 4)")])
    features = document.get("features")
    if not isinstance(features, list):
        raise SourceRefused(source, [(None, "'features' must be a list")])
    return _collect(source, features, _read_feature, "feature")


def _crs_name(crs: dict[str, object]) -> object:
    properties = crs.get("properties")
    return properties.get("name") if isinstance(properties, dict) else None


def _collect(
    source: Path, entries: Iterable[object], read: Callable[[int, object], SourceFence], what: str
) -> tuple[SourceFence, ...]:
    """Read every entry; raise with all faults if there are any."""
    fences: list[SourceFence] = []
    faults: list[tuple[int | None, str]] = []
    for index, entry in enumerate(entries):
        try:
            fences.append(read(index, entry))
        except FencesRefused as error:
            faults.append((index, str(error)))
    if faults:
        raise SourceRefused(source, faults, what)
    return tuple(fences)


def _read_feature(_: int, feature: object) -> SourceFence:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise FencesRefused("must be a Feature")
    geometry, properties = feature.get("geometry"), feature.get("properties")
    if not isinstance(geometry, dict) or not isinstance(properties, dict):
        raise FencesRefused("needs a geometry and properties")
    try:
        shape = shapely.from_geojson(json.dumps(geometry))
    except (shapely.errors.ShapelyError, ValueError) as error:
        raise FencesRefused(f"the geometry is no GeoJSON: {error}") from error
    fence, checked = make_fence({k: v for k, v in properties.items() if v is not None}, shape)
    return SourceFence(fence, tuple(checked.tags))


def _read_csv(source: Path, kind: str | None, radius_m: float) -> tuple[SourceFence, ...]:
    if kind is None:
        raise SourceRefused(source, [(None, "a CSV needs the kind of place its points are")])
    try:
        raw = source.read_bytes()
        text = (gzip.decompress(raw) if source.name.lower().endswith(".gz") else raw).decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise SourceRefused(source, [(None, f"is no CSV: {error}")]) from error
    missing = [column for column in _CSV_COLUMNS if rows and column not in rows[0]]
    if missing or not rows:
        raise SourceRefused(source, [(None, f"needs the columns {', '.join(_CSV_COLUMNS)} and at least one row")])

    def read(index: int, row: object) -> SourceFence:
        return SourceFence(_read_row(row, f"{kind}-{index + 1}", kind, radius_m))

    return _collect(source, rows, read, "row")


def _read_row(row: object, id_: str, kind: str, radius_m: float) -> Fence:
    cells = row if isinstance(row, dict) else {}
    try:
        point = shapely.Point(float(cells["longitude"]), float(cells["latitude"]))
    except (TypeError, ValueError) as error:
        raise FencesRefused("longitude and latitude must be numbers") from error
    properties = {"id": id_, "kind": kind, "name": (cells["name"] or "").strip(), "radius_m": radius_m}
    return make_fence(properties, point)[0]


def write_geopackage(fences: Iterable[SourceFence], out: Path) -> None:
    """Write fences in the order of their ids. The file appears whole or not at all."""
    ordered = sorted(fences, key=lambda fence: fence.fence.id)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.", suffix=".tmp")
    os.close(handle)
    draft = Path(name)
    try:
        with closing(sqlite3.connect(draft)) as connection:
            connection.executescript(_SCHEMA)
            _insert(connection, ordered)
            connection.commit()
        draft.chmod(0o644)
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)


def _insert(connection: sqlite3.Connection, fences: Sequence[SourceFence]) -> None:
    connection.executemany("INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, ?)", _SPATIAL_REF_SYS)
    shapes = [_geometry_of(fence.fence) for fence in fences]
    bounds = shapely.total_bounds(shapes).tolist() if shapes else [None] * 4
    # `last_change` is given, so that the same source makes the same rows.
    connection.execute(
        "INSERT INTO gpkg_contents VALUES (?, 'features', ?, 'Fences of Wayside', '1970-01-01T00:00:00.000Z',"
        " ?, ?, ?, ?, ?)",
        (TABLE, TABLE, *bounds, WGS84_SRS_ID),
    )
    connection.execute(
        "INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', 'GEOMETRY', ?, 0, 0)", (TABLE, WGS84_SRS_ID)
    )
    connection.executemany(
        f"INSERT INTO {TABLE} (geom, id, kind, name, radius_m, dwell_s, exit_buffer_m, accuracy_limit_m, beacon, tags)"  # noqa: S608 - a constant
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [_row(fence, shape) for fence, shape in zip(fences, shapes, strict=True)],
    )


def _row(source: SourceFence, shape: shapely.Geometry) -> tuple[object, ...]:
    fence = source.fence
    return (
        encode_geometry(shape),
        fence.id,
        fence.kind,
        fence.name,
        fence.shape.radius_m if isinstance(fence.shape, Circle) else None,
        fence.dwell_s,
        fence.exit_buffer_m,
        fence.accuracy_limit_m,
        fence.beacon,
        json.dumps(source.tags, ensure_ascii=False),
    )


def _geometry_of(fence: Fence) -> shapely.Geometry:
    if isinstance(fence.shape, Circle):
        return shapely.Point(fence.shape.centre.lon, fence.shape.centre.lat)
    return fence.shape.shape


def encode_geometry(shape: shapely.Geometry) -> bytes:
    """Return a geometry as GeoPackage binary, little-endian, with its envelope unless it is a point."""
    west, south, east, north = shape.bounds
    is_point = isinstance(shape, shapely.Point)
    header = struct.pack("<2sBBi", b"GP", 0, 0b001 if is_point else 0b011, WGS84_SRS_ID)
    envelope = b"" if is_point else struct.pack("<4d", west, east, south, north)
    return header + envelope + bytes(shapely.to_wkb(shape, byte_order=1))
