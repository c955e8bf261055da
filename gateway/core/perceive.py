"""Event -> what is known -> moments. The first room on the way; it decides nothing.

What things tell is taken in here: positions, signals, beacons, timers. What people tell is for `gateway.core.people`.

Each function takes what an event says into the state, emits what must be recorded or withdrawn for it, and returns
the moments it noticed, in order.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from gateway.core import context, drive, offers, people, season, supplies, triggers
from gateway.core.effects import EventIgnored, FixTold
from gateway.core.events import (
    BeaconSighted,
    ConsentChanged,
    Event,
    FactsChanged,
    FenceReported,
    ListPrepared,
    OutcomeReported,
    PositionReported,
    Scalar,
    SignalsReported,
    SubjectIdentified,
    SubjectLeft,
    UnitLost,
    UnitRegistered,
)
from gateway.core.fences import tracker, visits
from gateway.core.moments import (
    DroveOff,
    FenceDwelled,
    FuelRanLow,
    Moment,
    Parked,
    TyrePressureLow,
    TyresOutOfSeason,
)
from gateway.core.release import Release
from gateway.core.state import Scope, StateKey
from gateway.core.timers import TimerKey
from gateway.core.turn import Turn
from gateway.core.units import Instant

_AWAKE = "awake"
_PARKED_LIMIT = "parked_limit"
_BAND = "band"
_NOTABLE = frozenset(
    {*context.SEATS, *context.LOW_PRESSURE, *context.WINTER_STATUS, tracker.ROUTE_ETA_S, tracker.ROUTE_FENCE}
)
"""Signals in which something can be noticed, besides motion, temperature and supplies. Most messages have none."""


def perceive(turn: Turn, event: Event) -> list[Moment]:
    """Take in one event of a registered unit."""
    return _PERCEIVE[type(event)](turn, event)


def register(turn: Turn, event: UnitRegistered) -> list[Moment]:
    """Take in what a unit is, or that its local time has changed."""
    described = {
        "kind": event.kind.value,
        "placements": list(event.placements),
        "language": event.language,
        "contextual_offers": event.contextual_offers,
        "utc_offset_s": event.utc_offset_s,
        "time_is_sure": event.time_is_sure,
    }
    turn.memory.put(StateKey(Scope.UNIT, event.unit, "registered"), described)
    awake = turn.memory.kinematics(event.unit, _AWAKE)
    if not awake:
        # The first time since the process began: who was unknown here, and what they agreed to, is gone with the last.
        people.end_session(turn, event.unit, restored=True)
        visits.awaken(turn.memory, event.unit)
        awake[""] = True
    return []


def fire(turn: Turn, key: TimerKey) -> list[Moment]:
    """Take in that a timer's instant has come."""
    return _FIRE[key.name](turn, key)


def timers_of(turn: Turn, unit: str) -> list[tuple[TimerKey, Instant]]:
    """Return the timers that a unit's state calls for: what a restored engine must wait for."""
    due = triggers.windows(turn.memory, turn.release, unit)
    fences = visits.held(turn.memory, unit)
    due += [(key, at) for fence in fences for key, at in _fence_timers(turn, unit, fence) if at is not None]
    due += people.session_timers(turn.memory, unit)
    silence = visits.silence_due(turn.memory, unit)
    if silence is not None:
        due.append((TimerKey(visits.SILENCE, unit), silence))
    driving = context.drive_of(turn.memory, unit)
    if driving.state is drive.Driving.PARKED:
        due.append((TimerKey(_PARKED_LIMIT, unit), driving.since + drive.PARKED_LIMIT_MS))
    return due


def fences_removed(turn: Turn, old: Release) -> list[Moment]:
    """Let units leave the fences a new release no longer has: those inside only, once."""
    units = turn.memory.owners(Scope.UNIT)
    return [moment for unit in units for moment in visits.removed(turn.memory, old, turn.release, unit, turn.now)]


def _position(turn: Turn, event: PositionReported) -> list[Moment]:
    told = tracker.locate(turn.memory, turn.release, event, turn.now)
    if isinstance(told, tracker.FixFault):
        return people.ignore(turn, event.unit, told.value)
    if told is None:
        return []
    turn.emit([FixTold(told)])
    return _fence_reported(turn, told)


def _beacon(turn: Turn, event: BeaconSighted) -> list[Moment]:
    told = tracker.sight(turn.memory, turn.release, event)
    return [] if told is None else _fence_reported(turn, told)


