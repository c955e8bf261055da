"""Which fences are near a place: a grid of cells, each with all that is within its reach, at several sizes.

Theory. A fence is listed in every cell from which some place is at most the grid's margin from its box. So one look at
the cell of a place tells all fences at most that far from it; what is not listed is surely farther. Large fences are
listed in grids of large cells, so that none is listed in more than a few. One coarse grid says where there is nothing
for kilometres. Neither their number nor how far away they are makes a look dearer, only how many are close by.

Around a pole a cell has no width: all that reaches beyond 85 degrees of latitude is listed together.
"""

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from struct import Struct
from typing import TypeAlias

import numpy as np

from gateway.core.fences.boxes import Ints, boxes_of, widened
from gateway.core.fences.geometry import Fence, order
from gateway.core.fences.ground import Floats
from gateway.core.units import metres_per_degree

FAR_M = 2_500.0
"""No distance is told beyond this: at least so far is far enough."""
MARGIN_M = 150.0
"""How far around a place the finest grid tells everything."""
POLAR_DEG = 85.0

_FINEST = 17
"""The finest grid has 2 to the power of this many cells in a turn: 306 m each, to the north and at the equator."""
_COARSEST = 1
_EVERYWHERE = 12
"""The grid that says where there is nothing has cells of 9.8 km."""
_SPAN = 2
"""A fence is listed in the finest grid in whose cells it spans at most so many."""
_LEAST_DEGREE_M = 110_500.0
"""No degree of latitude is shorter."""
_BOX = Struct("4d")


Near: TypeAlias = tuple[int, float]
"""A fence, by its place in `FenceIndex.fences`, and a lower bound of its distance in metres: 0 within its box."""


class FenceIndex:
    """An immutable index over fences. Answers with candidates; `Fence.distance_m` decides.

    Attributes:
        fences: All of them, in the order in which they are reported: by priority, then by id.
        approach_s: The longest time before arriving at which any of them is approached; 0 if none is by time.
        zone_m: The largest approach zone; 0 if there is none.
    """

    def __init__(self, fences: Iterable[Fence]) -> None:
        self.fences = tuple(sorted(fences, key=order))
        self.approach_s = max((fence.approach_s for fence in self.fences), default=0)
        edges, owners = boxes_of(self.fences)
        self._boxes, self._owners = edges.tobytes(), array("i", owners.astype(np.int32).tobytes())
        self._is_split = len(owners) > len(self.fences)
        zones_m = np.fromiter((fence.approach_zone_m() for fence in self.fences), np.float64, len(self.fences))
        self.zone_m = float(zones_m.max(initial=0.0))
        zones = widened(edges, zones_m[owners])
        sizes = _sizes(zones)
        self._grids = tuple(
            _Grid(zones, np.flatnonzero(sizes == size), size, _margin_m(size))
            for size in sorted(set(sizes.tolist()), reverse=True)
        )
        small = np.flatnonzero(sizes > _EVERYWHERE)
        self._anything = _Grid(zones, small, _EVERYWHERE, FAR_M)
        self._polar = tuple(
            np.flatnonzero(reaches).tolist()
            for reaches in (zones[:, 1] <= -POLAR_DEG + 0.01, zones[:, 3] >= POLAR_DEG - 0.01)
        )

    def __len__(self) -> int:
        return len(self.fences)

    def around(self, lon: float, lat: float) -> tuple[list[Near], float]:
        """Return the fences that may be near a place, in their order, and the distance within which all are told.

        A fence that is not told is farther away than that, counted from the end of its approach zone.
        """
        if abs(lat) >= POLAR_DEG:
            polar = sorted({self._owners[box] for box in self._polar[lat > 0]})
            return [(number, 0.0) for number in polar], MARGIN_M
        boxes: list[int] = []
        reach_m = FAR_M
        is_empty = self._anything.place_of(lon, lat) is None
        for grid in self._grids:
            if is_empty and grid.size > _EVERYWHERE:
                continue
            boxes += grid.listed(lon, lat)
            reach_m = min(reach_m, grid.margin_m)
        return (self._measured(boxes, lon, lat) if boxes else []), reach_m

    def _measured(self, boxes: list[int], lon: float, lat: float) -> list[Near]:
        # Nothing that is nearer than the farthest told lies nearer to the pole than this.
        lon_m = 0.995 * metres_per_degree(abs(lat) + 0.03)[0]
        owners, unpack, all_boxes = self._owners, _BOX.unpack_from, self._boxes
        found: list[Near] = []
        for box in boxes:
            west, south, east, north = unpack(all_boxes, 32 * box)
            wide = west - lon if lon < west else lon - east if lon > east else 0.0
            if wide > 0.0 and (other := 360.0 + west - east - wide) < wide:
                wide = max(other, 0.0)  # it is nearer the other way round
            high = south - lat if lat < south else lat - north if lat > north else 0.0
            wide *= lon_m
            high *= _LEAST_DEGREE_M
            at_least_m = math.sqrt(wide * wide + high * high)
            found.append((owners[box], min(at_least_m, FAR_M)))
        if self._is_split or len(self._grids) > 1:
            nearest: dict[int, float] = {}
            for number, at_least_m in found:
                nearest[number] = min(at_least_m, nearest.get(number, FAR_M))
            found = sorted(nearest.items())
        return found


