"""What users of other geofences complain about, one by one: each is named after the complaint and does not happen."""

import random
from dataclasses import replace

import pytest
import shapely

from gateway.core.effects import EventIgnored
from gateway.core.engine import Engine
from gateway.core.events import BeaconSighted, FenceReported, PositionReported
from gateway.core.fences.geometry import Area, Fence
from gateway.core.fences.tracker import FixFault
from gateway.core.moments import FenceEntered, FenceExited, Moment
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant, Position
from gateway.testing.engines import (
    CAR,
    EPOCH,
    FixedScorer,
    a_car,
    a_fence,
    a_fix,
    a_release,
    an_action,
    an_engine,
    decisions_in,
    moments_in,
)
from gateway.testing.samples import T0
from tests.core.fences.journey import FENCE, Journey, east

HOME = replace(FENCE, beacon="b1")


def test_flapping_at_the_edge_of_a_fence() -> None:
    """traccar#2189, #6019, owntracks/android#670: noise of 12 m on the very edge enters once and never leaves."""
    journey, draw = Journey(), random.Random(1)  # noqa: S311 -- noise, not secrets
    noticed = [journey.at(100.0 + draw.uniform(-12, 12), second * SECOND_MS, 10.0) for second in range(1, 600)]
    assert [each for each in noticed if each] == [[("station", "in")]]


def test_accuracy_blind_exits() -> None:
    """Ikolvi/Tracelet#268, #274: a fix 400 m off that may be wrong by 500 m ends no visit, nor does it begin one."""
    journey = Journey()
    journey.at(0.0, 1_000, 5.0)
    assert journey.at(500.0, 30_000, 500.0) == []
    assert journey.at(500.0, 60_000, 5.0) == [("station", "out")]
    assert journey.at(0.0, 90_000, 500.0) == []


def test_poor_accuracy_never_enlarges_a_fence() -> None:
    """The same: a circle of uncertainty that touches the fence is not the unit in it."""
    assert Journey().at(150.0, 1_000, 100.0) == []


def test_a_fence_left_that_was_never_entered() -> None:
    """home-assistant/core#125229: no report, sighting or fix leaves what was not entered."""
    journey = Journey(HOME)
    assert journey.at(500.0, 1_000) == []
    assert journey.told(2_000, exited=("station",)) == []
    assert journey.hears(None, 3_000) == []


def test_a_fence_entered_again_and_again() -> None:
    """home-assistant/core#164950, #141160: fixes, a phone and a beacon all say so; it was entered once."""
    journey = Journey(HOME)
    assert journey.at(0.0, 1_000) == [("station", "in")]
    assert journey.told(2_000, entered=("station",)) == []
    assert journey.hears(1.0, 3_000) == []
    assert journey.at(5.0, 4_000) == []


@pytest.mark.parametrize("accuracy_m", [None, 0.0])
def test_a_fix_whose_accuracy_is_missing_or_0_is_silently_dropped(accuracy_m: float | None) -> None:
    """home-assistant/core#2830, #10676: unknown is not useless; it enters and leaves like any other."""
    journey = Journey()
    assert journey.at(0.0, 1_000, accuracy_m) == [("station", "in")]
    assert journey.at(200.0, 20_000, accuracy_m) == [("station", "out")]


def test_passed_through_between_two_fixes() -> None:
    """Traccar PR#4316, owntracks/android#2173: the way between them is looked at, if they belong together."""
    journey = Journey(a_fence("crossing", radius_m=5.0))
    journey.at(-14.0, 1_000)
    assert journey.at(14.0, 2_000) == [("crossing", "by")]


def test_a_long_silence_passes_through_everything_on_its_straight_line() -> None:
    """The same, overdone: of what lay between two fixes an hour and ten kilometres apart nothing is made up."""
    journey = Journey(*(a_fence(f"f{number}", centre=east(500.0 * number), radius_m=50.0) for number in range(1, 20)))
    journey.at(0.0, 1_000)
    assert journey.at(10_000.0, 1_000 + HOUR_MS) == []


def test_a_late_backlog_causes_storms_of_in_and_out() -> None:
    """vitalidze/traccar-web#1090, owntracks/ios#466: what is older than the last fix moves nothing."""
    engine = engine_of(FENCE, act=True)
    engine.receive(a_fix(east(500.0)), T0)
    backlog = [a_fix(east(0.0 if second % 2 else 300.0), T0 - 60_000 + 1_000 * second) for second in range(60)]
    for fix in backlog:
        assert engine.receive(fix, T0 + 1_000) == [EventIgnored(CAR, T0 + 1_000, "late_fix")]


def test_a_backlog_makes_an_offer_of_long_ago() -> None:
    """The same, where the backlog is all there is: it says where the unit was, and nothing is decided on it."""
    engine = engine_of(FENCE, act=True)
    effects = engine.receive(a_fix(east(0.0), T0 - HOUR_MS), T0)
    assert [type(moment) for moment in moments_in(effects)] == [FenceEntered]
    assert decisions_in(effects) == []


def engine_of(*fences: Fence, act: bool = False) -> Engine:
    return an_engine(a_release(fences=fences, actions=[an_action(moment="FenceEntered")] if act else []))


def restarted(engine: Engine, *fences: Fence) -> Engine:
    """Return the engine after its process ended: what lives in memory only is gone."""
    kept = {key: value for key, value in engine.snapshot().items() if key.scope != "kinematics"}
    restored = Engine.restore(kept, a_release(fences=fences), epoch=EPOCH, scorer=FixedScorer())
    restored.receive(a_car(), T0)
    return restored


