"""Staying connected: one connection after another, with full jitter between the attempts.

The broker may be away, refuse us, or speak only MQTT 3.1.1; none of it is final. A refusal is tried again as well,
since passwords and access lists are mended while we run. A broker that refuses MQTT 5 is spoken to in 3.1.1 from then
on; one that is silent only at the next attempt, since it may just have been starting. While the ledger fails the link
is *held*: a message that cannot be recorded is better kept by the broker.

Two gateways under one client id cut each other off, for as long as both run: the standard has the broker do so. Where
the broker tells, it is said what it is (Mosquitto 2.0.11 just closes); and told or not, the pauses grow, since what
ended before the pause could have was no good connection. Who drops messages that only a new connection brings is
connected to again at once: the watchdog takes seconds to find out, so it cannot become a fight.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.core.errors import Unavailable
from gateway.edge.config import ConfigError
from gateway.edge.exchange import Carrier, End, Listener, Terms
from gateway.edge.mqtt import MQTT_3_1_1, MQTT_5, Connection, Refused, Unanswered
from gateway.edge.observe import Health, Metrics, log
from gateway.edge.reasons import SESSION_TAKEN_OVER, Packet, name_of
from gateway.edge.watchdog import DROPPING

TAKEN_OVER = name_of(SESSION_TAKEN_OVER, Packet.DISCONNECT)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the n-th attempt in a row: `rand(0, min(longest_s, first_s * 2^n))`.

    Full jitter, as Marc Brooker describes it (Exponential Backoff And Jitter, 2015): a thousand gateways that lost one
    broker do not come back in step.

    Attributes:
        steady_s: A connection that lasted this long, and longer than the pause before it could have been, was a good
            one; after it the count begins anew. Otherwise two gateways under one client id would cut each other off as
            fast as they can connect.
    """

    first_s: float = 0.5
    longest_s: float = 60.0
    steady_s: float = 10.0

    def delay_s(self, attempt: int) -> float:
        """Return a random delay before attempt `attempt`, counted from 0."""
        return random.uniform(0, self._limit_s(attempt))  # noqa: S311 -- no secret

    def is_good(self, lasted_s: float, attempt: int) -> bool:
        """Return whether the connection that attempt `attempt` made was good."""
        return lasted_s >= self.steady_s and (attempt == 0 or lasted_s >= self._limit_s(attempt - 1))

    def _limit_s(self, attempt: int) -> float:
        return min(self.longest_s, self.first_s * 2.0 ** min(attempt, 30))


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
        self._older_once = self._was_dropped = False
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
                end = await self._serve(connection, subscriber)
                lasted_s = loop.time() - since
                self._was_dropped = end.reason == DROPPING
                if self._was_dropped or (end.reason != TAKEN_OVER and self._backoff.is_good(lasted_s, attempt)):
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
            await connection.subscribe_all(again=self._was_dropped)
        except Refused as refused:
            self._metrics.count_connection("refused")
            self._metrics.count_broker_reason(refused.packet, refused.reason)
            log.warning("broker_refused", code=refused.code, name=refused.reason, reason=str(refused))
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

    async def _serve(self, connection: Connection, subscriber: Subscriber) -> End:
        log.info("connected", mqtt=connection.version, session=connection.session_present)
        self._connection = connection
        self._health.connected = True
        self._metrics.connected.set(1)
        subscriber.connected(connection)
        end = await connection.closed
        self._connection = None
        self._health.connected = False
        self._metrics.connected.set(0)
        subscriber.disconnected()
        self._metrics.count_broker_reason(Packet.DISCONNECT, end.reason)
        tell = log.info if end.reason == "ours" else log.warning
        tell("disconnected", name=end.reason, reason=end.detail)
        return end

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond `stop`."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