class _Grid:
    """Cells of one size by what is listed in them, in one array; a cell in which nothing is listed takes no room."""

    def __init__(self, boxes: Floats, numbers: Ints, size: int, margin_m: float) -> None:
        self.size, self.margin_m = size, margin_m
        self._turn = 1 << size
        cells, listed = self._cover(widened(boxes[numbers], np.full(len(numbers), margin_m)), numbers)
        in_order = np.argsort(cells, kind="stable")
        keys, starts = np.unique(cells[in_order], return_index=True)
        self._keys, self._starts = array("q", keys.tobytes()), array("q", [*starts.tolist(), len(cells)])
        self._listed = array("i", listed[in_order].astype(np.int32).tobytes())

    def place_of(self, lon: float, lat: float) -> int | None:
        """Return where the cell of a place not beyond 85 degrees of latitude stands; None: nothing is listed in it."""
        turn = self._turn
        key = (int((lat + 90.0) / 360.0 * turn) << 20) + int((lon + 180.0) / 360.0 * turn) % turn
        at = bisect_left(self._keys, key)
        return at if at < len(self._keys) and self._keys[at] == key else None

    def listed(self, lon: float, lat: float) -> list[int]:
        """Return what is listed in the cell of a place."""
        at = self.place_of(lon, lat)
        return [] if at is None else self._listed[self._starts[at] : self._starts[at + 1]].tolist()

    def _cover(self, boxes: Floats, numbers: Ints) -> tuple[Ints, Ints]:
        """Return all cells that boxes touch between the polar circles, and of which number each box is."""
        turn, per_degree = self._turn, self._turn / 360.0
        west, south, east, north = boxes.T
        south, north = np.maximum(south, -POLAR_DEG), np.minimum(north, POLAR_DEG)
        rows = np.floor((south + 90.0) * per_degree).astype(np.int64)
        columns = np.floor((west + 180.0) * per_degree).astype(np.int64)
        high = np.floor((north + 90.0) * per_degree).astype(np.int64) - rows + 1
        wide = np.minimum(np.floor((east + 180.0) * per_degree).astype(np.int64) - columns + 1, turn)
        counts = np.where(south <= north, high * wide, 0)
        owner = np.repeat(np.arange(len(boxes)), counts)
        nth = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        row, column = rows[owner] + nth // wide[owner], (columns[owner] + nth % wide[owner]) % turn
        return (row << 20) + column, numbers[owner]


def _margin_m(size: int) -> float:
    """Return a quarter of a cell, at least the finest margin, at most what is told at all."""
    return min(FAR_M, max(MARGIN_M, 10_000_000.0 / (1 << size)))


def _sizes(boxes: Floats) -> Ints:
    """Return for each box the finest grid in which it is listed in few cells only."""
    west, south, east, north = boxes.T
    cells = np.maximum(np.maximum(east - west, north - south), 1e-9) / 360.0 * (1 << _FINEST) / _SPAN
    # Every other size, so that few grids have to be looked at.
    steps = 2 * np.ceil(np.maximum(np.log2(cells), 0.0) / 2.0).astype(np.int64)
    sizes: Ints = np.maximum(_FINEST - steps, _COARSEST)
    return sizes
