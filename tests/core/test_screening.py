from dataclasses import replace

import pytest

from gateway.core import caps, chains, offers
from gateway.core.campaign import Action, FactNeed, Follows, Kind, Nearest, Placement
from gateway.core.drive import Drive, Driving
from gateway.core.effects import OfferedReward, Refusal, Stage
from gateway.core.events import Outcome
from gateway.core.screening import screen, screen_whole
from gateway.core.state import Scope, StateKey
from gateway.core.terms import Budget, Calendar, Cap, ContactPolicy, Discount, Reward, Suppression
from gateway.testing.engines import CAR, a_release, an_action, outcome
from gateway.testing.samples import T0, make_offer
from tests.core.setting import ANNA, BEN, PASSENGER, PASTRY, PERSONAL, TREATMENT, Setting, a_turn, fact

REWARD = Reward("coffee", "A coffee on the house")
STEPS: list[Stage] = [stage for stage in Stage if stage not in {Stage.SCORE, Stage.ARBITRATION}]


def test_who_agreed_to_everything_is_permitted_a_plain_offer() -> None:
    assert Setting().screen(PASTRY) is None


@pytest.mark.parametrize("kind", [Kind.SERVICE, Kind.SAFETY])
def test_service_and_safety_carry_no_reward(kind: Kind) -> None:
    refusal = Setting().screen(replace(PASTRY, kind=kind, reward=REWARD))
    assert refusal == Refusal(Stage.KIND, "kind_carries_reward", {"kind": kind.value})
    assert Setting().screen(replace(PASTRY, kind=kind)) is None
    assert Setting().screen(replace(PASTRY, reward=REWARD)) is None


def test_an_action_starts_at_its_very_instant() -> None:
    action = replace(PASTRY, starts=T0)
    assert Setting().screen(action, now=T0 - 1) == Refusal(Stage.KIND, "not_started", {"starts": T0})
    assert Setting().screen(action, now=T0) is None


def test_an_action_ends_at_its_very_instant() -> None:
    action = replace(PASTRY, ends=T0)
    assert Setting().screen(action, now=T0 - 1) is None
    assert Setting().screen(action, now=T0) == Refusal(Stage.KIND, "ended", {"ends": T0})


@pytest.mark.parametrize(
    ("action", "stage", "reason"),
    [
        (replace(PASTRY, eligible="hour < 10"), Stage.ELIGIBILITY, "not_eligible"),
        (replace(PASTRY, applicable="hour < 10"), Stage.APPLICABILITY, "not_applicable"),
        (replace(PASTRY, suitable="hour < 10"), Stage.SUITABILITY, "not_suitable"),
    ],
)
def test_each_expression_refuses_at_its_own_stage(action: Action, stage: Stage, reason: str) -> None:
    assert Setting().screen(action, hour=9) is None
    assert Setting().screen(action, hour=10) == Refusal(
        stage, reason, {"expression": "hour < 10", "values": {"hour": 10}}
    )


def test_an_expression_that_cannot_be_evaluated_refuses() -> None:
    action = replace(PASTRY, eligible="air_temperature_c < 7.0")
    assert Setting().screen(action, air_temperature_c=None) == Refusal(
        Stage.ELIGIBILITY,
        "expression_error",
        {"expression": "air_temperature_c < 7.0", "values": {"air_temperature_c": None}},
    )


def test_a_refusal_tells_nothing_of_a_subject() -> None:
    refusal = Setting(facts={"income": 5}).screen(replace(PASTRY, eligible="facts.income > 9"))
    assert refusal is not None
    assert refusal.detail["values"] == {"facts": "personal"}


def test_never_again_is_kept_to() -> None:
    setting = Setting()
    caps.never_again(setting.memory, ANNA, CAR, "pastry", T0)
    assert setting.screen(PASTRY) == Refusal(Stage.CONTACT_POLICY, "never_again")
    assert setting.screen(replace(PASTRY, id="coffee")) is None


@pytest.mark.parametrize("kind", [Kind.SERVICE, Kind.SAFETY])
def test_nobody_can_turn_service_and_safety_off_for_good(kind: Kind) -> None:
    setting = Setting()
    caps.never_again(setting.memory, ANNA, CAR, "pastry", T0)
    assert setting.screen(replace(PASTRY, kind=kind)) is None


def standing(
    setting: Setting,
    action: Action,
    number: int = 1,
    placement: Placement = Placement.DRIVER_SCREEN,
    reward: OfferedReward | None = None,
) -> str:
    """Let an offer of the action stand, on the driver's screen unless told otherwise."""
    offer = replace(make_offer(number), holder=ANNA, action=action.id, kind=action.kind)
    offer = replace(offer, placement=placement, reward=reward)
    offers.make(a_turn(setting, action), setting.unit, offer, action)
    return offer.id


