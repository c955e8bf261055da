import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.core.campaign import Audience, Kind, Placement, Weight
from gateway.core.drive import Drive, Driving
from gateway.core.effects import (
    Decision,
    Refusal,
    Stage,
    Verdict,
)
from gateway.core.events import SESSION, Role
from gateway.core.moments import DroveOff
from gateway.core.state import Scope, StateKey
from gateway.testing.engines import CAR, FixedScorer, a_treatment, an_action, decisions_in, offers_in
from gateway.testing.samples import T0
from tests.core.table import ANNA, BEN, PARKED, SCREENS, UNIT, Table, a_fact, agrees, by_model, service, verdicts_of


class Answers:
    """A model that answers exactly this."""

    def __init__(self, *propensities: float) -> None:
        self.propensities = propensities

    def score(self, model: str, rows: Sequence[Sequence[float]]) -> Sequence[float]:
        del model, rows
        return self.propensities


def test_a_decision_is_recorded_whole() -> None:
    action = replace(service(), value=4.0, annoyance=2.0, lever=3.0, context_weight=0.5)
    moments = (PARKED, DroveOff(CAR, T0))
    (decision,) = decisions_in(Table().decide(action, moments=moments))
    verdict = Verdict(
        "charger",
        Kind.SERVICE,
        Placement.DRIVER_SCREEN,
        "Parked",
        None,
        propensity=0.5,
        context_weight=0.5,
        value=4.0,
        lever=3.0,
        annoyance=2.0,
        net_value=0.5 * 0.5 * 4.0 * 3.0 - 0.5 * 2.0,
    )
    assert replace(decision, context={}) == Decision(
        id="d.car-1.e1.1",
        unit=CAR,
        at=T0,
        release="release-1",
        holder=ANNA,
        moments=("Parked", "DroveOff"),
        verdicts=(verdict,),
        chosen="charger",
        offer="o.car-1.e1.1",
        context={},
    )


def test_a_decision_comes_before_its_offer() -> None:
    assert [type(effect).__name__ for effect in Table().decide(service())] == ["DecisionRecorded", "OfferMade"]


def test_silence_is_recorded_and_offers_nothing() -> None:
    table = Table()
    effects = table.decide(replace(service(), value=0.0))
    (decision,) = decisions_in(effects)
    assert (decision.chosen, decision.offer, decision.holder) == (None, None, ANNA)
    assert offers_in(effects) == []
    assert table.memory.owners(Scope.OFFER) == []


def test_decisions_are_counted_by_unit_and_offers_bear_their_number() -> None:
    table = Table()
    ids = [table.decision(replace(service(), value=0.0)).id, table.decision(service()).offer]
    assert ids == ["d.car-1.e1.1", "o.car-1.e1.2"]
    other = replace(UNIT, id="car-2")
    assert table.decision(service(), unit=other).id == "d.car-2.e1.1"


def test_the_context_of_a_decision_holds_nothing_of_a_subject() -> None:
    table = Table()
    table.memory.put(StateKey(Scope.SUBJECT, ANNA, "fact", "income"), a_fact(5))
    context_ = table.decision(service()).context
    assert "facts" not in context_
    assert (context_["parked"], context_["known"], context_["role"]) == (True, True, "driver")


def test_an_action_is_a_candidate_at_each_placement_of_the_unit_it_has_words_for() -> None:
    action = service(placements=(Placement.DRIVER_SCREEN, Placement.PASSENGER_SCREEN, Placement.KIOSK_SCREEN))
    decision = Table((Role.DRIVER, ANNA), (Role.PASSENGER, BEN)).decision(action)
    assert [verdict.placement for verdict in decision.verdicts] == list(SCREENS)
    assert decision.chosen == "charger"


