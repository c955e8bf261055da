from dataclasses import replace

import pytest

from gateway.core import consent, facts
from gateway.core.campaign import Placement
from gateway.core.drive import Drive, Driving
from gateway.core.effects import ConsentRecorded, EventIgnored, EventRefused, OfferWithdrawn, OutcomeRecorded
from gateway.core.events import (
    SESSION,
    FactsChanged,
    Outcome,
    Purpose,
    Role,
    Scalar,
    SubjectIdentified,
    SubjectLeft,
    UnitLost,
)
from gateway.core.facts import Basis, Fact
from gateway.core.moments import OfferAccepted, SubjectArrived
from gateway.core.state import Scope, StateKey
from gateway.core.units import Instant
from gateway.testing.engines import (
    CAR,
    a_release,
    a_trigger,
    agreement,
    an_action,
    identified,
    left,
    outcome,
)
from gateway.testing.samples import T0
from tests.core.perceiving import ANNA, BEN, Car, withdrawal

TYRES = replace(an_action("tyres"), triggers=(a_trigger("Parked", "OfferRedeemed", within_s=90),))
RELEASE = a_release(actions=[TYRES])
DRIVER = StateKey(Scope.UNIT, CAR, "presence", "driver")


def fact(value: Scalar | None, ts: Instant = T0) -> dict[str, object]:
    return {"value": value, "ts": ts, "until": None}


def known_of(car: Car, subject: str = ANNA) -> dict[str, Fact]:
    return facts.of_subject(car.memory, subject, CAR, car.now, Basis.CONTRACT)


def test_a_person_who_is_identified_arrives() -> None:
    car = Car(RELEASE)
    assert car.hears(identified(ANNA)) == [SubjectArrived(CAR, T0, ANNA, "driver")]
    assert car.memory.take_changes() == [(DRIVER, {"subject": ANNA, "ts": T0})]


def test_a_person_brings_along_what_is_known_of_them_and_of_nobody_else() -> None:
    car = Car(RELEASE)
    own, other = StateKey(Scope.SUBJECT, ANNA, "fact", "stamps"), StateKey(Scope.SUBJECT, BEN, "fact", "stamps")
    unit, namesake = StateKey(Scope.UNIT, CAR, "drive"), StateKey(Scope.UNIT, ANNA, "drive")
    parked = Drive(Driving.PARKED).to_json()
    car.hears(replace(identified(ANNA), state={own: fact(9), other: fact(1), unit: parked, namesake: parked}))
    assert car.memory.get(*own) == fact(9)
    assert [car.memory.get(*key) for key in (other, unit, namesake)] == [None] * 3
    assert car.memory.take_changes() == [(DRIVER, {"subject": ANNA, "ts": T0})]


def test_what_changed_since_outweighs_what_a_present_person_brings_along() -> None:
    car = Car(RELEASE)
    stamps = StateKey(Scope.SUBJECT, ANNA, "fact", "stamps")
    car.hears(identified(ANNA))
    car.hears(FactsChanged(CAR, T0, ANNA, {"stamps": 9}))
    car.hears(replace(identified(ANNA, role=Role.PASSENGER), state={stamps: fact(8)}))
    assert car.memory.get(*stamps) == fact(9)


def test_who_is_there_already_does_not_arrive_again() -> None:
    car = Car(RELEASE)
    car.hears(identified(ANNA))
    assert car.hears(identified(ANNA, ts=T0 + 1)) == []


def test_the_next_person_takes_the_place_of_the_one_before() -> None:
    car = Car(RELEASE)
    car.hears(identified(ANNA))
    car.hears(FactsChanged(CAR, T0, ANNA, {"stamps": 9}))
    offer = car.offers()
    assert car.hears(identified(BEN, T0 + 1)) == [SubjectArrived(CAR, T0 + 1, BEN, "driver")]
    assert car.effects == [OfferWithdrawn(offer, CAR, T0 + 1, "subject_left")]
    assert car.here() == BEN
    assert car.memory.owners(Scope.SUBJECT) == []


@pytest.mark.parametrize("event", [identified(BEN, T0 - 1), left(T0 - 1)])
def test_an_identity_from_before_the_last_one_is_late(event: SubjectIdentified | SubjectLeft) -> None:
    car = Car(RELEASE)
    car.hears(identified(ANNA))
    assert car.hears(event, now=T0) == []
    assert car.effects == [EventIgnored(CAR, T0, "late_identity")]
    assert car.here() == ANNA


