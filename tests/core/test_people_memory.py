"""What is remembered of people: facts and households, sessions that fall silent, what a withdrawal takes along."""

from dataclasses import replace

import pytest

from gateway.core import facts, people, perceive, triggers
from gateway.core.campaign import Placement
from gateway.core.effects import EventIgnored, EventRefused, OfferWithdrawn
from gateway.core.events import (
    SESSION,
    FactsChanged,
    FenceReported,
    ListPrepared,
    Outcome,
    Purpose,
    Role,
    Scalar,
    SubjectIdentified,
)
from gateway.core.moments import FactChanged, Parked, SubjectArrived, UseSuspected
from gateway.core.state import Scope, StateKey
from gateway.core.steps import Step, Trigger
from gateway.core.terms import Per
from gateway.core.timers import TimerKey
from gateway.core.units import MINUTE_MS, Instant, Position
from gateway.testing.engines import (
    CAR,
    STATION,
    a_car,
    a_fence,
    a_fix,
    a_release,
    a_till,
    agreement,
    an_action,
    identified,
    left,
    outcome,
)
from gateway.testing.samples import T0
from gateway.testing.worlds import everything_agreed
from tests.core.perceiving import ANNA, BEN, Car, withdrawal

TILL = "till-1"
IDLE = TimerKey("session", CAR)
SPOKEN = [(IDLE, T0 + people.SESSION_IDLE_MS)]
TWICE = replace(an_action("twice"), triggers=(Trigger((Step("Parked", times=2),), within_s=900, per=Per.SUBJECT),))
RELEASE = a_release(
    fences=[a_fence("station"), a_fence("far", centre=Position(STATION.lon + 1.0, STATION.lat))], actions=[TWICE]
)


def told(facts: dict[str, Scalar | None], *, subject: str = "", fence: str = "", ts: Instant = T0) -> FactsChanged:
    return FactsChanged(CAR, ts, subject, facts, fence=fence)


def with_a_till() -> Car:
    car = Car(RELEASE)
    perceive.register(car.turn(), a_till())
    return car


def of_household(name: str, entry: object = 1) -> dict[StateKey, object]:
    """Return what a ledger knows of Anna or Ben: the household, and one entry of it."""
    return {
        StateKey(Scope.SUBJECT, ANNA, "fact", "household"): {"value": name, "ts": 1, "until": None},
        StateKey(Scope.SUBJECT, BEN, "fact", "household"): {"value": name, "ts": 1, "until": None},
        StateKey(Scope.HOUSEHOLD, name, "cap", "a/o.1"): entry,
        StateKey(Scope.HOUSEHOLD, "another", "cap", "a/o.1"): entry,
    }


def arriving(subject: str, household: str, *, unit: str = CAR, entry: object = 1) -> SubjectIdentified:
    role = Role.DRIVER if unit == CAR else Role.CUSTOMER
    return replace(identified(subject, unit=unit, role=role), state=of_household(household, entry))


def test_who_arrives_is_noticed_with_the_method_they_were_known_by() -> None:
    moments = Car().hears(replace(identified(ANNA), method="card"))
    assert moments == [SubjectArrived(CAR, T0, ANNA, "driver", "card")]


def test_news_of_a_subject_is_noticed_at_each_unit_where_they_are() -> None:
    car = with_a_till()
    assert car.hears(told({"purchase": 9}, subject=ANNA)) == []
    car.hears(identified(ANNA))
    car.hears(identified(ANNA, unit=TILL, role=Role.CUSTOMER))
    news = [FactChanged(unit, T0 + 1, "purchase", "subject", ANNA) for unit in (CAR, TILL)]
    assert car.hears(told({"purchase": 10}, subject=ANNA, ts=T0 + 1)) == news
    assert car.hears(told({"purchase": 10}, subject=ANNA, ts=T0 + 2)) == []
    assert car.hears(told({"purchase": None}, subject=ANNA, ts=T0 + 3)) == []


def test_news_of_a_subject_who_is_elsewhere_is_noticed_where_they_are_and_not_where_it_was_told() -> None:
    car = with_a_till()
    car.hears(identified(ANNA, unit=TILL, role=Role.CUSTOMER))
    assert car.hears(told({"churn": 0.8}, subject=ANNA)) == [FactChanged(TILL, T0, "churn", "subject", ANNA)]


