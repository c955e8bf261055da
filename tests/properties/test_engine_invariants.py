"""Invariants of the whole engine over random journals."""

import json
from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given, note
from hypothesis import strategies as st

from gateway.core.campaign import Kind, Placement
from gateway.core.consent import purposes_of
from gateway.core.drive import GEAR, GEAR_PARK, LOW_VOLTAGE, MOVING_KMH, PARKED_LIMIT_MS, PARKING_BRAKE, SPEED
from gateway.core.effects import (
    Decision,
    DecisionRecorded,
    Effect,
    OfferMade,
    OfferWithdrawn,
    OutcomeRecorded,
    StateChanged,
)
from gateway.core.engine import Engine
from gateway.core.events import (
    SESSION,
    ConsentChanged,
    Event,
    FactsChanged,
    Outcome,
    Scalar,
    SignalsReported,
    SubjectIdentified,
    SubjectLeft,
    UnitLost,
)
from gateway.core.rewind import set_back
from gateway.core.state import DURABLE, Scope, StateKey
from gateway.core.units import DAY_MS, SECOND_MS, Instant
from gateway.testing.worlds import (
    EPOCH,
    SUBJECTS,
    HabitScorer,
    Journal,
    engine,
    everything_agreed,
    journeys,
    play,
    world,
)

WORLD = world()
CHARITABLE = st.booleans()


def stocked(journal: Journal, *, agreed: bool) -> Journal:
    """Let every subject arrive with what a ledger holds of it, as the shell does.

    `agreed`: the ledger starts with all consents of everybody, so that what lies beyond consent is reached as well.
    """
    living, ledger, full = engine(), Ledger(), Journal()
    for subject in SUBJECTS if agreed else ():
        ledger.entries.update(everything_agreed(subject))
    for now, event in journal:
        known = ledger.of(event.subject) if isinstance(event, SubjectIdentified) else {}
        told = replace(event, state=known) if isinstance(event, SubjectIdentified) else event
        ledger.commit(living.receive(told, now))
        full.append((now, told))
    return full


def decisions(effects: Iterable[Effect]) -> list[Decision]:
    return [effect.decision for effect in effects if isinstance(effect, DecisionRecorded)]


class Ledger:
    """What a ledger would hold: the newest value of each durable entry."""

    def __init__(self) -> None:
        self.entries: dict[StateKey, object] = {}

    def of(self, subject: str) -> dict[StateKey, object]:
        return {k: v for k, v in self.entries.items() if k.scope is Scope.SUBJECT and k.owner == subject}

    def commit(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, StateChanged):
                assert effect.key.scope in DURABLE
                if effect.value is None:
                    self.entries.pop(effect.key, None)
                else:
                    self.entries[effect.key] = effect.value


class ConsentByHand:
    """Consent as section 5 of the design has it, kept as a list of what people said."""

    def __init__(self) -> None:
        self.said: list[ConsentChanged] = []

    def hear(self, event: Event) -> None:
        if isinstance(event, ConsentChanged):
            self.said.append(event)

    def allows(self, holder: str, unit: str, purpose: str, now: Instant) -> bool:
        mine = [
            said
            for said in self.said
            if said.holder == holder and said.purpose == purpose and (holder != SESSION or said.unit == unit)
        ]
        withdrawn = {said.id for said in mine if not said.given}
        return any(
            said.given
            and said.id not in withdrawn
            and withdrawn <= set(said.supersedes)
            and (said.valid_until is None or now < said.valid_until)
            for said in mine
        )


@given(journeys())
def test_no_marketing_without_consent(journal: Journal) -> None:
    living, consent = engine(), ConsentByHand()
    for now, event in stocked(journal, agreed=False):
        effects = living.receive(event, now)
        for effect in effects:
            if isinstance(effect, OfferMade) and effect.offer.kind is Kind.MARKETING:
                offer = effect.offer
                for purpose in purposes_of(WORLD.actions[offer.action]):
                    note(f"{offer.id} for {offer.holder} rests on {purpose}")
                    assert consent.allows(offer.holder, offer.unit, purpose, offer.made)
        consent.hear(event)


@given(journeys(), CHARITABLE)
def test_nothing_on_the_drivers_screen_unless_parked(journal: Journal, agreed: bool) -> None:  # noqa: FBT001
    living, parked = engine(), ParkedByHand()
    showing: set[str] = set()
    for now, event in stocked(journal, agreed=agreed):
        parked.lapse(now)
        for effect in living.receive(event, now):
            if isinstance(effect, OfferMade) and effect.offer.placement is Placement.DRIVER_SCREEN:
                showing.add(effect.offer.id)
                at_timer = effect.offer.made < now
                assert parked.at(effect.offer.made) if at_timer else parked.after(event, now)
            elif isinstance(effect, OfferWithdrawn) or (
                isinstance(effect, OutcomeRecorded) and effect.outcome not in {Outcome.PRESENTED, Outcome.SEEN}
            ):
                showing.discard(effect.offer)
        parked.hear(event, now)
        assert not showing or parked.is_parked, "what was shown while parked must be gone when it drives"