def test_what_was_accepted_is_not_offered_again() -> None:
    setting = Setting()
    offers.advance(a_turn(setting, PASTRY), outcome(standing(setting, PASTRY), Outcome.ACCEPTED))
    assert setting.screen(PASTRY) == Refusal(Stage.CONTACT_POLICY, "already_accepted")
    assert setting.screen(replace(PASTRY, id="coffee")) is None


@pytest.mark.parametrize("there", list(Kind))
@pytest.mark.parametrize("comes", list(Kind))
def test_a_taken_placement_gives_way_only_to_a_higher_rank_and_a_warning_to_another(there: Kind, comes: Kind) -> None:
    ranks = [Kind.SAFETY, Kind.SERVICE, Kind.MARKETING]
    setting = Setting()
    standing(setting, an_action("there", kind=there))
    refusal = setting.screen(replace(PASTRY, kind=comes))
    taken = Refusal(Stage.CONTACT_POLICY, "placement_taken", {"placement": "driver_screen"})
    outranks = ranks.index(comes) < ranks.index(there) or comes is there is Kind.SAFETY
    assert refusal == (None if outranks else taken)


def test_the_cap_is_reached_at_its_count() -> None:
    action = replace(PASTRY, contact=ContactPolicy((Cap(count=2, within_s=60),)))
    setting = Setting()
    standing(setting, action, 1, placement=Placement.PHONE)
    assert setting.screen(action, now=T0) is None
    standing(setting, action, 2, placement=Placement.PHONE)
    refusal = setting.screen(action, now=T0 + 59_999)
    assert refusal is not None
    assert (refusal.stage, refusal.reason) == (Stage.CONTACT_POLICY, "cap_reached")
    assert (refusal.detail["used"], refusal.detail["count"], refusal.detail["within_s"]) == (2, 2, 60)
    assert setting.screen(action, now=T0 + 60_000) is None


STOCKED = replace(PASTRY, facts=(FactNeed("stock", of_place=True, max_age_s=60), FactNeed("size", of_place=False)))


def test_what_rests_on_a_fact_needs_it_known_and_new_enough() -> None:
    setting = Setting(facts={"size": "M"})
    assert setting.screen(STOCKED) == Refusal(Stage.FACTS, "fact_unknown", {"fact": "place.stock"})
    setting.put(Scope.UNIT, CAR, "fact", "stock", fact(3))
    assert setting.screen(STOCKED, now=T0 + 60_000) is None
    too_old = Refusal(Stage.FACTS, "fact_too_old", {"fact": "place.stock", "age_s": 61, "max_age_s": 60})
    assert setting.screen(STOCKED, now=T0 + 60_001) == too_old


def test_a_fact_of_a_person_is_named_but_never_told() -> None:
    setting = Setting()
    setting.put(Scope.UNIT, CAR, "fact", "stock", fact(3))
    assert setting.screen(STOCKED) == Refusal(Stage.FACTS, "fact_unknown", {"fact": "size"})


def test_words_that_cannot_be_said_are_not_said() -> None:
    action = replace(PASTRY, treatments=(replace(TREATMENT, body="{place.price} only"),))
    setting = Setting()
    assert setting.screen(action) == Refusal(Stage.FACTS, "nothing_to_say", {"placeholder": "place.price"})
    setting.put(Scope.UNIT, CAR, "fact", "price", fact("2.50 EUR"))
    assert setting.screen(action) is None


def test_what_has_no_room_once_it_is_said_is_not_said() -> None:
    action = replace(PASTRY, treatments=(replace(TREATMENT, title="{place.name} is open"),))
    setting = Setting()
    for length, room in ((32, True), (33, False)):
        setting.put(Scope.UNIT, CAR, "fact", "name", fact("x" * length))
        refusal = setting.screen(action)
        assert refusal == (None if room else Refusal(Stage.FACTS, "words_too_long", {"length": 41, "limit": 40}))


FOLLOWING = replace(PASTRY, follows=Follows("was_it_you", Outcome.ACCEPTED, 180))


