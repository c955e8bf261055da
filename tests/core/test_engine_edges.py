"""Where two rules meet: at the same instant, delivered twice, named twice, from before and after."""

from dataclasses import replace

import pytest
import shapely

from gateway.core.campaign import Action, Audience, Kind
from gateway.core.effects import EventIgnored
from gateway.core.events import (
    SESSION,
    BeaconSighted,
    Event,
    FactsChanged,
    FenceReported,
    Outcome,
    Purpose,
    UnitLost,
)
from gateway.core.fences.geometry import Area, Fence
from gateway.core.moments import FenceEntered
from gateway.core.policy import ExpressionFault, check_expression
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.units import Position
from gateway.testing.engines import (
    CAR,
    a_fence,
    a_fix,
    a_release,
    a_trigger,
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
    speed,
)
from gateway.testing.samples import T0

ANNA = "s.anna"
STOP = replace(a_fence("station"), dwell_s=60, beacon="b1")


def an_open_service(id_: str, *moments: str) -> Action:
    action = an_action(id_, kind=Kind.SERVICE, audience=Audience.ANYONE)
    return replace(action, triggers=(a_trigger(*moments, within_s=600 if len(moments) > 1 else 0),))


def test_a_name_bound_like_a_variable_does_not_hide_that_the_variable_is_read() -> None:
    with pytest.raises(ExpressionFault):
        check_expression("fences.exists(facts, facts == 'a') || has(facts.vip)", anyone=True)


def test_a_dwell_at_the_very_instant_a_window_closes_is_too_late() -> None:
    late = replace(an_action(kind=Kind.SERVICE), triggers=(a_trigger("FenceEntered", "FenceDwelled", within_s=60),))
    engine = an_engine(a_release(fences=[STOP], actions=[late]))
    engine.receive(a_fix(), T0)
    assert decisions_in(engine.handle_timer(T0 + 60_000)) == []


@pytest.mark.parametrize("event", [a_fix(ts=T0 + 15), FenceReported(CAR, T0 + 15, entered=("station",))])
def test_what_happened_before_a_fences_last_crossing_does_not_cross_it(event: Event) -> None:
    engine = an_engine(a_release(fences=[STOP]))
    engine.receive(BeaconSighted(CAR, T0 + 10, "b1", 1.0), T0 + 10)
    engine.receive(BeaconSighted(CAR, T0 + 20, "b1", None), T0 + 20)
    assert moments_in(engine.receive(event, T0 + 21)) == []


def test_a_departure_from_before_the_person_was_identified_again_is_late() -> None:
    engine = an_engine(a_release())
    engine.receive(identified(ANNA), T0)
    engine.receive(identified(ANNA, T0 + 200), T0 + 200)
    assert engine.receive(left(T0 + 150), T0 + 201) == [EventIgnored(CAR, T0 + 201, "late_identity")]


def test_a_departure_that_is_delivered_twice_does_not_wipe_the_next_session() -> None:
    engine = an_engine(a_release())
    engine.receive(identified(ANNA), T0)
    engine.receive(left(T0 + 1), T0 + 1)
    engine.receive(agreement(SESSION, Purpose.OFFER_DISPLAY, ts=T0 + 2)[0], T0 + 2)
    assert engine.receive(left(T0 + 1), T0 + 3) == [EventIgnored(CAR, T0 + 3, "late_identity")]


def test_facts_of_the_session_are_kept_of_nobody() -> None:
    engine = an_engine(a_release())
    engine.receive(FactsChanged(CAR, T0, SESSION, {"stamps": 9}), T0)
    assert [key for key in engine.snapshot() if key.scope is Scope.SUBJECT] == []


@pytest.mark.parametrize(("gone", "last"), [(left(T0 + 1), "DroveOff"), (UnitLost(CAR, T0 + 1), "Parked")])
def test_with_the_session_the_windows_it_opened_close(gone: Event, last: str) -> None:
    engine = an_engine(a_release(actions=[an_open_service("a", "Parked"), an_open_service("b", "OfferAccepted", last)]))
    (offer,) = offers_in(engine.receive(ignition_off(), T0))
    engine.receive(outcome(offer.id, Outcome.ACCEPTED), T0)
    engine.receive(gone, T0 + 1)
    signals = speed(50.0, T0 + 2) if last == "DroveOff" else ignition_off(T0 + 2)
    verdicts = [verdict for decision in decisions_in(engine.receive(signals, T0 + 2)) for verdict in decision.verdicts]
    assert "b" not in {verdict.action for verdict in verdicts}


@pytest.mark.parametrize(("before", "after"), [(1, True), (True, 1), (0, False), (1, 1.0)])
def test_true_and_one_are_two_values(before: object, after: object) -> None:
    memory, key = Memory(), StateKey(Scope.SUBJECT, ANNA, "fact", "voice_opt_in")
    memory.put(key, before)
    memory.put(key, after)
    assert memory.take_changes()[1:] == [(key, after)]


def test_an_area_that_ends_at_the_antimeridian_is_found_by_either_name_of_it() -> None:
    fence = Fence("mall", "mall", "Mall", Area(shapely.box(179.9, 10.0, 180.0, 10.1)))
    here = Position(-180.0, 10.05)
    assert fence.distance_m(here) == pytest.approx(0.0, abs=1e-6)
    engine = an_engine(a_release(fences=[fence]))
    assert [type(moment) for moment in moments_in(engine.receive(a_fix(here), T0))] == [FenceEntered]


def test_a_fence_that_a_report_names_twice_is_entered_once() -> None:
    engine = an_engine(a_release(fences=[STOP]))
    assert len(moments_in(engine.receive(FenceReported(CAR, T0, ("station", "station")), T0))) == 1


def test_verdicts_stand_in_the_order_in_which_their_actions_matched() -> None:
    engine = an_engine(a_release(actions=[an_open_service(name, "Parked") for name in "abc"]))
    (decision,) = decisions_in(engine.receive(ignition_off(), T0))
    assert [verdict.action for verdict in decision.verdicts] == ["a", "b", "c"]
