"""What is said to one person is for that person, and ends with their being there."""

from dataclasses import replace
from typing import cast

import pytest

from gateway.core.campaign import Action, Audience, Kind, Placement
from gateway.core.drive import LOW_VOLTAGE
from gateway.core.effects import DURABLE_EFFECTS, Effect, OfferWithdrawn, StateChanged
from gateway.core.engine import AHEAD_MS, Engine
from gateway.core.events import (
    SESSION,
    ConsentChanged,
    Event,
    FactsChanged,
    Outcome,
    Purpose,
    Role,
    SignalsReported,
)
from gateway.core.state import Scope, StateKey
from gateway.core.steps import Absence, Step, Trigger
from gateway.testing.engines import (
    CAR,
    EPOCH,
    FixedScorer,
    a_car,
    a_release,
    a_treatment,
    agreement,
    an_action,
    an_engine,
    decisions_in,
    identified,
    ignition_off,
    left,
    moments_in,
    offers_in,
    outcome,
)
from gateway.testing.samples import T0

ANNA, BEN = "s.anna", "s.ben"
DRIVER, PASSENGER = (f"Vehicle.Cabin.Seat.Row1.{side}.OccupancyStatus" for side in ("DriverSide", "PassengerSide"))
PERSONAL = replace(an_action("pastry"), treatments=(replace(a_treatment(), personal=True),))


def parked_with(*actions: Action) -> tuple[Engine, list[Effect]]:
    """Return a car in which Anna, alone and agreed to everything, has just parked; with what that led to."""
    engine = an_engine(a_release(actions=list(actions)))
    events: list[Event] = [identified(ANNA), *agreement(ANNA), SignalsReported(CAR, T0, {DRIVER: "OCCUPIED"})]
    for event in events:
        engine.receive(event, T0)
    return engine, engine.receive(ignition_off(), T0)


@pytest.mark.parametrize(
    "event",
    [
        SignalsReported(CAR, T0 + 1, {PASSENGER: "OCCUPIED"}),
        SignalsReported(CAR, T0 + 1, {DRIVER: "EMPTY"}),
        identified(BEN, T0 + 1, role=Role.PASSENGER),
    ],
)
def test_what_is_personal_is_taken_back_when_somebody_else_could_read_it(event: Event) -> None:
    engine, effects = parked_with(PERSONAL)
    (offer,) = offers_in(effects)
    assert OfferWithdrawn(offer.id, CAR, T0 + 1, "not_alone") in engine.receive(event, T0 + 1)


def withdrawn_in(effects: list[Effect]) -> list[tuple[str, str]]:
    return [(effect.offer, effect.reason) for effect in effects if isinstance(effect, OfferWithdrawn)]


@pytest.mark.parametrize("event", [identified(BEN, T0 + 2), left(T0 + 2)])
def test_who_changes_seats_leaves_no_offer_to_whoever_sits_there_next(event: Event) -> None:
    engine, effects = parked_with(an_action("pastry"))
    (offer,) = offers_in(effects)
    assert withdrawn_in(engine.receive(identified(ANNA, T0 + 1, role=Role.PASSENGER), T0 + 1)) == []
    assert withdrawn_in(engine.receive(event, T0 + 2)) == [(offer.id, "subject_left")]


def test_who_leaves_another_seat_keeps_what_stands_before_them() -> None:
    engine, _ = parked_with(an_action("pastry"))
    engine.receive(identified(ANNA, T0 + 1, role=Role.PASSENGER), T0 + 1)
    assert withdrawn_in(engine.receive(left(T0 + 2, role=Role.PASSENGER), T0 + 2)) == []


def test_an_offer_of_an_older_ledger_stands_until_its_person_is_gone() -> None:
    engine, effects = parked_with(an_action("pastry"))
    (offer,) = offers_in(effects)
    engine.receive(identified(ANNA, T0 + 1, role=Role.PASSENGER), T0 + 1)
    state = engine.snapshot()
    key = StateKey(Scope.OFFER, CAR, "live", offer.id)
    state[key] = {name: said for name, said in cast("dict[str, object]", state[key]).items() if name != "role"}
    older = Engine.restore(state, a_release(actions=[an_action("pastry")]), epoch=EPOCH, scorer=FixedScorer())
    assert withdrawn_in(older.receive(left(T0 + 2), T0 + 2)) == []
    assert withdrawn_in(older.receive(left(T0 + 3, role=Role.PASSENGER), T0 + 3)) == [(offer.id, "subject_left")]


BASKET = Step("FactChanged", fact="basket")


