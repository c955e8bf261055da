"""Fences: what a fix costs among many of them, with and without clearance, and what it takes to load 100,000.

Run as a program with a GeoPackage it loads that one and prints how long that took and how much memory: each load is
measured in a process of its own.
"""

import csv
import gzip
import json
import math
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import shapely
from figures import figure, repeated

from gateway.core.events import FenceReported, PositionReported
from gateway.core.fences import clearance, tracker, visits
from gateway.core.fences.geometry import Area, Circle, Fence
from gateway.core.release import Release, compile_release
from gateway.core.state import Memory
from gateway.core.units import Position, metres_per_degree

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
SIZES = (100, 1_000, 10_000, 100_000)
VERTICES = 24
CITY = Position(-122.25, 47.61)
DRIVE_BOX_KM = 40.0
STATE_KM = 400.0
"""Washington is about that wide."""
BLOCK_M = 200.0
LOADED = 100_000
RUNS = 3

Fixes = Sequence[PositionReported]


def measure() -> dict[str, object]:
    """Return the figures of fences; those on real traces only where the data is."""
    found: dict[str, object] = {f"city_25_per_km2_{n}": _both(_city(n), _walk()) for n in SIZES}
    if DATA.is_dir():
        drive = _drive()
        found |= {f"drive_1hz_more_fences_elsewhere_{n}": _both(_along(drive, n), drive) for n in SIZES}
        found |= {f"drive_1hz_more_fences_here_{n}": _both(_strewn(n, DRIVE_BOX_KM), drive) for n in SIZES}
        cab = _cab()
        found |= {f"cab_among_{kind}": _both(_places(kind), cab) for kind in ("fuel", "restaurant")}
    return found | {f"load_{LOADED}": _loads()}


def _both(fences: Iterable[Fence], fixes: Fixes) -> dict[str, object]:
    """Return what a fix costs with and without clearance."""
    release = compile_release("bench", 1, fences, [], [])
    found: dict[str, object] = {}
    for name, enabled in (("", True), ("without_clearance_", False)):
        clearance.ENABLED = enabled
        cost = repeated(partial(_us_per_fix, release, fixes), "us/fix", RUNS)
        found |= {f"{name}fix": cost, f"{name}rate": f"{1e6 / float(str(cost['median'])):.0f} fixes/s"}
    clearance.ENABLED = True
    return found


def _us_per_fix(release: Release, fixes: Fixes) -> float:
    """Return what each fix of a way takes the tracker, crossings made true included."""
    memory = Memory()
    began = time.process_time()
    for fix in fixes:
        told = tracker.locate(memory, release, fix, fix.ts)
        if isinstance(told, FenceReported):
            visits.take(memory, release, told, fix.ts)
    return (time.process_time() - began) / len(fixes) * 1e6


def _loads() -> dict[str, object]:
    """Return how long it takes to read fences from a file and index them, and how much memory they keep."""
    from geofences.geopackage import SourceFence, write_geopackage  # noqa: PLC0415 -- pandas, needed here only

    with tempfile.TemporaryDirectory(prefix="wayside-bench-") as folder:
        path = Path(folder) / "city.gpkg"
        write_geopackage([SourceFence(fence) for fence in _city(LOADED)], path)
        command = [sys.executable, __file__, str(path)]
        runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(RUNS)]
    return {
        "ready": figure([run["ready_s"] for run in runs], "s"),
        "ready_cpu": figure([run["cpu_s"] for run in runs], "s"),
        "memory": figure([run["memory_mib"] for run in runs], "MiB", 1),
    }


def _load(path: Path) -> dict[str, float]:
    """Read a file of fences into a release and return what that took."""
    from gateway.wire.fences import read_fences  # noqa: PLC0415 -- counts to what is there before

    process = psutil.Process()
    before, began, cpu = process.memory_info().rss, time.perf_counter(), time.process_time()
    release = compile_release("bench", 1, read_fences(path), [], [])
    ready_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    memory_mib = (process.memory_info().rss - before) / 2**20
    release.index.around(CITY.lon, CITY.lat)
    return {"ready_s": ready_s, "cpu_s": cpu_s, "memory_mib": memory_mib}


def _place(east_m: float, north_m: float) -> Position:
    lon_m, lat_m = metres_per_degree(CITY.lat)
    return Position(CITY.lon + east_m / lon_m, CITY.lat + north_m / lat_m)


