"""A counterpart for the MQTT link that says exactly what a test wants it to say.

It speaks bytes, no client library: what it cannot take apart was not MQTT. It serves one connection at a time and keeps
no session; redelivery and persistence are tried with a real broker.
"""

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ, PINGRESP, DISCONNECT = 1, 2, 3, 4, 8, 9, 12, 13, 14
MQTT_5 = 5
_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Packet:
    """A control packet as it came."""

    kind: int
    flags: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Published:
    """A PUBLISH that came, taken apart. `properties` are raw."""

    topic: str
    payload: bytes
    packet_id: int
    retain: bool
    properties: bytes


@dataclass
class ScriptedBroker:
    """Answers as its fields say, at the moment a packet comes.

    Attributes:
        connack: The reason code of each CONNACK, first attempt first; the last one for all later attempts. None says
            nothing and closes.
        receive_maximum: Told to an MQTT 5 client.
        puback: The reason code for each PUBLISH, or None to leave it unconfirmed.
        suback: The reason code for each filter.
        keep_alive_s: Told to an MQTT 5 client.
        pings: Whether a PINGREQ is answered.
        is_deaf: Once true, nothing more is read after the next packet, and nothing closed.
        packets: All that came, of all connections.
        connects: How many connections there were.
        ends: How many of them have ended.
    """

    connack: list[int | None] = field(default_factory=lambda: [0])
    receive_maximum: int | None = None
    puback: int | None = 0
    suback: int = 1
    session_present: bool = False
    keep_alive_s: int | None = None
    pings: bool = True
    is_deaf: bool = False
    packets: list[Packet] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    connects: int = 0
    ends: int = 0

    async def __aenter__(self) -> Self:
        self._came = asyncio.Event()
        self._version = MQTT_5
        self._writer: asyncio.StreamWriter | None = None
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()
        self._server.close()
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that came made a condition true.

        Raises:
            TimeoutError: It did not come true in good time.
        """
        async with asyncio.timeout(_PATIENCE_S):
            while not condition():
                self._came.clear()
                await self._came.wait()

    def of_kind(self, kind: int) -> list[Packet]:
        """Return the packets of one kind."""
        return [packet for packet in self.packets if packet.kind == kind]

    def deliver(
        self, topic: str, payload: bytes, *, packet_id: int | None = None, retain: bool = False, properties: bytes = b""
    ) -> None:
        """Publish to the client; at QoS 1 if there is a packet id."""
        name = topic.encode()
        body = struct.pack("!H", len(name)) + name
        if packet_id is not None:
            body += struct.pack("!H", packet_id)
        if self._version == MQTT_5:
            body += _variable(len(properties)) + properties
        self.send(PUBLISH, (0 if packet_id is None else 2) | retain, body + payload)

    def confirm(self, packet_id: int, code: int = 0) -> None:
        """Answer for a PUBLISH."""
        self.send(PUBACK, 0, struct.pack("!H", packet_id) + (bytes([code, 0]) if code else b""))

    def send(self, kind: int, flags: int, body: bytes) -> None:
        """Send any packet."""
        self.send_raw(bytes([kind << 4 | flags]) + _variable(len(body)) + body)

    def send_raw(self, data: bytes) -> None:
        """Send bytes that need not be a packet."""
        if self._writer is not None:
            self._writer.write(data)

    def disconnect(self, code: int) -> None:
        """Say why, and leave the closing to the client."""
        self.send(DISCONNECT, 0, bytes([code, 0]))

    def hang_up(self) -> None:
        """Close in an orderly way, but without DISCONNECT."""
        if self._writer is not None:
            self._writer.close()

    def cut(self) -> None:
        """End the connection without a word."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        try:
            while not self.is_deaf and (packet := await _read_packet(reader)) is not None:
                self._take(packet)
                self.packets.append(packet)
                self._came.set()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        else:
            if self.is_deaf:
                await asyncio.Event().wait()
        finally:
            writer.close()
            self.ends += 1
            self._came.set()

    def _take(self, packet: Packet) -> None:
        if packet.kind == CONNECT:
            self._answer_connect(packet.body)
        elif packet.kind == SUBSCRIBE:
            self._answer_subscribe(packet.body)
        elif packet.kind == PUBLISH:
            self._answer_publish(packet)
        elif packet.kind == PINGREQ and self.pings:
            self.send(PINGRESP, 0, b"")

    def _answer_connect(self, body: bytes) -> None:
        self._version = body[6]
        code = self.connack[min(self.connects, len(self.connack) - 1)]
        self.connects += 1
        if code is None:
            self.cut()
            return
        properties = b""
        if self._version == MQTT_5:
            told = b"" if self.receive_maximum is None else b"\x21" + struct.pack("!H", self.receive_maximum)
            told += b"" if self.keep_alive_s is None else b"\x13" + struct.pack("!H", self.keep_alive_s)
            properties = _variable(len(told)) + told
        self.send(CONNACK, 0, bytes([self.session_present and code == 0, code]) + properties)
        if code and self._writer is not None:
            self._writer.close()

    def _answer_subscribe(self, body: bytes) -> None:
        at = 2
        if self._version == MQTT_5:
            at += 1 + body[at]
        filters = 0
        while at < len(body):
            at += 3 + struct.unpack_from("!H", body, at)[0]
            filters += 1
        properties = b"\0" if self._version == MQTT_5 else b""
        self.send(SUBACK, 0, body[:2] + properties + bytes([self.suback]) * filters)

    def _answer_publish(self, packet: Packet) -> None:
        body = packet.body
        at = 2 + struct.unpack_from("!H", body)[0]
        topic = body[2:at].decode()
        (packet_id,) = struct.unpack_from("!H", body, at)
        at += 2
        properties = b""
        if self._version == MQTT_5:
            properties = body[at + 1 : at + 1 + body[at]]
            at += 1 + body[at]
        self.published.append(Published(topic, body[at:], packet_id, bool(packet.flags & 1), properties))
        if self.puback is not None:
            self.confirm(packet_id, self.puback)


async def _read_packet(reader: asyncio.StreamReader) -> Packet | None:
    first = await reader.read(1)
    if not first:
        return None
    length = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return Packet(first[0] >> 4, first[0] & 0x0F, await reader.readexactly(length))


def _variable(number: int) -> bytes:
    """Return a variable byte integer (MQTT 5.0 section 1.5.5)."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
