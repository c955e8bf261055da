"""Staying connected: one connection after another, with full jitter between the attempts.

The broker may be away, refuse us, or speak only MQTT 3.1.1; none of it is final. A refusal is tried again as well,
since passwords and access lists are mended while we run. A broker that refuses MQTT 5 is spoken to in 3.1.1 from then
on; one that is silent only at the next attempt, since it may just have been starting. While the ledger fails the link
is *held*: a message that cannot be recorded is better kept by the broker.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.core.errors import Unavailable
from gateway.edge.config import ConfigError
from gateway.edge.exchange import Carrier, Listener, Terms
from gateway.edge.mqtt import MQTT_3_1_1, MQTT_5, Connection, Refused, Unanswered
from gateway.edge.observe import Health, Metrics, log


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the n-th attempt in a row: `rand(0, min(longest_s, first_s * 2^n))`.

    Full jitter, as Marc Brooker describes it (Exponential Backoff And Jitter, 2015): a thousand gateways that lost one
    broker do not come back in step.

    Attributes:
        steady_s: A connection that lasted this long was a good one; after it the count begins anew. Otherwise two
            gateways under one client id would cut each other off as fast as they can connect.
    """

    first_s: float = 0.5
    longest_s: float = 60.0
    steady_s: float = 10.0

    def delay_s(self, attempt: int) -> float:
        """Return a random delay before attempt `attempt`, counted from 0."""
        return random.uniform(0, min(self.longest_s, self.first_s * 2 ** min(attempt, 30)))  # noqa: S311 -- no secret


class Subscriber(Listener, Protocol):
    """Whoever is told when the link is up and down."""

    def connected(self, connection: Carrier) -> None:
        """Subscribed: messages come from now on, and what is owed can be published."""
        ...

    def disconnected(self) -> None:
        """What was published and not confirmed is owed again."""
        ...


class Link:
    """Keeps a connection while `run` runs.

    Args:
        password: Read anew before each attempt, so that it can be changed while the gateway runs.
    """

    def __init__(
        self,
        terms: Terms,
        password: Callable[[], str | None],
        health: Health,
        metrics: Metrics,
        backoff: Backoff | None = None,
    ) -> None:
        self._terms = terms
        self._password = password
        self._health = health
        self._metrics = metrics
        self._backoff = backoff or Backoff()
        self._connection: Connection | None = None
        self._released = asyncio.Event()
        self._released.set()
        self._stopping = asyncio.Event()
        self._is_auto = terms.broker.protocol == "auto"
        self._older_once = False
        self._version = MQTT_3_1_1 if terms.broker.protocol == "3.1.1" else MQTT_5

    async def run(self, subscriber: Subscriber) -> None:
        """Stay connected until `stop`."""
        attempt = 0
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            await self._released.wait()
            connection = await self._connect(subscriber)
            if connection is not None:
                since = loop.time()
                await self._serve(connection, subscriber)
                if loop.time() - since >= self._backoff.steady_s:
                    attempt = 0
            await self._pause(self._backoff.delay_s(attempt))
            attempt += 1

    def hold(self) -> None:
        """Cut the connection and make no new one until `release`."""
        self._released.clear()
        if self._connection is not None:
            self._connection.abort()

    def release(self) -> None:
        """Connect again."""
        self._released.set()

    def stop(self) -> None:
        """Make no new connection; the present one stays until it is closed."""
        self._stopping.set()
        self._released.set()

    async def close(self) -> None:
        """End the present connection with a goodbye, so that the will is not published."""
        if self._connection is not None:
            await self._connection.close()

    async def _connect(self, listener: Listener) -> Connection | None:
        connection: Connection | None = None
        version = MQTT_3_1_1 if self._older_once else self._version
        self._older_once = False
        try:
            connection = Connection(self._terms, version, self._password(), listener)
            await connection.open()
            self._metrics.count_connection("resumed" if connection.session_present else "accepted")
            await connection.subscribe_all()
        except Refused as refused:
            self._metrics.count_connection("refused")
            log.warning("broker_refused", code=refused.code, reason=str(refused))
            if self._is_auto and refused.is_for_version:
                self._version = MQTT_3_1_1 if version == MQTT_5 else MQTT_5
        except (Unavailable, ConfigError) as error:
            self._older_once = isinstance(error, Unanswered) and self._is_auto and version == MQTT_5
            self._metrics.count_connection("unreachable")
            log.warning("broker_unreachable", reason=str(error))
        else:
            if self._released.is_set() and not self._stopping.is_set():
                return connection
        if connection is not None:
            connection.abort()
        return None

    async def _serve(self, connection: Connection, subscriber: Subscriber) -> None:
        log.info("connected", mqtt=connection.version, session=connection.session_present)
        self._connection = connection
        self._health.connected = True
        self._metrics.connected.set(1)
        subscriber.connected(connection)
        await connection.closed
        self._connection = None
        self._health.connected = False
        self._metrics.connected.set(0)
        subscriber.disconnected()
        log.info("disconnected")

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond `stop`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
