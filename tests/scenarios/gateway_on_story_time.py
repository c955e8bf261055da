"""`wayside run CONFIG`, but for its clock: that shows what stands in a file of eight bytes, the second argument.

A story takes days, a test seconds. Everything else is the process as it is: broker, ledger, runner, engine.
"""

import mmap
import sys
from collections.abc import Callable
from pathlib import Path

from gateway.core.units import Instant
from gateway.edge import app
from gateway.edge.clock import Quality


class StoryClock:
    """Tells the instant that stands in a file, as a signed number of milliseconds."""

    quality = Quality.PLAUSIBLE

    def __init__(self, file: Path) -> None:
        with file.open("rb") as opened:
            self._shown = mmap.mmap(opened.fileno(), 8, access=mmap.ACCESS_READ)

    def now(self) -> Instant:
        return int.from_bytes(self._shown[:8], "big")

    def check(self) -> None:
        """Nobody doubts it."""

    def witness(self, unit: str, ts: Instant) -> None:
        """Nobody is asked."""

    def behind_ms(self) -> int:
        return 0

    def set_back(self, by_ms: int) -> None:
        raise AssertionError(f"nobody asked for it to be set back by {by_ms} ms")


def clock_of(file: Path) -> Callable[..., StoryClock]:
    """Return what the process makes its clock with."""
    return lambda *_args, **_options: StoryClock(file)


if __name__ == "__main__":
    vars(app)["AnchoredClock"] = clock_of(Path(sys.argv[2]))
    sys.exit(app.run(Path(sys.argv[1])))
