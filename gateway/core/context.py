"""What is known now of one unit and of who is there: read from the state, kept nowhere else.

`variables` is the one flat context that expressions and features see. It holds no coordinate and nothing of a
subject but what is under `facts`, which is read for a purpose that the caller names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.core import drive, facts, season, supplies
from gateway.core.campaign import ADDRESSEE, Placement
from gateway.core.events import SESSION, Role, Scalar, UnitKind
from gateway.core.facts import Basis, Fact
from gateway.core.fences import visits
from gateway.core.release import Release
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.units import SECOND_MS, Instant

_SEATS = tuple(
    f"Vehicle.Cabin.Seat.Row{row}.{side}.OccupancyStatus"
    for row in (1, 2, 3)
    for side in ("DriverSide", "Middle", "PassengerSide")
)
_WHEELS = tuple(f"Vehicle.Chassis.Axle.Row{row}.Wheel.{side}.Tire" for row in (1, 2) for side in ("Left", "Right"))
SEATS = frozenset(_SEATS)
"""The signals by which a seat says whether it is occupied."""
LOW_PRESSURE = frozenset(f"{wheel}.IsPressureLow" for wheel in _WHEELS)
"""The signals by which a wheel says that its pressure is low."""
_WINTER = tuple(f"{wheel}.WinterStatus" for wheel in _WHEELS)
WINTER_STATUS = frozenset(_WINTER)
"""The signals by which a wheel says whether its tyre is a winter tyre."""
AIR_TEMPERATURE = "Vehicle.Exterior.AirTemperature"
_NUMBERS = {
    "air_temperature_c": AIR_TEMPERATURE,
    "fuel_level_percent": supplies.LEVEL,
    "fuel_range_km": supplies.FUEL_RANGE,
    "minutes_away": "Wayside.MinutesAway",
    "same_direction": "Wayside.SameDirection",
}

DURABLE_SIGNALS = frozenset(
    {
        *drive.EVIDENCE,
        *_SEATS,
        *LOW_PRESSURE,
        *WINTER_STATUS,
    }
)
"""Signals that change rarely and decide much: kept in the ledger, since a silent bus does not repeat them."""
_KEPT = "signal"


@dataclass(frozen=True, slots=True)
class Unit:
    """A registered unit, as its shell described it."""

    id: str
    kind: UnitKind
    placements: tuple[str, ...]
    language: str
    contextual_offers: bool
    utc_offset_s: int


def is_registered(memory: Memory, unit: str) -> bool:
    """Return whether the shell has made the unit known."""
    return memory.get(Scope.UNIT, unit, "registered") is not None


def unit_of(memory: Memory, unit: str) -> Unit:
    """Return a registered unit."""
    value = memory.get(Scope.UNIT, unit, "registered")
    return Unit(
        unit,
        UnitKind(value["kind"]),
        tuple(value["placements"]),
        value["language"],
        value["contextual_offers"],
        value["utc_offset_s"],
    )


def drive_of(memory: Memory, unit: str) -> drive.Drive:
    """Return the drive state of a unit."""
    return drive.Drive.from_json(memory.get(Scope.UNIT, unit, "drive"))


def subject_in(memory: Memory, unit: str, role: str) -> str | None:
    """Return the subject known in a role at a unit, or None."""
    presence = memory.get(Scope.UNIT, unit, "presence", role)
    return None if presence is None else presence["subject"]


def subjects_at(memory: Memory, unit: str) -> set[str]:
    """Return all subjects known at a unit."""
    return {p["subject"] for p in memory.group(Scope.UNIT, unit, "presence").values() if p["subject"] is not None}


def is_present(memory: Memory, subject: str) -> bool:
    """Return whether a subject is known at any unit."""
    return any(
        presence["subject"] == subject
        for unit in memory.owners(Scope.UNIT)
        for presence in memory.group(Scope.UNIT, unit, "presence").values()
    )


def addressee(memory: Memory, unit: str, placement: Placement) -> tuple[Role, str]:
    """Return whose a placement is: role and holder. The session's when nobody in its roles is known."""
    for role in ADDRESSEE[placement]:
        subject = subject_in(memory, unit, role)
        if subject is not None:
            return role, subject
    return ADDRESSEE[placement][0], SESSION


def hear(memory: Memory, unit: str, signals: Mapping[str, Scalar], ts: Instant) -> Mapping[str, Scalar]:
    """Remember signals, newest `ts` wins; return those that count, whether or not they say anything new.

    Of what decides much it is kept since which `ts` it holds. So a message that is delivered once more after a restart
    is known for an old one: what it said has been overtaken, or is so still.
    """
    heard = memory.kinematics(unit, "signal")
    newer = signals
    for path in signals:
        if _is_late(memory, heard, unit, path, ts):
            newer = {path: value for path, value in signals.items() if not _is_late(memory, heard, unit, path, ts)}
            break
    for path, value in newer.items():
        heard[path] = (ts, value)
        if path in DURABLE_SIGNALS and memory.get(Scope.UNIT, unit, "signal", path) != value:
            memory.put(StateKey(Scope.UNIT, unit, "signal", path), value)
            memory.put(StateKey(Scope.UNIT, unit, "signal_ts", path), ts)
    return newer


def _is_late(memory: Memory, heard: Mapping[str, Any], unit: str, path: str, ts: Instant) -> bool:
    known = heard.get(path)
    if known is not None:
        return bool(ts < known[0])
    since = memory.get(Scope.UNIT, unit, "signal_ts", path) if path in DURABLE_SIGNALS else None
    return since is not None and bool(ts < since)


