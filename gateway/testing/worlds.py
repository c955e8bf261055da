"""A small world for property tests: two units, two people, every kind of action, and random journeys through it.

`journeys()` draws what happens as symbolic steps; `realise` turns them into a concrete journal of `(now, event)`, for
an outcome can only be reported of an offer that was really made. What a property then varies (timers, restarts,
other people's data) is varied over that same journal.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeAlias

from hypothesis import strategies as st

from gateway.core.campaign import Action, Audience, Kind, Placement, Treatment
from gateway.core.effects import Effect, OfferMade
from gateway.core.engine import Engine
from gateway.core.events import (
    SESSION,
    ConsentChanged,
    Event,
    FactsChanged,
    Outcome,
    OutcomeReported,
    PositionReported,
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
from gateway.core.release import ModelSpec, Release, compile_release
from gateway.core.state import Scope, StateKey
from gateway.core.steps import Step, Trigger
from gateway.core.terms import Cap, ContactPolicy, Reward
from gateway.core.units import MINUTE_MS, SECOND_MS, Instant, Position
from gateway.testing import streets

Journal: TypeAlias = list[tuple[Instant, Event]]

START: Instant = 1_767_250_800_000
"""2026-01-01T07:00:00Z."""
CAR, TILL = "car-1", "till-1"
SUBJECTS = ("s.anna", "s.ben")
EPOCH = "e1"

_FAR = Position(-122.2800, 47.6000)
_SIGNALS: tuple[tuple[str, tuple[Scalar, ...]], ...] = (
    ("Vehicle.Speed", (0.0, 4.9, 5.0, 50.0)),
    ("Vehicle.LowVoltageSystemState", ("OFF", "ON", "ACC", "LOCK")),
    ("Vehicle.Powertrain.Transmission.SelectedGear", (126, 127, 0)),
    ("Vehicle.Chassis.ParkingBrake.IsEngaged", (True, False)),
    ("Vehicle.Cabin.Seat.Row1.DriverSide.OccupancyStatus", ("OCCUPIED", "EMPTY", "UNKNOWN")),
    ("Vehicle.Cabin.Seat.Row1.PassengerSide.OccupancyStatus", ("OCCUPIED", "EMPTY")),
    ("Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.IsPressureLow", (True, False)),
    ("Vehicle.Exterior.AirTemperature", (-3.0, 12.0)),
)


@cache
def world() -> Release:
    """Return a release with fences that overlap and an action of every kind, audience and placement."""
    model = ModelSpec(
        "habit", "1", ("hour", "alone", "visits_coffee_house", "category_coffee_house"), ("coffee_house",)
    )
    return compile_release("world", 1, streets.fences(), _actions(), [model])


@cache
def another_world() -> Release:
    """Return what may be activated on the way: other fences, the same actions."""
    here = world()
    return compile_release("another", 2, streets.fewer_fences(), here.actions.values(), here.models.values())


class HabitScorer:
    """A model that can be followed by hand: its answer depends on every feature it is given."""

    def score(self, model: str, rows: Sequence[Sequence[float]]) -> list[float]:
        """Return 0.3, plus 0.2 for each known feature above zero, at most 0.9."""
        del model
        return [min(0.9, 0.3 + 0.2 * sum(value > 0 for value in row)) for row in rows]


def engine(release: Release | None = None) -> Engine:
    """Return a fresh engine in the world."""
    return Engine(release or world(), epoch=EPOCH, scorer=HabitScorer())


@dataclass(frozen=True, slots=True)
class Answer:
    """An outcome of the offer made `back` offers ago, from either unit; ignored while there are not so many."""

    back: int
    unit: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happens `after_ms` after what came before; an event's own `ts` lags `late_ms` behind."""

    after_ms: int
    late_ms: int
    what: Event | Answer


def journeys(max_size: int = 16) -> st.SearchStrategy[Journal]:
    """Return random journals through the world, both units registered first.

    Made of single random events and of short scenes (a stop at the station, an agreement, an answer), so that what
    needs several things to come together is reached often.
    """
    return st.lists(st.one_of(_singles(), _scenes()), max_size=max_size).map(
        lambda parts: realise([happening for part in parts for happening in part])
    )


