"""Moments x patterns -> candidates; and the windows of patterns that are under way.

Theory. How a pattern goes on is told in `gateway.core.patterns`. Here is whose it is, and when it ends.

- **Per unit.** A pattern has at most one window open at a unit; it closes when a known person goes. What it comes to is
  about whoever did any of it: what one person did is told to nobody else, and what several did to nobody.
- **Per subject.** It has at most one window for each subject, wherever they are: the moments are those of any unit
  where they are known to be and had part in. It lives with the subject's own entries, and only while they agree to be
  remembered (`gateway.core.partakers`): without agreement no window opens or goes on, and what there was is dropped
  when they withdraw. While the person is nowhere, its time runs on; a waiting that ends meanwhile is noticed as soon
  as they are here again, before anything they do next counts.
- **Time.** A window ends at its own due instant, and is derived from the state after a restart. An ended waiting is a
  moment of its own, `AbsenceNoticed`, which only its own pattern hears.
- **Another release** keeps a window only if its pattern is the same one. Each window keeps its pattern's fingerprint,
  so that this holds after a restart too; of a window of schema version 2, which has none, it is taken that a plain
  sequence stands unless the old release is known to have had another.
- **Order.** One moment makes candidates in the order of actions, their triggers, and subjects. Only patterns with a
  step for such a moment and for something it names are looked at.

    window  owner: unit or subject; item: action/number
            {"step", "opened", "form", "taken", "count", "since", "bound", "about"}

`opened` and `since` are instants, `taken` a list of them, `bound` moments by name (each with its `at`), `about` a
holder; `form` is the fingerprint. See `gateway.core.patterns.Window`; what is not there is left out.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from gateway.core import challenges, context
from gateway.core.campaign import Action
from gateway.core.moments import AbsenceNoticed, Moment
from gateway.core.partakers import is_occasion, may_remember, partakers
from gateway.core.patterns import UNFILTERED, Occasion, Window, advance, due_of, joint
from gateway.core.release import Release, Waiting
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.timers import Agenda, TimerKey
from gateway.core.units import Instant

WINDOW = "window"
"""The timer, and the entries, of windows."""
ABSENCE = "absence"
"""The timer of a window whose pattern waits that nothing happens."""


_NOTHING: Mapping[str, Mapping[str, Any]] = MappingProxyType({})


class Match(NamedTuple):
    """An action whose trigger matched.

    Attributes:
        trigger: Which one, for people.
        about: Whose doing it was: of a pattern per subject its subject, else of all its moments; None: nobody's, and
            `gateway.core.patterns.SEVERAL`: not one person's alone.
        moment: The last moment.
    """

    action: Action
    trigger: str
    about: str | None
    moment: Moment


def match(memory: Memory, agenda: Agenda, release: Release, moment: Moment) -> list[Match]:
    """Return the actions this moment makes candidates, and open, advance, undo and close windows."""
    if isinstance(moment, AbsenceNoticed):
        return [_waited(memory, release.patterns[moment.pattern], moment)]
    by_filter = release.waiting.get(type(moment).__name__)
    if by_filter is None or not is_occasion(moment):
        return []
    occasion = Occasion(release.fences, release.conditions, moment)
    found = {each.order: each for named in (UNFILTERED, *occasion.names) for each in by_filter.get(named, ())}
    matches: list[Match] = []
    for _, waiting in sorted(found.items()):
        if not waiting.is_single or waiting.per_subject:
            matches += _match(memory, agenda, waiting, occasion)
        elif occasion.fits(waiting.pattern.steps[0], _NOTHING):
            matches.append(Match(waiting.action, waiting.described, occasion.doer, moment))
    return matches


def windows(memory: Memory, release: Release, unit: str) -> list[tuple[TimerKey, Instant]]:
    """Return the timers of the open windows of a unit and of the subjects at it."""
    due = _timers(memory, release, Scope.UNIT, unit)
    for subject in sorted(context.subjects_at(memory, unit)):
        due += _timers(memory, release, Scope.SUBJECT, subject)
    return due


def close_window(memory: Memory, owner: str, item: str) -> None:
    """Close a window whose time has passed."""
    memory.drop(StateKey(_scope_of(memory, owner, item), owner, WINDOW, item))


def absence_passed(memory: Memory, release: Release, owner: str, item: str, now: Instant) -> list[Moment]:
    """Notice that what a pattern waited not to happen did not happen; where its subject is.

    Nothing is noticed of a subject who no longer agrees to be remembered, nor of one who is nowhere.
    """
    waiting = release.patterns[item]
    if not waiting.per_subject:
        return [AbsenceNoticed(owner, now, item)]
    unit = _whereabouts(memory, owner)
    if unit is None:
        return []
    if not may_remember(memory, owner, unit, now, located=waiting.located):
        close_window(memory, owner, item)
        return []
    return [AbsenceNoticed(unit, now, item, owner)]


def close_all(memory: Memory, agenda: Agenda, unit: str) -> None:
    """Close every window of a unit: the person they were about is gone. Those of subjects go on."""
    for item in sorted(memory.group(Scope.UNIT, unit, WINDOW)):
        close_window(memory, unit, item)
        _cancel(agenda, unit, item)


def close_changed(memory: Memory, old: Release | None, new: Release, unit: str) -> None:
    """Close the windows of a unit and of the subjects at it whose pattern a new release has changed or dropped.

    Where the old release is not known, the fingerprints tell. Timers are armed anew after this.
    """
    _close_changed(memory, old, new, Scope.UNIT, unit)
    for subject in sorted(context.subjects_at(memory, unit)):
        _close_changed(memory, old, new, Scope.SUBJECT, subject)


def arrive(memory: Memory, agenda: Agenda, release: Release, subject: str, unit: str, now: Instant) -> None:
    """Let a subject's windows go on, once it is here and its entries are loaded: its timers are armed.

    Those of changed patterns are closed, and dropped is what the subject no longer agrees to. What fell due while it
    was away fires with the next timers.
    """
    _close_changed(memory, None, release, Scope.SUBJECT, subject)
    forget_unconsented(memory, agenda, release, subject, unit, now)
    for timer, due in _timers(memory, release, Scope.SUBJECT, subject):
        agenda.set(timer, due)


def depart(memory: Memory, agenda: Agenda, subject: str) -> None:
    """Disarm the timers of a subject that is at no unit any more, before its entries are forgotten here."""
    if not context.is_present(memory, subject):
        for item in memory.group(Scope.SUBJECT, subject, WINDOW):
            _cancel(agenda, subject, item)


def forget_unconsented(memory: Memory, agenda: Agenda, release: Release, subject: str, unit: str, now: Instant) -> None:
    """Drop what patterns and challenges remember of a subject who does not agree to it now."""
    for item in sorted(memory.group(Scope.SUBJECT, subject, WINDOW)):
        if not may_remember(memory, subject, unit, now, located=release.patterns[item].located):
            close_window(memory, subject, item)
            _cancel(agenda, subject, item)
    challenges.forget_unconsented(memory, release, subject, unit, now)


def _match(memory: Memory, agenda: Agenda, waiting: Waiting, occasion: Occasion) -> list[Match]:
    """Return the matches of a pattern that remembers, or is about each subject: one of the unit, or one of each."""
    moment, is_single = occasion.moment, waiting.is_single
    if is_single and not occasion.fits(waiting.pattern.steps[0], _NOTHING):
        return []
    if not waiting.per_subject:
        about = _about(memory, waiting, occasion)
        is_match = _advance(memory, agenda, waiting, occasion, (Scope.UNIT, moment.unit))
        return [Match(waiting.action, waiting.described, about, moment)] if is_match else []
    return [
        Match(waiting.action, waiting.described, subject, moment)
        for subject in partakers(memory, moment)
        if is_single
        or (
            may_remember(memory, subject, moment.unit, moment.at, located=waiting.located)
            and _advance(memory, agenda, waiting, occasion, (Scope.SUBJECT, subject))
        )
    ]


def _about(memory: Memory, waiting: Waiting, occasion: Occasion) -> str | None:
    """Return whose doing a unit's pattern was, if this moment is its last."""
    known = memory.get(Scope.UNIT, occasion.moment.unit, WINDOW, waiting.item)
    return joint(None if known is None else known.get("about"), occasion.doer)


