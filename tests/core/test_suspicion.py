from dataclasses import replace

import pytest
import shapely

from gateway.core import consent, suspicion
from gateway.core.events import FenceReported, Purpose, SubjectIdentified
from gateway.core.fences import visits
from gateway.core.fences.geometry import Area, Circle, Corridor, Fence, Shape
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.units import HOUR_MS, MINUTE_MS, Instant, Position, metres_per_degree
from gateway.testing.engines import CAR, a_fence, a_release, agreement, identified

ANNA = "s.anna"
TILL = "till-1"
HERE = Position(8.0, 47.0)
LON_M, LAT_M = metres_per_degree(HERE.lat)
SIGHTED = StateKey(Scope.SUBJECT, ANNA, "sighted")


def east(way_km: float) -> Position:
    return Position(HERE.lon + way_km * 1000 / LON_M, HERE.lat)


class World:
    """A car in one fence, a till in another, and a person who may be at both."""

    def __init__(self, *fences: Fence, purposes: tuple[Purpose, ...] = tuple(Purpose)) -> None:
        self.memory, self.release = Memory(), a_release(fences=fences)
        for event in agreement(ANNA, *purposes):
            consent.record(self.memory, event)

    def enters(self, unit: str, *fences: str) -> None:
        visits.take(self.memory, self.release, FenceReported(unit, 0, fences), 0)

    def suspects(self, unit: str, ts: Instant, now: Instant | None = None) -> bool:
        event: SubjectIdentified = identified(ANNA, ts, unit=unit)
        return suspicion.sight(self.memory, self.release, event, ts if now is None else now)


def apart(way_km: float, radius_m: float = 100.0) -> World:
    world = World(
        a_fence("home", centre=HERE, radius_m=radius_m), a_fence("away", centre=east(way_km), radius_m=radius_m)
    )
    world.enters(CAR, "home")
    world.enters(TILL, "away")
    return world


@pytest.mark.parametrize(
    ("way_km", "took_ms", "suspected"),
    [
        (10.1, 0, False),
        (10.3, 0, True),
        (10.3, 2 * MINUTE_MS, True),
        (10.3, 3 * MINUTE_MS, False),
        (301.0, HOUR_MS, True),
        (299.0, HOUR_MS, False),
        (3_000.0, HOUR_MS, True),
        (3_000.0, 24 * HOUR_MS, False),
    ],
)
def test_who_would_have_had_to_be_too_fast_is_suspected(way_km: float, took_ms: int, *, suspected: bool) -> None:
    world = apart(way_km)
    assert not world.suspects(CAR, HOUR_MS)
    assert world.suspects(TILL, HOUR_MS + took_ms) is suspected


def test_the_last_sighting_is_kept_and_nothing_else() -> None:
    world = apart(50.0)
    world.suspects(CAR, HOUR_MS)
    assert world.memory.get(*SIGHTED) == {"unit": CAR, "fence": "home", "ts": HOUR_MS}
    world.suspects(TILL, 2 * HOUR_MS)
    assert world.memory.get(*SIGHTED) == {"unit": TILL, "fence": "away", "ts": 2 * HOUR_MS}


def test_a_sighting_that_is_told_late_is_weighed_and_not_kept() -> None:
    world = apart(50.0)
    world.suspects(CAR, 2 * HOUR_MS)
    assert world.suspects(TILL, 2 * HOUR_MS - MINUTE_MS, now=3 * HOUR_MS)
    assert world.memory.get(*SIGHTED)["unit"] == CAR


def test_one_unit_may_be_as_fast_as_it_likes() -> None:
    world = apart(50.0)
    world.suspects(CAR, HOUR_MS)
    visits.take(world.memory, world.release, FenceReported(CAR, HOUR_MS, ("away",), ("home",)), HOUR_MS)
    assert not world.suspects(CAR, HOUR_MS + 1)
    assert world.memory.get(*SIGHTED) == {"unit": CAR, "fence": "away", "ts": HOUR_MS + 1}


def test_outside_every_fence_nobody_is_sighted() -> None:
    world = World(a_fence("home", centre=HERE))
    assert not world.suspects(CAR, HOUR_MS)
    assert world.memory.get(*SIGHTED) is None


@pytest.mark.parametrize("purposes", [(Purpose.PROFILING,), (Purpose.OFFER_DISPLAY, Purpose.CLOUD_SYNC)])
def test_without_consent_to_location_nothing_is_kept_or_compared(purposes: tuple[Purpose, ...]) -> None:
    world = World(a_fence("home", centre=HERE), purposes=purposes)
    world.enters(CAR, "home")
    world.memory.put(SIGHTED, {"unit": TILL, "fence": "home", "ts": 1})
    world.memory.take_changes()
    assert not world.suspects(CAR, HOUR_MS)
    assert world.memory.take_changes() == []


def test_what_is_withdrawn_is_dropped_from_the_ledger_too() -> None:
    world = apart(50.0)
    world.suspects(CAR, HOUR_MS)
    world.memory.take_changes()
    suspicion.forget(world.memory, ANNA)
    assert world.memory.take_changes() == [(SIGHTED, None)]


def test_a_fence_that_is_no_more_suspects_nobody() -> None:
    world = apart(50.0)
    world.suspects(CAR, HOUR_MS)
    world.release = a_release(fences=[a_fence("away", centre=east(50.0))])
    assert not world.suspects(TILL, HOUR_MS)


@pytest.mark.parametrize(
    ("shape", "suspected"),
    [
        (Circle(east(50.0), 30_000.0), True),
        (Circle(east(50.0), 45_000.0), False),
        (Area(shapely.box(HERE.lon + 30_000 / LON_M, 46.99, HERE.lon + 70_000 / LON_M, 47.01)), True),
        (Area(shapely.box(HERE.lon + 5_000 / LON_M, 46.99, HERE.lon + 95_000 / LON_M, 47.01)), False),
        (Corridor(shapely.LineString([(east(40.0).lon, 47.0), (east(60.0).lon, 47.0)]), 50.0), True),
        (Corridor(shapely.LineString([(east(40.0).lon, 47.0), (east(60.0).lon, 47.0)]), 70_000.0), False),
    ],
)
def test_what_a_fence_spans_is_given_to_its_visitors(shape: Shape, *, suspected: bool) -> None:
    world = World(a_fence("home", centre=HERE), replace(a_fence("away"), shape=shape))
    world.enters(CAR, "home")
    world.enters(TILL, "away")
    world.suspects(CAR, HOUR_MS)
    assert world.suspects(TILL, HOUR_MS) is suspected


def test_of_several_fences_the_smallest_says_where_somebody_was() -> None:
    world = World(a_fence("city", centre=HERE, radius_m=20_000.0), a_fence("shop", centre=HERE, radius_m=50.0))
    world.enters(CAR, "city", "shop")
    world.suspects(CAR, HOUR_MS)
    assert world.memory.get(*SIGHTED)["fence"] == "shop"
