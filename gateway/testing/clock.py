"""A clock that moves when it is told to."""

from gateway.core.units import Instant


class FakeClock:
    """Stands still at `at` until `advance`d; like the real one, it never goes back."""

    def __init__(self, at: Instant = 1_700_000_000_000) -> None:
        self._at = at

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
