"""A car tells what its bus says, who is in it, and what became of offers; its driver has a taste."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from gateway.core.effects import Offer
from gateway.core.events import ConsentChanged, PositionReported, SignalsReported, SubjectIdentified
from gateway.testing.counterpart import Counterpart
from gateway.testing.samples import T0, make_offer
from gateway.wire.payloads import ConsentState, Outcome, OutcomeReport, Purpose, Role, Withdrawal
from gateway.wire.topics import Channel
from gateway.wire.write import encode_offer
from simulators.broker import embedded_broker
from simulators.car import Car, Pace, Taste
from simulators.drive import Go, Place, Road, Say
from simulators.unit import SimulatedClock

PASTRY, TYRES, WARNING = (
    replace(make_offer(number), action=action)
    for number, action in enumerate(("pastry", "winter_tyres", "tyre_pressure"), 1)
)
TASTE = Taste({"pastry": Outcome.ACCEPTED, "tyre_pressure": None})
ROAD = Road(((8.0, 47.0), (8.01, 47.0)))
LONG_S = 10.0


@asynccontextmanager
async def car_and_gateway(pace: Pace | None = None) -> AsyncIterator[tuple[Car, Counterpart]]:
    async with (
        embedded_broker() as at,
        Counterpart(at.host, at.port) as gateway,
        Car("car-1", at, SimulatedClock(T0), taste=TASTE, pace=pace) as car,
    ):
        yield car, gateway


async def _answers(offer: Offer, count: int) -> list[Outcome]:
    async with car_and_gateway() as (car, gateway):
        await gateway.publish(encode_offer(offer), car.id, Channel.OFFERS)
        said = [received.payload for received in await gateway.until_heard(Channel.OUTCOMES, count)]
    return [report.outcome for report in said if isinstance(report, OutcomeReport) and report.offer_id == offer.id]


async def test_what_is_liked_is_presented_seen_and_accepted() -> None:
    assert await _answers(PASTRY, 3) == [Outcome.PRESENTED, Outcome.SEEN, Outcome.ACCEPTED]


async def test_what_is_not_named_in_a_taste_is_declined() -> None:
    assert await _answers(TYRES, 3) == [Outcome.PRESENTED, Outcome.SEEN, Outcome.DECLINED]


async def test_what_has_no_answer_is_seen_and_stays() -> None:
    async with car_and_gateway() as (car, gateway):
        await gateway.publish(encode_offer(WARNING), car.id, Channel.OFFERS)
        await car.until_answered("tyre_pressure", Outcome.SEEN, LONG_S)
        assert [offer.id for offer in car.standing()] == [WARNING.id]


async def test_nothing_is_answered_once_an_offer_was_withdrawn() -> None:
    an_hour = Pace(reading_s=3600.0)
    async with car_and_gateway(an_hour) as (car, gateway):
        await gateway.publish(encode_offer(PASTRY), car.id, Channel.OFFERS)
        await gateway.until_heard(Channel.OUTCOMES)
        await gateway.publish(Withdrawal(id=PASTRY.id, reason="drove_off").encode(), car.id, Channel.OFFERS)
        await car.until("the withdrawal", lambda: not car.standing(), LONG_S)
    assert [outcome for _, outcome in car.reported] == [Outcome.PRESENTED]


async def test_a_drive_is_told_second_by_second_in_simulated_time() -> None:
    async with car_and_gateway() as (car, gateway):
        car.put_on(ROAD, Place(0.0, 36.0))
        assert await car.drive(Go(50.0, 36.0)) == 5
        said = await gateway.until_heard(Channel.TELEMETRY, 5)
    fixes = [event for received in said for event in received.events if isinstance(event, PositionReported)]
    assert [fix.ts for fix in fixes] == [T0 + second * 1000 for second in range(1, 6)]
    assert all(fix.speed_mps == pytest.approx(10.0) for fix in fixes)


async def test_a_second_drive_goes_on_where_the_first_ended() -> None:
    async with car_and_gateway() as (car, gateway):
        car.put_on(ROAD, Place(0.0, 36.0))
        await car.drive(Go(50.0, 36.0))
        await car.drive(Go(60.0, 36.0))
        said = await gateway.until_heard(Channel.TELEMETRY, 6)
    fixes = [event for received in said for event in received.events if isinstance(event, PositionReported)]
    assert [fix.position.lon for fix in fixes] == sorted({fix.position.lon for fix in fixes})


async def test_what_the_bus_says_reaches_the_gateway_as_signals() -> None:
    low = "Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.IsPressureLow"
    async with car_and_gateway() as (car, gateway):
        car.put_on(ROAD, Place())
        await car.drive(Say({low: True}))
        (said,) = await gateway.until_heard(Channel.TELEMETRY)
    signals = [event.signals for event in said.events if isinstance(event, SignalsReported)]
    assert [each[low] for each in signals] == [True]


async def test_a_car_on_no_road_cannot_drive() -> None:
    async with car_and_gateway() as (car, _):
        with pytest.raises(ValueError, match="car-1 is on no road"):
            await car.drive(Say({}))


async def test_the_driver_is_named_by_the_app() -> None:
    async with car_and_gateway() as (car, gateway):
        await car.identify("p.anna", Role.DRIVER)
        (said,) = await gateway.until_heard(Channel.IDENTITY)
    (event,) = said.events
    assert isinstance(event, SubjectIdentified)
    assert (event.subject, event.role, event.method) == ("p.anna", Role.DRIVER, "app")


async def test_consent_is_given_on_a_notice_and_withdrawn_without() -> None:
    async with car_and_gateway() as (car, gateway):
        given = await car.consent("p.anna", Purpose.PROFILING, ConsentState.GIVEN)
        withdrawn = await car.consent("p.anna", Purpose.PROFILING, ConsentState.WITHDRAWN)
        again = await car.consent("p.anna", Purpose.PROFILING, ConsentState.GIVEN, supersedes=[withdrawn])
        said = await gateway.until_heard(Channel.CONSENTS, 3)
    events = [event for received in said for event in received.events if isinstance(event, ConsentChanged)]
    assert [(event.id, event.given, event.supersedes) for event in events] == [
        (given, True, ()),
        (withdrawn, False, ()),
        (again, True, (withdrawn,)),
    ]
