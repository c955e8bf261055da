"""People: what each one who is present takes in memory, and what those take who are known and absent.

Bytes as `tracemalloc` counts them: what Python has allocated and not given back, of the engine alone. A person who is
present has what the ledger knows of them: agreements, facts, contacts that count for caps, patterns under way, a
prepared list; each read from rows of the ledger, so that nothing is shared that would not be shared there.
"""

import gc
import tracemalloc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from figures import figure

from gateway.core.campaign import Action, Audience, Kind, Placement, Treatment
from gateway.core.engine import Engine
from gateway.core.events import (
    Event,
    FactsChanged,
    ListPrepared,
    Purpose,
    Role,
    SubjectIdentified,
    SubjectLeft,
    UnitKind,
    UnitRegistered,
)
from gateway.core.release import Release, compile_release
from gateway.core.state import Scope, StateKey
from gateway.core.steps import Step, Trigger
from gateway.core.terms import Per
from gateway.core.units import SECOND_MS
from gateway.edge.store.tables import decode, encode
from gateway.testing.engines import FixedScorer, agreement

START = 1_767_250_800_000
RUNS = 3
PRESENT = 1_000
ABSENT = 5_000
WARM_UP = 500
FACTS = 20
RESERVATIONS = 20
WINDOWS = 3
PREPARED = 50
MODEL = "s.0123456789abcdef01234567"
"""Who it is done with once; the others are like them."""

_Rows = tuple[tuple[str, str, str, str, str], ...]


@dataclass(frozen=True)
class Person:
    """What is known of somebody.

    Attributes:
        windows: How many patterns of a release are under way.
        rows: Of the ledger: scope, owner, name, item, value.
    """

    windows: int
    rows: _Rows

    def state(self, subject: str) -> dict[StateKey, object]:
        """Return it as of somebody else, read anew."""
        return {
            StateKey(Scope(scope), subject, "".join(list(name)), "".join(list(item))): decode(value)
            for scope, _, name, item, value in self.rows
        }


def measure() -> dict[str, object]:
    """Return what people take, and what the state of one is as JSON."""
    whole = _person(FACTS, RESERVATIONS, WINDOWS, PREPARED)
    agreed = _person(0, 0, 0, 0)
    return {
        "entries_of_a_person": len(whole.rows),
        "bytes_of_a_person_as_json": sum(len(cell) for row in whole.rows for cell in row),
        "present": figure([_present(whole) for _ in range(RUNS)], "bytes/subject", 0),
        "present_with_consents_only": figure([_present(agreed) for _ in range(RUNS)], "bytes/subject", 0),
        "came_and_left": figure([_absent(whole, staying=0) for _ in range(RUNS)], "bytes/subject", 1),
        "came_and_left_while_one_stays": figure([_absent(whole, staying=1) for _ in range(RUNS)], "bytes/subject", 1),
        "present_among_absent": {str(known): _entries_held(whole, known) for known in (0, ABSENT)},
    }


def _present(person: Person) -> float:
    """Return what each of `PRESENT` people takes, each at a unit of their own; the units are not counted."""
    engine = _engine(PRESENT, person.windows)
    before = _allocated()
    for number in range(PRESENT):
        engine.receive(_arrival(person, number, f"gate-{number}", START + number), START + number)
    after = _allocated()
    tracemalloc.stop()
    return (after - before) / PRESENT


def _absent(person: Person, *, staying: int) -> float:
    """Return what is left of each of `ABSENT` people who came to a gate, one after the other, and left.

    Args:
        person: What is known of each of them.
        staying: How many came before them to other gates, and are there all the time with what they wait for.
    """
    engine = _engine(1 + staying, person.windows)
    for number in range(1, 1 + staying):
        engine.receive(_arrival(person, ABSENT * 2 + number, f"gate-{number}", START), START)
    _come_and_leave(engine, person, range(WARM_UP))  # what is allocated once is not theirs
    before = _allocated()
    _come_and_leave(engine, person, range(WARM_UP, WARM_UP + ABSENT))
    after = _allocated()
    tracemalloc.stop()
    return (after - before) / ABSENT


def _entries_held(person: Person, known: int) -> int:
    """Return how many entries the engine holds while one is present, after so many others came and left."""
    engine = _engine(1, person.windows)
    _come_and_leave(engine, person, range(known))
    now = START + 3 * known * SECOND_MS
    engine.receive(_arrival(person, known, "gate-0", now), now)
    return len(engine.snapshot())


def _come_and_leave(engine: Engine, person: Person, numbers: range) -> None:
    for number in numbers:
        now = START + 2 * number * SECOND_MS
        engine.receive(_arrival(person, number, "gate-0", now), now)
        engine.receive(SubjectLeft("gate-0", now + SECOND_MS, f"l{number}", Role.CUSTOMER), now + SECOND_MS)


def _arrival(person: Person, number: int, unit: str, now: int) -> SubjectIdentified:
    subject = f"s.{number:024x}"
    return SubjectIdentified(unit, now, f"i{number}", subject, Role.CUSTOMER, "card", person.state(subject))


def _engine(units: int, windows: int) -> Engine:
    engine = Engine(_release(windows), epoch="b", scorer=FixedScorer())
    for number in range(units):
        gate = UnitRegistered(f"gate-{number}", START, UnitKind.KIOSK, (Placement.KIOSK_SCREEN.value,))
        engine.receive(gate, START)
    return engine


def _release(windows: int) -> Release:
    """Return a release that counts a person's visits in so many patterns; two of five are no occasion for anything."""
    treatment = Treatment(Placement.KIOSK_SCREEN, "en", "Title", "Body")
    visits = Trigger((Step("SubjectArrived", times=5),), within_s=30 * 24 * 3600, per=Per.SUBJECT)
    actions = [
        Action(f"action-{number}", Kind.MARKETING, Audience.SUBJECT, (visits,), (treatment,), prepared=True)
        for number in range(windows)
    ]
    return compile_release("bench", 1, [], actions, [])


def _person(facts: int, reservations: int, windows: int, prepared: int) -> Person:
    """Return what an engine has come to know of somebody, as the rows of a ledger."""
    state = _reserved(reservations)
    for _ in range(2):  # what they do is remembered from the second visit on: they had not agreed before the first
        engine = _engine(1, windows)
        engine.receive(SubjectIdentified("gate-0", START, "i", MODEL, Role.CUSTOMER, "card", state), START)
        for event in _told(facts, prepared):
            engine.receive(event, START)
        state = {key: value for key, value in engine.snapshot().items() if key.scope is Scope.SUBJECT}
    rows = [(key.scope.value, key.owner, key.name, key.item, encode(value)) for key, value in state.items()]
    return Person(windows, tuple(rows))


def _told(facts: int, prepared: int) -> Iterator[Event]:
    yield from agreement(MODEL, *Purpose, unit="gate-0", ts=START)
    yield FactsChanged("gate-0", START, MODEL, {f"fact_{number}": number * 1.5 for number in range(facts)})
    if prepared:
        likely = {f"action-{number}": number / 100 for number in range(prepared)}
        yield ListPrepared("gate-0", START, "p1", MODEL, likely)


def _reserved(count: int) -> Mapping[StateKey, object]:
    return {
        StateKey(Scope.SUBJECT, MODEL, "cap", f"action-{number}/o.gate-0.{number:08x}.{number}"): START - number
        for number in range(count)
    }


def _allocated() -> int:
    """Return what is allocated now, counted from the first call on."""
    gc.collect()
    if not tracemalloc.is_tracing():
        tracemalloc.start()
        return 0
    return tracemalloc.get_traced_memory()[0]
