"""Friendly names of the vehicle signals that scenarios speak of: `fuel level: 9 %` for a VSS path and a number.

Whatever has no friendly name is written by its path. Values are those of the VSS catalogue in use either way.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.core.events import Scalar
from gateway.wire.vss import LEAVES, Datatype, Use, check_of

_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_PARK, _DRIVE, _REVERSE, _NEUTRAL = 126, 127, -1, 0


@dataclass(frozen=True, slots=True)
class Friendly:
    """A friendly name: which signals it sets, and how its value is written.

    Attributes:
        paths: All of them are set to the same.
        read: From what was written to the signal's value; None: it cannot be.
        shown: How a value may be written, for messages.
        takes: The same as JSON Schema.
    """

    means: str
    paths: tuple[str, ...]
    read: Callable[[str], Scalar | None]
    shown: str
    takes: Mapping[str, object]


def _words(means: str, values: Mapping[str, Scalar], *paths: str) -> Friendly:
    takes = {"type": "string", "enum": list(values)}
    return Friendly(means, paths, values.get, ", ".join(values), takes)


def _amount(means: str, unit: str, *paths: str, factors: Mapping[str, float] | None = None) -> Friendly:
    """Return the name of a number with its unit; other units than the signal's own are converted."""
    by_unit = {unit: 1.0} if factors is None else factors
    is_whole = LEAVES[paths[0]].datatype not in {Datatype.FLOAT, Datatype.DOUBLE}

    def read(written: str) -> Scalar | None:
        found = _NUMBER.match(written)
        factor = by_unit.get(written[found.end() :].strip()) if found else None
        if found is None or factor is None:
            return None
        value = float(found[0]) * factor
        return round(value) if is_whole else value

    units = "|".join(map(re.escape, by_unit))
    shown = " or ".join(f"9 {name}" for name in by_unit)
    return Friendly(means, paths, read, shown, {"type": "string", "pattern": rf"^[-+]?\d+(\.\d+)?\s*({units})$"})


def _name(means: str, path: str) -> Friendly:
    return Friendly(means, (path,), lambda written: written, "a name", {"type": "string"})


_WHEELS = {
    "front left": "Row1.Wheel.Left",
    "front right": "Row1.Wheel.Right",
    "rear left": "Row2.Wheel.Left",
    "rear right": "Row2.Wheel.Right",
}
_GEARBOX = "Vehicle.Powertrain.Transmission"
_FUEL = "Vehicle.Powertrain.FuelSystem"
_BATTERY = "Vehicle.Powertrain.TractionBattery"
_ON_OFF: Mapping[str, Scalar] = {"on": True, "off": False}
_LENGTHS = {"km": 1_000.0, "m": 1.0}
_IGNITION: Mapping[str, Scalar] = {name.lower(): name for name in ("OFF", "ON", "ACC", "LOCK", "START")}
_GEARS: Mapping[str, Scalar] = {"park": _PARK, "drive": _DRIVE, "reverse": _REVERSE, "neutral": _NEUTRAL}
_TYRES: Mapping[str, Scalar] = {"winter": "WINTER", "summer": "NON_WINTER", "unknown": "UNKNOWN"}
_PRESSURES: Mapping[str, Scalar] = {"low": True, "fine": False}

FRIENDLY: Mapping[str, Friendly] = MappingProxyType(
    {
        "ignition": _words("The ignition.", _IGNITION, "Vehicle.LowVoltageSystemState"),
        "gear": _words("The gear that is selected.", _GEARS, f"{_GEARBOX}.SelectedGear"),
        "park lock": _words("The lock of the gearbox.", _ON_OFF, f"{_GEARBOX}.IsParkLockEngaged"),
        "hand brake": _words("The parking brake.", _ON_OFF, "Vehicle.Chassis.ParkingBrake.IsEngaged"),
        "speed": _amount("How fast it goes.", "km/h", "Vehicle.Speed"),
        "fuel level": _amount("How full the tank is.", "%", f"{_FUEL}.RelativeLevel"),
        "fuel range": _amount("How far the fuel lasts.", "m", f"{_FUEL}.Range", factors=_LENGTHS),
        "charge": _amount("How full the battery is.", "%", f"{_BATTERY}.StateOfCharge.Current"),
        "outside": _amount("The temperature outside.", "C", "Vehicle.Exterior.AirTemperature"),
        "tyres": _words(
            "Which tyres are fitted, by the sensors of all four.",
            _TYRES,
            *(f"Vehicle.Chassis.Axle.{wheel}.Tire.WinterStatus" for wheel in _WHEELS.values()),
        ),
        **{
            f"{name} tyre": _words(
                "Its pressure, by the sensor.", _PRESSURES, f"Vehicle.Chassis.Axle.{wheel}.Tire.IsPressureLow"
            )
            for name, wheel in _WHEELS.items()
        },
        "route ends in": _name("The place in which the route ends.", "Wayside.Route.Fence"),
        "arrives in": _amount(
            "How long the route still takes.", "s", "Wayside.Route.EtaS", factors={"s": 1.0, "min": 60.0}
        ),
    }
)
"""The friendly names, in the order in which the reference lists them."""

SEAT_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "driver": "Row1.DriverSide",
        "passenger": "Row1.PassengerSide",
        "rear left": "Row2.DriverSide",
        "rear middle": "Row2.Middle",
        "rear right": "Row2.PassengerSide",
    }
)
"""The seats, as seen in a car that is steered on the left."""


def seat_path(name: str) -> str:
    """Return the signal by which a seat says whether it is occupied.

    >>> seat_path("driver")
    'Vehicle.Cabin.Seat.Row1.DriverSide.OccupancyStatus'
    """
    return f"Vehicle.Cabin.Seat.{SEAT_WORDS[name]}.OccupancyStatus"


def is_path(name: str) -> bool:
    """Return whether a name is the path of a signal that the engine listens to."""
    return name in LEAVES and LEAVES[name].use is Use.SIGNAL


def checked(path: str, value: object) -> Scalar | None:
    """Return a value as the engine takes it from a signal, or None when it is not one of the signal's."""
    return check_of(LEAVES[path])(value)
