"""Sources that need geopandas: GeoPackage, Shapefile (zipped too), FlatGeobuf; and other reference systems than WGS 84.

Whatever a source is in, features leave here in longitude and latitude of WGS 84. Edges that are straight on a projected
map are not straight in degrees; so that they stay where they were they get a point at least each kilometre first, which
keeps them within 0.1 m below 70 degrees of latitude.
"""

import warnings
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pyogrio
import pyproj
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from geofences.antimeridian import with_short_edges
from geofences.sources import Defaults, Fault, Feature, Place, Reading, Unreadable

STEP_M = 1_000.0
_MOST_STEPS = 1_000_000
"""Twenty-five times round the Earth: what is longer was never in these coordinates."""
_WGS84 = pyproj.CRS.from_epsg(4326)


def read(reading: Reading, defaults: Defaults) -> None:
    """Read every layer of a source that has geometries.

    Raises:
        Unreadable: It cannot be opened, or a layer says no reference system and none is given.
    """
    try:
        layers = [str(name) for name, kind in pyogrio.list_layers(reading.source) if kind is not None]
        tables = [(name, _read_layer(reading, name)) for name in layers]
    except (DataSourceError, DataLayerError, OSError) as error:
        raise Unreadable(f"cannot be opened: {error}") from error
    if not tables:
        raise Unreadable("has no layer of features")
    for name, table in tables:
        crs = table.crs or defaults.crs
        if crs is None:
            raise Unreadable(f"layer {name} does not say its coordinate reference system; give --crs")
        taken = Reading(reading.source)
        _take(taken, table, name if len(tables) > 1 else None)
        reproject(taken, crs)
        reading.features += taken.features
        reading.faults += taken.faults
        reading.remarks += taken.remarks


def _read_layer(reading: Reading, name: str) -> gpd.GeoDataFrame:
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        table = pyogrio.read_dataframe(reading.source, layer=name)
    reading.remarks += [f"layer {name}: {warning.message}" for warning in raised]
    return table


def _take(reading: Reading, table: gpd.GeoDataFrame, layer: str | None) -> None:
    shapes = table.geometry.to_numpy()
    records = table.drop(columns=table.geometry.name).astype(object).to_dict("records")
    for index, (record, shape) in enumerate(zip(records, shapes, strict=True)):
        place = Place(reading.source, index, layer=layer)
        if shape is None:
            reading.faults.append(Fault(place, "needs a geometry"))
            continue
        properties = {str(name): _plain(value) for name, value in record.items()}
        reading.features.append(Feature(place, properties, shapely.force_2d(_single(shape))))


def _plain(value: object) -> object:
    """Return a value as Python has it: no scalar of numpy, and None for every kind of nothing."""
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, str | int | float | list) else None if value is None else _text_or_none(value)


def _text_or_none(value: object) -> str | None:
    text = str(value)
    return None if text in {"<NA>", "NaT", "nan"} else text


def _single(shape: shapely.Geometry) -> shapely.Geometry:
    """Return the one part of a MultiPoint: tables of one kind of geometry promote points to it."""
    if isinstance(shape, shapely.MultiPoint) and len(shape.geoms) == 1:
        return shape.geoms[0]
    return shape


def reproject(reading: Reading, crs: object) -> None:
    """Bring all that was read to longitude and latitude of WGS 84, and say so.

    Raises:
        Unreadable: The reference system is unknown.
    """
    try:
        origin = pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise Unreadable(f"unknown coordinate reference system {crs!r}") from error
    if origin.equals(_WGS84, ignore_axis_order=True):
        return
    transformer = pyproj.Transformer.from_crs(origin, _WGS84, always_xy=True)
    unit_m = origin.axis_info[0].unit_conversion_factor
    step = STEP_M / unit_m if origin.is_projected else None
    kept = []
    for feature in reading.features:
        moved = _moved(feature.shape, transformer, step)
        if moved is None:
            reading.faults.append(Fault(feature.place, f"lies outside of what {origin.name} can say"))
        else:
            kept.append(replace(feature, shape=moved))
    reading.features = kept
    reading.remarks.append(f"reprojected from {origin.name} to EPSG:4326")


def _moved(shape: shapely.Geometry, transformer: pyproj.Transformer, step: float | None) -> shapely.Geometry | None:
    """Return a shape in degrees; None for what is not on Earth."""
    if step is not None:
        if not shapely.length(shape) < step * _MOST_STEPS:
            return None
        shape = with_short_edges(shape, step)
    moved = shapely.transform(shape, transformer.transform, interleaved=False)
    return moved if np.isfinite(shapely.get_coordinates(moved)).all() else None
