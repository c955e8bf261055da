from collections.abc import Mapping
from dataclasses import replace

import pytest

from gateway.core import caps, chains, consent, context, offers
from gateway.core.campaign import (
    Action,
    Audience,
    Budget,
    Calendar,
    Cap,
    ContactPolicy,
    Discount,
    FactNeed,
    Follows,
    Kind,
    Nearest,
    Placement,
    Reward,
    Suppression,
)
from gateway.core.candidate import Addressee, Candidate, basis_of
from gateway.core.drive import Drive, Driving
from gateway.core.effects import OfferedReward, Refusal, Stage
from gateway.core.events import SESSION, Outcome, Purpose, Role, Scalar, UnitKind
from gateway.core.release import ModelSpec
from gateway.core.screening import Scene, screen, screen_whole
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.timers import Agenda
from gateway.core.turn import Turn
from gateway.testing.engines import CAR, a_release, agreement, an_action, outcome
from gateway.testing.samples import T0, make_offer

ANNA, BEN = "s.anna", "s.ben"
REWARD = Reward("coffee", "A coffee on the house")
PASTRY = an_action("pastry")
TREATMENT = PASTRY.treatments[0]
COUPON = ModelSpec("coupon", "1", ("hour",), ("bar",))
SEAT = StateKey(Scope.UNIT, CAR, "signal", "Vehicle.Cabin.Seat.Row1.PassengerSide.OccupancyStatus")
DRIVER = StateKey(Scope.UNIT, CAR, "presence", "driver")
PASSENGER = StateKey(Scope.UNIT, CAR, "presence", "passenger")
STEPS: list[Stage] = [stage for stage in Stage if stage not in {Stage.SCORE, Stage.ARBITRATION}]


def fact(value: Scalar, *, ts: int = T0, until: int | None = None) -> dict[str, object]:
    return {"value": value, "ts": ts, "until": until}


class Setting:
    """A parked car with Anna at the wheel, who agreed to everything."""

    def __init__(
        self, *, holder: str = ANNA, contextual_offers: bool = False, facts: Mapping[str, Scalar] | None = None
    ) -> None:
        parked = Drive(Driving.PARKED, T0, frozenset({"brake"}))
        self.memory = Memory({StateKey(Scope.UNIT, CAR, "drive"): parked.to_json()})
        self.holder = holder
        if holder != SESSION:
            self.memory.put(DRIVER, {"subject": holder, "ts": T0})
        for name, value in (facts or {}).items():
            self.memory.put(StateKey(Scope.SUBJECT, holder, "fact", name), fact(value))
        for event in agreement(holder):
            consent.record(self.memory, event)
        self.unit = context.Unit(CAR, UnitKind.CAR, ("driver_screen",), "en", contextual_offers, 0)

    def put(self, scope: Scope, owner: str, name: str, item: str, value: object) -> None:
        self.memory.put(StateKey(scope, owner, name, item), value)

    def scene(self, action: Action, now: int = T0) -> Scene:
        return Scene(a_turn(self, action, now), self.unit)

    def candidate(self, scene: Scene, action: Action, **known: object) -> Candidate:
        turn = a_turn(self, action, scene.now)
        addressee = Addressee(turn, self.unit, Role.DRIVER, self.holder, basis_of(action.kind))
        addressee.evaluation = turn.release.expressions.evaluation({**addressee.evaluation.variables, **known})
        return Candidate(action, action.treatments[0], "Parked", addressee)

    def screen(self, action: Action, *, now: int = T0, **known: object) -> Refusal | None:
        scene = self.scene(action, now)
        refusal = screen(scene, self.candidate(scene, action, **known))
        whole = screen_whole(scene, self.candidate(scene, action, **known))
        assert next(iter(whole), None) == refusal
        return refusal


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


@pytest.mark.parametrize("kind", list(Kind))
def test_a_session_sees_only_actions_for_anyone(kind: Kind) -> None:
    session = Setting(holder=SESSION, contextual_offers=True)
    refusal = session.screen(replace(PASTRY, kind=kind))
    assert refusal == Refusal(Stage.ADDRESSEE, "nobody_known", {"role": "driver"})
    assert session.screen(replace(PASTRY, kind=kind, audience=Audience.ANYONE)) is None


def test_a_session_sees_marketing_only_where_the_owner_switched_it_on() -> None:
    anyone = replace(PASTRY, audience=Audience.ANYONE)
    refusal = Setting(holder=SESSION).screen(anyone)
    assert refusal == Refusal(Stage.ADDRESSEE, "contextual_offers_off", {"unit": CAR})
    assert Setting().screen(anyone) is None


@pytest.mark.parametrize("kind", [Kind.SERVICE, Kind.SAFETY])
def test_service_and_safety_reach_a_session_everywhere(kind: Kind) -> None:
    assert Setting(holder=SESSION).screen(replace(PASTRY, audience=Audience.ANYONE, kind=kind)) is None


PERSONAL = replace(PASTRY, treatments=(replace(TREATMENT, personal=True),))


def test_what_is_personal_is_shown_to_who_is_alone() -> None:
    alone = Setting()
    alone.memory.put(SEAT._replace(item=SEAT.item.replace("Passenger", "Driver")), "OCCUPIED")
    assert alone.screen(PERSONAL) is None


