"""A blocking MQTT 3.1.1 connection: says a few things surely, and hears one topic."""

import select
import socket
import time
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple, Self

from simulators.load import packets
from simulators.load.packets import CONNACK, PUBACK, PUBLISH, SUBACK, Packet, Published, Stream

ANSWERS_WITHIN_S = 20.0
_AT_ONCE = 65_536
_READS = 64


class Arrived(NamedTuple):
    """A message, and when its bytes had come, by `time.monotonic_ns`."""

    message: Published
    at_ns: int


def connected(host: str, port: int, client_id: str) -> socket.socket:
    """Return a socket on which the broker has accepted a client.

    Raises:
        OSError: Nobody listens there, or the broker refused, closed, or did not answer.
    """
    try:
        raw = socket.create_connection((host, port), timeout=ANSWERS_WITHIN_S)
    except ConnectionRefusedError as error:
        raise ConnectionRefusedError(f"nobody listens at {host}:{port}") from error
    try:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.sendall(packets.connect(client_id))
        _check_accepted(raw.recv(4, socket.MSG_WAITALL), f"{host}:{port}")
    except BaseException:
        raw.close()
        raise
    return raw


def _check_accepted(answer: bytes, address: str) -> None:
    if len(answer) < 4 or answer[0] >> 4 != CONNACK:
        raise packets.NotMqtt(f"what listens at {address} did not answer as an MQTT broker does")
    if answer[3]:
        raise ConnectionRefusedError(f"the broker at {address} refused the connection (return code {answer[3]})")


class Connection:
    """Connected as long as its block lasts. Everything it hears is acknowledged."""

    def __init__(self, host: str, port: int, client_id: str) -> None:
        self._socket = connected(host, port, client_id)
        self._stream = Stream()
        self._acknowledged: set[int] = set()
        self._heard: deque[Arrived] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        with self._socket:
            if error is None:
                self._socket.sendall(packets.DISCONNECT)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._socket.fileno()

    def subscribe(self, topic_filter: str) -> None:
        """Hear a topic from now on.

        Raises:
            OSError: The broker refused, or the connection broke.
        """
        self._socket.sendall(packets.subscribe(1, topic_filter))
        self._until_acknowledged(1)

    def say(self, messages: Iterable[tuple[str, bytes]], window: int) -> None:
        """Publish at QoS 1; returns once the broker has all of it.

        Raises:
            OSError: It does not acknowledge, or the connection broke.
        """
        open_ids: deque[int] = deque()
        for number, (topic, payload) in enumerate(messages):
            open_ids.append(number % 65_535 + 1)
            self._socket.sendall(packets.publish(packets.text(topic), payload, open_ids[-1]))
            if len(open_ids) >= window:
                self._until_acknowledged(open_ids.popleft())
        for packet_id in open_ids:
            self._until_acknowledged(packet_id)

    def receive(self) -> list[Arrived]:
        """Return what came and was not returned yet; waits for nothing.

        Raises:
            OSError: The connection broke.
        """
        for _ in range(_READS):  # a consumer that never stops talking must not stop us
            if not select.select([self._socket], [], [], 0)[0]:
                break
            self._read()
        heard = list(self._heard)
        self._heard.clear()
        return heard

    def _until_acknowledged(self, packet_id: int) -> None:
        while packet_id not in self._acknowledged:
            self._read()
        self._acknowledged.remove(packet_id)

    def _read(self) -> None:
        data = self._socket.recv(_AT_ONCE)
        at_ns = time.monotonic_ns()
        if not data:
            raise ConnectionResetError("the broker closed the connection")
        for packet in self._stream.feed(data):
            self._take(packet, at_ns)

    def _take(self, packet: Packet, at_ns: int) -> None:
        if packet.kind == PUBLISH:
            message = packets.read_publish(packet)
            if message.packet_id:
                self._socket.sendall(packets.puback(message.packet_id))
            self._heard.append(Arrived(message, at_ns))
        elif packet.kind in {PUBACK, SUBACK}:
            self._acknowledged.add(packets.acknowledged(packet))
