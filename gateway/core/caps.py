"""Contact policy: how often people may be bothered, at the level of an action, of its group, and of all marketing.

    cap        owner: holder's home, unit, household; item: level and contact    when that contact was made
    declined   owner: holder's home; item: level                                 when one was last declined or dismissed
    ignored    owner: holder's home; item: level                                 {"count", "last"}: in a row, and when
    never      owner: holder's home; item: action                                when that was said

Theory. Every marketing offer is a *contact*; the offers of a slate are one contact together, but for their own action's
caps. A contact is reserved when its offer is committed, at each level and for each owner whose caps count it, and given
back if it was never presented. A sliding window ends at the very instant it has passed; a fixed one holds what was
reserved since the calendar window of `now` began, in the unit's local time. What no window can count any longer is let
go.

What is counted per household is counted per subject as well, and a household's count holds the subject's own: so a
household that becomes known, changes or is forgotten lets nobody have more than the cap. Of a session, all but the
unit's own counts lives in memory and ends with it.

An offer that was presented and ended without an answer was *ignored*. Any answer begins the row anew.

Service and safety are never limited by anything in here.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import NamedTuple, TypeAlias

from gateway.core import context, facts
from gateway.core.calendar import LONGEST_MS, window_start
from gateway.core.campaign import Action, Kind
from gateway.core.consent import home_of
from gateway.core.context import Unit
from gateway.core.effects import Offer
from gateway.core.release import Release
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.terms import Calendar, Cap, ContactPolicy, Per, Suppression
from gateway.core.units import DAY_MS, SECOND_MS, Instant

NEVER_AGAIN = "never_again"
COOLING_DOWN = "cooling_down"
SUPPRESSED = "suppressed"
CAP_REACHED = "cap_reached"

# Looked up once: a member costs a call into its enumeration each time.
_MARKETING, _UNIT, _HOUSEHOLD = Kind.MARKETING, Per.UNIT, Per.HOUSEHOLD
GRACE_MS = 92 * DAY_MS
"""How long what has passed is still kept: a clock that was led ahead (docs/decisions/0012) is set back within it."""

_ALL = "*"
_GROUP = "+"
_CAP = "cap"
_DECLINED = "declined"
_IGNORED = "ignored"
_NEVER = "never"


Objection: TypeAlias = tuple[str, dict[str, object]]
"""Why somebody must not be bothered, and the values that decide it."""


class _Owner(NamedTuple):
    """Whose contacts are counted."""

    scope: Scope
    id: str


class Contacts:
    """What one holder at one unit was bothered with, as of one instant. An owner's reservations are gone through once.

    It is good for one decision: what is reserved after it was made, it does not know of.
    """

    def __init__(self, memory: Memory, release: Release, unit: Unit, holder: str, now: Instant) -> None:
        self._memory = memory
        self._release = release
        self._unit = unit
        self._holder = holder
        self._home = _Owner(*home_of(holder, unit.id))
        self._now = now
        self._never, self._declined, self._ignored = (
            memory.group(*self._home, name) for name in (_NEVER, _DECLINED, _IGNORED)
        )
        self._passed: dict[_Owner, Mapping[str, list[tuple[str, Instant]]]] = {}
        self._household: list[_Owner] | None = None
        self._reached: dict[str, list[Objection]] = {}

    def objections(self, action: Action) -> Iterator[Objection]:
        """Yield each reason why the holder must not be bothered with an action now, and the values that decide it."""
        if action.kind is not _MARKETING:
            return
        if action.id in self._never:
            yield NEVER_AGAIN, {}
        levels = self._release.policies(action)
        for level, policy in levels:
            if policy.cool_down_s and level in self._declined:
                yield from self._cooling_down(level, policy.cool_down_s)
        for level, policy in levels:
            if policy.suppression is not None and level in self._ignored:
                yield from self._suppressed(level, policy.suppression)
        for level, policy in levels:
            if policy.caps:
                yield from self._reached_at(level, policy.caps)

    def objection(self, action: Action) -> Objection | None:
        """Return the first of the objections, or None."""
        if action.id not in self._never and not self._release.policies(action):
            return None
        return next(self.objections(action), None)

    def _cooling_down(self, level: str, cool_down_s: int) -> Iterable[Objection]:
        until = self._declined[level] + cool_down_s * SECOND_MS
        if self._now < until:
            return [(COOLING_DOWN, {"level": level, "cool_down_s": cool_down_s, "until": until})]
        if until + GRACE_MS <= self._now:
            self._memory.drop(StateKey(*self._home, _DECLINED, level))
        return ()

    def _suppressed(self, level: str, wanted: Suppression) -> Iterable[Objection]:
        row = self._ignored[level]
        if row["count"] < wanted.ignored:
            return ()
        until = row["last"] + wanted.for_s * SECOND_MS
        if self._now < until:
            return [(SUPPRESSED, {"level": level, "ignored": row["count"], "until": until})]
        if until + GRACE_MS <= self._now:
            self._memory.drop(StateKey(*self._home, _IGNORED, level))
        return ()

    def _reached_at(self, level: str, level_caps: Iterable[Cap]) -> Iterable[Objection]:
        """Return the caps of a level that are reached; counted once, since many candidates share a level."""
        if level not in self._busy and all(cap.count for cap in level_caps):
            return ()
        if level not in self._reached:
            reached = [(cap, self._used(level, cap)) for cap in level_caps]
            self._reached[level] = [_reached(level, cap, used) for cap, used in reached if used >= cap.count]
        return self._reached[level]

    def _used(self, level: str, cap: Cap) -> int:
        reserved = [pair for owner in self._owners(cap.per) for pair in self._reserved(owner).get(level, ())]
        if len(reserved) < cap.count:
            return 0  # too few to reach it, whenever they were
        opened = _opened(cap, self._now, self._unit.utc_offset_s)
        return len({contact for contact, at in reserved if at >= opened})

    @cached_property
    def _busy(self) -> frozenset[str]:
        """The levels at which anybody concerned has any contact."""
        owners = {*self._owners(_HOUSEHOLD), *self._owners(_UNIT)}
        return frozenset(level for owner in owners for level in self._reserved(owner))

    def _owners(self, per: Per) -> list[_Owner]:
        if per is _UNIT:
            return [_Owner(Scope.UNIT, self._unit.id)]
        if per is not _HOUSEHOLD:
            return [self._home]
        if self._household is None:
            self._household = _household(self._memory, self._holder, self._unit, self._now)
        return [self._home, *self._household]

    def _reserved(self, owner: _Owner) -> Mapping[str, list[tuple[str, Instant]]]:
        """Return the contacts of an owner that may still count, by level; lets go of the others."""
        if owner not in self._passed:
            self._passed[owner] = _pass_over(self._memory, self._release, owner, self._now)
        return self._passed[owner]


def reserve(memory: Memory, release: Release, unit: Unit, offer: Offer, action: Action) -> list[StateKey]:
    """Count an offer from now on, wherever a cap counts it. Returns the reservations that stand for it."""
    if action.kind is not _MARKETING:
        return []
    home = _Owner(*home_of(offer.holder, unit.id))
    keys = []
    for level, policy in release.levels(action):
        pers = {cap.per for cap in policy.caps}
        owners = [] if pers <= {_UNIT} else [home]
        owners += _household(memory, offer.holder, unit, offer.made) if _HOUSEHOLD in pers else []
        owners += [_Owner(Scope.UNIT, unit.id)] if _UNIT in pers else []
        contact = offer.id if level == action.id else offer.slate or offer.id
        keys += [StateKey(owner.scope, owner.id, _CAP, f"{level}/{contact}") for owner in owners]
    count_again(memory, keys, offer.made)
    return keys


def count_again(memory: Memory, reservations: Iterable[StateKey], now: Instant) -> None:
    """Count contacts from now on, but for those that are counted already."""
    for key in reservations:
        if memory.get(*key) is None:
            memory.put(key, now)


def give_back(memory: Memory, reservations: Iterable[StateKey]) -> None:
    """Uncount contacts that nobody was shown."""
    for key in reservations:
        memory.drop(key)


def is_shared(reservation: StateKey) -> bool:
    """Return whether all offers of a slate stand behind a reservation, and not one action's alone."""
    return reservation.item.startswith((_ALL, _GROUP))


