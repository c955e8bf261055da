"""The fuel stop, as a story in scenes: each says what happens, and waits until the gateway has answered for it.

A driver who is known and has agreed comes to a fuel station, waits at a red light, parks, is offered a pastry, fetches
it at the till, and is then told of winter tyres; a tyre loses pressure; the car drives off; consent is withdrawn, and
at the next stop nothing is for sale. What a scene claims is awaited or checked, never assumed.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from gateway.wire import vss
from gateway.wire.payloads import ConsentState, Offer, Outcome, Purpose, Role
from simulators.car import Car, Taste
from simulators.drive import Go, Place, Road, Say, Value, Wait
from simulators.till import Till
from simulators.unit import NotSeen, Shown
from simulators.witness import Decided, Record, Withdrawn, Witness

DRIVER = "p.anna"
PURPOSES = (Purpose.LOCATION_TRIGGERS, Purpose.OFFER_DISPLAY, Purpose.PROFILING)
TASTE = Taste({"pastry_alone": Outcome.ACCEPTED, "winter_tyres": Outcome.ACCEPTED, "tyre_pressure": None})
"""Anna takes the pastry and the winter tyres. A warning is read, and stays where it is."""

STATION = (-122.37610, 47.66860)
"""Longitude and latitude of the demo's Station Ballard, the middle of a circle of 60 m."""
_WEST, _EAST = (STATION[0] - 0.002, STATION[1]), (STATION[0] + 0.002, STATION[1])
THERE, BACK = Road((_WEST, _EAST)), Road((_EAST, _WEST))
"""About 300 m straight past the station, which lies in the middle; and the same road back."""
PUMP_M = THERE.length_m / 2
RED_LIGHT_M = PUMP_M - 50.0
BRAKING_M = 60.0

_SEATS = ("Row1.DriverSide", "Row1.PassengerSide", "Row2.DriverSide", "Row2.Middle", "Row2.PassengerSide")
_TYRES = tuple(f"Vehicle.Chassis.Axle.Row{row}.Wheel.{side}.Tire" for row in (1, 2) for side in ("Left", "Right"))
_IGNITION = "Vehicle.LowVoltageSystemState"

UNDER_WAY: dict[str, Value] = {
    **{f"Vehicle.Cabin.Seat.{seat}.OccupancyStatus": "EMPTY" for seat in _SEATS[1:]},
    f"Vehicle.Cabin.Seat.{_SEATS[0]}.OccupancyStatus": "OCCUPIED",
    _IGNITION: "ON",
    vss.SPEED: 40.0,
    "Vehicle.Exterior.AirTemperature": 3.0,
    "Vehicle.Powertrain.FuelSystem.RelativeLevel": 9,
    "Vehicle.Powertrain.FuelSystem.Range": 45_000,
    **{f"{tyre}.WinterStatus": "NON_WINTER" for tyre in _TYRES},
    **{f"{tyre}.IsPressureLow": False for tyre in _TYRES},
}
"""What the bus says on the way: one person, a cold day, summer tyres, little fuel."""


class StoryBroken(Exception):
    """A scene did not go as told.

    Attributes:
        scene: Its title.
    """

    def __init__(self, scene: str, problem: str) -> None:
        super().__init__(f'"{scene}" did not go as told: {problem}')
        self.scene = scene


class _Untrue(Exception):
    """A claim about what is on record does not hold."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A scene that was played, and what is on record of it.

    Attributes:
        told: What happened, for people.
        noticed: What the gateway noticed, by the names of moments.
        withdrawn: Offers that it took back meanwhile.
        point: What there is to see in it, for people.
    """

    title: str
    told: str
    noticed: tuple[str, ...]
    decisions: tuple[Decided, ...]
    withdrawn: tuple[Withdrawn, ...]
    point: str


class Audience(Protocol):
    """Whoever watches the story."""

    def begins(self, title: str) -> None:
        """Hear that a scene begins."""
        ...

    def ends(self, scene: Scene) -> None:
        """See a scene that was played."""
        ...


