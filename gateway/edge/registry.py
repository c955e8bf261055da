"""The units of the configuration, as the engine is told of them: at the start, and when their local time changes."""

from collections.abc import Iterable

from gateway.core.events import UnitRegistered
from gateway.core.units import Instant
from gateway.edge.clock import next_quarter_hour, utc_offset_s
from gateway.edge.config import UnitConfig
from gateway.edge.observe import INBOUND
from gateway.wire.topics import topic_of


class UnitRegistry:
    """The units this gateway serves.

    Attributes:
        due: When to ask for `registrations` again.
    """

    def __init__(self, units: Iterable[UnitConfig]) -> None:
        self._units = tuple(units)
        self._offsets: dict[str, int] = {}
        self.due: Instant = 0

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to: the units one by one, so that a broker may grant them one by one."""
        return tuple(topic_of(unit.id, channel) for unit in self._units for channel in INBOUND)

    def forget(self) -> None:
        """The engine is a new one: it must be told of every unit again."""
        self._offsets.clear()
        self.due = 0

    def registrations(self, now: Instant) -> list[UnitRegistered]:
        """Return what the engine has not been told yet."""
        self.due = next_quarter_hour(now)
        changed = []
        for unit in self._units:
            offset_s = utc_offset_s(unit.time_zone, now)
            if self._offsets.get(unit.id) != offset_s:
                self._offsets[unit.id] = offset_s
                changed.append(_registration(unit, offset_s, now))
        return changed


def _registration(unit: UnitConfig, offset_s: int, now: Instant) -> UnitRegistered:
    placements = tuple(placement.value for placement in unit.placements)
    return UnitRegistered(unit.id, now, unit.kind, placements, unit.language, unit.contextual_offers, offset_s)
