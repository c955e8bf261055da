from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import budget, caps, chains, offers
from gateway.core.calendar import window_start
from gateway.core.campaign import (
    Budget,
    Calendar,
    Cap,
    ContactPolicy,
    Follows,
    Kind,
    Placement,
    Rank,
    Suppression,
)
from gateway.core.consent import FOR_GOOD
from gateway.core.context import Unit
from gateway.core.effects import Offer, OfferedReward, OfferWithdrawn, OutcomeRecorded
from gateway.core.events import SESSION, Outcome, OutcomeReported, UnitKind
from gateway.core.moments import Moment, OfferAccepted, OfferDeclined, OfferIgnored, OfferRedeemed, UseSuspected
from gateway.core.offer_records import MADE, OPEN, WITHDRAWN
from gateway.core.offers import AHEAD, KEEP_MS
from gateway.core.release import compile_release
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.timers import Agenda, TimerKey
from gateway.core.turn import Turn
from gateway.core.units import DAY_MS, Instant
from gateway.testing.engines import CAR, an_action
from gateway.testing.samples import T0, VALID_MS, make_offer

ANNA = "s.1"  # the holder of the sample offer
RULE = ContactPolicy((Cap(count=1, within_s=3600),), cool_down_s=60, suppression=Suppression(ignored=1, for_s=60))
PASTRY = replace(an_action("pastry"), contact=RULE, redeem_within_s=600, budget=Budget(1000))
FOLLOWING = [
    replace(an_action(f"after_{outcome}"), follows=Follows("pastry", outcome, 60))
    for outcome in (Outcome.ACCEPTED, Outcome.REDEEMED, Outcome.DECLINED)
]
DAILY = replace(PASTRY, budget=Budget(1000, Calendar.DAY))
COUPON = OfferedReward("coupon", "2.50 EUR off", cost_cents=250, currency="EUR")
TIMER = TimerKey("offer", "o.car-1.e1.1")
NOW = T0 + 1_000
ENDED = {Outcome.REDEEMED, Outcome.DECLINED, Outcome.DISMISSED, Outcome.NEVER_AGAIN, Outcome.EXPIRED}


SHOWN = {Outcome.PRESENTED, Outcome.SEEN, Outcome.ACCEPTED, Outcome.DECLINED, Outcome.DISMISSED}
NO = [Outcome.DECLINED, Outcome.DISMISSED, Outcome.NEVER_AGAIN]


def unit(id_: str = CAR) -> Unit:
    return Unit(id_, UnitKind.CAR, ("driver_screen",), "en", contextual_offers=True, utc_offset_s=0)


class Shop:
    """Offers of one unit, at which Anna is, and their outcomes."""

    def __init__(self, *made: Offer, kind: Kind = Kind.MARKETING) -> None:
        self.agenda = Agenda()
        self.memory = Memory({StateKey(Scope.UNIT, CAR, "presence", "driver"): {"subject": ANNA, "ts": 1}})
        self.release = compile_release("r", 1, [], [replace(PASTRY, kind=kind), *FOLLOWING], [])
        for offer in made or (replace(make_offer(), kind=kind),):
            self.make(offer)

    def turn(self, now: int = NOW) -> Turn:
        return Turn(self.memory, self.agenda, self.release, now)

    def make(self, offer: Offer) -> None:
        action = replace(self.release.actions["pastry"], kind=offer.kind)
        offers.make(self.turn(offer.made), unit(offer.unit), offer, action)

    def told(
        self, *outcomes: Outcome, offer: str = TIMER.owner, unit: str = CAR, now: int = NOW, id_: str = "r1"
    ) -> tuple[OutcomeRecorded | None, list[Moment]] | str:
        reports = [OutcomeReported(unit, now, id_, offer, outcome, "why") for outcome in outcomes]
        return [offers.advance(self.turn(now), report) for report in reports][-1]

    def moments(self, *outcomes: Outcome, unit: str = CAR, id_: str = "r1") -> list[Moment]:
        answer = self.told(*outcomes, unit=unit, id_=id_)
        assert not isinstance(answer, str)
        return answer[1]

    def close(self, now: int = NOW) -> tuple[OutcomeRecorded | None, list[Moment]]:
        return offers.close(self.turn(now), TIMER.owner)

    def withdrawn(self) -> list[str]:
        return [each.offer for each in offers.withdraw(self.memory, NOW, "drove_off", lambda _: True)]

    def record(self, offer: str = TIMER.owner) -> dict[str, Any]:
        (record,) = [each for name in ("live", "ended") if (each := self.memory.get(Scope.OFFER, CAR, name, offer))]
        return dict(record)

    def reasons(self, holder: str = ANNA, now: int = NOW) -> list[str]:
        contacts = caps.Contacts(self.memory, self.release, unit(), holder, now)
        return [reason for reason, _ in contacts.objections(PASTRY)]

    def used(self, holder: str = ANNA) -> int:
        return self.reasons(holder).count("cap_reached")

    def left_cents(self) -> object:
        refused = budget.objection(self.memory, PASTRY, 10**9, NOW, 0)
        return refused and refused[1]["left_cents"]

    def followed(self, outcome: Outcome, holder: str = ANNA) -> bool:
        follows = Follows("pastry", outcome, 60)
        return chains.open_until(self.memory, holder, CAR, follows, NOW) is not None


