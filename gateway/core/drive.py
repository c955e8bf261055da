"""Whether a unit is parked: the rule that opens the driver's screen.

Theory. A unit is *parked* while at least one piece of evidence holds and it is not moving:

| evidence                                   | holds when            |
|--------------------------------------------|-----------------------|
| `...Transmission.SelectedGear`             | 126 (park)            |
| `...Transmission.IsParkLockEngaged`        | true                  |
| `Vehicle.Chassis.ParkingBrake.IsEngaged`   | true                  |
| `Vehicle.LowVoltageSystemState`            | LOCK, OFF or ACC      |

Speed 0 is no evidence: a red light is not a parking space. A speed of 5 km/h or more is *moving*, and spends all the
evidence there is: only what newly becomes true afterwards parks the unit again (a handbrake left half on, or an "ON"
that was lost on the way, does not make the next red light a car park).

Evidence for parking counts only while it is news: from a message that is fresh, and not (much) older than what last
changed this state. Evidence against it always counts. So nothing that was kept or sent again parks a car that drives.

It is latched: a bus that falls silent stays parked, until a contrary signal, the loss of the unit's connection, or
`PARKED_LIMIT_MS`. What is not known to be parked counts as driving.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from gateway.core.events import Scalar
from gateway.core.units import HOUR_MS, SECOND_MS, Instant

PARKED_LIMIT_MS = 12 * HOUR_MS
"""After this long without any change, nobody can say that it is still parked."""

REORDERED_MS = 2 * SECOND_MS
"""How much earlier than the last word a message may have been said and still be on its way, not kept or sent again."""

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
    """The drive state of one unit: a value, advanced by `advance`.

    Attributes:
        evidence: The signals that say "park".
        spent: Those among them that the unit has moved in spite of.
        heard: The `ts` of the message that last changed anything here.
        moved: The `ts` of the message that last changed `moving`, or when it came, if it claims to be from later: an
            older speed says nothing any more.
    """

    state: Driving = Driving.UNKNOWN
    since: Instant = 0
    evidence: frozenset[str] = frozenset()
    spent: frozenset[str] = frozenset()
    moving: bool = False
    heard: Instant = 0
    moved: Instant = 0

    def to_json(self) -> dict[str, object]:
        """Return it as the value of a state entry."""
        return {
            "state": self.state.value,
            "since": self.since,
            "evidence": sorted(self.evidence),
            "spent": sorted(self.spent),
            "moving": self.moving,
            "heard": self.heard,
            "moved": self.moved,
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
            spent=frozenset(value["spent"]),  # type: ignore[call-overload]
            moving=bool(value["moving"]),
            heard=int(str(value["heard"])),
            moved=int(str(value.get("moved", 0))),
        )


def advance(
    drive: Drive, signals: Mapping[str, Scalar], now: Instant, *, ts: Instant | None = None, fresh: bool = True
) -> Drive:
    """Return the drive state after these signals, which were reported together and are newer than what is known.

    Evidence is weighed before speed, so that a message that says both "park" and 40 km/h means driving.

    Args:
        drive: What was known.
        signals: VSS path -> value.
        now: When they are taken in.
        ts: When the unit says they were so; None: now.
        fresh: They are recent enough to say that the unit is parked now.
    """
    evidence, spent, moving, heard = drive.evidence, drive.spent, drive.moving, False
    moved = drive.moved
    said = now if ts is None else ts
    may_park = fresh and said >= drive.heard - REORDERED_MS
    for path in sorted(EVIDENCE.keys() & signals.keys()):
        heard = True
        if not EVIDENCE[path](signals[path]):
            evidence, spent = evidence - {path}, spent - {path}
        elif path not in evidence and may_park:
            evidence, moving, moved = evidence | {path}, False, max(moved, min(said, now))
    speed = signals.get(SPEED)
    if isinstance(speed, int | float) and said >= drive.moved:
        heard = True
        moved = min(said, now) if moving != (abs(speed) >= MOVING_KMH) else moved
        moving = abs(speed) >= MOVING_KMH
        spent = evidence if moving else spent
    if not heard:
        return drive
    state = Driving.PARKED if evidence - spent and not moving else Driving.DRIVING
    after = Drive(state, drive.since if state is drive.state else now, evidence, spent, moving, drive.heard, moved)
    return drive if after == drive else replace(after, heard=max(said, drive.heard))


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
    return (
        Drive(Driving.UNKNOWN, now, heard=drive.heard, moved=drive.moved)
        if drive.state is not Driving.UNKNOWN
        else drive
    )
