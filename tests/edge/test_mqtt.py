"""One connection: what it promises, towards a broker that says what we want and towards a real one."""

import asyncio
from dataclasses import dataclass, field
from inspect import iscoroutinefunction, signature

import gmqtt
import pytest
from gmqtt.mqtt.connection import MQTTConnection
from gmqtt.mqtt.protocol import MQTTProtocol

from gateway.core.errors import Unavailable
from gateway.edge import mqtt
from gateway.edge.config import BrokerConfig, TlsConfig
from gateway.edge.exchange import Receipt, Terms, Will, result_of
from gateway.edge.mqtt import MQTT_3_1_1, MQTT_5, Connection, Refused, Unanswered
from gateway.testing import broker as wire
from gateway.testing.broker import ScriptedBroker

WILL = Will("wayside/v1/gw-1/status", b"gone")


@dataclass
class Heard:
    """Keeps what a connection told it."""

    messages: list[tuple[str, bytes, bool]] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    answers: list[tuple[object, int]] = field(default_factory=list)
    fault: Exception | None = None

    def __post_init__(self) -> None:
        self._told = asyncio.Event()

    def message(self, topic: str, payload: bytes, receipt: Receipt | None, *, retained: bool) -> None:
        self.messages.append((topic, payload, retained))
        if self.fault is not None:
            raise self.fault
        if receipt is not None:
            self.receipts.append(receipt)
        self._told.set()

    def confirmed(self, token: object, code: int) -> None:
        self.answers.append((token, code))
        if self.fault is not None:
            raise self.fault
        self._told.set()

    async def until_told(self) -> None:
        async with asyncio.timeout(10):
            await self._told.wait()
        self._told.clear()


def _connection(port: int, heard: Heard, version: int = MQTT_5, **settings: object) -> Connection:
    config = BrokerConfig.model_validate({"port": port, "receive_maximum": 7, "session_expiry_s": 60, **settings})
    return Connection(Terms(config, "gw-1", ("wayside/v1/car-1/telemetry",), WILL), version, "hush", heard)


async def _opened(broker: ScriptedBroker, heard: Heard, version: int = MQTT_5) -> Connection:
    connection = _connection(broker.port, heard, version)
    await connection.open()
    await connection.subscribe_all()
    return connection


async def test_it_connects_with_session_will_and_receive_maximum() -> None:
    async with ScriptedBroker(session_present=True) as broker:
        connection = _connection(broker.port, Heard(), username="gw")
        await connection.open()
        (connect,) = broker.of_kind(wire.CONNECT)
        await connection.close()

    flags = connect.body[7]
    assert flags & 0x02 == 0, "clean start would forget what waits for us"
    assert flags & 0x2C == 0x2C, "a retained will at QoS 1"
    assert flags & 0xC0 == 0xC0, "user name and password"
    assert b"\x11\x00\x00\x00\x3c" in connect.body, "session expiry of 60 s"
    assert b"\x21\x00\x07" in connect.body, "receive maximum of 7"
    assert connection.session_present
    assert connection.closed.done()


@pytest.mark.parametrize("version", [MQTT_5, MQTT_3_1_1])
async def test_messages_are_handed_over_as_they_came(version: int) -> None:
    heard = Heard()
    async with ScriptedBroker() as broker:
        connection = await _opened(broker, heard, version)
        broker.deliver("a/b", b"one")
        await heard.until_told()
        broker.deliver("a/c", b"two", packet_id=9, retain=True)
        await heard.until_told()
        await connection.close()

    assert heard.messages == [("a/b", b"one", False), ("a/c", b"two", True)]
    assert len(heard.receipts) == 1


async def test_properties_of_a_message_are_skipped() -> None:
    heard = Heard()
    user_property = b"\x26\x00\x01k\x00\xc8" + b"v" * 200
    async with ScriptedBroker() as broker:
        connection = await _opened(broker, heard)
        broker.deliver("a/b", b"one", properties=user_property)
        await heard.until_told()
        await connection.close()

    assert heard.messages == [("a/b", b"one", False)]


