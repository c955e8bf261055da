"""The boxes in degrees that hold fences, found for all fences of a release at once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from gateway.core.fences.geometry import Circle, Corridor, Fence
from gateway.core.fences.ground import Floats

Ints = NDArray[np.int64]

LEAST_RADIUS_M = 6_335_000.0
"""Nowhere is the ellipsoid bent more: an angle reckoned with it is never too small."""
_BATCH = 10_000


class Boxes(NamedTuple):
    """West, south, east and north in degrees, and which fence each holds a part of.

    A box over the antimeridian goes on beyond it, past 180 or -180 degrees; one over a pole goes all around.
    """

    edges: Floats
    owners: Ints


def boxes_of(fences: Sequence[Fence]) -> Boxes:
    """Return the boxes of fences by their place in the sequence: one for each part that lies by itself."""
    circles = [number for number, fence in enumerate(fences) if isinstance(fence.shape, Circle)]
    others = [number for number, fence in enumerate(fences) if not isinstance(fence.shape, Circle)]
    found = [_of_circles(fences, circles)]
    # By the batch, so that only so many shapes are unpacked at a time.
    found += [_of_shapes(fences, others[at : at + _BATCH]) for at in range(0, len(others), _BATCH)]
    edges, owners = (np.concatenate(parts) for parts in zip(*found, strict=True))
    in_order = np.argsort(owners, kind="stable")
    return Boxes(edges[in_order], owners[in_order])


def widened(edges: Floats, by_m: Floats) -> Floats:
    """Return boxes that hold all that is at most so far from the given ones."""
    west, south, east, north = edges.T
    angle = np.minimum(by_m / LEAST_RADIUS_M, np.pi / 2)
    high = np.degrees(angle)
    # The meridians that touch a small circle: sin(longitude) = sin(radius) / cos(latitude), unless it holds a pole.
    nearest_pole = np.radians(90.0 - np.minimum(np.maximum(np.abs(south), np.abs(north)), 90.0))
    holds_pole = angle >= nearest_pole
    sine = np.sin(angle) / np.where(holds_pole, 1.0, np.sin(nearest_pole))
    wide = np.where(holds_pole, 360.0, np.degrees(np.arcsin(np.minimum(sine, 1.0))))
    return np.column_stack([west - wide, np.maximum(south - high, -90.0), east + wide, np.minimum(north + high, 90.0)])


def _of_circles(fences: Sequence[Fence], numbers: Sequence[int]) -> Boxes:
    circles = [fences[number].shape for number in numbers]
    rows = [(c.centre.lon, c.centre.lat, c.radius_m) for c in circles if isinstance(c, Circle)]
    lon, lat, radius_m = np.array(rows, dtype=np.float64).reshape(-1, 3).T
    return Boxes(widened(np.column_stack([lon, lat, lon, lat]), radius_m), np.array(numbers, dtype=np.int64))


def _of_shapes(fences: Sequence[Fence], numbers: Sequence[int]) -> Boxes:
    shapes = [fences[number].shape for number in numbers]
    geometries = shapely.from_wkb([shape.wkb for shape in shapes if not isinstance(shape, Circle)])
    half_m = np.array([0.5 * shape.width_m if isinstance(shape, Corridor) else 0.0 for shape in shapes])
    parts, owners = geometries, np.arange(len(geometries))
    if (shapely.get_num_geometries(geometries) > 1).any():
        parts, owners = shapely.get_parts(geometries, return_index=True)
    edges = shapely.bounds(parts)
    if half_m.any():
        edges = widened(edges, half_m[owners])
    return Boxes(edges, np.array(numbers, dtype=np.int64)[owners])
