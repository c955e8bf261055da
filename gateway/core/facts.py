"""What is known from elsewhere, with its age: facts of a subject, of a unit, of a fence; and prepared lists.

    fact      owner: subject, unit or fence; item: its name   {"value", "ts", "until"}
    prepared  owner: subject                                  {"propensities", "ts", "until"}

Newest `ts` wins, name by name. What has ended is not known, though it is still there. `ts` and `until` are the
sender's dates; nothing is dated later than it was heard.

Whoever reads of a person names the purpose: what rests on their agreement is empty while they do not agree.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from gateway.core import consent
from gateway.core.events import SESSION, FactsChanged, ListPrepared, Purpose, Scalar
from gateway.core.fences import visits
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.units import Instant

HOUSEHOLD = "household"
"""The fact that names the household of a subject, by a pseudonymous id."""
VOICE_OPT_IN = "voice_opt_in"
"""The fact by which a subject agrees to be spoken to while driving."""

LIMIT = 256
"""How many facts are kept of one subject, fence or unit, forgotten ones included: whoever tells more is told no."""

_FACT = "fact"
_PREPARED = "prepared"


class Basis(StrEnum):
    """Why something of a person is read.

    PROFILING: they agreed to it. CONTRACT: it is a service to them, or their safety. RECORD: to do as they said
    (whether to speak to them while driving, whose contacts to count).
    """

    PROFILING = "profiling"
    CONTRACT = "contract"
    RECORD = "record"


class Fact(NamedTuple):
    """A value, and when it was so."""

    value: Scalar
    ts: Instant


def learn(memory: Memory, event: FactsChanged) -> list[str]:
    """Take facts in. Returns the names of those that are news: another value, or known for the first time or again."""
    scope, owner = _home_of(event)
    news = []
    for name, value in event.facts.items():
        key = StateKey(scope, owner, _FACT, name)
        held = memory.get(*key)
        known = None if held is None else _entry(held)
        if known is not None and event.ts < known["ts"]:
            continue
        # One that is forgotten is kept as such, so that what was said before does not come back late.
        memory.put(key, {"value": value, "ts": event.ts, "until": event.valid_until})
        if value is not None and (known is None or not _holds(known, event.ts) or not _is_same(known["value"], value)):
            news.append(name)
    return news


def would_overflow(memory: Memory, event: FactsChanged) -> bool:
    """Return whether more than `LIMIT` facts would be kept of one subject, fence or unit."""
    known = memory.group(*_home_of(event), _FACT)
    return len(known) + len(event.facts) > LIMIT and len(known.keys() | event.facts.keys()) > LIMIT


def prepare(memory: Memory, event: ListPrepared) -> bool:
    """Take a prepared list in. Returns False if a newer one is known."""
    key = StateKey(Scope.SUBJECT, event.subject, _PREPARED)
    known = memory.get(*key)
    if known is not None and event.ts < known["ts"]:
        return False
    memory.put(key, {"propensities": dict(event.propensities), "ts": event.ts, "until": event.valid_until})
    return True


def forget_prepared(memory: Memory, subject: str) -> None:
    """Drop the prepared list of a subject, here and in the ledger."""
    memory.drop(StateKey(Scope.SUBJECT, subject, _PREPARED))


def of_subject(memory: Memory, holder: str, unit: str, now: Instant, basis: Basis) -> dict[str, Fact]:
    """Return the facts of a subject that hold now; none of a session, and none that they do not agree to have read."""
    if holder == SESSION or not _may_read(memory, holder, unit, now, basis):
        return {}
    return _holding(memory.group(Scope.SUBJECT, holder, _FACT), now)


def of_place(memory: Memory, unit: str, now: Instant) -> dict[str, Fact]:
    """Return the facts that hold now of a unit and of the fences it is in; the unit's own come first, then by id."""
    places = [memory.group(Scope.FENCE, fence, _FACT) for fence in reversed(visits.inside(memory, unit))]
    return {
        name: fact
        for place in (*places, memory.group(Scope.UNIT, unit, _FACT))
        for name, fact in _holding(place, now).items()
    }


def of_fence(memory: Memory, fence: str, now: Instant) -> dict[str, Fact]:
    """Return the facts of a fence that hold now."""
    return _holding(memory.group(Scope.FENCE, fence, _FACT), now)


def prepared(memory: Memory, holder: str, unit: str, now: Instant) -> Mapping[str, float]:
    """Return the prepared list of a subject that holds now, by action; empty if they do not agree to profiling."""
    if holder == SESSION or not _may_read(memory, holder, unit, now, Basis.PROFILING):
        return {}
    known = memory.get(Scope.SUBJECT, holder, _PREPARED)
    return known["propensities"] if known is not None and _holds(known, now) else {}


def household_of(memory: Memory, holder: str, unit: str, now: Instant) -> str | None:
    """Return the household of a subject, or None."""
    fact = of_subject(memory, holder, unit, now, Basis.RECORD).get(HOUSEHOLD)
    return fact.value if fact is not None and isinstance(fact.value, str) else None


def _home_of(event: FactsChanged) -> tuple[Scope, str]:
    if event.subject:
        return Scope.SUBJECT, event.subject
    return (Scope.FENCE, event.fence) if event.fence else (Scope.UNIT, event.unit)


def _may_read(memory: Memory, holder: str, unit: str, now: Instant, basis: Basis) -> bool:
    return basis is not Basis.PROFILING or consent.granted(memory, holder, unit, Purpose.PROFILING, now)


def _holding(group: Mapping[str, Any], now: Instant) -> dict[str, Fact]:
    holding = {}
    for name, held in group.items():
        entry = _entry(held)
        if entry["value"] is not None and _holds(entry, now):
            holding[name] = Fact(entry["value"], entry["ts"])
    return holding


def _entry(held: dict[str, Any] | Scalar) -> Mapping[str, Any]:
    """Return a fact with its age; one that was kept before facts had an age is as old as can be."""
    return held if isinstance(held, dict) else {"value": held, "ts": 0, "until": None}


def _is_same(known: Scalar | None, value: Scalar) -> bool:
    return known == value and type(known) is type(value)


def _holds(known: Mapping[str, Any], now: Instant) -> bool:
    return known["until"] is None or now < known["until"]
