"""What an offer holds, and what answers mean for what may be said next."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import budget, offers
from gateway.core.calendar import window_start
from gateway.core.campaign import Kind
from gateway.core.effects import Offer, OfferedReward, OutcomeRecorded
from gateway.core.events import SESSION, Outcome
from gateway.core.moments import OfferIgnored, UseSuspected
from gateway.core.offer_records import MADE, WITHDRAWN
from gateway.core.state import Scope, StateKey
from gateway.core.terms import Budget, Calendar
from gateway.core.units import DAY_MS, Instant
from gateway.testing.engines import CAR
from gateway.testing.samples import T0, make_offer
from tests.core.shop import ANNA, NOW, PASTRY, RULE, TIMER, Shop, a_session_offer, in_state

DAILY = replace(PASTRY, budget=Budget(1000, Calendar.DAY))
COUPON = OfferedReward("coupon", "2.50 EUR off", cost_cents=250, currency="EUR")
NO = [Outcome.DECLINED, Outcome.DISMISSED, Outcome.NEVER_AGAIN]


def a_coupon(number: int = 1) -> Offer:
    return replace(make_offer(number), reward=COUPON)


def test_an_offer_spends_what_its_reward_costs_and_gives_it_back_if_nobody_was_shown_it() -> None:
    shop = Shop(a_coupon(1), a_coupon(2), a_coupon(3))
    assert shop.left_cents() == 250
    shop.told(Outcome.PRESENTED)
    shop.told(Outcome.EXPIRED, offer="o.car-1.e1.2")
    shop.withdrawn()
    assert shop.left_cents() == 750


def test_what_was_shown_after_all_is_spent_after_all() -> None:
    shop = Shop(a_coupon())
    shop.withdrawn()
    assert shop.left_cents() == 1000
    shop.told(Outcome.PRESENTED)
    assert shop.left_cents() == 750


@pytest.mark.parametrize("outcome", NO)
def test_a_no_begins_the_cool_down_and_is_an_answer(outcome: Outcome) -> None:
    shop = Shop()
    shop.told(outcome)
    assert "cooling_down" in shop.reasons(now=NOW + 59_999)
    assert "cooling_down" not in shop.reasons(now=NOW + 60_000)
    assert "suppressed" not in shop.reasons()


@pytest.mark.parametrize("outcome", [Outcome.PRESENTED, Outcome.SEEN])
@pytest.mark.parametrize("reported", [True, False], ids=["reported", "by timer"])
def test_what_was_presented_and_ends_unanswered_was_ignored(outcome: Outcome, *, reported: bool) -> None:
    shop = Shop()
    shop.told(outcome)
    moments = shop.moments(Outcome.EXPIRED) if reported else shop.close()[1]
    assert moments == [OfferIgnored(CAR, NOW, TIMER.owner, "pastry", ANNA)]
    assert "suppressed" in shop.reasons()
    shop.close()
    assert shop.memory.get(Scope.SUBJECT, ANNA, "ignored", "pastry") == {"count": 1, "last": NOW}


@pytest.mark.parametrize("state", [MADE, Outcome.ACCEPTED])
@pytest.mark.parametrize("reported", [True, False], ids=["reported", "by timer"])
def test_what_nobody_was_shown_or_was_accepted_is_not_ignored(state: str, *, reported: bool) -> None:
    shop = in_state(state)
    assert (shop.moments(Outcome.EXPIRED) if reported else shop.close()[1]) == []
    assert "suppressed" not in shop.reasons()


def test_what_was_taken_back_is_not_ignored() -> None:
    shop = in_state(Outcome.PRESENTED)
    shop.withdrawn()
    assert shop.close()[1] == []
    assert "suppressed" not in shop.reasons()


def test_ignoring_is_noticed_only_while_the_holder_is_there() -> None:
    shop = in_state(Outcome.PRESENTED)
    shop.memory.put(StateKey(Scope.UNIT, CAR, "presence", "driver"), {"subject": None, "ts": 2})
    assert shop.close()[1] == []


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.REDEEMED])
def test_an_acceptance_begins_the_row_of_ignored_ones_anew(outcome: Outcome) -> None:
    shop = Shop(make_offer(1), make_offer(2))
    shop.told(Outcome.PRESENTED, Outcome.EXPIRED, offer="o.car-1.e1.2")
    assert "suppressed" in shop.reasons()
    shop.told(outcome)
    assert "suppressed" not in shop.reasons()


@pytest.mark.parametrize("outcome", [Outcome.DECLINED, Outcome.DISMISSED])
def test_a_no_that_comes_after_the_end_counts_once_as_what_it_was(outcome: Outcome) -> None:
    shop = in_state(Outcome.PRESENTED)
    shop.close()
    assert "suppressed" in shop.reasons()
    assert shop.told(outcome) == (OutcomeRecorded("r1", TIMER.owner, CAR, NOW, outcome, "why"), [])
    assert [reason for reason in shop.reasons() if reason != "cap_reached"] == ["cooling_down"]
    before = shop.memory.entries()
    assert shop.told(outcome, now=NOW + 5) == "outcome_not_ahead"
    assert shop.memory.entries() == before


def test_a_no_to_what_was_taken_back_counts_and_is_no_occasion() -> None:
    shop = in_state(Outcome.PRESENTED)
    shop.withdrawn()
    assert shop.moments(Outcome.DECLINED) == []
    assert "cooling_down" in shop.reasons()
    assert not shop.followed(Outcome.DECLINED)


def test_it_is_too_late_to_accept_what_was_seen_to_expire() -> None:
    shop = in_state(Outcome.PRESENTED)
    shop.close()
    assert shop.told(Outcome.ACCEPTED) == "outcome_not_ahead"


@pytest.mark.parametrize("kind", [Kind.SERVICE, Kind.SAFETY])
def test_what_becomes_of_service_and_safety_limits_nothing(kind: Kind) -> None:
    for way in ([Outcome.DECLINED], [Outcome.PRESENTED, Outcome.EXPIRED], [Outcome.ACCEPTED]):
        shop = Shop(kind=kind)
        shop.told(*way)
        assert shop.reasons() == []
        assert shop.record()["levels"] == shop.record()["reserved"] == []


@pytest.mark.parametrize("said", [Outcome.ACCEPTED, Outcome.REDEEMED, Outcome.DECLINED, Outcome.DISMISSED])
def test_a_chain_opens_with_its_outcome_and_a_dismissal_is_a_decline(said: Outcome) -> None:
    shop = Shop()
    shop.told(said)
    chained = Outcome.DECLINED if said is Outcome.DISMISSED else said
    assert [outcome for outcome in Outcome if shop.followed(outcome)] == [chained]


def test_a_chain_of_an_ended_session_opens_for_nobody() -> None:
    shop = Shop(a_session_offer())
    offers.orphan(shop.memory, CAR)
    shop.told(Outcome.ACCEPTED)
    assert not shop.followed(Outcome.ACCEPTED, SESSION)


def test_a_second_redemption_by_another_report_is_suspicious() -> None:
    shop = Shop()
    shop.told(Outcome.REDEEMED, id_="r1")
    suspected = UseSuspected(CAR, NOW, "redeemed_twice", ANNA, "pastry", TIMER.owner)
    assert shop.told(Outcome.REDEEMED, unit="till-1", id_="r2") == (None, [suspected])
    assert shop.record()["state"] == Outcome.REDEEMED


def test_the_same_report_delivered_again_is_not_suspicious() -> None:
    shop = Shop()
    shop.told(Outcome.REDEEMED, id_="r1")
    assert shop.told(Outcome.REDEEMED, id_="r1") == "outcome_not_ahead"
    shop.told(Outcome.REDEEMED, id_="r2")
    assert shop.told(Outcome.REDEEMED, id_="r2") == "outcome_not_ahead"


def test_it_stays_suspicious_after_never_again_and_a_day_long() -> None:
    shop = Shop()
    shop.told(Outcome.REDEEMED, Outcome.NEVER_AGAIN, id_="r1")
    shop.close()
    assert len(shop.moments(Outcome.REDEEMED, id_="r2")) == 1


def test_a_till_that_goes_on_and_on_is_suspected_no_more() -> None:
    shop = Shop()
    for number in range(8):
        assert not isinstance(shop.told(Outcome.REDEEMED, id_=f"r{number}"), str)
    assert shop.told(Outcome.REDEEMED, id_="r8") == "outcome_not_ahead"
    assert len(shop.record()["redeemed_by"]) == 8


def test_nobody_is_asked_who_is_not_there() -> None:
    shop = Shop()
    shop.told(Outcome.REDEEMED, id_="r1")
    shop.memory.put(StateKey(Scope.UNIT, CAR, "presence", "driver"), {"subject": "s.2", "ts": 2})
    assert shop.told(Outcome.REDEEMED, id_="r2") == (None, [])


def test_of_a_redemption_whose_report_was_not_kept_nothing_is_suspected() -> None:
    shop = Shop()
    shop.told(Outcome.REDEEMED)
    older = {name: value for name, value in shop.record().items() if name != "redeemed_by"}
    shop.memory.put(StateKey(Scope.OFFER, CAR, "ended", TIMER.owner), older)
    assert shop.told(Outcome.REDEEMED, id_="r2") == "outcome_not_ahead"


FATES = st.sampled_from([None, Outcome.PRESENTED, Outcome.SEEN, Outcome.ACCEPTED, Outcome.EXPIRED, "close", WITHDRAWN])


@given(st.lists(st.tuples(st.integers(0, DAY_MS), st.integers(0, 600), FATES, FATES), max_size=25))
def test_no_day_of_offers_ever_costs_more_than_its_budget(
    tries: list[tuple[int, int, str | None, str | None]],
) -> None:
    shop, now, made = Shop(), T0, dict[str, tuple[Instant, int]]()
    shop.release = replace(shop.release, actions={"pastry": DAILY})

    def paid(day: Instant) -> int:
        held = {offer for offer in made if shop.record(offer)["presented"] or shop.record(offer)["state"] == MADE}
        return sum(cost_cents for offer, (on, cost_cents) in made.items() if on == day and offer in held)

    for number, (later_ms, cost_cents, *fates) in enumerate(tries, 2):
        now += later_ms
        day = window_start(Calendar.DAY, now, 0)
        refused = budget.objection(shop.memory, DAILY, cost_cents, now, 0) is not None
        assert refused == (paid(day) + cost_cents > 1000)
        if refused:
            continue
        offer = replace(make_offer(number, made=now), reward=replace(COUPON, cost_cents=cost_cents))
        shop.make(offer)
        made[offer.id] = day, cost_cents
        for fate in fates:
            if fate == WITHDRAWN:
                offers.withdraw(shop.memory, now, "drove_off", lambda _: True)
            elif fate == "close" and not shop.record(offer.id)["closed"]:
                offers.close(shop.turn(now), offer.id)
            elif fate in set(Outcome):
                shop.told(Outcome(fate), offer=offer.id, now=now)
        assert paid(day) <= 1000


# Slates: one contact of several offers.


def a_slate() -> Shop:
    return Shop(*(replace(make_offer(number), slate=TIMER.owner) for number in (1, 2, 3)))


def ignored_of_all(shop: Shop) -> object:
    row = shop.memory.get(Scope.SUBJECT, ANNA, "ignored", "*")
    return row and row["count"]


def everything_limited(shop: Shop) -> Shop:
    """Let what holds for the pastry hold for all marketing."""
    shop.release = replace(shop.release, contact=RULE)
    return shop


def test_a_slate_of_which_nothing_was_answered_is_ignored_once() -> None:
    shop = everything_limited(a_slate())
    for number in (1, 2, 3):
        shop.told(Outcome.PRESENTED, Outcome.EXPIRED, offer=f"o.car-1.e1.{number}")
    assert ignored_of_all(shop) == 1
    assert shop.memory.get(Scope.SUBJECT, ANNA, "ignored", "pastry") == {"count": 3, "last": NOW}


@pytest.mark.parametrize("answer", [Outcome.ACCEPTED, Outcome.DECLINED])
def test_a_slate_of_which_one_was_answered_was_not_ignored(answer: Outcome) -> None:
    shop = everything_limited(a_slate())
    shop.told(Outcome.PRESENTED, answer)
    shop.told(Outcome.PRESENTED, Outcome.EXPIRED, offer="o.car-1.e1.2")
    assert ignored_of_all(shop) is None


def test_a_slate_of_which_one_was_accepted_and_never_redeemed_was_not_ignored() -> None:
    shop = everything_limited(a_slate())
    shop.told(Outcome.PRESENTED, Outcome.ACCEPTED, Outcome.EXPIRED)
    shop.told(Outcome.PRESENTED, Outcome.EXPIRED, offer="o.car-1.e1.2")
    assert ignored_of_all(shop) is None


def test_a_slate_that_was_declined_late_was_not_ignored() -> None:
    shop = everything_limited(a_slate())
    shop.told(Outcome.PRESENTED, Outcome.EXPIRED, Outcome.DECLINED)
    shop.told(Outcome.PRESENTED, Outcome.EXPIRED, offer="o.car-1.e1.2")
    assert ignored_of_all(shop) is None
