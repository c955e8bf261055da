"""One random run: a release, a journal, a gateway that lives through it, and a referee that watches all of it.

A run is told by its seed and its length alone. What costs more than watching is sampled: at some decisions it is asked
what they would have been without an action that was refused, or if something else were known of people; some runs are
lived through once more, with timers that are on time, and from a snapshot.
"""

import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from gateway.core.effects import Decision, DecisionRecorded, Effect, Offer, OfferMade
from gateway.core.engine import Engine
from gateway.core.events import SESSION, Event
from gateway.core.release import Release
from gateway.core.state import Scope, StateKey
from gateway.core.units import DAY_MS, Instant
from gateway.testing.drawing import Draw, SeededDraw
from gateway.testing.random_campaigns import MoodyScorer, a_release, another_release, without
from gateway.testing.random_journals import Story
from gateway.testing.referee.judge import Broken, Referee
from gateway.testing.shell import Activated, Entry, Gateway, Restarted, SetBack, Turned, through_json

STEPS = 800
"""How many entries the journal of a run has."""
SAMPLED = 60
"""Of so many events one is asked what would have been."""
REPEATED = 25
"""Of so many runs one is lived through again."""

_FAR_MS = 100 * DAY_MS
_SENDERS_DATES = frozenset({"consent", "fact", "prepared"})


def run(draw: Draw, steps: int = STEPS, *, sampled: int = SAMPLED, repeated: bool = False) -> Counter[str]:
    """Live through one journal; return what was checked and how often it was at stake.

    Args:
        draw: Where everything random comes from.
        steps: How many entries the journal has.
        sampled: Of so many events one is asked what would have been; 0: none.
        repeated: The journal is lived through again, punctually and from a snapshot.

    Raises:
        Broken: A promise was broken.
    """
    watched = Watched(draw, sampled)
    for _ in watched.live(steps):
        pass
    counts = watched.referee.counts
    counts["jumps"] += watched.story.jumps
    counts["entries"] += len(watched.journal)
    if repeated:
        watched.live_again()
    return counts


def run_of_seed(seed: int, steps: int = STEPS) -> Counter[str]:
    """Live through the journal of a seed.

    Raises:
        Broken: A promise was broken; the seed is in the message.
    """
    try:
        counts = run(SeededDraw(seed), steps, repeated=seed % REPEATED == 0)
    except Exception as error:
        raise Broken(f"seed {seed}, {steps} steps: {type(error).__name__}: {error}") from error
    counts["runs"] += 1
    return counts


def told_of_seed(seed: int, steps: int = STEPS) -> tuple[int, Counter[str], str]:
    """Return the seed of a run, what was checked, and as text what was broken; empty: nothing."""
    try:
        return seed, run_of_seed(seed, steps), ""
    except Broken as broken:
        return seed, Counter(), str(broken)


class Watched:
    """A gateway, its story and its referee, side by side.

    Attributes:
        journal: What has happened so far.
        turned: What the engine made of it.
    """

    def __init__(self, draw: Draw, sampled: int = SAMPLED) -> None:
        """Draw three releases, one after the other, and begin before anything has happened."""
        first = a_release(draw)
        second = another_release(draw, first, 2)
        releases = self._releases = [first, second, another_release(draw, second, 3)]
        self.journal: list[Entry] = []
        self.turned: list[Turned] = []
        self.story = Story(draw, releases)
        self.referee = Referee(releases[0])
        self._gateway = Gateway(releases, MoodyScorer())
        self._sampled = sampled

    def live(self, steps: int) -> Iterator[Entry]:
        """Live through so many entries, or a few more, one after the other."""
        for entry in self.story.beginning():
            self._live_through(entry)
            yield entry
        while len(self.journal) < steps:
            for entry in self.story.next():
                self._live_through(entry)
                yield entry

    def live_again(self) -> None:
        """Hold that neither punctual timers nor a snapshot in the middle would have changed anything.

        Raises:
            Broken: One of them would have.
        """
        was = [effect for turned in self.turned for effect in turned.effects]
        punctual, joint, snapped = (Gateway(self._releases, MoodyScorer(), punctual=each == 0) for each in range(3))
        _compare_lives("with punctual timers", was, _effects(punctual, self.journal))
        _compare_lives("with timers that only events bring about", was, _effects(joint, self.journal))
        middle = len(self.journal) // 2
        first = _effects(snapped, self.journal[:middle])
        snapped.engine = snapped.restored(snapped.engine.snapshot())
        _compare_lives("from a snapshot", was, first + _effects(snapped, self.journal[middle:]))
        self.referee.counts["checked:punctual_timers"] += 1
        self.referee.counts["checked:snapshot_restores"] += 1

    def _live_through(self, entry: Entry) -> None:
        """Let due timers come first, so that what follows from them is told from what follows from the event."""
        self.journal.append(entry)
        if not isinstance(entry.what, SetBack):
            self._watch(self._gateway.wake(entry.now))
        is_sampled = self._sampled and zlib.crc32(f"{len(self.journal)}".encode()) % self._sampled == 0
        is_sampled = is_sampled and not isinstance(entry.what, Restarted | Activated | SetBack)
        before = self._gateway.engine.snapshot() if is_sampled else None
        what = entry.what
        event = what if isinstance(what, Restarted | Activated | SetBack) else self._gateway.informed(what)
        if isinstance(entry.what, Activated):
            self.referee.activate(self._gateway.releases[entry.what.number])
        for turned in self._gateway.live_through(entry):
            self._watch(turned)
        if isinstance(entry.what, SetBack):
            self._look_for_wrong_instants(entry.now, entry.what.by_ms)
        if before is not None and not isinstance(event, Restarted | Activated | SetBack):
            what_if = _WhatIf(self._gateway, before, event, entry.now, self.turned[-1].effects)
            self.referee.counts["checked:removal"] += what_if.an_action_were_not_there()
            self.referee.counts["checked:sessions_read_nobody"] += what_if.people_were_others()

    def _look_for_wrong_instants(self, now: Instant, by_ms: int) -> None:
        """Hold that nothing in the ledger is of a time that never was, but for dates that senders told.

        Raises:
            Broken: There is such an instant.
        """
        if by_ms < 2 * _FAR_MS:
            return
        self.referee.counts["checked:set_back_ledgers"] += 1
        for key, value in self._gateway.ledger.entries.items():
            if key.name not in _SENDERS_DATES and any(now + _FAR_MS < n < now + 2 * by_ms for n in _numbers(value)):
                raise Broken(f"an instant of a wrong time was left behind\n  {key}\n  {value}, now {now}")

    def _watch(self, turned: Turned) -> None:
        self.turned.append(turned)
        self.referee.watch(turned)
        self.story.hear(turned.effects)


