"""Says what can happen a thousand times a second at most once a minute."""

from gateway.core.units import MINUTE_MS, Instant
from gateway.edge.observe import log


class Summary:
    """Warns of what is wrong, by reason: the first at once, and once a minute how many there were since.

    Args:
        event: What the line is called.
    """

    def __init__(self, event: str) -> None:
        self._event = event
        self._untold: dict[str, int] = {}
        self._quiet_until: dict[str, Instant] = {}
        self._places: dict[str, dict[str, object]] = {}
        self._due: Instant | None = None

    def note(self, reason: str, now: Instant, **place: object) -> None:
        """Count one, and say so if the last line is long enough ago.

        Args:
            reason: One of an enumeration: each has a line of its own.
            now: By the gateway's clock. Where it was set back, nothing waits for what it was set back from.
            place: Where, of the newest one: what may stand in the log.
        """
        self._untold[reason] = self._untold.get(reason, 0) + 1
        self._places[reason] = place
        quiet_until = self._quiet_until.get(reason, now)
        if not quiet_until - MINUTE_MS <= now < quiet_until:
            self._tell(reason, now)
        else:
            self._due = quiet_until if self._due is None else min(self._due, quiet_until)

    def catch_up(self, now: Instant) -> None:
        """Say what has waited for a minute. To be called often: it costs nothing while nothing waits."""
        if self._due is not None and now >= self._due:
            for reason in [each for each in self._untold if now >= self._quiet_until[each]]:
                self._tell(reason, now)
            self._due = min((self._quiet_until[each] for each in self._untold), default=None)

    def flush(self, now: Instant) -> None:
        """Say what was not said yet."""
        for reason in list(self._untold):
            self._tell(reason, now)

    def _tell(self, reason: str, now: Instant) -> None:
        count = self._untold.pop(reason)
        self._quiet_until[reason] = now + MINUTE_MS
        log.warning(self._event, reason=reason, count=count, **self._places.pop(reason))
