from dataclasses import replace

import pytest

from gateway.core.campaign import Action, Kind
from gateway.core.drive import LOW_VOLTAGE, PARKED_LIMIT_MS, SPEED
from gateway.core.effects import EventRefused, OfferWithdrawn, OutcomeRecorded, StateChanged
from gateway.core.engine import AHEAD_MS, Engine
from gateway.core.errors import InvariantViolation
from gateway.core.events import (
    BeaconSighted,
    ConsentChanged,
    Event,
    FenceReported,
    Outcome,
    Purpose,
    Role,
    SignalsReported,
)
from gateway.core.fences.visits import FRESH_MS
from gateway.core.moments import (
    ChallengeAdvanced,
    ChallengeMet,
    DroveOff,
    FenceDwelled,
    FenceEntered,
    FenceExited,
    Parked,
)
from gateway.core.release import compile_release
from gateway.core.state import Scope
from gateway.core.steps import Challenge, Step, Trigger
from gateway.core.terms import Calendar
from gateway.core.units import Position
from gateway.testing.engines import (
    CAR,
    EPOCH,
    STATION,
    FixedScorer,
    a_car,
    a_fence,
    a_fix,
    a_release,
    a_till,
    a_trigger,
    agreement,
    an_action,
    an_engine,
    decisions_in,
    identified,
    ignition_off,
    moments_in,
    offers_in,
    outcome,
    speed,
)
from gateway.testing.samples import T0

ANNA = "s.anna"
FENCE = replace(a_fence("station"), dwell_s=60)
PASTRY = replace(an_action("pastry"), triggers=(Trigger((Step("Parked", fence_kind="fuel_station"),)),))
TYRES = replace(
    an_action("tyres"),
    triggers=(
        Trigger((Step("Parked", fence_kind="fuel_station"), Step("OfferRedeemed", action="pastry")), within_s=180),
    ),
)
LINGER = an_action("linger", moment="FenceDwelled")
RELEASE = a_release(fences=[FENCE], actions=[PASTRY, TYRES])
FAR = Position(STATION.lon + 0.1, STATION.lat)


def with_anna(*actions: Action) -> Engine:
    """Return an engine whose car Anna drives, who agreed to everything."""
    engine = an_engine(a_release(fences=[FENCE], actions=actions), a_car(), a_till())
    engine.receive(identified(ANNA), T0)
    for event in agreement(ANNA):
        engine.receive(event, T0)
    return engine


def test_who_parks_at_the_station_is_offered_a_pastry() -> None:
    engine = with_anna(PASTRY)
    engine.receive(a_fix(), T0)
    effects = engine.receive(ignition_off(), T0)
    assert moments_in(effects) == [Parked(CAR, T0, ("station",), ("fuel_station",))]
    (decision,) = decisions_in(effects)
    assert (decision.id, decision.moments, decision.chosen) == ("d.car-1.e1.1", ("Parked",), "pastry")
    (offer,) = offers_in(effects)
    assert (offer.id, offer.holder, offer.made) == ("o.car-1.e1.1", ANNA, T0)


def test_who_parks_elsewhere_is_left_alone() -> None:
    effects = with_anna(PASTRY).receive(ignition_off(), T0)
    assert moments_in(effects) == [Parked(CAR, T0, (), ())]
    assert decisions_in(effects) == []


def test_red_light_is_not_parked() -> None:
    engine = with_anna(an_action())
    assert moments_in(engine.receive(speed(0.0), T0)) == []
    assert moments_in(engine.receive(ignition_off(T0 + 1), T0 + 1)) == [Parked(CAR, T0 + 1, (), ())]


@pytest.mark.parametrize(("redeemed", "decisions"), [(T0 + 179_999, 2), (T0 + 180_000, 1)])
def test_the_attention_window_closes_by_itself(redeemed: int, decisions: int) -> None:
    engine = with_anna(PASTRY, TYRES)
    effects = engine.receive(a_fix(), T0) + engine.receive(ignition_off(), T0)
    effects += engine.receive(outcome("o.car-1.e1.1", Outcome.REDEEMED, redeemed), redeemed)
    assert len(decisions_in(effects)) == decisions


