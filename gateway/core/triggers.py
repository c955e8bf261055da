"""Patterns over moments: one moment, or a sequence of them within a window.

Theory. A trigger of several steps has at most one *window* open at a unit: it opens with its first step, is advanced
by each next one, and closes by itself `within_s` after it opened, at its own due instant. A first step that comes
again while the window still waits for its second one opens it anew; later it does not, so progress is never lost.
A new release keeps a window only if the action it belongs to is unchanged.
"""

from typing import NamedTuple

from gateway.core.campaign import Action, Step
from gateway.core.moments import FenceExited, Moment
from gateway.core.release import Release, Waiting
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.timers import Agenda, TimerKey
from gateway.core.units import SECOND_MS, Instant

_WINDOW = "window"


class Match(NamedTuple):
    """An action whose trigger matched; `trigger` says which, for people; `about` whose doing it was, if anybody's."""

    action: Action
    trigger: str
    about: str | None = None


def match(memory: Memory, agenda: Agenda, release: Release, moment: Moment) -> list[Match]:
    """Return the actions this moment makes candidates, and open, advance and close windows.

    Only steps that wait for this kind of moment are looked at. When a unit that has been silent for a day left its
    fences nobody knows: that is no occasion for anything.
    """
    if isinstance(moment, FenceExited) and moment.reason == "gap":
        return []
    matches = []
    moved: set[tuple[str, int]] = set()
    about: str | None = getattr(moment, "holder", None)
    # A trigger's last steps come first in the index: one moment must not take a window through two of its steps.
    for waiting in release.waiting.get(type(moment).__name__, ()):
        steps = waiting.pattern.steps
        if not _fits(steps[waiting.step], moment):
            continue
        if len(steps) == 1:
            matches.append(Match(waiting.action, waiting.described, about))
        elif (waiting.action.id, waiting.trigger) not in moved and _advance(memory, agenda, waiting, moment):
            moved.add((waiting.action.id, waiting.trigger))
            if waiting.step == len(steps) - 1:
                matches.append(Match(waiting.action, waiting.described, about))
    return matches


def windows(memory: Memory, release: Release, unit: str) -> list[tuple[TimerKey, Instant]]:
    """Return the open windows of a unit with the instants at which they close."""
    open_windows = []
    for item, window in sorted(memory.group(Scope.UNIT, unit, _WINDOW).items()):
        action, _, number = item.rpartition("/")
        within_s = release.actions[action].triggers[int(number)].within_s
        open_windows.append((TimerKey(_WINDOW, unit, item), window["opened"] + within_s * SECOND_MS))
    return open_windows


def close_window(memory: Memory, unit: str, item: str) -> None:
    """Close a window whose time has passed."""
    memory.drop(StateKey(Scope.UNIT, unit, _WINDOW, item))


def close_all(memory: Memory, agenda: Agenda, unit: str) -> None:
    """Close every window of a unit: the person they were about is gone."""
    for item in sorted(memory.group(Scope.UNIT, unit, _WINDOW)):
        close_window(memory, unit, item)
        agenda.cancel(TimerKey(_WINDOW, unit, item))


def close_changed(memory: Memory, old: Release | None, new: Release, unit: str) -> None:
    """Close the windows whose action a new release has changed or dropped.

    Where the old release is not known, an action of the same name with such a trigger counts as unchanged.
    """
    for item in sorted(memory.group(Scope.UNIT, unit, _WINDOW)):
        name, _, number = item.rpartition("/")
        action = new.actions.get(name)
        if action is None or int(number) >= len(action.triggers) or (old and old.actions.get(name) != action):
            close_window(memory, unit, item)


def _advance(memory: Memory, agenda: Agenda, waiting: Waiting, moment: Moment) -> bool:
    """Take the window of a trigger past this step, if it waits for it. Returns whether it did."""
    item = f"{waiting.action.id}/{waiting.trigger}"
    key, timer = StateKey(Scope.UNIT, moment.unit, _WINDOW, item), TimerKey(_WINDOW, moment.unit, item)
    window = memory.get(*key)
    if window is not None and moment.at >= window["opened"] + waiting.pattern.within_s * SECOND_MS:
        window = None  # it ends at this very instant, though its timer may come after this moment's
    if waiting.step == 0:
        if window is not None and window["step"] > 1:
            return False
        memory.put(key, {"step": 1, "opened": moment.at})
        agenda.set(timer, moment.at + waiting.pattern.within_s * SECOND_MS)
        return True
    if window is None or window["step"] != waiting.step:
        return False
    if waiting.step == len(waiting.pattern.steps) - 1:
        memory.drop(key)
        agenda.cancel(timer)
    else:
        memory.put(key, {**window, "step": waiting.step + 1})
    return True


def _fits(step: Step, moment: Moment) -> bool:
    """Return whether a moment passes a step's filters; a filter on what the moment does not name fails."""
    return (
        (step.fence_kind is None or step.fence_kind in _named(moment, "fence_kind", "fence_kinds"))
        and (step.fence is None or step.fence in _named(moment, "fence", "fences"))
        and (step.action is None or step.action in _named(moment, "action", ""))
    )


def _named(moment: Moment, one: str, many: str) -> tuple[str, ...]:
    single = getattr(moment, one, None)
    return getattr(moment, many, ()) if single is None else (single,)
