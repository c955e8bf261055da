"""A till redeems, at its own unit, what was offered at another."""

from gateway.core.events import OutcomeReported
from gateway.testing.counterpart import Counterpart
from gateway.testing.samples import T0, make_offer
from gateway.wire.payloads import Offer, Outcome
from gateway.wire.read import read_offer
from gateway.wire.topics import Channel
from gateway.wire.write import encode_offer
from simulators.broker import embedded_broker
from simulators.till import Till
from simulators.unit import SimulatedClock


async def test_a_till_redeems_at_its_own_unit_what_a_car_was_offered() -> None:
    offer = read_offer(encode_offer(make_offer()))
    assert isinstance(offer, Offer)
    async with (
        embedded_broker() as at,
        Counterpart(at.host, at.port) as gateway,
        Till("till-1", at, SimulatedClock(T0)) as till,
    ):
        await till.redeem(offer)
        (said,) = await gateway.until_heard(Channel.OUTCOMES)
    (event,) = said.events
    assert isinstance(event, OutcomeReported)
    assert (event.unit, event.offer, event.outcome) == ("till-1", offer.id, Outcome.REDEEMED)
    assert till.reported == [(offer.id, Outcome.REDEEMED)]
