"""A unit on its way through fences around one place, for tests: each step says what is noticed of it, in short."""

from dataclasses import replace

from gateway.core.events import BeaconSighted, FenceReported, PositionReported
from gateway.core.fences import tracker, visits
from gateway.core.fences.geometry import Fence
from gateway.core.fences.tracker import FixFault
from gateway.core.moments import FenceApproached, FenceEntered, FenceExited, FencePassedBy
from gateway.core.state import Memory
from gateway.core.units import Position, metres_per_degree
from gateway.testing.engines import CAR, STATION, a_fence, a_release

FENCE = replace(a_fence("station", radius_m=100.0), exit_buffer_m=30.0, accuracy_limit_m=200.0)
Noticed = list[tuple[str, str]]

_LON_M, _LAT_M = metres_per_degree(STATION.lat)
_SHORT = {FenceEntered: "in", FenceExited: "out", FencePassedBy: "by", FenceApproached: "near"}


def east(way_m: float, north_m: float = 0.0) -> Position:
    """Return a position that far east, and north, of the station's centre, by a measure that is good for a mile."""
    return Position(STATION.lon + way_m / _LON_M, STATION.lat + north_m / _LAT_M)


class Journey:
    """A unit that is reported of; what that shows is made true."""

    def __init__(self, *fences: Fence) -> None:
        self.memory, self.release = Memory(), a_release(fences=fences or [FENCE])

    def at(self, way_m: float, ts: int, accuracy_m: float | None = None) -> Noticed | FixFault:
        return self.hear(PositionReported(CAR, ts, east(way_m), accuracy_m))

    def drives(self, way_m: float, ts: int, *, speed_mps: float, heading_deg: float) -> Noticed | FixFault:
        """Return what is noticed of a fix whose receiver knows speed and heading."""
        return self.hear(PositionReported(CAR, ts, east(way_m), 5.0, speed_mps, heading_deg))

    def hear(self, event: PositionReported) -> Noticed | FixFault:
        told = tracker.locate(self.memory, self.release, event, event.ts)
        if isinstance(told, FixFault):
            return told
        return [] if told is None else self.take(told)

    def told(self, ts: int, *, entered: tuple[str, ...] = (), exited: tuple[str, ...] = ()) -> Noticed:
        return self.take(FenceReported(CAR, ts, entered, exited))

    def hears(self, distance_m: float | None, ts: int, beacon: str = "b1") -> Noticed:
        told = tracker.sight(self.memory, self.release, BeaconSighted(CAR, ts, beacon, distance_m))
        return [] if told is None else self.take(told)

    def route(self, fence: str, eta_s: float, ts: int) -> Noticed:
        """Return what is noticed of a route that ends in a fence."""
        signals = self.memory.kinematics(CAR, "signal")
        signals[tracker.ROUTE_FENCE], signals[tracker.ROUTE_ETA_S] = (ts, fence), (ts, eta_s)
        told = tracker.route_ends(self.memory, self.release, CAR, ts, ts)
        return [] if told is None else self.take(told)

    def take(self, report: FenceReported) -> Noticed:
        moments = visits.take(self.memory, self.release, report, report.ts)
        return [(getattr(moment, "fence"), _SHORT[type(moment)]) for moment in moments]  # noqa: B009 -- of any moment

    @property
    def inside(self) -> list[str]:
        return visits.inside(self.memory, CAR)
