"""Consent: holder x purpose -> given or not. Unknown is denied.

Theory. Each consent a person gives or withdraws is an entry that is only ever added, so the answer does not depend
on the order in which messages arrive, or on how often. A *given* counts if and only if

- it names in `supersedes` every withdrawal of that purpose that is known here: an older "given" that turns up late
  does not know of the withdrawal and therefore never revives it, and at a tie the withdrawal wins; and
- its validity has not ended at `now`, which never runs backwards: setting a clock back extends nothing.

The set of known withdrawals only grows. Consent of a session lives in memory and ends with the session.
"""

from collections.abc import Mapping
from typing import Any

from gateway.core.campaign import Action, Kind
from gateway.core.events import SESSION, ConsentChanged, Purpose
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.units import Instant

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
    scope, owner = home_of(holder, unit)
    entries = [entry for entry in memory.group(scope, owner, _NAME).values() if entry["purpose"] == purpose]
    withdrawals = {entry["id"] for entry in entries if not entry["given"]}
    return any(
        entry["given"] and entry["id"] not in withdrawals and _counts(entry, withdrawals, now) for entry in entries
    )


def purposes_of(action: Action) -> tuple[Purpose, ...]:
    """Return what an action needs agreement to. Service and safety need none.

    Showing an offer needs `offer_display`; being triggered by where the person is, `location_triggers`; a model's
    score, `profiling`.
    """
    if action.kind is not Kind.MARKETING:
        return ()
    return _PURPOSES[action.needs_location, action.model is not None]


_DISPLAY, _LOCATION, _PROFILING = Purpose.OFFER_DISPLAY, Purpose.LOCATION_TRIGGERS, Purpose.PROFILING
_PURPOSES: Mapping[tuple[bool, bool], tuple[Purpose, ...]] = {
    (False, False): (_DISPLAY,),
    (True, False): (_DISPLAY, _LOCATION),
    (False, True): (_DISPLAY, _PROFILING),
    (True, True): (_DISPLAY, _LOCATION, _PROFILING),
}
"""By whether the action rests on a location and on a model."""


def _counts(entry: Mapping[str, Any], withdrawals: set[str], now: Instant) -> bool:
    valid_until = entry["valid_until"]
    return withdrawals.issubset(entry["supersedes"]) and (valid_until is None or now < valid_until)
