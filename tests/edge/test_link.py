"""Staying connected: again, in another version, and not while the ledger fails."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.edge import mqtt
from gateway.edge.config import BrokerConfig, ConfigError
from gateway.edge.exchange import Carrier, Receipt, Terms, Will
from gateway.edge.link import Backoff, Link
from gateway.edge.observe import Health, Metrics
from gateway.testing import broker as wire
from gateway.testing.broker import ScriptedBroker
from simulators.broker import embedded_broker

AT_ONCE = Backoff(first_s=0.0)


@dataclass
class Follower:
    """Keeps what the link told it."""

    connections: list[Carrier] = field(default_factory=list)
    losses: int = 0

    def __post_init__(self) -> None:
        self._told = asyncio.Event()

    def message(self, topic: str, payload: bytes, receipt: Receipt | None, *, retained: bool) -> None:
        """Hear nothing."""

    def confirmed(self, token: object, code: int) -> None:
        """Hear nothing."""

    def connected(self, connection: Carrier) -> None:
        self.connections.append(connection)
        self._told.set()

    def disconnected(self) -> None:
        self.losses += 1
        self._told.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._told.clear()
                await self._told.wait()


@dataclass
class Running:
    """A link that runs."""

    link: Link
    follower: Follower
    health: Health
    metrics: Metrics


@asynccontextmanager
async def _linked(
    port: int, password: Callable[[], str | None] = lambda: None, protocol: str = "auto"
) -> AsyncIterator[Running]:
    config = BrokerConfig.model_validate({"port": port, "protocol": protocol})
    terms = Terms(config, "gw-1", ("wayside/v1/car-1/telemetry",), Will("wayside/v1/gw-1/status", b"gone"))
    running = Running(
        Link(terms, password, health := Health(), metrics := Metrics(), AT_ONCE), Follower(), health, metrics
    )
    task = asyncio.create_task(running.link.run(running.follower))
    yield running
    running.link.stop()
    await running.link.close()
    await asyncio.wait_for(task, 10)


def _connections(running: Running, result: str) -> float:
    return running.metrics.registry.get_sample_value("wayside_connections_total", {"result": result}) or 0.0


async def test_it_connects_again_when_the_connection_is_lost() -> None:
    async with ScriptedBroker() as broker, _linked(broker.port) as running:
        await running.follower.until(lambda: len(running.follower.connections) == 1)
        assert running.metrics.registry.get_sample_value("wayside_broker_connected") == 1
        broker.cut()
        await running.follower.until(lambda: len(running.follower.connections) == 2)

    assert running.follower.losses == 2
    assert not running.health.connected
    assert _connections(running, "accepted") == 2


async def test_a_refusal_is_tried_again_with_the_password_of_the_day() -> None:
    passwords = iter(["old", "new"])
    async with (
        ScriptedBroker(connack=[135, 0]) as broker,
        _linked(broker.port, lambda: next(passwords)) as running,
    ):
        await running.follower.until(lambda: len(running.follower.connections) == 1)

    assert _connections(running, "refused") == 1
    assert next(passwords, None) is None


async def test_a_password_that_cannot_be_read_is_tried_again() -> None:
    asked: list[None] = []

    def password() -> str:
        asked.append(None)
        if len(asked) == 1:
            raise ConfigError(Path("secret"), "broker.password_file", "cannot be read")
        return "hush"

    async with ScriptedBroker() as broker, _linked(broker.port, password) as running:
        await running.follower.until(lambda: len(running.follower.connections) == 1)

    assert _connections(running, "unreachable") == 1


@pytest.mark.parametrize("refusal", [1, 132])
async def test_it_falls_back_to_the_older_version_and_stays_there(refusal: int) -> None:
    async with ScriptedBroker(connack=[refusal, 0]) as broker, _linked(broker.port) as running:
        await running.follower.until(lambda: len(running.follower.connections) == 1)
        broker.cut()
        await running.follower.until(lambda: len(running.follower.connections) == 2)

    assert [packet.body[6] for packet in broker.of_kind(wire.CONNECT)] == [5, 4, 4]


async def test_a_silent_broker_is_tried_in_the_older_version_once() -> None:
    async with ScriptedBroker(connack=[None, None, None, 0]) as broker, _linked(broker.port) as running:
        await running.follower.until(lambda: len(running.follower.connections) == 1)
        broker.cut()
        await running.follower.until(lambda: len(running.follower.connections) == 2)

    assert [packet.body[6] for packet in broker.of_kind(wire.CONNECT)] == [5, 4, 5, 4, 5]


async def test_a_version_that_was_asked_for_is_never_left() -> None:
    async with ScriptedBroker(connack=[1, None, 0]) as broker, _linked(broker.port, protocol="5") as running:
        await running.follower.until(lambda: len(running.follower.connections) == 1)

    assert {packet.body[6] for packet in broker.of_kind(wire.CONNECT)} == {5}


async def test_a_broker_that_speaks_only_the_older_version_is_spoken_to_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mqtt, "_CONNECT_TIMEOUT_S", 0.5)
    async with embedded_broker() as address, _linked(address.port) as running:
        await running.follower.until(lambda: len(running.follower.connections) == 1)


async def test_a_held_link_is_cut_and_comes_back_when_released() -> None:
    async with ScriptedBroker() as broker, _linked(broker.port) as running:
        await running.follower.until(lambda: len(running.follower.connections) == 1)
        running.link.hold()
        await running.follower.until(lambda: running.follower.losses == 1)
        assert broker.connects == 1
        running.link.release()
        await running.follower.until(lambda: len(running.follower.connections) == 2)

    assert len(broker.of_kind(wire.DISCONNECT)) == 1


async def test_a_link_held_while_connecting_does_not_come_up() -> None:
    async with ScriptedBroker() as broker, _linked(broker.port) as running:
        await broker.until(lambda: broker.connects == 1)
        running.link.hold()
        await broker.until(lambda: broker.ends == 1)
        assert running.follower.connections == []
        running.link.release()
        await running.follower.until(lambda: len(running.follower.connections) == 1)

    assert broker.connects == 2


async def test_a_stopped_link_that_never_connected_ends() -> None:
    async with ScriptedBroker() as broker:
        port = broker.port
    async with _linked(port) as running:
        pass

    assert running.follower.connections == []


def test_the_delay_is_random_below_a_limit_that_doubles() -> None:
    backoff = Backoff(first_s=0.5, longest_s=60.0)
    delays = [[backoff.delay_s(attempt) for _ in range(200)] for attempt in (0, 3, 20)]

    assert all(0 <= delay <= limit for row, limit in zip(delays, (0.5, 4.0, 60.0), strict=True) for delay in row)
    assert max(delays[2]) > 30
    assert len(set(delays[1])) > 100