def _singles() -> st.SearchStrategy[list[Happening]]:
    happening = st.builds(
        Happening,
        after_ms=st.sampled_from(
            [0, 1, 200, SECOND_MS, 30 * SECOND_MS, MINUTE_MS - 1, MINUTE_MS, 3 * MINUTE_MS, 20 * MINUTE_MS]
        ),
        late_ms=st.sampled_from([0, 0, 0, 500, 2 * MINUTE_MS]),
        what=_whats(),
    )
    return st.lists(happening, min_size=1, max_size=3)


def _scenes() -> st.SearchStrategy[list[Happening]]:
    """Return scenes in which each thing happens a second after the one before."""
    holders, subjects = st.sampled_from([*SUBJECTS, SESSION]), st.sampled_from(SUBJECTS)
    screens = st.sampled_from([Outcome.PRESENTED, Outcome.SEEN, Outcome.ACCEPTED])
    scenes: list[st.SearchStrategy[list[Event | Answer]]] = [
        st.builds(_stop, alone=st.booleans()),
        st.just(_drive_on()),
        st.builds(_agree, holders),
        st.builds(_agree, holders, told=st.just(())),
        st.builds(_withdraw, holders),
        st.builds(lambda subject: [SubjectIdentified(CAR, 0, "", subject, Role.DRIVER), *_agree(subject)], subjects),
        st.builds(lambda outcome: [Answer(0, CAR, outcome)], screens),
        st.just([Answer(0, CAR, Outcome.ACCEPTED), Answer(0, TILL, Outcome.REDEEMED)]),
        st.builds(_fuel_stop, subjects),
        st.builds(_second_thoughts, subjects),
        streets.drives(CAR).map(list[Event | Answer]),
    ]
    return st.one_of(scenes).map(lambda scene: [Happening(SECOND_MS, 0, what) for what in scene])


def _stop(*, alone: bool) -> list[Event | Answer]:
    """Drive into the station and switch off."""
    beside = "EMPTY" if alone else "OCCUPIED"
    seats: dict[str, Scalar] = {
        "Vehicle.Cabin.Seat.Row1.DriverSide.OccupancyStatus": "OCCUPIED",
        "Vehicle.Cabin.Seat.Row1.PassengerSide.OccupancyStatus": beside,
        "Vehicle.Exterior.AirTemperature": -3.0,
        "Vehicle.Speed": 0.0,
    }
    off: dict[str, Scalar] = {"Vehicle.LowVoltageSystemState": "OFF"}
    return [PositionReported(CAR, 0, streets.STATION), SignalsReported(CAR, 0, seats), SignalsReported(CAR, 0, off)]


def _fuel_stop(subject: str) -> list[Event | Answer]:
    """Come as somebody known, stop alone, accept what is offered and have it redeemed at the till."""
    known = SubjectIdentified(CAR, 0, "", subject, Role.DRIVER)
    taken = [Answer(0, CAR, Outcome.ACCEPTED), Answer(0, TILL, Outcome.REDEEMED)]
    return [known, *_agree(subject), *_stop(alone=True), *taken]


def _second_thoughts(subject: str) -> list[Event | Answer]:
    """Agree, withdraw, and stop after a "given" that does not know of the withdrawal."""
    known = SubjectIdentified(CAR, 0, "", subject, Role.DRIVER)
    return [known, *_agree(subject), *_withdraw(subject), *_agree(subject, told=()), *_stop(alone=True)]


def _drive_on() -> list[Event | Answer]:
    """Switch on and drive a mile away."""
    on: dict[str, Scalar] = {"Vehicle.LowVoltageSystemState": "ON", "Vehicle.Speed": 50.0}
    return [SignalsReported(CAR, 0, on), PositionReported(CAR, 0, _FAR)]


_TOLD = tuple(f"i{number}" for number in range(80))