def declined(memory: Memory, release: Release, holder: str, unit: str, levels: Iterable[str], now: Instant) -> None:
    """Begin the cool-down of these levels. It is an answer, too."""
    scope, owner = home_of(holder, unit)
    for level in levels:
        policy = _policy(release, level)
        if policy is not None and policy.cool_down_s:
            memory.put(StateKey(scope, owner, _DECLINED, level), now)
    answered(memory, release, holder, unit, levels)


def answered(memory: Memory, release: Release, holder: str, unit: str, levels: Iterable[str]) -> None:
    """Forget how many offers of these levels were ignored; of a holder who has left, the ledger alone knows of any."""
    scope, owner = home_of(holder, unit)
    is_here = context.is_present(memory, holder)
    for level in levels:
        policy, key = _policy(release, level), StateKey(scope, owner, _IGNORED, level)
        may_be_known = policy is None or policy.suppression is not None
        if memory.get(*key) is not None or (may_be_known and not is_here):
            memory.drop(key)


def ignored(memory: Memory, release: Release, holder: str, unit: str, levels: Iterable[str], now: Instant) -> None:
    """Count an offer of these levels that its holder, who is present, left unanswered.

    After a suppression the row begins anew.
    """
    scope, owner = home_of(holder, unit)
    for level in levels:
        policy = _policy(release, level)
        if policy is None or policy.suppression is None:
            continue
        key, wanted = StateKey(scope, owner, _IGNORED, level), policy.suppression
        row = memory.get(*key) or {"count": 0, "last": now}
        is_over = row["count"] >= wanted.ignored and now >= row["last"] + wanted.for_s * SECOND_MS
        memory.put(key, {"count": 1 if is_over else row["count"] + 1, "last": now})


