"""Sources of every kind, made where a test wants them."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from geofences.compiler import SourceRefused, compile_sources, read_source
from geofences.sources import Defaults

SQUARE = [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]
HOLE = [[0.4, 0.4], [0.4, 0.6], [0.6, 0.6], [0.6, 0.4], [0.4, 0.4]]
BOW_TIE = [[0, 0], [0.01, 0.01], [0.01, 0], [0, 0.01], [0, 0]]


def feature(geometry: object, **properties: object) -> dict[str, Any]:
    named = {"id": "a", "kind": "zone", **properties}
    return {"type": "Feature", "properties": named, "geometry": geometry}


def point(lon: float = 10.0, lat: float = 50.0) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [lon, lat]}


def polygon(*rings: object) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings)}


def line(*places: object) -> dict[str, Any]:
    return {"type": "LineString", "coordinates": list(places)}


def write(folder: Path, *features: object, name: str = "source.geojson", **members: object) -> Path:
    path = folder / name
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features), **members}))
    return path


def write_csv(folder: Path, text: str, name: str = "points.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(source: Path, **options: Any) -> SourceRefused:  # noqa: ANN401 - the options of read_source
    with pytest.raises(SourceRefused) as refused:
        read_source(source, **options)
    return refused.value


def refusal_of_all(folder: Path, *sources: Path, **defaults: Any) -> SourceRefused:  # noqa: ANN401 - of Defaults
    with pytest.raises(SourceRefused) as refused:
        compile_sources(sources, folder / "out.gpkg", Defaults(**defaults))
    assert not (folder / "out.gpkg").exists()
    return refused.value


def rows(package: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(package)) as connection:
        return connection.execute(query).fetchall()
