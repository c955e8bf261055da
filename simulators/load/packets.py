"""MQTT 3.1.1 as bytes: the few packets a load needs, encoded and taken apart. No socket, no session."""

from functools import lru_cache
from typing import NamedTuple

CONNACK, PUBLISH, PUBACK, SUBACK = 2, 3, 4, 9

KEEPALIVE_S = 65_535
"""The longest there is: no load lasts as long, so none has to ping."""

DISCONNECT = b"\xe0\x00"

_LONGEST = 268_435_455
_REFUSED = 0x80


class NotMqtt(ConnectionError):
    """What came was not MQTT 3.1.1."""


class Packet(NamedTuple):
    """A control packet as it came."""

    kind: int
    flags: int
    body: bytes


class Published(NamedTuple):
    """A PUBLISH, taken apart. `packet_id` is 0 at QoS 0."""

    topic: str
    payload: bytes
    packet_id: int
    retained: bool


@lru_cache(maxsize=4096)
def remaining_length(length: int) -> bytes:
    r"""Return a length as it stands in a fixed header (MQTT 3.1.1, section 2.2.3).

    >>> remaining_length(127), remaining_length(128)
    (b'\x7f', b'\x80\x01')

    Raises:
        ValueError: No packet is that long.
    """
    if not 0 <= length <= _LONGEST:
        raise ValueError(f"a packet has 0 to {_LONGEST} bytes, not {length}")
    encoded = bytearray()
    while length > 127:
        encoded.append(length % 128 | 128)
        length //= 128
    encoded.append(length)
    return bytes(encoded)


def text(value: str) -> bytes:
    """Return a text behind its length, as names and topics stand in packets.

    Raises:
        ValueError: It is longer than 65,535 bytes.
    """
    raw = value.encode()
    if len(raw) > 65_535:
        raise ValueError("a text in a packet has at most 65,535 bytes")
    return len(raw).to_bytes(2, "big") + raw


def connect(client_id: str) -> bytes:
    """Return the CONNECT of a client that leaves nothing behind: a clean session, no will."""
    body = b"\x00\x04MQTT\x04\x02" + KEEPALIVE_S.to_bytes(2, "big") + text(client_id)
    return b"\x10" + remaining_length(len(body)) + body


def subscribe(packet_id: int, topic_filter: str) -> bytes:
    """Return the SUBSCRIBE to one filter, at QoS 1."""
    body = packet_id.to_bytes(2, "big") + text(topic_filter) + b"\x01"
    return b"\x82" + remaining_length(len(body)) + body


def publish(topic: bytes, payload: bytes, packet_id: int = 0) -> bytes:
    """Return a PUBLISH: at QoS 1 with a packet id, at QoS 0 without. The topic comes as `text` returns it."""
    if packet_id:
        length = remaining_length(len(topic) + 2 + len(payload))
        return b"".join((b"\x32", length, topic, packet_id.to_bytes(2, "big"), payload))
    return b"".join((b"\x30", remaining_length(len(topic) + len(payload)), topic, payload))


def puback(packet_id: int) -> bytes:
    """Return the acknowledgement of a PUBLISH at QoS 1."""
    return b"\x40\x02" + packet_id.to_bytes(2, "big")


class Stream:
    """Packets out of a stream of bytes, wherever that was cut."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Packet]:
        """Return the packets that are whole by now.

        Raises:
            NotMqtt: A length goes on for more than four bytes.
        """
        data = self._rest + data
        packets: list[Packet] = []
        begin = 0
        while (sized := _size(data, begin)) is not None and sized.end <= len(data):
            packets.append(Packet(data[begin] >> 4, data[begin] & 15, data[sized.body : sized.end]))
            begin = sized.end
        self._rest = data[begin:]
        return packets


class _Extent(NamedTuple):
    body: int
    end: int


def _size(data: bytes, begin: int) -> _Extent | None:
    """Return where the body of the packet lies, or None while its header is not whole."""
    length = 0
    for place in range(4):
        at = begin + 1 + place
        if at >= len(data):
            return None
        length |= (data[at] & 127) << 7 * place
        if data[at] < 128:
            return _Extent(at + 1, at + 1 + length)
    raise NotMqtt("what the broker sends is not MQTT: a length of more than four bytes")


def read_publish(packet: Packet) -> Published:
    """Return what a PUBLISH says.

    Raises:
        NotMqtt: It is shorter than it claims, or its topic is not UTF-8.
    """
    end = 2 + int.from_bytes(packet.body[:2], "big")
    begin = end + 2 if packet.flags & 6 else end
    if len(packet.body) < max(begin, 2):
        raise NotMqtt("what the broker sends is not MQTT: a message shorter than it claims")
    try:
        topic = packet.body[2:end].decode()
    except UnicodeDecodeError as error:
        raise NotMqtt("what the broker sends is not MQTT: a topic that is not UTF-8") from error
    return Published(
        topic, packet.body[begin:], int.from_bytes(packet.body[end:begin], "big"), retained=bool(packet.flags & 1)
    )


def acknowledged(packet: Packet) -> int:
    """Return the packet id that a PUBACK or SUBACK names.

    Raises:
        NotMqtt: It names none.
        ConnectionRefusedError: The subscription was refused.
    """
    if len(packet.body) < 2:
        raise NotMqtt("what the broker sends is not MQTT: an acknowledgement of nothing")
    if packet.kind == SUBACK and packet.body[2:3] >= bytes([_REFUSED]):
        raise ConnectionRefusedError("the broker refused the subscription to the offers")
    return int.from_bytes(packet.body[:2], "big")