def test_after_a_restart_everything_is_entered_once_more() -> None:
    """openhab-addons#6939: who was inside is inside; the first fix there is no news."""
    engine = engine_of(FENCE)
    engine.receive(a_fix(east(0.0)), T0)
    restored = restarted(engine, FENCE)
    assert moments_in(restored.receive(a_fix(east(3.0), T0 + MINUTE_MS), T0 + MINUTE_MS)) == []
    assert noticed_at(restored, 500.0, T0 + 2 * MINUTE_MS) == [exit_at(T0 + 2 * MINUTE_MS, "left", stayed_s=120)]


def test_a_days_old_position_is_taken_for_now() -> None:
    """home-assistant/core#31778: after a day of silence nobody knows; the exit says so, and decides nothing."""
    engine = an_engine(a_release(fences=[FENCE], actions=[an_action(moment="FenceExited")]))
    engine.receive(a_fix(east(0.0)), T0)
    restored = Engine.restore(
        engine.snapshot(),
        a_release(fences=[FENCE], actions=[an_action(moment="FenceExited")]),
        epoch=EPOCH,
        scorer=FixedScorer(),
    )
    effects = restored.handle_timer(T0 + 3 * DAY_MS)
    assert moments_in(effects) == [exit_at(T0 + DAY_MS, "gap")]
    assert decisions_in(effects) == []
    assert noticed_at(restored, 500.0, T0 + 3 * DAY_MS) == []


def noticed_at(engine: Engine, way_m: float, at: Instant) -> list[Moment]:
    return moments_in(engine.receive(a_fix(east(way_m), at), at))


def exit_at(at: Instant, reason: str, stayed_s: int = 0) -> FenceExited:
    return FenceExited(CAR, at, "station", "fuel_station", reason, stayed_s)


def test_a_fence_that_is_removed_leaves_no_exit() -> None:
    """tile38#635: those inside leave it, with the reason."""
    engine = engine_of(FENCE)
    engine.receive(a_fix(east(0.0)), T0)
    assert moments_in(engine.activate(a_release(), T0 + 1)) == [exit_at(T0 + 1, "fence_removed")]


def test_a_fence_that_is_removed_leaves_an_exit_for_everybody() -> None:
    """tile38#374, 12,000 messages: those who were not inside hear nothing."""
    engine = an_engine(a_release(fences=[FENCE]), *(a_car(f"car-{number}") for number in range(50)))
    engine.receive(replace(a_fix(east(0.0)), unit="car-7"), T0)
    for number in range(8, 50):
        engine.receive(replace(a_fix(east(500.0)), unit=f"car-{number}"), T0)
    assert [moment.unit for moment in moments_in(engine.activate(a_release(), T0 + 1))] == ["car-7"]


def test_a_fence_that_is_removed_while_the_process_was_down_is_forgotten_or_becomes_another_kind() -> None:
    engine = engine_of(FENCE)
    engine.receive(a_fix(east(0.0)), T0)
    restored = restarted(engine)
    assert moments_in(restored.activate(a_release(), T0 + 1)) == [exit_at(T0 + 1, "fence_removed")]


@pytest.mark.parametrize(
    ("lon", "inside"), [(179.999, True), (180.0, True), (-180.0, True), (-179.999, True), (0.0, False)]
)
def test_the_antimeridian_turns_a_fence_inside_out(lon: float, *, inside: bool) -> None:
    """geolib#38, tile38#650, node-red-node-geofence: a fence over it is small, wherever it is asked from."""
    halves = [shapely.box(179.99, -17.0, 180.0, -16.9), shapely.box(-180.0, -17.0, -179.99, -16.9)]
    journey = Journey(Fence("fiji", "zone", "Fiji", Area(shapely.MultiPolygon(halves))))
    journey.hear(PositionReported(CAR, 1_000, Position(lon, -16.95)))
    assert journey.inside == (["fiji"] if inside else [])


def test_driving_over_the_antimeridian_leaves_and_enters_the_same_fence() -> None:
    halves = [shapely.box(179.9, -17.0, 180.0, -16.9), shapely.box(-180.0, -17.0, -179.9, -16.9)]
    journey = Journey(Fence("fiji", "zone", "Fiji", Area(shapely.MultiPolygon(halves))))
    lons = [179.95 + 0.0003 * step for step in range(330)]
    places = [Position(lon if lon <= 180.0 else lon - 360.0, -16.95) for lon in lons]
    noticed = [journey.hear(PositionReported(CAR, 1_000 * (n + 1), place)) for n, place in enumerate(places)]
    assert [each for each in noticed if each] == [[("fiji", "in")]]


def test_one_wild_fix_leaves_and_enters() -> None:
    """What no vehicle can do is set aside: the visit goes on."""
    journey = Journey()
    journey.at(0.0, 1_000)
    assert journey.at(5_000.0, 2_000) is FixFault.JUMP
    assert journey.at(1.0, 3_000) == []


def test_a_phone_and_a_beacon_disagree_with_the_fixes_for_ever() -> None:
    """OwnTracks transitions and beacons speak to the same state: who left by one may enter by another."""
    engine = engine_of(HOME)
    seen = [
        moments_in(engine.receive(FenceReported(CAR, T0, ("station",)), T0)),
        noticed_at(engine, 500.0, T0 + MINUTE_MS),
        moments_in(engine.receive(BeaconSighted(CAR, T0 + 2 * MINUTE_MS, "b1", 1.0), T0 + 2 * MINUTE_MS)),
        moments_in(engine.receive(FenceReported(CAR, T0 + 3 * MINUTE_MS, (), ("station",)), T0 + 3 * MINUTE_MS)),
    ]
    assert [type(moment).__name__ for (moment,) in seen] == ["FenceEntered", "FenceExited"] * 2
