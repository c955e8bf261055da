"""Compiled fences: a GeoPackage becomes the engine's fences, read with sqlite3 and shapely alone.

A circle is a POINT with `radius_m`; any other fence is a POLYGON or MULTIPOLYGON. One fence that is wrong refuses the
whole file: a release is taken whole or not at all. `geofences.compiler` writes such files and shares `make_fence`.
"""

import re
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import shapely
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway.core.errors import InvalidPosition, ReleaseError
from gateway.core.fences.geometry import Area, Circle, Fence
from gateway.core.units import Position
from gateway.wire.topics import ID_PATTERN

FENCE_KINDS = ("fuel_station", "store", "mall", "cafe", "stadium", "parking", "bank", "zone")
"""What kind of place a fence is."""

APPLICATION_ID = 0x47504B47
"""`GPKG` in ASCII: OGC 12-128r15, requirement 2."""
WGS84_SRS_ID = 4326

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_ENVELOPE_BYTES = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}
_COLUMNS = ("id", "kind", "name", "radius_m", "dwell_s", "exit_buffer_m", "accuracy_limit_m", "beacon")
_REQUIRED_COLUMNS = frozenset({"id", "kind"})


class FencesRefused(ReleaseError):
    """A fence, or a file of fences, that must not be activated."""


def _known_kind(kind: str) -> str:
    if kind not in FENCE_KINDS:
        raise ValueError(f"unknown fence kind {kind!r}; known are {', '.join(FENCE_KINDS)}")
    return kind