def test_what_follows_another_is_open_only_in_its_window() -> None:
    setting = Setting()
    detail: dict[str, object] = {"after": "was_it_you", "outcome": "accepted", "within_s": 180}
    closed = Refusal(Stage.APPLICABILITY, "not_following", detail)
    assert setting.screen(FOLLOWING) == closed
    release = a_release(actions=[FOLLOWING])
    chains.note(setting.memory, release, ANNA, CAR, "was_it_you", Outcome.ACCEPTED, T0)
    assert setting.screen(FOLLOWING) is None
    assert setting.screen(FOLLOWING, now=T0 + 179_999) is None
    assert setting.screen(FOLLOWING, now=T0 + 180_000) == closed


def test_what_points_to_a_place_needs_one() -> None:
    action = replace(PASTRY, nearest=Nearest("bank", "atm_working"))
    nowhere = Refusal(Stage.APPLICABILITY, "nowhere_near", {"fence_kind": "bank", "fact": "atm_working"})
    assert Setting().screen(action) == nowhere


PERSONAL_REWARD = Reward("stay", "{amount} off", 0, "EUR", Discount("risk", "worth", 0.1, 50, 500))


def test_who_would_stay_anyway_gets_no_discount() -> None:
    action = replace(PASTRY, reward=PERSONAL_REWARD)
    for facts, reason in (({"risk": 0.0, "worth": 100.0}, "no_discount_due"), ({"risk": 0.5, "worth": 100.0}, None)):
        refusal = Setting(facts=facts).screen(action)
        assert (refusal and refusal.reason) == reason
        assert refusal is None or refusal.stage is Stage.BUDGET


def test_a_reward_that_the_budget_cannot_pay_is_not_offered() -> None:
    action = replace(PASTRY, reward=Reward("coffee", "A coffee", 300, "EUR"), budget=Budget(500, Calendar.DAY))
    setting = Setting()
    scene = setting.scene(action)
    candidate = setting.candidate(scene, action)
    assert screen(scene, candidate) is None
    assert candidate.cost_cents == 300
    standing(setting, action, placement=Placement.PHONE, reward=candidate.rewarded())
    refusal = setting.screen(action)
    assert refusal is not None
    assert (refusal.stage, refusal.reason) == (Stage.BUDGET, "budget_spent")


@pytest.mark.parametrize("kind", [Kind.SERVICE, Kind.SAFETY])
def test_no_contact_policy_ever_touches_service_and_safety(kind: Kind) -> None:
    setting = Setting()
    capped = replace(PASTRY, contact=ContactPolicy((Cap(count=1, within_s=60),), 3600, Suppression(1, 3600)))
    offers.advance(a_turn(setting, capped), outcome(standing(setting, capped), Outcome.DECLINED))
    assert setting.screen(capped) is not None
    assert setting.screen(replace(capped, kind=kind)) is None


@pytest.mark.parametrize("first", STEPS)
def test_of_several_reasons_the_first_stage_gives_its_own(first: Stage) -> None:
    failing = STEPS[STEPS.index(first) :]
    setting = Setting()
    setting.memory.put(PASSENGER, {"subject": BEN, "ts": T0})
    if Stage.CONSENT in failing:
        setting.memory.forget(Scope.SUBJECT, ANNA)
    if Stage.SAFETY in failing:
        setting.memory.put(StateKey(Scope.UNIT, CAR, "drive"), Drive(Driving.DRIVING, T0).to_json())
    action = replace(
        PASTRY,
        ends=T0 if Stage.KIND in failing else None,
        treatments=PERSONAL.treatments if Stage.ADDRESSEE in failing else PASTRY.treatments,
        eligible="hour < 0" if Stage.ELIGIBILITY in failing else "",
        applicable="hour < 0" if Stage.APPLICABILITY in failing else "",
        suitable="hour < 0" if Stage.SUITABILITY in failing else "",
        facts=(FactNeed("stock", of_place=True),) if Stage.FACTS in failing else (),
        contact=ContactPolicy((Cap(count=0, within_s=1),)) if Stage.CONTACT_POLICY in failing else ContactPolicy(),
        reward=PERSONAL_REWARD,
    )
    refusal = setting.screen(action)
    assert refusal is not None
    assert refusal.stage is first
    scene = setting.scene(action)
    assert [each.stage for each in screen_whole(scene, setting.candidate(scene, action))] == failing


def test_candidates_of_one_scene_are_refused_alike() -> None:
    setting = Setting()
    setting.memory.forget(Scope.SUBJECT, ANNA)
    scene = setting.scene(PASTRY)
    candidates = [setting.candidate(scene, replace(PASTRY, id=name)) for name in ("a", "b")]
    refused = Refusal(Stage.CONSENT, "no_consent", {"purpose": "offer_display"})
    assert [screen(scene, candidate) for candidate in candidates] == [refused, refused]
