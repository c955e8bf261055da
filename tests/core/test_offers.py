from dataclasses import replace

import pytest

from gateway.core import offers
from gateway.core.campaign import Kind, Placement, Rank
from gateway.core.consent import FOR_GOOD
from gateway.core.effects import OfferWithdrawn, OutcomeRecorded
from gateway.core.events import SESSION, Outcome
from gateway.core.moments import OfferAccepted, OfferDeclined, OfferRedeemed
from gateway.core.offer_records import MADE, OPEN, WITHDRAWN
from gateway.core.offers import AHEAD, KEEP_MS
from gateway.core.state import Scope, StateKey
from gateway.core.timers import TimerKey
from gateway.testing.engines import CAR
from gateway.testing.samples import T0, VALID_MS, make_offer
from tests.core.shop import ANNA, NOW, TIMER, Shop, a_session_offer, in_state

ENDED = {Outcome.REDEEMED, Outcome.DECLINED, Outcome.DISMISSED, Outcome.NEVER_AGAIN, Outcome.EXPIRED}
SHOWN = {Outcome.PRESENTED, Outcome.SEEN, Outcome.ACCEPTED, Outcome.DECLINED, Outcome.DISMISSED}


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