@pytest.mark.parametrize(
    "pattern",
    [
        Trigger((BASKET, Step("Parked")), 600),
        Trigger((BASKET,), absence=Absence(Step("DroveOff"), 60)),
        Trigger((Step("FactChanged", fact="basket", times=2),), 600),
    ],
)
def test_what_is_known_of_anna_is_an_occasion_for_nobody_beside_her(pattern: Trigger) -> None:
    engine = an_engine(a_release(actions=[replace(an_action("basket"), triggers=(pattern,))]))
    seats = SignalsReported(CAR, T0, {DRIVER: "OCCUPIED", PASSENGER: "OCCUPIED"})
    told = [FactsChanged(CAR, T0 + ms, who, {"basket": ms}) for ms, who in ((1, ANNA), (2, BEN))]
    events: list[Event] = [identified(BEN), identified(ANNA, role=Role.PASSENGER), *agreement(BEN), *agreement(ANNA)]
    events += [seats, *told[: pattern.steps[0].times], ignition_off(T0 + 3)]
    effects = [effect for event in events for effect in engine.receive(event, event.ts)]
    (decision,) = decisions_in([*effects, *engine.handle_timer(T0 + 60_003)])
    assert {verdict.refusal.reason for verdict in decision.verdicts if verdict.refusal} == {"about_somebody_else"}
    assert decision.chosen is None


def test_what_is_personal_stays_while_its_person_is_alone() -> None:
    engine, effects = parked_with(PERSONAL)
    assert len(offers_in(effects)) == 1
    again = engine.receive(SignalsReported(CAR, T0 + 1, {PASSENGER: "EMPTY"}), T0 + 1)
    assert not [effect for effect in again if isinstance(effect, OfferWithdrawn)]


def test_what_anna_accepted_leads_to_nothing_for_whoever_sits_beside_her() -> None:
    more = replace(an_action("more", kind=Kind.SERVICE, audience=Audience.ANYONE), triggers=())
    accepted = replace(more, triggers=an_action("x", moment="OfferAccepted").triggers)
    beside = replace(accepted, treatments=(a_treatment(Placement.PASSENGER_SCREEN),))
    engine, effects = parked_with(an_action("pastry"), beside)
    (offer,) = offers_in(effects)
    (decision,) = decisions_in(engine.receive(outcome(offer.id, Outcome.ACCEPTED, T0 + 1), T0 + 1))
    assert [verdict.refusal.reason for verdict in decision.verdicts if verdict.refusal] == ["about_somebody_else"]


def test_a_session_ends_with_the_process_that_knew_it() -> None:
    service = an_action("poster", audience=Audience.ANYONE)
    car = a_car(contextual_offers=True)
    engine, ledger = an_engine(a_release(actions=[service]), car), dict[StateKey, object]()

    def hear(event: Event, now: int) -> list[Effect]:
        effects = engine.receive(event, now)
        ledger.update({e.key: e.value for e in effects if isinstance(e, StateChanged) and e.value is not None})
        return effects

    hear(car, T0)
    for event in agreement(SESSION):
        hear(event, T0)
    (offer,) = offers_in(hear(ignition_off(), T0))
    again = Engine.restore(ledger, a_release(actions=[service]), epoch=EPOCH, scorer=FixedScorer())
    effects = again.receive(car, T0 + 1)
    assert OfferWithdrawn(offer.id, CAR, T0 + 1, "session_ended") in effects
    assert moments_in(again.receive(outcome(offer.id, Outcome.ACCEPTED, T0 + 2), T0 + 2)) == []
    assert not [e for e in again.receive(car, T0 + 3) if isinstance(e, DURABLE_EFFECTS)]


def test_the_session_ends_when_the_last_known_person_leaves() -> None:
    engine = an_engine(a_release())
    engine.receive(identified(ANNA), T0)
    engine.receive(agreement(SESSION, Purpose.OFFER_DISPLAY)[0], T0)
    engine.receive(left(T0 + 1), T0 + 1)
    assert [key for key in engine.snapshot() if key.scope == "session"] == []


def test_no_withdrawal_is_lost_to_a_clock_that_runs_ahead() -> None:
    engine, effects = parked_with(an_action("pastry"))
    (offer,) = offers_in(effects)
    ahead = T0 + 100 * AHEAD_MS
    withdrawn = ConsentChanged(CAR, ahead, "w1", ANNA, Purpose.OFFER_DISPLAY, given=False)
    assert OfferWithdrawn(offer.id, CAR, T0 + 1, "consent_withdrawn") in engine.receive(withdrawn, T0 + 1)
    engine.receive(left(ahead), T0 + 2)
    assert moments_in(engine.receive(identified(ANNA, T0 + 3), T0 + 3)) != []


def test_a_warning_that_was_accepted_is_given_again() -> None:
    warning = an_action("pressure", kind=Kind.SAFETY, audience=Audience.ANYONE)
    engine, effects = parked_with(warning)
    (offer,) = offers_in(effects)
    engine.receive(outcome(offer.id, Outcome.ACCEPTED, T0 + 1), T0 + 1)
    engine.receive(SignalsReported(CAR, T0 + 2, {LOW_VOLTAGE: "ON"}), T0 + 2)
    assert len(offers_in(engine.receive(ignition_off(T0 + 3), T0 + 3))) == 1
