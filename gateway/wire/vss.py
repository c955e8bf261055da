"""The vehicle signals that are listened to: path, type, unit and allowed values, by COVESA VSS 6.0.

Beyond VSS 6.0 stand: `IsOccupied` of a seat (VSS up to 5.1), `WinterStatus` of a tyre (VSS after 6.0), a third row of
seats, and what VSS has no words for, under `Wayside.`. A path that is not listed is not an error: it is ignored.

A whole float counts as an integer, as in JSON Schema (126.0 is 126); an integer always counts as a float. Ranges
beyond the datatype's own are not enforced: what is implausible is for the engine to judge.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from gateway.core.events import Scalar
from gateway.wire.topics import is_id

MAX_TEXT = 256
"""Characters of a string signal."""

PREFIX_LOCATION = "Vehicle.CurrentLocation."
LATITUDE = f"{PREFIX_LOCATION}Latitude"
LONGITUDE = f"{PREFIX_LOCATION}Longitude"
HEADING = f"{PREFIX_LOCATION}Heading"
HORIZONTAL_ACCURACY = f"{PREFIX_LOCATION}HorizontalAccuracy"
TIMESTAMP = f"{PREFIX_LOCATION}Timestamp"
SPEED = "Vehicle.Speed"


class Datatype(StrEnum):
    """The VSS datatypes in use."""

    BOOLEAN = "boolean"
    INT8 = "int8"
    UINT8 = "uint8"
    UINT16 = "uint16"
    UINT32 = "uint32"
    FLOAT = "float"
    DOUBLE = "double"
    STRING = "string"


class Use(StrEnum):
    """What becomes of a signal at the border."""

    SIGNAL = "signal"
    """It goes to the engine as it is."""
    POSITION = "position"
    """It becomes part of a `PositionReported`."""
    WITHHELD = "withheld"
    """It holds a coordinate that nobody needs, or says who someone is: it stops here, unread, and is counted."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A signal.

    Attributes:
        unit: As VSS writes it; empty when it has none.
        allowed: The enumeration; empty when every value of the datatype is allowed.
    """

    path: str
    datatype: Datatype
    unit: str = ""
    allowed: tuple[str, ...] = ()
    use: Use = Use.SIGNAL


INTEGER_RANGES: Mapping[Datatype, tuple[int, int]] = MappingProxyType(
    {
        Datatype.INT8: (-128, 127),
        Datatype.UINT8: (0, 255),
        Datatype.UINT16: (0, 65_535),
        Datatype.UINT32: (0, 4_294_967_295),
    }
)

_OCCUPANCY = ("UNKNOWN", "OCCUPIED", "EMPTY")
_WINTER = ("UNKNOWN", "NON_WINTER", "WINTER")
_LOW_VOLTAGE = ("UNDEFINED", "LOCK", "OFF", "ACC", "ON", "START")

_SEATS = tuple(
    f"Vehicle.Cabin.Seat.Row{row}.{side}" for row in (1, 2, 3) for side in ("DriverSide", "Middle", "PassengerSide")
)
_TYRES = tuple(f"Vehicle.Chassis.Axle.Row{row}.Wheel.{side}.Tire" for row in (1, 2) for side in ("Left", "Right"))
_OCCUPANTS = tuple(
    f"Vehicle.Occupant.Row{row}.{side}" for row in (1, 2) for side in ("DriverSide", "Middle", "PassengerSide")
)
_DESTINATION = "Vehicle.Cabin.Infotainment.Navigation.DestinationSet"
_FUEL = "Vehicle.Powertrain.FuelSystem"
_BATTERY = "Vehicle.Powertrain.TractionBattery"
_GEARBOX = "Vehicle.Powertrain.Transmission"

_LEAVES = (
    Leaf(LATITUDE, Datatype.DOUBLE, "degrees", use=Use.POSITION),
    Leaf(LONGITUDE, Datatype.DOUBLE, "degrees", use=Use.POSITION),
    Leaf(HEADING, Datatype.DOUBLE, "degrees", use=Use.POSITION),
    Leaf(HORIZONTAL_ACCURACY, Datatype.DOUBLE, "m", use=Use.POSITION),
    Leaf(TIMESTAMP, Datatype.STRING, "iso8601", use=Use.POSITION),
    Leaf(f"{PREFIX_LOCATION}Altitude", Datatype.DOUBLE, "m", use=Use.WITHHELD),
    Leaf(f"{_DESTINATION}.Latitude", Datatype.DOUBLE, "degrees", use=Use.WITHHELD),
    Leaf(f"{_DESTINATION}.Longitude", Datatype.DOUBLE, "degrees", use=Use.WITHHELD),
    Leaf(f"{_BATTERY}.Charging.Location.Latitude", Datatype.DOUBLE, "degrees", use=Use.WITHHELD),
    Leaf(f"{_BATTERY}.Charging.Location.Longitude", Datatype.DOUBLE, "degrees", use=Use.WITHHELD),
    # Who sits where is said on `identity`, where a raw number becomes a keyed hash.
    *(
        Leaf(f"{occupant}.Identifier.{leaf}", Datatype.STRING, use=Use.WITHHELD)
        for occupant in _OCCUPANTS
        for leaf in ("Subject", "Issuer")
    ),
    Leaf(SPEED, Datatype.FLOAT, "km/h"),
    Leaf("Vehicle.IsMoving", Datatype.BOOLEAN),
    *(Leaf(f"{seat}.OccupancyStatus", Datatype.STRING, allowed=_OCCUPANCY) for seat in _SEATS),
    *(Leaf(f"{seat}.IsOccupied", Datatype.BOOLEAN) for seat in _SEATS),
    *(Leaf(f"{seat}.IsBelted", Datatype.BOOLEAN) for seat in _SEATS),
    *(Leaf(f"{tyre}.Pressure", Datatype.UINT16, "kPa") for tyre in _TYRES),
    *(Leaf(f"{tyre}.IsPressureLow", Datatype.BOOLEAN) for tyre in _TYRES),
    *(Leaf(f"{tyre}.Temperature", Datatype.FLOAT, "Celsius") for tyre in _TYRES),
    *(Leaf(f"{tyre}.WinterStatus", Datatype.STRING, allowed=_WINTER) for tyre in _TYRES),
    Leaf(f"{_FUEL}.RelativeLevel", Datatype.UINT8, "percent"),
    Leaf(f"{_FUEL}.AbsoluteLevel", Datatype.FLOAT, "l"),
    Leaf(f"{_FUEL}.IsFuelLevelLow", Datatype.BOOLEAN),
    Leaf(f"{_FUEL}.Range", Datatype.UINT32, "m"),
    Leaf(f"{_BATTERY}.StateOfCharge.Current", Datatype.FLOAT, "percent"),
    Leaf(f"{_BATTERY}.StateOfCharge.Displayed", Datatype.FLOAT, "percent"),
    Leaf(f"{_BATTERY}.Charging.IsCharging", Datatype.BOOLEAN),
    Leaf("Vehicle.Powertrain.Range", Datatype.UINT32, "m"),
    Leaf("Vehicle.LowVoltageSystemState", Datatype.STRING, allowed=_LOW_VOLTAGE),
    Leaf("Vehicle.Powertrain.CombustionEngine.IsRunning", Datatype.BOOLEAN),
    Leaf(f"{_GEARBOX}.SelectedGear", Datatype.INT8),
    Leaf(f"{_GEARBOX}.IsParkLockEngaged", Datatype.BOOLEAN),
    Leaf("Vehicle.Chassis.ParkingBrake.IsEngaged", Datatype.BOOLEAN),
    Leaf("Vehicle.Exterior.AirTemperature", Datatype.FLOAT, "Celsius"),
    Leaf("Vehicle.Exterior.Humidity", Datatype.FLOAT, "percent"),
    Leaf("Vehicle.Exterior.LightIntensity", Datatype.FLOAT, "percent"),
    Leaf("Vehicle.Service.IsServiceDue", Datatype.BOOLEAN),
    Leaf("Vehicle.Service.DistanceToService", Datatype.FLOAT, "km"),
    Leaf("Wayside.Route.Polyline", Datatype.STRING, use=Use.WITHHELD),
    Leaf("Wayside.Route.EtaS", Datatype.FLOAT, "s"),
    Leaf("Wayside.Route.Fence", Datatype.STRING),
    Leaf("Wayside.MinutesAway", Datatype.FLOAT, "min"),
    Leaf("Wayside.SameDirection", Datatype.BOOLEAN),
)

LEAVES: Mapping[str, Leaf] = MappingProxyType({leaf.path: leaf for leaf in _LEAVES})
"""Every signal that is listened to, by path."""

COORDINATE_PATHS = frozenset(leaf.path for leaf in _LEAVES if leaf.use is not Use.SIGNAL)
"""What never reaches the engine as a signal, nor a journal."""

SUCCESSORS: Mapping[str, str] = MappingProxyType({f"{seat}.IsOccupied": f"{seat}.OccupancyStatus" for seat in _SEATS})
"""A path of an older VSS, and the path its value is heard under."""

Check = Callable[[object], Scalar | None]
"""Returns the value as the engine takes it, or None when it is not one of the signal's."""


