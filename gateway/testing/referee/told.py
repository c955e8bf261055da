"""What was told of people, as far as limits rest on it: their household, and whether they may be spoken to."""

from gateway.core.events import FactsChanged, Scalar
from gateway.core.units import Instant


class Told:
    """The facts of people, newest `ts` first."""

    def __init__(self) -> None:
        """Begin with nothing told."""
        self._facts: dict[tuple[str, str], tuple[Scalar, Instant, Instant | None]] = {}

    def hear(self, event: FactsChanged, ts: Instant) -> None:
        """Take in facts of a person."""
        for name, value in event.facts.items() if event.subject else ():
            known = self._facts.get((event.subject, name))
            if known is not None and ts < known[1]:
                continue
            if value is None:
                self._facts.pop((event.subject, name), None)
            else:
                self._facts[event.subject, name] = (value, ts, event.valid_until)

    def of(self, subject: str, name: str, now: Instant) -> Scalar | None:
        """Return what is known of a person now, or None."""
        known = self._facts.get((subject, name))
        return known[0] if known is not None and (known[2] is None or now < known[2]) else None
