"""How often people were bothered, by the referee's own count: every mark is kept, nothing is ever pruned.

A *mark* is one contact at one level of contact policy. The offers of a slate are one mark together, but for their own
action's. When another release has another policy at a level, what was counted there before is forgotten here: which of
it such a level should still count nobody says.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from gateway.core.campaign import Action
from gateway.core.release import Release
from gateway.core.terms import Calendar, Cap, ContactPolicy, Per
from gateway.core.units import DAY_MS, HOUR_MS, SECOND_MS, Instant

LONGEST_MS = {Calendar.HOUR: HOUR_MS, Calendar.DAY: DAY_MS, Calendar.WEEK: 7 * DAY_MS, Calendar.MONTH: 31 * DAY_MS}


@dataclass(slots=True)
class Mark:
    """A contact; `of` are the offers that stand behind it while it counts."""

    level: str
    contact: str
    who: str
    household: str | None
    unit: str
    at: Instant
    stands: bool = True
    of: set[str] = field(default_factory=set)


class Owner(NamedTuple):
    """Whose contacts are counted."""

    who: str
    household: str | None
    unit: str

    def has(self, mark: Mark, per: Per) -> bool:
        """Return whether a contact is one of theirs; of a household also what its person had without it."""
        if per is Per.UNIT:
            return mark.unit == self.unit
        at_home = per is Per.HOUSEHOLD and self.household is not None and mark.household == self.household
        return mark.who == self.who or at_home


@dataclass(slots=True)
class Row:
    """Offers ignored one after the other."""

    count: int
    last: Instant


def levels_of(release: Release, action: Action) -> list[tuple[str, ContactPolicy]]:
    """Return the contact policies that bind an action."""
    levels = [(action.id, action.contact), ("*", release.contact)]
    return levels if action.group is None else [*levels, (f"+{action.group}", release.groups[action.group].contact)]


def window_opens(cap: Cap, now: Instant, offset_s: int) -> Instant:
    """Return the first instant that still counts: of a sliding window the one just inside it."""
    if cap.each is None:
        return now - cap.within_s * SECOND_MS + 1
    return calendar_opens(cap.each, now, offset_s)


def calendar_opens(each: Calendar, now: Instant, offset_s: int) -> Instant:
    """Return when the calendar window began that an instant lies in, on a clock on the wall."""
    wall = datetime.fromtimestamp(now // SECOND_MS, tz=UTC) + timedelta(seconds=offset_s)
    began = wall.replace(minute=0, second=0)
    if each is not Calendar.HOUR:
        began = began.replace(hour=0)
    if each is Calendar.WEEK:
        began -= timedelta(days=began.weekday())
    if each is Calendar.MONTH:
        began = began.replace(day=1)
    return int((began - timedelta(seconds=offset_s)).timestamp()) * SECOND_MS


def _length_ms(cap: Cap) -> int:
    return cap.within_s * SECOND_MS if cap.each is None else LONGEST_MS[cap.each]


KEPT_MS = 92 * DAY_MS
"""How far a clock may have been ahead without anything being forgotten for it."""


class Contacts:
    """All marks, the "no"s, and the rows of what was ignored."""

    def __init__(self) -> None:
        """Begin with nobody bothered."""
        self.never: set[tuple[str, str]] = set()
        self.vague: set[str] = set()
        self._marks: dict[str, list[Mark]] = {}
        self._declined: dict[tuple[str, str], Instant] = {}
        self._rows: dict[tuple[str, str], Row] = {}

    def used(self, level: str, cap: Cap, owner: Owner, now: Instant, offset_s: int, beside: str = "") -> int:
        """Return how many contacts count against a cap now, but for that of the slate `beside`."""
        opens = window_opens(cap, now, offset_s)
        counted = set()
        for mark in self._marks.get(level, ()):
            if not mark.stands or mark.at < opens or mark.contact == beside:
                continue
            if owner.has(mark, cap.per):
                counted.add(mark.contact)
        return len(counted)

    def mark(self, levels: Iterable[str], action: str, offer: str, mark: Mark) -> None:
        """Count an offer, at each of its levels; `mark` says whose, where and when."""
        for level in levels:
            contact = offer if level == action else mark.contact
            marks = self._marks.setdefault(level, [])
            known = next((each for each in marks[-4:] if each.contact == contact), None)
            if known is None:
                known = Mark(level, contact, mark.who, mark.household, mark.unit, mark.at)
                marks.append(known)
            known.of.add(offer)

    def let_go(self, offer: str, still: set[str]) -> None:
        """An offer was never shown: what no other of its slate stands for counts no more."""
        for mark in self._of(offer):
            mark.stands = bool(mark.of & still - {offer})

    def take_again(self, offer: str, now: Instant, policies: Mapping[str, ContactPolicy], *, is_at_hand: bool) -> None:
        """An offer was shown after all: it counts from now on, if it does not count anyway.

        Of somebody who is not at hand, or of long ago, nobody says whether it does: by the one instant or the other.
        """
        for mark in self._of(offer):
            longest_ms = max(map(_length_ms, policies[mark.level].caps), default=0)
            if not mark.stands:
                mark.stands, mark.at = True, now
            elif not is_at_hand or mark.at + longest_ms <= now:
                self.vague.add(mark.level)

    def decline(self, who: str, levels: Iterable[tuple[str, ContactPolicy | None]], now: Instant) -> None:
        """Begin the cool-downs there are."""
        for level, policy in levels:
            if policy is not None and policy.cool_down_s:
                self._declined[who, level] = now

    def cools_until(self, who: str, level: str, policy: ContactPolicy) -> Instant:
        """Return until when somebody is left in peace after a "no"."""
        declined = self._declined.get((who, level))
        return 0 if declined is None else declined + policy.cool_down_s * SECOND_MS

    def answer(self, who: str, levels: Iterable[str]) -> None:
        """Any answer begins a row of ignored offers anew."""
        for level in levels:
            self._rows.pop((who, level), None)

    def ignore(self, who: str, levels: Iterable[tuple[str, ContactPolicy | None]], now: Instant) -> None:
        """Count what was left unanswered, one after the other; after a suppression anew."""
        for level, policy in levels:
            if policy is None or policy.suppression is None:
                continue
            row = self._rows.setdefault((who, level), Row(0, now))
            over = row.count >= policy.suppression.ignored and now >= row.last + policy.suppression.for_s * SECOND_MS
            row.count, row.last = (1 if over else row.count + 1), now

    def suppressed_until(self, who: str, level: str, policy: ContactPolicy) -> Instant:
        """Return until when somebody is left in peace who ignored too much."""
        row, limit = self._rows.get((who, level)), policy.suppression
        if row is None or limit is None or row.count < limit.ignored:
            return 0
        return row.last + limit.for_s * SECOND_MS

    def forget(self, level: str) -> None:
        """A level has another policy from now on."""
        self._marks.pop(level, None)
        self._declined = {key: at for key, at in self._declined.items() if key[1] != level}
        self._rows = {key: row for key, row in self._rows.items() if key[1] != level}
        self.vague.add(level)

    def set_back(self, now: Instant, by_ms: int) -> None:
        """Move what was noted of a wrong time. Of one that was too far ahead nobody says what was let go of in it."""
        if by_ms > KEPT_MS:
            self.vague.update(self._marks, *([level for _, level in book] for book in (self._rows, self._declined)))
        for mark in (mark for marks in self._marks.values() for mark in marks):
            mark.at -= by_ms if mark.at > now else 0
        for row in self._rows.values():
            row.last -= by_ms if row.last > now else 0
        self._declined = {key: at - by_ms if at > now else at for key, at in self._declined.items()}

    def _of(self, offer: str) -> list[Mark]:
        return [mark for marks in self._marks.values() for mark in marks if offer in mark.of]
