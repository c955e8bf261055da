"""What the shell does around the engine, without any of its machinery: a ledger that is a dictionary.

A `Gateway` lives through the entries of a random journal: events, restarts, activations of other releases, a clock set
back. It can do so in two ways that must come to the same: with timers that are late, as they are when nobody wakes it,
or each at its own due instant.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from gateway.core.effects import Effect, StateChanged
from gateway.core.engine import Engine
from gateway.core.events import Event, FactsChanged, ListPrepared, SubjectIdentified, UnitRegistered
from gateway.core.release import Release
from gateway.core.rewind import set_back
from gateway.core.scoring import Scorer
from gateway.core.state import DURABLE, Scope, StateKey
from gateway.core.units import Instant

EPOCH = "e1"
_TOLD_MORE = (SubjectIdentified, FactsChanged, ListPrepared)
"""Events that bring along what the ledger knows of their subject."""


@dataclass(frozen=True, slots=True)
class Restarted:
    """The gateway was started anew: what was in memory only is gone."""


@dataclass(frozen=True, slots=True)
class Activated:
    """Another release decides from now on: the `number`-th of the journal's."""

    number: int


@dataclass(frozen=True, slots=True)
class SetBack:
    """The clock turned out to be ahead by `by_ms`; the entry's own `now` is right."""

    by_ms: int


Occurrence: TypeAlias = Event | Restarted | Activated | SetBack


@dataclass(frozen=True, slots=True)
class Entry:
    """What happened at an instant."""

    now: Instant
    what: Occurrence


@dataclass(frozen=True, slots=True)
class Turned:
    """What the engine made of something; `what` is None for timers that were due."""

    now: Instant
    what: Occurrence | None
    effects: Sequence[Effect]


class Ledger:
    """What a ledger would hold: the newest value of each durable entry."""

    def __init__(self) -> None:
        """Begin empty."""
        self.entries: dict[StateKey, object] = {}
        self._owned: dict[tuple[Scope, str], set[StateKey]] = {}

    def commit(self, effects: Iterable[Effect]) -> None:
        """Take over what changed."""
        for effect in effects:
            if isinstance(effect, StateChanged):
                self._take(effect.key, effect.value)

    def of(self, scope: Scope, owner: str) -> dict[StateKey, object]:
        """Return the entries of one owner."""
        return {key: self.entries[key] for key in sorted(self._owned.get((scope, owner), ()))}

    def told_of(self, subject: str) -> dict[StateKey, object]:
        """Return what the engine is told of a subject: its own entries, and those of its household."""
        told = self.of(Scope.SUBJECT, subject)
        household = told.get(StateKey(Scope.SUBJECT, subject, "fact", "household"))
        return told | (self.of(Scope.HOUSEHOLD, str(household["value"])) if isinstance(household, dict) else {})

    def _take(self, key: StateKey, value: object) -> None:
        if key.scope not in DURABLE:
            raise AssertionError(f"{key} is in memory only and must not be kept")
        owned = self._owned.setdefault((key.scope, key.owner), set())
        if value is None:
            self.entries.pop(key, None)
            owned.discard(key)
        else:
            self.entries[key] = value
            owned.add(key)


class Gateway:
    """An engine with its ledger, through restarts.

    Attributes:
        engine: The one that runs now.
        ledger: What would be on disk.
        release: The one that decides now.
    """

    def __init__(self, releases: Sequence[Release], scorer: Scorer, *, punctual: bool = False) -> None:
        """Start with the first of the releases and nothing known.

        Args:
            releases: Those that a journal's activations speak of.
            scorer: Gives propensities.
            punctual: Timers fire at their own due instants; else with what happens next.
        """
        self.releases = releases
        self.release = releases[0]
        self.ledger = Ledger()
        self.engine = Engine(self.release, epoch=EPOCH, scorer=scorer)
        self._scorer = scorer
        self._punctual = punctual
        self._last: Instant = 0
        self._registered: dict[str, UnitRegistered] = {}

    def wake(self, now: Instant) -> Turned:
        """Let the timers fire that are due."""
        effects: list[Effect] = []
        while self._punctual and (due := self.engine.next_timer()) is not None and due <= now:
            effects += self.engine.handle_timer(max(due, self._last))
            self._last = max(due, self._last)
        return self._committed(now, None, [*effects, *self.engine.handle_timer(now)])

    def live_through(self, entry: Entry) -> list[Turned]:
        """Let something happen; return what the engine made of it, timers that were due included."""
        now, what = entry.now, entry.what
        if isinstance(what, SetBack):
            self._last = 0
            self.ledger.commit(effects := set_back(self.ledger.entries, now, what.by_ms))
            return [Turned(now, what, effects), *self._start(now)]
        if isinstance(what, Restarted):
            return [self.wake(now), Turned(now, what, []), *self._start(now)]
        # What is read for somebody who arrives must not be older than what due timers change.
        woken = [self.wake(now)] if self._punctual or isinstance(what, _TOLD_MORE) else []
        if isinstance(what, Activated):
            self.release = self.releases[what.number]
            return [*woken, self._committed(now, what, self.engine.activate(self.release, now))]
        if isinstance(what, UnitRegistered):
            self._registered[what.unit] = what
        return [*woken, self._committed(now, what, self.engine.receive(self.informed(what), now))]

    def informed(self, event: Event) -> Event:
        """Return an event with what the ledger knows of whoever it is about."""
        if not isinstance(event, _TOLD_MORE) or not event.subject:
            return event
        told = self.ledger.told_of(event.subject)
        if isinstance(event, FactsChanged) and (household := event.facts.get("household")) is not None:
            told |= self.ledger.of(Scope.HOUSEHOLD, str(household))
        return replace(event, state=told)

    def restored(self, state: Mapping[StateKey, object], release: Release | None = None) -> Engine:
        """Return an engine that goes on from a state, as a file would give it back."""
        return Engine.restore(through_json(state), release or self.release, epoch=EPOCH, scorer=self._scorer)

    def _start(self, now: Instant) -> list[Turned]:
        self.engine = self.restored(self.ledger.entries)
        again = [replace(unit, ts=now) for unit in self._registered.values()]
        woken = self.wake(now)
        return [woken, *(self._committed(now, unit, self.engine.receive(unit, now)) for unit in again)]

    def _committed(self, now: Instant, what: Occurrence | None, effects: list[Effect]) -> Turned:
        self._last = now
        self.ledger.commit(effects)
        return Turned(now, what, effects)


def through_json(state: Mapping[StateKey, object]) -> dict[StateKey, object]:
    """Return a state as a file would give it back."""
    rows = json.loads(json.dumps([[*key, value] for key, value in state.items()]))
    return {StateKey(Scope(scope), owner, name, item): value for scope, owner, name, item, value in rows}
