"""The units of the configuration, and the devices bound to them.

The engine is told of the units at the start, and when their local time changes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from gateway.core.events import UnitRegistered
from gateway.core.release import Release
from gateway.core.units import Instant
from gateway.edge.clock import next_quarter_hour, utc_offset_s
from gateway.edge.config import UnitConfig
from gateway.edge.config_devices import Sensor
from gateway.edge.observe import INBOUND
from gateway.wire.devices import Bindings, Devices, Tyre
from gateway.wire.topics import Dialect, device_filters, topic_of


class UnitRegistry:
    """The units this gateway serves.

    Attributes:
        devices: The devices that speak for them, with what is remembered of these.
        due: When to ask for `registrations` again.
    """

    def __init__(self, units: Iterable[UnitConfig], release: Release | None = None) -> None:
        self._units = tuple(units)
        self.devices = Devices(_bindings(self._units))
        if release is not None:
            self.activate(release)
        self._told: dict[str, tuple[int, bool]] = {}
        self.due: Instant = 0

    @property
    def filters(self) -> tuple[str, ...]:
        """What to subscribe to: units and devices one by one, so that a broker may grant them one by one."""
        return tuple(topic for unit in self._units for topic in _filters(unit))

    def activate(self, release: Release) -> None:
        """Let devices name the fences and beacons of this release from now on."""
        self.devices.activate(release.fences, release.by_beacon)

    def forget(self) -> None:
        """The engine is a new one: it must be told of every unit again."""
        self._told.clear()
        self.devices.forget()
        self.due = 0

    def registrations(self, now: Instant, *, time_is_sure: bool = True) -> list[UnitRegistered]:
        """Return what the engine has not been told yet."""
        self.due = next_quarter_hour(now)
        changed = []
        for unit in self._units:
            offset_s = utc_offset_s(unit.time_zone, now)
            if self._told.get(unit.id) != (offset_s, time_is_sure):
                self._told[unit.id] = (offset_s, time_is_sure)
                registered = _registration(unit, offset_s, now)
                changed.append(replace(registered, time_is_sure=time_is_sure))
        return changed


def _registration(unit: UnitConfig, offset_s: int, now: Instant) -> UnitRegistered:
    placements = tuple(placement.value for placement in unit.placements)
    return UnitRegistered(unit.id, now, unit.kind, placements, unit.language, unit.contextual_offers, offset_s)


def _filters(unit: UnitConfig) -> Iterator[str]:
    yield from (topic_of(unit.id, channel) for channel in INBOUND)
    for phone in unit.devices.owntracks:
        yield from device_filters(Dialect.OWNTRACKS, phone)
    for scanner in unit.devices.theengs:
        yield from device_filters(Dialect.THEENGS, scanner)


def _bindings(units: Iterable[UnitConfig]) -> Bindings:
    bound = [(unit.id, unit.devices) for unit in units]
    return Bindings(
        phones={phone: unit for unit, devices in bound for phone in devices.owntracks},
        scanners={scanner: unit for unit, devices in bound for scanner in devices.theengs},
        tyres={Sensor.of(text): Tyre(unit, wheel) for unit, devices in bound for text, wheel in devices.tyres.items()},
        tags={unit: {tag.id: tag.role for tag in devices.tags} for unit, devices in bound if devices.tags},
    )
