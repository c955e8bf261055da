"""What is in a compiled file, and what in it looks like a mistake.

Nothing here stops a release: these are fences that the engine takes, but that will hardly do what was meant.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import shapely

from gateway.core.fences.geometry import Area, Circle, Fence
from gateway.wire.fences import read_fences
from geofences.compiler import shape_name
from geofences.geopackage import geometry_of
from geofences.measures import Geometries, Plane, areas_m2, footprints
from geofences.overlaps import Overlap, find_overlaps, find_pairs

TINY_RADIUS_M = 10.0
"""About the error of a good fix."""
HUGE_M2 = 1e10
"""10,000 km2: a small country."""
THIN_M = 5.0
THIN_SHARE = 0.02
"""Of the area of a circle with the same outline."""
SAME_SHARE = 0.99
"""Two fences with so much in common are one place that is listed twice."""
MOST_LISTED = 1_000
MOST_MEASURED = 1_000_000
"""Pairs: most of a minute."""
_LISTED = 10


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about a fence that looks like a mistake."""

    fence: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file of fences holds.

    Attributes:
        file: The file.
        fences: How many.
        kinds: How many of each kind of place.
        shapes: How many of each kind of shape.
        vertices: Of all.
        extent_deg: West, south, east, north.
        area_km2: The sum over all fences.
        hours: How many have opening hours.
        overlapping: How many pairs overlap; of more than a million: how many meet, if only at an edge.
        overlaps: The pairs with the largest shares, at most a thousand; none if there are more than a million.
        problems: In the order of the fences.
    """

    file: str
    fences: int
    kinds: dict[str, int]
    shapes: dict[str, int]
    vertices: int
    extent_deg: list[float] | None
    area_km2: float
    hours: int
    overlapping: int
    overlaps: list[Overlap]
    problems: list[Problem]

    def as_json(self) -> dict[str, object]:
        """Return it for scripts."""
        return asdict(self)

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield it for people: what, and how much."""
        yield "fences", f"{self.fences:,}, {self.hours:,} with opening hours"
        for what, counts in (("kinds", self.kinds), ("shapes", self.shapes)):
            yield what, ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none"
        yield "vertices", f"{self.vertices:,}"
        if self.extent_deg is not None:
            west, south, east, north = self.extent_deg
            yield "extent", f"{west:.5f} to {east:.5f} degrees of longitude, {south:.5f} to {north:.5f} of latitude"
        yield "area", f"{self.area_km2:,.3f} km2"
        yield "overlaps", f"{self.overlapping:,} pairs"
        pairs = [f"{o.first} and {o.second}: {o.share:.1%} of the smaller one" for o in self.overlaps]
        yield from _some("overlap", pairs, self.overlapping if pairs else 0)
        yield "problems", f"{len(self.problems):,}"
        yield from _some("problem", [f"{p.fence}: {p.message}" for p in self.problems], len(self.problems))


def _some(what: str, lines: Sequence[str], total: int) -> Iterator[tuple[str, str]]:
    yield from ((what, line) for line in lines[:_LISTED])
    if total > _LISTED:
        yield what, f"and {total - _LISTED:,} more: --json has them"


def inspect(path: Path) -> Inspection:
    """Return what a compiled file holds.

    Raises:
        FencesRefused: It is none that a gateway would take.
    """
    fences = read_fences(path)
    drawn = footprints(fences)
    areas = areas_m2(drawn) if len(drawn) else np.zeros(0)
    pairs = find_pairs(drawn)
    overlaps = find_overlaps(fences, drawn, pairs) if len(pairs) <= MOST_MEASURED else []
    bare = [geometry_of(fence) for fence in fences]
    return Inspection(
        file=str(path),
        fences=len(fences),
        kinds=dict(sorted(Counter(fence.kind for fence in fences).items())),
        shapes=dict(sorted(Counter(shape_name(fence) for fence in fences).items())),
        vertices=int(shapely.get_num_coordinates(bare).sum()) if bare else 0,
        extent_deg=[round(edge, 7) for edge in shapely.total_bounds(drawn).tolist()] if bare else None,
        area_km2=float(areas.sum()) / 1e6,
        hours=sum(fence.opening_hours is not None for fence in fences),
        overlapping=len(overlaps) if len(pairs) <= MOST_MEASURED else len(pairs),
        overlaps=overlaps[:MOST_LISTED],
        problems=list(_problems(fences, drawn, areas.tolist(), overlaps)),
    )


def _problems(
    fences: Sequence[Fence], drawn: Geometries, areas: Sequence[float], overlaps: Sequence[Overlap]
) -> Iterator[Problem]:
    area_of = dict(zip((fence.id for fence in fences), areas, strict=True))
    same: dict[str, list[str]] = {}
    for overlap in overlaps:
        smaller, larger = sorted((area_of[overlap.first], area_of[overlap.second]))
        if overlap.share * smaller > SAME_SHARE * larger:
            same.setdefault(overlap.first, []).append(overlap.second)
    for fence, footprint, area_m2 in zip(fences, drawn, areas, strict=True):
        for code, message in _problems_of(fence, footprint, area_m2):
            yield Problem(fence.id, code, message)
        for other in same.get(fence.id, []):
            yield Problem(fence.id, "same_place", f"is all but the same place as {other}")


def _problems_of(fence: Fence, footprint: shapely.Geometry, area_m2: float) -> Iterator[tuple[str, str]]:
    """Yield what looks like a mistake of one fence."""
    radius_m = math.sqrt(area_m2 / math.pi)
    if radius_m < TINY_RADIUS_M:
        yield "tiny", f"as large as a circle of {radius_m:.1f} m, less than a fix is off: it will be missed"
    if area_m2 > HUGE_M2:
        yield "huge", f"{area_m2 / 1e6:,.0f} km2, as large as a small country"
    if fence.exit_buffer_m > radius_m:
        yield (
            "exit_buffer",
            f"exit_buffer_m {fence.exit_buffer_m:g} is larger than the fence, a circle of {radius_m:.0f} m by area",
        )
    if isinstance(fence.shape, Area):
        yield from _problems_of_area(fence, footprint, area_m2)
    elif not isinstance(fence.shape, Circle) and not geometry_of(fence).is_simple:
        yield "crosses_itself", "the line crosses itself"


def _problems_of_area(fence: Fence, area: shapely.Geometry, area_m2: float) -> Iterator[tuple[str, str]]:
    plane = Plane.at(*shapely.centroid(area).coords[0])
    flat = plane.flatten(area)
    outline_m = flat.length
    width_m = 2 * area_m2 / outline_m
    if width_m < THIN_M or 4 * math.pi * area_m2 / outline_m**2 < THIN_SHARE:
        yield "sliver", f"{width_m:.1f} m wide on average: crossed between two fixes"
    if fence.enter_buffer_m > 0 and flat.buffer(-fence.enter_buffer_m).is_empty:
        yield "enter_buffer", f"enter_buffer_m {fence.enter_buffer_m:g} leaves nothing of it: it cannot be entered"
    if _touches_itself(area):
        yield "touches_itself", "two of its rings touch"


def _touches_itself(area: shapely.Geometry) -> bool:
    """Tell whether two rings of an area meet elsewhere than at the antimeridian, where it was cut."""
    rings = shapely.get_rings(shapely.get_parts(area))
    if len(rings) < 2:
        return False
    one, other = shapely.STRtree(rings).query(rings, predicate="intersects")
    met = shapely.intersection(rings[one[one < other]], rings[other[one < other]])
    return bool((np.abs(shapely.bounds(met)[:, [0, 2]]) < 180.0).any())
