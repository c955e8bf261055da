"""What the engine is told of who arrives: their own entries, and those of the household that their own fact names."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.effects import Effect, StateChanged
from gateway.core.engine import Engine
from gateway.core.events import (
    Event,
    FactsChanged,
    ListPrepared,
    Role,
    Scalar,
    SubjectIdentified,
    UnitKind,
    UnitLost,
    UnitRegistered,
)
from gateway.core.facts import LIMIT
from gateway.core.release import compile_release
from gateway.core.state import Scope, StateKey
from gateway.edge.arrivals import Arrivals
from gateway.edge.replay.scores import RecordedScorer
from gateway.edge.store.ledger import Ledger
from gateway.testing.ledger import WatchedWriter, transaction_of
from gateway.testing.samples import T0

HOUSEHOLD = StateKey(Scope.SUBJECT, "p.1", "fact", "household")
VISITS = StateKey(Scope.SUBJECT, "p.1", "fact", "visits")
CAP = StateKey(Scope.HOUSEHOLD, "h.1", "cap", "*/o.1")
ARRIVED = SubjectIdentified("car-1", T0, "i", "p.1", Role.DRIVER)

Opener = Callable[[], Ledger]


def put(key: StateKey, value: object) -> Effect:
    return StateChanged(key, value)


def state_of(arrivals: Arrivals, event: Event = ARRIVED) -> Mapping[StateKey, object]:
    informed = arrivals.informed(event)
    assert isinstance(informed, SubjectIdentified | FactsChanged | ListPrepared)
    return informed.state


def belongs_to(household: str) -> dict[str, object]:
    return {"value": household, "ts": T0, "until": None}


async def test_a_household_comes_with_its_member_and_with_nobody_else(ledger_path: Path, open_ledger: Opener) -> None:
    watched = WatchedWriter(ledger_path)
    await watched.commit(transaction_of(put(HOUSEHOLD, belongs_to("h.1")), put(CAP, T0), put(VISITS, 3)))
    await watched.commit(transaction_of(put(CAP._replace(owner="h.2"), T0), put(VISITS._replace(owner="p.2"), 4)))
    arrivals = Arrivals(open_ledger(), watched.writer)
    assert state_of(arrivals) == {HOUSEHOLD: belongs_to("h.1"), CAP: T0, VISITS: 3}
    await watched.writer.close()


async def test_what_is_on_its_way_to_the_disk_counts_already(ledger_path: Path, open_ledger: Opener) -> None:
    watched = WatchedWriter(ledger_path)
    await watched.commit(transaction_of(put(HOUSEHOLD, belongs_to("h.1")), put(CAP, T0), put(VISITS, 3)))
    arrivals = Arrivals(open_ledger(), watched.writer)
    watched.writer.submit(transaction_of(put(HOUSEHOLD, belongs_to("h.2")), put(VISITS, None)))
    ticket = watched.writer.submit(transaction_of(put(CAP._replace(owner="h.2"), T0 + 1)))
    # No await between: the writer's thread cannot have told the loop yet that these are on disk.
    told = state_of(arrivals)
    assert told == {HOUSEHOLD: belongs_to("h.2"), CAP._replace(owner="h.2"): T0 + 1}
    await watched.until(lambda: watched.commits[-1].ticket >= ticket)
    assert state_of(arrivals) == told
    await watched.writer.close()


async def test_a_fact_that_names_no_household_brings_none(ledger_path: Path, open_ledger: Opener) -> None:
    watched = WatchedWriter(ledger_path)
    await watched.commit(transaction_of(put(HOUSEHOLD, {"value": 7, "ts": T0, "until": None}), put(CAP, T0)))
    assert list(state_of(Arrivals(open_ledger(), watched.writer))) == [HOUSEHOLD]
    await watched.writer.close()


async def test_what_is_told_of_somebody_brings_along_what_is_known_of_them_already(
    ledger_path: Path, open_ledger: Opener
) -> None:
    watched = WatchedWriter(ledger_path)
    facts: dict[StateKey, object] = {HOUSEHOLD: belongs_to("h.1"), VISITS: 3}
    lists: dict[StateKey, object] = {
        VISITS._replace(name="prepared", item=""): {"propensities": {}, "ts": T0, "until": None},
        VISITS._replace(name="consent", item="profiling/given/c"): {},
    }
    others: dict[StateKey, object] = {CAP: T0, VISITS._replace(name="window"): {}, VISITS._replace(name="cap"): T0}
    known = facts | lists | others
    await watched.commit(transaction_of(*(put(key, value) for key, value in known.items())))
    arrivals = Arrivals(open_ledger(), watched.writer)
    assert state_of(arrivals, FactsChanged("car-1", T0, "p.1", {"visits": 4})) == {VISITS: 3}
    many: dict[str, Scalar | None] = {f"n{number}": 1 for number in range(LIMIT - 1)}
    assert state_of(arrivals, FactsChanged("car-1", T0, "p.1", many)) == facts
    assert state_of(arrivals, ListPrepared("car-1", T0, "f", "p.1", {})) == lists
    for event in (FactsChanged("car-1", T0, "", {"queue": 4}, fence="cafe"), UnitLost("car-1", T0)):
        assert arrivals.informed(event) is event
    await watched.writer.close()


def _told_of_somebody_absent(*, late: bool) -> list[Event]:
    ts = T0 - 5 if late else T0 + 5
    return [
        FactsChanged("car-1", ts, "p.1", {"visits": 4, "size": "M"}),
        FactsChanged("car-1", ts, "p.1", {f"new_{number}": True for number in range(60)}),
        ListPrepared("car-1", ts, "f", "p.1", {"pastry": 0.4}),
    ]


@pytest.mark.parametrize("agrees", [True, False])
@pytest.mark.parametrize("late", [True, False])
async def test_the_engine_does_with_it_what_it_would_do_with_all_that_is_known(
    ledger_path: Path, open_ledger: Opener, *, agrees: bool, late: bool
) -> None:
    consent = {"purpose": "profiling", "id": "c", "given": agrees, "supersedes": [], "valid_until": None}
    known: dict[StateKey, object] = {
        VISITS: belongs_to("3"),
        HOUSEHOLD: belongs_to("h.1"),
        VISITS._replace(name="prepared", item=""): {"propensities": {}, "ts": T0, "until": None},
        VISITS._replace(name="consent", item="profiling/given/c"): consent,
        VISITS._replace(name="cap", item="*/o.1"): T0,
        VISITS._replace(name="followed", item="pastry/accepted"): T0,
        **{VISITS._replace(item=f"old_{number}"): belongs_to("x") for number in range(195)},
    }
    watched = WatchedWriter(ledger_path)
    await watched.commit(transaction_of(*(put(key, value) for key, value in known.items())))
    await watched.writer.close()
    arrivals = Arrivals(open_ledger(), watched.writer)
    for event in _told_of_somebody_absent(late=late):
        assert isinstance(event, FactsChanged | ListPrepared)
        done = [
            engine_of_nobody().receive(each, T0 + 9) for each in (arrivals.informed(event), replace(event, state=known))
        ]
        assert done[0] == done[1]


def engine_of_nobody() -> Engine:
    engine = Engine(compile_release("r-1", 1, [], [], []), epoch="e1", scorer=RecordedScorer())
    engine.receive(UnitRegistered("car-1", T0, UnitKind.CAR, ("driver_screen",)), T0)
    return engine


async def test_what_restores_an_engine_holds_places_and_who_is_there_with_their_household(
    ledger_path: Path, open_ledger: Opener
) -> None:
    kept = [
        StateKey(Scope.UNIT, "car-1", "presence", "driver"),
        StateKey(Scope.UNIT, "car-1", "fact", "queue"),
        StateKey(Scope.FENCE, "cafe", "fact", "stock"),
        StateKey(Scope.OFFER, "car-1", "live", "o.1"),
        StateKey(Scope.ENGINE, "", "spent", "pastry"),
        HOUSEHOLD,
        CAP,
    ]
    absent = [VISITS._replace(owner="p.2"), CAP._replace(owner="h.2")]
    values: dict[StateKey, object] = dict.fromkeys([*kept, *absent], T0)
    values |= {kept[0]: {"subject": "p.1", "ts": T0}, HOUSEHOLD: belongs_to("h.1")}
    watched = WatchedWriter(ledger_path)
    await watched.commit(transaction_of(*(put(key, value) for key, value in values.items())))
    await watched.writer.close()
    state = open_ledger().restorable_state()
    assert state.keys() == set(kept)