def _advance(memory: Memory, agenda: Agenda, waiting: Waiting, occasion: Occasion, home: tuple[Scope, str]) -> bool:
    """Let a moment move one window. Returns whether its pattern matches."""
    key = StateKey(*home, WINDOW, waiting.item)
    known: Mapping[str, Any] | None = memory.get(*key)
    before = None if known is None else Window.from_json(known)
    told = occasion.told if waiting.located else occasion.told_nowhere
    # Whose a subject's window is, is told by its owner.
    doer = None if key.scope is Scope.SUBJECT else occasion.doer
    after, matches = advance(waiting.pattern, before, told, occasion.moment.at, occasion.fits, doer=doer)
    if after is before:
        return False
    _cancel(agenda, key.owner, key.item)
    if after is None:
        memory.drop(key)
        return matches
    memory.put(key, {**after.to_json(), "form": waiting.form})
    agenda.set(*_timer(waiting, key, after))
    return False


def _waited(memory: Memory, waiting: Waiting, noticed: AbsenceNoticed) -> Match:
    """Return the match of a pattern whose waiting is over; it starts afresh."""
    known = memory.get(Scope.UNIT, noticed.unit, WINDOW, waiting.item)
    about = noticed.subject or (None if known is None else known.get("about"))
    close_window(memory, noticed.subject or noticed.unit, waiting.item)
    return Match(waiting.action, waiting.described, about, noticed)