def a_session_offer() -> Offer:
    return replace(make_offer(), holder=SESSION)


def in_state(state: str) -> Shop:
    """Return a shop whose offer has come to a state the shortest way."""
    shop = Shop()
    if state == WITHDRAWN:
        shop.withdrawn()
    elif state == Outcome.REDEEMED:
        shop.told(Outcome.ACCEPTED, Outcome.REDEEMED)
    elif state != MADE:
        shop.told(Outcome(state))
    return shop


def test_an_offer_reserves_its_cap_when_it_is_made() -> None:
    assert Shop().used() == 1


@pytest.mark.parametrize("kind", [Kind.SERVICE, Kind.SAFETY])
def test_what_is_not_capped_reserves_nothing(kind: Kind) -> None:
    assert dict(Shop(kind=kind).memory.group(Scope.SUBJECT, ANNA, "cap")) == {}


def test_an_offer_closes_at_its_expiry() -> None:
    shop = Shop()
    assert shop.agenda.take_due(T0 + VALID_MS - 1) is None
    assert shop.agenda.take_due(T0 + VALID_MS) == (T0 + VALID_MS, TIMER)


@pytest.mark.parametrize("state", list(AHEAD))
@pytest.mark.parametrize("outcome", list(Outcome))
def test_an_outcome_moves_an_offer_one_way_or_not_at_all(state: str, outcome: Outcome) -> None:
    shop = in_state(state)
    before = shop.memory.entries()
    shown_after_all = state in {WITHDRAWN, Outcome.EXPIRED} and not shop.record()["presented"]
    answer = shop.told(outcome)
    if outcome in AHEAD[state] or (shown_after_all and outcome in SHOWN):
        assert not isinstance(answer, str)
        assert answer[0] == OutcomeRecorded("r1", TIMER.owner, CAR, NOW, outcome, "why")
        assert shop.told(outcome) == "outcome_not_ahead"
    else:
        assert answer == "outcome_not_ahead"
        assert shop.memory.entries() == before


def test_the_way_is_presented_seen_accepted_redeemed() -> None:
    way = [Outcome.PRESENTED, Outcome.SEEN, Outcome.ACCEPTED, Outcome.REDEEMED]
    shop = Shop()
    for outcome in way:
        assert not isinstance(shop.told(outcome), str)
    for outcome in way:
        assert shop.told(outcome) == "outcome_not_ahead"


@pytest.mark.parametrize("end", sorted(ENDED))
def test_nothing_but_never_again_follows_an_end_or_a_redemption_that_was_in_time(end: Outcome) -> None:
    late = {Outcome.REDEEMED} if end is Outcome.EXPIRED else set()
    assert AHEAD[end] == late | ({Outcome.NEVER_AGAIN} if end is not Outcome.NEVER_AGAIN else set())


def test_every_outcome_has_its_place_in_the_life_of_an_offer() -> None:
    assert set(AHEAD) == {MADE, WITHDRAWN, *Outcome}
    assert set(AHEAD) - ENDED - {Outcome.ACCEPTED, WITHDRAWN} == OPEN


