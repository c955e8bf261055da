"""Whether a car is parked, by the referee's own reading of the table in `gateway.core.drive`."""

from collections.abc import Mapping

from gateway.core.events import Scalar, SignalsReported
from gateway.core.units import HOUR_MS, SECOND_MS, Instant

LIMIT_MS = 12 * HOUR_MS
_FRESH_MS = 60 * SECOND_MS
_REORDERED_MS = 2 * SECOND_MS
_SPEED = "Vehicle.Speed"
_PARKS: Mapping[str, tuple[Scalar, ...]] = {
    "Vehicle.Powertrain.Transmission.SelectedGear": (126,),
    "Vehicle.Powertrain.Transmission.IsParkLockEngaged": (True,),
    "Vehicle.Chassis.ParkingBrake.IsEngaged": (True,),
    "Vehicle.LowVoltageSystemState": ("LOCK", "OFF", "ACC"),
}
_SEAT = "OccupancyStatus"


class Car:
    """One car: what says that it is parked, and who sits in it."""

    def __init__(self) -> None:
        """Begin with a car of which nothing is known."""
        self.since: Instant | None = None
        self._says_park: set[str] = set()
        self._disproved: set[str] = set()
        self._moves = False
        self._heard = 0
        self._moved = 0
        self._newest: dict[str, Instant] = {}
        self._kept: dict[str, tuple[Instant, Scalar]] = {}

    def is_parked(self, now: Instant) -> bool:
        """Return whether it is parked at an instant, if nothing more is heard until then."""
        return self.since is not None and now < self.since + LIMIT_MS

    def occupants(self) -> int:
        """Return how many seats are taken; -1 if no seat ever told."""
        told = [value for path, (_, value) in self._kept.items() if _SEAT in path and value in {"OCCUPIED", "EMPTY"}]
        return sum(value == "OCCUPIED" for value in told) if told else -1

    def hear(self, event: SignalsReported, now: Instant) -> None:
        """Take in what the car says, path by path no older than what is known."""
        self.lapse(now)
        told = {path: value for path, value in event.signals.items() if event.ts >= self._newest.get(path, 0)}
        for path, value in told.items():
            self._newest[path] = event.ts
            if (path in _PARKS or _SEAT in path) and self._kept.get(path, (0, None))[1] != value:
                self._kept[path] = (event.ts, value)
        if _PARKS.keys() & told.keys() or _SPEED in told:
            self._drive(told, event.ts, now)

    def _drive(self, told: Mapping[str, Scalar], ts: Instant, now: Instant) -> None:
        before = (set(self._says_park), set(self._disproved), self._moves, self._moved, self.since)
        believes = now - ts <= _FRESH_MS and ts >= self._heard - _REORDERED_MS
        weighed = False
        for path in sorted(_PARKS.keys() & told.keys()):
            weighed = True
            if told[path] not in _PARKS[path]:
                self._says_park.discard(path)
                self._disproved.discard(path)
            elif path not in self._says_park and believes:
                self._says_park.add(path)
                self._moves, self._moved = False, max(self._moved, min(ts, now))
        speed = told.get(_SPEED)
        if isinstance(speed, int | float) and ts >= self._moved:
            weighed, moves = True, abs(speed) >= 5
            self._moved = min(ts, now) if moves != self._moves else self._moved
            self._moves = moves
            self._disproved = set(self._says_park) if moves else self._disproved
        parked = bool(self._says_park - self._disproved) and not self._moves
        self.since = (now if self.since is None else self.since) if parked else None
        if weighed and before != (self._says_park, self._disproved, self._moves, self._moved, self.since):
            self._heard = max(ts, self._heard)

    def lapse(self, now: Instant) -> None:
        """After so long without a change nobody can say that it is still parked."""
        if self.since is not None and now >= self.since + LIMIT_MS:
            self._unknow()

    def lose(self) -> None:
        """Its connection is gone: nothing it said counts any more."""
        self._unknow()
        self._newest.clear()
        self._kept.clear()

    def restart(self) -> None:
        """Of what is not kept on disk nobody knows how old it was."""
        self._newest = {path: ts for path, (ts, _) in self._kept.items()}

    def set_back(self, now: Instant, by_ms: int) -> None:
        """Move what was noted of a wrong time."""

        def moved(at: Instant) -> Instant:
            return at - by_ms if at > now else at

        self.since = None if self.since is None else moved(self.since)
        self._heard, self._moved = moved(self._heard), moved(self._moved)
        self._kept = {path: (moved(ts), value) for path, (ts, value) in self._kept.items()}
        self.restart()

    def _unknow(self) -> None:
        self.since, self._moves = None, False
        self._says_park.clear()
        self._disproved.clear()