def test_a_decision_is_about_whom_the_chosen_offer_is_for() -> None:
    table = Table((Role.DRIVER, ANNA), (Role.PASSENGER, BEN))
    table.memory.put(StateKey(Scope.UNIT, CAR, "drive"), Drive(Driving.DRIVING, T0).to_json())
    decision = table.decision(service(placements=SCREENS))
    assert [verdict.refusal is None for verdict in decision.verdicts] == [False, True]
    assert (decision.holder, decision.context["role"]) == (BEN, "passenger")


def test_a_unit_without_a_place_for_an_action_refuses_it() -> None:
    decision = Table().decision(service(placements=[Placement.KIOSK_SCREEN]))
    nowhere = Refusal(Stage.ADDRESSEE, "no_placement", {"unit": ["driver_screen", "passenger_screen"]})
    assert decision.verdicts == (Verdict("charger", Kind.SERVICE, Placement.KIOSK_SCREEN, "Parked", nowhere),)
    assert (decision.chosen, decision.holder, decision.context) == (None, SESSION, {})


def test_an_action_without_a_place_does_not_stand_in_the_way_of_another() -> None:
    decision = Table().decision(service("a", placements=[Placement.KIOSK_SCREEN]), service("b"))
    assert (decision.chosen, decision.holder) == ("b", ANNA)


def test_an_action_that_matched_twice_is_one_candidate() -> None:
    assert len(Table().decision(service(), service()).verdicts) == 1


def test_a_refused_candidate_is_not_scored() -> None:
    table = Table()
    decision = table.decision(replace(by_model("beer"), eligible="hour < 0"), service())
    assert table.scorer.asked == []
    beer = verdicts_of(decision)["beer"]
    assert (beer.propensity, beer.net_value) == (None, None)
    assert beer.refusal is not None
    assert beer.refusal.reason == "not_eligible"


def test_each_model_is_asked_once_for_all_its_candidates() -> None:
    table = Table()
    table.memory.put(StateKey(Scope.SUBJECT, ANNA, "fact", "visits_bar"), a_fact(3))
    coffee = replace(by_model("coffee", category="coffee_house"), valid_for_s=1800, redeem_within_s=5400)
    table.decide(by_model("beer"), by_model("crowded", model="crowd"), coffee)
    assert sorted(model for model, _ in table.scorer.asked) == ["coupon", "crowd"]
    asked = dict(table.scorer.asked)
    coffee_row, beer_row = sorted(asked["coupon"], key=lambda row: row[1])
    assert beer_row == [22.0, 1.0, 3.0, pytest.approx(3900 / 3600)]
    assert coffee_row == [22.0, 0.0, pytest.approx(math.nan, nan_ok=True), 2.0]
    assert asked["crowd"] == [[pytest.approx(math.nan, nan_ok=True)]]


def test_a_session_is_scored_without_facts() -> None:
    table = Table((Role.PASSENGER, BEN))
    table.memory.put(StateKey(Scope.SUBJECT, BEN, "fact", "visits_bar"), a_fact(3))
    anyone = replace(by_model("crowded", model="crowd"), audience=Audience.ANYONE)
    decision = table.decision(anyone)
    assert (decision.holder, decision.context["known"]) == (SESSION, False)


def test_a_prior_is_the_propensity_of_its_action() -> None:
    (verdict,) = Table().decision(replace(service(), prior=0.25)).verdicts
    assert verdict.propensity == 0.25


def test_a_prior_of_zero_is_a_propensity_of_zero() -> None:
    (verdict,) = Table().decision(replace(service(), prior=0.0)).verdicts
    assert (verdict.propensity, verdict.net_value) == (0.0, 0.0)


def test_a_model_that_fails_refuses_its_candidates_and_no_others() -> None:
    scorer = FixedScorer(failing=["coupon"])
    decision = Table().decision(by_model("beer"), by_model("crowded", model="crowd"), scorer=scorer)
    failed = Refusal(Stage.SCORE, "model_unavailable", {"model": "coupon"})
    assert {name: verdict.refusal for name, verdict in verdicts_of(decision).items()} == {
        "beer": failed,
        "crowded": None,
    }
    assert decision.chosen == "crowded"


