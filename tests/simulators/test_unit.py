"""A unit is born, hears each offer once, waits for what it expects, and goes with a word."""

from typing import Protocol

import aiomqtt
import pytest

from gateway.testing.counterpart import Counterpart
from gateway.testing.samples import T0, make_offer
from gateway.wire.payloads import Liveness, Outcome, UnitStatus, Withdrawal
from gateway.wire.topics import Channel
from gateway.wire.write import encode_offer
from simulators.broker import embedded_broker
from simulators.unit import Address, NotSeen, SimulatedClock, Unit


class Broker(Protocol):
    """The fixture of a real broker."""

    host: str
    port: int


SHORT_S, LONG_S = 0.05, 10.0
OFFER = make_offer()


def clock() -> SimulatedClock:
    return SimulatedClock(T0)


async def test_a_unit_says_when_it_is_born_and_when_it_goes() -> None:
    async with embedded_broker() as at, Counterpart(at.host, at.port) as gateway:
        async with Unit("car-1", at, clock()):
            pass
        said = [received.payload for received in await gateway.until_heard(Channel.STATUS, 2)]
    assert [status.state for status in said if isinstance(status, UnitStatus)] == [Liveness.BORN, Liveness.GONE]


async def test_a_unit_that_is_cut_off_leaves_its_last_will(mosquitto: Broker) -> None:
    at = Address(mosquitto.host, mosquitto.port)
    async with Counterpart(at.host, at.port) as gateway, Unit("car-1", at, clock()):
        await gateway.until_heard(Channel.STATUS)
        # Another of its name: the broker cuts the first one off.
        async with aiomqtt.Client(at.host, at.port, identifier="car-1"):
            said = await gateway.until_heard(Channel.STATUS, 2)
    assert said[-1].payload == UnitStatus(state=Liveness.GONE)


async def test_an_offer_that_comes_twice_is_there_once() -> None:
    async with embedded_broker() as at, Counterpart(at.host, at.port) as gateway, Unit("car-1", at, clock()) as unit:
        for offer in (OFFER, OFFER, make_offer(2)):
            await gateway.publish(encode_offer(offer), unit.id, Channel.OFFERS)
        await unit.until("the second offer", lambda: make_offer(2).id in unit.shown, LONG_S)
        assert list(unit.shown) == [OFFER.id, make_offer(2).id]


async def test_offers_of_other_units_are_not_heard() -> None:
    async with embedded_broker() as at, Counterpart(at.host, at.port) as gateway, Unit("car-1", at, clock()) as unit:
        await gateway.publish(encode_offer(OFFER), "car-2", Channel.OFFERS)
        await gateway.publish(encode_offer(make_offer(2)), unit.id, Channel.OFFERS)
        await unit.until("its own offer", lambda: bool(unit.shown), LONG_S)
        assert list(unit.shown) == [make_offer(2).id]


async def test_a_withdrawn_offer_no_longer_stands() -> None:
    async with embedded_broker() as at, Counterpart(at.host, at.port) as gateway, Unit("car-1", at, clock()) as unit:
        await gateway.publish(encode_offer(OFFER), unit.id, Channel.OFFERS)
        await unit.until("the offer on the screen", lambda: bool(unit.standing()), LONG_S)
        withdrawal = Withdrawal(id=OFFER.id, reason="drove_off")
        await gateway.publish(withdrawal.encode(), unit.id, Channel.OFFERS)
        await unit.until("an empty screen", lambda: not unit.standing(), LONG_S)
        assert unit.shown[OFFER.id].withdrawn == "drove_off"


async def test_an_answered_offer_no_longer_stands() -> None:
    async with embedded_broker() as at, Counterpart(at.host, at.port) as gateway, Unit("car-1", at, clock()) as unit:
        await gateway.publish(encode_offer(OFFER), unit.id, Channel.OFFERS)
        await unit.until("the offer on the screen", lambda: bool(unit.standing()), LONG_S)
        for outcome in (Outcome.PRESENTED, Outcome.SEEN):
            await unit.report(OFFER.id, outcome)
            assert [offer.id for offer in unit.standing()] == [OFFER.id]
        await unit.report(OFFER.id, Outcome.DECLINED)
        assert unit.standing() == []


async def test_waiting_ends_with_a_sentence_that_says_what_there_was_instead() -> None:
    async with embedded_broker() as at, Counterpart(at.host, at.port) as gateway, Unit("car-1", at, clock()) as unit:
        await gateway.publish(encode_offer(OFFER), unit.id, Channel.OFFERS)
        await unit.until("the offer", lambda: bool(unit.shown), LONG_S)
        with pytest.raises(NotSeen, match=r"waited 0.05 s for tyres, but car-1 had only pastry \(unanswered\)"):
            await unit.until("tyres", lambda: False, SHORT_S)


async def test_what_is_no_offer_makes_it_deaf_and_whoever_waits_hears_of_it() -> None:
    async with embedded_broker() as at, Counterpart(at.host, at.port) as gateway, Unit("car-1", at, clock()) as unit:
        await gateway.publish(b"{}", unit.id, Channel.OFFERS)
        with pytest.raises(NotSeen, match="car-1 could hear nothing any more"):
            await unit.until("an offer", lambda: bool(unit.shown), LONG_S)


def test_a_clock_that_is_behind_never_lags_more_than_that() -> None:
    wall_ms = T0
    lagging = SimulatedClock.behind(45.0, lambda: wall_ms)
    assert lagging.now_ms == T0 - 45_000
    lagging.advance(1)
    assert lagging.now_ms == T0 - 44_000
    wall_ms = T0 + 60_000
    lagging.advance(1)
    assert lagging.now_ms == wall_ms - 45_000


def test_a_fast_clock_runs_ahead_of_the_wall_and_never_back() -> None:
    running = SimulatedClock.behind(1.0, lambda: T0)
    for _ in range(60):
        running.advance(1)
    assert running.now_ms == T0 + 59_000
