"""Figures with their spread, and repeated runs."""

import statistics
from collections.abc import Callable, Sequence


def figure(values: Sequence[float], unit: str, digits: int = 2) -> dict[str, object]:
    """Return the median of some runs with their spread."""
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
        "runs": len(values),
        "unit": unit,
    }


def repeated(run: Callable[[], float], unit: str, runs: int = 5, digits: int = 2) -> dict[str, object]:
    """Return the figure of a run that is repeated after one that warms up."""
    run()
    return figure([run() for _ in range(runs)], unit, digits)


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the values lie, the nearest one that was seen."""
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]
