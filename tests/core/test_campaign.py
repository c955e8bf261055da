from dataclasses import replace
from typing import Any

import pytest

from gateway.core.campaign import (
    ADDRESSEE,
    RANK,
    Action,
    Audience,
    Kind,
    Placement,
    Step,
    Treatment,
    Trigger,
    describe,
)
from gateway.core.events import Role
from gateway.testing.engines import a_trigger, an_action


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


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (a_trigger("Parked"), "Parked"),
        (Trigger((Step("Parked", fence_kind="fuel_station"),)), "Parked in fuel_station"),
        (Trigger((Step("Parked", fence="station", fence_kind="fuel_station"),)), "Parked in station"),
        (Trigger((Step("FenceEntered", fence="station"),)), "FenceEntered in station"),
        (
            Trigger((Step("Parked", fence_kind="fuel_station"), Step("OfferRedeemed", action="pastry")), 1200),
            "Parked in fuel_station, then OfferRedeemed of pastry within 1200 s",
        ),
    ],
)
def test_a_trigger_is_described_in_words(trigger: Trigger, words: str) -> None:
    assert describe(trigger) == words


def test_what_an_action_rests_on_follows_it_through_changes() -> None:
    located = an_action(moment="FenceEntered")
    assert not replace(located, triggers=(a_trigger("Parked"),)).needs_location
    assert replace(located, value=2.0).needs_location


def test_an_action_that_says_no_more_is_worth_one_and_annoys_nobody() -> None:
    action = Action("a", Kind.SERVICE, Audience.ANYONE, (), ())
    assert (action.value, action.lever, action.context_weight, action.annoyance) == (1.0, 1.0, 1.0, 0.0)
    assert (action.valid_for_s, action.redeem_within_s) == (300, 3600)
    assert (action.eligible, action.applicable, action.suitable) == ("", "", "")
    assert (action.model, action.prior, action.cap, action.reward) == (None, None, None, None)
    assert not action.needs_location


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
