"""What is kept of a unit and its fences: entries of state, changed by reports of what happened and by timers alone.

    fence     item: the fence   {"since", "dwelled", "kind"}    the unit is inside; "entered", if told of much later
    waiting   item: the fence   {"since"}                       it is within a fence that is closed
    approach  item: the fence   {"since"}                       it was noticed to approach, and has not gone away since
    heard                       an instant                      it last showed a sign of life, to the hour
    crossing                    an instant                      the `ts` of its latest crossing: for after a restart

A fix, a beacon's sighting and another's report of a crossing all become a `FenceReported`, which `take` makes true. So
whatever speaks for a fence speaks to the same state, and a journal that keeps the reports keeps everything.

A visit is a real one once it was noticed to dwell: its end says so, and how long it was.

Timers are derived from these entries: `dwell`, `hours` (a fence opens or closes), `silence`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.core import season
from gateway.core.events import FenceReported
from gateway.core.fences.geometry import Fence, order
from gateway.core.moments import FenceApproached, FenceEntered, FenceExited, FencePassedBy, Moment
from gateway.core.release import Release
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant

SILENCE_MS = DAY_MS
"""Who is inside and has shown no sign of life for so long is no longer known to be there."""
SIGN_OF_LIFE_MS = HOUR_MS
"""How much later a sign of life must be to be kept: a visit costs the ledger one write an hour."""

FRESH_MS = MINUTE_MS
"""Telemetry older than this still says how things are, but no longer that something is happening: no offer."""

INSIDE = "fence"
WAITING = "waiting"
APPROACH = "approach"
HEARD = "heard"
CROSSING = "crossing"
CROSSED = "crossed"
_ANY = ""
DWELL, HOURS, SILENCE = "dwell", "hours", "silence"


def inside(memory: Memory, unit: str) -> list[str]:
    """Return the ids of the fences the unit is in, in order."""
    return sorted(memory.group(Scope.UNIT, unit, INSIDE))


def ahead(memory: Memory, unit: str) -> list[str]:
    """Return the ids of the fences the unit has been noticed to head for and is not within yet, in order."""
    reached = (memory.group(Scope.UNIT, unit, INSIDE), memory.group(Scope.UNIT, unit, WAITING))
    return sorted(
        fence for fence in memory.group(Scope.UNIT, unit, APPROACH) if not any(fence in within for within in reached)
    )


def is_older(memory: Memory, unit: str, fence: str, ts: Instant) -> bool:
    """Return whether a crossing of this fence is known that happened later; of before a restart, of any fence."""
    crossed = memory.group(Scope.KINEMATICS, unit, CROSSED)
    last = crossed.get(fence, crossed.get(_ANY))
    return last is not None and ts < last


def is_overtaken(memory: Memory, unit: str, ts: Instant) -> bool:
    """Return whether a fix, the first since a restart, is from before what is known already: it is delivered again."""
    last = memory.get(Scope.KINEMATICS, unit, CROSSED, _ANY)
    return last is not None and bool(ts <= last)


def awaken(memory: Memory, unit: str) -> None:
    """Remember, after a restart, until when the unit's crossings are known."""
    last = memory.get(Scope.UNIT, unit, CROSSING)
    if last is not None:
        memory.kinematics(unit, CROSSED)[_ANY] = last


def known(release: Release, fences: Iterable[str]) -> list[Fence]:
    """Return those fences that the release has, in the order in which they are reported."""
    return sorted((release.fences[fence] for fence in set(fences) if fence in release.fences), key=order)


def take(memory: Memory, release: Release, report: FenceReported, now: Instant) -> list[Moment]:
    """Make true what a report tells, as far as it is news; return what is to be noticed of it.

    In this order: what was left, passed by, entered and approached; of each the fences by priority, then by id.
    """
    unit, ts = report.unit, report.ts
    memory.scratch.pop(unit, None)
    left = [fence for fence in known(release, report.exited) if not is_older(memory, unit, fence.id, ts)]
    moments: list[Moment] = [moment for fence in left for moment in _leave(memory, fence, unit, ts, now)]
    moments += [FencePassedBy(unit, now, fence.id, fence.kind) for fence in known(release, report.passed_by)]
    for fence in known(release, report.entered):
        if not is_older(memory, unit, fence.id, ts):
            moments += _enter(memory, fence, unit, ts, now)
    for fence in known(release, report.approached):
        if memory.get(Scope.UNIT, unit, APPROACH, fence.id) is None:
            memory.put(StateKey(Scope.UNIT, unit, APPROACH, fence.id), {"since": now})
            moments.append(FenceApproached(unit, now, fence.id, fence.kind))
    for gone in report.receded:
        _drop(memory, unit, APPROACH, gone)
    if report.climate:
        season.keep_climate(memory, unit, report.climate)
    _hear(memory, unit, min(ts, now))
    return moments