class ParkedByHand:
    """The rule of section 5, followed signal by signal; of stale evidence it is more generous than the engine."""

    def __init__(self) -> None:
        self.evidence: dict[str, bool] = {}
        self.spent: set[str] = set()
        self.newest: dict[str, Instant] = {}
        self.moving = False
        self.since: Instant | None = None

    @property
    def is_parked(self) -> bool:
        return any(on and path not in self.spent for path, on in self.evidence.items()) and not self.moving

    def lapse(self, now: Instant) -> None:
        if self.is_parked and self.since is not None and now >= self.since + PARKED_LIMIT_MS:
            self.__init__()  # type: ignore[misc]

    def at(self, instant: Instant) -> bool:
        return self.is_parked and (self.since is None or instant < self.since + PARKED_LIMIT_MS)

    def after(self, event: Event, now: Instant) -> bool:
        later = ParkedByHand()
        later.evidence, later.spent, later.newest = dict(self.evidence), set(self.spent), dict(self.newest)
        later.moving, later.since = self.moving, self.since
        later.hear(event, now)
        return later.is_parked

    def hear(self, event: Event, now: Instant) -> None:
        was = self.is_parked
        if isinstance(event, UnitLost):
            self.evidence, self.spent, self.newest, self.moving = {}, set(), {}, False
        elif isinstance(event, SignalsReported):
            signals = {p: v for p, v in event.signals.items() if event.ts >= self.newest.get(p, 0)}
            self.newest.update(dict.fromkeys(signals, event.ts))
            for path in (LOW_VOLTAGE, GEAR, PARKING_BRAKE):
                if path in signals:
                    parks = _parks(path, signals[path])
                    if parks and not self.evidence.get(path):
                        self.moving = False
                    if not parks:
                        self.spent.discard(path)
                    self.evidence[path] = parks
            if SPEED in signals:
                self.moving = float(signals[SPEED]) >= MOVING_KMH
                self.spent |= {path for path, on in self.evidence.items() if on and self.moving}
        if self.is_parked and not was:
            self.since = now


def _parks(path: str, value: Scalar) -> bool:
    if path == LOW_VOLTAGE:
        return value in {"LOCK", "OFF", "ACC"}
    return value == GEAR_PARK if path == GEAR else value is True


@given(journeys(), CHARITABLE)
def test_never_over_a_cap_at_any_instant(journal: Journal, agreed: bool) -> None:  # noqa: FBT001
    counted: dict[tuple[str, str], dict[str, Instant]] = {}
    homes: dict[str, tuple[str, str]] = {}
    living = engine()
    for now, event in stocked(journal, agreed=agreed):
        for effect in living.receive(event, now):
            if isinstance(effect, OfferMade) and WORLD.actions[effect.offer.action].contact.caps:
                offer, cap = effect.offer, WORLD.actions[effect.offer.action].contact.caps[0]
                if offer.holder == SESSION or cap is None:
                    continue
                home = homes[offer.id] = (offer.holder, offer.action)
                counted.setdefault(home, {})[offer.id] = offer.made
                opened = offer.made - cap.within_s * SECOND_MS
                assert sum(at > opened for at in counted[home].values()) <= cap.count
            elif isinstance(effect, OutcomeRecorded | OfferWithdrawn):
                _release(counted, homes, effect)


def _release(
    counted: dict[tuple[str, str], dict[str, Instant]],
    homes: dict[str, tuple[str, str]],
    effect: OutcomeRecorded | OfferWithdrawn,
) -> None:
    """A reservation that nobody was shown counts no more; one that was presented counts for good."""
    ended_unseen = isinstance(effect, OfferWithdrawn) or effect.outcome is Outcome.EXPIRED
    if effect.offer in homes and ended_unseen:
        counted[homes[effect.offer]].pop(effect.offer, None)
    homes.pop(effect.offer, None)


@given(journeys(), CHARITABLE)
def test_the_same_journal_gives_the_same_effects(journal: Journal, agreed: bool) -> None:  # noqa: FBT001
    journal = stocked(journal, agreed=agreed)
    assert play(engine(), journal) == play(engine(), journal)


@given(journeys(), CHARITABLE, st.data())
def test_timers_late_by_any_delay_change_nothing(journal: Journal, agreed: bool, data: st.DataObject) -> None:  # noqa: FBT001
    journal = stocked(journal, agreed=agreed)
    punctual: list[Effect] = []
    living = engine()
    for now, event in journal:
        while (due := living.next_timer()) is not None and due <= now:
            punctual += living.handle_timer(due + data.draw(st.integers(0, now - due), label="late by"))
        punctual += living.receive(event, now)
    assert punctual == play(engine(), journal)