def signal(memory: Memory, unit: str, path: str) -> Scalar | None:
    """Return the newest value of a signal, or None."""
    if path in DURABLE_SIGNALS:
        value: Scalar | None = memory.get(Scope.UNIT, unit, "signal", path)
        return value
    heard = memory.get(Scope.KINEMATICS, unit, "signal", path)
    return None if heard is None else heard[1]


def wheel_of(path: str) -> str:
    """Return the wheel a signal is about, in short.

    >>> wheel_of("Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.IsPressureLow")
    'Row1.Left'
    """
    parts = path.split(".")
    return f"{parts[3]}.{parts[5]}"


def occupants(memory: Memory, unit: str) -> int:
    """Return how many seats are occupied; -1 when no seat says anything.

    A seat that says UNKNOWN beside others that know is not counted: VSS has no passenger count, it is derived.
    """
    kept = memory.group(Scope.UNIT, unit, _KEPT)
    known = [kept.get(seat) for seat in _SEATS]
    if not any(status in {"OCCUPIED", "EMPTY"} for status in known):
        return -1
    return sum(status == "OCCUPIED" for status in known)


def is_alone(memory: Memory, unit: Unit, holder: str) -> bool:
    """Return whether nobody but the holder can read what is shown at a unit.

    A car whose seats say nothing may hold anybody; a kiosk has no seats.
    """
    seated = occupants(memory, unit.id)
    by_themselves = seated == 1 or (seated < 1 and unit.kind is not UnitKind.CAR)
    return by_themselves and not subjects_at(memory, unit.id) - {holder}


def local_time(memory: Memory, unit: str, now: Instant) -> datetime:
    """Return the time on the clocks where a registered unit is."""
    offset_s = memory.get(Scope.UNIT, unit, "registered")["utc_offset_s"]
    return datetime.fromtimestamp(now / SECOND_MS + offset_s, tz=UTC)


def air_temperature_c(memory: Memory, unit: str) -> float | None:
    """Return the temperature of the air around a unit, or None."""
    air = signal(memory, unit, AIR_TEMPERATURE)
    return float(air) if isinstance(air, int | float) else None


def season_at(memory: Memory, unit: str, local: datetime) -> str:
    """Return which season it is for the tyres of a unit; see `gateway.core.season`."""
    return season.season_of(season.known_climate(memory, unit), local.month, air_temperature_c(memory, unit))


def winter_tyres(memory: Memory, unit: str) -> str:
    """Return WINTER if every wheel says so, NON_WINTER if any wheel says that, else UNKNOWN."""
    kept = memory.group(Scope.UNIT, unit, _KEPT)
    wheels = [kept.get(path) for path in _WINTER]
    if "NON_WINTER" in wheels:
        return "NON_WINTER"
    return "WINTER" if all(status == "WINTER" for status in wheels) else "UNKNOWN"


def variables(  # noqa: PLR0913, PLR0917 -- all that a context is of
    memory: Memory, release: Release, unit: Unit, role: Role, holder: str, now: Instant, basis: Basis
) -> dict[str, object]:
    """Return the flat context for one addressee: exactly the names of `gateway.core.policy.VARIABLES`.

    Args:
        memory: What is known.
        release: Whose fences the unit is in.
        unit: Where it is decided.
        role: What the addressee is there.
        holder: The addressee.
        now: When it is decided.
        basis: What their facts are read for.
    """
    local = datetime.fromtimestamp(now / SECOND_MS + unit.utc_offset_s, tz=UTC)
    fences, ahead = visits.inside(memory, unit.id), visits.ahead(memory, unit.id)
    driving, kept = drive_of(memory, unit.id).state, memory.group(Scope.UNIT, unit.id, _KEPT)
    tyres, found = winter_tyres(memory, unit.id), season_at(memory, unit.id, local)
    return {
        "hour": local.hour,
        "weekday": local.isoweekday(),
        "month": local.month,
        "day": local.day,
        "unit_kind": unit.kind.value,
        "language": unit.language,
        "drive": driving.value,
        "parked": driving is drive.Driving.PARKED,
        "occupants": occupants(memory, unit.id),
        "fences": fences,
        "fence_kinds": fence_kinds(release, fences),
        "fence_tags": fence_tags(release, fences),
        "ahead": ahead,
        "ahead_kinds": fence_kinds(release, ahead),
        "ahead_tags": fence_tags(release, ahead),
        "season": found,
        "tyres_out_of_season": season.is_out(found, tyres),
        "winter_tyres": tyres,
        "tyre_pressure_low": any(kept.get(path) is True for path in LOW_PRESSURE),
        "fuel_low": supplies.is_low(memory, unit.id),
        **_numbers(memory, unit.id),
        "known": holder != SESSION,
        "role": role.value,
        "place": _values(facts.of_place(memory, unit.id, now)),
        "facts": _values(facts.of_subject(memory, holder, unit.id, now, basis)),
    }


def fence_kinds(release: Release, fences: list[str]) -> list[str]:
    """Return the kinds of fences, each once, in order."""
    return sorted({release.fences[fence].kind for fence in fences if fence in release.fences})


def fence_tags(release: Release, fences: list[str]) -> list[str]:
    """Return the tags of fences, each once, in order."""
    return sorted({tag for fence in fences if fence in release.fences for tag in release.fences[fence].tags})


def _values(known: Mapping[str, Fact]) -> dict[str, Scalar]:
    return {name: fact.value for name, fact in known.items()}


def _numbers(memory: Memory, unit: str) -> dict[str, object]:
    numbers: dict[str, object] = {name: signal(memory, unit, path) for name, path in _NUMBERS.items()}
    range_m = numbers["fuel_range_km"]
    numbers["fuel_range_km"] = range_m / 1000 if isinstance(range_m, int | float) else None
    return numbers
