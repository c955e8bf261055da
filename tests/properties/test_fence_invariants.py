"""Invariants of fences: what is skipped changes nothing, what is kept is enough, and coming and going alternate."""

import io
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.effects import DURABLE_EFFECTS, Effect, EventIgnored, MomentNoticed, StateChanged
from gateway.core.engine import Engine
from gateway.core.events import FenceReported, PositionReported
from gateway.core.fences import clearance
from gateway.core.fences.geometry import Area, Circle, Corridor, Fence
from gateway.core.fences.hours import WEEK_MIN, OpeningHours
from gateway.core.moments import FenceApproached, FenceEntered, FenceExited, FencePassedBy, Moment
from gateway.core.state import DURABLE, StateKey
from gateway.core.units import DAY_MS, HOUR_MS, SECOND_MS, Instant
from gateway.testing.engines import CAR, a_car, a_release, an_engine, moments_in
from gateway.testing.faults import counts
from gateway.testing.streets import east
from gateway.testing.worlds import (
    EPOCH,
    START,
    HabitScorer,
    Journal,
    another_world,
    engine,
    journeys,
    world,
)
from gateway.wire.journal import JournalWriter, read_lines
from gateway.wire.journal_lines import ActivationLine, EventLine, HeaderLine, Level, TimerLine

patient = settings(deadline=None, max_examples=counts(full=1_000, ci=40))
SEEDS = st.integers(0, 2**32 - 1)
HALF_OF_EACH_HOUR = OpeningHours(tuple((at, at + 30) for at in range(0, WEEK_MIN, 60)), ((0, 0),))
Fixes = list[tuple[Instant, PositionReported]]


def any_fences(draw: random.Random) -> list[Fence]:
    """Return fences of all kinds, sizes and rules, around a place; many overlap."""
    made = []
    for number in range(draw.randint(1, 12)):
        here = east(draw.uniform(-1_500, 1_500), draw.uniform(-400, 400))
        size = 10 ** draw.uniform(-4.5, -2)
        shapes = (
            Circle(here, size * 100_000.0),
            Area(shapely.box(here.lon - size, here.lat - size, here.lon + size, here.lat + size / 2)),
            Corridor(shapely.LineString([(here.lon, here.lat - 0.01), (here.lon + size, here.lat + 0.01)]), 15.0),
        )
        made.append(
            Fence(
                f"f{number}",
                "zone",
                "Any",
                draw.choice(shapes),
                exit_buffer_m=draw.choice([0.0, 30.0, 300.0]),
                dwell_s=draw.choice([0, 30]),
                accuracy_limit_m=draw.choice([20.0, 200.0]),
                enter_buffer_m=draw.choice([0.0, 0.0, 10.0]),
                priority=draw.randint(-2, 2),
                opening_hours=draw.choice([None, None, HALF_OF_EACH_HOUR]),
                approach_m=draw.choice([0.0, 0.0, 250.0]),
                approach_s=draw.choice([0, 0, 0, 20]),
            )
        )
    return made


def any_walk(draw: random.Random, count: int = 150) -> Fixes:
    """Return a way with stops, turns, jumps, gaps and poor fixes."""
    now, way_m, north_m, speed = START, draw.uniform(-1_500, 1_500), draw.uniform(-300, 300), 14.0
    fixes: Fixes = []
    for _ in range(count):
        step_s = draw.choice([1, 1, 1, 1, 5, 14, 16, 600, 3 * 3_600]) if draw.random() < 0.2 else 1
        speed = draw.choice([0.0, 1.0, -14.0, 14.0, 33.0, -33.0]) if draw.random() < 0.1 else speed
        now += step_s * SECOND_MS
        way_m += max(-2_000.0, min(2_000.0, speed * step_s)) + draw.gauss(0, 2)
        north_m += draw.gauss(0, 3)
        if abs(way_m) > 2_000:
            speed = -speed
        aside = draw.choice([0.0] * 30 + [4_000.0])
        accuracy_m = draw.choice([None, 3.0, 5.0, 40.0, 250.0])
        known = (abs(speed), 90.0 if speed > 0 else 270.0) if draw.random() < 0.3 else (None, None)
        late_ms = draw.choice([0] * 20 + [3_000])
        where = east(way_m, north_m + aside)
        fixes.append((now, PositionReported(CAR, now - late_ms, where, accuracy_m, *known)))
    return fixes


