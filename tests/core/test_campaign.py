from dataclasses import replace
from typing import Any

import pytest

from gateway.core.campaign import (
    ADDRESSEE,
    RANK,
    Action,
    Audience,
    FactNeed,
    Kind,
    Nearest,
    Placement,
    Treatment,
    Weight,
)
from gateway.core.events import Role
from gateway.core.steps import Absence, Step, Trigger
from gateway.core.terms import UNLIMITED, Discount, Per, Reward
from gateway.testing.engines import a_trigger, an_action

CHANGED = Step("FactChanged", fact="basket", condition="true")


def test_safety_ranks_before_service_and_service_before_marketing() -> None:
    assert sorted(Kind, key=RANK.__getitem__) == [Kind.SAFETY, Kind.SERVICE, Kind.MARKETING]


def test_every_placement_belongs_to_somebody() -> None:
    assert set(ADDRESSEE) == set(Placement)
    assert ADDRESSEE[Placement.DRIVER_SCREEN] == (Role.DRIVER,)


@pytest.mark.parametrize("moment", ["FenceEntered", "FenceExited", "FenceDwelled"])
def test_a_trigger_on_a_fence_moment_needs_the_location(moment: str) -> None:
    assert replace(an_action(), triggers=(a_trigger(moment),)).needs_location


@pytest.mark.parametrize("step", [Step("Parked", fence="station"), Step("Parked", fence_kind="fuel_station")])
def test_a_filter_on_a_fence_needs_the_location(step: Step) -> None:
    assert replace(an_action(), triggers=(Trigger((step,)),)).needs_location


def test_parking_anywhere_needs_no_location() -> None:
    assert not replace(an_action(), triggers=(a_trigger("Parked"), a_trigger("SubjectArrived"))).needs_location


def test_one_step_of_one_trigger_is_enough_to_need_the_location() -> None:
    two_ways = (a_trigger("Parked"), a_trigger("Parked", "FenceExited", within_s=60))
    assert replace(an_action(), triggers=two_ways).needs_location


def test_what_an_action_rests_on_follows_it_through_changes() -> None:
    located = an_action(moment="FenceEntered")
    assert not replace(located, triggers=(a_trigger("Parked"),)).needs_location
    assert replace(located, value=2.0).needs_location


def test_an_action_that_says_no_more_is_worth_one_and_annoys_nobody() -> None:
    action = Action("a", Kind.SERVICE, Audience.ANYONE, (), ())
    assert (action.value, action.lever, action.context_weight, action.annoyance) == (1.0, 1.0, 1.0, 0.0)
    assert (action.valid_for_s, action.redeem_within_s) == (300, 3600)
    assert (action.eligible, action.applicable, action.suitable) == ("", "", "")
    assert (action.model, action.prior, action.prepared, action.reward) == (None, None, False, None)
    assert (action.contact, action.group, action.follows, action.budget) == (UNLIMITED, None, None, None)
    assert not action.needs_location
    assert not action.reads_person


def test_a_treatment_that_says_no_more_is_impersonal_and_silent_while_driving() -> None:
    treatment = Treatment(Placement.VOICE, "en", "Tyres", "Have them looked at.")
    assert (treatment.personal, treatment.private, treatment.while_driving) == (False, False, False)


@pytest.mark.parametrize("field", ["eligible", "applicable", "suitable"])
@pytest.mark.parametrize("expression", ["'mall' in fence_kinds", "fences.exists(f, f == 'a')"])
def test_an_expression_that_reads_where_the_unit_is_rests_on_location(field: str, expression: str) -> None:
    action = replace(an_action(), triggers=(a_trigger("Parked"),))
    here: dict[str, Any] = {field: expression}
    anywhere: dict[str, Any] = {field: "parked"}
    assert replace(action, **here).needs_location
    assert not replace(action, **anywhere).needs_location


def saying(body: str) -> tuple[Treatment, ...]:
    return (Treatment(Placement.PHONE, "en", "Title", body),)


@pytest.mark.parametrize(
    "rests",
    [
        {"nearest": Nearest("bank", "works")},
        {"facts": (FactNeed("stock", of_place=True),)},
        {"treatments": saying("{place.stock} left")},
        {"treatments": saying("At {nearest.name}")},
        {"weights": (Weight("'mall' in ahead_kinds", 2.0),)},
        {"eligible": "place.stock > 0"},
        {"triggers": (Trigger((Step("Parked", tag="partner"),)),)},
        {"triggers": (Trigger((Step("Parked", condition="moment.fences.size() == 1"),)),)},
        {"triggers": (Trigger((Step("FactChanged", condition="moment['fence'] != ''"),)),)},
        {"treatments": saying("You left {moment.fence}")},
        {"reward": Reward("tea", "A tea instead of {place.drink}")},
        {"triggers": (Trigger((Step("Parked"),), unless=(Step("FenceExited"),)),)},
        {"triggers": (Trigger((Step("Parked"),), absence=Absence(Step("FenceEntered"), 60)),)},
    ],
)
def test_whatever_tells_where_a_person_is_rests_on_location(rests: dict[str, Any]) -> None:
    assert replace(an_action(), **rests).needs_location


@pytest.mark.parametrize(
    "reads",
    [
        {"model": "coupon", "category": "bar", "prior": None},
        {"prepared": True},
        {"reward": Reward("stay", "Off", discount=Discount("risk", "worth", 0.1, 50, 500))},
        {"triggers": (Trigger((Step("Parked"),), per=Per.SUBJECT),)},
        {"triggers": (Trigger((Step("ChallengeMet"),)),)},
        {"triggers": (Trigger((Step("FenceEntered", challenge="three"),)),)},
        {"facts": (FactNeed("size", of_place=False),)},
        {"suitable": "facts.size == 'M'"},
        {"weights": (Weight("facts.size == 'M'", 2.0),)},
        {"treatments": saying("In size {facts.size}")},
        {"reward": Reward("dress", "A dress in {facts.size}")},
        {"triggers": (Trigger((Step("SubjectArrived", condition="moment.subject == 's.anna'"),)),)},
        {"triggers": (Trigger((Step("Parked"),), unless=(Step("OfferAccepted", condition="moment.holder != ''"),)),)},
    ],
)
def test_whatever_reads_or_remembers_of_a_person_is_known_to(reads: dict[str, Any]) -> None:
    assert replace(an_action(), **reads).reads_person


@pytest.mark.parametrize(
    "reads",
    [
        {"reward": Reward("tea", "A tea", 120, "EUR")},
        {"facts": (FactNeed("stock", of_place=True),)},
        {"treatments": saying("{moment.wheel}")},
        {"weights": (Weight("parked", 2.0),)},
    ],
)
def test_what_is_known_of_no_person_reads_of_none(reads: dict[str, Any]) -> None:
    assert not replace(an_action(), **reads).reads_person
