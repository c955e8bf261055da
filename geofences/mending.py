"""Making one shape fit to be a fence: cut at the antimeridian, valid, simple enough, and running the right way round.

Each step says what it did. What cannot be made right is refused with the reason.
"""

from dataclasses import dataclass

import numpy as np
import shapely

from gateway.wire.fences import FencesRefused
from geofences import antimeridian
from geofences.measures import Plane, areas_m2

_POLYGONAL = (3, 6)
_KNOWN = (0, 1, 3, 5, 6)  # shapely.get_type_id: what a fence may be
_FARTHEST_DEG = 540.0
"""Longitudes beyond 180 are of the next turn; what is farther is no longitude but metres, most likely."""


@dataclass(slots=True)
class Mended:
    """A shape that may be a fence, and what was done to it.

    Attributes:
        shape: In degrees.
        vertices_before: Of the shape as it came, what was cut or repaired included.
        repaired: What was wrong and was put right, with what it did to the area; None: it was right.
        was_split: It crossed the antimeridian or went over a pole.
        was_turned: A ring ran the wrong way round (RFC 7946 section 3.1.6).
        was_simplified: It lost vertices.
        moved_m: How far its outline moved at most by that.
    """

    shape: shapely.Geometry
    vertices_before: int
    repaired: str | None = None
    was_split: bool = False
    was_turned: bool = False
    was_simplified: bool = False
    moved_m: float = 0.0


def mend(
    shape: shapely.Geometry, *, strict: bool = False, simplify_m: float = 0.0, notes: tuple[str, ...] = ()
) -> Mended:
    """Return a shape that may be a fence.

    Args:
        shape: In degrees.
        strict: Refuse what would have to be repaired.
        simplify_m: How far the outline may move to save vertices, in metres; 0: not at all.
        notes: What was put right already when it was read.

    Raises:
        FencesRefused: Nothing can be made of it, or `strict` forbids it.
    """
    _check_coordinates(shape)
    if strict and notes:
        raise FencesRefused(notes[0])
    shape = antimeridian.snap(shape)
    mended = Mended(shape, int(shapely.get_num_coordinates(shape)), "; ".join(notes) or None)
    if shapely.get_dimensions(shape) > 0:
        _split_and_repair(mended, strict=strict)
        if simplify_m > 0:
            _simplify(mended, simplify_m)
        mended.shape = antimeridian.bridge_long_edges(mended.shape)
    if shapely.get_type_id(mended.shape) in _POLYGONAL:
        turned = shapely.orient_polygons(mended.shape)
        mended.was_turned = not mended.was_split and not shapely.equals_exact(turned, mended.shape)
        mended.shape = turned
    return mended


def _check_coordinates(shape: shapely.Geometry) -> None:
    if shapely.get_type_id(shape) not in _KNOWN:
        known = "a Point, LineString, MultiLineString, Polygon or MultiPolygon"
        raise FencesRefused(f"a fence is {known}, not a {shape.geom_type}")
    if shape.is_empty:
        raise FencesRefused("the geometry is empty")
    degrees = shapely.get_coordinates(shape)
    if not np.isfinite(degrees).all():
        raise FencesRefused("a coordinate is not finite")
    farthest = _FARTHEST_DEG if shapely.get_dimensions(shape) else 180.0
    if (np.abs(degrees[:, 0]) > farthest).any() or (np.abs(degrees[:, 1]) > 90.0).any():
        raise FencesRefused("longitude must be -180..180 and latitude -90..90 degrees")


def _split_and_repair(mended: Mended, *, strict: bool) -> None:
    before = mended.shape
    reason = None
    if antimeridian.crosses(before):
        mended.was_split = True
        try:
            mended.shape = antimeridian.split(before)
        except antimeridian.Tangled as tangled:
            reason, before = str(tangled), tangled.unrolled
            mended.shape = antimeridian.split(mended.shape, mend=True)
    if not mended.shape.is_valid:
        reason = reason or shapely.is_valid_reason(mended.shape)
        mended.shape = _valid(mended.shape)
    if mended.shape.is_empty:
        raise FencesRefused(f"nothing is left of it: {reason or 'it has no area'}")
    if reason is not None:
        if strict:
            raise FencesRefused(f"the geometry is not valid: {reason}")
        said = [mended.repaired, f"{reason}: {_change_of(before, mended.shape)}"]
        mended.repaired = "; ".join(text for text in said if text)


def _valid(shape: shapely.Geometry) -> shapely.Geometry:
    """Return what a shape covers as a valid one: rings that overlap are joined, and what has no area is left out."""
    if shapely.get_dimensions(shape) == 1:
        lines = [part for part in shapely.get_parts(shape) if part.is_valid]
        return lines[0] if len(lines) == 1 else shapely.MultiLineString(lines)
    valid = shapely.make_valid(shape, method="structure", keep_collapsed=False)
    polygons = [part for part in shapely.get_parts(valid) if part.geom_type == "Polygon"]
    return polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)


def _change_of(before: shapely.Geometry, after: shapely.Geometry) -> str:
    if shapely.get_dimensions(after) < 2:
        return "parts of no length were left out"
    was, now = areas_m2([before, after]).tolist()
    share = f"{(now - was) / was:+.2%}" if was > 0.01 * now else "it had none that can be told"
    return f"area {was:,.0f} -> {now:,.0f} m2 ({share})"


def _simplify(mended: Mended, tolerance_m: float) -> None:
    """Take away vertices as long as the outline stays within the tolerance, and the shape valid.

    Measured on a plane on which nothing is shorter than on Earth, so that what is within the tolerance there is within
    it on the ground. A result that is not is not taken.
    """
    plane = Plane.of(mended.shape)
    flat = plane.flatten(mended.shape)
    simple = shapely.simplify(flat, tolerance_m, preserve_topology=True)
    moved_m = _moved_m(flat, simple)
    restored = plane.restore(simple)
    if moved_m <= tolerance_m and restored.is_valid and not restored.is_empty:
        mended.was_simplified = shapely.get_num_coordinates(simple) < shapely.get_num_coordinates(flat)
        mended.moved_m = moved_m
        mended.shape = _with_old_vertices(restored, mended.shape)


def _moved_m(before: shapely.Geometry, after: shapely.Geometry) -> float:
    """Return how far an outline is from the simpler one that took its place: the Hausdorff distance.

    Vertices of the simpler one are vertices of the other. The farthest point of a chain from the edge that replaces it
    is a vertex; and a chain that joins the ends of an edge passes each point of it, so that none is farther from it.
    """
    outline = after if shapely.get_dimensions(after) == 1 else shapely.boundary(after)
    corners = shapely.points(shapely.get_coordinates(before))
    shapely.prepare(outline)
    return float(shapely.distance(corners, outline).max())


def _with_old_vertices(restored: shapely.Geometry, original: shapely.Geometry) -> shapely.Geometry:
    """Return a simplified shape with the very numbers that its vertices had before they went through metres."""
    known = {(round(x, 9), round(y, 9)): (x, y) for x, y in shapely.get_coordinates(original).tolist()}

    def look_up(degrees: antimeridian.Degrees) -> antimeridian.Degrees:
        return np.array([known.get((round(x, 9), round(y, 9)), (x, y)) for x, y in degrees.tolist()])

    exact = shapely.transform(restored, look_up)
    return exact if exact.is_valid else restored
