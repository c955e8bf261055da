import pytest

from gateway.core import consent, facts
from gateway.core.events import SESSION, FactsChanged, ListPrepared, Purpose, Scalar
from gateway.core.facts import Basis, Fact
from gateway.core.state import Memory, Scope, StateKey
from gateway.testing.engines import CAR, agreement
from gateway.testing.samples import T0

ANNA = "s.anna"


def told(
    known: dict[str, Scalar | None], ts: int = T0, *, subject: str = "", fence: str = "", until: int | None = None
) -> FactsChanged:
    return FactsChanged(CAR, ts, subject, known, fence=fence, valid_until=until)


def of_anna(*purposes: Purpose, **known: Scalar) -> Memory:
    memory = Memory()
    for event in agreement(ANNA, *purposes) if purposes else ():
        consent.record(memory, event)
    facts.learn(memory, told({**known}, subject=ANNA))
    return memory


def in_fences(*fences: str) -> Memory:
    return Memory({StateKey(Scope.UNIT, CAR, "fence", fence): {"since": 1, "dwelled": False} for fence in fences})


def values(known: dict[str, Fact]) -> dict[str, Scalar]:
    return {name: fact.value for name, fact in known.items()}


def test_a_fact_is_news_when_it_is_known_first_and_when_it_is_another() -> None:
    memory = Memory()
    assert facts.learn(memory, told({"stock": 3, "price": 2.5})) == ["stock", "price"]
    assert facts.learn(memory, told({"stock": 4, "price": 2.5}, T0 + 1)) == ["stock"]
    assert facts.learn(memory, told({"stock": 4.0}, T0 + 2)) == ["stock"], "in JSON, 4 and 4.0 are two"
    assert facts.of_place(memory, CAR, T0 + 2) == {"stock": Fact(4.0, T0 + 2), "price": Fact(2.5, T0 + 1)}


def test_a_fact_that_had_ended_is_news_again() -> None:
    memory = Memory()
    assert facts.learn(memory, told({"basket": "coat"}, until=T0 + 10)) == ["basket"]
    assert facts.learn(memory, told({"basket": "coat"}, T0 + 9, until=T0 + 20)) == []
    assert facts.learn(memory, told({"basket": "coat"}, T0 + 20, until=T0 + 30)) == ["basket"]


def test_the_newest_fact_wins_name_by_name() -> None:
    memory = Memory()
    facts.learn(memory, told({"stock": 3}, T0 + 5))
    assert facts.learn(memory, told({"stock": 9, "price": 1}, T0 + 4)) == ["price"]
    assert facts.learn(memory, told({"stock": None}, T0 + 4)) == []
    assert values(facts.of_place(memory, CAR, T0 + 9)) == {"stock": 3, "price": 1}


def test_what_is_told_to_be_none_is_forgotten() -> None:
    memory = Memory()
    facts.learn(memory, told({"stock": 3}))
    assert facts.learn(memory, told({"stock": None}, T0 + 1)) == []
    assert facts.of_place(memory, CAR, T0 + 1) == {}


@pytest.mark.parametrize(("now", "known"), [(T0 + 9, {"stock": 3}), (T0 + 10, {})])
def test_a_fact_holds_until_its_end(now: int, known: dict[str, Scalar]) -> None:
    memory = Memory()
    facts.learn(memory, told({"stock": 3}, until=T0 + 10))
    assert values(facts.of_place(memory, CAR, now)) == known


def test_a_fact_is_about_its_subject_else_its_fence_else_its_unit() -> None:
    memory = in_fences("station")
    facts.learn(memory, told({"a": 1}, subject=ANNA, fence="station"))
    facts.learn(memory, told({"b": 2}, fence="station"))
    facts.learn(memory, told({"c": 3}))
    assert values(facts.of_subject(memory, ANNA, CAR, T0, Basis.CONTRACT)) == {"a": 1}
    assert values(facts.of_fence(memory, "station", T0)) == {"b": 2}
    assert values(facts.of_place(memory, CAR, T0)) == {"b": 2, "c": 3}