@pytest.mark.parametrize("version", [MQTT_5, MQTT_3_1_1])
async def test_nothing_is_acknowledged_before_its_receipt_is(version: int) -> None:
    heard = Heard()
    async with ScriptedBroker() as broker:
        connection = await _opened(broker, heard, version)
        broker.deliver("a/b", b"one", packet_id=300)
        await heard.until_told()
        connection.send("ping", b"", "after it")
        await heard.until_told()
        assert broker.of_kind(wire.PUBACK) == []

        heard.receipts[0].acknowledge()
        await broker.until(lambda: bool(broker.of_kind(wire.PUBACK)))
        await connection.close()

    assert broker.of_kind(wire.PUBACK)[0].body == b"\x01\x2c"


async def test_an_acknowledgement_owed_on_a_dead_connection_never_goes_out_on_the_next() -> None:
    heard = Heard()
    async with ScriptedBroker() as broker:
        first = await _opened(broker, heard)
        broker.deliver("a/b", b"one", packet_id=1)
        await heard.until_told()
        broker.cut()
        await first.closed
        second = await _opened(broker, heard)

        heard.receipts[0].acknowledge()
        second.send("ping", b"", "after it")
        await heard.until_told()
        await second.close()

    assert broker.of_kind(wire.PUBACK) == []


async def test_a_confirmation_names_what_was_published() -> None:
    heard = Heard()
    async with ScriptedBroker(puback=None) as broker:
        connection = await _opened(broker, heard)
        for token in ("first", "second", "third"):
            connection.send("t", token.encode(), token, retain=True, expiry_s=30)
        await broker.until(lambda: len(broker.published) == 3)
        first, second, third = broker.published
        broker.confirm(second.packet_id, 16)
        broker.confirm(first.packet_id)
        broker.confirm(third.packet_id, 135)
        broker.confirm(999)
        while len(heard.answers) < 3:
            await heard.until_told()
        await connection.close()

    assert heard.answers == [("second", 16), ("first", 0), ("third", 135)]
    assert [result_of(code) for _, code in heard.answers] == ["unheard", "taken", "refused"]
    assert first.retain
    assert first.properties == b"\x02\x00\x00\x00\x1e"


@pytest.mark.parametrize("limit", [1, 2, 20])
async def test_the_brokers_receive_maximum_is_used_to_the_last(limit: int) -> None:
    heard = Heard()
    async with ScriptedBroker(puback=None, receive_maximum=limit) as broker:
        connection = await _opened(broker, heard)
        assert connection.capacity == limit
        for number in range(limit):
            connection.send("t", b"", number)
        assert connection.capacity == 0
        await broker.until(lambda: len(broker.published) == limit)
        broker.confirm(broker.published[0].packet_id)
        await heard.until_told()
        assert connection.capacity == 1
        connection.send("t", b"", "one more")
        await connection.close()


@pytest.mark.parametrize("code", [132, 135, 137])
async def test_a_refusal_tells_its_code(code: int) -> None:
    async with ScriptedBroker(connack=[code]) as broker:
        connection = _connection(broker.port, Heard())
        with pytest.raises(Refused) as caught:
            await connection.open()

    assert (caught.value.code, caught.value.is_for_version) == (code, code == 132)


async def test_a_broker_of_the_old_version_refuses_the_new_one() -> None:
    async with ScriptedBroker(connack=[1]) as broker:
        with pytest.raises(Refused) as caught:
            await _connection(broker.port, Heard()).open()

    assert caught.value.is_for_version


async def test_a_broker_that_closes_without_a_word_did_not_answer() -> None:
    async with ScriptedBroker(connack=[None]) as broker:
        with pytest.raises(Unanswered, match="did not answer"):
            await _connection(broker.port, Heard()).open()


async def test_a_port_where_nobody_listens_is_unavailable() -> None:
    async with ScriptedBroker() as broker:
        port = broker.port
    with pytest.raises(Unavailable, match=str(port)):
        await _connection(port, Heard()).open()


async def test_a_broker_that_does_not_answer_in_time_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "_CONNECT_TIMEOUT_S", 0.0)
    async with ScriptedBroker() as broker:
        connection = _connection(broker.port, Heard())
        with pytest.raises(Unavailable):
            await connection.open()
        connection.abort()


