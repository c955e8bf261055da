"""The fences of the small world, and ways through them: slow and fast, with gaps, beside them and back again."""

from dataclasses import replace

import shapely
from hypothesis import strategies as st

from gateway.core.events import BeaconSighted, Event, FenceReported, PositionReported, SignalsReported
from gateway.core.fences.geometry import Area, Circle, Corridor, Fence
from gateway.core.fences.hours import WEEK_MIN, OpeningHours
from gateway.core.units import Position, metres_per_degree

STATION = Position(-122.3000, 47.6000)

_LON_M, _LAT_M = metres_per_degree(STATION.lat)
_THURSDAY_SEVEN = 3 * 1440 + 7 * 60
_HOURS = OpeningHours(
    ((0, 60), (_THURSDAY_SEVEN + 2, _THURSDAY_SEVEN + 6), (_THURSDAY_SEVEN + 30, WEEK_MIN)), ((0, 0),)
)
"""A journey begins on a Thursday at seven."""


def east(way_m: float, north_m: float = 0.0) -> Position:
    """Return the place so far east and north of the station."""
    return Position(STATION.lon + way_m / _LON_M, STATION.lat + north_m / _LAT_M)


def fences() -> list[Fence]:
    """Return fences of every kind and rule; they overlap."""
    south, north = east(400.0, -2_000.0), east(400.0, 2_000.0)
    line = shapely.LineString([(south.lon, south.lat), (north.lon, north.lat)])
    corner, other = east(-150.0, -222.0), east(150.0, 222.0)
    mall = Fence("mall", "mall", "Mall", Area(shapely.box(corner.lon, corner.lat, other.lon, other.lat)))
    return [
        Fence("station", "fuel_station", "Station", Circle(STATION, 100.0), dwell_s=60),
        replace(mall, exit_buffer_m=10.0, enter_buffer_m=5.0, priority=3),
        Fence("street", "zone", "Street", Corridor(line, 12.0), approach_m=150.0, priority=-1),
        Fence("shop", "store", "Shop", Circle(east(150.0), 60.0), opening_hours=_HOURS, approach_s=20, beacon="b1"),
    ]


def fewer_fences() -> list[Fence]:
    """Return what another release makes of them: one is gone, one moved, one never closes, one is new."""
    here = {fence.id: fence for fence in fences()}
    return [
        replace(here["station"], shape=Circle(east(60.0), 80.0), dwell_s=30),
        replace(here["mall"], opening_hours=_HOURS),
        replace(here["shop"], opening_hours=None),
        Fence("bank", "bank", "Bank", Circle(east(300.0), 50.0), approach_m=100.0),
    ]


def tellings(unit: str) -> st.SearchStrategy[Event]:
    """Return what others tell of fences: a beacon, a phone, a route."""
    names = st.lists(st.sampled_from(["station", "mall", "street", "shop", "nowhere"]), max_size=2).map(tuple)
    routes = st.fixed_dictionaries(
        {"Wayside.Route.EtaS": st.sampled_from([5.0, 30.0])},
        optional={"Wayside.Route.Fence": st.sampled_from(["shop", "street", "nowhere"])},
    )
    return st.one_of(
        st.builds(BeaconSighted, st.just(unit), st.just(0), st.just("b1"), st.sampled_from([None, 1.0, 70.0, 500.0])),
        st.builds(FenceReported, st.just(unit), st.just(0), names, names),
        st.builds(SignalsReported, st.just(unit), st.just(0), routes),
    )


def fixes(unit: str) -> st.SearchStrategy[PositionReported]:
    """Return a fix anywhere near."""
    places = st.builds(
        east, st.sampled_from([-400.0, -120.0, 0.0, 60.0, 130.0, 150.0, 390.0, 410.0]), st.sampled_from([0.0, 50.0])
    )
    accuracies = st.sampled_from([None, 5.0, 50.0, 400.0])
    return st.builds(PositionReported, st.just(unit), st.just(0), places, accuracies)


def drives(unit: str) -> st.SearchStrategy[list[Event]]:
    """Return a way from the west to the east or back, a fix for each step of time, at one speed."""

    def drive(start_m: float, speed_mps: float, count: int, aside_m: float, *, tells: bool) -> list[Event]:
        heading_deg = 90.0 if speed_mps > 0 else 270.0
        known = (abs(speed_mps), heading_deg) if tells else (None, None)
        places = [east(start_m + speed_mps * step, aside_m) for step in range(count)]
        return [PositionReported(unit, 0, place, 5.0, *known) for place in places]

    return st.builds(
        drive,
        st.sampled_from([-300.0, -50.0, 100.0, 380.0, 450.0]),
        st.sampled_from([-35.0, -14.0, 1.0, 14.0, 35.0]),
        st.integers(2, 24),
        st.sampled_from([0.0, 40.0, 105.0]),
        tells=st.booleans(),
    )
