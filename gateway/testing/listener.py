"""Somebody who listens to a connection, and a connection to listen to."""

import asyncio
from dataclasses import dataclass, field

from gateway.edge.config import BrokerConfig
from gateway.edge.exchange import Receipt, Terms, Will
from gateway.edge.mqtt import MQTT_5, Connection
from gateway.testing.broker import ScriptedBroker

_PATIENCE_S = 10.0
WILL = Will("wayside/v1/gw-1/status", b"gone")


@dataclass
class Heard:
    """Keeps what a connection told it; raises `fault` at each word, if it has one."""

    messages: list[tuple[str, bytes, bool]] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    answers: list[tuple[object, int]] = field(default_factory=list)
    fault: Exception | None = None

    def __post_init__(self) -> None:
        self._told = asyncio.Event()

    def message(self, topic: str, payload: bytes, receipt: Receipt | None, *, retained: bool) -> None:
        """Keep a message."""
        self.messages.append((topic, payload, retained))
        if self.fault is not None:
            raise self.fault
        if receipt is not None:
            self.receipts.append(receipt)
        self._told.set()

    def confirmed(self, token: object, code: int) -> None:
        """Keep a confirmation."""
        self.answers.append((token, code))
        if self.fault is not None:
            raise self.fault
        self._told.set()

    async def until_told(self) -> None:
        """Wait until something was said since this was last waited for.

        Raises:
            TimeoutError: Nothing was, in good time.
        """
        async with asyncio.timeout(_PATIENCE_S):
            await self._told.wait()
        self._told.clear()


def a_connection(port: int, heard: Heard, version: int = MQTT_5, **settings: object) -> Connection:
    """Return a connection that was not opened yet; it would take 7 messages at a time."""
    config = BrokerConfig.model_validate({"port": port, "receive_maximum": 7, "session_expiry_s": 60, **settings})
    return Connection(Terms(config, "gw-1", ("wayside/v1/car-1/telemetry",), WILL), version, "hush", heard)


async def an_open_connection(broker: ScriptedBroker, heard: Heard, version: int = MQTT_5) -> Connection:
    """Return a connection that is open and subscribed."""
    connection = a_connection(broker.port, heard, version)
    await connection.open()
    await connection.subscribe_all()
    return connection
