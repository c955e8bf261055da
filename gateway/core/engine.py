"""The decision engine: receive, next_timer, handle_timer, activate, snapshot, restore.

    perceive -> match -> screen -> score -> arbitrate -> act

It is one line, walked once for each event, left to right; nothing calls back. `now` is passed in and never decreases.
Every timer due at or before `now` fires first, each at its *own* due instant and in (due, name) order, so that a late
wake-up changes nothing: only the sequence of events and their instants decides. The same events through the same
release, with the same answers of the scorer, give the same effects, bit for bit.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from gateway.core import challenges, context, people, perceive, triggers
from gateway.core.decide import Judge, decide
from gateway.core.effects import Effect, EventRefused, MomentNoticed
from gateway.core.errors import InvariantViolation
from gateway.core.events import BeaconSighted, Event, FenceReported, PositionReported, SignalsReported, UnitRegistered
from gateway.core.fences.visits import FRESH_MS
from gateway.core.moments import Moment
from gateway.core.offers import timers as offer_timers
from gateway.core.release import Release
from gateway.core.scoring import Scorer
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.timers import Agenda
from gateway.core.turn import Turn
from gateway.core.units import MINUTE_MS, Instant

AHEAD_MS = MINUTE_MS
"""Telemetry that claims to come from later than this after `now` is refused: its sender's clock is wrong."""


_TELEMETRY = (PositionReported, SignalsReported, FenceReported, BeaconSighted)


class Engine:
    """Decides for the units of one gateway. Synchronous and single-threaded; a turn takes microseconds."""

    def __init__(self, release: Release, *, epoch: str, scorer: Scorer, all_refusals: bool = False) -> None:
        """Start with nothing known.

        Args:
            release: What to decide with.
            epoch: Made with the ledger; it keeps ids of different ledgers apart.
            scorer: Gives propensities; see `gateway.core.scoring.Scorer`.
            all_refusals: Decisions tell every step that refuses a candidate, not only the first. Costs time, and
                changes no choice.
        """
        self._release = release
        self._judge = Judge(scorer, epoch, all_refusals)
        self._memory = Memory()
        self._agenda = Agenda()
        self._now: Instant = 0

    @classmethod
    def restore(
        cls,
        state: Mapping[StateKey, object],
        release: Release,
        *,
        epoch: str,
        scorer: Scorer,
        all_refusals: bool = False,
    ) -> "Engine":
        """Return an engine that goes on from a snapshot, or from the durable entries of a ledger.

        Entries of subjects that are not present, and of their households, are let go. Timers are derived anew; those
        that fell due meanwhile fire with the next call, at their own due instants.
        """
        engine = cls(release, epoch=epoch, scorer=scorer, all_refusals=all_refusals)
        engine._memory.load(state)
        people.forget_absent(engine._memory, 0)
        for unit in engine._memory.owners(Scope.UNIT):
            triggers.close_changed(engine._memory, None, release, unit)
        engine._arm()
        return engine

    def receive(self, event: Event, now: Instant) -> list[Effect]:
        """Return what follows from an event.

        Raises:
            InvariantViolation: `now` is before an earlier one.
        """
        effects = self.handle_timer(now)
        turn = self._turn(now)
        if isinstance(event, UnitRegistered):
            perceive.register(turn, event)
            return effects + turn.finish()
        refusal = self._refusal(event, now)
        if refusal is not None:
            return [*effects, EventRefused(event.unit, now, refusal)]
        is_telemetry = isinstance(event, _TELEMETRY)
        # What a person says counts whatever their clock says: no withdrawal is lost to a clock that runs ahead.
        heard = event if event.ts <= now or is_telemetry else replace(event, ts=now)
        moments = perceive.perceive(turn, heard)
        return effects + self._conclude(turn, moments, fresh=not is_telemetry or now - event.ts <= FRESH_MS)

    def next_timer(self) -> Instant | None:
        """Return when `handle_timer` is next due, or None. Being late changes nothing but the moment of publishing."""
        return self._agenda.next_due()

    def handle_timer(self, now: Instant) -> list[Effect]:
        """Return what follows from the timers due at or before `now`.

        Raises:
            InvariantViolation: `now` is before an earlier one.
        """
        if now < self._now:
            raise InvariantViolation(f"now went back from {self._now} to {now}")
        effects: list[Effect] = []
        while (due := self._agenda.take_due(now)) is not None:
            at, key = due
            turn = self._turn(max(at, self._now))
            effects += self._conclude(turn, perceive.fire(turn, key), fresh=True)
        self._now = now
        return effects

    def activate(self, release: Release, now: Instant) -> list[Effect]:
        """Return what follows from deciding with another release from now on.

        Units leave the fences it no longer has; windows of changed actions close; open offers stand.
        """
        effects = self.handle_timer(now)
        old, self._release = self._release, release
        turn = self._turn(now)
        for unit in self._memory.owners(Scope.UNIT):
            triggers.close_changed(self._memory, old, release, unit)
        moments = perceive.fences_removed(turn, old)
        effects += self._conclude(turn, moments, fresh=True)
        self._agenda = Agenda()
        self._arm()
        return effects

    def snapshot(self) -> dict[StateKey, object]:
        """Return every entry: the durable ones, the sessions and the kinematics."""
        return self._memory.entries()

    def _turn(self, now: Instant) -> Turn:
        self._now = now
        return Turn(self._memory, self._agenda, self._release, now)

    def _refusal(self, event: Event, now: Instant) -> str | None:
        if not context.is_registered(self._memory, event.unit):
            return "unknown_unit"
        return "from_the_future" if isinstance(event, _TELEMETRY) and event.ts > now + AHEAD_MS else None

    def _conclude(self, turn: Turn, moments: Iterable[Moment], *, fresh: bool) -> list[Effect]:
        """Match what was noticed and decide, unit by unit; what is stale is noticed and no more."""
        by_unit: dict[str, list[Moment]] = defaultdict(list)
        for moment in moments:
            for noticed in (moment, *self._advanced(turn, moment, fresh=fresh)):
                turn.emit([MomentNoticed(noticed)])
                by_unit[noticed.unit].append(noticed)
        for unit_id, happened in by_unit.items() if fresh else ():
            matches = [
                found
                for moment in happened
                for found in triggers.match(self._memory, self._agenda, self._release, moment)
            ]
            if matches:
                decide(turn, context.unit_of(self._memory, unit_id), happened, matches, self._judge)
        return turn.finish()

    def _advanced(self, turn: Turn, moment: Moment, *, fresh: bool) -> list[Moment]:
        """Return how challenges go on by a moment."""
        if not fresh or not turn.release.challenges:
            return []
        offset_s = context.unit_of(turn.memory, moment.unit).utc_offset_s
        return challenges.advance(turn.memory, turn.release, moment, turn.now, offset_s)

    def _arm(self) -> None:
        """Set every timer the state calls for."""
        turn = self._turn(self._now)
        for unit in self._memory.owners(Scope.UNIT):
            for key, due in perceive.timers_of(turn, unit):
                self._agenda.set(key, due)
        for key, due in offer_timers(self._memory):
            self._agenda.set(key, due)