@pytest.mark.parametrize("propensities", [(), (0.5, 0.5)])
def test_a_model_that_answers_another_number_of_rows_is_not_believed(propensities: tuple[float, ...]) -> None:
    (verdict,) = Table().decision(by_model("beer"), scorer=Answers(*propensities)).verdicts
    assert verdict.refusal == Refusal(Stage.SCORE, "wrong_shape", {"model": "coupon"})


@pytest.mark.parametrize("propensity", [math.nan, math.inf, math.nextafter(0.0, -1.0), math.nextafter(1.0, 2.0)])
def test_what_is_no_probability_is_not_believed(propensity: float) -> None:
    (verdict,) = Table().decision(by_model("beer"), scorer=Answers(propensity)).verdicts
    assert verdict.refusal == Refusal(Stage.SCORE, "not_a_probability", {"model": "coupon"})
    assert verdict.propensity is None


@pytest.mark.parametrize("propensity", [0.0, 1.0])
def test_the_ends_of_the_scale_are_probabilities(propensity: float) -> None:
    (verdict,) = Table().decision(by_model("beer"), scorer=Answers(propensity)).verdicts
    assert verdict.propensity == propensity


def prepared(*actions: tuple[str, float]) -> dict[str, object]:
    return {"propensities": dict(actions), "ts": T0, "until": T0 + 1}


def test_a_prepared_list_gives_the_propensity_where_it_names_the_action() -> None:
    table = Table()
    agrees(table, "offer_display", "profiling")
    table.memory.put(StateKey(Scope.SUBJECT, ANNA, "prepared"), prepared(("a", 0.75)))
    listed = replace(an_action("a"), prior=None, prepared=True)
    others = [replace(an_action("b"), prior=0.25, prepared=True), replace(listed, id="c")]
    verdicts = verdicts_of(table.decision(listed, *others))
    assert [verdicts[name].propensity for name in "abc"] == [0.75, 0.25, None]
    assert verdicts["c"].refusal == Refusal(Stage.SCORE, "not_prepared")


def test_each_weight_that_holds_is_a_factor_of_the_context_weight() -> None:
    weights = (Weight("", 2.0), Weight("parked", 1.5), Weight("hour < 0", 100.0), Weight("facts.x > 1", 100.0))
    (verdict,) = Table().decision(replace(service(), context_weight=0.5, weights=weights)).verdicts
    assert verdict.context_weight == 0.5 * 2.0 * 1.5
    assert verdict.net_value == 0.5 * 1.5


def test_all_that_refuses_is_told_where_it_is_asked_for() -> None:
    action = replace(an_action(), eligible="hour < 0", suitable="hour < 0")
    for whole, stages in ((False, []), (True, [Stage.ELIGIBILITY, Stage.SUITABILITY])):
        (decision,) = decisions_in(Table().decide(action, service(), all_refusals=whole))
        verdict = verdicts_of(decision)["pastry"]
        assert verdict.refusal is not None
        assert verdict.refusal.stage is Stage.CONSENT
        assert [refusal.stage for refusal in verdict.also] == stages
        assert decision.chosen == "charger"


def test_what_two_places_of_one_person_say_is_screened_with_the_same_eyes() -> None:
    """The driver's screen and the voice in the car are one person's: what is known of her is worked out once."""
    both = replace(service(), treatments=tuple(map(a_treatment, (Placement.DRIVER_SCREEN, Placement.VOICE))))
    places = replace(UNIT, placements=(Placement.DRIVER_SCREEN.value, Placement.VOICE.value))
    (decision,) = decisions_in(Table().decide(both, unit=places))
    assert [verdict.placement for verdict in decision.verdicts] == [Placement.DRIVER_SCREEN, Placement.VOICE]
    assert decision.holder == ANNA