def check_of(leaf: Leaf) -> Check:
    """Return the check of a signal's values, made once so that a message costs no lookup of types."""
    if leaf.path in SUCCESSORS:
        return _occupancy_of_flag
    if leaf.datatype is Datatype.BOOLEAN:
        return _boolean
    if leaf.datatype is Datatype.STRING:
        # A signal of free text that goes on into the engine and its journals is an id, and no place for anything else.
        free = _id if leaf.use is Use.SIGNAL else _text
        return _one_of(frozenset(leaf.allowed)) if leaf.allowed else free
    if leaf.datatype in INTEGER_RANGES:
        return _integer_within(*INTEGER_RANGES[leaf.datatype])
    return _float


def _boolean(value: object) -> Scalar | None:
    return value if type(value) is bool else None


def _occupancy_of_flag(value: object) -> Scalar | None:
    if type(value) is not bool:
        return None
    return "OCCUPIED" if value else "EMPTY"


def _float(value: object) -> Scalar | None:
    if type(value) is float:
        return value if math.isfinite(value) else None
    # Below 2**53 every integer is a float of the same value.
    return float(value) if type(value) is int and -(2**53) <= value <= 2**53 else None


def _text(value: object) -> Scalar | None:
    return value if type(value) is str and len(value) <= MAX_TEXT else None


def _id(value: object) -> Scalar | None:
    return value if type(value) is str and is_id(value) else None


def _one_of(allowed: frozenset[str]) -> Check:
    def check(value: object) -> Scalar | None:
        return value if type(value) is str and value in allowed else None

    return check


def _integer_within(low: int, high: int) -> Check:
    def check(value: object) -> Scalar | None:
        if type(value) is float and value.is_integer():
            value = int(value)
        return value if type(value) is int and low <= value <= high else None

    return check
