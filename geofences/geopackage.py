"""Writing fences as a GeoPackage (OGC 12-128r18) that devices read and that GDAL and QGIS open.

One table of features in EPSG:4326 with an R-tree over them (the extension `gpkg_rtree_index`, annex F.3). The same
fences give the same bytes, in whatever order they come: rows stand in the order of their ids and no clock is read. (The
version of SQLite that wrote a file stands in its header, and another version may lay its pages out differently.)
"""

import json
import os
import sqlite3
import struct
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely

from gateway.core.fences.geometry import Area, Circle, Fence
from gateway.wire.fences import APPLICATION_ID, WGS84_SRS_ID, FenceProperties

TABLE = "fences"
GEOMETRY_COLUMN = "geom"
_INDEX = f"rtree_{TABLE}_{GEOMETRY_COLUMN}"
_BATCH = 5_000

# Tables 3, 4 and 5, and the three mandatory rows of requirement 11.
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
_COLUMNS = {
    "id": "TEXT NOT NULL UNIQUE",
    "kind": "TEXT NOT NULL",
    "name": "TEXT NOT NULL",
    "tags": "TEXT NOT NULL",
    "priority": "INTEGER NOT NULL",
    "radius_m": "DOUBLE",
    "width_m": "DOUBLE",
    "opening_hours": "TEXT",
    "time_zone": "TEXT",
    "dwell_s": "INTEGER NOT NULL",
    "enter_buffer_m": "DOUBLE NOT NULL",
    "exit_buffer_m": "DOUBLE NOT NULL",
    "accuracy_limit_m": "DOUBLE NOT NULL",
    "approach_m": "DOUBLE NOT NULL",
    "approach_s": "INTEGER NOT NULL",
    "beacon": "TEXT",
}
_SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = 10400;
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
CREATE TABLE gpkg_extensions (
    table_name TEXT,
    column_name TEXT,
    extension_name TEXT NOT NULL,
    definition TEXT NOT NULL,
    scope TEXT NOT NULL,
    CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name)
);
CREATE TABLE {TABLE} (
    fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    {GEOMETRY_COLUMN} GEOMETRY NOT NULL,
    {", ".join(f"{name} {declared}" for name, declared in _COLUMNS.items())}
);
CREATE VIRTUAL TABLE {_INDEX} USING rtree(id, minx, maxx, miny, maxy);
"""
_IS_THERE = f"(NEW.{GEOMETRY_COLUMN} NOTNULL AND NOT ST_IsEmpty(NEW.{GEOMETRY_COLUMN}))"
_WAS_THERE = f"(OLD.{GEOMETRY_COLUMN} NOTNULL AND NOT ST_IsEmpty(OLD.{GEOMETRY_COLUMN}))"
_BOX = ", ".join(f"ST_{side}(NEW.{GEOMETRY_COLUMN})" for side in ("MinX", "MaxX", "MinY", "MaxY"))
_INSERT = f"INSERT OR REPLACE INTO {_INDEX} VALUES (NEW.fid, {_BOX})"  # noqa: S608 - constants
_DELETE = f"DELETE FROM {_INDEX} WHERE id = OLD.fid"  # noqa: S608 - constants
# What keeps the index true when others edit the file: annex F.3 names them and says when each acts.
_TRIGGERS = {
    "insert": f"AFTER INSERT ON {TABLE} WHEN {_IS_THERE} BEGIN {_INSERT}; END",
    "update6": f"AFTER UPDATE OF {GEOMETRY_COLUMN} ON {TABLE} WHEN OLD.fid = NEW.fid AND {_IS_THERE} AND {_WAS_THERE}"
    f" BEGIN {_INSERT}; END",
    "update7": f"AFTER UPDATE OF {GEOMETRY_COLUMN} ON {TABLE} WHEN OLD.fid = NEW.fid AND {_IS_THERE}"
    f" AND NOT {_WAS_THERE} BEGIN {_INSERT}; END",
    "update2": f"AFTER UPDATE OF {GEOMETRY_COLUMN} ON {TABLE} WHEN OLD.fid = NEW.fid AND NOT {_IS_THERE}"
    f" BEGIN {_DELETE}; END",
    "update5": f"AFTER UPDATE ON {TABLE} WHEN OLD.fid != NEW.fid AND {_IS_THERE} BEGIN {_DELETE}; {_INSERT}; END",
    "update4": f"AFTER UPDATE ON {TABLE} WHEN OLD.fid != NEW.fid AND NOT {_IS_THERE}"
    f" BEGIN {_DELETE} OR id = NEW.fid; END",
    "delete": f"AFTER DELETE ON {TABLE} WHEN OLD.{GEOMETRY_COLUMN} NOT NULL BEGIN {_DELETE}; END",
}
_RTREE = (
    TABLE,
    GEOMETRY_COLUMN,
    "gpkg_rtree_index",
    "http://www.geopackage.org/spec120/#extension_rtree",
    "write-only",
)

Progress = Callable[[int, int], None]
"""Told how much of how much is done."""


@dataclass(frozen=True, slots=True)
class SourceFence:
    """A fence with what its editors wrote: the engine's fence has the opening hours compiled, the file as text."""

    fence: Fence
    opening_hours: str | None = None
    time_zone: str | None = None

    @classmethod
    def of(cls, fence: Fence, properties: FenceProperties) -> "SourceFence":
        """Return a fence with the texts of its properties."""
        return cls(fence, properties.opening_hours, properties.time_zone)


