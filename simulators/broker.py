"""A broker inside this process, for demos: MQTT 3.1.1 on loopback, forgetful, without access control.

It is no broker for a site: what is unacknowledged is not sent again, and nothing is kept over a restart.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker

from simulators.unit import Address

LOOPBACK = "127.0.0.1"
_LISTENER = "default"


@asynccontextmanager
async def embedded_broker() -> AsyncIterator[Address]:
    """Yield the address of a broker that runs until the block is left."""
    # It logs every connection and every broken one; a demo's screen is not the place, and whoever needs it can ask.
    logging.getLogger("amqtt").setLevel(logging.CRITICAL)
    logging.getLogger("transitions").setLevel(logging.CRITICAL)
    broker = Broker(
        {
            "listeners": {_LISTENER: {"type": "external"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await broker.external_connected(StreamReaderAdapter(reader), StreamWriterAdapter(writer), _LISTENER)

    await broker.start()
    # The listener is ours, so that the system chooses a free port and says which.
    server = await asyncio.start_server(connected, LOOPBACK, 0)
    try:
        host, port = server.sockets[0].getsockname()
        # An MQTT 5 CONNECT with a will it reads as the older one, and waits for bytes that never come.
        yield Address(host, port, "3.1.1")
    finally:
        server.close()
        await broker.shutdown()
        await server.wait_closed()