def _agree(holder: str, told: tuple[str, ...] = _TOLD) -> list[Event | Answer]:
    """Agree to all that offers rest on; `told` are the withdrawals the person was told of."""
    return [ConsentChanged(CAR, 0, "", holder, purpose, given=True, supersedes=told) for purpose in _OFFERS_REST_ON]


def _withdraw(holder: str) -> list[Event | Answer]:
    """Withdraw all that offers rest on."""
    return [ConsentChanged(CAR, 0, "", holder, purpose, given=False) for purpose in _OFFERS_REST_ON]


_OFFERS_REST_ON = (Purpose.OFFER_DISPLAY, Purpose.LOCATION_TRIGGERS, Purpose.PROFILING)


def realise(happenings: Sequence[Happening]) -> Journal:
    """Return the concrete journal of symbolic steps, by letting an engine make the offers they speak of."""
    living, now, offers, journal = engine(), START, list[str](), Journal()
    settings = UnitRegistered(CAR, START, UnitKind.CAR, tuple(Placement), contextual_offers=True)
    till = UnitRegistered(TILL, START, UnitKind.KIOSK, ("kiosk_screen",), contextual_offers=True)
    events: list[tuple[int, Event]] = [(0, settings), (0, till)]
    for number, happening in enumerate(happenings):
        event = _concrete(happening, number, offers, now + happening.after_ms)
        if event is not None:
            events.append((happening.after_ms, event))
        for after_ms, due in events:
            now += after_ms
            journal.append((now, due))
            offers += [e.offer.id for e in living.receive(due, now) if isinstance(e, OfferMade)]
        events = []
    return journal


def play(living: Engine, journal: Journal) -> list[Effect]:
    """Return every effect of a journal."""
    return [effect for now, event in journal for effect in living.receive(event, now)]


def _concrete(happening: Happening, number: int, offers: Sequence[str], now: Instant) -> Event | None:
    what, ts = happening.what, now - happening.late_ms
    if isinstance(what, Answer):
        if what.back >= len(offers):
            return None
        return OutcomeReported(what.unit, ts, f"o{number}", offers[-1 - what.back], what.outcome)
    if isinstance(what, ConsentChanged | SubjectIdentified | SubjectLeft):
        return replace(what, ts=ts, id=f"i{number}")
    return replace(what, ts=ts)


def _whats() -> st.SearchStrategy[Event | Answer]:
    signals = st.lists(st.sampled_from(_SIGNALS), min_size=1, max_size=3, unique_by=lambda s: s[0]).flatmap(
        lambda chosen: st.fixed_dictionaries({path: st.sampled_from(values) for path, values in chosen})
    )
    holders = st.sampled_from([*SUBJECTS, SESSION])
    units = st.sampled_from([CAR, TILL])
    supersedes = st.lists(st.integers(0, 30).map(lambda n: f"i{n}"), max_size=30).map(tuple)
    ends = st.sampled_from([None, None, START + 10 * MINUTE_MS])
    return st.one_of(
        st.builds(SignalsReported, st.just(CAR), st.just(0), signals),
        st.builds(SignalsReported, st.just(CAR), st.just(0), signals),
        streets.fixes(CAR),
        streets.tellings(CAR),
        st.builds(SubjectIdentified, units, st.just(0), st.just(""), st.sampled_from(SUBJECTS), st.sampled_from(Role)),
        st.builds(SubjectLeft, units, st.just(0), st.just(""), st.sampled_from(Role)),
        st.builds(
            ConsentChanged,
            unit=units,
            ts=st.just(0),
            id=st.just(""),
            holder=holders,
            purpose=st.sampled_from(Purpose),
            given=st.just(value=True),
            supersedes=supersedes,
            valid_until=ends,
        ),
        st.builds(
            ConsentChanged,
            unit=units,
            ts=st.just(0),
            id=st.just(""),
            holder=holders,
            purpose=st.sampled_from(_OFFERS_REST_ON),
            given=st.booleans(),
        ),
        st.builds(FactsChanged, units, st.just(0), st.sampled_from(SUBJECTS), _facts()),
        st.builds(UnitLost, st.just(CAR), st.just(0)),
        st.builds(Answer, st.integers(0, 2), units, st.sampled_from(Outcome)),
    )