class FenceProperties(BaseModel):
    """What is said of a fence beside its geometry. What is left out has the default of the engine's `Fence`."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    id: Annotated[str, StringConstraints(pattern=ID_PATTERN)]
    kind: Annotated[str, AfterValidator(_known_kind)]
    name: Annotated[str, StringConstraints(max_length=200)] = ""
    radius_m: Annotated[float, Field(gt=0, le=100_000)] | None = None
    dwell_s: Annotated[int, Field(ge=0, le=7 * 86_400)] = Fence.dwell_s
    exit_buffer_m: Annotated[float, Field(ge=0, le=10_000)] = Fence.exit_buffer_m
    accuracy_limit_m: Annotated[float, Field(gt=0, le=100_000)] = Fence.accuracy_limit_m
    beacon: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    tags: list[Annotated[str, StringConstraints(min_length=1, max_length=64)]] = []


def make_fence(properties: Mapping[str, object], geometry: shapely.Geometry) -> tuple[Fence, FenceProperties]:
    """Return a fence of checked properties and a sound geometry, with its properties.

    Raises:
        FencesRefused: What is wrong with it; the caller knows where it stands.
    """
    try:
        checked = FenceProperties.model_validate(dict(properties))
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise FencesRefused("; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']}" for f in faults)) from error
    fence = Fence(
        id=checked.id,
        kind=checked.kind,
        name=checked.name or checked.id,
        shape=_shape_of(shapely.force_2d(geometry), checked.radius_m),
        exit_buffer_m=checked.exit_buffer_m,
        dwell_s=checked.dwell_s,
        accuracy_limit_m=checked.accuracy_limit_m,
        beacon=checked.beacon,
    )
    return fence, checked


def _shape_of(geometry: shapely.Geometry, radius_m: float | None) -> Circle | Area:
    if geometry.is_empty:
        raise FencesRefused("the geometry is empty")
    if isinstance(geometry, shapely.Point):
        if radius_m is None:
            raise FencesRefused("a point needs radius_m")
        try:
            return Circle(Position(geometry.x, geometry.y), radius_m)
        except InvalidPosition as error:
            raise FencesRefused(str(error)) from error
    if not isinstance(geometry, shapely.Polygon | shapely.MultiPolygon):
        raise FencesRefused(f"a fence is a Point, Polygon or MultiPolygon, not a {geometry.geom_type}")
    if radius_m is not None:
        raise FencesRefused(f"radius_m is for a point, not for a {geometry.geom_type}")
    _check_area(geometry)
    return Area(geometry)


def _check_area(area: shapely.Polygon | shapely.MultiPolygon) -> None:
    coordinates = shapely.get_coordinates(area)
    if not ((abs(coordinates[:, 0]) <= 180.0).all() and (abs(coordinates[:, 1]) <= 90.0).all()):
        raise FencesRefused("longitude must be -180..180 and latitude -90..90 degrees")
    if not area.is_valid:
        raise FencesRefused(f"the geometry is not valid: {shapely.is_valid_reason(area)}")
    for ring in shapely.get_rings(area):
        longitudes = shapely.get_coordinates(ring)[:, 0]
        if (abs(longitudes[1:] - longitudes[:-1]) > 180.0).any():
            raise FencesRefused("an edge spans more than 180 degrees; split it at the antimeridian (RFC 7946, 3.1.9)")


def check_unique(fences: Iterable[Fence]) -> None:
    """Check that no two fences share an id or a beacon.

    Raises:
        FencesRefused: Two do.
    """
    ids: set[str] = set()
    beacons: set[str] = set()
    for fence in fences:
        if fence.id in ids:
            raise FencesRefused(f"the fence {fence.id!r} stands twice")
        if fence.beacon is not None and fence.beacon in beacons:
            raise FencesRefused(f"the beacon {fence.beacon!r} speaks for two fences")
        ids.add(fence.id)
        beacons |= {fence.beacon} if fence.beacon is not None else set()


def read_fences(path: Path) -> tuple[Fence, ...]:
    """Return the fences of a GeoPackage, in the order of their ids. Every feature table of it is read.

    Raises:
        FencesRefused: It is no GeoPackage, or a fence in it is wrong.
    """
    # `immutable` because a release must not change: sqlite would otherwise put its lock files beside it.
    uri = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            fences = [fence for table in _tables(connection) for fence in _read_table(connection, *table)]
        check_unique(fences)
    except sqlite3.Error as error:
        raise FencesRefused(f"{path.name}: {error}") from error
    except FencesRefused as refused:
        raise FencesRefused(f"{path.name}: {refused}") from refused
    return tuple(sorted(fences, key=lambda fence: fence.id))


def _tables(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return each feature table with its geometry column."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise FencesRefused("is no GeoPackage")
    rows = connection.execute(
        "SELECT c.table_name, g.column_name, g.srs_id FROM gpkg_contents c"
        " JOIN gpkg_geometry_columns g ON g.table_name = c.table_name"
        " WHERE c.data_type = 'features' ORDER BY c.table_name"
    ).fetchall()
    if not rows:
        raise FencesRefused("has no table of features")
    for table, column, srs_id in rows:
        # Names go into statements below, where they cannot be parameters.
        if not all(isinstance(name, str) and _NAME.fullmatch(name) for name in (table, column)):
            raise FencesRefused("names of tables and columns must be letters, digits and '_'")
        if srs_id != WGS84_SRS_ID:
            raise FencesRefused(f"the table {table!r} is not in WGS 84 longitude and latitude (EPSG:4326)")
    return [(table, column) for table, column, _ in rows]


def _read_table(connection: sqlite3.Connection, table: str, geometry_column: str) -> list[Fence]:
    present = {row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')}
    missing = _REQUIRED_COLUMNS - present
    if missing:
        raise FencesRefused(f"the table {table!r} has no column {', '.join(sorted(missing))}")
    columns = [column for column in _COLUMNS if column in present]
    listed = ", ".join(f'"{column}"' for column in (geometry_column, *columns))
    rows = connection.execute(f'SELECT {listed} FROM "{table}"')  # noqa: S608 - names checked in _tables
    fences = []
    for number, (blob, *values) in enumerate(rows, start=1):
        properties = {name: value for name, value in zip(columns, values, strict=True) if value is not None}
        try:
            fences.append(make_fence(properties, decode_geometry(blob))[0])
        except FencesRefused as refused:
            raise FencesRefused(f"table {table!r}, fence {properties.get('id', number)!r}: {refused}") from refused
    return fences


def decode_geometry(blob: object) -> shapely.Geometry:
    """Return the geometry of a GeoPackage binary: a header, perhaps an envelope, then WKB (OGC 12-128r15, 2.1.3).

    Raises:
        FencesRefused: It is none.
    """
    if not isinstance(blob, bytes) or len(blob) < 8 or blob[:2] != b"GP" or blob[2] != 0:
        raise FencesRefused("the geometry is no GeoPackage binary")
    flags = blob[3]
    envelope_bytes = _ENVELOPE_BYTES.get(flags >> 1 & 0b111)
    if envelope_bytes is None or flags & 0b100000:
        raise FencesRefused("the geometry is of an unknown GeoPackage kind")
    if int.from_bytes(blob[4:8], "little" if flags & 1 else "big", signed=True) != WGS84_SRS_ID:
        raise FencesRefused("the geometry is not in WGS 84 (EPSG:4326)")
    try:
        return shapely.from_wkb(blob[8 + envelope_bytes :])
    except shapely.errors.ShapelyError as error:
        raise FencesRefused(f"the geometry is no WKB: {error}") from error
