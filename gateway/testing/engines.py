"""Small releases, a scorer that answers what it was told, events, and engines that are ready to receive them.

Each builder gives one plain thing; what a test is about is said with `dataclasses.replace`:

    pastry = replace(an_action("pastry"), contact=ContactPolicy((Cap(count=1, within_s=3600),)))
    engine = an_engine(a_release(actions=[pastry]))
"""

from collections.abc import Iterable, Sequence

from gateway.core.campaign import Action, Audience, Kind, Placement, Treatment
from gateway.core.drive import LOW_VOLTAGE, SPEED
from gateway.core.effects import Decision, DecisionRecorded, Effect, MomentNoticed, Offer, OfferMade
from gateway.core.engine import Engine
from gateway.core.events import (
    ConsentChanged,
    Outcome,
    OutcomeReported,
    PositionReported,
    Purpose,
    Role,
    SignalsReported,
    SubjectIdentified,
    SubjectLeft,
    UnitKind,
    UnitRegistered,
)
from gateway.core.fences.geometry import Circle, Fence
from gateway.core.moments import Moment
from gateway.core.release import ModelSpec, Release, compile_release
from gateway.core.scoring import Scorer, ScoringFailed
from gateway.core.steps import Step, Trigger
from gateway.core.units import Instant, Position
from gateway.testing.samples import T0

CAR = "car-1"
EPOCH = "e1"
STATION = Position(-122.3, 47.6)


class FixedScorer:
    """Gives every row the same propensity and remembers what it was asked.

    Attributes:
        asked: Model and rows of each call, in order.
    """

    def __init__(self, propensity: float = 0.5, *, failing: Iterable[str] = ()) -> None:
        """Answer `propensity`, and for the models in `failing` that they are unavailable."""
        self.asked: list[tuple[str, list[list[float]]]] = []
        self._propensity = propensity
        self._failing = frozenset(failing)

    def score(self, model: str, rows: Sequence[Sequence[float]]) -> list[float]:
        """Return the propensity once a row.

        Raises:
            ScoringFailed: The model is one of `failing`; the reason is `model_unavailable`.
        """
        self.asked.append((model, [list(row) for row in rows]))
        if model in self._failing:
            raise ScoringFailed("model_unavailable")
        return [self._propensity] * len(rows)


def a_fence(id_: str = "station", *, centre: Position = STATION, radius_m: float = 100.0) -> Fence:
    """Return a circle of kind `fuel_station`; a unit leaves it 30 m beyond its edge and never dwells in it."""
    return Fence(id_, "fuel_station", id_.title(), Circle(centre, radius_m))


def a_trigger(*moments: str, within_s: int = 0) -> Trigger:
    """Return a trigger on these moments in this order, whatever their fence."""
    return Trigger(tuple(Step(moment) for moment in moments), within_s)


def a_treatment(placement: Placement = Placement.DRIVER_SCREEN, *, language: str = "en", title: str = "") -> Treatment:
    """Return an impersonal treatment; its title names placement and language unless one is given."""
    return Treatment(placement, language, title or f"{placement.value} {language}", "Warm, beside the till.")


def an_action(
    id_: str = "pastry",
    *,
    kind: Kind = Kind.MARKETING,
    audience: Audience = Audience.SUBJECT,
    moment: str = "Parked",
    placements: Sequence[Placement] = (Placement.DRIVER_SCREEN,),
) -> Action:
    """Return an action on one moment, for a prior of one half and a net value of 0.5; without reward or cap."""
    return Action(
        id_, kind, audience, (a_trigger(moment),), tuple(a_treatment(place) for place in placements), prior=0.5
    )


def a_release(
    id_: str = "release-1",
    *,
    fences: Iterable[Fence] = (),
    actions: Iterable[Action] = (),
    models: Iterable[ModelSpec] = (),
) -> Release:
    """Return a compiled release.

    Raises:
        ReleaseError: As `gateway.core.release.compile_release`.
    """
    return compile_release(id_, 1, fences, actions, models)


def a_car(
    id_: str = CAR, *, ts: Instant = T0, contextual_offers: bool = False, utc_offset_s: int = 0
) -> UnitRegistered:
    """Return the registration of a car with a driver's and a passenger's screen, voice, and the phones in it."""
    placements = (Placement.DRIVER_SCREEN, Placement.PASSENGER_SCREEN, Placement.VOICE, Placement.PHONE)
    shown_at = tuple(placement.value for placement in placements)
    return UnitRegistered(
        id_, ts, UnitKind.CAR, shown_at, contextual_offers=contextual_offers, utc_offset_s=utc_offset_s
    )


def a_till(id_: str = "till-1", *, ts: Instant = T0) -> UnitRegistered:
    """Return the registration of a kiosk with one screen."""
    return UnitRegistered(id_, ts, UnitKind.KIOSK, (Placement.KIOSK_SCREEN.value,))


def an_engine(release: Release, *units: UnitRegistered, scorer: Scorer | None = None) -> Engine:
    """Return an engine that has heard of the units (a car, if none is given), each at its registration's `ts`."""
    engine = Engine(release, epoch=EPOCH, scorer=scorer or FixedScorer())
    for unit in units or (a_car(),):
        engine.receive(unit, unit.ts)
    return engine


def a_fix(where: Position = STATION, ts: Instant = T0) -> PositionReported:
    """Return a fix of the car, of unknown accuracy."""
    return PositionReported(CAR, ts, where)


def ignition_off(ts: Instant = T0) -> SignalsReported:
    """Return the signal by which the car is parked."""
    return SignalsReported(CAR, ts, {LOW_VOLTAGE: "OFF"})


def speed(kmh: float, ts: Instant = T0) -> SignalsReported:
    """Return the car's speed."""
    return SignalsReported(CAR, ts, {SPEED: kmh})


def identified(subject: str, ts: Instant = T0, *, role: Role = Role.DRIVER, unit: str = CAR) -> SubjectIdentified:
    """Return the arrival of a person of whom nothing is known yet."""
    return SubjectIdentified(unit, ts, f"i.{subject}.{ts}", subject, role)


def left(ts: Instant = T0, *, role: Role = Role.DRIVER, unit: str = CAR) -> SubjectLeft:
    """Return the departure of whoever is in a role."""
    return SubjectLeft(unit, ts, f"l.{role.value}.{ts}", role)


def outcome(offer: str, said: Outcome, ts: Instant = T0, *, unit: str = CAR) -> OutcomeReported:
    """Return what became of an offer, reported by a unit."""
    return OutcomeReported(unit, ts, f"r.{said.value}.{ts}", offer, said)


def agreement(holder: str, *purposes: Purpose, unit: str = CAR, ts: Instant = T0) -> list[ConsentChanged]:
    """Return one `given` for each purpose, or for every purpose if none is named; valid without end."""
    return [
        ConsentChanged(unit, ts, f"{holder}-{purpose.value}", holder, purpose, given=True)
        for purpose in purposes or tuple(Purpose)
    ]


def moments_in(effects: Iterable[Effect]) -> list[Moment]:
    """Return what was noticed among effects, in order."""
    return [effect.moment for effect in effects if isinstance(effect, MomentNoticed)]


def decisions_in(effects: Iterable[Effect]) -> list[Decision]:
    """Return the decisions among effects, in order."""
    return [effect.decision for effect in effects if isinstance(effect, DecisionRecorded)]


def offers_in(effects: Iterable[Effect]) -> list[Offer]:
    """Return the offers made among effects, in order."""
    return [effect.offer for effect in effects if isinstance(effect, OfferMade)]