def write_geopackage(fences: Iterable[SourceFence], out: Path, progress: Progress | None = None) -> None:
    """Write fences in the order of their ids. The file appears whole or not at all."""
    ordered = sorted(fences, key=lambda fence: fence.fence.id)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.", suffix=".tmp")
    os.close(handle)
    draft = Path(name)
    try:
        with closing(sqlite3.connect(draft)) as connection:
            connection.executescript(_SCHEMA)
            _insert(connection, ordered, progress)
            for trigger, action in _TRIGGERS.items():
                connection.execute(f"CREATE TRIGGER {_INDEX}_{trigger} {action}")
            connection.commit()
        draft.chmod(0o644)
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)


def _insert(connection: sqlite3.Connection, fences: Sequence[SourceFence], progress: Progress | None) -> None:
    connection.executemany("INSERT INTO gpkg_spatial_ref_sys VALUES (?, ?, ?, ?, ?, ?)", _SPATIAL_REF_SYS)
    shapes = [geometry_of(fence.fence) for fence in fences]
    extent = shapely.total_bounds(shapes).tolist() if shapes else [None] * 4
    # `last_change` is given, so that the same sources make the same bytes.
    connection.execute(
        "INSERT INTO gpkg_contents VALUES (?, 'features', ?, 'Fences of Wayside', '1970-01-01T00:00:00.000Z',"
        " ?, ?, ?, ?, ?)",
        (TABLE, TABLE, *extent, WGS84_SRS_ID),
    )
    connection.execute(
        "INSERT INTO gpkg_geometry_columns VALUES (?, ?, 'GEOMETRY', ?, 0, 0)", (TABLE, GEOMETRY_COLUMN, WGS84_SRS_ID)
    )
    connection.execute("INSERT INTO gpkg_extensions VALUES (?, ?, ?, ?, ?)", _RTREE)
    names = ("fid", GEOMETRY_COLUMN, *_COLUMNS)
    statement = f"INSERT INTO {TABLE} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - constants
    for start in range(0, len(fences), _BATCH):
        batch, drawn = fences[start : start + _BATCH], np.array(shapes[start : start + _BATCH], dtype=object)
        numbers = range(start + 1, start + 1 + len(batch))
        rows = zip(numbers, batch, drawn, strict=True)
        connection.executemany(
            statement, [(number, encode_geometry(shape), *_row(fence)) for number, fence, shape in rows]
        )
        boxes = zip(numbers, shapely.bounds(drawn)[:, [0, 2, 1, 3]].tolist(), strict=True)
        connection.executemany(
            f"INSERT INTO {_INDEX} VALUES (?, ?, ?, ?, ?)",  # noqa: S608 - a constant
            [(number, *box) for number, box in boxes],
        )
        if progress is not None:
            progress(start + len(batch), len(fences))


def _row(source: SourceFence) -> tuple[object, ...]:
    fence, shape = source.fence, source.fence.shape
    special: dict[str, object] = {
        "tags": json.dumps(fence.tags, ensure_ascii=False),
        "radius_m": shape.radius_m if isinstance(shape, Circle) else None,
        "width_m": None if isinstance(shape, Circle | Area) else shape.width_m,
        "opening_hours": source.opening_hours,
        "time_zone": source.time_zone,
    }
    return tuple(special[name] if name in special else getattr(fence, name) for name in _COLUMNS)


def geometry_of(fence: Fence) -> shapely.Geometry:
    """Return the geometry that a fence is written with: a point, line or polygon, or several."""
    if isinstance(fence.shape, Circle):
        return shapely.Point(fence.shape.centre.lon, fence.shape.centre.lat)
    return fence.shape.shape if isinstance(fence.shape, Area) else fence.shape.line


def encode_geometry(shape: shapely.Geometry) -> bytes:
    """Return a geometry as GeoPackage binary, little-endian, with its envelope unless it is a point."""
    west, south, east, north = shape.bounds
    is_point = isinstance(shape, shapely.Point)
    header = struct.pack("<2sBBi", b"GP", 0, 0b001 if is_point else 0b011, WGS84_SRS_ID)
    envelope = b"" if is_point else struct.pack("<4d", west, east, south, north)
    return header + envelope + bytes(shapely.to_wkb(shape, byte_order=1))
