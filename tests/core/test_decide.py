import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.core import chains, context, offers
from gateway.core.campaign import (
    Action,
    Audience,
    Cap,
    ContactPolicy,
    Discount,
    Follows,
    Group,
    Kind,
    Placement,
    Reward,
    Weight,
)
from gateway.core.decide import Judge, decide
from gateway.core.drive import Drive, Driving
from gateway.core.effects import (
    Decision,
    Effect,
    Offer,
    OfferedReward,
    OfferMade,
    OfferWithdrawn,
    Refusal,
    Stage,
    Verdict,
)
from gateway.core.events import SESSION, Outcome, Role, UnitKind
from gateway.core.moments import DroveOff, Moment, Parked
from gateway.core.release import ModelSpec, compile_release
from gateway.core.scoring import Scorer
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.timers import Agenda, TimerKey
from gateway.core.triggers import Match
from gateway.core.turn import Turn
from gateway.testing.engines import CAR, EPOCH, FixedScorer, a_release, a_treatment, an_action, decisions_in, offers_in
from gateway.testing.samples import T0

ANNA, BEN = "s.anna", "s.ben"
SCREENS = (Placement.DRIVER_SCREEN, Placement.PASSENGER_SCREEN)
UNIT = context.Unit(CAR, UnitKind.CAR, SCREENS, "en", contextual_offers=False, utc_offset_s=0)
PARKED = Parked(CAR, T0, ("station",), ("fuel_station",))
COUPON = ModelSpec(
    "coupon", "1", ("hour", "category_bar", "visits_in_category", "validity_hours"), ("bar", "coffee_house")
)
CROWD = ModelSpec("crowd", "1", ("alone",), ("bar",))


class Table:
    """A parked car in which decisions fall. Services need no consent, so what is decided is not about consent here."""

    def __init__(self, *people: tuple[Role, str]) -> None:
        parked = Drive(Driving.PARKED, T0, frozenset({"brake"}))
        entries: dict[StateKey, object] = {StateKey(Scope.UNIT, CAR, "drive"): parked.to_json()}
        for role, subject in people or ((Role.DRIVER, ANNA),):
            entries[StateKey(Scope.UNIT, CAR, "presence", role.value)] = {"subject": subject, "ts": T0}
        self.memory, self.agenda, self.scorer = Memory(entries), Agenda(), FixedScorer()

    def decide(
        self,
        *actions: Action,
        unit: context.Unit = UNIT,
        moments: Sequence[Moment] = (PARKED,),
        scorer: Scorer | None = None,
        all_refusals: bool = False,
        groups: Sequence[Group] = (),
    ) -> list[Effect]:
        distinct = {action.id: action for action in actions}.values()
        release = compile_release("release-1", 1, [], distinct, [COUPON, CROWD], groups=groups)
        turn = Turn(self.memory, self.agenda, release, T0)
        matches = [Match(action, "Parked", None, PARKED) for action in actions]
        decide(turn, unit, moments, matches, Judge(scorer or self.scorer, EPOCH, all_refusals))
        return turn.effects

    def decision(self, *actions: Action, unit: context.Unit = UNIT, scorer: Scorer | None = None) -> Decision:
        (decision,) = decisions_in(self.decide(*actions, unit=unit, scorer=scorer))
        return decision


class Answers:
    """A model that answers exactly this."""

    def __init__(self, *propensities: float) -> None:
        self.propensities = propensities

    def score(self, model: str, rows: Sequence[Sequence[float]]) -> Sequence[float]:
        del model, rows
        return self.propensities


def a_fact(value: object, ts: int = T0) -> dict[str, object]:
    return {"value": value, "ts": ts, "until": None}


def agrees(table: Table, *purposes: str) -> None:
    for purpose in purposes:
        said = {"purpose": purpose, "id": "g1", "given": True, "supersedes": [], "valid_until": None}
        table.memory.put(StateKey(Scope.SUBJECT, ANNA, "consent", f"{purpose}/given/g1"), said)


def verdicts_of(decision: Decision) -> dict[str, Verdict]:
    return {verdict.action: verdict for verdict in decision.verdicts}


def service(id_: str = "charger", *, placements: Sequence[Placement] = (Placement.DRIVER_SCREEN,)) -> Action:
    return an_action(id_, kind=Kind.SERVICE, placements=placements)