def _leave(memory: Memory, fence: Fence, unit: str, ts: Instant, now: Instant) -> list[Moment]:
    visit = memory.get(Scope.UNIT, unit, INSIDE, fence.id)
    if _drop(memory, unit, INSIDE, fence.id):
        _note_crossing(memory, unit, fence.id, ts, now)
        _drop(memory, unit, APPROACH, fence.id)
        return [_exited(unit, now, fence.id, fence.kind, "left", visit, until=min(ts, now))]
    if _drop(memory, unit, WAITING, fence.id):
        _note_crossing(memory, unit, fence.id, ts, now)
    return []


def _enter(memory: Memory, fence: Fence, unit: str, ts: Instant, now: Instant) -> list[Moment]:
    if any(memory.get(Scope.UNIT, unit, name, fence.id) is not None for name in (INSIDE, WAITING)):
        return []
    _note_crossing(memory, unit, fence.id, ts, now)
    if not fence.is_open(now):
        memory.put(StateKey(Scope.UNIT, unit, WAITING, fence.id), {"since": now})
        return []
    return _begin(memory, fence, unit, now, entered=ts if now - ts > FRESH_MS else None)


def _begin(memory: Memory, fence: Fence, unit: str, now: Instant, *, entered: Instant | None = None) -> list[Moment]:
    """Begin a visit.

    Args:
        memory: Where it is kept.
        fence: What is visited.
        unit: Who visits.
        now: When it begins, or is told of.
        entered: When it began, if that was long ago: it is never noticed to dwell, since nobody knows if it still does.
    """
    visit: dict[str, object] = {"since": now, "dwelled": entered is not None, "kind": fence.kind}
    if entered is not None:
        visit["entered"] = entered
    memory.put(StateKey(Scope.UNIT, unit, INSIDE, fence.id), visit)
    return [FenceEntered(unit, now, fence.id, fence.kind)]


def _note_crossing(memory: Memory, unit: str, fence: str, ts: Instant, now: Instant) -> None:
    memory.kinematics(unit, CROSSED)[fence] = ts
    key = StateKey(Scope.UNIT, unit, CROSSING)
    memory.put(key, max(min(ts, now), memory.get(*key) or 0))


def _drop(memory: Memory, unit: str, name: str, fence: str = "") -> bool:
    """Delete an entry; return whether there was one."""
    if memory.get(Scope.UNIT, unit, name, fence) is None:
        return False
    memory.drop(StateKey(Scope.UNIT, unit, name, fence))
    return True


def is_sign_due(memory: Memory, unit: str, ts: Instant) -> bool:
    """Return whether a unit that is inside somewhere should be noted to be alive."""
    return ts >= next_sign(memory, unit)


def next_sign(memory: Memory, unit: str) -> float:
    """Return the instant from which on a sign of life is to be noted; infinite while it is inside nowhere."""
    if not (memory.group(Scope.UNIT, unit, INSIDE) or memory.group(Scope.UNIT, unit, WAITING)):
        return math.inf
    heard = memory.get(Scope.UNIT, unit, HEARD)
    return 0.0 if heard is None else float(heard + SIGN_OF_LIFE_MS)


def _hear(memory: Memory, unit: str, at: Instant) -> None:
    """Note a sign of life for as long as it matters: while the unit is inside somewhere."""
    key = StateKey(Scope.UNIT, unit, HEARD)
    heard = memory.get(*key)
    if not held(memory, unit):
        _drop(memory, unit, HEARD)
    elif heard is None or at >= heard + SIGN_OF_LIFE_MS:
        memory.put(key, at)


def dues(memory: Memory, release: Release, unit: str, fence_id: str) -> Iterator[tuple[str, Instant | None]]:
    """Return when the timers of one fence are due: None for one that is not."""
    fence = release.fences.get(fence_id)
    visit = memory.get(Scope.UNIT, unit, INSIDE, fence_id)
    waiting = memory.get(Scope.UNIT, unit, WAITING, fence_id)
    dwells = fence is not None and visit is not None and fence.dwell_s > 0 and not visit["dwelled"]
    yield DWELL, int(visit["since"]) + fence.dwell_s * SECOND_MS if fence is not None and dwells else None
    yield HOURS, _hours_due(fence, visit, waiting)