def test_of_two_who_are_identified_at_one_instant_the_last_heard_is_there() -> None:
    car = Car(RELEASE)
    car.hears(identified(ANNA))
    assert car.hears(identified(BEN)) == [SubjectArrived(CAR, T0, BEN, "driver")]


def test_an_arrival_from_before_the_person_left_is_late() -> None:
    car = Car(RELEASE)
    car.hears(identified(ANNA))
    car.hears(left(T0 + 2))
    assert car.hears(identified(ANNA, ts=T0 + 1), now=T0 + 3) == []
    assert car.memory.get(*DRIVER) == {"subject": None, "ts": T0 + 2}


def test_identifying_somebody_ends_the_session() -> None:
    car = Car(RELEASE)
    car.hears(agreement(SESSION, Purpose.OFFER_DISPLAY)[0])
    offer = car.offers(holder=SESSION)
    car.offers(2, holder=SESSION, unit="car-2")
    car.offers(3, holder=BEN)
    car.hears(identified(ANNA))
    assert car.effects == [OfferWithdrawn(offer, CAR, T0, "session_ended")]
    assert car.memory.owners(Scope.SESSION) == ["car-2"]


def test_who_leaves_takes_offers_and_windows_along_but_not_from_the_ledger() -> None:
    car = Car(RELEASE)
    car.hears(identified(ANNA))
    for event in agreement(ANNA, Purpose.OFFER_DISPLAY):
        car.hears(event)
    window = StateKey(Scope.UNIT, CAR, "window", "tyres/0")
    car.memory.put(window, {"step": 1, "opened": T0})
    offer = car.offers()
    car.offers(2, holder=BEN)
    car.offers(3, unit="car-2")
    car.memory.take_changes()
    assert car.hears(left(T0 + 1)) == []
    assert car.effects == [OfferWithdrawn(offer, CAR, T0 + 1, "subject_left")]
    assert car.memory.owners(Scope.SUBJECT) == []
    changes = car.memory.take_changes()
    assert (DRIVER, {"subject": None, "ts": T0 + 1}) in changes
    assert (window, None) in changes
    assert [key for key, _ in changes if key.scope is Scope.SUBJECT and key.name == "consent"] == []


def test_who_leaves_one_role_stays_in_the_other() -> None:
    car = Car(RELEASE)
    car.hears(identified(ANNA))
    car.hears(identified(ANNA, role=Role.PASSENGER))
    car.hears(FactsChanged(CAR, T0, ANNA, {"stamps": 9}))
    car.offers()
    car.hears(left())
    assert (car.here("driver"), car.here("passenger")) == (None, ANNA)
    assert car.memory.owners(Scope.SUBJECT) == [ANNA]


def test_who_leaves_one_unit_stays_known_at_another() -> None:
    car = Car(RELEASE)
    car.hears(identified(ANNA))
    car.hears(identified(ANNA, unit="till-1", role=Role.CUSTOMER))
    car.hears(FactsChanged(CAR, T0, ANNA, {"stamps": 9}))
    car.offers()
    car.hears(left())
    assert [type(effect) for effect in car.effects] == [OfferWithdrawn]
    assert car.memory.owners(Scope.SUBJECT) == [ANNA]


def test_leaving_where_nobody_is_known_hands_the_unit_over() -> None:
    car = Car(RELEASE)
    car.hears(agreement(SESSION, Purpose.OFFER_DISPLAY)[0])
    offer = car.offers(holder=SESSION)
    assert car.hears(left()) == []
    assert car.effects == [OfferWithdrawn(offer, CAR, T0, "session_ended")]
    assert car.memory.owners(Scope.SESSION) == []


def test_what_an_ended_session_accepted_is_noticed_of_nobody() -> None:
    car = Car(RELEASE)
    offer = car.offers(holder=SESSION)
    car.hears(outcome(offer, Outcome.ACCEPTED))
    car.hears(left())
    assert car.hears(outcome(offer, Outcome.REDEEMED)) == []
    assert [type(effect) for effect in car.effects] == [OutcomeRecorded]


