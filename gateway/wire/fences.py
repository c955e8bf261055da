"""Compiled fences: a GeoPackage becomes the engine's fences, read with sqlite3 and shapely alone.

A circle is a POINT with `radius_m`, a corridor a LINESTRING or MULTILINESTRING with `width_m`, any other fence a
POLYGON or MULTIPOLYGON. One fence that is wrong refuses the whole file: a release is taken whole or not at all.

Fences are read and checked many at a time. If anything is wrong among them they are read again one by one, by the same
rules, to say which one it is and why. `geofences` writes such files and shares `make_fence`.
"""

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, TypeAlias
from urllib.parse import quote

import numpy as np
import shapely
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from gateway.core.errors import InvalidPosition, ReleaseError
from gateway.core.fences.geometry import Area, Circle, Corridor, Fence, Shape
from gateway.core.units import Position
from gateway.wire.opening_hours import compile_hours, offsets_of, week_of
from gateway.wire.topics import ID_PATTERN

FENCE_KINDS = ("fuel_station", "store", "mall", "cafe", "stadium", "parking", "bank", "zone")
"""What kind of place a fence is."""

APPLICATION_ID = 0x47504B47
"""`GPKG` in ASCII: OGC 12-128r15, requirement 2."""
WGS84_SRS_ID = 4326

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_ID = re.compile(ID_PATTERN)
_LONGEST_NAME = 200
_ENVELOPE_BYTES = {0: 0, 1: 32, 2: 48, 3: 48, 4: 64}
_REQUIRED_COLUMNS = frozenset({"id", "kind"})
_CHUNK = 1_000
"""Rows read at a time: what is not kept of them is let go before the next ones."""
_WIDEST_DEG = 180.0
_POINT, _LINEAR, _AREAL = 0, (1, 5), (3, 6)  # shapely.get_type_id
_KINDS = (_POINT, *_LINEAR, *_AREAL)

Geometries: TypeAlias = NDArray[np.object_]

_DEFAULT: dict[str, Any] = {field.name: field.default for field in fields(Fence)}


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
    name: Annotated[str, StringConstraints(max_length=_LONGEST_NAME)] = ""
    tags: list[Annotated[str, StringConstraints(min_length=1, max_length=64)]] = []
    priority: Annotated[int, Field(ge=-1000, le=1000)] = _DEFAULT["priority"]
    radius_m: Annotated[float, Field(gt=0, le=100_000)] | None = None
    width_m: Annotated[float, Field(gt=0, le=100_000)] | None = None
    opening_hours: Annotated[str, StringConstraints(max_length=500)] | None = None
    time_zone: Annotated[str, StringConstraints(max_length=64)] | None = None
    dwell_s: Annotated[int, Field(ge=0, le=7 * 86_400)] = _DEFAULT["dwell_s"]
    enter_buffer_m: Annotated[float, Field(ge=0, le=10_000)] = _DEFAULT["enter_buffer_m"]
    exit_buffer_m: Annotated[float, Field(ge=0, le=10_000)] = _DEFAULT["exit_buffer_m"]
    accuracy_limit_m: Annotated[float, Field(gt=0, le=100_000)] = _DEFAULT["accuracy_limit_m"]
    approach_m: Annotated[float, Field(ge=0, le=100_000)] = _DEFAULT["approach_m"]
    approach_s: Annotated[int, Field(ge=0, le=86_400)] = _DEFAULT["approach_s"]
    beacon: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None

    @field_validator("opening_hours")
    @classmethod
    def _read_hours(cls, text: str | None) -> str | None:
        if text is not None:
            week_of(text)
        return text

    @field_validator("time_zone")
    @classmethod
    def _find_zone(cls, name: str | None) -> str | None:
        if name is not None:
            offsets_of(name)
        return name

    @model_validator(mode="after")
    def _agree(self) -> "FenceProperties":
        if self.opening_hours is not None and self.time_zone is None:
            raise ValueError("opening_hours needs a time_zone, like 'America/Los_Angeles'")
        half_width_m = self.radius_m or (self.width_m or 0.0) / 2
        if half_width_m and self.enter_buffer_m >= half_width_m:
            raise ValueError(
                f"enter_buffer_m {self.enter_buffer_m:g} leaves nothing: the middle is {half_width_m:g} m deep"
            )
        return self

    def rules(self) -> dict[str, Any]:
        """Return the arguments of `Fence` beside its id, name and shape."""
        hours = compile_hours(self.opening_hours, self.time_zone) if self.opening_hours and self.time_zone else None
        same = ("kind", "priority", "dwell_s", "beacon", "approach_m", "approach_s")
        buffers = ("enter_buffer_m", "exit_buffer_m", "accuracy_limit_m")
        named = {name: getattr(self, name) for name in (*same, *buffers)}
        return {**named, "tags": tuple(self.tags), "opening_hours": hours}


_COLUMNS = tuple(FenceProperties.model_fields)