def never_again(memory: Memory, holder: str, unit: str, action: str, now: Instant) -> None:
    """Remember for good that the holder does not want this action."""
    scope, owner = home_of(holder, unit)
    memory.put(StateKey(scope, owner, _NEVER, action), now)


def _reached(level: str, cap: Cap, used: int) -> Objection:
    window: dict[str, object] = {"within_s": cap.within_s} if cap.each is None else {"each": cap.each.value}
    return CAP_REACHED, {"level": level, "count": cap.count, "used": used, **window, "per": cap.per.value}


def _opened(cap: Cap, now: Instant, utc_offset_s: int) -> Instant:
    """Return from which instant on a contact counts."""
    return now - cap.within_s * SECOND_MS + 1 if cap.each is None else window_start(cap.each, now, utc_offset_s)


def _household(memory: Memory, holder: str, unit: Unit, now: Instant) -> list[_Owner]:
    household = facts.household_of(memory, holder, unit.id, now)
    return [] if household is None else [_Owner(Scope.HOUSEHOLD, household)]


def _pass_over(
    memory: Memory, release: Release, owner: _Owner, now: Instant
) -> Mapping[str, list[tuple[str, Instant]]]:
    """Return an owner's contacts that some window may still count, by level; deletes the others."""
    standing: dict[str, list[tuple[str, Instant]]] = {}
    longest_ms: dict[str, int] = {}
    gone = []
    for item, at in memory.group(*owner, _CAP).items():
        level, _, contact = item.partition("/")
        if level not in longest_ms:
            longest_ms[level] = _longest_ms(_policy(release, level))
        if at + longest_ms[level] <= now:
            gone.append((at, item))
        else:
            standing.setdefault(level, []).append((contact, at))
    for item in _let_go(release, gone, now):
        memory.drop(StateKey(owner.scope, owner.id, _CAP, item))
    return standing


def _let_go(release: Release, passed: list[tuple[Instant, str]], now: Instant) -> list[str]:
    """Return which of the contacts that no window counts any more are not kept.

    Of each level as many as its largest cap counts are kept for `GRACE_MS`: if the clock turns out to be ahead, they
    count again.
    """
    kept: dict[str, int] = {}
    gone = []
    for at, item in sorted(passed, reverse=True):
        level = item.partition("/")[0]
        kept[level] = kept.get(level, 0) + 1
        policy = _policy(release, level)
        most = max((cap.count for cap in policy.caps), default=0) if policy is not None else 0
        if kept[level] > most or at + GRACE_MS <= now:
            gone.append(item)
    return sorted(gone)


def _longest_ms(policy: ContactPolicy | None) -> int:
    """Return after which time no cap of a level counts a contact any longer.

    Where there is none now, a month: an earlier release that counted it may come back.
    """
    if policy is None or not policy.caps:
        return LONGEST_MS[Calendar.MONTH]
    return max(cap.within_s * SECOND_MS if cap.each is None else LONGEST_MS[cap.each] for cap in policy.caps)


def _policy(release: Release, level: str) -> ContactPolicy | None:
    """Return the contact policy of a level; None: the release has no such action or group."""
    if level == _ALL:
        return release.contact
    named = release.groups.get(level[1:]) if level.startswith(_GROUP) else release.actions.get(level)
    return None if named is None else named.contact
