"""How often a fault is tried: a reduced count by default, the full one where `WAYSIDE_FAULTS=full` (`make faults`)."""

import os
from collections.abc import Mapping
from typing import Protocol

SWITCH = "WAYSIDE_FAULTS"


def is_full(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the full counts were asked for.

    Raises:
        ValueError: The switch says something that nobody means: not `full`, `reduced` or nothing.
    """
    said = environment.get(SWITCH, "")
    if said not in {"", "reduced", "full"}:
        raise ValueError(f"{SWITCH}={said!r}: full, reduced or nothing")
    return said == "full"


def counts(*, full: int, ci: int) -> int:
    """Return how often a fault is tried in this run."""
    return full if is_full() else ci


class TellCount(Protocol):
    """Tells a count of a test: `tell_count("gateway killed", kills=50, lost=0)`.

    The fixture of that name (tests/faults/conftest.py) has all of them printed at the end of the run.
    """

    def __call__(self, name: str, **numbers: float | str) -> None:
        """Have it printed, in the order of the telling."""
        ...