def _fence_reported(turn: Turn, event: FenceReported) -> list[Moment]:
    moments = visits.take(turn.memory, turn.release, event, turn.now)
    _arm_fences(turn, event.unit, {*event.entered, *event.exited})
    return moments + _tyres(turn, event.unit) if event.climate else moments


def _arm_fences(turn: Turn, unit: str, fences: Iterable[str]) -> None:
    """Set the timers of fences, and of the unit's silence, to what the state calls for."""
    timers = [timer for fence in sorted(fences) for timer in _fence_timers(turn, unit, fence)]
    for key, due in [*timers, (TimerKey(visits.SILENCE, unit), visits.silence_due(turn.memory, unit))]:
        if due is None:
            turn.agenda.cancel(key)
        else:
            turn.agenda.set(key, due)


def _fence_timers(turn: Turn, unit: str, fence: str) -> list[tuple[TimerKey, Instant | None]]:
    return [(TimerKey(name, unit, fence), due) for name, due in visits.dues(turn.memory, turn.release, unit, fence)]


def _signals(turn: Turn, event: SignalsReported) -> list[Moment]:
    memory, unit = turn.memory, event.unit
    is_notable = not _NOTABLE.isdisjoint(event.signals)
    low_before = _low_wheels(turn, unit, event.signals) if is_notable else frozenset()
    signals = context.hear(memory, unit, event.signals, event.ts)
    if len(signals) < len(event.signals):
        turn.emit([EventIgnored(unit, turn.now, "late_signal")])
    moments: list[Moment] = []
    if drive.is_news(memory.get(Scope.UNIT, unit, "drive"), signals):
        fresh = turn.now - event.ts <= visits.FRESH_MS
        known = context.drive_of(memory, unit)
        moments += _drive(turn, unit, drive.advance(known, signals, turn.now, ts=event.ts, fresh=fresh))
    if is_notable:
        moments += _notable(turn, event, signals, low_before)
    if context.AIR_TEMPERATURE in signals:
        moments += _air(turn, unit)
    if not supplies.SIGNALS.isdisjoint(signals) and supplies.hear(memory, unit, signals):
        moments.append(FuelRanLow(unit, turn.now))
    return moments


def _notable(
    turn: Turn, event: SignalsReported, signals: Mapping[str, Scalar], low_before: Collection[str]
) -> list[Moment]:
    """Take in what seats, wheels and route say, in this order."""
    unit = event.unit
    moments: list[Moment] = []
    if not context.SEATS.isdisjoint(signals):
        people.keep_personal(turn, unit)
    if tracker.ROUTE_ETA_S in signals or tracker.ROUTE_FENCE in signals:
        told = tracker.route_ends(turn.memory, turn.release, unit, event.ts, turn.now)
        moments += [] if told is None else _fence_reported(turn, told)
    newly_low = _low_wheels(turn, unit, signals).difference(low_before)
    moments += [TyrePressureLow(unit, turn.now, context.wheel_of(path)) for path in sorted(newly_low)]
    return moments if context.WINTER_STATUS.isdisjoint(signals) else moments + _tyres(turn, unit)


def _air(turn: Turn, unit: str) -> list[Moment]:
    """Look at the tyres once the air is warmer or colder by a band of the season's table."""
    band = season.band(context.air_temperature_c(turn.memory, unit))
    last = turn.memory.kinematics(unit, _BAND)
    if last.get("") == band:
        return []
    last[""] = band
    return _tyres(turn, unit)


def _tyres(turn: Turn, unit: str) -> list[Moment]:
    """Notice tyres that are out of season, once a season."""
    tyres = context.winter_tyres(turn.memory, unit)
    if tyres == "UNKNOWN":
        return []
    local = context.local_time(turn.memory, unit, turn.now)
    found = context.season_at(turn.memory, unit, local)
    is_news = season.is_out(found, tyres) and season.note(turn.memory, unit, found, local)
    return [TyresOutOfSeason(unit, turn.now, found)] if is_news else []


def _low_wheels(turn: Turn, unit: str, signals: Mapping[str, Scalar]) -> set[str]:
    """Return the wheels among these signals that are known to be low."""
    paths = context.LOW_PRESSURE.intersection(signals)
    return {path for path in paths if context.signal(turn.memory, unit, path) is True}