def test_news_of_a_unit_is_noticed_there_by_name() -> None:
    car = with_a_till()
    news = [FactChanged(CAR, T0, name, "unit") for name in ("price", "stock")]
    assert car.hears(told({"stock": 3, "price": 2.5})) == news


def test_news_of_a_fence_is_noticed_at_each_unit_inside_it() -> None:
    car = with_a_till()
    assert car.hears(told({"stock": 2}, fence="station")) == []
    car.hears(a_fix())
    car.hears(FenceReported(TILL, T0, ("far",)))
    assert car.hears(told({"stock": 3}, fence="station")) == [FactChanged(CAR, T0, "stock", "fence", "", "station")]


def test_news_that_is_told_late_is_news_and_what_has_ended_is_none() -> None:
    car = Car()
    assert car.hears(told({"stock": 3}), now=T0 + 90 * MINUTE_MS) != []
    ended = replace(told({"stock": 4}, ts=T0 + 1), valid_until=T0 + 2)
    assert car.hears(ended, now=T0 + 2) == []
    assert car.hears(replace(ended, facts={"stock": 5}), now=T0 + 1) != []


def test_of_a_session_nothing_is_learned() -> None:
    car = Car()
    assert car.hears(told({"stamps": 9}, subject=SESSION)) == []
    assert car.effects == [EventIgnored(CAR, T0, "facts_of_nobody")]
    assert car.hears(ListPrepared(CAR, T0, "p1", SESSION, {"pastry": 0.5})) == []
    assert car.effects == [EventIgnored(CAR, T0, "facts_of_nobody")]
    assert car.memory.take_changes() == []


def test_a_prepared_list_is_kept_and_no_occasion() -> None:
    car = Car()
    car.hears(identified(ANNA))
    key = StateKey(Scope.SUBJECT, ANNA, "prepared")
    car.hears(agreement(ANNA, Purpose.PROFILING)[0])
    assert car.hears(ListPrepared(CAR, T0, "p1", ANNA, {"pastry": 0.5})) == []
    assert car.memory.get(*key) == {"propensities": {"pastry": 0.5}, "ts": T0, "until": None}
    assert car.hears(ListPrepared(CAR, T0 - 1, "p0", ANNA, {}), now=T0) == []
    assert car.effects == [EventIgnored(CAR, T0, "late_list")]


def test_a_prepared_list_of_somebody_absent_is_for_the_ledger_only() -> None:
    car = Car()
    agreed = everything_agreed(ANNA)
    car.hears(ListPrepared(CAR, T0, "p1", ANNA, {"pastry": 0.5}, state=agreed))
    assert [key for key, _ in car.memory.take_changes()] == [StateKey(Scope.SUBJECT, ANNA, "prepared")]
    assert car.memory.owners(Scope.SUBJECT) == []


def test_no_list_is_kept_of_who_does_not_agree_to_profiling() -> None:
    car = Car()
    car.hears(identified(ANNA))
    for subject in (ANNA, BEN):
        assert car.hears(ListPrepared(CAR, T0, "p1", subject, {"pastry": 0.5})) == []
        assert car.effects[-1] == EventIgnored(CAR, T0, "no_consent")
        assert car.memory.get(Scope.SUBJECT, subject, "prepared") is None


def test_a_household_comes_with_the_first_of_it_and_goes_with_the_last() -> None:
    car = with_a_till()
    car.hears(arriving(ANNA, "h.1"))
    assert car.memory.owners(Scope.HOUSEHOLD) == ["h.1"]
    car.hears(arriving(BEN, "h.1", unit=TILL, entry=2))
    assert car.memory.get(Scope.HOUSEHOLD, "h.1", "cap", "a/o.1") == 1, "what is here is newer than the ledger"
    car.hears(left(T0 + 1))
    assert car.memory.owners(Scope.HOUSEHOLD) == ["h.1"]
    car.memory.take_changes()
    car.hears(left(T0 + 1, role=Role.CUSTOMER, unit=TILL))
    assert car.memory.owners(Scope.HOUSEHOLD) == []
    assert [key.scope for key, _ in car.memory.take_changes()] == [Scope.UNIT], "the ledger keeps it"