@given(journeys(), CHARITABLE, st.data())
def test_a_snapshot_restores_at_any_point(journal: Journal, agreed: bool, data: st.DataObject) -> None:  # noqa: FBT001
    journal = stocked(journal, agreed=agreed)
    cut = data.draw(st.integers(0, len(journal)), label="cut")
    living = engine()
    play(living, journal[:cut])
    state = _through_json(living.snapshot())
    restored = Engine.restore(state, WORLD, epoch=EPOCH, scorer=HabitScorer())
    assert restored.next_timer() == living.next_timer()
    assert play(restored, journal[cut:]) == play(living, journal[cut:])
    assert _through_json(restored.snapshot()) == _through_json(living.snapshot())


@given(journeys(), CHARITABLE)
def test_the_ledger_holds_every_durable_entry_of_those_present(journal: Journal, agreed: bool) -> None:  # noqa: FBT001
    living, ledger = engine(), Ledger()
    for now, event in stocked(journal, agreed=agreed):
        if isinstance(event, SubjectIdentified):
            ledger.entries = {**event.state, **ledger.entries}
        ledger.commit(living.receive(event, now))
    durable = {key: value for key, value in living.snapshot().items() if key.scope in DURABLE}
    assert {key: value for key, value in ledger.entries.items() if key in durable} == durable
    left_over = {key for key in ledger.entries if key not in durable}
    assert all(key.scope is Scope.SUBJECT for key in left_over), "only those who are not here are in the ledger alone"


@given(journeys(), CHARITABLE)
def test_a_sessions_decision_reads_nothing_of_a_subject(journal: Journal, agreed: bool) -> None:  # noqa: FBT001
    """Whatever is known of people, an unknown person with nobody known beside them gets the same verdicts."""
    journal = stocked(journal, agreed=agreed)
    private: Journal = [
        (now, event)
        for now, event in journal
        if not isinstance(event, FactsChanged) and not (isinstance(event, ConsentChanged) and event.holder != SESSION)
    ]
    private = [
        (now, replace(event, state={}) if isinstance(event, SubjectIdentified) else event) for now, event in private
    ]
    end = journal[-1][0] if journal else 0
    assert _alone_and_unknown(journal, end) == _alone_and_unknown(private, end)


def _alone_and_unknown(journal: Journal, end: Instant) -> list[object]:
    """Return the verdicts of decisions made until `end` while no subject was known at the unit, ids left out."""
    living, present = engine(), dict[str, dict[str, str]]()
    seen: list[object] = []
    for now, event in journal:
        before = {unit for unit, roles in present.items() if roles}
        # What was due before the event was decided on without it.
        seen += [_verdicts(due) for due in decisions(living.handle_timer(now)) if due.unit not in before]
        effects = living.receive(event, now)
        if isinstance(event, SubjectIdentified):
            present.setdefault(event.unit, {})[event.role] = event.subject
        elif isinstance(event, SubjectLeft):
            present.get(event.unit, {}).pop(event.role, None)
        elif isinstance(event, UnitLost):
            present.pop(event.unit, None)
        busy = before | {unit for unit, roles in present.items() if roles}
        seen += [_verdicts(decision) for decision in decisions(effects) if decision.unit not in busy]
    busy = {unit for unit, roles in present.items() if roles}
    return seen + [_verdicts(last) for last in decisions(living.handle_timer(end)) if last.unit not in busy]


def _verdicts(decision: Decision) -> object:
    return decision.unit, decision.at, decision.chosen, decision.verdicts, decision.context


def _through_json(state: dict[StateKey, object]) -> dict[StateKey, object]:
    """Return the state as a file would give it back."""
    rows = json.loads(json.dumps([[*key, value] for key, value in state.items()]))
    return {StateKey(Scope(scope), owner, name, item): value for scope, owner, name, item, value in rows}


WHOLE_CALENDAR_MS = 146_097 * DAY_MS
"""After 400 years of the Gregorian calendar weekdays, months and days come as before."""


@given(journeys(), CHARITABLE)
def test_a_clock_set_back_leaves_the_state_of_a_clock_that_was_right(happened: Journal, agreed: bool) -> None:  # noqa: FBT001
    def durable_end(by_ms: int) -> dict[StateKey, object]:
        ledger = Ledger()
        shifted = [(now + by_ms, _shifted(event, by_ms)) for now, event in happened]
        ledger.commit(play(engine(), stocked(shifted, agreed=agreed)))
        last = max((now for now, _ in happened), default=0)
        ledger.commit(set_back(ledger.entries, last, by_ms))
        return {key: value for key, value in ledger.entries.items() if key.name != "consent"}

    assert durable_end(WHOLE_CALENDAR_MS) == durable_end(0)


def _shifted(event: Event, by_ms: int) -> Event:
    moved = replace(event, ts=event.ts + by_ms)
    if isinstance(moved, ConsentChanged) and moved.valid_until is not None:
        return replace(moved, valid_until=moved.valid_until + by_ms)
    return moved