def test_what_is_personal_is_not_shown_beside_a_companion() -> None:
    two = Setting()
    two.memory.put(SEAT, "OCCUPIED")
    two.memory.put(SEAT._replace(item=SEAT.item.replace("Passenger", "Driver")), "OCCUPIED")
    refusal = two.screen(PERSONAL)
    assert refusal == Refusal(Stage.ADDRESSEE, "not_alone", {"occupants": 2, "others_known": 0})
    assert two.screen(PASTRY) is None


def test_what_is_personal_is_not_shown_beside_another_known_person() -> None:
    two = Setting()
    two.memory.put(PASSENGER, {"subject": BEN, "ts": T0})
    refusal = two.screen(PERSONAL)
    assert refusal == Refusal(Stage.ADDRESSEE, "not_alone", {"occupants": -1, "others_known": 1})


def test_who_is_known_in_two_roles_is_still_alone() -> None:
    both = Setting()
    both.memory.put(PASSENGER, {"subject": ANNA, "ts": T0})
    both.memory.put(SEAT, "OCCUPIED")
    assert both.screen(PERSONAL) is None


def test_a_car_whose_seats_say_nothing_may_hold_anybody() -> None:
    refusal = Setting().screen(PERSONAL)
    assert refusal == Refusal(Stage.ADDRESSEE, "not_alone", {"occupants": -1, "others_known": 0})
    kiosk = Setting()
    kiosk.unit = replace(kiosk.unit, kind=UnitKind.KIOSK)
    assert kiosk.screen(PERSONAL) is None


def test_a_private_placement_needs_no_privacy_around_it() -> None:
    two = Setting()
    two.memory.put(PASSENGER, {"subject": BEN, "ts": T0})
    assert two.screen(replace(PASTRY, treatments=(replace(TREATMENT, personal=True, private=True),))) is None


@pytest.mark.parametrize("purpose", [Purpose.OFFER_DISPLAY, Purpose.LOCATION_TRIGGERS, Purpose.PROFILING])
def test_marketing_needs_every_purpose_it_rests_on(purpose: Purpose) -> None:
    action = replace(an_action(moment="FenceEntered"), model="coupon", category="bar", prior=None)
    setting = Setting()
    assert setting.screen(action) is None
    consent.record(setting.memory, replace(agreement(ANNA, purpose)[0], id="w1", given=False))
    assert setting.screen(action) == Refusal(Stage.CONSENT, "no_consent", {"purpose": purpose.value})


@pytest.mark.parametrize("kind", [Kind.SERVICE, Kind.SAFETY])
def test_service_and_safety_work_for_who_refuses_everything(kind: Kind) -> None:
    setting = Setting()
    setting.memory.forget(Scope.SUBJECT, ANNA)
    assert setting.screen(replace(PASTRY, kind=kind)) is None
    assert setting.screen(PASTRY) == Refusal(Stage.CONSENT, "no_consent", {"purpose": "offer_display"})


@pytest.mark.parametrize("kind", list(Kind))
def test_while_driving_nothing_stands_on_the_drivers_screen(kind: Kind) -> None:
    setting = Setting()
    setting.memory.put(StateKey(Scope.UNIT, CAR, "drive"), Drive(Driving.DRIVING, T0).to_json())
    refusal = setting.screen(replace(PASTRY, kind=kind))
    assert refusal == Refusal(Stage.SAFETY, "not_parked", {"drive": "driving", "placement": "driver_screen"})


@pytest.mark.parametrize(
    ("facts", "permitted"),
    [
        ({"voice_opt_in": True}, True),
        ({"voice_opt_in": False}, False),
        ({"voice_opt_in": 1}, False),
        ({"voice_opt_in": "yes"}, False),
        ({}, False),
    ],
)
def test_voice_while_driving_needs_the_subjects_own_yes(facts: Mapping[str, Scalar], *, permitted: bool) -> None:
    setting = Setting(facts=facts)
    setting.memory.put(StateKey(Scope.UNIT, CAR, "drive"), None)
    voice = replace(TREATMENT, placement=Placement.VOICE, while_driving=True)
    refusal = setting.screen(replace(PASTRY, treatments=(voice,)))
    said = Refusal(Stage.SAFETY, "voice_while_driving", {"drive": "unknown", "placement": "voice"})
    assert refusal == (None if permitted else said)


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


def a_turn(setting: Setting, action: Action, now: int = T0) -> Turn:
    return Turn(setting.memory, Agenda(), a_release(actions=[action], models=[COUPON]), now)


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
def test_a_taken_placement_gives_way_only_to_a_higher_rank(there: Kind, comes: Kind) -> None:
    ranks = [Kind.SAFETY, Kind.SERVICE, Kind.MARKETING]
    setting = Setting()
    standing(setting, an_action("there", kind=there))
    refusal = setting.screen(replace(PASTRY, kind=comes))
    taken = Refusal(Stage.CONTACT_POLICY, "placement_taken", {"placement": "driver_screen"})
    assert refusal == (None if ranks.index(comes) < ranks.index(there) else taken)


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
    assert setting.screen(STOCKED, now=T0 + 60_999) is None
    too_old = Refusal(Stage.FACTS, "fact_too_old", {"fact": "place.stock", "age_s": 61, "max_age_s": 60})
    assert setting.screen(STOCKED, now=T0 + 61_000) == too_old


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
