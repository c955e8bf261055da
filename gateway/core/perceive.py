"""Event -> what is known -> moments. The first room on the way; it decides nothing.

Each function takes what an event says into the state, emits what must be recorded or withdrawn for it, and returns
the moments it noticed, in order.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gateway.core import consent, context, drive, offers, triggers
from gateway.core.campaign import Placement
from gateway.core.effects import ConsentRecorded, EventIgnored, EventRefused, FixTold, OutcomeRecorded
from gateway.core.events import (
    SESSION,
    BeaconSighted,
    ConsentChanged,
    Event,
    FactsChanged,
    FenceReported,
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
    Moment,
    Parked,
    SubjectArrived,
    TyrePressureLow,
)
from gateway.core.release import Release
from gateway.core.state import Scope, StateKey
from gateway.core.timers import TimerKey
from gateway.core.turn import Turn
from gateway.core.units import Instant

_AWAKE = "awake"
_PARKED_LIMIT = "parked_limit"
_SENDERS_FAULT = frozenset({"unknown_offer", "not_shown_here"})


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
        _end_session(turn, event.unit)
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
        return _ignore(turn, event.unit, told.value)
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
    return moments


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
    low_before = _low_wheels(turn, unit, event.signals)
    signals = context.hear(memory, unit, event.signals, event.ts)
    if len(signals) < len(event.signals):
        turn.emit([EventIgnored(unit, turn.now, "late_signal")])
    moments: list[Moment] = []
    if drive.is_news(memory.get(Scope.UNIT, unit, "drive"), signals):
        fresh = turn.now - event.ts <= visits.FRESH_MS
        known = context.drive_of(memory, unit)
        moments += _drive(turn, unit, drive.advance(known, signals, turn.now, ts=event.ts, fresh=fresh))
    if not context.SEATS.isdisjoint(signals):
        _keep_personal(turn, unit)
    if tracker.ROUTE_ETA_S in signals or tracker.ROUTE_FENCE in signals:
        told = tracker.route_ends(memory, turn.release, unit, event.ts, turn.now)
        moments += [] if told is None else _fence_reported(turn, told)
    newly_low = _low_wheels(turn, unit, signals) - low_before
    return moments + [TyrePressureLow(unit, turn.now, context.wheel_of(path)) for path in sorted(newly_low)]


def _low_wheels(turn: Turn, unit: str, signals: Mapping[str, Scalar]) -> set[str]:
    """Return the wheels among these signals that are known to be low."""
    if context.LOW_PRESSURE.isdisjoint(signals):
        return set()
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
        return [Parked(unit, turn.now, tuple(fences), tuple(context.fence_kinds(turn.release, fences)))]
    if before.state is not drive.Driving.PARKED:
        return []
    turn.agenda.cancel(limit)
    reason = "drove_off" if after.state is drive.Driving.DRIVING else "drive_unknown"
    _withdraw(turn, reason, lambda record: record["unit"] == unit and record["parked_only"])
    return [DroveOff(unit, turn.now)] if after.state is drive.Driving.DRIVING else []


def _unit_lost(turn: Turn, event: UnitLost) -> list[Moment]:
    moments = _drive(turn, event.unit, drive.lose(context.drive_of(turn.memory, event.unit), turn.now))
    for name in ("signal", "signal_ts"):
        for path in sorted(turn.memory.group(Scope.UNIT, event.unit, name)):
            turn.memory.drop(StateKey(Scope.UNIT, event.unit, name, path))
    turn.memory.forget(Scope.KINEMATICS, event.unit)
    for role in sorted(turn.memory.group(Scope.UNIT, event.unit, "presence")):
        _leave(turn, event.unit, role, event.ts)
    _end_session(turn, event.unit)
    triggers.close_all(turn.memory, turn.agenda, event.unit)
    return moments


def _identified(turn: Turn, event: SubjectIdentified) -> list[Moment]:
    role = event.role.value
    presence = turn.memory.get(Scope.UNIT, event.unit, "presence", role)
    if presence is not None and event.ts < presence["ts"]:
        return _ignore(turn, event.unit, "late_identity")
    before = context.subject_in(turn.memory, event.unit, role)
    arrived = {"subject": event.subject, "ts": event.ts}
    if before == event.subject:
        turn.memory.put(StateKey(Scope.UNIT, event.unit, "presence", role), arrived)
        return []
    if not context.is_present(turn.memory, event.subject):
        own = {k: v for k, v in event.state.items() if k.scope is Scope.SUBJECT and k.owner == event.subject}
        turn.memory.load(own)
    if before is not None:
        _leave(turn, event.unit, role, event.ts)
    # Whoever was unknown here is somebody else, or known from now on: neither keeps the session.
    _end_session(turn, event.unit)
    turn.memory.put(StateKey(Scope.UNIT, event.unit, "presence", role), arrived)
    _keep_personal(turn, event.unit)
    return [SubjectArrived(event.unit, turn.now, event.subject, role)]


def _left(turn: Turn, event: SubjectLeft) -> list[Moment]:
    presence = turn.memory.get(Scope.UNIT, event.unit, "presence", event.role.value)
    # Who has left cannot leave again at the same instant: that is the same message, delivered twice.
    if presence is not None and event.ts < presence["ts"] + (presence["subject"] is None):
        return _ignore(turn, event.unit, "late_identity")
    if context.subject_in(turn.memory, event.unit, event.role.value) is None:
        gone = {"subject": None, "ts": event.ts}
        turn.memory.put(StateKey(Scope.UNIT, event.unit, "presence", event.role.value), gone)
        _end_session(turn, event.unit)
        triggers.close_all(turn.memory, turn.agenda, event.unit)
        return []
    _leave(turn, event.unit, event.role.value, event.ts)
    return []


def _leave(turn: Turn, unit: str, role: str, ts: Instant) -> None:
    """Let the subject in a role go, with what stands on a screen for it; the ledger keeps its state."""
    subject = context.subject_in(turn.memory, unit, role)
    if subject is None:
        return
    turn.memory.put(StateKey(Scope.UNIT, unit, "presence", role), {"subject": None, "ts": ts})
    if subject not in context.subjects_at(turn.memory, unit):
        _withdraw(turn, "subject_left", lambda r: r["unit"] == unit and r["holder"] == subject)
        triggers.close_all(turn.memory, turn.agenda, unit)
    if not context.subjects_at(turn.memory, unit):
        _end_session(turn, unit)
    _keep_personal(turn, unit)
    if not context.is_present(turn.memory, subject):
        turn.memory.forget(Scope.SUBJECT, subject)


def _keep_personal(turn: Turn, unit: str) -> None:
    """Take back what is personal as soon as somebody else could read it, or its person no longer sits before it."""

    def is_exposed(record: Mapping[str, Any]) -> bool:
        if record["unit"] != unit or not record["personal"]:
            return False
        _, holder = context.addressee(turn.memory, unit, Placement(record["placement"]))
        alone = context.is_alone(turn.memory, context.unit_of(turn.memory, unit), holder)
        return holder != record["holder"] or not alone

    _withdraw(turn, "not_alone", is_exposed)


def _end_session(turn: Turn, unit: str) -> None:
    """Wipe the session of whoever was unknown at the unit."""
    _withdraw(turn, "session_ended", lambda r: r["unit"] == unit and r["holder"] == SESSION)
    offers.orphan(turn.memory, unit)
    turn.memory.forget(Scope.SESSION, unit)


def _consent(turn: Turn, event: ConsentChanged) -> list[Moment]:
    if not consent.record(turn.memory, event):
        return _ignore(turn, event.unit, "known_consent")
    said = ConsentRecorded(event.id, event.unit, event.holder, event.purpose.value, event.given, turn.now)
    turn.emit([said])
    if not event.given:
        _withdraw(turn, "consent_withdrawn", lambda r: _rests_on(r, event))
    return _forget_if_absent(turn, event.holder)


def _rests_on(record: Mapping[str, Any], event: ConsentChanged) -> bool:
    """Return whether an offer rests on the consent that was withdrawn; a session's only at its own unit."""
    same_place = event.holder != SESSION or record["unit"] == event.unit
    return same_place and record["holder"] == event.holder and event.purpose in record["purposes"]


