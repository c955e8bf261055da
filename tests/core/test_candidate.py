from collections.abc import Mapping
from dataclasses import replace

import pytest

from gateway.core import context
from gateway.core.campaign import Action, Kind, Nearest
from gateway.core.candidate import Addressee, Candidate, age_s, basis_of
from gateway.core.effects import OfferedReward
from gateway.core.events import Role, Scalar, UnitKind
from gateway.core.facts import Basis, Fact
from gateway.core.fences.geometry import Circle, Fence
from gateway.core.moments import Moment, Parked, TyrePressureLow
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.terms import Discount, Reward
from gateway.core.timers import Agenda
from gateway.core.turn import Turn
from gateway.core.units import Position
from gateway.testing.engines import CAR, a_release, a_treatment, an_action
from gateway.testing.samples import T0

ANNA = "s.anna"
UNIT = context.Unit(CAR, UnitKind.CAR, ("driver_screen",), "en", contextual_offers=False, utc_offset_s=0)
SERVICE = an_action("charger", kind=Kind.SERVICE)
BANKS = [
    Fence(name, "bank", name.title(), Circle(Position(lon, 47.0), 50.0)) for name, lon in (("a", 8.0), ("b", 8.01))
]


def known(value: Scalar, ts: int = T0) -> dict[str, object]:
    return {"value": value, "ts": ts, "until": None}


class Place:
    def __init__(self, **of_unit: Mapping[str, object]) -> None:
        self.memory = Memory()
        for name, fact in of_unit.items():
            self.memory.put(StateKey(Scope.UNIT, CAR, "fact", name), fact)

    def of_anna(self, **facts: Mapping[str, object]) -> "Place":
        for name, fact in facts.items():
            self.memory.put(StateKey(Scope.SUBJECT, ANNA, "fact", name), fact)
        return self

    def candidate(self, action: Action, moment: Moment | None = None) -> Candidate:
        release = a_release(fences=BANKS, actions=[action])
        turn = Turn(self.memory, Agenda(), release, T0)
        addressee = Addressee(turn, UNIT, Role.DRIVER, ANNA, basis_of(action.kind))
        return Candidate(action, action.treatments[0], addressee, None, moment)


def saying(body: str, nearest: Nearest | None = None) -> Action:
    return replace(SERVICE, treatments=(replace(a_treatment(), title="T", body=body),), nearest=nearest)


def test_only_marketing_reads_on_the_ground_of_profiling() -> None:
    assert [basis_of(kind) for kind in Kind] == [Basis.PROFILING, Basis.CONTRACT, Basis.CONTRACT]


def test_marketing_finds_nothing_of_a_person_who_did_not_agree_and_service_does() -> None:
    place = Place().of_anna(size=known("M"))
    assert place.candidate(an_action()).addressee.facts == {}
    assert place.candidate(SERVICE).addressee.facts == {"size": Fact("M", T0)}
    assert place.candidate(an_action()).evaluation.variables["facts"] == {}
    assert place.candidate(SERVICE).evaluation.variables["facts"] == {"size": "M"}
    assert place.candidate(an_action()).addressee.prepared == {}


def test_facts_of_person_and_place_are_worded_with_their_age() -> None:
    place = Place(stock=known(3.0, T0 - 180_000)).of_anna(item=known("jacket"))
    candidate = place.candidate(saying("{facts.item}: {place.stock} left, {place.stock.age} ago"))
    assert candidate.unsaid() is None
    assert candidate.words() == ("T", "jacket: 3 left, 3 min ago", "")
    assert candidate.as_of() == T0 - 180_000


def test_what_a_reward_shows_is_as_old_as_its_fact() -> None:
    place = Place(price=known(3, T0 - 60_000))
    candidate = place.candidate(replace(saying("Plain"), reward=Reward("r", "instead of {place.price}")))
    assert candidate.unsaid() is None
    assert candidate.as_of() == T0 - 60_000


def test_the_nearest_place_is_looked_for_once() -> None:
    place = Place()
    place.memory.put(StateKey(Scope.UNIT, CAR, "fence", "a"), {"since": T0, "dwelled": False, "kind": "bank"})
    place.memory.put(StateKey(Scope.FENCE, "b", "fact", "works"), known(value=True))
    candidate = place.candidate(saying("{nearest.name}", Nearest("bank", "works")))
    assert candidate.nearby() is not None
    assert candidate.nearby() is candidate.nearby()


def test_words_without_facts_have_no_age() -> None:
    assert Place().candidate(saying("Plain, {moment.wheel}")).as_of() is None


@pytest.mark.parametrize(
    "body", ["{facts.item}", "{place.stock.age}", "{nearest.name}", "{amount}", "{moment.wheel}", "{moment.fences}"]
)
def test_what_is_not_known_is_named(body: str) -> None:
    candidate = Place().candidate(saying(body), Parked(CAR, T0, ("station",), ("fuel_station",)))
    assert candidate.unsaid() == body[1:-1]


def test_a_moment_says_what_it_carries() -> None:
    candidate = Place().candidate(saying("{moment.wheel}"), TyrePressureLow(CAR, T0, "Row1.Left"))
    assert candidate.words()[1] == "Row1.Left"


def test_the_place_pointed_to_is_named_with_its_distance() -> None:
    place = Place()
    place.memory.put(StateKey(Scope.UNIT, CAR, "fence", "a"), {"since": T0, "dwelled": False, "kind": "bank"})
    place.memory.put(StateKey(Scope.FENCE, "b", "fact", "works"), known(value=True))
    candidate = place.candidate(saying("{nearest.name}, {nearest.distance}", nearest=Nearest("bank", "works")))
    assert candidate.words()[1] == "B, 750 m"
    assert place.candidate(SERVICE).nearby() is None


def test_a_reward_costs_what_it_says_or_what_a_discount_comes_to() -> None:
    place = Place().of_anna(risk=known(0.5), worth=known(90.0))
    personal = Reward("stay", "{amount} off", 0, "EUR", Discount("risk", "worth", 0.1, 50, 500))
    assert place.candidate(SERVICE).price() == 0
    assert place.candidate(SERVICE).rewarded() is None
    assert place.candidate(replace(SERVICE, reward=Reward("tea", "A tea", 120, "EUR"))).price() == 120
    candidate = place.candidate(replace(SERVICE, reward=personal))
    candidate.cost_cents = candidate.price()
    assert candidate.rewarded() == OfferedReward("stay", "4.50 EUR off", 450, "EUR", 450)
    silent = place.candidate(replace(SERVICE, reward=Reward("tea", "A tea", 120, "EUR")))
    silent.cost_cents = silent.price()
    assert silent.rewarded() == OfferedReward("tea", "A tea", 120, "EUR")


def test_a_fact_from_a_clock_ahead_of_ours_is_new() -> None:
    assert [age_s(Fact(1, T0 + ms), T0) for ms in (5_000, 0, -1_000, -1_001)] == [0, 0, 1, 2]
