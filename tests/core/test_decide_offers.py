"""What a decision offers: in which words, to whom, in whose place, and for how long."""

from dataclasses import replace

import pytest

from gateway.core import chains, offers
from gateway.core.campaign import Follows, Kind, Placement
from gateway.core.effects import (
    Offer,
    OfferedReward,
    OfferMade,
    OfferWithdrawn,
)
from gateway.core.events import Outcome, Role
from gateway.core.state import Scope, StateKey
from gateway.core.terms import Cap, ContactPolicy, Discount, Group, Reward
from gateway.core.timers import TimerKey
from gateway.testing.engines import CAR, a_release, a_treatment, an_action, decisions_in, offers_in
from gateway.testing.samples import T0
from tests.core.table import ANNA, BEN, UNIT, Table, a_fact, agrees, service, verdicts_of


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


def test_each_placement_has_an_addressee_of_its_own() -> None:
    passengers = service("film", placements=[Placement.PASSENGER_SCREEN])
    (offer,) = offers_in(Table((Role.DRIVER, ANNA), (Role.PASSENGER, BEN)).decide(passengers))
    assert (offer.holder, offer.role) == (BEN, Role.PASSENGER)


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


def test_an_offer_ends_with_the_last_day_of_its_action() -> None:
    (offer,) = offers_in(Table().decide(replace(service(), ends=T0 + 30_000, valid_for_s=300)))
    assert offer.expires == T0 + 30_000
