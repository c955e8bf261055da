"""One connection: what it promises, towards a broker that says what we want and towards a real one."""

import asyncio
from inspect import iscoroutinefunction, signature

import gmqtt
import pytest
from gmqtt.mqtt.connection import MQTTConnection
from gmqtt.mqtt.protocol import MQTTProtocol

from gateway.core.errors import Unavailable
from gateway.edge import mqtt
from gateway.edge.exchange import result_of
from gateway.edge.mqtt import MQTT_3_1_1, MQTT_5, Refused, Unanswered
from gateway.edge.reasons import Packet
from gateway.edge.watchdog import BULK_BYTES
from gateway.testing import broker as wire
from gateway.testing.broker import ScriptedBroker
from gateway.testing.listener import Heard, a_connection, an_open_connection


async def test_it_connects_with_session_will_and_receive_maximum() -> None:
    async with ScriptedBroker(session_present=True) as broker:
        connection = a_connection(broker.port, Heard(), username="gw")
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
        connection = await an_open_connection(broker, heard, version)
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
        connection = await an_open_connection(broker, heard)
        broker.deliver("a/b", b"one", properties=user_property)
        await heard.until_told()
        await connection.close()

    assert heard.messages == [("a/b", b"one", False)]


@pytest.mark.parametrize("version", [MQTT_5, MQTT_3_1_1])
async def test_nothing_is_acknowledged_before_its_receipt_is(version: int) -> None:
    heard = Heard()
    async with ScriptedBroker() as broker:
        connection = await an_open_connection(broker, heard, version)
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
        first = await an_open_connection(broker, heard)
        broker.deliver("a/b", b"one", packet_id=1)
        await heard.until_told()
        broker.cut()
        await first.closed
        second = await an_open_connection(broker, heard)

        heard.receipts[0].acknowledge()
        second.send("ping", b"", "after it")
        await heard.until_told()
        await second.close()

    assert broker.of_kind(wire.PUBACK) == []


async def test_a_confirmation_names_what_was_published() -> None:
    heard = Heard()
    async with ScriptedBroker(puback=None) as broker:
        connection = await an_open_connection(broker, heard)
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
        connection = await an_open_connection(broker, heard)
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
        connection = a_connection(broker.port, Heard())
        with pytest.raises(Refused) as caught:
            await connection.open()

    assert (caught.value.code, caught.value.is_for_version) == (code, code == 132)


async def test_a_broker_of_the_old_version_refuses_the_new_one() -> None:
    async with ScriptedBroker(connack=[1]) as broker:
        with pytest.raises(Refused) as caught:
            await a_connection(broker.port, Heard()).open()

    assert caught.value.is_for_version


async def test_a_broker_that_closes_without_a_word_did_not_answer() -> None:
    async with ScriptedBroker(connack=[None]) as broker:
        with pytest.raises(Unanswered, match="did not answer"):
            await a_connection(broker.port, Heard()).open()


async def test_a_port_where_nobody_listens_is_unavailable() -> None:
    async with ScriptedBroker() as broker:
        port = broker.port
    with pytest.raises(Unavailable, match=str(port)):
        await a_connection(port, Heard()).open()


async def test_a_broker_that_does_not_answer_in_time_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "_CONNECT_TIMEOUT_S", 0.0)
    async with ScriptedBroker() as broker:
        connection = a_connection(broker.port, Heard())
        with pytest.raises(Unavailable):
            await connection.open()
        connection.abort()


async def test_a_denied_subscription_is_a_refusal() -> None:
    async with ScriptedBroker(suback=135) as broker:
        connection = a_connection(broker.port, Heard())
        await connection.open()
        with pytest.raises(Refused, match=r"refuses a subscription: not_authorized \(135\)"):
            await connection.subscribe_all()
        await connection.close()