def _facts(turn: Turn, event: FactsChanged) -> list[Moment]:
    for name, value in event.facts.items():
        key = StateKey(Scope.SUBJECT, event.subject, "fact", name)
        if value is None:
            turn.memory.drop(key)
        else:
            turn.memory.put(key, value)
    return _forget_if_absent(turn, event.subject)


def _outcome(turn: Turn, event: OutcomeReported) -> list[Moment]:
    answer = offers.advance(turn.memory, turn.agenda, event, turn.now)
    if isinstance(answer, str):
        if answer in _SENDERS_FAULT:
            turn.emit([EventRefused(event.unit, turn.now, answer)])
            return []
        return _ignore(turn, event.unit, answer)
    recorded, moments = answer
    turn.emit([recorded])
    _forget_absent(turn)
    return moments


def _withdraw(turn: Turn, reason: str, concerns: Callable[[Mapping[str, Any]], bool]) -> None:
    turn.emit(offers.withdraw(turn.memory, turn.now, reason, concerns))


def _forget_if_absent(turn: Turn, subject: str) -> list[Moment]:
    """Let go of a subject that is not present: what was said is with the ledger, memory holds those who are here."""
    if not context.is_present(turn.memory, subject):
        turn.memory.forget(Scope.SUBJECT, subject)
    return []


def _forget_absent(turn: Turn) -> None:
    for subject in turn.memory.owners(Scope.SUBJECT):
        _forget_if_absent(turn, subject)


def _ignore(turn: Turn, unit: str, reason: str) -> list[Moment]:
    turn.emit([EventIgnored(unit, turn.now, reason)])
    return []


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


def _parked_too_long(turn: Turn, key: TimerKey) -> list[Moment]:
    return _drive(turn, key.owner, drive.lose(context.drive_of(turn.memory, key.owner), turn.now))


def _offer_closed(turn: Turn, key: TimerKey) -> list[Moment]:
    expired = offers.close(turn.memory, turn.agenda, key.owner, turn.now)
    turn.emit([expired] if isinstance(expired, OutcomeRecorded) else [])
    return []


_PERCEIVE: Mapping[type, Callable[..., list[Moment]]] = {
    UnitRegistered: register,
    UnitLost: _unit_lost,
    PositionReported: _position,
    SignalsReported: _signals,
    FenceReported: _fence_reported,
    BeaconSighted: _beacon,
    SubjectIdentified: _identified,
    SubjectLeft: _left,
    ConsentChanged: _consent,
    FactsChanged: _facts,
    OutcomeReported: _outcome,
}

_FIRE: Mapping[str, Callable[[Turn, TimerKey], list[Moment]]] = {
    visits.DWELL: _dwell_reached,
    visits.HOURS: _hours_turned,
    visits.SILENCE: _silent_too_long,
    _PARKED_LIMIT: _parked_too_long,
    "offer": _offer_closed,
    "window": _window_closed,
}
