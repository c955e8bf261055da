"""How a connection ends: who ended it, and why."""

import pytest

from gateway.edge import mqtt
from gateway.testing import broker as wire
from gateway.testing.broker import ScriptedBroker
from gateway.testing.listener import Heard, a_connection, an_open_connection


async def test_who_agreed_before_is_not_waited_for_and_may_still_refuse() -> None:
    async with ScriptedBroker(session_present=True, suback=135) as broker:
        connection = a_connection(broker.port, Heard())
        await connection.open()
        await connection.subscribe_all(again=True)
        assert connection.is_open
        assert (await connection.closed).reason == "not_authorized"


async def test_a_peer_that_no_longer_reads_is_cut_off_when_it_is_time_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "_CLOSE_TIMEOUT_S", 0.05)
    async with ScriptedBroker() as broker:
        connection = await an_open_connection(broker, Heard())
        broker.is_deaf = True
        for number in range(64):
            connection.send("t", b"x" * 1_000_000, number)
        await connection.close()

    assert connection.closed.done()


async def test_a_goodbye_keeps_the_will_back_and_a_cut_does_not() -> None:
    async with ScriptedBroker() as broker:
        connection = await an_open_connection(broker, Heard())
        await connection.close()
        await broker.until(lambda: bool(broker.of_kind(wire.DISCONNECT)))
        second = await an_open_connection(broker, Heard())
        second.abort()
        await second.closed

    assert len(broker.of_kind(wire.DISCONNECT)) == 1


async def test_a_broker_that_sends_no_packets_is_cut_off() -> None:
    async with ScriptedBroker() as broker:
        connection = await an_open_connection(broker, Heard())
        broker.send_raw(b"\x30\xff\xff\xff\xff\xff")
        assert (await connection.closed).reason == "not_mqtt"


async def test_a_broker_that_hangs_up_is_gone() -> None:
    async with ScriptedBroker() as broker:
        connection = await an_open_connection(broker, Heard())
        broker.hang_up()
        assert (await connection.closed).reason == "closed"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (0x8E, "session_taken_over"),
        (0x8B, "server_shutting_down"),
        (0x97, "quota_exceeded"),
        (0x87, "not_authorized"),
        (0x8D, "keep_alive_timeout"),
        (0xFE, "unknown"),
    ],
)
async def test_a_broker_that_says_why_it_leaves_is_left(code: int, reason: str) -> None:
    async with ScriptedBroker() as broker:
        connection = await an_open_connection(broker, Heard())
        broker.disconnect(code)
        end = await connection.closed
        await broker.until(lambda: broker.ends == 1)
        connection.abort()

    assert end.reason == reason
    assert str(code) in end.detail
    assert connection.closed.result() is end, "the first end counts"


@pytest.mark.parametrize("packet", [b"\x32\x01\x00", b"\x32\x05\x00\x03a/b", b"\x40\x01\x00", b"\x30\x00"])
async def test_a_packet_that_ends_too_soon_ends_the_connection(packet: bytes) -> None:
    async with ScriptedBroker() as broker:
        connection = await an_open_connection(broker, Heard())
        broker.send_raw(packet)
        assert (await connection.closed).reason == "not_mqtt"


async def test_a_peer_that_does_not_answer_is_given_up() -> None:
    async with ScriptedBroker(pings=False, keep_alive_s=1) as broker:
        connection = await an_open_connection(broker, Heard())
        end = await connection.closed

    assert end.reason == "silent"
    assert broker.of_kind(wire.PINGREQ), "it was asked"


async def test_the_brokers_keep_alive_is_kept_where_it_is_shorter() -> None:
    async with ScriptedBroker(keep_alive_s=1) as broker:
        connection = await an_open_connection(broker, Heard())
        await broker.until(lambda: len(broker.of_kind(wire.PINGREQ)) == 4)
        assert connection.is_open
        await connection.close()


async def test_what_we_do_not_read_ourselves_is_not_held_against_the_peer() -> None:
    async with ScriptedBroker(keep_alive_s=1) as broker:
        connection = await an_open_connection(broker, Heard())
        connection.pause()
        await broker.until(lambda: len(broker.of_kind(wire.PINGREQ)) == 4)
        assert connection.is_open
        connection.resume()
        await broker.until(lambda: len(broker.of_kind(wire.PINGREQ)) == 6)
        assert connection.is_open
        await connection.close()