async def test_others_have_their_turn_while_data_comes_in_bulk() -> None:
    """The loop of asyncio reads once a round anyhow; what is held here is that it goes on, and heeds a pause."""
    heard = Heard()
    async with ScriptedBroker() as broker:
        connection = await an_open_connection(broker, heard)
        for _ in range(3):
            broker.deliver("a/b", b"x" * 200_000)
        while len(heard.messages) < 3:
            await heard.until_told()
        connection.pause()
        connection._has_heard(BULK_BYTES)
        broker.deliver("a/b", b"late")
        connection.send("t", b"", "seen")
        await broker.until(lambda: len(broker.published) == 1)
        assert len(heard.messages) == 3
        connection.resume()
        while len(heard.messages) < 4:
            await heard.until_told()
        await connection.close()
        connection._read_on()


async def test_a_subscription_that_is_not_answered_is_unavailable() -> None:
    async with ScriptedBroker() as broker:
        connection = a_connection(broker.port, Heard())
        await connection.open()
        broker.cut()
        with pytest.raises(Unavailable, match="did not answer"):
            await connection.subscribe_all()


async def test_nothing_is_read_while_paused() -> None:
    heard = Heard()
    async with ScriptedBroker() as broker:
        connection = await an_open_connection(broker, heard)
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
        connection = await an_open_connection(broker, Heard(fault=AssertionError("our bug")))
        broker.deliver("a/b", b"one")
        await told.wait()
        told.clear()
        connection.send("t", b"", "token")
        await told.wait()
        await connection.close()

    assert [type(error) for error in caught] == [AssertionError, AssertionError]


async def test_a_message_that_is_far_too_large_is_handed_over_cut_and_can_be_acknowledged() -> None:
    heard = Heard()
    async with ScriptedBroker() as broker:
        connection = await an_open_connection(broker, heard)
        broker.deliver("a/b", b"x" * 3_000_000, packet_id=7)
        broker.deliver("a/b", b"next", packet_id=8)
        while len(heard.receipts) < 2:
            await heard.until_told()
        heard.receipts[0].acknowledge()
        await broker.until(lambda: bool(broker.of_kind(wire.PUBACK)))
        await connection.close()

    assert len(heard.messages[0][1]) > 256 * 1024, "still too large, and refused as such"
    assert heard.messages[1][1] == b"next"
    assert broker.of_kind(wire.PUBACK)[0].body == b"\x00\x07"


async def test_a_name_that_cannot_be_looked_up_is_told_as_that() -> None:
    connection = a_connection(1, Heard(), host="no-such-host.invalid")
    with pytest.raises(Unavailable, match=r"cannot be looked up \(.*\): see broker\.host and the network"):
        await connection.open()


@pytest.mark.parametrize(
    ("code", "reason"), [(4, "bad_user_name_or_password"), (135, "not_authorized"), (99, "unknown")]
)
async def test_a_refusal_has_the_name_of_the_standard(code: int, reason: str) -> None:
    async with ScriptedBroker(connack=[code]) as broker:
        with pytest.raises(Refused, match=rf"refuses the connection: {reason} \({code}\)") as caught:
            await a_connection(broker.port, Heard()).open()

    assert (caught.value.reason, caught.value.packet) == (reason, Packet.CONNACK)


def test_the_library_still_has_the_inner_parts_we_replace() -> None:
    assert list(signature(MQTTConnection.put_package).parameters) == ["self", "pkg"]
    assert list(signature(gmqtt.Client.reconnect).parameters) == ["self", "delay"]
    assert iscoroutinefunction(gmqtt.Client._create_connection)
    assert list(signature(gmqtt.Client._create_connection).parameters) == [
        *("self", "host", "port", "ssl", "clean_session", "keepalive")
    ]
    assert list(signature(MQTTConnection.__init__).parameters) == [
        *("self", "transport", "protocol", "clean_session", "keepalive", "package_handler", "logger")
    ]
    assert list(signature(MQTTConnection._keep_connection).parameters) == ["self"]
    assert {"_read_loop_future", "connection_lost"} <= set(dir(MQTTProtocol)) | set(
        MQTTProtocol.__init__.__code__.co_names
    )
