from dataclasses import replace

import pytest

from gateway.core.campaign import Action
from gateway.core.drive import GEAR, LOW_VOLTAGE, PARKED_LIMIT_MS, SPEED
from gateway.core.effects import Effect, EventIgnored, EventRefused, OfferWithdrawn, StateChanged
from gateway.core.engine import Engine
from gateway.core.events import Event, FactsChanged, Outcome, SignalsReported
from gateway.core.moments import FenceDwelled, FenceExited, OfferRedeemed
from gateway.core.state import DURABLE, Scope, StateKey
from gateway.core.steps import Step, Trigger
from gateway.core.terms import Cap, ContactPolicy
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
    agreement,
    an_action,
    an_engine,
    decisions_in,
    identified,
    ignition_off,
    moments_in,
    outcome,
    speed,
)
from gateway.testing.samples import T0

ANNA = "s.anna"
FENCE = replace(a_fence("station"), dwell_s=60)
PASTRY = replace(
    an_action("pastry"),
    triggers=(Trigger((Step("Parked", fence_kind="fuel_station"),)),),
    contact=ContactPolicy((Cap(count=1, within_s=3600),)),
)
TYRES = replace(
    an_action("tyres"),
    triggers=(
        Trigger((Step("Parked", fence_kind="fuel_station"), Step("OfferRedeemed", action="pastry")), within_s=180),
    ),
)
LINGER = an_action("linger", moment="FenceDwelled")
RELEASE = a_release(fences=[FENCE], actions=[PASTRY, TYRES])
FAR = Position(STATION.lon + 0.1, STATION.lat)
Journal = list[tuple[int, Event]]


def with_anna(*actions: Action) -> Engine:
    """Return an engine whose car Anna drives, who agreed to everything."""
    engine = an_engine(a_release(fences=[FENCE], actions=actions), a_car(), a_till())
    engine.receive(identified(ANNA), T0)
    for event in agreement(ANNA):
        engine.receive(event, T0)
    return engine


def a_stop() -> Journal:
    """Return how Anna stops at the station, is offered a pastry, redeems it at the till and drives on."""
    offer = "o.car-1.e1.1"
    return [
        (T0, a_car()),
        (T0, a_till()),
        (T0, identified(ANNA)),
        *((T0, event) for event in agreement(ANNA)),
        (T0 + 1_000, a_fix(ts=T0 + 1_000)),
        (T0 + 2_000, ignition_off(T0 + 2_000)),
        (T0 + 3_000, outcome(offer, Outcome.PRESENTED, T0 + 3_000)),
        (T0 + 9_000, outcome(offer, Outcome.ACCEPTED, T0 + 9_000)),
        (T0 + 70_000, FactsChanged(CAR, T0 + 70_000, ANNA, {"stamps": 1})),
        (T0 + 100_000, outcome(offer, Outcome.REDEEMED, T0 + 100_000, unit="till-1")),
        (T0 + 200_000, speed(50.0, T0 + 200_000)),
        (T0 + 300_000, a_fix(FAR, T0 + 300_000)),
        (T0 + PARKED_LIMIT_MS, a_fix(FAR, T0 + PARKED_LIMIT_MS)),
    ]


def played(engine: Engine, journal: Journal) -> list[Effect]:
    return [effect for now, event in journal for effect in engine.receive(event, now)]


def test_what_is_redeemed_at_the_till_opens_the_window_in_the_car() -> None:
    effects = played(Engine(RELEASE, epoch=EPOCH, scorer=FixedScorer()), a_stop())
    assert OfferRedeemed(CAR, T0 + 100_000, "o.car-1.e1.1", "pastry", "till-1", "s.anna") in moments_in(effects)
    assert [(decision.chosen, decision.moments) for decision in decisions_in(effects)] == [
        ("pastry", ("Parked",)),
        ("tyres", ("OfferRedeemed",)),
    ]
    assert OfferWithdrawn("o.car-1.e1.2", CAR, T0 + 200_000, "drove_off") in effects


@pytest.mark.parametrize("delay_ms", [0, 1, 60_000])
def test_when_timers_are_woken_changes_nothing(delay_ms: int) -> None:
    punctual, late = (Engine(RELEASE, epoch=EPOCH, scorer=FixedScorer()) for _ in range(2))
    effects: list[Effect] = []
    for now, event in a_stop():
        while (due := punctual.next_timer()) is not None and due + delay_ms <= now:
            effects += punctual.handle_timer(due + delay_ms)
        effects += punctual.receive(event, now)
    assert effects == played(late, a_stop())


