import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.core.campaign import Campaigns, Kind
from gateway.core.errors import ReleaseError
from gateway.core.release import ModelSpec, compile_release
from gateway.core.terms import UNLIMITED, Cap, ContactPolicy
from gateway.wire.campaign_compiled import compile_campaign, read_campaign, together
from gateway.wire.campaigns import load_campaigns
from tests.wire.full_campaign import ALL, LISTED, OTHER, PASTRY

DEMO = Path(__file__).resolve().parents[2] / "deploy" / "demo" / "campaigns"
SCREEN = {"placement": "driver_screen", "language": "en", "title": "A title", "body": "A body"}
SINGLE = {"steps": [{"moment": "Parked"}]}
REWARD = {"id": "gift", "text": "A gift"}
PRICED = {**REWARD, "cost_cents": 250, "currency": "EUR"}


def compiled(campaign: Campaigns = ALL) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(compile_campaign("fuel-stop", campaign)))
    return document


def changed(number: int, **changes: object) -> dict[str, Any]:
    """Return the whole campaign with one action changed; None takes a field away."""
    document = compiled()
    action = {**document["actions"][number], **changes}
    document["actions"][number] = {name: value for name, value in action.items() if value is not None}
    return document


def told(condition: str) -> dict[str, object]:
    """Return the change by which an action waits for somebody who arrives and of whom a condition holds."""
    return {"triggers": [{"steps": [{"moment": "SubjectArrived", "condition": condition}]}]}


def test_a_compiled_campaign_reads_back_as_it_was() -> None:
    assert read_campaign(compiled()) == ALL


def test_the_demo_campaign_survives_its_compiled_form() -> None:
    campaign = load_campaigns([DEMO])
    assert read_campaign(compile_campaign("fuel-stop", campaign)) == campaign


def test_a_compiled_campaign_becomes_a_release() -> None:
    read = read_campaign(compiled())
    models = [ModelSpec("coupon_propensity", "1.0.0", ("hour",), ("coffee_house",))]
    release = compile_release(
        "r-1", 1, [], read.actions, models, groups=read.groups, challenges=read.challenges, contact=read.contact
    )
    assert [name for name, _ in release.levels(release.actions["pastry_alone"])] == ["pastry_alone", "+coffee", "*"]


def test_an_unlimited_cap_is_written_out() -> None:
    document = compiled(Campaigns((replace(PASTRY, group=None, contact=UNLIMITED),)))
    assert document["actions"][0]["contact"] == {"caps": "unlimited", "cool_down_s": 0}
    assert read_campaign(document).actions[0].contact == UNLIMITED


