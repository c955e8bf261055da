"""From names and words to the events the engine hears. Ids and times follow from the story alone: no clock."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import shapely

from gateway.core.campaign import Placement
from gateway.core.effects import Offer
from gateway.core.errors import InvalidInput
from gateway.core.events import (
    SESSION,
    BeaconSighted,
    ConsentChanged,
    Event,
    FactsChanged,
    FenceReported,
    ListPrepared,
    OutcomeReported,
    PositionReported,
    Purpose,
    Role,
    SignalsReported,
    SubjectIdentified,
    SubjectLeft,
    UnitKind,
    UnitLost,
    UnitRegistered,
)
from gateway.core.facts import HOUSEHOLD
from gateway.core.fences.geometry import Area, Circle, Fence
from gateway.core.units import SECOND_MS, Instant, Position
from gateway.edge.scenario.story import (
    Answers,
    Arrives,
    At,
    Clock,
    Consents,
    Entry,
    Given,
    Happening,
    Hears,
    Learns,
    Leaves,
    Loses,
    Moves,
    Prepares,
    Signals,
    Told,
)
from gateway.edge.scenario.words import GUEST
from gateway.wire.credentials import keyed_hash
from gateway.wire.payloads import Method

KEY = b"the key of stories, 32 bytes of "
"""The key by which card numbers are hashed in a story."""

PLACEMENTS: Mapping[UnitKind, tuple[Placement, ...]] = {
    UnitKind.CAR: (Placement.DRIVER_SCREEN, Placement.PASSENGER_SCREEN, Placement.VOICE, Placement.PHONE),
    UnitKind.KIOSK: (Placement.KIOSK_SCREEN,),
    UnitKind.BEACON: (Placement.PHONE,),
}
"""What a unit has unless it says otherwise."""

_EARLIEST = datetime(2000, 1, 1)  # noqa: DTZ001 -- by the clock on the wall, as `given` has it
ACCURACY_M = 5.0
TOWARDS_MPS = 14.0
_SURELY_M = 50.0
"""How far beyond the exit buffer a unit is that has surely left."""


class CannotHappen(InvalidInput):
    """The story tells of something that cannot be: an answer to an offer nobody made, somebody who is nowhere.

    Attributes:
        line: Where.
    """

    def __init__(self, line: int, detail: str) -> None:
        super().__init__("cannot_happen", detail)
        self.line = line


class Casting:
    """Whoever and whatever the story names, as the engine knows them; and who is where, as the story goes on.

    Attributes:
        zone: The time zone of the clock on the wall.
    """

    def __init__(self, given: Given, fences: Mapping[str, Fence]) -> None:
        self._given = given
        self._fences = fences
        self.zone = ZoneInfo(given.zone or "UTC")
        self._present: dict[tuple[str, Role], str] = {}
        self._withdrawn: dict[tuple[str, Purpose], list[tuple[Instant, str]]] = {}
        self._said = 0
        self._is_sure = True

    def begin(self) -> Instant:
        """Return when the story begins."""
        return self.instant(self._given.now or _EARLIEST)

    def instant(self, local: datetime) -> Instant:
        """Return the instant at which the clock on the wall shows this."""
        return round(local.replace(tzinfo=self.zone).timestamp()) * SECOND_MS

    def local(self, now: Instant) -> datetime:
        """Return what the clock on the wall shows."""
        return datetime.fromtimestamp(now / SECOND_MS, tz=self.zone)

    def due(self, entry: Entry, now: Instant) -> Instant:
        """Return when an entry happens that follows what happened at `now`.

        Raises:
            CannotHappen: It would be earlier.
        """
        if entry.at is None:
            return now + entry.after_ms
        due = self.instant(_next(entry.at, self.local(now).replace(tzinfo=None)))
        if due < now:
            raise CannotHappen(entry.line, "this is earlier than what stands above it")
        return due

    def subject(self, name: str) -> str:
        """Return by which id the engine knows a person."""
        if name == GUEST:
            return SESSION
        card = self._given.people[name].card
        return name if card is None else keyed_hash(card, KEY)

    def name_of(self, subject: str) -> str:
        """Return the name of whom the engine knows by an id."""
        names = {self.subject(name): name for name in self._given.people}
        return GUEST if subject == SESSION else names.get(subject, subject)

    def card(self, subject: str) -> str | None:
        """Return the card number of whom the engine knows by an id."""
        person = self._given.people.get(self.name_of(subject))
        return None if person is None else person.card

    def registrations(self, now: Instant) -> list[UnitRegistered]:
        """Return the units as they are made known."""
        offset_s = round((self.local(now).utcoffset() or timedelta()).total_seconds())
        return [
            UnitRegistered(
                name,
                now,
                unit.kind or UnitKind.CAR,
                tuple(place.value for place in unit.shows_on or PLACEMENTS[unit.kind or UnitKind.CAR]),
                language=unit.language or "en",
                contextual_offers=bool(unit.guests),
                utc_offset_s=offset_s,
                time_is_sure=self._is_sure,
            )
            for name, unit in self._given.units.items()
        ]

    def given_events(self, now: Instant) -> Iterator[Event]:
        """Yield what tells the engine all that is given of people, places and units."""
        anywhere = next(iter(self._given.units))
        for name, person in self._given.people.items():
            until = None if person.agrees_until is None else self.instant(person.agrees_until)
            agrees = Consents(person.line, name, person.agrees_to or (), given=True, unit=anywhere)
            yield from self._consents(agrees, now, until)
            told = dict(person.facts) | ({} if person.household is None else {HOUSEHOLD: Told(person.household)})
            yield from self._facts(name, told, anywhere, now)
        for about, place in self._given.places.items():
            yield from self._facts(about, place.facts, anywhere, now)
        for about, unit in self._given.units.items():
            yield from self._facts(about, unit.facts, about, now)

    def events(  # noqa: C901, PLR0911 -- one case for each thing that may happen
        self, happening: Happening, now: Instant, offers: list[Offer]
    ) -> list[Event]:
        """Return what the engine hears of something that happens.

        Args:
            happening: What happens.
            now: When.
            offers: All that have been made, in their order.

        Raises:
            CannotHappen: It cannot be.
        """
        match happening:
            case Arrives():
                return [self._arrive(happening, now)]
            case Leaves():
                return [self._leave(happening, now)]
            case Signals():
                return [SignalsReported(self._unit(happening.unit, happening.line), now, dict(happening.values))]
            case Moves():
                return [self._move(happening, now)]
            case Hears():
                unit = self._unit(happening.unit, happening.line)
                return [BeaconSighted(unit, now, happening.beacon, happening.distance_m)]
            case Consents():
                until = None if happening.until is None else self.instant(happening.until)
                return list(self._consents(happening, now, until))
            case Learns():
                return list(self._learn(happening, now))
            case Prepares():
                return [self._prepare(happening, now)]
            case Answers():
                return self._answers(happening, now, offers)
            case Loses():
                return [UnitLost(happening.unit, now)]
            case Clock():
                self._is_sure = happening.sure
                return list(self.registrations(now))

    def whereabouts(self, who: str) -> tuple[str, Role] | None:
        """Return at which unit somebody is, and as what."""
        return next((where for where, present in self._present.items() if present == who), None)

    def _next_id(self) -> str:
        self._said += 1
        return f"story.{self._said}"

    def _unit(self, named: str | None, line: int, who: str | None = None) -> str:
        """Return which unit is meant."""
        where = None if who is None else self.whereabouts(who)
        if named is not None or where is not None:
            return named or (where or ("",))[0]
        if len(self._given.units) > 1:
            raise CannotHappen(line, f"there are several units; say which: {', '.join(self._given.units)}")
        return next(iter(self._given.units))

    def _usual_role(self, unit: str) -> Role:
        return Role.DRIVER if self._given.units[unit].kind is UnitKind.CAR else Role.CUSTOMER

    def _arrive(self, said: Arrives, now: Instant) -> SubjectIdentified:
        unit = said.unit or self._unit(None, said.line)
        role = said.role or self._usual_role(unit)
        self._present[unit, role] = said.who
        subject = self.subject(said.who)
        usual = Method.APP if self._given.people[said.who].card is None else Method.CARD
        return SubjectIdentified(unit, now, self._next_id(), subject, role, (said.method or usual).value)

    def _leave(self, said: Leaves, now: Instant) -> SubjectLeft:
        where = self.whereabouts(said.who)
        if said.who != GUEST and where is None:
            raise CannotHappen(said.line, f"{said.who} is nowhere to leave from")
        unit = said.unit or (where[0] if where else self._unit(None, said.line))
        role = said.role or (where[1] if where else self._usual_role(unit))
        self._present.pop((unit, role), None)
        return SubjectLeft(unit, now, self._next_id(), role)

    def _move(self, said: Moves, now: Instant) -> PositionReported | FenceReported:
        unit, fence = self._unit(said.unit, said.line), self._fences.get(said.place)
        if fence is None:
            raise CannotHappen(said.line, f"there is no place called {said.place!r}")
        if said.how == "past":
            return FenceReported(unit, now, passed_by=(fence.id,))
        middle = _middle(fence)
        if said.how == "into":
            return PositionReported(unit, now, middle, accuracy_m=ACCURACY_M)
        if said.how == "out of":
            there = _north_of(fence, middle, fence.exit_buffer_m + ACCURACY_M + _SURELY_M)
            return PositionReported(unit, now, there, accuracy_m=ACCURACY_M)
        reach_m = fence.approach_m or fence.approach_s * TOWARDS_MPS
        if not reach_m:
            raise CannotHappen(said.line, f"{said.place!r} says nothing of how near is an `approach`")
        there = _north_of(fence, middle, 0.9 * reach_m)
        return PositionReported(unit, now, there, ACCURACY_M, speed_mps=TOWARDS_MPS, heading_deg=180.0)

    def _consents(self, said: Consents, now: Instant, until: Instant | None) -> Iterator[ConsentChanged]:
        unit, holder, ts = self._unit(said.unit, said.line, said.who), self.subject(said.who), now - said.said_ago_ms
        for purpose in said.purposes:
            known = self._withdrawn.setdefault((said.who, purpose), [])
            id_ = self._next_id()
            # Whoever agrees has been told of what was withdrawn until then; an older word knows nothing of it.
            superseded = tuple(withdrawal for when, withdrawal in known if when <= ts) if said.given else ()
            if not said.given:
                known.append((ts, id_))
            yield ConsentChanged(unit, ts, id_, holder, purpose, said.given, superseded, until)

    def _facts(self, about: str, facts: Mapping[str, Told], unit: str, now: Instant) -> Iterator[FactsChanged]:
        """Yield facts, those of one age and one end together; the oldest first."""
        subject = self.subject(about) if about in self._given.people else ""
        fence = about if not subject and about not in self._given.units else ""
        ages: dict[tuple[int, int | None], dict[str, Told]] = {}
        for name, told in facts.items():
            ages.setdefault((told.ago_ms, told.holds_for_ms), {})[name] = told
        for (ago_ms, holds_ms), group in sorted(ages.items(), key=lambda age: -age[0][0]):
            ts = now - ago_ms
            values = {name: told.value for name, told in group.items()}
            until = None if holds_ms is None else ts + holds_ms
            yield FactsChanged(unit, ts, subject, values, self._next_id(), fence, until)

    def _learn(self, said: Learns, now: Instant) -> Iterator[FactsChanged]:
        if said.about not in {*self._given.people, *self._given.units, *self._fences}:
            raise CannotHappen(said.line, f"there is nobody and nothing called {said.about!r}")
        own = said.about if said.about in self._given.units else next(iter(self._given.units))
        yield from self._facts(said.about, said.facts, said.unit or own, now)

    def _prepare(self, said: Prepares, now: Instant) -> ListPrepared:
        until = None if said.holds_for_ms is None else now + said.holds_for_ms
        unit = next(iter(self._given.units))
        return ListPrepared(unit, now, self._next_id(), self.subject(said.who), dict(said.propensities), until)

    def _answers(self, said: Answers, now: Instant, offers: list[Offer]) -> list[Event]:
        offer = next((offer for offer in reversed(offers) if offer.action == said.action), None)
        if offer is None:
            raise CannotHappen(said.line, f"no offer of {said.action!r} has been made until then")
        unit = said.unit or offer.unit
        return [OutcomeReported(unit, now, self._next_id(), offer.id, outcome) for outcome in said.outcomes]


def _next(at: At, now: datetime) -> datetime:
    """Return the next time the clock shows this, now included; on a date that is named, whenever that is."""
    if at.day is not None:
        return datetime.combine(at.day, at.time)
    days = 0 if at.weekday is None else (at.weekday - now.weekday()) % 7
    found = datetime.combine(now.date() + timedelta(days), at.time)
    return found if found >= now else found + timedelta(1 if at.weekday is None else 7)


def _middle(fence: Fence) -> Position:
    if isinstance(fence.shape, Circle):
        return fence.shape.centre
    shape = fence.shape.shape if isinstance(fence.shape, Area) else fence.shape.line
    point = shape.representative_point() if isinstance(fence.shape, Area) else shape.interpolate(0.5, normalized=True)
    return Position(float(shapely.get_x(point)), float(shapely.get_y(point)))


def _north_of(fence: Fence, middle: Position, beyond_m: float) -> Position:
    """Return the first place due north of the middle that is so far from the edge."""
    step_deg = beyond_m / 111_195.0
    low, high = 0.0, step_deg
    while fence.distance_m(Position(middle.lon, middle.lat + high)) < beyond_m:
        low, high = high, high * 2
    for _ in range(40):
        half = (low + high) / 2
        if fence.distance_m(Position(middle.lon, middle.lat + half)) < beyond_m:
            low = half
        else:
            high = half
    return Position(middle.lon, middle.lat + high)