def test_an_unknown_offer_has_no_outcome() -> None:
    assert Shop().told(Outcome.SEEN, offer="o.car-1.e1.9") == "unknown_offer"


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.REDEEMED])
def test_only_a_redemption_may_come_from_another_unit(outcome: Outcome) -> None:
    assert Shop().told(outcome, unit="till-1") == "not_shown_here"


def test_a_till_redeems_what_the_car_offered() -> None:
    answer = Shop().told(Outcome.REDEEMED, unit="till-1")
    assert answer == (
        OutcomeRecorded("r1", TIMER.owner, "till-1", NOW, Outcome.REDEEMED, "why"),
        [OfferRedeemed(CAR, NOW, TIMER.owner, "pastry", "till-1", ANNA)],
    )


def test_an_accepted_offer_waits_for_its_redemption_from_then_on() -> None:
    shop = Shop()
    shop.told(Outcome.ACCEPTED)
    assert offers.timers(shop.memory) == [(TIMER, NOW + 600_000)]
    assert shop.agenda.next_due() == NOW + 600_000


@pytest.mark.parametrize("kind", list(Kind))
def test_accepting_declining_and_redeeming_are_noticed_of_every_kind(kind: Kind) -> None:
    accepted = OfferAccepted(CAR, NOW, TIMER.owner, "pastry", ANNA)
    redeemed = OfferRedeemed(CAR, NOW, TIMER.owner, "pastry", CAR, ANNA)
    assert Shop(kind=kind).moments(Outcome.ACCEPTED) == [accepted]
    assert Shop(kind=kind).moments(Outcome.ACCEPTED, Outcome.REDEEMED) == [redeemed]
    declined = OfferDeclined(CAR, NOW, TIMER.owner, "pastry", ANNA)
    assert Shop(kind=kind).moments(Outcome.DECLINED) == Shop(kind=kind).moments(Outcome.DISMISSED) == [declined]
    for outcome in (Outcome.PRESENTED, Outcome.SEEN, Outcome.EXPIRED, Outcome.NEVER_AGAIN):
        assert Shop(kind=kind).moments(outcome) == []


@pytest.mark.parametrize("outcome", [Outcome.ACCEPTED, Outcome.REDEEMED, Outcome.DECLINED])
def test_what_one_person_did_opens_nothing_for_the_next(outcome: Outcome) -> None:
    shop = Shop()
    shop.memory.put(StateKey(Scope.UNIT, CAR, "presence", "driver"), {"subject": "s.2", "ts": 2})
    assert shop.moments(outcome) == []
    assert shop.followed(outcome)
    assert not shop.followed(outcome, "s.2")


def test_what_a_session_did_is_noticed_until_it_ends() -> None:
    accepted = OfferAccepted(CAR, NOW, TIMER.owner, "pastry", SESSION)
    assert Shop(a_session_offer()).moments(Outcome.ACCEPTED) == [accepted]
    ended = Shop(a_session_offer())
    offers.orphan(ended.memory, CAR)
    assert ended.moments(Outcome.ACCEPTED) == []


def test_a_presented_offer_keeps_its_cap_when_it_expires() -> None:
    shop = Shop()
    shop.told(Outcome.PRESENTED, Outcome.EXPIRED)
    assert shop.used() == 1


def test_an_offer_that_was_never_presented_gives_its_cap_back() -> None:
    shop = Shop()
    shop.told(Outcome.EXPIRED)
    assert shop.used() == 0


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.EXPIRED])
def test_every_answer_shows_that_the_offer_was_presented(outcome: Outcome) -> None:
    shop = Shop()
    shop.told(outcome)
    shop.told(Outcome.EXPIRED)
    assert shop.used() == 1


def test_never_again_is_remembered_of_its_holder() -> None:
    shop = Shop()
    shop.told(Outcome.NEVER_AGAIN)
    assert "never_again" in shop.reasons(now=FOR_GOOD)


@pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome is not Outcome.NEVER_AGAIN])
def test_no_other_answer_is_never_again(outcome: Outcome) -> None:
    shop = Shop()
    shop.told(outcome)
    assert "never_again" not in shop.reasons()


def test_never_again_of_a_session_that_ended_binds_nobody() -> None:
    shop = Shop(a_session_offer())
    offers.orphan(shop.memory, CAR)
    shop.told(Outcome.NEVER_AGAIN)
    assert "never_again" not in shop.reasons(SESSION)


@pytest.mark.parametrize("state", [MADE, Outcome.PRESENTED, Outcome.SEEN, Outcome.ACCEPTED])
def test_an_offer_that_nobody_ended_expires(state: str) -> None:
    shop = in_state(state)
    expired, _ = shop.close()
    assert expired == OutcomeRecorded("", TIMER.owner, CAR, NOW, Outcome.EXPIRED, "")
    assert shop.record()["state"] == Outcome.EXPIRED
    assert offers.timers(shop.memory) == [(TIMER, NOW + KEEP_MS)]


@pytest.mark.parametrize("state", [WITHDRAWN, *sorted(ENDED)])
def test_an_offer_that_ended_is_let_go_without_a_word(state: str) -> None:
    shop = in_state(state)
    assert shop.close() == (None, [])
    assert shop.told(Outcome.NEVER_AGAIN) != "unknown_offer"
    assert shop.close(NOW + KEEP_MS) == (None, [])
    assert shop.told(Outcome.NEVER_AGAIN) == "unknown_offer"


@pytest.mark.parametrize("outcome", sorted(SHOWN))
def test_what_was_shown_after_all_counts_for_the_cap_again(outcome: Outcome) -> None:
    shop = Shop()
    shop.withdrawn()
    assert shop.used() == 0
    assert shop.told(outcome) == (OutcomeRecorded("r1", TIMER.owner, CAR, NOW, outcome, "why"), [])
    assert shop.used() == 1
    assert shop.told(outcome) == "outcome_not_ahead"


@pytest.mark.parametrize("state", [Outcome.EXPIRED, WITHDRAWN])
def test_what_a_till_redeemed_is_recorded_though_it_is_told_of_late(state: str) -> None:
    shop = Shop()
    if state == WITHDRAWN:
        shop.withdrawn()
    else:
        shop.close()
    told = shop.told(Outcome.REDEEMED)
    assert not isinstance(told, str)
    assert told[0] is not None
    assert (told[0].outcome, shop.record()["state"], shop.used()) == (Outcome.REDEEMED, "redeemed", 1)
    assert shop.told(Outcome.REDEEMED) == "outcome_not_ahead"


def test_what_an_ended_session_was_shown_counts_for_nobody() -> None:
    shop = Shop(a_session_offer())
    shop.withdrawn()
    offers.orphan(shop.memory, CAR)
    shop.told(Outcome.PRESENTED)
    assert shop.reasons(SESSION) == []


@pytest.mark.parametrize(("state", "used"), [(MADE, 0), (Outcome.PRESENTED, 1), (Outcome.ACCEPTED, 1)])
def test_an_expiry_gives_the_cap_back_only_if_nobody_was_shown_the_offer(state: str, used: int) -> None:
    shop = in_state(state)
    shop.close()
    assert shop.used() == used


@pytest.mark.parametrize("state", list(AHEAD))
def test_only_what_stands_on_a_screen_can_be_withdrawn(state: str) -> None:
    assert in_state(state).withdrawn() == ([TIMER.owner] if state in OPEN else [])


@pytest.mark.parametrize(("state", "used"), [(MADE, 0), (Outcome.PRESENTED, 1)])
def test_a_withdrawal_gives_the_cap_back_only_if_nobody_was_shown_the_offer(state: str, used: int) -> None:
    shop = in_state(state)
    shop.withdrawn()
    assert shop.used() == used


def test_a_withdrawal_takes_what_it_concerns_in_the_order_of_ids() -> None:
    elsewhere = replace(make_offer(3), unit="car-2")
    shop = Shop(make_offer(2), make_offer(1), elsewhere)
    withdrawn = offers.withdraw(shop.memory, NOW, "drove_off", lambda record: record["unit"] == CAR)
    assert withdrawn == [OfferWithdrawn(f"o.car-1.e1.{number}", CAR, NOW, "drove_off") for number in (1, 2)]
    assert offers.standing(shop.memory, "car-2") == {Placement.DRIVER_SCREEN: Rank.MARKETING}


