"""A clock that moves when it is told to."""

from gateway.core.units import Instant
from gateway.edge.clock import Quality


class FakeClock:
    """Stands still at `at` until `advance`d; like the real one, it goes back only when it is `set_back`.

    Attributes:
        quality: What is to be said of the time.
        behind: By how much it asks to be set back.
        heard: What units have told it.
    """

    def __init__(self, at: Instant = 1_700_000_000_000) -> None:
        self._at = at
        self.quality = Quality.PLAUSIBLE
        self.behind = 0
        self.heard: list[Instant] = []

    def now(self) -> Instant:
        """Return the instant it was last moved to."""
        return self._at

    def advance(self, by_ms: int) -> Instant:
        """Move on and return the new instant.

        Raises:
            ValueError: The step is negative.
        """
        if by_ms < 0:
            raise ValueError(f"time does not go back: {by_ms} ms")
        self._at += by_ms
        return self._at

    def check(self) -> None:
        """Find nothing: its quality is what it was told."""

    def witness(self, _unit: str, ts: Instant) -> None:
        """Remember what was told."""
        self.heard.append(ts)

    def behind_ms(self) -> int:
        """Return by how much it asks to be set back."""
        return self.behind

    def set_back(self, by_ms: int) -> None:
        """Go back."""
        self._at -= by_ms
        self.behind = 0
