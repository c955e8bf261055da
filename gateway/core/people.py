"""What people say and do -> what is known of them, and moments: who is there, what they agree to, facts, answers.

Memory holds the subjects who are present, and their households; of anybody else what is told goes to the ledger and is
let go of here. Whoever is unknown at a unit is its *session*: it ends when the unit is handed over, when somebody
known arrives or the last one known leaves, when the unit is lost, and `SESSION_IDLE_MS` after its last word.
"""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.core import consent, context, facts, offer_records, offers, suspicion, triggers
from gateway.core.campaign import Placement
from gateway.core.effects import ConsentRecorded, EventIgnored, EventRefused
from gateway.core.events import (
    SESSION,
    ConsentChanged,
    FactsChanged,
    ListPrepared,
    Outcome,
    OutcomeReported,
    Purpose,
    SubjectIdentified,
    SubjectLeft,
)
from gateway.core.fences import visits
from gateway.core.moments import FactChanged, Moment, SubjectArrived, UseSuspected
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.timers import TimerKey
from gateway.core.turn import Turn
from gateway.core.units import MINUTE_MS, Instant

SESSION_IDLE_MS = 30 * MINUTE_MS
"""How long after their last word somebody unknown counts as still there.

Nobody says goodbye to a screen. Catledge and Pitkow (Characterizing browsing strategies in the World-Wide Web, 1995)
measured that 25.5 minutes of silence part two visits of one unknown person from two persons' visits; the web has
rounded that up to half an hour ever since. Here it bounds how long a stranger's agreement can serve the next one.
"""

IDLE = "session"
"""The timer of a session that says nothing."""
_SPOKE = "spoke"
_SENDERS_FAULT = frozenset({"unknown_offer", "not_shown_here"})
_WORDLESS = frozenset({Outcome.PRESENTED, Outcome.EXPIRED})
"""What a screen reports by itself: nobody need be there."""


def identified(turn: Turn, event: SubjectIdentified) -> list[Moment]:
    """Take in that a known person is there, with all that the ledger knows of them and of their household."""
    memory, unit, role = turn.memory, event.unit, event.role.value
    presence = memory.get(Scope.UNIT, unit, "presence", role)
    if presence is not None and event.ts < presence["ts"]:
        return ignore(turn, unit, "late_identity")
    before = context.subject_in(memory, unit, role)
    arrived = {"subject": event.subject, "ts": event.ts}
    _bring_along(turn, event)
    _load_household(turn, event)
    if before == event.subject:
        memory.put(StateKey(Scope.UNIT, unit, "presence", role), arrived)
        return []
    _part(turn, unit, role, event.ts)
    # Whoever was unknown here is somebody else, or known from now on: neither keeps the session.
    end_session(turn, unit)
    memory.put(StateKey(Scope.UNIT, unit, "presence", role), arrived)
    keep_personal(turn, unit)
    # Only now: who is here is not to be forgotten with who has gone.
    _let_go(turn, before)
    triggers.arrive(memory, turn.agenda, turn.release, event.subject, unit, turn.now)
    moments: list[Moment] = [SubjectArrived(unit, turn.now, event.subject, role, event.method)]
    if suspicion.sight(memory, turn.release, event, turn.now):
        moments.append(UseSuspected(unit, turn.now, "impossible_travel", event.subject))
    return moments


def left(turn: Turn, event: SubjectLeft) -> list[Moment]:
    """Take in that somebody is gone; if nobody is known there, that the unit is handed over."""
    presence = turn.memory.get(Scope.UNIT, event.unit, "presence", event.role.value)
    # Who has left cannot leave again at the same instant: that is the same message, delivered twice.
    if presence is not None and event.ts < presence["ts"] + (presence["subject"] is None):
        return ignore(turn, event.unit, "late_identity")
    if context.subject_in(turn.memory, event.unit, event.role.value) is None:
        gone = {"subject": None, "ts": event.ts}
        turn.memory.put(StateKey(Scope.UNIT, event.unit, "presence", event.role.value), gone)
        end_session(turn, event.unit)
        if not context.subjects_at(turn.memory, event.unit):
            triggers.close_all(turn.memory, turn.agenda, event.unit)
        return []
    leave(turn, event.unit, event.role.value, event.ts)
    return []


def leave(turn: Turn, unit: str, role: str, ts: Instant) -> None:
    """Let the subject in a role go, with what stands on a screen for it; the ledger keeps its state."""
    subject = context.subject_in(turn.memory, unit, role)
    _part(turn, unit, role, ts)
    _let_go(turn, subject)


