"""Staying connected: again, in another version, and not while the ledger fails."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog

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
    port: int,
    password: Callable[[], str | None] = lambda: None,
    protocol: str = "auto",
    backoff: Backoff = AT_ONCE,
) -> AsyncIterator[Running]:
    config = BrokerConfig.model_validate({"port": port, "protocol": protocol})
    terms = Terms(config, "gw-1", ("wayside/v1/car-1/telemetry",), Will("wayside/v1/gw-1/status", b"gone"))
    running = Running(
        Link(terms, password, health := Health(), metrics := Metrics(), backoff), Follower(), health, metrics
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


@dataclass(frozen=True)
class Counting(Backoff):
    """Waits for nothing, and keeps what was asked of it."""

    asked: list[int] = field(default_factory=list)

    def delay_s(self, attempt: int) -> float:
        self.asked.append(attempt)
        return 0.0


@pytest.mark.parametrize(
    ("code", "steady_s", "asked"),
    [
        (0x8B, 0.0, [0, 0, 0, 0]),
        (0x8B, 3_600.0, [0, 1, 2, 3]),
        (0x8E, 0.0, [0, 1, 2, 3]),
    ],
)
async def test_the_pauses_grow_until_a_connection_was_good_and_another_client_in_our_name_makes_none_good(
    code: int, steady_s: float, asked: list[int]
) -> None:
    backoff = Counting(first_s=0.0, steady_s=steady_s)
    async with ScriptedBroker() as broker, _linked(broker.port, backoff=backoff) as running:
        for number in range(1, 5):
            await running.follower.until(lambda number=number: len(running.follower.connections) == number)  # type: ignore[misc]
            broker.disconnect(code)
        await running.follower.until(lambda: len(running.follower.connections) == 5)

    assert backoff.asked[:4] == asked


async def test_what_the_broker_says_is_counted_by_packet_and_name() -> None:
    async with ScriptedBroker(connack=[135, 151, 0]) as broker, _linked(broker.port) as running:
        await running.follower.until(lambda: len(running.follower.connections) == 1)
        broker.disconnect(0x8E)
        await running.follower.until(lambda: len(running.follower.connections) == 2)
        broker.suback = 0x97
        broker.cut()
        await broker.until(lambda: broker.connects >= 6)

    def count(kind: str, reason: str) -> float:
        labels = {"kind": kind, "reason": reason}
        return running.metrics.registry.get_sample_value("wayside_broker_reasons_total", labels) or 0.0

    assert count("connack", "not_authorized") == count("connack", "quota_exceeded") == 1
    assert count("disconnect", "session_taken_over") == 1
    assert count("disconnect", "closed") + count("disconnect", "lost") == 1
    assert count("suback", "quota_exceeded") >= 1


async def test_the_end_of_a_connection_is_told_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.configure([structlog.processors.JSONRenderer()], logger_factory=structlog.PrintLoggerFactory())
    try:
        async with ScriptedBroker() as broker, _linked(broker.port) as running:
            await running.follower.until(lambda: len(running.follower.connections) == 1)
            broker.disconnect(0x8E)
            await running.follower.until(lambda: len(running.follower.connections) == 2)
    finally:
        structlog.reset_defaults()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    ends = [line for line in lines if line["event"] == "disconnected"]

    assert [line["name"] for line in ends] == ["session_taken_over", "ours"]
    assert "another client uses this client id" in ends[0]["reason"]


async def test_a_broker_that_accepts_and_stalls_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "_CONNECT_TIMEOUT_S", 0.05)
    stalls: list[asyncio.StreamWriter] = []
    told = asyncio.Event()

    async def stall(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stalls.append(writer)
        told.set()

    async with await asyncio.start_server(stall, "127.0.0.1", 0) as server:
        async with _linked(server.sockets[0].getsockname()[1]) as running:
            while len(stalls) < 3:
                told.clear()
                await told.wait()
        for writer in stalls:
            writer.close()

    assert _connections(running, "unreachable") >= 2
    assert running.follower.connections == []


@pytest.mark.parametrize(
    ("lasted_s", "attempt", "is_good"),
    [(9.9, 0, False), (10.0, 0, True), (10.0, 5, True), (10.0, 6, False), (16.0, 6, True), (59.0, 20, False)],
)
def test_a_connection_was_good_that_lasted_longer_than_the_pause_before_it_could_have(
    lasted_s: float, attempt: int, is_good: object
) -> None:
    assert Backoff(first_s=0.5, longest_s=60.0, steady_s=10.0).is_good(lasted_s, attempt) is is_good


@pytest.mark.parametrize("is_told", [True, False])
def test_two_under_one_name_seldom_fight(is_told: object) -> None:
    """An hour of both, each connecting when its pause is over and cut off when the other does."""
    backoff = Backoff()
    now, holder, since, fights = 0.0, None, 0.0, 0
    attempts, due = [0, 0], [0.0, 0.1]
    while (now := min(due)) < 3_600.0:
        comer = due.index(now)
        if holder is not None:
            fights += 1
            if not is_told and backoff.is_good(now - since, attempts[holder]):
                attempts[holder] = 0
            due[holder] = now + backoff.delay_s(attempts[holder])
            attempts[holder] += 1
        holder, since, due[comer] = comer, now, math.inf

    assert fights < 600, "ten a minute; without pauses it would be as fast as they connect"


def test_the_delay_is_random_below_a_limit_that_doubles() -> None:
    backoff = Backoff(first_s=0.5, longest_s=60.0)
    for attempt, limit_s in ((0, 0.5), (1, 1.0), (3, 4.0), (6, 32.0), (7, 60.0), (20, 60.0), (10_000, 60.0)):
        delays = sorted(backoff.delay_s(attempt) for _ in range(1_000))
        assert delays[0] >= 0
        assert delays[-1] <= limit_s
        # Uniform, not merely below: each of ten equal parts would miss all 1,000 draws once in 10^45.
        assert {int(delay / limit_s * 10) for delay in delays} >= set(range(10))
