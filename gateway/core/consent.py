"""Consent: holder x purpose -> given or not. Unknown is denied.

Theory. Each consent a person gives or withdraws is an entry that is only ever added, so the answer does not depend
on the order in which messages arrive, or on how often. A *given* counts if and only if

- it names in `supersedes` every withdrawal of that purpose that is known here: an older "given" that turns up late
  does not know of the withdrawal and therefore never revives it, and at a tie the withdrawal wins; and
- its validity has not ended at `now`, which never runs backwards: setting a clock back extends nothing. While the
  clock is suspect nobody can tell, so one that ends on some day does not count, and counts again once the time is sure.

The set of known withdrawals only grows. Consent of a session lives in memory and ends with the session.
"""

from collections.abc import Mapping
from typing import Any

from gateway.core.campaign import Action, Kind
from gateway.core.events import SESSION, ConsentChanged, Purpose
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.units import Instant

FOR_GOOD: Instant = 1 << 62
"""Later than any instant."""

_NAME = "consent"


def home_of(holder: str, unit: str) -> tuple[Scope, str]:
    """Return scope and owner of a holder's entries: a subject's own, or those of the session at the unit."""
    return (Scope.SESSION, unit) if holder == SESSION else (Scope.SUBJECT, holder)


def record(memory: Memory, event: ConsentChanged) -> bool:
    """Add what the person said. Returns False if it was known already.

    One id that is both given and withdrawn is withdrawn.
    """
    scope, owner = home_of(event.holder, event.unit)
    state = "given" if event.given else "withdrawn"
    key = StateKey(scope, owner, _NAME, f"{event.purpose}/{state}/{event.id}")
    if memory.get(*key) is not None:
        return False
    memory.put(
        key,
        {
            "purpose": event.purpose.value,
            "id": event.id,
            "given": event.given,
            "supersedes": sorted(event.supersedes),
            "valid_until": event.valid_until,
        },
    )
    return True


def granted(memory: Memory, holder: str, unit: str, purpose: Purpose, now: Instant) -> bool:
    """Return whether the holder agrees to the purpose now."""
    return granted_until(memory, holder, unit, purpose, now) > now


def granted_until(memory: Memory, holder: str, unit: str, purpose: Purpose, now: Instant) -> Instant:
    """Return until when the holder, who says nothing more, agrees to the purpose: `FOR_GOOD`, or 0 if not at all."""
    scope, owner = home_of(holder, unit)
    entries = [entry for entry in memory.group(scope, owner, _NAME).values() if entry["purpose"] == purpose]
    withdrawals = {entry["id"] for entry in entries if not entry["given"]}
    registered: Mapping[str, Any] = memory.get(Scope.UNIT, unit, "registered") or {}
    is_sure = registered.get("time_is_sure", True)
    return max(
        (
            _end(entry)
            for entry in entries
            if entry["given"]
            and entry["id"] not in withdrawals
            and withdrawals.issubset(entry["supersedes"])
            and (is_sure or entry["valid_until"] is None)
            and now < _end(entry)
        ),
        default=0,
    )


def purposes_of(action: Action) -> tuple[Purpose, ...]:
    """Return what an action needs agreement to. Service and safety need none.

    Showing an offer needs `offer_display`; resting on where the person is, `location_triggers`; reading or remembering
    anything of the person (facts, a model's score, a prepared list, what they did on other days), `profiling`.
    """
    if action.kind is not _MARKETING:
        return ()
    return _PURPOSES[action.needs_location, action.reads_person]


# Looked up once: a member costs a call into its enumeration each time.
_MARKETING = Kind.MARKETING
_DISPLAY, _LOCATION, _PROFILING = Purpose.OFFER_DISPLAY, Purpose.LOCATION_TRIGGERS, Purpose.PROFILING
_PURPOSES: Mapping[tuple[bool, bool], tuple[Purpose, ...]] = {
    (False, False): (_DISPLAY,),
    (True, False): (_DISPLAY, _LOCATION),
    (False, True): (_DISPLAY, _PROFILING),
    (True, True): (_DISPLAY, _LOCATION, _PROFILING),
}
"""By whether the action rests on a location and reads of the person."""


def _end(entry: Mapping[str, Any]) -> Instant:
    end: Instant | None = entry["valid_until"]
    return FOR_GOOD if end is None else end
