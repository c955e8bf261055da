"""What only a real broker can show: flow control both ways, sessions, a frozen peer, two under one name."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
import pytest

from gateway.edge.config import BrokerConfig
from gateway.edge.exchange import Carrier, End, Receipt, Terms, Will
from gateway.edge.link import Backoff, Link
from gateway.edge.mqtt import MQTT_5, Connection
from gateway.edge.observe import Health, Metrics
from gateway.testing.mosquitto import MOSQUITTO_CONFIG, Mosquitto, find_mosquitto

pytestmark = pytest.mark.mosquitto

TOPIC = "wayside/v1/car-1/telemetry"
PATIENCE_S = 30.0


@dataclass
class Heard:
    """Keeps what came, acknowledging nothing by itself."""

    payloads: list[bytes] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    answers: list[object] = field(default_factory=list)
    connections: list[Carrier] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._told = asyncio.Event()

    def message(self, topic: str, payload: bytes, receipt: Receipt | None, *, retained: bool) -> None:
        del topic, retained
        self.payloads.append(payload)
        if receipt is not None:
            self.receipts.append(receipt)
        self._told.set()

    def confirmed(self, token: object, code: int) -> None:
        del code
        self.answers.append(token)
        self._told.set()

    def connected(self, connection: Carrier) -> None:
        self.connections.append(connection)
        self._told.set()

    def disconnected(self) -> None:
        """Not of interest."""

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._told.clear()
                await self._told.wait()


def _terms(broker: Mosquitto, **settings: object) -> Terms:
    config = BrokerConfig.model_validate({"port": broker.port})
    will = Will("wayside/v1/gw-1/status", b"gone")
    return Terms(config.model_copy(update=settings), "gw-1", (TOPIC,), will)


@asynccontextmanager
async def _opened(broker: Mosquitto, heard: Heard, **settings: object) -> AsyncIterator[Connection]:
    connection = Connection(_terms(broker, **settings), MQTT_5, None, heard)
    await connection.open()
    await connection.subscribe_all()
    yield connection
    await connection.close()


async def _publish(broker: Mosquitto, count: int, start: int = 0) -> None:
    async with aiomqtt.Client(broker.host, broker.port) as client:
        for number in range(start, start + count):
            await client.publish(TOPIC, str(number).encode(), qos=1)


async def _round_trip(connection: Connection, heard: Heard) -> None:
    """Whatever the broker sent before has come."""
    token = object()
    connection.send("elsewhere", b"", token)
    await heard.until(lambda: token in heard.answers)


@pytest.mark.parametrize("ours", [1, 20])
async def test_the_broker_waits_for_our_acknowledgements(mosquitto: Mosquitto, ours: int) -> None:
    """With 1 it is held to each, with more to the first round.

    Mosquitto 2.0.11 answers one acknowledgement with as many messages as there is room for in all.
    """
    heard = Heard()
    async with _opened(mosquitto, heard, receive_maximum=ours) as connection:
        await _publish(mosquitto, 50)
        for acknowledged in range(50):
            await heard.until(lambda: len(heard.payloads) > acknowledged)  # noqa: B023 -- awaited here
            await _round_trip(connection, heard)
            if acknowledged == 0 or ours == 1:
                assert len(heard.payloads) == acknowledged + ours
            heard.receipts[acknowledged].acknowledge()
        await _round_trip(connection, heard)

    assert heard.payloads == [str(number).encode() for number in range(50)]


@pytest.mark.parametrize("theirs", [1, 20])
async def test_no_more_is_sent_to_the_broker_than_it_has_room_for(tmp_path: Path, theirs: int) -> None:
    program = find_mosquitto()
    assert program is not None  # the marker has seen to it
    config = MOSQUITTO_CONFIG.replace("max_inflight_messages 1000", f"max_inflight_messages {theirs}")
    broker = Mosquitto(program, tmp_path, config)
    broker.start()
    heard = Heard()
    try:
        async with _opened(broker, heard) as connection:
            assert connection.capacity == theirs
            for number in range(100):
                await heard.until(lambda: connection.capacity > 0)
                connection.send(TOPIC, str(number).encode(), number)
            await heard.until(lambda: len(heard.answers) == 100)
            assert connection.capacity == theirs
    finally:
        broker.stop()

    assert heard.answers == list(range(100))


async def test_what_was_not_acknowledged_comes_again_and_what_came_meanwhile_too(mosquitto: Mosquitto) -> None:
    heard = Heard()
    async with _opened(mosquitto, heard) as first:
        await _publish(mosquitto, 3)
        await heard.until(lambda: len(heard.receipts) == 3)
        heard.receipts[0].acknowledge()
        await _round_trip(first, heard)
        first.abort()
    heard.receipts[1].acknowledge()
    await _publish(mosquitto, 2, start=3)
    again = Heard()
    async with _opened(mosquitto, again) as second:
        heard.receipts[2].acknowledge()
        await again.until(lambda: len(again.payloads) == 4)
        assert second.session_present

    assert again.payloads == [b"1", b"2", b"3", b"4"]


async def test_a_session_of_no_length_is_gone_with_its_connection(mosquitto: Mosquitto) -> None:
    heard = Heard()
    for _ in range(2):
        async with _opened(mosquitto, heard, session_expiry_s=0) as connection:
            assert not connection.session_present
        await _publish(mosquitto, 1)

    assert heard.payloads == []


async def _ended(connection: Connection) -> End:
    return await asyncio.wait_for(asyncio.shield(connection.closed), PATIENCE_S)


async def test_a_broker_that_is_frozen_is_given_up_and_found_again_when_it_thaws(mosquitto: Mosquitto) -> None:
    heard = Heard()
    connection = Connection(_terms(mosquitto, keepalive_s=1), MQTT_5, None, heard)
    await connection.open()
    await connection.subscribe_all()
    process = mosquitto._process
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    try:
        assert (await _ended(connection)).reason == "silent"
    finally:
        os.kill(process.pid, signal.SIGCONT)
    async with _opened(mosquitto, heard) as again:
        assert again.is_open


async def test_a_way_that_swallows_everything_is_given_up(mosquitto: Mosquitto) -> None:
    swallows = asyncio.Event()

    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            if not swallows.is_set():
                sink.write(data)
        sink.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(mosquitto.host, mosquitto.port)
        await asyncio.gather(carry(reader, forth), carry(back, writer))

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        connection = Connection(_terms(mosquitto, keepalive_s=1, port=port), MQTT_5, None, Heard())
        await connection.open()
        await connection.subscribe_all()
        swallows.set()
        assert (await _ended(connection)).reason == "silent"


@dataclass(frozen=True)
class Counting(Backoff):
    """Keeps what was asked of it; waits for nothing until told to stop."""

    asked: list[int] = field(default_factory=list)

    def delay_s(self, attempt: int) -> float:
        self.asked.append(attempt)
        return 0.0 if attempt < 3 else 3_600.0


async def test_two_under_one_name_are_told_apart_by_their_pauses_not_by_their_fighting(mosquitto: Mosquitto) -> None:
    terms = _terms(mosquitto)
    backoffs = [Counting(steady_s=0.0), Counting(steady_s=0.0)]
    followers = [Heard(), Heard()]
    links = [Link(terms, lambda: None, Health(), Metrics(), backoff) for backoff in backoffs]
    tasks = [asyncio.create_task(link.run(follower)) for link, follower in zip(links, followers, strict=True)]
    async with asyncio.timeout(PATIENCE_S):
        # Each is cut off by the other; as soon as one has had enough, the other stays.
        while not any(backoff.asked[-1:] == [3] for backoff in backoffs):
            await asyncio.wait(tasks, timeout=0.01)
    for link in links:
        link.stop()
        await link.close()
    await asyncio.gather(*tasks)

    assert [backoff.asked == sorted(backoff.asked) for backoff in backoffs] == [True, True], "never from the start"