def test_all_that_one_event_shows_is_decided_at_once() -> None:
    entered, parked = an_action("a", moment="FenceExited"), an_action("b", moment="FenceEntered")
    engine = an_engine(
        a_release(fences=[a_fence("one"), a_fence("two", centre=FAR)], actions=[entered, parked]), a_car(), a_till()
    )
    engine.receive(a_fix(), T0)
    effects = engine.receive(a_fix(FAR, T0 + 600_000), T0 + 600_000)
    (decision,) = decisions_in(effects)
    assert decision.moments == ("FenceExited", "FenceEntered")
    assert {verdict.action for verdict in decision.verdicts} == {"a", "b"}


def test_a_registration_is_kept_and_repeating_it_changes_nothing() -> None:
    engine = Engine(RELEASE, epoch=EPOCH, scorer=FixedScorer())
    (change,) = engine.receive(a_car(), T0)
    assert isinstance(change, StateChanged)
    assert change.key == (Scope.UNIT, CAR, "registered", "")
    assert engine.receive(a_car(), T0) == []


@pytest.mark.parametrize("event", [ignition_off(), a_fix(), identified(ANNA), agreement(ANNA)[0]])
def test_an_unknown_unit_is_refused(event: Event) -> None:
    engine = Engine(RELEASE, epoch=EPOCH, scorer=FixedScorer())
    assert engine.receive(event, T0) == [EventRefused(CAR, T0, "unknown_unit")]
    assert engine.snapshot() == {}


def test_an_event_from_too_far_ahead_is_refused() -> None:
    engine = an_engine(RELEASE)
    ahead = ignition_off(T0 + AHEAD_MS + 1)
    assert engine.receive(ahead, T0) == [EventRefused(CAR, T0, "from_the_future")]
    assert moments_in(engine.receive(ignition_off(T0 + AHEAD_MS), T0)) == [Parked(CAR, T0, (), ())]


@pytest.mark.parametrize(("late_ms", "decisions"), [(FRESH_MS, 1), (FRESH_MS + 1, 0)])
def test_stale_telemetry_is_noticed_but_decides_nothing(late_ms: int, decisions: int) -> None:
    effects = with_anna(an_action()).receive(ignition_off(T0), T0 + late_ms)
    # What is stale parks nobody either.
    assert moments_in(effects) == [Parked(CAR, T0 + late_ms, (), ())] * decisions
    assert len(decisions_in(effects)) == decisions


@pytest.mark.parametrize("event", [a_fix(), FenceReported(CAR, T0, ("station",)), BeaconSighted(CAR, T0, "b1", 1.0)])
@pytest.mark.parametrize(("late_ms", "decisions"), [(FRESH_MS, 1), (FRESH_MS + 1, 0)])
def test_a_crossing_is_stale_by_whatever_it_was_seen(event: Event, late_ms: int, decisions: int) -> None:
    service = an_action("welcome", kind=Kind.SERVICE, moment="FenceEntered")
    engine = an_engine(a_release(fences=[replace(FENCE, beacon="b1")], actions=[service]))
    effects = engine.receive(event, T0 + late_ms)
    assert moments_in(effects) == [FenceEntered(CAR, T0 + late_ms, "station", "fuel_station")]
    assert len(decisions_in(effects)) == decisions


def test_what_is_no_telemetry_is_never_stale() -> None:
    engine = with_anna(an_action("hello", moment="SubjectArrived"))
    later = T0 + 10 * FRESH_MS
    passenger = identified("s.ben", role=Role.PASSENGER)
    assert len(decisions_in(engine.receive(passenger, later))) == 1


def test_time_never_goes_back() -> None:
    engine = an_engine(RELEASE)
    engine.receive(ignition_off(), T0 + 1)
    with pytest.raises(InvariantViolation, match=f"from {T0 + 1} to {T0}"):
        engine.receive(speed(50.0), T0)
    with pytest.raises(InvariantViolation):
        engine.handle_timer(T0)
    with pytest.raises(InvariantViolation):
        engine.activate(RELEASE, T0)
    assert engine.handle_timer(T0 + 1) == []


def test_nothing_is_due_while_nothing_happens() -> None:
    engine = an_engine(RELEASE)
    assert engine.next_timer() is None
    assert engine.handle_timer(T0 + 10**9) == []


def test_the_next_timer_is_the_first() -> None:
    engine = an_engine(RELEASE)
    engine.receive(ignition_off(), T0)
    assert engine.next_timer() == T0 + PARKED_LIMIT_MS
    engine.receive(a_fix(), T0)
    assert engine.next_timer() == T0 + 60_000