def _timers(memory: Memory, release: Release, scope: Scope, owner: str) -> list[tuple[TimerKey, Instant]]:
    return [
        _timer(release.patterns[item], StateKey(scope, owner, WINDOW, item), Window.from_json(known))
        for item, known in sorted(memory.group(scope, owner, WINDOW).items())
    ]


def _timer(waiting: Waiting, key: StateKey, window: Window) -> tuple[TimerKey, Instant]:
    name = WINDOW if window.since is None else ABSENCE
    return TimerKey(name, key.owner, key.item), due_of(waiting.pattern, window)


def _cancel(agenda: Agenda, owner: str, item: str) -> None:
    agenda.cancel(TimerKey(WINDOW, owner, item))
    agenda.cancel(TimerKey(ABSENCE, owner, item))


def _close_changed(memory: Memory, old: Release | None, new: Release, scope: Scope, owner: str) -> None:
    for item, known in sorted(memory.group(scope, owner, WINDOW).items()):
        if not _stands(known, new.patterns.get(item), old.patterns.get(item) if old else new.patterns.get(item)):
            memory.drop(StateKey(scope, owner, WINDOW, item))


def _stands(known: Mapping[str, Any], waiting: Waiting | None, before: Waiting | None) -> bool:
    """Return whether a window is one of this pattern; `before` is what its release had in this place, if known."""
    if waiting is None:
        return False
    if "form" in known:
        return bool(known["form"] == waiting.form)
    same = before is not None and before.form == waiting.form
    return same and waiting.is_plain and known["step"] < len(waiting.pattern.steps)


def _scope_of(memory: Memory, owner: str, item: str) -> Scope:
    """Return whose window it is: a pattern is either per unit or per subject."""
    return Scope.SUBJECT if memory.get(Scope.UNIT, owner, WINDOW, item) is None else Scope.UNIT


def _whereabouts(memory: Memory, subject: str) -> str | None:
    """Return the unit to which a subject came last, of those it is at; None: of none."""
    present = (
        (presence["ts"], unit)
        for unit in memory.owners(Scope.UNIT)
        for presence in memory.group(Scope.UNIT, unit, "presence").values()
        if presence["subject"] == subject
    )
    return max(present, default=(0, None))[1]