def test_who_moves_to_another_household_leaves_the_first_and_brings_the_next_when_identified_again() -> None:
    car = Car()
    car.hears(arriving(ANNA, "h.1"))
    car.hears(told({"household": "another"}, subject=ANNA))
    assert car.memory.owners(Scope.HOUSEHOLD) == []
    car.hears(arriving(ANNA, "h.1"))
    assert car.memory.owners(Scope.HOUSEHOLD) == ["another"]


def test_who_names_no_household_brings_none() -> None:
    car = Car()
    car.hears(replace(identified("s.carl"), state=of_household("h.1")))
    assert car.memory.owners(Scope.HOUSEHOLD) == []


def test_a_session_ends_half_an_hour_after_its_last_word() -> None:
    car = Car()
    car.hears(agreement(SESSION, Purpose.OFFER_DISPLAY)[0])
    offer = car.offers(holder=SESSION)
    assert perceive.timers_of(car.turn(), CAR) == SPOKEN
    later = T0 + 20 * MINUTE_MS
    car.hears(outcome(offer, Outcome.SEEN, later))
    due = later + people.SESSION_IDLE_MS
    assert perceive.timers_of(car.turn(), CAR) == [(IDLE, due)]
    assert car.fires(IDLE, due) == []
    assert car.effects == [OfferWithdrawn(offer, CAR, due, "session_ended")]
    assert car.memory.owners(Scope.SESSION) == []
    assert perceive.timers_of(car.turn(), CAR) == []


def test_the_window_of_a_session_that_fell_silent_closes_but_not_that_of_somebody_known() -> None:
    car = Car()
    window = StateKey(Scope.UNIT, CAR, "window", "any/0")
    car.hears(agreement(SESSION, Purpose.OFFER_DISPLAY)[0])
    car.memory.put(window, {"step": 1, "opened": T0})
    car.fires(IDLE, T0 + people.SESSION_IDLE_MS)
    assert car.memory.get(*window) is None
    car.hears(identified(ANNA))
    car.hears(agreement(SESSION, Purpose.OFFER_DISPLAY)[0])
    car.memory.put(window, {"step": 1, "opened": T0})
    car.fires(IDLE, T0 + people.SESSION_IDLE_MS)
    assert car.memory.get(*window) is not None


def test_a_session_that_was_handed_over_is_not_waited_for() -> None:
    car = Car()
    car.hears(agreement(SESSION, Purpose.OFFER_DISPLAY)[0])
    assert car.agenda.next_due() == T0 + people.SESSION_IDLE_MS
    car.hears(left())
    assert car.agenda.next_due() is None


@pytest.mark.parametrize("said", [Outcome.PRESENTED, Outcome.EXPIRED])
def test_what_a_screen_reports_by_itself_is_no_word_of_the_session(said: Outcome) -> None:
    car = Car()
    car.hears(outcome(car.offers(holder=SESSION), said))
    assert perceive.timers_of(car.turn(), CAR) == []


@pytest.mark.parametrize("holder", [ANNA, SESSION])
def test_an_answer_is_the_word_of_the_session_at_its_own_unit_only(holder: str) -> None:
    car = with_a_till()
    offer = car.offers(holder=holder)
    car.hears(outcome(offer, Outcome.REDEEMED, unit=TILL if holder == SESSION else CAR))
    assert [key for key, _ in people.session_timers(car.memory, CAR)] == []


def test_the_answer_to_an_ended_sessions_offer_is_nobodys_word() -> None:
    car = Car()
    offer = car.offers(placement=Placement.PASSENGER_SCREEN, holder=SESSION)
    car.hears(outcome(offer, Outcome.ACCEPTED))
    car.hears(left())
    car.hears(outcome(offer, Outcome.REDEEMED))
    assert perceive.timers_of(car.turn(), CAR) == []


def test_a_registration_forgets_what_an_earlier_process_heard_of_a_session() -> None:
    car = Car()
    car.hears(agreement(SESSION, Purpose.OFFER_DISPLAY)[0])
    car.memory.forget(Scope.KINEMATICS, CAR)
    perceive.register(car.turn(), a_car())
    assert perceive.timers_of(car.turn(), CAR) == []


