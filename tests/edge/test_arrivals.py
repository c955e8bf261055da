"""What the engine is told of who arrives: their own entries, and those of the household that their own fact names."""

from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.core.effects import Effect, StateChanged
from gateway.core.events import Event, FactsChanged, ListPrepared, Role, SubjectIdentified, UnitLost
from gateway.core.state import Scope, StateKey
from gateway.edge.arrivals import Arrivals
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
    await watched.commit(transaction_of(put(HOUSEHOLD, belongs_to("h.1")), put(CAP, T0), put(VISITS, 3)))
    arrivals = Arrivals(open_ledger(), watched.writer)
    own = {HOUSEHOLD: belongs_to("h.1"), VISITS: 3}
    assert state_of(arrivals, FactsChanged("car-1", T0, "p.1", {"visits": 4})) == own
    assert state_of(arrivals, ListPrepared("car-1", T0, "f", "p.1", {})) == own
    for event in (FactsChanged("car-1", T0, "", {"queue": 4}, fence="cafe"), UnitLost("car-1", T0)):
        assert arrivals.informed(event) is event
    await watched.writer.close()


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