def test_only_one_of_several_campaigns_has_a_policy_over_all_marketing() -> None:
    plain = replace(ALL, contact=UNLIMITED)
    assert together([plain, ALL]).contact == ALL.contact
    assert together([plain]).contact == UNLIMITED
    with pytest.raises(ReleaseError, match="two campaigns have a contact policy"):
        together([ALL, replace(plain, contact=ContactPolicy((Cap(1, 60),)))])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 1}, "format 1 is not known; this gateway reads format 2: build the release anew"),
        ({"format": None}, "format None is not known"),
        ({"author": "me"}, "author: Extra inputs are not permitted"),
        ({"actions": []}, "actions: Tuple should have at least 1 item"),
        ({"campaign": "a b"}, "campaign: String should match"),
        ({"starts_ms": "soon"}, "starts_ms: Input should be a valid integer"),
        ({"fallback": "English"}, "fallback: String should match"),
        ({"contact": {}}, "contact.caps: Field required"),
        ({"contact": {"caps": []}}, "contact.caps"),
        ({"contact": {"caps": [{"count": 1}]}}, "either within_s or each"),
        ({"contact": {"caps": [{"count": 1, "within_s": 1, "each": "day"}]}}, "either within_s or each"),
        ({"groups": [{"id": "coffee"}]}, "groups.0.contact: Field required"),
        ({"groups": [{"id": "coffee", "contact": {"caps": "none"}}]}, "groups.0.contact.caps"),
        ({"challenges": [{"id": "c", "counted": {"moment": "Parked"}, "times": 3}]}, "challenges.0.each"),
        (
            {"challenges": [{"id": "c", "counted": {"moment": "ChallengeMet"}, "times": 3, "each": "day"}]},
            "cannot count ChallengeMet",
        ),
        (
            {"challenges": [{"id": "c", "counted": {"moment": "UseSuspected"}, "times": 3, "each": "day"}]},
            "cannot count UseSuspected",
        ),
        (
            {"challenges": [{"id": "c", "counted": {"moment": "Parked", "times": 2}, "times": 3, "each": "day"}]},
            "one moment without a name",
        ),
        (
            {
                "challenges": [
                    {"id": "c", "counted": {"moment": "Parked", "condition": "hour > 1"}, "times": 3, "each": "day"}
                ]
            },
            "unknown name 'hour'",
        ),
    ],
)
def test_a_compiled_campaign_of_another_shape_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ReleaseError, match=message):
        read_campaign({**compiled(), **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": -1.0}, "value: Input should be greater"),
        ({"value": float("nan")}, "value"),
        ({"value": True}, "value"),
        ({"prior": 0.5}, "needs a model with a category, or a prior"),
        ({"prepared": True}, "or a prepared list"),
        ({"model": None}, "needs a model with a category, or a prior"),
        ({"model": None, "category": None}, "or a prepared list"),
        ({"category": None}, "needs a model with a category, or a prior"),
        ({"contact": None}, "marketing needs a contact policy"),
        ({"contact": {"caps": [{"count": 0, "within_s": 1}]}}, "contact"),
        ({"kind": "advert"}, "kind: Input should be"),
        ({"eligible": "ocupants == 1"}, "unknown name 'ocupants'"),
        ({"eligible": "1 / 0 == 1"}, "can only fail"),
        ({"weights": [{"condition": "ocupants == 1", "weight": 2.0}]}, "unknown name 'ocupants'"),
        ({"weights": [{"condition": "", "weight": -2.0}]}, "weights.0.weight"),
        ({"triggers": [], "follows": None}, "needs a trigger, or an action that it follows"),
        ({"triggers": [{"steps": []}]}, "triggers.0.steps"),
        ({"triggers": [{"steps": [{"moment": "Flown"}]}]}, "unknown moment"),
        ({"triggers": [{"steps": [{"moment": "Parked", "fence_kind": "moon"}]}]}, "unknown fence kind"),
        ({"triggers": [{"steps": [{"moment": "Parked"}, {"moment": "Parked"}]}]}, "a sequence needs within_s"),
        ({"triggers": [{"steps": [{"moment": "Parked", "times": 2}]}]}, "a sequence needs within_s"),
        ({"triggers": [{**SINGLE, "within_s": 5}]}, "a single moment has none"),
        ({"triggers": [{**SINGLE, "per": "subject"}]}, "a single moment is of one unit"),
        ({"triggers": [{**SINGLE, "per": "household"}]}, "of one unit"),
        ({"triggers": [{"steps": [{"moment": "Parked", "times": 2}], "within_s": 5, "per": "household"}]}, "per unit"),
        (
            {"triggers": [{"steps": [{"moment": "Parked", "bound": "a"}] * 2, "within_s": 5}]},
            "two moments of a sequence have one name",
        ),
        ({"triggers": [{"steps": [{"moment": "Parked", "bound": "moment"}]}]}, "cannot be called moment"),
        ({"triggers": [{"steps": [{"moment": "Parked", "condition": "moment.fence == ''"}]}]}, "has no 'fence'"),
        ({"triggers": [{"steps": [{"moment": "Parked", "challenge": "c"}]}]}, "Parked is about no challenge"),
        ({"triggers": [{"steps": [{"moment": "Parked", "fact": "c"}]}]}, "Parked is about no fact"),
        ({"triggers": [{"steps": [{"moment": "UseSuspected"}]}]}, "suspicion must not sell"),
        ({"treatments": [{**SCREEN, "while_driving": True}]}, "while_driving is for voice only"),
        # What it rests on must not be hidden from whoever asks which consent that needs.
        (
            {"triggers": [{"steps": [{"moment": "FactChanged", "condition": "moment.//\nfence == 'f'"}]}]},
            "'//' begins a comment",
        ),
        ({"follows": {"action": "other", "outcome": "expired", "within_s": 5}}, "follows.outcome"),
        ({"nearest": {"fence_kind": "moon", "fact": "works"}}, "unknown fence kind"),
        ({"facts": [{"name": "Stock", "of_place": True}]}, "facts.0.name"),
        ({"facts": []}, "'basket_item' is not among its facts"),
        ({"nearest": None}, r"\{nearest.name\} without 'nearest'"),
        ({"reward": {**REWARD, "text": "{amount} off"}, "budget": None}, r"\{amount\} without a reward"),
        ({"reward": REWARD}, "a budget needs a reward with a cost or a discount"),
        ({"reward": {**PRICED, "currency": ""}}, "a currency if it has an amount"),
        ({"reward": {**PRICED, "currency": "euro"}}, "reward.currency"),
        ({"treatments": [{**SCREEN, "title": "A" * 41}]}, "title has more than 40 characters for driver_screen"),
        ({"treatments": [{**SCREEN, "placement": "voice", "call_to_action": "Yes"}]}, "more than 0 characters"),
        ({"treatments": [{**SCREEN, "body": "{price}"}]}, r"there is no placeholder \{price\}"),
        ({"treatments": [{**SCREEN, "body": "{moment.fence}"}]}, "is not known when it comes about by Parked"),
        ({"treatments": [{**SCREEN, "body": "{facts.basket_item}"}]}, "a treatment that is not personal"),
    ],
)
def test_a_compiled_action_that_breaks_a_rule_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ReleaseError, match=message):
        read_campaign(changed(0, **change))