def _facts() -> st.SearchStrategy[dict[str, Scalar | None]]:
    return st.fixed_dictionaries(
        {"visits_coffee_house": st.sampled_from([None, 0, 6.0]), "voice_opt_in": st.sampled_from([None, True, False])}
    )


def everything_agreed(subject: str) -> dict[StateKey, object]:
    """Return the ledger's entries of a subject who has agreed to everything."""
    return {
        StateKey(Scope.SUBJECT, subject, "consent", f"{purpose}/all"): {
            "purpose": purpose.value,
            "id": "all",
            "given": True,
            "supersedes": [],
            "valid_until": None,
        }
        for purpose in Purpose
    }


def _says(*placements: Placement, personal: bool = False) -> tuple[Treatment, ...]:
    return tuple(
        Treatment(placement, "en", "Title", "Body", personal=personal, while_driving=placement is Placement.VOICE)
        for placement in placements
    )


def _on(*steps: Step, within_s: int = 0) -> tuple[Trigger, ...]:
    return (Trigger(steps, within_s),)


def _actions() -> list[Action]:
    parked = Step("Parked", fence_kind="fuel_station")
    screens = (Placement.DRIVER_SCREEN, Placement.PASSENGER_SCREEN)
    return [
        Action(
            "pastry",
            Kind.MARKETING,
            Audience.SUBJECT,
            _on(parked) + _on(Step("FenceEntered", fence="station")),
            _says(*screens, personal=True),
            eligible="occupants <= 1",
            model="habit",
            category="coffee_house",
            value=2.0,
            annoyance=0.5,
            contact=ContactPolicy((Cap(1, 3600),)),
            reward=Reward("pastry", "A pastry"),
            valid_for_s=120,
        ),
        Action(
            "tyres",
            Kind.MARKETING,
            Audience.SUBJECT,
            _on(parked, Step("OfferRedeemed", action="pastry"), within_s=1200),
            _says(*screens),
            eligible="air_temperature_c != null && air_temperature_c < 7.0",
            prior=0.5,
            annoyance=0.1,
            contact=ContactPolicy((Cap(2, 86400),)),
        ),
        Action(
            "poster",
            Kind.MARKETING,
            Audience.ANYONE,
            _on(Step("FenceDwelled")) + _on(Step("Parked")),
            _says(*screens, Placement.KIOSK_SCREEN),
            prior=0.4,
            value=0.5,
            annoyance=0.1,
            contact=ContactPolicy((Cap(1, 600),)),
            valid_for_s=30,
        ),
        Action(
            "welcome",
            Kind.MARKETING,
            Audience.SUBJECT,
            _on(Step("SubjectArrived")),
            _says(Placement.KIOSK_SCREEN, Placement.PHONE, Placement.VOICE),
            prior=0.6,
            contact=ContactPolicy((Cap(1, 60),)),
        ),
        Action(
            "survey",
            Kind.MARKETING,
            Audience.SUBJECT,
            _on(Step("OfferAccepted"), Step("FenceExited"), within_s=600),
            _says(Placement.PHONE, Placement.PASSENGER_SCREEN),
            eligible="facts.visits_coffee_house > 1.0",
            prior=0.5,
        ),
        Action(
            "receipt",
            Kind.SERVICE,
            Audience.ANYONE,
            _on(Step("FenceExited"))
            + _on(Step("DroveOff"))
            + _on(Step("FencePassedBy"))
            + _on(Step("FenceApproached")),
            _says(*screens),
            prior=0.5,
        ),
        Action(
            "pressure",
            Kind.SAFETY,
            Audience.ANYONE,
            _on(Step("TyrePressureLow")),
            _says(*screens, Placement.VOICE),
            prior=0.1,
            annoyance=5.0,
        ),
    ]