async def test_a_denied_subscription_is_a_refusal() -> None:
    async with ScriptedBroker(suback=135) as broker:
        connection = _connection(broker.port, Heard())
        await connection.open()
        with pytest.raises(Refused, match="denies a subscription"):
            await connection.subscribe_all()
        await connection.close()


async def test_a_subscription_that_is_not_answered_is_unavailable() -> None:
    async with ScriptedBroker() as broker:
        connection = _connection(broker.port, Heard())
        await connection.open()
        broker.cut()
        with pytest.raises(Unavailable, match="did not answer"):
            await connection.subscribe_all()


async def test_tls_that_cannot_be_set_up_is_unavailable() -> None:
    config = BrokerConfig(tls=TlsConfig.model_validate({"ca_file": "/nowhere/ca.pem"}))
    connection = Connection(Terms(config, "gw-1", (), WILL), MQTT_5, None, Heard())

    with pytest.raises(Unavailable, match="TLS"):
        await connection.open()


async def test_a_broker_that_speaks_no_tls_is_unavailable() -> None:
    async with ScriptedBroker() as broker:
        with pytest.raises(Unavailable):
            await _connection(broker.port, Heard(), tls={}).open()


async def test_a_peer_that_no_longer_reads_is_cut_off_when_it_is_time_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "_CLOSE_TIMEOUT_S", 0.05)
    async with ScriptedBroker() as broker:
        connection = await _opened(broker, Heard())
        broker.is_deaf = True
        for number in range(64):
            connection.send("t", b"x" * 1_000_000, number)
        await connection.close()

    assert connection.closed.done()


async def test_a_goodbye_keeps_the_will_back_and_a_cut_does_not() -> None:
    async with ScriptedBroker() as broker:
        connection = await _opened(broker, Heard())
        await connection.close()
        await broker.until(lambda: bool(broker.of_kind(wire.DISCONNECT)))
        second = await _opened(broker, Heard())
        second.abort()
        await second.closed

    assert len(broker.of_kind(wire.DISCONNECT)) == 1


async def test_nothing_is_read_while_paused() -> None:
    heard = Heard()
    async with ScriptedBroker() as broker:
        connection = await _opened(broker, heard)
        connection.pause()
        broker.deliver("a/b", b"one")
        connection.send("t", b"", "seen")
        await broker.until(lambda: len(broker.published) == 1)
        assert heard.messages == []
        connection.resume()
        while not heard.messages:
            await heard.until_told()
        await connection.close()
        connection.pause()
        connection.resume()


async def test_a_bug_of_ours_reaches_the_loop_and_is_not_swallowed() -> None:
    caught: list[object] = []
    told = asyncio.Event()

    def handle(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        caught.append(context["exception"])
        told.set()

    asyncio.get_running_loop().set_exception_handler(handle)
    async with ScriptedBroker() as broker:
        connection = await _opened(broker, Heard(fault=AssertionError("our bug")))
        broker.deliver("a/b", b"one")
        await told.wait()
        told.clear()
        connection.send("t", b"", "token")
        await told.wait()
        await connection.close()

    assert [type(error) for error in caught] == [AssertionError, AssertionError]


async def test_a_broker_that_sends_no_packets_is_cut_off() -> None:
    async with ScriptedBroker() as broker:
        connection = await _opened(broker, Heard())
        broker.send_raw(b"\x30\xff\xff\xff\xff\xff")
        await connection.closed


async def test_a_broker_that_hangs_up_is_gone() -> None:
    async with ScriptedBroker() as broker:
        connection = await _opened(broker, Heard())
        broker.hang_up()
        await connection.closed


def test_the_library_still_has_the_inner_parts_we_replace() -> None:
    assert list(signature(MQTTConnection.put_package).parameters) == ["self", "pkg"]
    assert list(signature(gmqtt.Client.reconnect).parameters) == ["self", "delay"]
    assert iscoroutinefunction(gmqtt.Client._create_connection)
    assert {"_read_loop_future", "connection_lost"} <= set(dir(MQTTProtocol)) | set(
        MQTTProtocol.__init__.__code__.co_names
    )