def _drive(turn: Turn, unit: str, after: drive.Drive) -> list[Moment]:
    """Move a unit to a drive state; take back what may not stand while driving."""
    before, limit = context.drive_of(turn.memory, unit), TimerKey(_PARKED_LIMIT, unit)
    if after == before:
        return []
    turn.memory.put(StateKey(Scope.UNIT, unit, "drive"), after.to_json())
    if after.state is before.state:
        return []
    if after.state is drive.Driving.PARKED:
        turn.agenda.set(limit, after.since + drive.PARKED_LIMIT_MS)
        fences = visits.inside(turn.memory, unit)
        parked = Parked(unit, turn.now, tuple(fences), tuple(context.fence_kinds(turn.release, fences)))
        return [parked, *_tyres(turn, unit)]
    if before.state is not drive.Driving.PARKED:
        return []
    turn.agenda.cancel(limit)
    reason = "drove_off" if after.state is drive.Driving.DRIVING else "drive_unknown"
    people.withdraw(turn, reason, lambda record: bool(record["parked_only"]), at=unit)
    return [DroveOff(unit, turn.now)] if after.state is drive.Driving.DRIVING else []


def _unit_lost(turn: Turn, event: UnitLost) -> list[Moment]:
    moments = _drive(turn, event.unit, drive.lose(context.drive_of(turn.memory, event.unit), turn.now))
    for name in ("signal", "signal_ts"):
        for path in sorted(turn.memory.group(Scope.UNIT, event.unit, name)):
            turn.memory.drop(StateKey(Scope.UNIT, event.unit, name, path))
    turn.memory.forget(Scope.KINEMATICS, event.unit)
    # It has not been started anew: whoever comes next keeps their session when its local time changes.
    turn.memory.kinematics(event.unit, _AWAKE)[""] = True
    for role in sorted(turn.memory.group(Scope.UNIT, event.unit, "presence")):
        people.leave(turn, event.unit, role, event.ts)
    people.end_session(turn, event.unit)
    triggers.close_all(turn.memory, turn.agenda, event.unit)
    return moments


def _dwell_reached(turn: Turn, key: TimerKey) -> list[Moment]:
    visits.dwelled(turn.memory, key.owner, key.item)
    return [FenceDwelled(key.owner, turn.now, key.item, turn.release.fences[key.item].kind)]


def _hours_turned(turn: Turn, key: TimerKey) -> list[Moment]:
    fence = turn.release.fences[key.item]
    moments = visits.turn_hours(turn.memory, fence, key.owner, turn.now)
    _arm_fences(turn, key.owner, [key.item])
    # It now stands as the hours have it, also where a new release changed them during a visit.
    due = fence.opening_hours and fence.opening_hours.next_change(turn.now)
    if due:
        turn.agenda.set(key, due)
    else:
        turn.agenda.cancel(key)
    return moments


def _silent_too_long(turn: Turn, key: TimerKey) -> list[Moment]:
    fences = visits.held(turn.memory, key.owner)
    moments = visits.give_up(turn.memory, turn.release, key.owner, turn.now)
    _arm_fences(turn, key.owner, fences)
    return moments


def _window_closed(turn: Turn, key: TimerKey) -> list[Moment]:
    triggers.close_window(turn.memory, key.owner, key.item)
    return []


def _absence_passed(turn: Turn, key: TimerKey) -> list[Moment]:
    return triggers.absence_passed(turn.memory, turn.release, key.owner, key.item, turn.now)


def _parked_too_long(turn: Turn, key: TimerKey) -> list[Moment]:
    return _drive(turn, key.owner, drive.lose(context.drive_of(turn.memory, key.owner), turn.now))


def _offer_closed(turn: Turn, key: TimerKey) -> list[Moment]:
    expired, moments = offers.close(turn, key.owner)
    turn.emit([] if expired is None else [expired])
    people.forget_absent(turn.memory, turn.now)
    return moments


_PERCEIVE: Mapping[type, Callable[..., list[Moment]]] = {
    UnitRegistered: register,
    UnitLost: _unit_lost,
    PositionReported: _position,
    SignalsReported: _signals,
    FenceReported: _fence_reported,
    BeaconSighted: _beacon,
    SubjectIdentified: people.identified,
    SubjectLeft: people.left,
    ConsentChanged: people.consented,
    FactsChanged: people.learned,
    ListPrepared: people.prepared,
    OutcomeReported: people.answered,
}

_FIRE: Mapping[str, Callable[[Turn, TimerKey], list[Moment]]] = {
    visits.DWELL: _dwell_reached,
    visits.HOURS: _hours_turned,
    visits.SILENCE: _silent_too_long,
    _PARKED_LIMIT: _parked_too_long,
    "offer": _offer_closed,
    people.IDLE: people.session_idle,
    triggers.WINDOW: _window_closed,
    triggers.ABSENCE: _absence_passed,
}
