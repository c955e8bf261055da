import math
from collections.abc import Callable

import numpy as np
import pytest

from gateway.core.fences.ground import way_m, ways_m
from gateway.core.units import Position

Geodesic = Callable[[Position, Position], float]
PLACES = [
    Position(-122.3, 47.6),
    Position(-122.3001, 47.6001),
    Position(179.9999, -16.5),
    Position(-179.9999, -16.5),
    Position(12.0, 84.9),
    Position(-160.0, 85.0),
    Position(0.0, 0.0),
    Position(30.0, -60.0),
]


@pytest.mark.parametrize("start", PLACES)
@pytest.mark.parametrize("end", PLACES)
def test_ways_are_geodesics_to_a_thousandth(start: Position, end: Position, geodesic_m: Geodesic) -> None:
    if abs(geodesic_m(start, end)) < 1e7:
        assert way_m(start.lon, start.lat, end.lon, end.lat) == pytest.approx(geodesic_m(start, end), rel=1e-3)


def test_many_ways_are_as_long_as_each_by_itself() -> None:
    here, lons, lats = PLACES[0], np.array([p.lon for p in PLACES]), np.array([p.lat for p in PLACES])
    alone = [way_m(here.lon, here.lat, place.lon, place.lat) for place in PLACES]
    assert ways_m(here.lon, here.lat, lons, lats).tolist() == pytest.approx(alone)


def test_a_pole_is_one_place_whatever_its_meridian() -> None:
    assert way_m(0.0, 90.0, 123.0, 90.0) == pytest.approx(0.0, abs=1e-6)
    assert way_m(0.0, 89.999, 180.0, 89.999) == pytest.approx(223.4, rel=1e-3)


def test_both_names_of_the_antimeridian_are_one_place() -> None:
    assert way_m(180.0, 10.0, -180.0, 10.0) == 0.0


def test_the_other_end_of_the_earth_is_half_way_round() -> None:
    assert way_m(0.0, 0.0, 180.0, 0.0) == pytest.approx(math.pi * 6_371_008.8, rel=5e-3)