def test_the_same_journal_gives_the_same_effects() -> None:
    first, second = (Engine(RELEASE, epoch=EPOCH, scorer=FixedScorer()) for _ in range(2))
    assert played(first, a_stop()) == played(second, a_stop())
    assert first.snapshot() == second.snapshot()


@pytest.mark.parametrize("at", range(len(a_stop())))
def test_an_engine_restored_from_a_snapshot_goes_on_as_if_nothing_had_happened(at: int) -> None:
    journal, engine = a_stop(), Engine(RELEASE, epoch=EPOCH, scorer=FixedScorer())
    played(engine, journal[:at])
    restored = Engine.restore(engine.snapshot(), RELEASE, epoch=EPOCH, scorer=FixedScorer())
    assert restored.next_timer() == engine.next_timer()
    assert played(restored, journal[at:]) == played(engine, journal[at:])
    assert restored.snapshot() == engine.snapshot()


def test_the_changes_of_state_make_up_the_durable_part_of_a_snapshot() -> None:
    engine, ledger = Engine(RELEASE, epoch=EPOCH, scorer=FixedScorer()), {}
    for effect in played(engine, a_stop()):
        if isinstance(effect, StateChanged):
            ledger[effect.key] = effect.value
    kept = {key: value for key, value in ledger.items() if value is not None}
    assert kept == {key: value for key, value in engine.snapshot().items() if key.scope is not Scope.KINEMATICS}


def test_of_a_ledger_only_those_who_are_present_are_taken_over() -> None:
    engine = with_anna(PASTRY)
    ben = StateKey(Scope.SUBJECT, "s.ben", "fact", "stamps")
    restored = Engine.restore({**engine.snapshot(), ben: 9}, RELEASE, epoch=EPOCH, scorer=FixedScorer())
    assert restored.snapshot() == engine.snapshot()


def test_what_fell_due_while_the_engine_was_down_fires_at_its_own_instant() -> None:
    engine = with_anna(LINGER)
    engine.receive(a_fix(), T0)
    release = a_release(fences=[FENCE], actions=[LINGER])
    restored = Engine.restore(engine.snapshot(), release, epoch=EPOCH, scorer=FixedScorer())
    effects = restored.handle_timer(T0 + 3_600_000)
    assert moments_in(effects) == [FenceDwelled(CAR, T0 + 60_000, "station", "fuel_station")]


def test_what_is_delivered_once_more_after_a_restart_is_not_decided_on_twice() -> None:
    engine = with_anna(PASTRY)
    arrival: list[Event] = [a_fix(STATION, T0 + 1), SignalsReported(CAR, T0 + 1, {GEAR: 127, SPEED: 30.0})]
    parked = SignalsReported(CAR, T0 + 2_000, {GEAR: 126, SPEED: 0.0})
    effects = played(engine, [(T0 + 3_000, event) for event in [*arrival, parked]])
    assert len(decisions_in(effects)) == 1

    durable = {key: value for key, value in engine.snapshot().items() if key.scope in DURABLE}
    restored = Engine.restore(durable, a_release(fences=[FENCE], actions=[PASTRY]), epoch=EPOCH, scorer=FixedScorer())
    told: list[Event] = [a_car(), a_till(), *arrival, parked]
    again = played(restored, [(T0 + 4_000, event) for event in told])
    assert decisions_in(again) == []
    assert not [effect for effect in again if isinstance(effect, OfferWithdrawn)]


def test_a_window_of_an_action_that_is_gone_is_not_taken_over() -> None:
    engine = with_anna(PASTRY, TYRES)
    played(engine, [(T0, a_fix()), (T0, ignition_off())])
    without = a_release(fences=[FENCE], actions=[PASTRY])
    restored = Engine.restore(engine.snapshot(), without, epoch=EPOCH, scorer=FixedScorer())
    window = StateKey(Scope.UNIT, CAR, "window", "tyres/0")
    assert window in engine.snapshot()
    assert window not in restored.snapshot()
    assert StateChanged(window, None) in restored.receive(speed(50.0, T0 + 1), T0 + 1)


def test_a_cap_holds_over_a_restart() -> None:
    engine = with_anna(PASTRY)
    played(engine, [(T0, a_fix()), (T0, ignition_off())])
    release = a_release(fences=[FENCE], actions=[PASTRY])
    restored = Engine.restore(engine.snapshot(), release, epoch=EPOCH, scorer=FixedScorer())
    restored.receive(outcome("o.car-1.e1.1", Outcome.DECLINED, T0 + 1), T0 + 1)
    restored.receive(SignalsReported(CAR, T0 + 2, {LOW_VOLTAGE: "ON"}), T0 + 2)
    (decision,) = decisions_in(restored.receive(ignition_off(T0 + 3), T0 + 3))
    assert decision.id == "d.car-1.e1.2"
    assert [verdict.refusal.reason for verdict in decision.verdicts if verdict.refusal] == ["cap_reached"]