def test_only_the_offers_of_the_session_at_the_unit_are_orphaned() -> None:
    session, subject = a_session_offer(), make_offer(2)
    elsewhere = replace(a_session_offer(), id="o.car-2.e1.1", unit="car-2")
    shop = Shop(session, subject, elsewhere)
    offers.orphan(shop.memory, CAR)
    for offer in (session, subject, elsewhere):
        shop.told(Outcome.ACCEPTED, offer=offer.id, unit=offer.unit)
    assert offers.awaited(shop.memory, CAR) == {(ANNA, "pastry")}
    assert offers.awaited(shop.memory, "car-2") == {(ANNA, "pastry"), (SESSION, "pastry")}


@pytest.mark.parametrize("state", list(AHEAD))
def test_a_placement_is_taken_while_an_offer_stands_on_it(state: str) -> None:
    taken = {Placement.DRIVER_SCREEN: Rank.MARKETING} if state in OPEN else {}
    assert offers.standing(in_state(state).memory, CAR) == taken


@pytest.mark.parametrize("safety_first", [True, False])
def test_a_placement_is_taken_at_its_unit_only_and_by_the_highest(*, safety_first: bool) -> None:
    numbers = (1, 2) if safety_first else (2, 1)
    shop = Shop(make_offer(numbers[1]))
    assert offers.standing(shop.memory, "car-2") == {}
    shop.make(replace(make_offer(numbers[0]), kind=Kind.SAFETY))
    assert offers.standing(shop.memory, CAR) == {Placement.DRIVER_SCREEN: Rank.SAFETY}


def test_each_placement_is_taken_by_itself() -> None:
    shop = Shop(make_offer(1), replace(make_offer(2), placement=Placement.PHONE, kind=Kind.SERVICE))
    assert offers.standing(shop.memory, CAR) == {
        Placement.DRIVER_SCREEN: Rank.MARKETING,
        Placement.PHONE: Rank.SERVICE,
    }


@pytest.mark.parametrize("state", list(AHEAD))
def test_an_accepted_offer_is_awaited_until_it_is_redeemed(state: str) -> None:
    awaited = {(ANNA, "pastry")} if state == Outcome.ACCEPTED else set()
    assert offers.awaited(in_state(state).memory, CAR) == awaited


def test_what_a_subject_awaits_is_so_at_every_unit_and_a_sessions_at_its_own() -> None:
    assert offers.awaited(in_state(Outcome.ACCEPTED).memory, "car-2") == {(ANNA, "pastry")}
    session = Shop(a_session_offer())
    session.told(Outcome.ACCEPTED)
    assert offers.awaited(session.memory, "car-2") == set()


def test_what_an_ended_session_accepted_is_awaited_of_nobody() -> None:
    shop = Shop(a_session_offer())
    shop.told(Outcome.ACCEPTED)
    assert offers.awaited(shop.memory, CAR) == {(SESSION, "pastry")}
    offers.orphan(shop.memory, CAR)
    assert offers.awaited(shop.memory, CAR) == set()


def test_every_kept_offer_has_a_timer() -> None:
    shop = Shop(make_offer(1), make_offer(2))
    shop.told(Outcome.ACCEPTED)
    shop.told(Outcome.DECLINED, offer="o.car-1.e1.2")
    assert offers.timers(shop.memory) == [
        (TIMER, NOW + 600_000),
        (TimerKey("offer", "o.car-1.e1.2"), T0 + VALID_MS),
    ]


# What an offer holds, and what answers mean for what may be said next.


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


def test_a_slate_that_was_declined_late_was_not_ignored() -> None:
    shop = everything_limited(a_slate())
    shop.told(Outcome.PRESENTED, Outcome.EXPIRED, Outcome.DECLINED)
    shop.told(Outcome.PRESENTED, Outcome.EXPIRED, offer="o.car-1.e1.2")
    assert ignored_of_all(shop) is None