@dataclass
class FuelStop:
    """The story, with who plays in it and who watches.

    Attributes:
        patience_s: How long to wait for each answer before the story counts as broken.
    """

    car: Car
    till: Till
    witness: Witness
    audience: Audience
    patience_s: float = 10.0
    _before: Record = field(default_factory=Record)
    _pastry: Offer | None = None

    async def play(self) -> None:
        """Play it to its end.

        Raises:
            StoryBroken: A scene did not go as told; names it.
        """
        scenes: tuple[tuple[str, Callable[[], Awaitable[tuple[str, str, Record]]]], ...] = (
            ("Anna gets in", self._get_in),
            ("The red light", self._stop_at_red_light),
            ("Ignition off, alone", self._switch_off),
            ("The till redeems it", self._redeem),
            ("A tyre loses pressure", self._lose_pressure),
            ("Driving off", self._drive_off),
            ("Anna withdraws her consent", self._withdraw),
            ("The next stop", self._stop_again),
            ("Another tyre", self._lose_pressure_again),
        )
        for title, scene in scenes:
            self.audience.begins(title)
            try:
                told, point, record = await scene()
            except (NotSeen, _Untrue) as error:
                raise StoryBroken(title, str(error)) from error
            self.audience.ends(self._scene(title, told, point, record))
            self._before = record

    async def _get_in(self) -> tuple[str, str, Record]:
        await self.car.identify(DRIVER, Role.DRIVER)
        for purpose in PURPOSES:
            await self.car.consent(DRIVER, purpose, ConsentState.GIVEN)
        record = await self._until(
            "the driver and her consents on record", lambda r: DRIVER in r.present and r.consents == len(PURPOSES)
        )
        agreed = ", ".join(PURPOSES)
        return f"The app says who drives. She agrees to {agreed}.", "Unknown is denied: she was asked.", record

    async def _stop_at_red_light(self) -> tuple[str, str, Record]:
        self.car.put_on(THERE, Place(0.0, 40.0))
        await self.car.drive(Say(UNDER_WAY), Go(RED_LIGHT_M - BRAKING_M, 40.0), Go(RED_LIGHT_M, 0.0), Wait(4))
        record = await self._until(
            "the car standing inside the station's fence", lambda r: bool(r.fences) and not r.moving
        )
        decided = self._decided(record, "FenceEntered")
        _claim("nothing is offered", decided.chosen is None)
        _claim(
            "the welcome is refused because the car is not parked", ("station_welcome", "not_parked") in _whys(decided)
        )
        _claim("standing at a red light is driving", record.drive == "driving")
        return (
            "Seat: driver. 40 km/h down to 0, at a red light inside the station's fence.",
            "Speed 0 is not parked: the driver's screen stays closed.",
            record,
        )

    async def _switch_off(self) -> tuple[str, str, Record]:
        await self.car.drive(Go(PUMP_M - 25.0, 20.0), Go(PUMP_M, 0.0), Say({_IGNITION: "OFF"}))
        shown = await self.car.until_answered("pastry_alone", Outcome.ACCEPTED, self.patience_s)
        self._pastry = shown.offer
        record = await self._until("the accepted pastry on record", _has_answer(shown, Outcome.ACCEPTED))
        return (
            "At the pump, ignition off. Shown on the driver's screen: presented, seen, accepted.",
            f'"{shown.offer.title}"',
            record,
        )

    async def _redeem(self) -> tuple[str, str, Record]:
        if self._pastry is None:
            raise _Untrue("there is no pastry to redeem")
        await self.till.redeem(self._pastry)
        shown = await self.car.until_answered("winter_tyres", Outcome.ACCEPTED, self.patience_s)
        record = await self._until("the accepted tyres on record", _has_answer(shown, Outcome.ACCEPTED))
        decided = record.decisions[-1]
        _claim("insurance was a candidate and worth less", ("insurance", "lower_net_value") in _whys(decided))
        return (
            "The pastry is fetched at the till, a unit of its own. In the car: presented, seen, accepted.",
            f'The attention window is open. "{shown.offer.title}"',
            record,
        )

    async def _lose_pressure(self) -> tuple[str, str, Record]:
        told, point, record = await self._low(
            0, "Front left is low. The warning is presented and seen, and stays.", "Safety outranks every sale."
        )
        _claim("the sale was outranked", ("tyre_shop", "outranked") in _whys(record.decisions[-1]))
        return told, point, record

    async def _drive_off(self) -> tuple[str, str, Record]:
        await self.car.drive(Say({_IGNITION: "ON"}), Go(PUMP_M + 40.0, 40.0), Go(THERE.length_m, 40.0))
        await self.car.until("an empty driver's screen", lambda: not self.car.standing(), self.patience_s)
        record = await self._until(
            "the car outside every fence, driving", lambda r: not r.fences and r.drive == "driving"
        )
        taken = {(each.action, each.reason) for each in record.withdrawn}
        _claim("the warning was withdrawn", ("tyre_pressure", "drove_off") in taken)
        return (
            "Ignition on, and away.",
            "While driving, nothing stands on the driver's screen: not even a warning.",
            record,
        )

    async def _withdraw(self) -> tuple[str, str, Record]:
        await self.car.consent(DRIVER, Purpose.OFFER_DISPLAY, ConsentState.WITHDRAWN)
        record = await self._until("the withdrawal on record", lambda r: r.consents == len(PURPOSES) + 1)
        return "One step, as in giving it: offer_display is withdrawn.", "It binds the next decision.", record

    async def _stop_again(self) -> tuple[str, str, Record]:
        self.car.put_on(BACK, Place(0.0, 40.0))
        await self.car.drive(Go(PUMP_M - BRAKING_M, 40.0), Go(PUMP_M, 0.0), Say({_IGNITION: "OFF"}))
        record = await self._until("a decision about the second stop", self._has_news("Parked"))
        new = record.decisions[len(self._before.decisions) :]
        _claim("nothing is offered", all(decided.chosen is None for decided in new))
        reasons = {reason for decided in new for reason in decided.reasons("marketing")}
        _claim("every sale is refused for want of consent", reasons == {"no_consent"})
        return "The same station, parked, ignition off.", "No sale without consent.", record

    async def _lose_pressure_again(self) -> tuple[str, str, Record]:
        return await self._low(
            2, "Rear left is low too. The warning is presented and seen.", "Safety needs no consent."
        )

    async def _low(self, tyre: int, told: str, point: str) -> tuple[str, str, Record]:
        await self.car.drive(Say({f"{_TYRES[tyre]}.IsPressureLow": True}))
        shown = await self.car.until_answered("tyre_pressure", Outcome.SEEN, self.patience_s)
        record = await self._until("the warning on record", _has_answer(shown, Outcome.SEEN))
        _claim("the warning was chosen", record.decisions[-1].offer == shown.offer.id)
        return told, point, record

    async def _until(self, awaited: str, condition: Callable[[Record], bool]) -> Record:
        return await self.witness.until(awaited, condition, self.patience_s)

    def _has_news(self, moment: str) -> Callable[[Record], bool]:
        """Return whether a decision that this moment brought about has come since the last scene."""
        known = len(self._before.decisions)
        return lambda record: any(moment in decided.moments for decided in record.decisions[known:])

    def _decided(self, record: Record, moment: str) -> Decided:
        for decided in record.decisions[len(self._before.decisions) :]:
            if moment in decided.moments:
                return decided
        raise _Untrue(f"{moment} brought no decision about")

    def _scene(self, title: str, told: str, point: str, record: Record) -> Scene:
        decisions = record.decisions[len(self._before.decisions) :]
        return Scene(
            title,
            told,
            tuple(dict.fromkeys([*_noticed(self._before, record), *(m for d in decisions for m in d.moments)])),
            decisions,
            record.withdrawn[len(self._before.withdrawn) :],
            point,
        )


def _noticed(before: Record, after: Record) -> list[str]:
    """Return the moments that a difference shows, whether or not an action waited for them."""
    shown = {
        "SubjectArrived": after.present > before.present,
        "FenceEntered": after.fences > before.fences,
        "FenceExited": after.fences < before.fences,
        "DroveOff": before.drive == "parked" and after.drive == "driving",
    }
    return [moment for moment, is_so in shown.items() if is_so]


def _has_answer(shown: Shown, answer: Outcome) -> Callable[[Record], bool]:
    return lambda record: record.answers.get(shown.offer.id) == answer


def _whys(decided: Decided) -> set[tuple[str, str]]:
    return {(refused.action, refused.reason) for refused in decided.refused}


def _claim(what: str, holds: bool) -> None:  # noqa: FBT001 -- reads as a sentence
    if not holds:
        raise _Untrue(f"it should be that {what}")