def test_a_new_release_decides_from_then_on() -> None:
    engine = with_anna(an_action("old"))
    new = a_release("release-2", actions=[an_action("new")])
    assert engine.activate(new, T0) == []
    (decision,) = decisions_in(engine.receive(ignition_off(), T0))
    assert (decision.release, decision.chosen) == ("release-2", "new")


def test_activating_fires_what_is_due_by_the_old_release() -> None:
    engine = with_anna(LINGER)
    engine.receive(a_fix(), T0)
    effects = engine.activate(a_release(), T0 + 60_000)
    assert moments_in(effects) == [
        FenceDwelled(CAR, T0 + 60_000, "station", "fuel_station"),
        FenceExited(CAR, T0 + 60_000, "station", "fuel_station", "fence_removed", 60, dwelled=True),
    ]


def test_a_removed_fence_is_left_once_and_its_dwell_never_comes() -> None:
    engine = with_anna(LINGER)
    engine.receive(a_fix(), T0)
    goodbye = a_release("release-2", actions=[an_action("goodbye", moment="FenceExited")])
    effects = engine.activate(goodbye, T0 + 1)
    assert [decision.moments for decision in decisions_in(effects)] == [("FenceExited",)]
    assert moments_in(engine.activate(goodbye, T0 + 2)) == []
    assert moments_in(engine.handle_timer(T0 + 600_000)) == []


def test_a_fence_whose_dwell_a_release_changes_is_dwelled_in_by_the_new_one() -> None:
    engine = with_anna(LINGER)
    engine.receive(a_fix(), T0)
    engine.activate(a_release(fences=[replace(FENCE, dwell_s=90)], actions=[LINGER]), T0 + 1)
    assert engine.next_timer() == T0 + 90_000


@pytest.mark.parametrize(
    ("tyres", "stays"),
    [
        (TYRES, True),
        (replace(TYRES, value=2.0), True),
        (replace(TYRES, triggers=(replace(TYRES.triggers[0], within_s=1201),)), False),
    ],
)
def test_activating_keeps_the_windows_of_unchanged_triggers_only(tyres: Action, *, stays: bool) -> None:
    engine = with_anna(PASTRY, TYRES)
    played(engine, [(T0, a_fix()), (T0, ignition_off())])
    effects = engine.activate(a_release("release-2", fences=[FENCE], actions=[PASTRY, tyres]), T0 + 1)
    window = StateKey(Scope.UNIT, CAR, "window", "tyres/0")
    assert (window in engine.snapshot()) is stays
    assert (StateChanged(window, None) in effects) is not stays


def test_open_offers_stand_when_a_release_drops_their_action() -> None:
    engine = with_anna(PASTRY)
    played(engine, [(T0, a_fix()), (T0, ignition_off())])
    assert [effect for effect in engine.activate(a_release(), T0 + 1) if isinstance(effect, OfferWithdrawn)] == []
    assert not any(
        isinstance(effect, EventIgnored | EventRefused)
        for effect in engine.receive(outcome("o.car-1.e1.1", Outcome.ACCEPTED, T0 + 2), T0 + 2)
    )


def test_a_visit_told_of_long_after_it_began_is_never_noticed_to_dwell() -> None:
    engine = an_engine(a_release(fences=[FENCE], actions=[LINGER]), a_car())
    effects = engine.receive(a_fix(STATION, T0), T0 + 7_200_000)
    assert [type(moment).__name__ for moment in moments_in(effects)] == ["FenceEntered"]
    assert not any(isinstance(moment, FenceDwelled) for moment in moments_in(engine.handle_timer(T0 + 7_300_000)))


def test_a_drive_through_delivered_once_more_after_a_restart_is_not_noticed_twice() -> None:
    drive = [a_fix(STATION, T0 + 1), a_fix(FAR, T0 + 700_000)]
    engine = an_engine(RELEASE, a_car())
    assert len(moments_in(played(engine, [(T0 + 700_001, fix) for fix in drive]))) == 2
    durable = {key: value for key, value in engine.snapshot().items() if key.scope in DURABLE}
    restored = Engine.restore(durable, RELEASE, epoch=EPOCH, scorer=FixedScorer())
    again: list[Event] = [a_car(), *drive, a_fix(STATION, T0 + 1_400_000)]
    told = moments_in(played(restored, [(T0 + 1_400_001, event) for event in again]))
    assert [type(moment).__name__ for moment in told] == ["FenceEntered"]
