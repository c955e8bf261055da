"""The engine alone: decisions a second and their latency, and what telemetry costs where no decision falls due."""

import gc
import time
from collections.abc import Sequence
from functools import partial

from figures import percentile, repeated

from gateway.core.campaign import Action, Audience, Kind, Placement, Treatment
from gateway.core.engine import Engine
from gateway.core.events import (
    ConsentChanged,
    PositionReported,
    Purpose,
    Role,
    SignalsReported,
    SubjectIdentified,
    UnitKind,
    UnitRegistered,
)
from gateway.core.fences.geometry import Circle, Fence
from gateway.core.release import Release, compile_release
from gateway.core.steps import Step, Trigger
from gateway.core.units import Position

START = 1_767_250_800_000
CAR = "car-1"
STATION = Position(-122.3, 47.6)
OFF = {"Vehicle.LowVoltageSystemState": "OFF"}
ON = {"Vehicle.LowVoltageSystemState": "ON"}


class NoScorer:
    """The bench's actions have priors."""

    def score(self, model: str, rows: Sequence[Sequence[float]]) -> list[float]:
        """Refuse: no action asks a model."""
        raise AssertionError(model, len(rows))


def release(candidates: int, fences: int = 1) -> Release:
    """Return a release in which parking makes that many candidates, each with three expressions of its own."""
    treatment = Treatment(Placement.DRIVER_SCREEN, "en", "Title", "Body")
    actions = [
        Action(
            id=f"action-{number}",
            kind=Kind.MARKETING,
            audience=Audience.SUBJECT,
            triggers=(Trigger((Step("Parked"),)),),
            treatments=(treatment,),
            eligible=f"parked && occupants < {number + 2}",
            applicable=f"hour >= 0 && month != {number + 20}",
            suitable=f"!tyre_pressure_low || weekday > {number + 10}",
            prior=0.1,
            value=0.1,
            annoyance=1.0,
        )
        for number in range(candidates)
    ]
    circles = [
        Fence(f"f{n}", "fuel_station", f"F{n}", Circle(Position(-122.3 + 0.01 * n, 47.6), 100.0)) for n in range(fences)
    ]
    return compile_release("bench", 1, circles, actions, [])


def ready(candidates: int, fences: int = 1) -> Engine:
    """Return an engine whose driver is known and has agreed to everything."""
    engine = Engine(release(candidates, fences), epoch="b", scorer=NoScorer())
    engine.receive(UnitRegistered(CAR, START, UnitKind.CAR, ("driver_screen",)), START)
    engine.receive(SubjectIdentified(CAR, START, "i1", "s.1", Role.DRIVER), START)
    for purpose in Purpose:
        engine.receive(ConsentChanged(CAR, START, f"c.{purpose}", "s.1", purpose, given=True), START)
    # As the process does once it has started.
    gc.collect()
    gc.freeze()
    return engine


def measure() -> dict[str, object]:
    """Return the figures of the engine."""
    return {
        f"decision_{candidates}_candidates": {
            "p50": repeated(partial(_decision_us, candidates, 0.50), "us"),
            "p99": repeated(partial(_decision_us, candidates, 0.99), "us"),
            "rate": repeated(partial(_decisions_a_second, candidates), "decisions/s", digits=0),
        }
        for candidates in (1, 20, 200)
    } | {
        "signal_without_decision": repeated(_signal_us, "us/event"),
        "fix_far_from_100_fences": repeated(_fix_us, "us/event"),
    }


def _parkings(engine: Engine, count: int) -> list[float]:
    """Return what each of some parkings took, in seconds; every one is decided, and silence wins."""
    took, now = [], START
    for _ in range(count):
        now += 1000
        engine.receive(SignalsReported(CAR, now, ON), now)
        now += 1000
        event = SignalsReported(CAR, now, OFF)
        began = time.perf_counter()
        engine.receive(event, now)
        took.append(time.perf_counter() - began)
    return took


def _decision_us(candidates: int, share: float) -> float:
    took = sorted(_parkings(ready(candidates), 1000))
    return percentile(took, share) * 1e6


def _decisions_a_second(candidates: int) -> float:
    took = _parkings(ready(candidates), 500)
    return len(took) / sum(took)


def _signal_us() -> float:
    engine, count = ready(20), 50_000
    events = [
        SignalsReported(CAR, START + n, {"Vehicle.Speed": 50.0, "Vehicle.Exterior.AirTemperature": 4.0 + n % 3})
        for n in range(count)
    ]
    began = time.process_time()
    for number, event in enumerate(events):
        engine.receive(event, START + number)
    return (time.process_time() - began) / count * 1e6


def _fix_us() -> float:
    engine, count = ready(20, fences=100), 20_000
    events = [
        PositionReported(CAR, START + 1000 * n, Position(-121.0 + 1e-5 * (n % 100), 47.0), 5.0) for n in range(count)
    ]
    began = time.process_time()
    for number, event in enumerate(events):
        engine.receive(event, START + 1000 * number)
    return (time.process_time() - began) / count * 1e6
