"""How samples are spread: exact quantiles, of every sample that was taken.

A histogram of fixed relative precision (HDR) would need less memory; the samples of a bounded load fit as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class Spread:
    """Quantiles in milliseconds: each is the least sample that so large a share of all does not exceed."""

    count: int
    p50: float
    p90: float
    p99: float
    p99_9: float
    max: float

    @staticmethod
    def of(samples_ns: Sequence[int] | NDArray[np.int64]) -> "Spread | None":
        """Return the spread of samples in nanoseconds, or None where there is none.

        >>> Spread.of([3_000_000, 1_000_000, 2_000_000])
        Spread(count=3, p50=2.0, p90=3.0, p99=3.0, p99_9=3.0, max=3.0)
        """
        ordered = np.sort(np.asarray(samples_ns, dtype=np.int64))
        if not ordered.size:
            return None
        # Shares are given in thousandths, so that the rank is exact.
        ranks = [-(-ordered.size * thousandths // 1000) - 1 for thousandths in (500, 900, 990, 999, 1000)]
        return Spread(int(ordered.size), *(round(float(ordered[rank]) / _NS_PER_MS, 4) for rank in ranks))

    def line(self) -> str:
        """Return it for people."""
        return (
            f"p50 {self.p50:.2f}  p90 {self.p90:.2f}  p99 {self.p99:.2f}  p99.9 {self.p99_9:.2f}  max {self.max:.2f} ms"
        )