def test_the_units_own_facts_come_before_those_of_its_fences_and_these_by_id() -> None:
    memory = in_fences("b", "a")
    for fence in ("a", "b"):
        facts.learn(memory, told({"stock": fence, "price": fence}, fence=fence))
    facts.learn(memory, told({"stock": "own"}))
    assert values(facts.of_place(memory, CAR, T0)) == {"stock": "own", "price": "a"}
    assert values(facts.of_place(memory, "till-1", T0)) == {}


@pytest.mark.parametrize(
    ("purposes", "basis", "known"),
    [
        ((), Basis.PROFILING, {}),
        ((Purpose.OFFER_DISPLAY,), Basis.PROFILING, {}),
        ((Purpose.PROFILING,), Basis.PROFILING, {"stamps": 9}),
        ((), Basis.CONTRACT, {"stamps": 9}),
        ((), Basis.RECORD, {"stamps": 9}),
    ],
)
def test_what_rests_on_agreement_is_empty_without_it(
    purposes: tuple[Purpose, ...], basis: Basis, known: dict[str, Scalar]
) -> None:
    memory = of_anna(*purposes, stamps=9)
    assert values(facts.of_subject(memory, ANNA, CAR, T0, basis)) == known


@pytest.mark.parametrize("basis", Basis)
def test_a_session_has_no_facts(basis: Basis) -> None:
    memory = Memory({StateKey(Scope.SUBJECT, SESSION, "fact", "stamps"): {"value": 9, "ts": T0, "until": None}})
    assert facts.of_subject(memory, SESSION, CAR, T0, basis) == {}


def test_a_fact_of_before_facts_had_an_age_is_as_old_as_can_be() -> None:
    memory = Memory({StateKey(Scope.SUBJECT, ANNA, "fact", "stamps"): 9})
    assert facts.of_subject(memory, ANNA, CAR, T0, Basis.CONTRACT) == {"stamps": Fact(9, 0)}
    assert facts.learn(memory, told({"stamps": 9}, subject=ANNA)) == []
    assert facts.of_subject(memory, ANNA, CAR, T0, Basis.CONTRACT) == {"stamps": Fact(9, T0)}


def a_list(p: float, ts: int = T0, until: int | None = None) -> ListPrepared:
    return ListPrepared(CAR, ts, "p1", ANNA, {"pastry": p}, until)


def test_the_newest_prepared_list_replaces_the_last() -> None:
    memory = of_anna(Purpose.PROFILING)
    assert facts.prepared(memory, ANNA, CAR, T0) == {}
    assert facts.prepare(memory, a_list(0.5))
    assert facts.prepare(memory, a_list(0.6, T0 + 1))
    assert not facts.prepare(memory, a_list(0.7))
    assert facts.prepared(memory, ANNA, CAR, T0 + 1) == {"pastry": 0.6}
    assert facts.prepared(memory, SESSION, CAR, T0 + 1) == {}


@pytest.mark.parametrize(("now", "known"), [(T0 + 9, {"pastry": 0.5}), (T0 + 10, {})])
def test_a_prepared_list_holds_until_its_end(now: int, known: dict[str, float]) -> None:
    memory = of_anna(Purpose.PROFILING)
    facts.prepare(memory, a_list(0.5, until=T0 + 10))
    assert facts.prepared(memory, ANNA, CAR, now) == known


def test_a_prepared_list_of_who_does_not_agree_to_profiling_is_not_read_and_may_be_dropped() -> None:
    memory = of_anna(Purpose.OFFER_DISPLAY)
    facts.prepare(memory, a_list(0.5))
    assert facts.prepared(memory, ANNA, CAR, T0) == {}
    memory.take_changes()
    facts.forget_prepared(memory, ANNA)
    assert memory.take_changes() == [(StateKey(Scope.SUBJECT, ANNA, "prepared"), None)]


def test_a_household_is_named_by_a_fact_and_by_no_number() -> None:
    assert facts.household_of(of_anna(household="h.1"), ANNA, CAR, T0) == "h.1"
    assert facts.household_of(of_anna(household=7), ANNA, CAR, T0) is None
    assert facts.household_of(of_anna(), ANNA, CAR, T0) is None
