"""Somebody in the gateway's place: hears all that units say, and offers what a test wants."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Self

import aiomqtt

from gateway.core.units import Instant
from gateway.testing.samples import T0
from gateway.wire.read import Received, read
from gateway.wire.topics import PREFIX, Channel, parse_topic, topic_of

_PATIENCE_S = 10.0
_KEY = bytes(32)


class Counterpart:
    """An async context manager: connected to a broker within its block.

    Attributes:
        heard: What units said, understood, in its order.
    """

    def __init__(self, host: str, port: int, now: Instant = T0) -> None:
        self.heard: list[Received] = []
        self._broker = host, port
        self._now = now
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as connecting:
            host, port = self._broker
            self._client = await connecting.enter_async_context(aiomqtt.Client(host, port))
            await self._client.subscribe(f"{PREFIX}/#", qos=1)
            self._listening = asyncio.create_task(self._listen())
            self._connection = connecting.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        async with self._connection:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening

    async def publish(self, payload: bytes, owner: str, channel: Channel, *, retain: bool = False) -> None:
        """Publish on a channel of a unit, or of the gateway itself."""
        await self._client.publish(topic_of(owner, channel), payload, qos=1, retain=retain)

    async def until_heard(self, channel: Channel, count: int = 1) -> list[Received]:
        """Return what came on a channel, once it is so much.

        Raises:
            TimeoutError: It did not become so much in good time.
        """
        await self._until(lambda: len(self.on(channel)) >= count)
        return self.on(channel)

    def on(self, channel: Channel) -> list[Received]:
        """Return what came on a channel."""
        return [received for received in self.heard if received.channel is channel]

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(_PATIENCE_S), self._news:
            await self._news.wait_for(condition)

    async def _listen(self) -> None:
        async for message in self._client.messages:
            if parse_topic(message.topic.value).channel is Channel.OFFERS:
                continue  # our own
            async with self._news:
                self.heard.append(read(message.topic.value, message.payload, self._now, credential_key=_KEY))
                self._news.notify_all()