def _part(turn: Turn, unit: str, role: str, ts: Instant) -> None:
    """Let a role at a unit be nobody's, with what stood there for whom it was."""
    subject = context.subject_in(turn.memory, unit, role)
    if subject is None:
        return
    turn.memory.put(StateKey(Scope.UNIT, unit, "presence", role), {"subject": None, "ts": ts})
    is_gone = subject not in context.subjects_at(turn.memory, unit)
    # Who sits elsewhere now has left to somebody else what stood where they sat.
    withdraw(turn, "subject_left", lambda r: r["holder"] == subject and (is_gone or r.get("role") == role), at=unit)
    if is_gone:
        triggers.close_all(turn.memory, turn.agenda, unit)
    if not context.subjects_at(turn.memory, unit):
        end_session(turn, unit)
    keep_personal(turn, unit)


def _let_go(turn: Turn, subject: str | None) -> None:
    """Forget a subject that is at no unit any more."""
    if subject is not None and not context.is_present(turn.memory, subject):
        triggers.depart(turn.memory, turn.agenda, subject)
        forget_absent(turn.memory, turn.now)


def keep_personal(turn: Turn, unit: str) -> None:
    """Take back what is personal as soon as somebody else could read it, or its person no longer sits before it."""

    def is_exposed(record: Mapping[str, Any]) -> bool:
        if not record["personal"]:
            return False
        _, holder = context.addressee(turn.memory, unit, Placement(record["placement"]))
        alone = context.is_alone(turn.memory, context.unit_of(turn.memory, unit), holder)
        return holder != record["holder"] or not alone

    withdraw(turn, "not_alone", is_exposed, at=unit)


def end_session(turn: Turn, unit: str, *, restored: bool = False) -> None:
    """Wipe the session of whoever was unknown at the unit."""
    withdraw(turn, "session_ended", lambda r: bool(r["holder"] == SESSION), at=unit)
    offers.orphan(turn.memory, unit, restored=restored)
    turn.memory.forget(Scope.SESSION, unit)
    turn.agenda.cancel(TimerKey(IDLE, unit))


def session_idle(turn: Turn, key: TimerKey) -> list[Moment]:
    """End a session that has said nothing for long: whoever was there is taken to be gone."""
    end_session(turn, key.owner)
    if not context.subjects_at(turn.memory, key.owner):
        triggers.close_all(turn.memory, turn.agenda, key.owner)
    return []


def session_timers(memory: Memory, unit: str) -> list[tuple[TimerKey, Instant]]:
    """Return when the session at a unit ends by itself: not at all if it never said anything."""
    spoke = memory.get(Scope.SESSION, unit, _SPOKE)
    return [] if spoke is None else [(TimerKey(IDLE, unit), spoke + SESSION_IDLE_MS)]


def consented(turn: Turn, event: ConsentChanged) -> list[Moment]:
    """Take in what a person agreed to or withdrew; let go of what rests on what they withdrew."""
    if not consent.record(turn.memory, event):
        return ignore(turn, event.unit, "known_consent")
    said = ConsentRecorded(event.id, event.unit, event.holder, event.purpose.value, event.given, turn.now)
    turn.emit([said])
    if event.holder == SESSION:
        _session_spoke(turn, event.unit)
    if not event.given:
        withdraw(turn, "consent_withdrawn", lambda r: _rests_on(r, event))
        if event.holder != SESSION:
            _forget_withdrawn(turn, event)
    forget_absent(turn.memory, turn.now)
    return []


def learned(turn: Turn, event: FactsChanged) -> list[Moment]:
    """Take in what is known from elsewhere. It is noticed where it matters: nowhere, if its subject is not present."""
    if event.subject == SESSION:
        return ignore(turn, event.unit, "facts_of_nobody")
    _bring_along(turn, event)
    if event.fence and not event.subject and event.fence not in turn.release.fences:
        turn.emit([EventRefused(event.unit, turn.now, "unknown_fence")])
        return []
    if facts.would_overflow(turn.memory, event):
        forget_absent(turn.memory, turn.now)
        turn.emit([EventRefused(event.unit, turn.now, "too_many_facts")])
        return []
    news = facts.learn(turn.memory, event)
    if event.subject and facts.HOUSEHOLD in event.facts:
        _load_household(turn, event)
    moments: list[Moment] = []
    if event.valid_until is None or turn.now < event.valid_until:
        fence = "" if event.subject else event.fence
        about = "subject" if event.subject else "fence" if fence else "unit"
        moments += [
            FactChanged(unit, turn.now, name, about, event.subject, fence)
            for unit in _concerned(turn.memory, event)
            for name in sorted(news)
        ]
    if event.subject:
        forget_absent(turn.memory, turn.now)
    return moments


def prepared(turn: Turn, event: ListPrepared) -> list[Moment]:
    """Take in a prepared list, if its subject agrees to profiling; it is no occasion for anything."""
    if event.subject == SESSION:
        return ignore(turn, event.unit, "facts_of_nobody")
    _bring_along(turn, event)
    if not consent.granted(turn.memory, event.subject, event.unit, Purpose.PROFILING, turn.now):
        reason: str | None = "no_consent"
    else:
        reason = None if facts.prepare(turn.memory, event) else "late_list"
    forget_absent(turn.memory, turn.now)
    if reason is not None:
        return ignore(turn, event.unit, reason)
    return []


