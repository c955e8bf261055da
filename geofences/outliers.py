"""Fences that lie far from all others, like a petrol station of California in Colombia.

How it is judged: fences are of one group if they can be reached from one another in steps of about the stated distance
(250 km unless told otherwise; what is nearer always counts as a step, what is 3.5 times as far never does).
A group of at most a thousandth of all fences, or of one, is an outlier, if there are at least 20 fences in all. So a
stray point is found wherever it is, and a chain that is spread over islands is not torn apart without need. It is no
more than a hint: nothing is left out unless it is asked for.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
import shapely

DEFAULT_STEP_KM = 250.0
FEWEST = 20
_SHARE = 1_000
_EARTH_KM = 6_371.0

Cell = tuple[int, int, int]
_NEIGHBOURS = [offset for offset in product((-1, 0, 1), repeat=3) if offset > (0, 0, 0)]


def find_outliers(shapes: Sequence[shapely.Geometry], step_km: float = DEFAULT_STEP_KM) -> list[int]:
    """Return the numbers of the shapes that lie far from all others, in order.

    Every vertex counts. Places are cubes of space, so that neither the antimeridian nor a pole is an edge.
    """
    if len(shapes) < FEWEST:
        return []
    degrees, owners = shapely.get_coordinates(shapes, return_index=True)
    lon, lat = np.radians(degrees.T)
    space = _EARTH_KM * np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    pairs = np.unique(np.column_stack([owners, np.floor(space / step_km).astype(int)]), axis=0).tolist()
    groups = _Groups()
    first_cell: dict[int, Cell] = {}
    for owner, x, y, z in pairs:
        groups.join((x, y, z), first_cell.setdefault(owner, (x, y, z)))
    for cell in list(groups.known):
        for dx, dy, dz in _NEIGHBOURS:
            neighbour = (cell[0] + dx, cell[1] + dy, cell[2] + dz)
            if neighbour in groups.known:
                groups.join(cell, neighbour)
    members: dict[Cell, list[int]] = {}
    for owner, cell in first_cell.items():
        members.setdefault(groups.root(cell), []).append(owner)
    most = max(1, len(shapes) // _SHARE)
    return sorted(owner for group in members.values() if len(group) <= most < len(shapes) for owner in group)


class _Groups:
    """Which cells belong together: a forest of trees, joined at their roots."""

    def __init__(self) -> None:
        self.known: dict[Cell, Cell] = {}

    def root(self, cell: Cell) -> Cell:
        while self.known.setdefault(cell, cell) != cell:
            self.known[cell] = self.known[self.known[cell]]
            cell = self.known[cell]
        return cell

    def join(self, one: Cell, other: Cell) -> None:
        self.known[self.root(one)] = self.root(other)