def by_model(id_: str, model: str = "coupon", category: str = "bar") -> Action:
    return replace(service(id_), model=model, category=category, prior=None)


def test_the_chosen_action_is_offered_as_it_is_worded() -> None:
    treatment = replace(a_treatment(title="Charge here"), call_to_action="Yes, please")
    action = replace(service(), treatments=(treatment,), valid_for_s=90)
    (offer,) = offers_in(Table().decide(action))
    assert offer == Offer(
        id="o.car-1.e1.1",
        decision="d.car-1.e1.1",
        unit=CAR,
        holder=ANNA,
        role=Role.DRIVER,
        placement=Placement.DRIVER_SCREEN,
        action="charger",
        kind=Kind.SERVICE,
        language="en",
        title="Charge here",
        body=treatment.body,
        call_to_action="Yes, please",
        reward=None,
        made=T0,
        expires=T0 + 90_000,
    )


def test_an_offer_carries_the_reward_of_its_action() -> None:
    reward = Reward("coffee", "A coffee on the house")
    table = Table()
    table.memory.put(
        StateKey(Scope.SUBJECT, ANNA, "consent", "offer_display/g1"),
        {"purpose": "offer_display", "id": "g1", "given": True, "supersedes": [], "valid_until": None},
    )
    (offer,) = offers_in(table.decide(replace(an_action(), reward=reward)))
    assert offer.reward == OfferedReward("coffee", "A coffee on the house")


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


def test_each_placement_has_an_addressee_of_its_own() -> None:
    passengers = service("film", placements=[Placement.PASSENGER_SCREEN])
    (offer,) = offers_in(Table((Role.DRIVER, ANNA), (Role.PASSENGER, BEN)).decide(passengers))
    assert (offer.holder, offer.role) == (BEN, Role.PASSENGER)


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


@pytest.mark.parametrize(
    ("languages", "spoken"),
    [
        (("de", "en"), "en"),
        (("en", "de"), "en"),
        (("de", "fr"), "de"),
        (("de", "en-GB"), "en-GB"),
        (("en-GB", "en"), "en"),
    ],
)
def test_the_wording_is_in_the_units_language_or_else_the_first_given(languages: tuple[str, str], spoken: str) -> None:
    first, second = (a_treatment(language=language, title=f"{n} {language}") for n, language in enumerate(languages))
    (offer,) = offers_in(Table().decide(replace(service(), treatments=(first, second))))
    assert offer.title == (first if first.language == spoken else second).title


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


def test_what_is_outranked_is_taken_off_the_screen_before_the_offer_is_made() -> None:
    table = Table()
    table.decide(replace(service(), contact=ContactPolicy((Cap(count=1, within_s=60),))))
    effects = table.decide(an_action("tyres", kind=Kind.SAFETY))
    assert effects[1] == OfferWithdrawn("o.car-1.e1.1", CAR, T0, "outranked")
    assert isinstance(effects[2], OfferMade)
    assert effects[2].offer.action == "tyres"


def test_what_stands_at_another_placement_or_unit_stays_there() -> None:
    table = Table((Role.DRIVER, ANNA), (Role.PASSENGER, BEN))
    table.decide(service("film", placements=[Placement.PASSENGER_SCREEN]))
    other = replace(UNIT, id="car-2")
    parked = table.memory.get(Scope.UNIT, CAR, "drive")
    table.memory.put(StateKey(Scope.UNIT, "car-2", "drive"), parked)
    table.memory.put(StateKey(Scope.UNIT, "car-2", "presence", "driver"), {"subject": "s.eve", "ts": T0})
    assert offers_in(table.decide(service(), unit=other))
    effects = table.decide(an_action("tyres", kind=Kind.SAFETY))
    assert [type(effect).__name__ for effect in effects] == ["DecisionRecorded", "OfferMade"]


def test_an_offer_that_was_made_is_kept_until_it_closes() -> None:
    table = Table()
    table.decide(replace(service(), valid_for_s=90))
    assert offers.timers(table.memory) == [(TimerKey("offer", "o.car-1.e1.1"), T0 + 90_000)]
    assert table.agenda.next_due() == T0 + 90_000