def answered(turn: Turn, event: OutcomeReported) -> list[Moment]:
    """Take in what became of an offer."""
    answer = offers.advance(turn, event)
    if isinstance(answer, str):
        if answer in _SENDERS_FAULT:
            turn.emit([EventRefused(event.unit, turn.now, answer)])
            return []
        return ignore(turn, event.unit, answer)
    recorded, moments = answer
    turn.emit([] if recorded is None else [recorded])
    if event.outcome not in _WORDLESS and _is_sessions(turn.memory, event):
        _session_spoke(turn, event.unit)
    forget_absent(turn.memory, turn.now)
    return moments


def withdraw(turn: Turn, reason: str, concerns: Callable[[Mapping[str, Any]], bool], *, at: str | None = None) -> None:
    """Take the open offers that `concerns` picks off their screens: those at one unit, or at all."""
    turn.emit(offers.withdraw(turn.memory, turn.now, reason, concerns, at=at))


def ignore(turn: Turn, unit: str, reason: str) -> list[Moment]:
    """Say why an event changed nothing."""
    turn.emit([EventIgnored(unit, turn.now, reason)])
    return []


def _bring_along(turn: Turn, event: SubjectIdentified | FactsChanged | ListPrepared) -> None:
    """Take over what the ledger knows of a subject; of one who is present, more is known here."""
    if event.subject and not context.is_present(turn.memory, event.subject):
        own = {k: v for k, v in event.state.items() if k.scope is Scope.SUBJECT and k.owner == event.subject}
        turn.memory.load(own)


def forget_absent(memory: Memory, now: Instant) -> None:
    """Let go of who is not present, and of households nobody present belongs to: the ledger has what was said."""
    present = {subject: unit for unit in memory.owners(Scope.UNIT) for subject in context.subjects_at(memory, unit)}
    for subject in memory.owners(Scope.SUBJECT):
        if subject not in present:
            memory.forget(Scope.SUBJECT, subject)
    known = memory.owners(Scope.HOUSEHOLD)
    homes = {facts.household_of(memory, subject, unit, now) for subject, unit in present.items()} if known else set()
    for household in known:
        if household not in homes:
            memory.forget(Scope.HOUSEHOLD, household)


def _load_household(turn: Turn, event: SubjectIdentified | FactsChanged) -> None:
    """Take over what the ledger knows of a person's household, unless somebody else of it has brought it along."""
    household = facts.household_of(turn.memory, event.subject, event.unit, turn.now)
    if household is None or household in turn.memory.owners(Scope.HOUSEHOLD):
        return
    turn.memory.load({k: v for k, v in event.state.items() if k.scope is Scope.HOUSEHOLD and k.owner == household})


def _rests_on(record: Mapping[str, Any], event: ConsentChanged) -> bool:
    """Return whether an offer rests on the consent that was withdrawn; a session's only at its own unit."""
    same_place = event.holder != SESSION or record["unit"] == event.unit
    return same_place and record["holder"] == event.holder and event.purpose in record["purposes"]


def _forget_withdrawn(turn: Turn, event: ConsentChanged) -> None:
    """Let go of what a subject no longer agrees to have remembered, in the ledger too."""
    if event.purpose is Purpose.PROFILING:
        facts.forget_prepared(turn.memory, event.holder)
    elif event.purpose is Purpose.LOCATION_TRIGGERS:
        suspicion.forget(turn.memory, event.holder)
    else:
        return
    triggers.forget_unconsented(turn.memory, turn.agenda, turn.release, event.holder, event.unit, turn.now)


def _concerned(memory: Memory, event: FactsChanged) -> list[str]:
    """Return the units at which facts matter: where their subject is, where their fence is around, or their own."""
    if not (event.subject or event.fence):
        return [event.unit]
    units = memory.owners(Scope.UNIT)
    if event.subject:
        return [unit for unit in units if event.subject in context.subjects_at(memory, unit)]
    return [unit for unit in units if event.fence in visits.inside(memory, unit)]


def _is_sessions(memory: Memory, event: OutcomeReported) -> bool:
    """Return whether an outcome was the doing of whoever is unknown at the unit it comes from."""
    record = offer_records.find(memory, event.offer)
    if record is None or record["unit"] != event.unit:
        return False
    return record["holder"] == SESSION and not record["orphaned"]


def _session_spoke(turn: Turn, unit: str) -> None:
    turn.memory.put(StateKey(Scope.SESSION, unit, _SPOKE), turn.now)
    turn.agenda.set(TimerKey(IDLE, unit), turn.now + SESSION_IDLE_MS)