def _numbers(value: object) -> Iterator[int]:
    if isinstance(value, int):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _numbers(part)


class _WhatIf:
    """One event, taken in once more by an engine that differs in one thing."""

    def __init__(
        self, gateway: Gateway, before: dict[StateKey, object], event: Event, now: Instant, effects: Sequence[Effect]
    ) -> None:
        self._gateway = gateway
        self._before = through_json(before)
        self._event = event
        self._now = now
        self._decided = _decisions(effects)
        self._offers = _offers(effects)

    def an_action_were_not_there(self) -> int:
        """Hold that what was refused had no influence; return how many decisions that was asked of.

        Raises:
            Broken: It had.
        """
        refused = {
            verdict.action for decision in self._decided for verdict in decision.verdicts if verdict.refusal is not None
        }
        chosen = {offer.action for offer in self._offers}
        asked = 0
        for name in sorted(refused - chosen):
            # A decision about that action alone would not have been made, and the next ones be called otherwise.
            if all(any(v.action != name for v in decision.verdicts) for decision in self._decided):
                then = self._receive(without(self._gateway.release, name), self._before)
                asked += len(self._decided)
                self._compare(f"without {name}, which was refused", then, but=name)
        return asked

    def people_were_others(self) -> int:
        """Hold that a stranger's decision reads nothing of anybody known; return of how many that was asked.

        Raises:
            Broken: It reads something.
        """
        present = {key.owner for key, who in self._before.items() if key.name == "presence" and _is_somebody(who)}
        alone = [d for d in self._decided if d.unit not in present and d.holder == SESSION]
        if not alone or not _is_alone(self._event):
            return 0
        nothing = {
            key: value for key, value in self._before.items() if key.scope not in {Scope.SUBJECT, Scope.HOUSEHOLD}
        }
        then = _decisions(self._receive(self._gateway.release, nothing))
        if [d for d in then if d.unit not in present] != alone:
            raise Broken(f"a stranger's decision depends on what is known of others\n  {alone}\n  {then}")
        return len(alone)

    def _receive(self, release: Release, state: dict[StateKey, object]) -> list[Effect]:
        engine: Engine = self._gateway.restored(state, release)
        return engine.receive(self._event, self._now)

    def _compare(self, what: str, then: Sequence[Effect], *, but: str) -> None:
        was, would_be = [_plain(d, but) for d in self._decided], [_plain(d, but) for d in _decisions(then)]
        if was != would_be or self._offers != _offers(then):
            raise Broken(f"{what}, another decision would have been made\n  {was}\n  {would_be}")


def _plain(decision: Decision, but: str) -> Decision:
    """Return a decision without what is said of one action; whom silence is for is said by its first candidate."""
    rest = tuple(verdict for verdict in decision.verdicts if verdict.action != but)
    without_it = replace(decision, verdicts=rest)
    return without_it if decision.chosen is not None else replace(without_it, holder="", context={})


def _is_somebody(presence: object) -> bool:
    return isinstance(presence, dict) and presence.get("subject") is not None


def _is_alone(event: Event) -> bool:
    """Return whether an event brings nobody known along."""
    return not getattr(event, "subject", "")


def _decisions(effects: Sequence[Effect]) -> list[Decision]:
    return [effect.decision for effect in effects if isinstance(effect, DecisionRecorded)]


def _offers(effects: Sequence[Effect]) -> list[Offer]:
    return [effect.offer for effect in effects if isinstance(effect, OfferMade)]


def _effects(gateway: Gateway, journal: Sequence[Entry]) -> list[Effect]:
    return [effect for entry in journal for turned in gateway.live_through(entry) for effect in turned.effects]


def _compare_lives(how: str, was: Sequence[Effect], then: Sequence[Effect]) -> None:
    for number, (one, other) in enumerate(zip(was, then, strict=False)):
        if one != other:
            raise Broken(f"{how}, effect {number} would have been another\n  {one}\n  {other}")
    if len(was) != len(then):
        raise Broken(f"{how}, there would have been {len(then)} effects, not {len(was)}")