def test_an_offer_stands_no_longer_than_the_consent_it_rests_on() -> None:
    table = Table()
    until = T0 + 40_000
    said = {"purpose": "offer_display", "id": "c1", "given": True, "supersedes": [], "valid_until": until}
    table.memory.put(StateKey(Scope.SUBJECT, ANNA, "consent", "offer_display/given/c1"), said)
    marketing = replace(an_action("pastry"), valid_for_s=90)
    (offer,) = offers_in(table.decide(marketing))
    assert offer.expires == until
    assert table.agenda.next_due() == until


def test_where_the_units_language_is_not_given_the_fallback_speaks() -> None:
    treatments = tuple(a_treatment(language=language) for language in ("fr", "de", "it"))
    (offer,) = offers_in(Table().decide(replace(service(), treatments=treatments, fallback="de")))
    assert offer.language == "de"


def test_what_an_offer_says_is_filled_in() -> None:
    table = Table()
    agrees(table, "offer_display", "profiling")
    table.memory.put(StateKey(Scope.SUBJECT, ANNA, "fact", "item"), a_fact("blue jacket", T0 - 120_000))
    table.memory.put(StateKey(Scope.SUBJECT, ANNA, "fact", "risk"), a_fact(0.5))
    table.memory.put(StateKey(Scope.SUBJECT, ANNA, "fact", "worth"), a_fact(90.0, T0 - 60_000))
    title, body = "Your {facts.item}", "seen {facts.item.age} ago"
    worded = replace(a_treatment(), title=title, body=body, call_to_action="Take {amount}", private=True, personal=True)
    reward = Reward("stay", "{amount} off", 0, "EUR", Discount("risk", "worth", 0.1, 50, 500))
    (offer,) = offers_in(table.decide(replace(an_action(), treatments=(worded,), reward=reward)))
    assert (offer.title, offer.body, offer.call_to_action) == ("Your blue jacket", "seen 2 min ago", "Take 4.50 EUR")
    assert offer.reward == OfferedReward("stay", "4.50 EUR off", 450, "EUR", 450)
    assert offer.as_of == T0 - 120_000


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


def test_a_slate_shows_the_best_of_its_group_together() -> None:
    actions = [
        replace(service(name), value=value, group="dress") for name, value in zip("abcd", (1, 4, 3, 2), strict=True)
    ]
    alone = replace(service("e"), value=3.5)
    effects = Table().decide(*actions, alone, groups=[Group("dress", slate=3)])
    made = offers_in(effects)
    assert [offer.action for offer in made] == ["b", "c", "d"]
    assert [offer.id for offer in made] == ["o.car-1.e1.1", "o.car-1.e1.1.2", "o.car-1.e1.1.3"]
    assert {offer.slate for offer in made} == {"o.car-1.e1.1"}
    assert [offer.position for offer in made] == [0, 1, 2]
    (decision,) = decisions_in(effects)
    assert (decision.chosen, decision.offer) == ("b", "o.car-1.e1.1")
    assert decision.slate == ("o.car-1.e1.1.2", "o.car-1.e1.1.3")
    assert [name for name, verdict in verdicts_of(decision).items() if verdict.refusal is None] == ["b", "c", "d"]


def test_what_stands_alone_is_no_slate() -> None:
    effects = Table().decide(replace(service(), group="dress"), groups=[Group("dress", slate=3)])
    (offer,) = offers_in(effects)
    assert (offer.slate, offer.position) == ("", 0)


def test_an_offer_of_a_chain_ends_with_its_window() -> None:
    table = Table()
    action = replace(service(), follows=Follows("ask", Outcome.ACCEPTED, 60), valid_for_s=300)
    chains.note(table.memory, a_release(actions=[action]), ANNA, CAR, "ask", Outcome.ACCEPTED, T0 - 20_000)
    (offer,) = offers_in(table.decide(action))
    assert offer.expires == T0 + 40_000


def test_all_that_refuses_is_told_where_it_is_asked_for() -> None:
    action = replace(an_action(), eligible="hour < 0", suitable="hour < 0")
    for whole, stages in ((False, []), (True, [Stage.ELIGIBILITY, Stage.SUITABILITY])):
        (decision,) = decisions_in(Table().decide(action, service(), all_refusals=whole))
        verdict = verdicts_of(decision)["pastry"]
        assert verdict.refusal is not None
        assert verdict.refusal.stage is Stage.CONSENT
        assert [refusal.stage for refusal in verdict.also] == stages
        assert decision.chosen == "charger"
