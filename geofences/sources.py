"""What a source says, feature by feature, before anything is judged: properties as they stand, and a shape in degrees.

GeoJSON (RFC 7946) and CSV are read here, with nothing but the standard library and shapely; everything else by
`geofences.layers`. A feature that cannot be read becomes a fault at its place, and reading goes on.
"""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import shapely

from gateway.core.errors import ReleaseError
from gateway.wire.fences import FenceProperties

DEFAULT_RADIUS_M = 100.0

GEOJSON = (".geojson", ".json")
TABLES = (".csv", ".csv.gz")
LAYERS = (".gpkg", ".shp", ".zip", ".fgb")
"""How the names of sources end."""

PROPERTIES = frozenset(FenceProperties.model_fields)
_WGS84 = frozenset({"urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:OGC::CRS84", "OGC:CRS84"})
_WGS84_LAT_FIRST_ON_PAPER = frozenset({"urn:ogc:def:crs:EPSG::4326", "EPSG:4326"})
_GEOMETRIES = frozenset(
    {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"}
)
_LON_NAMES, _LAT_NAMES = ("longitude", "lon", "lng", "x"), ("latitude", "lat", "y")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a feature stands: its source and its number in it, from 0; None for the source as a whole."""

    source: Path
    index: int | None = None
    what: str = "feature"
    layer: str | None = None

    def __str__(self) -> str:
        where = f"{self.source}, layer {self.layer}" if self.layer else str(self.source)
        return where if self.index is None else f"{where}: {self.what} {self.index}"


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a feature, or a whole source, cannot be compiled."""

    place: Place
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"


class SourceRefused(ReleaseError):
    """Sources that cannot be compiled.

    Attributes:
        faults: All that is wrong in them.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What is said for features that do not say it themselves.

    Attributes:
        kind: What kind of place it is.
        radius_m: The radius of points; None: 100 m in a CSV, and in other sources each point has to say its own.
        width_m: The width of lines.
        id_prefix: Features without an id are called `{prefix}-{number}`, from 1 in each source; None: in a CSV the
            kind is the prefix, and in other sources each feature has to say its own.
        id_from: The property or column to take as the id.
        name_from: The property or column to take as the name.
        crs: The coordinate reference system of a source that does not say.
        ignore_unknown: Leave properties out that a fence does not have, instead of refusing them.
    """

    kind: str | None = None
    radius_m: float | None = None
    width_m: float | None = None
    id_prefix: str | None = None
    id_from: str | None = None
    name_from: str | None = None
    crs: str | None = None
    ignore_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature as it was read.

    Attributes:
        place: Where.
        properties: As they stand.
        shape: In degrees, two-dimensional.
        notes: What was put right to be able to read it.
    """

    place: Place
    properties: Mapping[str, object]
    shape: shapely.Geometry
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class Reading:
    """What was read from one source.

    Attributes:
        source: The source.
        features: Those that could be read.
        faults: Those that could not.
        remarks: What holds for the source as a whole, e.g. that it was reprojected.
        points_radius_m: The radius of its points that do not say one.
        id_prefix: What features without an id are called by.
    """

    source: Path
    features: list[Feature] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    points_radius_m: float | None = None
    id_prefix: str | None = None


class Unreadable(Exception):
    """Why a feature, or a source, cannot be read."""


def read_source(source: Path, defaults: Defaults) -> Reading:
    """Return all that can be read of a source, with what cannot."""
    reading = Reading(source, points_radius_m=defaults.radius_m, id_prefix=defaults.id_prefix)
    try:
        _read_into(reading, defaults)
    except Unreadable as error:
        reading.faults.append(Fault(Place(source), str(error)))
    return reading


def _read_into(reading: Reading, defaults: Defaults) -> None:
    name = reading.source.name.lower()
    if name.endswith(GEOJSON):
        _read_geojson(reading, defaults)
    elif name.endswith(TABLES):
        _read_table(reading, defaults)
    elif name.endswith(LAYERS):
        from geofences import layers  # noqa: PLC0415 - geopandas costs a second to import, and few need it

        layers.read(reading, defaults)
    else:
        raise Unreadable(f"must be named {', '.join((*GEOJSON, *TABLES, *LAYERS))}")


def _read_geojson(reading: Reading, defaults: Defaults) -> None:
    try:
        document = json.loads(reading.source.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise Unreadable(f"is no GeoJSON: {error}") from error
    features, crs = _features_of(document), _crs_of(document) or defaults.crs
    for index, feature in enumerate(features):
        place = Place(reading.source, index)
        try:
            properties, shape, notes = _feature_of(feature)
        except Unreadable as error:
            reading.faults.append(Fault(place, str(error)))
        else:
            reading.features.append(Feature(place, properties, shape, notes))
    if crs is not None and crs not in _WGS84 | _WGS84_LAT_FIRST_ON_PAPER:
        from geofences import layers  # noqa: PLC0415 - as above

        layers.reproject(reading, crs)


def _features_of(document: object) -> list[object]:
    """Return the features of a document; a geometry without one is a feature that says nothing."""
    kind = document.get("type") if isinstance(document, dict) else None
    if not isinstance(document, dict) or kind not in {"FeatureCollection", "Feature", *_GEOMETRIES}:
        raise Unreadable("must be a FeatureCollection, a Feature or a geometry")
    if kind == "Feature":
        return [document]
    if kind in _GEOMETRIES:
        return [{"type": "Feature", "properties": {}, "geometry": document}]
    features = document.get("features")
    if not isinstance(features, list):
        raise Unreadable("'features' must be a list")
    return features


def _crs_of(document: dict[str, Any]) -> str | None:
    """Return the name of the reference system, as GeoJSON of 2008 says it."""
    crs = document.get("crs")
    if crs is None:
        return None
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    if not isinstance(name, str):
        raise Unreadable("its 'crs' names no coordinate reference system")
    return name


def _feature_of(feature: object) -> tuple[Mapping[str, object], shapely.Geometry, tuple[str, ...]]:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise Unreadable("must be a Feature")
    geometry, properties = feature.get("geometry"), feature.get("properties")
    if not isinstance(geometry, dict) or not isinstance(properties, dict | None):
        raise Unreadable("needs a geometry and properties")
    said = {"id": str(feature["id"])} if feature.get("id") is not None else {}
    shape, notes = _shape_of(geometry)
    return {**said, **(properties or {})}, shape, notes


def _shape_of(geometry: dict[str, Any]) -> tuple[shapely.Geometry, tuple[str, ...]]:
    kind = geometry.get("type")
    if kind in {"GeometryCollection", "MultiPoint"}:
        raise Unreadable(f"a fence is a Point, LineString, MultiLineString, Polygon or MultiPolygon, not a {kind}")
    notes: list[str] = []
    try:
        flat = _flattened(geometry.get("coordinates"))
        if kind in {"Polygon", "MultiPolygon"}:
            rings = flat if kind == "Polygon" else [ring for polygon in flat for ring in polygon]
            for ring in rings:
                if len(ring) > 2 and ring[0] != ring[-1]:
                    ring.append(ring[0])
                    notes.append("a ring was not closed")
        return shapely.from_geojson(json.dumps({"type": kind, "coordinates": flat})), tuple(notes)
    except (shapely.errors.ShapelyError, ValueError, TypeError, RecursionError) as error:
        raise Unreadable(f"the geometry is no GeoJSON: {error}") from error


def _flattened(coordinates: Any) -> Any:  # noqa: ANN401 - lists in lists, as deep as the geometry has them
    """Return coordinates without their heights, as new lists."""
    if not isinstance(coordinates, list):
        raise Unreadable("the geometry has no coordinates")
    if any(isinstance(entry, list) for entry in coordinates):
        return [_flattened(entry) for entry in coordinates]
    if coordinates and not all(isinstance(n, int | float) and not isinstance(n, bool) for n in coordinates):
        raise Unreadable("the geometry's coordinates must be numbers")
    return coordinates[:2]


def _read_table(reading: Reading, defaults: Defaults) -> None:
    try:
        raw = reading.source.read_bytes()
        text = (gzip.decompress(raw) if reading.source.name.lower().endswith(".gz") else raw).decode("utf-8-sig")
        rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        header = [name.strip().lower() for name in rows.fieldnames or []]
        rows.fieldnames = header
        entries = list(rows)
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise Unreadable(f"is no CSV: {error}") from error
    lon, lat = _first_of(_LON_NAMES, header), _first_of(_LAT_NAMES, header)
    if lon is None or lat is None or not entries:
        raise Unreadable("needs the columns longitude and latitude, and at least one row")
    if defaults.kind is None and "kind" not in header:
        raise Unreadable("a CSV needs the kind of place its points are, as --kind or in a column kind")
    reading.points_radius_m = DEFAULT_RADIUS_M if defaults.radius_m is None else defaults.radius_m
    reading.id_prefix = defaults.id_prefix or defaults.kind
    wanted = PROPERTIES | {name.lower() for name in (defaults.id_from, defaults.name_from) if name}
    ignored = [name for name in header if name not in {lon, lat, *wanted}]
    if ignored:
        reading.remarks.append(f"ignored columns: {', '.join(ignored)}")
    for index, row in enumerate(entries):
        place = Place(reading.source, index, "row")
        try:
            point = shapely.Point(float(row[lon]), float(row[lat]))
        except (TypeError, ValueError):
            reading.faults.append(Fault(place, f"{lon} and {lat} must be numbers"))
            continue
        reading.features.append(Feature(place, dict(_cells(row, wanted)), point))


def _first_of(names: Iterable[str], header: Sequence[str]) -> str | None:
    return next((name for name in names if name in header), None)


def _cells(row: Mapping[str, str | None], wanted: Iterable[str]) -> Iterator[tuple[str, object]]:
    """Yield what a row says of the wanted columns; an empty cell says nothing."""
    for name in wanted:
        cell = (row.get(name) or "").strip()
        if cell:
            yield name, cell