def test_consent_is_recorded_with_a_receipt() -> None:
    car = Car(RELEASE)
    car.hears(identified(ANNA))
    (given,) = agreement(ANNA, Purpose.PROFILING)
    assert car.hears(given) == []
    assert car.effects == [ConsentRecorded(given.id, CAR, ANNA, "profiling", given=True, at=T0)]
    assert consent.granted(car.memory, ANNA, CAR, Purpose.PROFILING, T0)
    assert car.hears(given) == []
    assert car.effects == [EventIgnored(CAR, T0, "known_consent")]


def test_consent_of_somebody_absent_is_for_the_ledger_only() -> None:
    car = Car(RELEASE)
    car.hears(agreement(ANNA, Purpose.PROFILING)[0])
    assert [key[:3] for key, _ in car.memory.take_changes()] == [(Scope.SUBJECT, ANNA, "consent")]
    assert car.memory.owners(Scope.SUBJECT) == []


def test_one_id_that_somebody_absent_withdrew_and_gave_is_withdrawn_when_they_are_back() -> None:
    car, ledger = Car(RELEASE), dict[StateKey, object]()
    for given in (False, True):
        said = replace(agreement(ANNA, Purpose.OFFER_DISPLAY)[0], given=given)
        car.hears(said)
        ledger.update(car.memory.take_changes())
    car.hears(replace(identified(ANNA), state=ledger))
    assert not consent.granted(car.memory, ANNA, CAR, Purpose.OFFER_DISPLAY, T0)


def test_a_withdrawal_takes_the_offers_that_rest_on_it_off_the_screen() -> None:
    car = Car(RELEASE)
    car.hears(identified(ANNA))
    offer = car.offers()
    car.offers(2, holder=BEN)
    car.hears(withdrawal(ANNA, Purpose.PROFILING))
    assert [type(effect) for effect in car.effects] == [ConsentRecorded]
    car.hears(withdrawal(ANNA, Purpose.OFFER_DISPLAY))
    assert car.effects[1:] == [OfferWithdrawn(offer, CAR, T0, "consent_withdrawn")]


def test_a_subjects_withdrawal_holds_at_every_unit_and_a_sessions_at_its_own() -> None:
    car = Car(RELEASE)
    car.hears(withdrawal(ANNA, Purpose.OFFER_DISPLAY, unit="till-1"))
    car.offers(1, holder=SESSION)
    offer = car.offers(2)
    car.hears(withdrawal(SESSION, Purpose.OFFER_DISPLAY, unit="till-1"))
    assert [type(effect) for effect in car.effects] == [ConsentRecorded]
    car.hears(replace(withdrawal(ANNA, Purpose.OFFER_DISPLAY, unit="till-1"), id="w2"))
    assert car.effects[1:] == [OfferWithdrawn(offer, CAR, T0, "consent_withdrawn")]
    car.hears(withdrawal(SESSION, Purpose.OFFER_DISPLAY))
    assert car.effects[1:] == [OfferWithdrawn("o.car-1.e1.1", CAR, T0, "consent_withdrawn")]


def test_facts_are_known_until_they_are_forgotten() -> None:
    car = Car(RELEASE)
    car.hears(identified(ANNA))
    car.hears(FactsChanged(CAR, T0, ANNA, {"stamps": 9, "vip": True}))
    assert dict(car.memory.group(Scope.SUBJECT, ANNA, "fact")) == {"stamps": fact(9), "vip": fact(value=True)}
    car.hears(FactsChanged(CAR, T0 + 2, ANNA, {"stamps": None, "vip": False}))
    assert known_of(car) == {"vip": Fact(value=False, ts=T0 + 2)}
    car.hears(FactsChanged(CAR, T0 + 1, ANNA, {"stamps": 8}), now=T0 + 3)
    assert known_of(car) == {"vip": Fact(value=False, ts=T0 + 2)}, "what was forgotten does not come back late"


def test_facts_of_somebody_absent_are_for_the_ledger_only() -> None:
    car = Car(RELEASE)
    assert car.hears(FactsChanged(CAR, T0, ANNA, {"stamps": 9, "vip": None})) == []
    key = StateKey(Scope.SUBJECT, ANNA, "fact", "stamps")
    assert car.memory.take_changes() == [(key, fact(9)), (key._replace(item="vip"), fact(None))]
    assert car.memory.owners(Scope.SUBJECT) == []