def _building(number: int, at: Position, draw: np.random.Generator) -> Fence:
    """Return a fence of 24 vertices, some 60 m across."""
    lon_m, lat_m = metres_per_degree(at.lat)
    angle, reach = np.linspace(0.0, math.tau, VERTICES, endpoint=False), draw.uniform(25.0, 40.0, VERTICES)
    corners = np.column_stack([at.lon + reach * np.cos(angle) / lon_m, at.lat + reach * np.sin(angle) / lat_m])
    return Fence(f"fence-{number}", "store", f"Fence {number}", Area(shapely.Polygon(corners)))


def _city(count: int) -> list[Fence]:
    """Return a city of that many fences, one a block, growing outwards from its middle."""
    draw, half = np.random.default_rng(1), math.isqrt(count) // 2 + 1
    blocks = sorted(
        ((x, y) for x in range(-half, half + 1) for y in range(-half, half + 1)), key=lambda b: (max(map(abs, b)), b)
    )
    places = [
        _place(BLOCK_M * (x + 0.5) + draw.uniform(-40, 40), BLOCK_M * (y + 0.5) + draw.uniform(-40, 40))
        for x, y in blocks[:count]
    ]
    return [_building(number, place, draw) for number, place in enumerate(places)]


def _walk() -> Fixes:
    """Return a way through the streets in the middle of that city, a fix a second, 10 m/s, 3 m of noise."""
    draw = random.Random(2)  # noqa: S311 -- a way, not a secret
    x = y = 0.0
    step, fixes = (10.0, 0.0), []
    for second in range(10_000):
        if x % BLOCK_M < 10.0 and y % BLOCK_M < 10.0:
            step = draw.choice([(10.0, 0.0), (-10.0, 0.0), (0.0, 10.0), (0.0, -10.0)])
        if max(abs(x + step[0]), abs(y + step[1])) > 4 * BLOCK_M:
            step = (-step[0], -step[1])
        x, y = x + step[0], y + step[1]
        where = _place(x + draw.gauss(0, 3), y + draw.gauss(0, 3))
        fixes.append(PositionReported("car-1", 1_000 * (second + 1), where, 5.0))
    return fixes


def _strewn(count: int, side_km: float) -> list[Fence]:
    """Return fences strewn over a square around the city."""
    draw, half_m = np.random.default_rng(3), 500.0 * side_km
    return [_building(n, _place(*draw.uniform(-half_m, half_m, 2).tolist()), draw) for n in range(count)]


def _along(fixes: Fixes, count: int) -> list[Fence]:
    """Return 100 fences along a way, and the others all over the state but where the way leads."""
    draw, half_m = np.random.default_rng(4), 500.0 * STATE_KM
    places = [fixes[at].position for at in range(0, len(fixes), len(fixes) // 100)][:100]
    while len(places) < count:
        east_m, north_m = draw.uniform(-half_m, half_m, 2).tolist()
        if max(abs(east_m), abs(north_m)) > 500.0 * DRIVE_BOX_KM:
            places.append(_place(east_m, north_m))
    return [_building(number, place, draw) for number, place in enumerate(places)]


def _drive() -> Fixes:
    lines = (DATA / "traces" / "seattle_1hz" / "gps_data.txt").read_text(encoding="utf-8").splitlines()[1:]
    fixes = []
    for day, clock, lat, lon in (line.split("\t")[:4] for line in lines):
        at = datetime.strptime(f"{day} {clock} +0000", "%d-%b-%Y %H:%M:%S %z")
        fixes.append(PositionReported("car-1", round(at.timestamp()) * 1000, Position(float(lon), float(lat))))
    return fixes


def _cab() -> Fixes:
    with gzip.open(DATA / "traces" / "sf_cabs" / "abboip.txt.gz", "rt") as file:
        rows = sorted((line.split() for line in file), key=lambda row: int(row[3]))
    return [PositionReported("cab", int(row[3]) * 1000, Position(float(row[1]), float(row[0]))) for row in rows]


def _places(kind: str) -> list[Fence]:
    path = DATA / "pois" / f"california_osm_{kind}.csv"
    opener: Callable[..., Iterable[str]] = open if path.exists() else gzip.open
    with opener(path if path.exists() else path.with_suffix(".csv.gz"), "rt") as file:  # type: ignore[attr-defined]
        places = [Position(float(row["longitude"]), float(row["latitude"])) for row in csv.DictReader(file)]
    return [Fence(f"f{number}", "store", "", Circle(place, 100.0)) for number, place in enumerate(places)]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_load(Path(sys.argv[1]))))