def make_fence(properties: Mapping[str, object], geometry: shapely.Geometry) -> tuple[Fence, FenceProperties]:
    """Return a fence of checked properties and a sound geometry, with its properties.

    Raises:
        FencesRefused: What is wrong with it; the caller knows where it stands.
    """
    checked = _checked(properties)
    shape = _shape_of(shapely.force_2d(geometry), checked)
    return Fence(id=checked.id, name=checked.name or checked.id, shape=shape, **checked.rules()), checked


def _checked(properties: Mapping[str, object]) -> FenceProperties:
    try:
        return FenceProperties.model_validate(dict(properties))
    except ValidationError as error:
        faults = error.errors(include_url=False)
        named = [(".".join(map(str, fault["loc"])), fault["msg"].removeprefix("Value error, ")) for fault in faults]
        raise FencesRefused("; ".join(f"{where}: {what}" if where else what for where, what in named)) from error


def _shape_of(geometry: shapely.Geometry, checked: FenceProperties) -> Shape:
    kind = shapely.get_type_id(geometry)
    if kind not in _KINDS:
        known = "a Point, LineString, MultiLineString, Polygon or MultiPolygon"
        raise FencesRefused(f"a fence is {known}, not a {geometry.geom_type}")
    if geometry.is_empty:
        raise FencesRefused("the geometry is empty")
    _check_reach(kind, checked)
    if kind == _POINT:
        return _circle(geometry, checked.radius_m)
    _check_coordinates(geometry)
    return _made_of(kind, shapely.to_wkb(geometry, byte_order=1), checked.width_m)


def _check_reach(kind: int, checked: FenceProperties) -> None:
    """Check that points have a radius and lines a width, and nothing else has."""
    if (checked.radius_m is not None) != (kind == _POINT):
        raise FencesRefused("a point needs radius_m" if kind == _POINT else "radius_m is for a point, and this is none")
    if (checked.width_m is not None) != (kind in _LINEAR):
        raise FencesRefused("a line needs width_m" if kind in _LINEAR else "width_m is for a line, and this is none")


def _circle(point: shapely.Point, radius_m: float | None) -> Circle:
    try:
        return Circle(Position(point.x, point.y), radius_m or 0.0)
    except InvalidPosition as error:
        raise FencesRefused(str(error)) from error


def _made_of(kind: int, wkb: bytes, width_m: float | None) -> Shape:
    return Area(wkb) if kind in _AREAL else Corridor(wkb, width_m or 0.0)


def _check_coordinates(geometry: shapely.Geometry) -> None:
    coordinates = shapely.get_coordinates(geometry)
    if not ((abs(coordinates[:, 0]) <= 180.0).all() and (abs(coordinates[:, 1]) <= 90.0).all()):
        raise FencesRefused("longitude must be -180..180 and latitude -90..90 degrees")
    if not geometry.is_valid:
        raise FencesRefused(f"the geometry is not valid: {shapely.is_valid_reason(geometry)}")
    if _has_wide_edge(geometry):
        raise FencesRefused("an edge spans more than 180 degrees; split it at the antimeridian (RFC 7946, 3.1.9)")


def _has_wide_edge(geometry: shapely.Geometry) -> bool:
    parts = shapely.get_parts(geometry)
    paths = shapely.get_rings(parts) if shapely.get_dimensions(geometry) == 2 else parts
    return any((abs(np.diff(shapely.get_coordinates(path)[:, 0])) > _WIDEST_DEG).any() for path in paths)


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
        ids.add(fence.id)
        if fence.beacon is not None:
            if fence.beacon in beacons:
                raise FencesRefused(f"the beacon {fence.beacon!r} speaks for two fences")
            beacons.add(fence.beacon)