def walked(fences: Sequence[Fence], fixes: Fixes) -> tuple[list[Effect], Engine]:
    living = an_engine(a_release(fences=fences), a_car(ts=START))
    return [effect for now, fix in fixes for effect in living.receive(fix, now)], living


@given(SEEDS)
@patient
def test_what_the_clearance_skips_changes_nothing(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 -- places, not secrets
    fences, fixes = any_fences(draw), any_walk(draw)
    effects, living = walked(fences, fixes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clearance, "ENABLED", False)
        measured, watched = walked(fences, fixes)
    assert effects == measured
    assert living.snapshot() == watched.snapshot()


@given(journeys(), st.lists(st.integers(0, 30), max_size=3))
@patient
def test_what_the_clearance_skips_changes_no_decision(journal: Journal, activations: list[int]) -> None:
    effects = [effect for _, call in played(engine(), journal, activations) for effect in call]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clearance, "ENABLED", False)
        assert [effect for _, call in played(engine(), journal, activations) for effect in call] == effects


def played(living: Engine, journal: Journal, activations: Sequence[int]) -> list[tuple[object, list[Effect]]]:
    """Return what each call brought about; before the events of these numbers the other release is activated."""
    calls: list[tuple[object, list[Effect]]] = []
    releases = [world(), another_world()]
    for number, (now, event) in enumerate(journal):
        if number in activations:
            releases.reverse()
            calls.append((ActivationLine(now, releases[0].id), living.activate(releases[0], now)))
        calls.append((EventLine(now, event), living.receive(event, now)))
    return calls


@given(journeys(), st.lists(st.integers(0, 30), max_size=3), st.sampled_from(Level))
@patient
def test_a_journal_with_activations_replays_to_the_same_durable_effects(
    journal: Journal, activations: list[int], level: Level
) -> None:
    stream, effects = io.BytesIO(), list[Effect]()
    writer = JournalWriter(stream, HeaderLine(level, "gw-1", EPOCH, "world"))
    for line, call in played(engine(), journal, activations):
        effects += call
        if isinstance(line, ActivationLine):
            writer.append(line)
        elif isinstance(line, EventLine):
            writer.record(line.event, call, line.now)
    assert durable(replayed(stream.getvalue())) == durable(effects)


def replayed(data: bytes) -> list[Effect]:
    living, effects = engine(), list[Effect]()
    releases = {release.id: release for release in (world(), another_world())}
    for line in read_lines(io.BytesIO(data)):
        match line:
            case EventLine(now, event):
                effects += living.receive(event, now)
            case TimerLine(now):
                effects += living.handle_timer(now)
            case ActivationLine(now, release):
                effects += living.activate(releases[release], now)
            case _:
                pass
    return effects


def durable(effects: Sequence[Effect]) -> list[Effect]:
    return [effect for effect in effects if isinstance(effect, DURABLE_EFFECTS)]