def _hours_due(
    fence: Fence | None, visit: Mapping[str, int] | None, waiting: Mapping[str, int] | None
) -> Instant | None:
    """Return when a fence closes around a unit, or opens for one that waits."""
    state = visit or waiting
    if fence is None or state is None or (visit is not None and fence.opening_hours is None):
        return None
    since = int(state["since"])
    if fence.opening_hours is None or fence.is_open(since) != (visit is not None):
        return since  # a new release has changed its hours
    return fence.opening_hours.next_change(since)


def silence_due(memory: Memory, unit: str) -> Instant | None:
    """Return when a unit will have been silent for too long to be known inside; None if it is inside nowhere."""
    heard = memory.get(Scope.UNIT, unit, HEARD)
    return None if heard is None else int(heard) + SILENCE_MS


def held(memory: Memory, unit: str) -> list[str]:
    """Return the ids of the fences with timers: those the unit is in, and those it waits in to open."""
    return sorted({*memory.group(Scope.UNIT, unit, INSIDE), *memory.group(Scope.UNIT, unit, WAITING)})


def dwelled(memory: Memory, unit: str, fence: str) -> None:
    """Note that the dwell was noticed: once a visit."""
    visit = memory.get(Scope.UNIT, unit, INSIDE, fence)
    memory.put(StateKey(Scope.UNIT, unit, INSIDE, fence), {**visit, "dwelled": True})


def turn_hours(memory: Memory, fence: Fence, unit: str, now: Instant) -> list[Moment]:
    """Let a fence close around the unit inside it, or open for the unit that waits in it."""
    memory.scratch.pop(unit, None)
    is_open = fence.is_open(now)
    if is_open and _drop(memory, unit, WAITING, fence.id):
        return _begin(memory, fence, unit, now)
    visit = memory.get(Scope.UNIT, unit, INSIDE, fence.id)
    if not is_open and _drop(memory, unit, INSIDE, fence.id):
        _drop(memory, unit, APPROACH, fence.id)
        memory.put(StateKey(Scope.UNIT, unit, WAITING, fence.id), {"since": now})
        return [_exited(unit, now, fence.id, fence.kind, "closed", visit)]
    return []


def give_up(memory: Memory, release: Release, unit: str, now: Instant) -> list[Moment]:
    """Let a unit that has been silent for too long be nowhere."""
    memory.scratch.pop(unit, None)
    ended, heard = dict(memory.group(Scope.UNIT, unit, INSIDE)), memory.get(Scope.UNIT, unit, HEARD)
    for name in (INSIDE, WAITING, APPROACH):
        for fence in sorted(memory.group(Scope.UNIT, unit, name)):
            _drop(memory, unit, name, fence)
    _drop(memory, unit, HEARD)
    return [
        _exited(unit, now, fence, _kind_of(ended[fence], release, fence), "gap", ended[fence], until=heard)
        for fence in _in_order(release, ended)
    ]


def removed(memory: Memory, old: Release, new: Release, unit: str, now: Instant) -> list[Moment]:
    """Let a unit leave the fences that a new release no longer has: those it is inside only, once."""
    memory.scratch.pop(unit, None)
    visits = memory.group(Scope.UNIT, unit, INSIDE)
    ended = {fence: visits[fence] for fence in _in_order(old, visits) if fence not in new.fences}
    for name in (INSIDE, WAITING, APPROACH):
        for fence in sorted(memory.group(Scope.UNIT, unit, name)):
            if fence not in new.fences:
                _drop(memory, unit, name, fence)
    if not held(memory, unit):
        _drop(memory, unit, HEARD)
    return [
        _exited(unit, now, fence, _kind_of(visit, old, fence), "fence_removed", visit) for fence, visit in ended.items()
    ]


def _exited(  # noqa: PLR0913 -- all that the moment says
    unit: str,
    now: Instant,
    fence: str,
    kind: str,
    reason: str,
    visit: Mapping[str, Any],
    *,
    until: Instant | None = None,
) -> FenceExited:
    """Return the end of a visit, which lasted until `until` (None: now) as far as is known."""
    entered = visit.get("entered")
    began = visit["since"] if entered is None else entered
    stayed_s = max(0, (now if until is None else until) - began) // SECOND_MS
    return FenceExited(unit, now, fence, kind, reason, stayed_s, visit["dwelled"] and entered is None)


def _in_order(release: Release, fences: Iterable[str]) -> list[str]:
    """Return fences as they are reported; those of a release that is gone by their id alone."""
    return sorted(fences, key=lambda id_: order(release.fences[id_]) if id_ in release.fences else (0, id_))


def _kind_of(visit: Mapping[str, str], release: Release, fence: str) -> str:
    """Return the kind of a fence a unit is in; a visit of before visits kept it has only the release to ask."""
    known_kind = release.fences[fence].kind if fence in release.fences else "zone"
    return visit.get("kind", known_kind)