def read_fences(path: Path) -> tuple[Fence, ...]:
    """Return the fences of a GeoPackage, in the order of their ids. Every feature table of it is read.

    Columns that are missing or NULL have the defaults; columns of other names are not looked at.

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
    fences.sort(key=lambda fence: fence.id)
    return tuple(fences)


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
    columns.sort(key=lambda column: column not in {"id", "name"})  # what differs from row to row comes first
    listed = ", ".join(f'"{column}"' for column in (geometry_column, *columns))
    rows = connection.execute(f'SELECT {listed} FROM "{table}"')  # noqa: S608 - names checked in _tables
    fences: list[Fence] = []
    several = _Several(columns)
    while chunk := rows.fetchmany(_CHUNK):
        try:
            fences += several.read(chunk)
        except FencesRefused:
            fences += _read_each(chunk, columns, table, len(fences))
    return fences


def _read_each(rows: Sequence[tuple[object, ...]], columns: Sequence[str], table: str, before: int) -> list[Fence]:
    """Read fences one by one.

    Raises:
        FencesRefused: The first that is wrong, by name.
    """
    fences = []
    for number, (blob, *values) in enumerate(rows, start=before + 1):
        try:
            fences.append(make_fence(_properties(columns, values), decode_geometry(blob))[0])
        except FencesRefused as refused:
            id_ = values[0]  # the columns are sorted so
            raise FencesRefused(f"table {table!r}, fence {number if id_ is None else id_!r}: {refused}") from refused
    return fences


def _properties(columns: Sequence[str], values: Sequence[object]) -> dict[str, object]:
    """Return what a row says; tags stand in it as JSON."""
    properties = {name: value for name, value in zip(columns, values, strict=True) if value is not None}
    if "tags" in properties:
        try:
            properties["tags"] = json.loads(str(properties["tags"]))
        except (ValueError, RecursionError) as error:
            raise FencesRefused(f"tags: must be a list in JSON: {error}") from error
    return properties


class _Several:
    """Reads many fences of one table at once; what all but their ids and names say is checked once for each wording."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._names = columns.count("id") + columns.count("name")
        self._columns = columns[self._names :]
        self._known: dict[tuple[object, ...], tuple[FenceProperties, dict[str, Any]]] = {}

    def read(self, rows: Sequence[tuple[Any, ...]]) -> list[Fence]:
        """Return the fences of rows: a geometry, the id, perhaps a name, and the other columns.

        Raises:
            FencesRefused: Something is wrong among them.
        """
        shapes, wkbs = _decode_many([row[0] for row in rows])
        _check_many(shapes)
        fences = []
        for row, shape, wkb, kind in zip(rows, shapes, wkbs, shapely.get_type_id(shapes).tolist(), strict=True):
            id_, name = row[1], row[2] if self._names == 2 else None
            _check_names(id_, name)
            checked, arguments = self._rules_of(id_, row[1 + self._names :])
            _check_reach(kind, checked)
            made = _circle(shape, checked.radius_m) if kind == _POINT else _made_of(kind, wkb, checked.width_m)
            fences.append(Fence(id=id_, name=name or id_, shape=made, **arguments))
        return fences

    def _rules_of(self, id_: str, values: tuple[object, ...]) -> tuple[FenceProperties, dict[str, Any]]:
        if values not in self._known:
            checked = _checked({**_properties(self._columns, values), "id": id_})
            self._known[values] = (checked, checked.rules())
        return self._known[values]


def _check_names(id_: object, name: object) -> None:
    """Check an id and a name by the rules of `FenceProperties`."""
    if not (isinstance(id_, str) and _ID.fullmatch(id_)):
        raise FencesRefused("id")
    if name is not None and not (isinstance(name, str) and len(name) <= _LONGEST_NAME):
        raise FencesRefused("name")


def _check_many(shapes: Geometries) -> None:
    """Check many geometries by the rules of `_check_coordinates`."""
    kinds = shapely.get_type_id(shapes)
    if shapely.is_empty(shapes).any() or not np.isin(kinds, _KINDS).all():
        raise FencesRefused("kinds")
    bounds = shapely.bounds(shapes)
    if not ((np.abs(bounds[:, ::2]) <= 180.0).all() and (np.abs(bounds[:, 1::2]) <= 90.0).all()):
        raise FencesRefused("bounds")
    wide = shapes[bounds[:, 2] - bounds[:, 0] > _WIDEST_DEG]
    if not shapely.is_valid(shapes[kinds != _POINT]).all() or any(map(_has_wide_edge, wide)):
        raise FencesRefused("validity")


def _decode_many(blobs: Sequence[object]) -> tuple[Geometries, Sequence[bytes]]:
    """Return many geometries in two dimensions with their WKB."""
    binary = [blob for blob in blobs if isinstance(blob, bytes) and len(blob) > 8]
    heads = np.frombuffer(b"".join([blob[:8] for blob in binary]), dtype=np.uint8).reshape(-1, 8)
    # Little-endian and of the standard kind is what GDAL and this project write. Others are read one by one.
    expected = np.array([*b"GP\x00", *WGS84_SRS_ID.to_bytes(4, "little")], dtype=np.uint8)
    is_usual = (np.delete(heads, 3, axis=1) == expected).all() and ((heads[:, 3] & 0b110_0001) == 1).all()
    if len(binary) < len(blobs) or not is_usual or ((heads[:, 3] >> 1 & 7) > 4).any():
        raise FencesRefused("heads")
    wkbs = [blob[8 + _ENVELOPE_BYTES[blob[3] >> 1 & 7] :] for blob in binary]
    try:
        shapes: Geometries = shapely.from_wkb(wkbs)
    except shapely.errors.ShapelyError as error:
        raise FencesRefused("WKB") from error
    if not all(wkb[0] == 1 for wkb in wkbs) or shapely.has_z(shapes).any() or shapely.has_m(shapes).any():
        shapes = shapely.force_2d(shapes)
        wkbs = shapely.to_wkb(shapes, byte_order=1).tolist()
    return shapes, wkbs


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
