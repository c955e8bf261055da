"""Which fences may hold a position: a tree of boxes, so that the cost grows with the logarithm of their number."""

from collections.abc import Iterable

import numpy as np
import shapely

from gateway.core.fences.geometry import Fence
from gateway.core.units import Position


class FenceIndex:
    """An immutable index over fences. Answers with candidates; `Fence.distance_m` decides."""

    def __init__(self, fences: Iterable[Fence]) -> None:
        self._fences = tuple(sorted(fences, key=lambda fence: fence.id))
        owners: list[int] = []
        boxes: list[tuple[float, float, float, float]] = []
        for number, fence in enumerate(self._fences):
            for box in fence.boxes():
                owners.append(number)
                boxes.append(box)
        self._owners = owners
        bounds = np.array(boxes, dtype=float).reshape(-1, 4)
        self._tree = shapely.STRtree(shapely.box(bounds[:, 0], bounds[:, 1], bounds[:, 2], bounds[:, 3]))

    def __len__(self) -> int:
        return len(self._fences)

    def near(self, position: Position) -> list[Fence]:
        """Return the fences whose box holds the position, by id, each once."""
        hits = self._tree.query(shapely.Point(position.lon, position.lat))
        if abs(position.lon) == 180.0:  # one meridian, two names
            hits = np.concatenate([hits, self._tree.query(shapely.Point(-position.lon, position.lat))])
        if not hits.size:
            return []
        return [self._fences[number] for number in sorted({self._owners[hit] for hit in hits})]
