"""Messages go out at their due times, no more of them open than agreed; what does not go out is told."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from simulators.load import packets
from simulators.load.packets import NotMqtt, Stream
from simulators.load.plan import Messages, Plan
from simulators.load.schedule import NS, Schedule
from simulators.load.sender import CalledOff, Sender, Sent, lags_ns

TINY = Messages(topic="t", payload="{n}")
LARGE = Messages(topic="t", payload="x" * 65_536)
PATIENCE_S = 20.0


@dataclass
class Wires:
    """The two ends of both things a sender holds."""

    raw: socket.socket
    broker: socket.socket
    line: socket.socket
    caller: socket.socket

    def send(self, plan: Plan) -> Sent:
        return Sender(plan, self.raw, self.line, time.monotonic_ns(), 1_000).send()


@pytest.fixture
def wires() -> Iterator[Wires]:
    pairs = (*socket.socketpair(), *socket.socketpair())
    pairs[1].settimeout(PATIENCE_S)
    yield Wires(*pairs)
    for each in pairs:
        each.close()


def _plan(
    rate: int, seconds: float, *, qos: int = 0, window: int = 20, patience_s: float = PATIENCE_S, said: Messages = TINY
) -> Plan:
    return Plan(Schedule(rate, seconds), qos=qos, window=window, patience_s=patience_s, messages=said)


class Broker(threading.Thread):
    """Takes in messages, and acknowledges when so many are open."""

    def __init__(self, raw: socket.socket, window: int, count: int) -> None:
        super().__init__()
        self.payloads: list[bytes] = []
        self.most_open = 0
        self._raw, self._window, self._count = raw, window, count

    def run(self) -> None:
        stream, open_ids = Stream(), list[int]()
        while len(self.payloads) < self._count:
            for packet in stream.feed(self._raw.recv(65_536)):
                message = packets.read_publish(packet)
                self.payloads.append(message.payload)
                open_ids.append(message.packet_id)
            self.most_open = max(self.most_open, len(open_ids))
            if len(open_ids) >= self._window or len(self.payloads) == self._count:
                # In pieces, for a stream may be cut anywhere.
                acks = b"".join(packets.puback(packet_id) for packet_id in open_ids)
                self._raw.sendall(acks[:3])
                self._raw.sendall(acks[3:])
                open_ids.clear()


def test_each_message_goes_out_once_and_in_its_order(wires: Wires) -> None:
    sent = wires.send(_plan(1_000, 0.2))
    wires.raw.close()
    data = b"".join(iter(lambda: wires.broker.recv(65_536), b""))
    payloads = [packets.read_publish(packet).payload for packet in Stream().feed(data)]
    assert payloads == [str(number).encode() for number in range(200)]
    assert (sent.messages, sent.unsent, sent.unacknowledged, sent.acknowledged) == (200, 0, 0, None)
    assert sent.lag is not None
    assert sent.lag.count == 200
    assert 0 < sent.per_s <= 1_000


def test_lag_counts_from_due_time_to_the_end_of_the_write() -> None:
    schedule = Schedule(1_000, 1)
    lags = lags_ns(schedule, 10 * NS, [1, 4, 5], [10 * NS + 7, 10 * NS + 3_000_000, 10 * NS + 4_000_001])
    np.testing.assert_array_equal(lags, [7, 2_000_000, 1_000_000, 0, 1])


@pytest.mark.parametrize("window", [1, 7, 20])
def test_no_more_messages_are_open_than_the_window_holds(wires: Wires, window: int) -> None:
    broker = Broker(wires.broker, window, 300)
    broker.start()
    sent = wires.send(_plan(3_000, 0.1, qos=1, window=window))
    broker.join(PATIENCE_S)
    assert broker.payloads == [str(number).encode() for number in range(300)]
    assert broker.most_open == window
    assert (sent.messages, sent.unacknowledged) == (300, 0)
    assert sent.acknowledged is not None
    assert sent.acknowledged.count == 300


def test_what_is_never_acknowledged_is_counted(wires: Wires) -> None:
    sent = wires.send(_plan(100, 0.1, qos=1, patience_s=0.1))
    assert (sent.messages, sent.unacknowledged, sent.acknowledged) == (10, 10, None)


def test_what_the_broker_does_not_take_is_unsent(wires: Wires) -> None:
    sent = wires.send(_plan(1_000, 0.1, patience_s=0.1, said=LARGE))
    assert sent.messages + sent.unsent == 100
    assert sent.unsent > 0
    assert sent.held_up > 0


def test_a_sender_ends_when_who_started_it_is_gone(wires: Wires) -> None:
    wires.caller.close()
    with pytest.raises(CalledOff):
        wires.send(_plan(10, 60))


def test_a_broken_connection_is_an_error(wires: Wires) -> None:
    wires.broker.close()
    with pytest.raises(OSError, match=r"closed|Broken pipe"):
        wires.send(_plan(10, 60))


def test_a_broker_that_says_anything_else_is_an_error(wires: Wires) -> None:
    wires.broker.sendall(b"\x30\x02ab")
    with pytest.raises(NotMqtt):
        wires.send(_plan(10, 60))
