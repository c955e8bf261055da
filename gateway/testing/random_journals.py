"""Random journals: several units and people, whose days are told step by step while a gateway lives through them.

An outcome can only be told of an offer that was made, so a story hears what came of it. It aims: it knows at which
instants something may turn (a window ends, an offer or a consent lapses) and lets something happen just then, a
millisecond before, or one after.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from gateway.core.campaign import Placement
from gateway.core.drive import LOW_VOLTAGE, SPEED
from gateway.core.effects import Effect, Offer, OfferMade, OutcomeRecorded
from gateway.core.events import (
    SESSION,
    ConsentChanged,
    Event,
    FactsChanged,
    FenceReported,
    ListPrepared,
    Outcome,
    OutcomeReported,
    Purpose,
    Role,
    Scalar,
    SignalsReported,
    SubjectIdentified,
    SubjectLeft,
    UnitKind,
    UnitLost,
    UnitRegistered,
)
from gateway.core.release import Release
from gateway.core.terms import Calendar, ContactPolicy
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from gateway.testing.drawing import Draw, among, chance, some
from gateway.testing.random_campaigns import FENCES, PLACE_FACTS, START, SUBJECT_FACTS, UNITS, WORKS
from gateway.testing.shell import Activated, Entry, Occurrence, Restarted, SetBack

PEOPLE = ("s.anna", "s.ben", "s.cleo")
HOUSEHOLDS = ("h.1", "h.2")

_CARS = ("car-1", "car-2")
_RESTS_ON = (Purpose.OFFER_DISPLAY, Purpose.LOCATION_TRIGGERS, Purpose.PROFILING)
_SOON = (0, 0, 1, SECOND_MS, 5 * SECOND_MS, 30 * SECOND_MS, MINUTE_MS - 1, MINUTE_MS, 3 * MINUTE_MS)
_LATER = (10 * MINUTE_MS, HOUR_MS, HOUR_MS, 7 * HOUR_MS, DAY_MS, 8 * DAY_MS, 32 * DAY_MS)
_SEAT = "Vehicle.Cabin.Seat.Row1.{}Side.OccupancyStatus"
_LOW = "Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.IsPressureLow"
_LEVEL = "Vehicle.Powertrain.FuelSystem.RelativeLevel"
_ENDS = (
    *[Outcome.ACCEPTED] * 4,
    *[Outcome.EXPIRED] * 2,
    Outcome.DECLINED,
    Outcome.DECLINED,
    Outcome.DISMISSED,
    Outcome.SEEN,
    Outcome.REDEEMED,
)


class Story:
    """What happens next, and next.

    Attributes:
        now: When the last of it happened.
        jumps: How often time leapt by an hour or more.
    """

    def __init__(self, draw: Draw, releases: Sequence[Release]) -> None:
        """Begin a story in which these releases may be activated."""
        self.now = START
        self.jumps = 0
        self._draw = draw
        self._releases = releases
        self._active = 0
        self._number = 0
        self._aims: deque[Instant] = deque(maxlen=60)
        self._offers: deque[Offer] = deque(maxlen=30)
        self._answers: deque[tuple[Offer, Outcome]] = deque(maxlen=20)
        self._withdrawn: dict[str, list[str]] = {}
        self._sent: deque[Event] = deque(maxlen=12)
        self._ahead_ms = 0

    def beginning(self) -> Iterator[Entry]:
        """Tell what there is: units, places, and people who mostly agree."""
        offset_s = among(self._draw, (0, 3600, -18_000))
        for unit in UNITS:
            yield self._entry(self._unit(unit, offset_s=offset_s))
        for fence in FENCES:
            told: dict[str, Scalar | None] = {"price": 1.5, "stock": 3, WORKS: fence.startswith("bank")}
            yield self._entry(FactsChanged(UNITS[0], self.now, "", told, self._id(), fence=fence))
        for person in PEOPLE:
            known: dict[str, Scalar] = {
                "risk": 0.5,
                "worth": among(self._draw, (5.0, 20.0, 40.0)),
                "visits": 3,
                "basket": "coffee",
            }
            facts: dict[str, Scalar | None] = {**known, "voice_opt_in": True}
            if chance(self._draw, 60):
                facts["household"] = among(self._draw, HOUSEHOLDS)
            yield self._entry(FactsChanged(UNITS[0], self.now, person, facts, self._id()))
            if chance(self._draw, 90):
                yield from map(self._entry, self._agree(UNITS[0], person))
            if chance(self._draw, 70):
                chances = {name: among(self._draw, (0.1, 0.6)) for name in self._releases[0].actions}
                yield self._entry(ListPrepared(UNITS[0], self.now, self._id(), person, chances))
        for unit, person in zip(UNITS, PEOPLE, strict=True):
            role = Role.DRIVER if unit in _CARS else Role.CUSTOMER
            yield self._entry(SubjectIdentified(unit, self.now, self._id(), person, role))

    def next(self) -> Iterator[Entry]:
        """Tell what happens next: something that belongs together, each of it a while after the one before."""
        scene = Story._answer if self._answers and chance(self._draw, 60) else among(self._draw, _SCENES)
        aimed = self._aim() if scene in _OCCASIONS and chance(self._draw, 30) else None
        if aimed is None:
            self._pass(among(self._draw, _SOON if chance(self._draw, 95) else _LATER))
        else:
            self._pass(aimed - self.now)
        for what in scene(self):
            yield self._entry(what)
            if aimed is None and chance(self._draw, 30):
                self._pass(among(self._draw, (0, 1, SECOND_MS)))

    def hear(self, effects: Iterable[Effect]) -> None:
        """Take in what came of it, so that offers are answered, and instants aimed at."""
        for effect in effects:
            if isinstance(effect, OfferMade):
                self._offers.append(effect.offer)
                self._aim_at(effect.offer)
                if chance(self._draw, 75):
                    self._answers.append((effect.offer, Outcome.PRESENTED))
                    if chance(self._draw, 55):
                        end = Outcome.NEVER_AGAIN if chance(self._draw, 3) else among(self._draw, _ENDS)
                        self._answers.append((effect.offer, end))
            elif isinstance(effect, OutcomeRecorded) and effect.outcome is not Outcome.PRESENTED:
                self._aims += [effect.at + after_s * SECOND_MS for after_s in (60, 600, 3600, 86_400)]

    def _entry(self, what: Occurrence) -> Entry:
        if not isinstance(what, Restarted | Activated | SetBack):
            self._sent.append(what)
        return Entry(self.now, what)

    def _pass(self, by_ms: int) -> None:
        self.now += by_ms
        self.jumps += by_ms >= HOUR_MS

    def _id(self) -> str:
        self._number += 1
        return f"i{self._number}"

    def _late(self) -> Instant:
        """Return when a sender says it was: mostly now."""
        return self.now - among(self._draw, (0,) * 12 + (500, 3 * MINUTE_MS))

    def _aim_at(self, offer: Offer) -> None:
        self._aims.append(offer.expires)
        release = self._releases[self._active]
        action = release.actions.get(offer.action)
        for _, policy in release.levels(action) if action is not None else ():
            self._aims += [end for cap in policy.caps if (end := offer.made + cap.within_s * SECOND_MS) > offer.made]
            self._aims += _turns(policy, offer.made)

    def _aim(self) -> Instant | None:
        """Return one of the next instants at which something may turn, or one just beside it."""
        ahead = sorted({aim for aim in self._aims if self.now < aim - 1})[:4]
        return among(self._draw, ahead) + among(self._draw, (-1, 0, 0, 0, 1)) if ahead else None

    def _unit(self, unit: str, *, offset_s: int = 0, sure: bool = True) -> UnitRegistered:
        is_car = unit in _CARS
        placements = tuple(placement.value for placement in Placement if is_car or placement is not Placement.VOICE)
        if not is_car:
            placements = (Placement.KIOSK_SCREEN.value, Placement.PHONE.value, Placement.DRIVER_SCREEN.value)
        kind = UnitKind.CAR if is_car else UnitKind.KIOSK
        language, open_to_all = among(self._draw, ("en", "de-CH")), chance(self._draw, 80)
        return UnitRegistered(unit, self.now, kind, placements, language, open_to_all, offset_s, sure)

    def _somebody(self) -> str:
        return among(self._draw, (*PEOPLE, SESSION))

    def _agree(self, unit: str, holder: str) -> list[Event]:
        """Agree to all that offers rest on; mostly told of every withdrawal, mostly without end."""
        told = tuple(self._withdrawn.get(holder, ())) if chance(self._draw, 93) else ()
        ends = None if chance(self._draw, 85) else self.now + among(self._draw, (MINUTE_MS, HOUR_MS, 2 * DAY_MS))
        if ends is not None:
            self._aims.append(ends)
        agreed = partial(ConsentChanged, holder=holder, given=True, supersedes=told, valid_until=ends)
        return [agreed(unit, self._late(), self._id(), purpose=purpose) for purpose in _RESTS_ON]

    def _consent(self) -> list[Event]:
        return self._agree(among(self._draw, UNITS), self._somebody())

    def _stranger(self) -> list[Event]:
        """Somebody unknown stands there and agrees."""
        unit = among(self._draw, UNITS)
        role = Role.DRIVER if unit in _CARS else Role.CUSTOMER
        return [SubjectLeft(unit, self.now, self._id(), role), *self._agree(unit, SESSION)]

    def _withdraw(self) -> list[Event]:
        unit, holder = among(self._draw, UNITS), self._somebody()
        if self._offers and chance(self._draw, 60):
            unit, holder = self._offers[-1].unit, self._offers[-1].holder
        events: list[Event] = []
        for purpose in some(self._draw, _RESTS_ON, 2) or (Purpose.OFFER_DISPLAY,):
            withdrawn = ConsentChanged(unit, self._late(), self._id(), holder, purpose, given=False)
            self._withdrawn.setdefault(holder, []).append(withdrawn.id)
            events.append(withdrawn)
        return [*events, *(self._agree(unit, holder) if chance(self._draw, 60) else [])]

    def _park(self) -> list[Event]:
        car = among(self._draw, _CARS)
        off: dict[str, Scalar] = {LOW_VOLTAGE: "OFF"}
        return [*self._drive(car), SignalsReported(car, self._late(), off)]

    def _drive(self, car: str = "") -> list[Event]:
        on: dict[str, Scalar] = {LOW_VOLTAGE: "ON", SPEED: among(self._draw, (0.0, 4.9, 5.0, 50.0, -10.0))}
        return [SignalsReported(car or among(self._draw, _CARS), self._late(), on)]

    def _signals(self) -> list[Event]:
        car = among(self._draw, _CARS)
        told: list[dict[str, Scalar]] = [
            {_SEAT.format("Driver"): "OCCUPIED", _SEAT.format("Passenger"): among(self._draw, ("OCCUPIED", "EMPTY"))},
            {_SEAT.format("Driver"): "OCCUPIED", _SEAT.format("Passenger"): "EMPTY"},
            {_LOW: chance(self._draw, 50)},
            {_LEVEL: among(self._draw, (5.0, 60.0))},
            {SPEED: among(self._draw, (0.0, 3.0, 60.0))},
            {"Vehicle.Chassis.ParkingBrake.IsEngaged": chance(self._draw, 50)},
            {"Vehicle.Powertrain.Transmission.SelectedGear": among(self._draw, (126, 127))},
        ]
        return [SignalsReported(car, self._late(), among(self._draw, told))]

    def _go(self) -> list[Event]:
        """Leave everywhere and come to one place."""
        unit, there = among(self._draw, UNITS), among(self._draw, FENCES)
        elsewhere = tuple(fence for fence in FENCES if chance(self._draw, 70))
        approached = (among(self._draw, FENCES),) if chance(self._draw, 20) else ()
        return [FenceReported(unit, self._late(), (there,), elsewhere, approached=approached, receded=elsewhere)]

    def _arrive(self) -> list[Event]:
        unit, person = among(self._draw, UNITS), among(self._draw, PEOPLE)
        role = Role.CUSTOMER if unit not in _CARS else among(self._draw, (Role.DRIVER, Role.DRIVER, Role.PASSENGER))
        gone: list[Event] = [SubjectLeft(unit, self.now, self._id(), role)] if chance(self._draw, 60) else []
        return [*gone, SubjectIdentified(unit, self._late(), self._id(), person, role)]

    def _leave(self) -> list[Event]:
        unit = among(self._draw, UNITS)
        return [SubjectLeft(unit, self._late(), self._id(), among(self._draw, tuple(Role)))]

    def _tell(self) -> list[Event]:
        """Something new is known of a person, or of where a unit is."""
        ends = None if chance(self._draw, 80) else self.now + among(self._draw, (MINUTE_MS, HOUR_MS))
        unit = among(self._draw, UNITS)
        if chance(self._draw, 60):
            name = among(self._draw, SUBJECT_FACTS)
            values: tuple[Scalar | None, ...] = (None, 0.1, 0.9, 3, 30.0, "coffee")
            told = {name: among(self._draw, values)}
            return [FactsChanged(unit, self.now, among(self._draw, PEOPLE), told, self._id(), valid_until=ends)]
        place = among(self._draw, (*PLACE_FACTS, WORKS))
        value: Scalar | None = chance(self._draw, 60) if place == WORKS else among(self._draw, (None, 0, 1, 2.5, 7))
        fence = among(self._draw, ("", *FENCES))
        return [FactsChanged(unit, self._late(), "", {place: value}, self._id(), fence=fence, valid_until=ends)]

    def _answer(self) -> list[Event]:
        """What was planned, or at times something else, or much later."""
        if self._answers and chance(self._draw, 85):
            offer, outcome = self._answers.popleft()
        elif self._offers:
            offer, outcome = among(self._draw, self._offers), among(self._draw, tuple(Outcome))
            if outcome is Outcome.NEVER_AGAIN and chance(self._draw, 70):
                return []
        else:
            return []
        elsewhere = outcome is Outcome.REDEEMED or chance(self._draw, 2)
        unit = among(self._draw, UNITS) if elsewhere else offer.unit
        return [OutcomeReported(unit, self.now, self._id(), offer.id, outcome)]

    def _rare(self) -> Sequence[Occurrence]:
        """What happens seldom: what is told of a person, a lost or changed unit, a start, another release, a clock."""
        told: Sequence[Callable[[], Sequence[Occurrence]]] = (self._household, self._list, self._opt_in)
        of_units = (self._lost, self._registered)
        of_all = (self._restarted, self._restarted, self._activated, self._clock, *(self._again,) * 5)
        return among(self._draw, (*told, *of_units, *of_all))()

    def _household(self) -> list[Occurrence]:
        house = {"household": among(self._draw, (None, *HOUSEHOLDS))}
        return [FactsChanged(among(self._draw, UNITS), self.now, among(self._draw, PEOPLE), house, self._id())]

    def _opt_in(self) -> list[Occurrence]:
        voice = {"voice_opt_in": chance(self._draw, 50)}
        return [FactsChanged(among(self._draw, UNITS), self.now, among(self._draw, PEOPLE), voice, self._id())]

    def _list(self) -> list[Occurrence]:
        names = some(self._draw, list(self._releases[self._active].actions), 5)
        chances = {name: among(self._draw, (0.1, 0.6)) for name in names}
        return [ListPrepared(among(self._draw, UNITS), self.now, self._id(), among(self._draw, PEOPLE), chances)]

    def _lost(self) -> list[Occurrence]:
        return [UnitLost(among(self._draw, UNITS), self.now)]

    def _registered(self) -> list[Occurrence]:
        offset_s, sure = among(self._draw, (0, 0, 3600)), chance(self._draw, 80)
        return [self._unit(among(self._draw, UNITS), offset_s=offset_s, sure=sure)]

    def _restarted(self) -> list[Occurrence]:
        return [Restarted()]

    def _activated(self) -> list[Occurrence]:
        self._active = self._draw.whole(0, len(self._releases) - 1)
        return [Activated(self._active)]

    def _again(self) -> list[Occurrence]:
        """Something is delivered once more."""
        return [among(self._draw, self._sent)] if self._sent else []

    def _clock(self) -> list[Occurrence]:
        """The clock leaps ahead; or, if it had, is set right."""
        if self._ahead_ms:
            by_ms, self._ahead_ms = self._ahead_ms, 0
            self.now -= by_ms
            return [SetBack(by_ms)]
        self._ahead_ms = among(self._draw, (0, HOUR_MS, DAY_MS + 1, 400 * DAY_MS))
        self.now += self._ahead_ms
        return [Restarted()]


def _turns(policy: ContactPolicy, made: Instant) -> list[Instant]:
    """Return when fixed windows that begin with the hour or the day are over, in UTC."""
    lengths = {Calendar.HOUR: HOUR_MS, Calendar.DAY: DAY_MS}
    each = [lengths[cap.each] for cap in policy.caps if cap.each in lengths]
    return [made - made % length + length for length in each]


_OCCASIONS: tuple[Callable[[Story], Sequence[Occurrence]], ...] = (
    Story._park,  # noqa: SLF001 -- its own scenes
    Story._go,  # noqa: SLF001 -- its own scenes
    Story._arrive,  # noqa: SLF001 -- its own scenes
    Story._tell,  # noqa: SLF001 -- its own scenes
)
_SCENES = (
    *_OCCASIONS * 5,
    *(Story._answer,) * 2,  # noqa: SLF001 -- its own scenes
    *(Story._signals,) * 3,  # noqa: SLF001 -- its own scenes
    Story._stranger,  # noqa: SLF001 -- its own scenes
    *(Story._consent,) * 2,  # noqa: SLF001 -- its own scenes
    Story._drive,  # noqa: SLF001 -- its own scenes
    Story._withdraw,  # noqa: SLF001 -- its own scenes
    Story._leave,  # noqa: SLF001 -- its own scenes
    *(Story._rare,) * 2,  # noqa: SLF001 -- its own scenes
)
"""What may happen; what stands often happens often."""