@pytest.mark.parametrize("woken", [T0 + 60_000, T0 + 60_001, T0 + 90_000_000])
def test_a_timer_fires_at_its_own_due_instant_however_late_it_is_woken(woken: int) -> None:
    engine = with_anna(LINGER)
    engine.receive(ignition_off(), T0)
    engine.receive(a_fix(), T0)
    effects = engine.handle_timer(woken)
    assert moments_in(effects)[:1] == [FenceDwelled(CAR, T0 + 60_000, "station", "fuel_station")]
    (offer,) = offers_in(effects)
    assert offer.made == T0 + 60_000


def test_due_timers_fire_before_the_event_that_comes_with_them() -> None:
    engine = with_anna(LINGER)
    engine.receive(a_fix(), T0)
    effects = engine.receive(a_fix(FAR, T0 + 600_000), T0 + 600_000)
    assert moments_in(effects) == [
        FenceDwelled(CAR, T0 + 60_000, "station", "fuel_station"),
        FenceExited(CAR, T0 + 600_000, "station", "fuel_station", "left", 600, dwelled=True),
    ]


def test_a_timer_that_another_one_sets_fires_in_its_turn() -> None:
    engine = with_anna(replace(LINGER, valid_for_s=5))
    engine.receive(ignition_off(), T0)
    engine.receive(a_fix(), T0)
    effects = engine.handle_timer(T0 + 600_000)
    (offer,) = offers_in(effects)
    assert effects[-1] == OutcomeRecorded("", offer.id, CAR, T0 + 65_000, Outcome.EXPIRED, "")


def test_without_consent_marketing_is_silent_and_service_is_not() -> None:
    service = an_action("charger", kind=Kind.SERVICE)
    engine = an_engine(a_release(actions=[an_action("pastry"), service]))
    engine.receive(identified(ANNA), T0)
    (decision,) = decisions_in(engine.receive(ignition_off(), T0))
    assert decision.chosen == "charger"
    refused = {verdict.action: verdict.refusal.reason for verdict in decision.verdicts if verdict.refusal}
    assert refused == {"pastry": "no_consent"}


def test_a_withdrawal_takes_the_offer_off_the_screen_at_once() -> None:
    engine = with_anna(an_action())
    engine.receive(ignition_off(), T0)
    withdrawal = ConsentChanged(CAR, T0 + 1, "w1", ANNA, Purpose.OFFER_DISPLAY, given=False)
    effects = engine.receive(withdrawal, T0 + 1)
    assert OfferWithdrawn("o.car-1.e1.1", CAR, T0 + 1, "consent_withdrawn") in effects


def test_a_parked_unit_is_driving_again_after_it_moves() -> None:
    engine = an_engine(a_release(actions=[replace(an_action(), triggers=(a_trigger("DroveOff"),))]))
    engine.receive(ignition_off(), T0)
    effects = engine.receive(speed(50.0, T0 + 1), T0 + 1)
    assert moments_in(effects) == [DroveOff(CAR, T0 + 1)]
    (decision,) = decisions_in(effects)
    assert decision.chosen is None


def test_what_a_challenge_counts_is_an_occasion_too() -> None:
    counted = Challenge("two_stops", Step("Parked"), 2, Calendar.DAY)
    done = replace(an_action("well_done"), triggers=(Trigger((Step("ChallengeMet", challenge="two_stops"),)),))
    engine = an_engine(compile_release("r", 1, [], [done], [], challenges=[counted]), a_car())
    on = SignalsReported(CAR, T0 + 2, {LOW_VOLTAGE: "ON", SPEED: 50.0})
    told: list[Event] = [*agreement(ANNA), ignition_off(T0 + 1), on, ignition_off(T0 + 4)]
    effects = [effect for event in [identified(ANNA), *told] for effect in engine.receive(event, event.ts)]
    advanced = [moment for moment in moments_in(effects) if isinstance(moment, ChallengeAdvanced | ChallengeMet)]
    assert advanced == [
        ChallengeAdvanced(CAR, T0 + 1, "two_stops", ANNA, 1, 1),
        ChallengeAdvanced(CAR, T0 + 4, "two_stops", ANNA, 2, 0),
        ChallengeMet(CAR, T0 + 4, "two_stops", ANNA),
    ]
    assert [offer.action for offer in offers_in(effects)] == ["well_done"]
