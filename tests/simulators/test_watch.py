"""A gateway is there once its retained status says so."""

import pytest

from gateway.testing.counterpart import Counterpart
from gateway.testing.samples import T0
from gateway.wire.payloads import GatewayStatus, Liveness
from gateway.wire.topics import Channel
from simulators.broker import embedded_broker
from simulators.unit import NotSeen
from simulators.watch import until_born

BORN = GatewayStatus(state=Liveness.BORN, version="0.1.0", started_ms=T0)


async def test_a_gateway_that_was_born_earlier_is_known_by_its_retained_status() -> None:
    async with embedded_broker() as at, Counterpart(at.host, at.port) as gateway:
        await gateway.publish(BORN.encode(), "gw-1", Channel.STATUS, retain=True)
        assert await until_born(at, "gw-1", 10.0) == BORN


async def test_a_gateway_that_is_gone_is_not_taken_for_born() -> None:
    gone = BORN.model_copy(update={"state": Liveness.GONE})
    async with embedded_broker() as at, Counterpart(at.host, at.port) as gateway:
        await gateway.publish(gone.encode(), "gw-1", Channel.STATUS, retain=True)
        with pytest.raises(NotSeen, match="gw-1 to be born"):
            await until_born(at, "gw-1", 0.2)
