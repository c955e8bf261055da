"""Whether a unit is parked: the rule that opens the driver's screen.

Theory. A unit is *parked* while at least one piece of evidence holds and it is not moving:

| evidence                                   | holds when            |
|--------------------------------------------|-----------------------|
| `...Transmission.SelectedGear`             | 126 (park)            |
| `...Transmission.IsParkLockEngaged`        | true                  |
| `Vehicle.Chassis.ParkingBrake.IsEngaged`   | true                  |
| `Vehicle.LowVoltageSystemState`            | LOCK, OFF or ACC      |

Speed 0 is no evidence: a red light is not a parking space. A speed of 5 km/h or more is *moving*, and no evidence
outweighs it but one that is newly reported after it (a handbrake left half on does not make a motorway a car park).

It is latched: a bus that falls silent stays parked, until a contrary signal, the loss of the unit's connection, or
`PARKED_LIMIT_MS`. What is not known to be parked counts as driving.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from gateway.core.events import Scalar
from gateway.core.units import HOUR_MS, Instant

PARKED_LIMIT_MS = 12 * HOUR_MS
"""After this long without any change, nobody can say that it is still parked."""

MOVING_KMH = 5.0
GEAR_PARK = 126

SPEED = "Vehicle.Speed"
GEAR = "Vehicle.Powertrain.Transmission.SelectedGear"
PARK_LOCK = "Vehicle.Powertrain.Transmission.IsParkLockEngaged"
PARKING_BRAKE = "Vehicle.Chassis.ParkingBrake.IsEngaged"
LOW_VOLTAGE = "Vehicle.LowVoltageSystemState"

EVIDENCE: Mapping[str, Callable[[Scalar], bool]] = MappingProxyType(
    {
        GEAR: lambda value: value == GEAR_PARK,
        PARK_LOCK: lambda value: value is True,
        PARKING_BRAKE: lambda value: value is True,
        LOW_VOLTAGE: lambda value: value in {"LOCK", "OFF", "ACC"},
    }
)


class Driving(StrEnum):
    """What is known of the unit's motion. Only `parked` opens the driver's screen."""

    UNKNOWN = "unknown"
    DRIVING = "driving"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Drive:
    """The drive state of one unit: a value, advanced by `advance`."""

    state: Driving = Driving.UNKNOWN
    since: Instant = 0
    evidence: frozenset[str] = frozenset()
    moving: bool = False

    def to_json(self) -> dict[str, object]:
        """Return it as the value of a state entry."""
        return {
            "state": self.state.value,
            "since": self.since,
            "evidence": sorted(self.evidence),
            "moving": self.moving,
        }

    @staticmethod
    def from_json(value: Mapping[str, object] | None) -> "Drive":
        """Return what `to_json` wrote; None is a unit never heard of."""
        if value is None:
            return Drive()
        return Drive(
            state=Driving(str(value["state"])),
            since=int(str(value["since"])),
            evidence=frozenset(value["evidence"]),  # type: ignore[call-overload]
            moving=bool(value["moving"]),
        )


def advance(drive: Drive, signals: Mapping[str, Scalar], now: Instant) -> Drive:
    """Return the drive state after these signals, which were reported together and are newer than what is known.

    Evidence is weighed before speed, so that a message that says both "park" and 40 km/h means driving.
    """
    evidence, moving, heard = drive.evidence, drive.moving, False
    for path in EVIDENCE.keys() & signals.keys():
        heard = True
        if EVIDENCE[path](signals[path]):
            moving = moving and path in evidence
            evidence |= {path}
        else:
            evidence -= {path}
    speed = signals.get(SPEED)
    if isinstance(speed, int | float):
        heard = True
        moving = abs(speed) >= MOVING_KMH
    if not heard:
        return drive
    state = Driving.PARKED if evidence and not moving else Driving.DRIVING
    since = drive.since if state is drive.state else now
    return Drive(state, since, evidence, moving)


def is_news(known: Mapping[str, object] | None, signals: Mapping[str, Scalar]) -> bool:
    """Return whether signals can change a drive state, given as `Drive.to_json` wrote it.

    Most messages bring a speed that says what is known already: for them nothing else is looked at.
    """
    if not EVIDENCE.keys().isdisjoint(signals):
        return True
    speed = signals.get(SPEED)
    if not isinstance(speed, int | float):
        return False
    return known is None or known["state"] == Driving.UNKNOWN or known["moving"] != (abs(speed) >= MOVING_KMH)


def lose(drive: Drive, now: Instant) -> Drive:
    """Return the state once nothing of it can be trusted any longer."""
    return Drive(Driving.UNKNOWN, now) if drive.state is not Driving.UNKNOWN else drive