@given(SEEDS)
@patient
def test_coming_and_going_alternate_fence_by_fence(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 -- places, not secrets
    fences, fixes = any_fences(draw), any_walk(draw)
    inside: set[str] = set()
    for moment in moments_in(walked(fences, fixes)[0]):
        if isinstance(moment, FenceEntered):
            assert moment.fence not in inside
            inside.add(moment.fence)
        elif isinstance(moment, FenceExited):
            inside.remove(moment.fence)
        elif isinstance(moment, FencePassedBy | FenceApproached):
            assert moment.fence not in inside


@given(SEEDS)
@patient
def test_nothing_but_an_exit_is_noticed_of_a_closed_fence(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 -- places, not secrets
    fences, fixes = any_fences(draw), any_walk(draw)
    known = {fence.id: fence for fence in fences}
    for moment in moments_in(walked(fences, fixes)[0]):
        if isinstance(moment, FenceEntered | FencePassedBy | FenceApproached):
            assert known[moment.fence].is_open(moment.at)
        elif isinstance(moment, FenceExited) and moment.reason == "closed":
            assert not known[moment.fence].is_open(moment.at)


@given(SEEDS)
@patient
def test_of_one_fix_exits_come_first_and_each_kind_by_priority_then_by_id(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 -- places, not secrets
    fences = [replace(fence, opening_hours=None, dwell_s=0) for fence in any_fences(draw)]
    priority = {fence.id: -fence.priority for fence in fences}
    kinds: list[type[Moment]] = [FenceExited, FencePassedBy, FenceEntered, FenceApproached]
    living = an_engine(a_release(fences=fences), a_car(ts=START))
    for now, fix in any_walk(draw):
        if living.next_timer() is not None:
            living.handle_timer(now)
        noticed = [m for m in moments_in(living.receive(fix, now)) if isinstance(m, tuple(kinds))]
        keys = [(kinds.index(type(m)), priority[m.fence], m.fence) for m in noticed]  # type: ignore[union-attr]
        assert keys == sorted(keys)


@given(SEEDS, st.integers(1, 149))
@patient
def test_a_late_fix_moves_nothing_back(seed: int, at: int) -> None:
    """A backlog that is sent once more, whole, changes nothing."""
    draw = random.Random(seed)  # noqa: S311 -- places, not secrets
    fences, fixes = any_fences(draw), any_walk(draw)
    _, living = walked(fences, fixes[:at])
    now, before = fixes[at - 1][0], living.snapshot()
    newest = max(fix.ts for _, fix in fixes[:at] if living.receive(fix, now) == [EventIgnored(CAR, now, "late_fix")])
    for _, fix in fixes[:at]:
        if fix.ts <= newest:
            assert living.receive(fix, now) == [EventIgnored(CAR, now, "late_fix")]
    assert kept_of(living.snapshot()) == kept_of(before)


def kept_of(state: dict[StateKey, object]) -> dict[StateKey, object]:
    return {key: value for key, value in state.items() if key.scope in DURABLE}


@given(SEEDS, st.integers(1, 149), st.sampled_from([0, SECOND_MS, HOUR_MS]))
@patient
def test_after_a_restart_the_same_place_is_no_news(seed: int, at: int, down_ms: int) -> None:
    """What the ledger holds is enough: no fence is entered, left, approached or passed by for a second time."""
    draw = random.Random(seed)  # noqa: S311 -- places, not secrets
    fences = [replace(fence, opening_hours=None, dwell_s=0) for fence in any_fences(draw)]
    release, fixes = a_release(fences=fences), [replace(fix, accuracy_m=None) for _, fix in any_walk(draw)]
    living, kept = Engine(release, epoch=EPOCH, scorer=HabitScorer()), dict[StateKey, object]()
    effects = living.receive(a_car(ts=START), START)
    now = START
    for fix in fixes[:at]:
        now = max(now, fix.ts)
        effects += living.receive(fix, now)
    for effect in effects:
        if isinstance(effect, StateChanged):
            kept[effect.key] = effect.value
    held = {key: value for key, value in kept.items() if value is not None}
    last = max((fix for fix in fixes[:at]), key=lambda fix: fix.ts)
    if any(isinstance(effect, EventIgnored) for effect in effects):
        return  # of a fix that was set aside nothing is known
    restored = Engine.restore(held, release, epoch=EPOCH, scorer=HabitScorer())
    now += down_ms + 1
    restored.receive(a_car(ts=START), now)
    again = replace(last, ts=last.ts + down_ms + 1, speed_mps=0.0, heading_deg=None)
    assert moments_in(restored.receive(again, now)) == []


@given(st.integers(0, 2 * DAY_MS))
@patient
def test_whoever_falls_silent_is_inside_for_a_day_and_no_longer(silent_ms: int) -> None:
    living = an_engine(a_release(fences=[Fence("f", "zone", "F", Circle(east(0.0), 100.0))]), a_car(ts=START))
    living.receive(FenceReported(CAR, START, ("f",)), START)
    effects = living.handle_timer(START + silent_ms)
    gone = [MomentNoticed(FenceExited(CAR, START + DAY_MS, "f", "zone", "gap"))]
    assert [e for e in effects if isinstance(e, MomentNoticed)] == (gone if silent_ms >= DAY_MS else [])
