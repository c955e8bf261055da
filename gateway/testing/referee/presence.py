"""Who is at which unit, by the referee's own reading; and which stranger it is."""

from gateway.core.campaign import Placement
from gateway.core.events import SESSION, Event, Role, SubjectIdentified, SubjectLeft, UnitLost
from gateway.core.units import MINUTE_MS, Instant

IDLE_MS = 30 * MINUTE_MS
"""So long after their last word a stranger is taken to be gone."""

_WHOSE: dict[Placement, tuple[Role, ...]] = {
    Placement.DRIVER_SCREEN: (Role.DRIVER,),
    Placement.PASSENGER_SCREEN: (Role.PASSENGER,),
    Placement.KIOSK_SCREEN: (Role.CUSTOMER,),
    Placement.VOICE: (Role.DRIVER, Role.CUSTOMER),
    Placement.PHONE: (Role.DRIVER, Role.PASSENGER, Role.CUSTOMER),
}


class Presence:
    """Who is where.

    A stranger is called by unit and number, so that what one of them said is never taken for another's word.
    """

    def __init__(self) -> None:
        """Begin with nobody anywhere."""
        self._seats: dict[tuple[str, Role], tuple[str | None, Instant]] = {}
        self._strangers: dict[str, int] = {}
        self._spoke: dict[str, Instant] = {}

    def who(self, holder: str, unit: str) -> str:
        """Return a name that is the same for one person only."""
        return f"stranger {self._strangers.get(unit, 0)} at {unit}" if holder == SESSION else holder

    def at(self, unit: str) -> set[str]:
        """Return the known people at a unit."""
        return {subject for (place, _), (subject, _) in self._seats.items() if place == unit and subject is not None}

    def before(self, placement: Placement, unit: str) -> str:
        """Return the holder whose placement it is."""
        for role in _WHOSE[placement]:
            subject, _ = self._seats.get((unit, role), (None, 0))
            if subject is not None:
                return subject
        return SESSION

    def hear(self, event: Event) -> None:
        """Take in who comes and goes."""
        if isinstance(event, SubjectIdentified):
            known, since = self._seats.get((event.unit, event.role), (None, 0))
            if event.ts < since:
                return
            self._seats[event.unit, event.role] = (event.subject, event.ts)
            if known != event.subject:
                self.part(event.unit)
        elif isinstance(event, SubjectLeft):
            seat = (event.unit, event.role)
            known, since = self._seats.get(seat, (None, -1))
            if event.ts < since or (seat in self._seats and known is None and event.ts == since):
                return
            self._seats[seat] = (None, event.ts)
            if known is None or not self.at(event.unit):
                self.part(event.unit)
        elif isinstance(event, UnitLost):
            for place, role in [seat for seat in self._seats if seat[0] == event.unit]:
                if self._seats[place, role][0] is not None:
                    self._seats[place, role] = (None, event.ts)
            self.part(event.unit)

    def part(self, unit: str) -> None:
        """Whoever was unknown there is somebody else from now on."""
        self._strangers[unit] = self._strangers.get(unit, 0) + 1
        self._spoke.pop(unit, None)

    def speak(self, unit: str, now: Instant) -> None:
        """Note that a stranger said something."""
        self._spoke[unit] = now

    def wait(self, now: Instant) -> list[str]:
        """Let strangers go who have said nothing for long; return where they were."""
        gone = [unit for unit, spoke in self._spoke.items() if now >= spoke + IDLE_MS]
        for unit in gone:
            self.part(unit)
        return gone

    def set_back(self, now: Instant, by_ms: int) -> None:
        """Move what was noted of a wrong time."""
        self._seats = {seat: (subject, ts - by_ms if ts > now else ts) for seat, (subject, ts) in self._seats.items()}