def test_a_discount_below_one_step_and_a_cost_beside_it_are_refused() -> None:
    reward = compiled()["actions"][0]["reward"]
    with pytest.raises(ReleaseError, match="a discount is at most one step or more"):
        read_campaign(changed(0, reward={**reward, "discount": {**reward["discount"], "at_most_cents": 49}}))
    with pytest.raises(ReleaseError, match="a cost or a discount, not both"):
        read_campaign(changed(0, reward={**reward, "cost_cents": 5}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"contact": {"caps": "unlimited"}}, "service and safety have no contact policy"),
        ({"reward": REWARD}, "neither reward nor budget"),
        ({"budget": {"total_cents": 500}}, "neither reward nor budget"),
        ({"treatments": [{**SCREEN, "title": "Only 5 €"}]}, "no price and no advert"),
        (
            {"triggers": [{"steps": [{"moment": "UseSuspected"}]}], "treatments": [{**SCREEN, "body": "A € sign"}]},
            "no price",
        ),
        # It is for anyone, of whom nothing is read, remembered or told.
        ({"treatments": [{**SCREEN, "personal": True}]}, "nothing personal in an action for anyone"),
        ({"facts": [{"name": "size", "of_place": False}]}, "no fact of a person in an action for anyone"),
        ({"prepared": True}, "no prepared list and no discount in an action for anyone"),
        (
            {"triggers": [{"steps": [{"moment": "Parked", "times": 2}], "within_s": 5, "per": "subject"}]},
            "nobody to remember",
        ),
        ({"triggers": [{"steps": [{"moment": "ChallengeMet"}]}]}, "no challenges in an action for anyone"),
        (told("moment.subject == 'p.anna'"), "'subject' tells of a person"),
        (told("""moment["subject"] == 'p.anna'"""), "'subject' tells of a person"),
        (told("moment['sub' + 'ject'] == 'p.anna'"), "has no 'sub'"),
        (told("[moment].exists(m, m['\\x73ubject'] == 'p.anna')"), "a field without its name"),
        ({"suitable": "facts.x == 1"}, "reads of a subject"),
        ({"weights": [{"condition": "facts.x == 1", "weight": 2.0}]}, "reads of a subject"),
    ],
)
def test_a_compiled_service_action_for_anyone_that_breaks_a_rule_is_refused(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(ReleaseError, match=message):
        read_campaign(changed(1, **change))


def test_a_service_action_may_wait_for_suspicion_and_rest_on_facts_of_the_place() -> None:
    suspicion = {"triggers": [{"steps": [{"moment": "UseSuspected"}]}], "facts": [{"name": "open", "of_place": True}]}
    action = read_campaign(changed(1, **suspicion)).actions[1]
    assert (action.kind, action.steps[0].moment) == (Kind.SERVICE, "UseSuspected")


@pytest.mark.parametrize(
    "condition",
    ["moment.role in ['driver', 'customer']", "moment['role'] == 'driver'", "[moment.role][0] == 'driver'"],
)
def test_an_action_for_anyone_may_ask_for_fields_by_their_names(condition: str) -> None:
    assert read_campaign(changed(1, **told(condition))).actions[1].steps[0].condition == condition


def test_what_follows_another_needs_no_trigger() -> None:
    assert read_campaign(compiled(Campaigns((LISTED, OTHER)))).actions[0].triggers == ()
