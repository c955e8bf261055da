"""Watching a gateway from outside: its retained status."""

import asyncio

import aiomqtt

from gateway.wire.payloads import GatewayStatus, Liveness
from gateway.wire.read import read_status
from gateway.wire.topics import Channel, topic_of
from simulators.unit import AT_LEAST_ONCE, Address, NotSeen


async def until_born(broker: Address, gateway: str, within_s: float) -> GatewayStatus:
    """Return a gateway's status once it says that it is there.

    Raises:
        NotSeen: It did not within that time.
    """
    try:
        async with asyncio.timeout(within_s), aiomqtt.Client(broker.host, broker.port) as client:
            await client.subscribe(topic_of(gateway, Channel.STATUS), AT_LEAST_ONCE)
            async for message in client.messages:
                status = read_status(message.payload)
                if status.state is Liveness.BORN:
                    return status
    except TimeoutError:
        pass
    raise NotSeen(f"{gateway} to be born", within_s, "nothing was heard of it")