def test_what_the_ledger_knows_of_somebody_absent_outweighs_what_is_older() -> None:
    car, key = Car(RELEASE), StateKey(Scope.SUBJECT, ANNA, "fact", "stamps")
    known = {key: {"value": 9, "ts": T0, "until": None}, key._replace(owner="s.eve"): fact(1)}
    car.hears(FactsChanged(CAR, T0 - 1, ANNA, {"stamps": 3, "vip": True}, state=known), now=T0)
    assert [changed.item for changed, _ in car.memory.take_changes()] == ["vip"]
    assert car.memory.owners(Scope.SUBJECT) == []


def test_an_outcome_is_recorded_and_noticed() -> None:
    car = Car(RELEASE)
    car.hears(identified(ANNA))
    offer = car.offers()
    assert car.hears(outcome(offer, Outcome.ACCEPTED)) == [OfferAccepted(CAR, T0, offer, "pastry", ANNA)]
    assert car.effects == [OutcomeRecorded("r.accepted.1700000000000", offer, CAR, T0, Outcome.ACCEPTED, "")]


def test_a_repeated_outcome_is_ignored() -> None:
    car = Car(RELEASE)
    offer = car.offers()
    car.hears(outcome(offer, Outcome.PRESENTED))
    assert car.hears(outcome(offer, Outcome.PRESENTED)) == []
    assert car.effects == [EventIgnored(CAR, T0, "outcome_not_ahead")]


@pytest.mark.parametrize(
    ("offer", "unit", "reason"), [("o.9", CAR, "unknown_offer"), ("o.car-1.e1.1", "till-1", "not_shown_here")]
)
def test_an_outcome_that_its_sender_got_wrong_is_refused(offer: str, unit: str, reason: str) -> None:
    car = Car(RELEASE)
    car.offers()
    assert car.hears(outcome(offer, Outcome.SEEN, unit=unit)) == []
    assert car.effects == [EventRefused(unit, T0, reason)]


def test_the_answer_of_somebody_absent_is_for_the_ledger_only() -> None:
    car = Car(RELEASE)
    car.hears(identified(BEN))
    car.hears(FactsChanged(CAR, T0, BEN, {"stamps": 9}))
    car.hears(outcome(car.offers(), Outcome.NEVER_AGAIN))
    assert car.memory.owners(Scope.SUBJECT) == [BEN]
    assert (StateKey(Scope.SUBJECT, ANNA, "never", "pastry"), T0) in car.memory.take_changes()


SEATED = {"Vehicle.Cabin.Seat.Row1.DriverSide.OccupancyStatus": "OCCUPIED"}
BESIDE = {"Vehicle.Cabin.Seat.Row1.PassengerSide.OccupancyStatus": "OCCUPIED"}


def test_what_is_personal_is_taken_back_when_somebody_sits_down_beside() -> None:
    car = Car(RELEASE)
    car.hears(identified(ANNA))
    car.signals({**SEATED})
    offer = car.offers(personal=True)
    car.offers(2, Placement.PASSENGER_SCREEN)
    car.offers(3, unit="car-2", personal=True)
    car.signals({**SEATED}, T0 + 1)
    assert car.effects == []
    car.signals({**BESIDE}, T0 + 2)
    assert car.effects == [OfferWithdrawn(offer, CAR, T0 + 2, "not_alone")]


def test_what_is_personal_is_taken_back_when_somebody_else_is_known_beside() -> None:
    car = Car(RELEASE)
    car.hears(identified(ANNA))
    car.signals({**SEATED})
    offer = car.offers(personal=True)
    car.hears(identified(BEN, role=Role.PASSENGER))
    assert car.effects == [OfferWithdrawn(offer, CAR, T0, "not_alone")]


def test_whoever_had_left_a_lost_unit_does_not_leave_again() -> None:
    car = Car(RELEASE)
    car.hears(identified(ANNA))
    car.hears(left(T0 + 1))
    car.memory.take_changes()
    car.hears(UnitLost(CAR, T0 + 2))
    assert car.memory.take_changes() == []


def test_who_takes_anothers_place_keeps_what_they_brought_along() -> None:
    car = Car(RELEASE)
    car.hears(identified(BEN))
    key = StateKey(Scope.SUBJECT, ANNA, "fact", "stamps")
    car.hears(SubjectIdentified(CAR, T0 + 1, "i1", ANNA, Role.DRIVER, state={key: fact(9)}))
    assert known_of(car) == {"stamps": Fact(9, T0)}
    assert car.memory.owners(Scope.SUBJECT) == [ANNA]
