import doctest
import math
from collections.abc import Callable

import pytest

from gateway.core import units
from gateway.core.errors import InvalidPosition
from gateway.core.units import Position, delta_lon_deg, distance_m, metres_per_degree

Geodesic = Callable[[Position, Position], float]


@pytest.mark.parametrize(("lon", "lat"), [(-180.0, -90.0), (180.0, 90.0), (0.0, 0.0), (-180, 90)])
def test_the_edges_of_the_world_are_positions(lon: float, lat: float) -> None:
    position = Position(lon, lat)
    assert (position.lon, position.lat) == (lon, lat)


@pytest.mark.parametrize(
    ("lon", "lat"),
    [
        (math.nextafter(180.0, 181.0), 0.0),
        (math.nextafter(-180.0, -181.0), 0.0),
        (0.0, math.nextafter(90.0, 91.0)),
        (0.0, math.nextafter(-90.0, -91.0)),
        (math.nan, 0.0),
        (0.0, math.nan),
        (math.inf, 0.0),
        (0.0, -math.inf),
    ],
)
def test_what_lies_outside_the_world_is_refused(lon: float, lat: float) -> None:
    with pytest.raises(InvalidPosition) as refused:
        Position(lon, lat)
    assert refused.value.reason == "invalid_position"


def test_a_degree_on_the_equator_is_as_wgs_84_defines_it() -> None:
    lon_m, lat_m = metres_per_degree(0.0)
    assert lon_m == pytest.approx(math.pi * 6_378_137.0 / 180, abs=1e-6)
    # The meridian's radius of curvature at the equator is b^2 / a.
    assert lat_m == pytest.approx(math.pi * 6_356_752.314245**2 / 6_378_137.0 / 180, abs=1e-3)


def test_a_degree_of_longitude_vanishes_at_the_poles_and_one_of_latitude_is_longest_there() -> None:
    lon_m, lat_m = metres_per_degree(90.0)
    assert lon_m == pytest.approx(0.0, abs=1e-6)
    # The radius of curvature at a pole is a^2 / b.
    assert lat_m == pytest.approx(math.pi * 6_378_137.0**2 / 6_356_752.314245 / 180, abs=1e-3)


@pytest.mark.parametrize("lat", [0.0, 23.5, 47.6, 66.5, 85.0])
def test_north_and_south_are_measured_alike(lat: float) -> None:
    assert metres_per_degree(lat) == metres_per_degree(-lat)


@pytest.mark.parametrize("lat", [0.0, 47.6, -70.0, 85.0])
def test_a_small_step_is_as_long_as_the_geodesic(lat: float, geodesic_m: Geodesic) -> None:
    lon_m, lat_m = metres_per_degree(lat)
    here, step_deg = Position(8.0, lat), 0.001
    assert step_deg * lon_m == pytest.approx(geodesic_m(here, Position(8.0 + step_deg, lat)), rel=1e-4)
    assert step_deg * lat_m == pytest.approx(geodesic_m(here, Position(8.0, lat + step_deg)), rel=1e-4)


@pytest.mark.parametrize("lat", [0.0, 30.0, -47.6, 60.0, 70.0])
@pytest.mark.parametrize("bearing_deg", [0, 45, 90, 200, 315])
@pytest.mark.parametrize("way_m", [1.0, 250.0, 100_000.0])
def test_distance_is_within_a_thousandth_of_the_geodesic(
    lat: float, bearing_deg: int, way_m: float, geodesic_m: Geodesic
) -> None:
    lon_m, lat_m = metres_per_degree(lat)
    bearing = math.radians(bearing_deg)
    start = Position(10.0, lat)
    end = Position(10.0 + way_m * math.sin(bearing) / lon_m, lat + way_m * math.cos(bearing) / lat_m)
    assert distance_m(start, end) == pytest.approx(geodesic_m(start, end), rel=1e-3)


def test_distance_is_nothing_to_oneself_and_the_same_both_ways() -> None:
    seattle, tacoma = Position(-122.33, 47.61), Position(-122.44, 47.25)
    assert distance_m(seattle, seattle) == 0.0
    assert distance_m(seattle, tacoma) == distance_m(tacoma, seattle)


def test_distance_goes_the_short_way_round_the_antimeridian(geodesic_m: Geodesic) -> None:
    west, east = Position(179.999, -16.5), Position(-179.999, -16.5)
    assert distance_m(west, east) == pytest.approx(geodesic_m(west, east), rel=1e-3)
    assert distance_m(west, east) < 220.0


def test_both_names_of_the_antimeridian_are_one_place() -> None:
    assert distance_m(Position(180.0, 12.0), Position(-180.0, 12.0)) == 0.0


@pytest.mark.parametrize(
    ("start_deg", "end_deg", "way_deg"),
    [
        (0.0, 10.0, 10.0),
        (10.0, 0.0, -10.0),
        (179.5, -179.5, 1.0),
        (-179.5, 179.5, -1.0),
        (180.0, -180.0, 0.0),
        (-90.0, 90.0, -180.0),
        (-90.0, 89.5, 179.5),
        (-90.0, 90.5, -179.5),
    ],
)
def test_the_way_between_longitudes_is_the_short_one(start_deg: float, end_deg: float, way_deg: float) -> None:
    assert delta_lon_deg(start_deg, end_deg) == way_deg


def test_the_examples_in_the_docstrings_hold() -> None:
    result = doctest.testmod(units)
    assert (result.failed, result.attempted > 0) == (0, True)


def test_durations_are_told_in_milliseconds() -> None:
    assert (units.SECOND_MS, units.MINUTE_MS, units.HOUR_MS, units.DAY_MS) == (1_000, 60_000, 3_600_000, 86_400_000)