def known(*purposes: Purpose) -> Car:
    """Return a car in which Anna, who agreed to this, drives, with all that could be remembered of her."""
    car = Car(RELEASE)
    car.hears(a_fix())
    for event in agreement(ANNA, *purposes):
        car.hears(event)
    state = dict(car.memory.take_changes())
    car.hears(replace(identified(ANNA), state=state))
    car.hears(ListPrepared(CAR, T0, "p1", ANNA, {"pastry": 0.5}))
    triggers.match(car.memory, car.agenda, RELEASE, Parked(CAR, T0, (), ()))
    car.memory.take_changes()
    return car


def remembered(car: Car) -> set[str]:
    return {name for name in ("prepared", "sighted", "window") if car.memory.group(Scope.SUBJECT, ANNA, name)}


@pytest.mark.parametrize(
    ("purpose", "left_over"),
    [
        (Purpose.PROFILING, {"sighted"}),
        (Purpose.LOCATION_TRIGGERS, {"prepared", "window"}),
        (Purpose.CLOUD_SYNC, {"prepared", "sighted", "window"}),
    ],
)
def test_a_withdrawal_takes_along_what_rested_on_it(purpose: Purpose, left_over: set[str]) -> None:
    car = known(*Purpose)
    assert remembered(car) == {"prepared", "sighted", "window"}
    car.hears(withdrawal(ANNA, purpose))
    assert remembered(car) == left_over
    dropped = {key.name for key, value in car.memory.take_changes() if value is None}
    assert dropped == {"prepared", "sighted", "window"} - left_over


def test_a_withdrawal_of_somebody_absent_takes_it_out_of_the_ledger() -> None:
    car = Car(RELEASE)
    for purpose in (Purpose.PROFILING, Purpose.LOCATION_TRIGGERS):
        car.hears(withdrawal(ANNA, purpose))
    dropped = [key for key, value in car.memory.take_changes() if value is None]
    assert dropped == [StateKey(Scope.SUBJECT, ANNA, name) for name in ("prepared", "sighted")]
    assert car.memory.owners(Scope.SUBJECT) == []


def test_a_sessions_withdrawal_concerns_no_subject() -> None:
    car = known(*Purpose)
    car.hears(withdrawal(SESSION, Purpose.PROFILING))
    assert remembered(car) == {"prepared", "sighted", "window"}


def test_who_is_identified_too_far_away_too_soon_arrives_and_is_suspected() -> None:
    car = known(*Purpose)
    perceive.register(car.turn(), a_till())
    car.hears(FenceReported(TILL, T0, ("far",)))
    now = T0 + MINUTE_MS
    assert car.hears(identified(ANNA, now, role=Role.CUSTOMER, unit=TILL)) == [
        SubjectArrived(TILL, now, ANNA, "customer"),
        UseSuspected(TILL, now, "impossible_travel", ANNA),
    ]


def test_who_leaves_has_no_timer_left() -> None:
    car = known(*Purpose)
    assert [key.name for key, _ in perceive.timers_of(car.turn(), CAR)] == ["window", "silence"]
    car.hears(left())
    assert [key.name for key, _ in perceive.timers_of(car.turn(), CAR)] == ["silence"]
    assert car.agenda.next_due() == T0 + 24 * 60 * MINUTE_MS


def test_a_fact_of_a_fence_that_nobody_knows_is_refused() -> None:
    car = Car(a_release(fences=[a_fence("station")]))
    for fence, refused in (("station", False), ("elsewhere", True)):
        car.hears(FactsChanged(CAR, T0, "", {"stock": 1}, fence=fence))
        assert (EventRefused(CAR, T0, "unknown_fence") in car.effects) is refused
    assert car.memory.owners(Scope.FENCE) == ["station"]


def test_so_many_facts_are_kept_of_one_owner_and_no_more() -> None:
    car = Car()
    full: dict[str, Scalar | None] = {f"f{number}": number for number in range(facts.LIMIT)}
    car.hears(FactsChanged(CAR, T0, "", full))
    car.hears(FactsChanged(CAR, T0, "", {"f0": 7}))
    assert car.effects == []
    car.hears(FactsChanged(CAR, T0, "", {"f0": 8, "one_more": 1}))
    assert car.effects == [EventRefused(CAR, T0, "too_many_facts")]
    assert facts.of_place(car.memory, CAR, T0)["f0"].value == 7
    car.hears(FactsChanged(CAR, T0, "", {"one_more": 1}, fence="", id="x"))
    assert len(facts.of_place(car.memory, CAR, T0)) == facts.LIMIT
