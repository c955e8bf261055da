from collections.abc import Mapping
from dataclasses import replace

import pytest

from gateway.core import caps, consent, context, offers
from gateway.core.campaign import Action, Audience, Cap, ContactPolicy, Kind, Placement, Reward
from gateway.core.drive import Drive, Driving
from gateway.core.effects import Refusal, Stage
from gateway.core.events import SESSION, Outcome, Purpose, Role, Scalar, UnitKind
from gateway.core.policy import VARIABLES, Expressions
from gateway.core.screening import Candidate, Scene, screen
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.timers import Agenda
from gateway.testing.engines import CAR, agreement, an_action, outcome
from gateway.testing.samples import T0, make_offer

ANNA, BEN = "s.anna", "s.ben"
REWARD = Reward("coffee", "A coffee on the house")
PASTRY = an_action("pastry")
TREATMENT = PASTRY.treatments[0]
SEAT = StateKey(Scope.UNIT, CAR, "signal", "Vehicle.Cabin.Seat.Row1.PassengerSide.OccupancyStatus")
DRIVER = StateKey(Scope.UNIT, CAR, "presence", "driver")
PASSENGER = StateKey(Scope.UNIT, CAR, "presence", "passenger")
STEPS = list(Stage)[:8]


class Setting:
    """A parked car with Anna at the wheel, who agreed to everything."""

    def __init__(
        self, *, holder: str = ANNA, contextual_offers: bool = False, facts: Mapping[str, Scalar] | None = None
    ) -> None:
        parked = Drive(Driving.PARKED, T0, frozenset({"brake"}))
        self.memory = Memory({StateKey(Scope.UNIT, CAR, "drive"): parked.to_json()})
        self.holder, self.facts = holder, dict(facts or {})
        if holder != SESSION:
            self.memory.put(DRIVER, {"subject": holder, "ts": T0})
        for name, value in self.facts.items():
            self.memory.put(StateKey(Scope.SUBJECT, holder, "fact", name), value)
        for event in agreement(holder):
            consent.record(self.memory, event)
        self.unit = context.Unit(CAR, UnitKind.CAR, ("driver_screen",), "en", contextual_offers, 0)

    def scene(self, now: int = T0) -> Scene:
        return Scene(self.memory, self.unit, now)

    def candidate(self, action: Action, **known: object) -> Candidate:
        expressions = Expressions([action.eligible, action.applicable, action.suitable])
        evaluation = expressions.evaluation({**VARIABLES, "facts": self.facts, **known})
        return Candidate(action, action.treatments[0], "Parked", Role.DRIVER, self.holder, evaluation)

    def screen(self, action: Action, *, now: int = T0, **known: object) -> Refusal | None:
        return screen(self.scene(now), self.candidate(action, **known))


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


def standing(setting: Setting, action: Action) -> str:
    """Let an offer of the action stand on the driver's screen."""
    offer = replace(make_offer(), holder=ANNA, action=action.id, kind=action.kind)
    offers.make(setting.memory, Agenda(), offer, action)
    return offer.id


def test_what_was_accepted_is_not_offered_again() -> None:
    setting = Setting()
    offers.advance(setting.memory, Agenda(), outcome(standing(setting, PASTRY), Outcome.ACCEPTED), T0)
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
    caps.reserve(setting.memory, ANNA, CAR, "pastry", "o.1", T0)
    assert setting.screen(action, now=T0) is None
    caps.reserve(setting.memory, ANNA, CAR, "pastry", "o.2", T0)
    reached = Refusal(Stage.CONTACT_POLICY, "cap_reached", {"used": 2, "count": 2, "within_s": 60})
    assert setting.screen(action, now=T0 + 59_999) == reached
    assert setting.screen(action, now=T0 + 60_000) is None


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
        suitable="hour < 0",
        contact=ContactPolicy((Cap(count=0, within_s=1),)),
    )
    if first is Stage.CONTACT_POLICY:
        action = replace(action, suitable="")
    refusal = setting.screen(action)
    assert refusal is not None
    assert refusal.stage is first


def test_candidates_of_one_scene_are_refused_alike() -> None:
    setting = Setting()
    setting.memory.forget(Scope.SUBJECT, ANNA)
    scene, candidates = setting.scene(), [setting.candidate(replace(PASTRY, id=name)) for name in ("a", "b")]
    refused = Refusal(Stage.CONSENT, "no_consent", {"purpose": "offer_display"})
    assert [screen(scene, candidate) for candidate in candidates] == [refused, refused]


def test_a_candidate_knows_the_facts_its_expressions_see() -> None:
    assert Setting(facts={"stamps": 9}).candidate(PASTRY).facts == {"stamps": 9}
