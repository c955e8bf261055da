"""A thin wire between a broker and those who speak with it: when each tap was published, and when it was acknowledged.

Run as a program with the broker's port, it prints its own; and then, for each line it is given, one of its own: of each
tap that a subscriber has acknowledged since the last time, milliseconds from its publication to that acknowledgement.

It knows of a packet no more than it must: whether it is a PUBLISH of a tap or a PUBACK, and which (MQTT 5.0, section 3;
the same in 3.1.1).
"""

import contextlib
import os
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field

PUBLISH, PUBACK = 3, 4
LOOPBACK = "127.0.0.1"
_CHUNK = 262_144
_NAMED = b'{"id":"t'
_IDENTITY = b"/identity"


@dataclass
class _Side:
    """One end of a connection, and what of a packet has come from it so far.

    Attributes:
        delivered: On the way to a subscriber: taps by packet id, shared by both ends.
    """

    raw: socket.socket
    is_client: bool
    delivered: dict[int, bytes]
    rest: bytes = b""
    other: "_Side | None" = None


@dataclass
class Wire:
    """Carries, and notes when taps pass.

    Attributes:
        took_ns: From a tap's publication to its acknowledgement, in the order of the latter.
    """

    broker_port: int
    took_ns: list[int] = field(default_factory=list)
    _published_ns: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._listening = socket.create_server((LOOPBACK, 0), backlog=64)
        self.port: int = self._listening.getsockname()[1]
        self._selector.register(self._listening, selectors.EVENT_READ)

    def carry(self, until: int) -> None:
        """Carry until a descriptor can be read."""
        if until not in self._selector.get_map():
            self._selector.register(until, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fd == until:
                    return
                if key.data is None:
                    self._accept()
                else:
                    self._pass(key.data)

    def _accept(self) -> None:
        client, _ = self._listening.accept()
        broker = socket.create_connection((LOOPBACK, self.broker_port))
        delivered: dict[int, bytes] = {}
        sides = _Side(client, is_client=True, delivered=delivered), _Side(broker, is_client=False, delivered=delivered)
        sides[0].other, sides[1].other = sides[1], sides[0]
        for side in sides:
            side.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(side.raw, selectors.EVENT_READ, side)

    def _pass(self, side: _Side) -> None:
        try:
            data = side.raw.recv(_CHUNK)
        except OSError:
            data = b""
        if side.other is None or not data:
            for end in (side, side.other):
                if end is not None and end.raw.fileno() >= 0:
                    self._selector.unregister(end.raw)
                    end.raw.close()
            return
        self._note(side, data)
        with contextlib.suppress(OSError):
            side.other.raw.sendall(data)

    def _note(self, side: _Side, data: bytes) -> None:
        now_ns = time.perf_counter_ns()
        data = side.rest + data
        at, size = 0, len(data)
        while (end := _end(data, at)) is not None and end[1] <= size:
            self._packet(side, data, at, end, now_ns)
            at = end[1]
        side.rest = data[at:]

    def _packet(self, side: _Side, data: bytes, at: int, end: tuple[int, int], now_ns: int) -> None:
        kind = data[at] >> 4
        if kind == PUBACK and side.is_client:
            tap = side.delivered.pop(int.from_bytes(data[end[0] : end[0] + 2], "big"), None)
            if tap is not None and (published_ns := self._published_ns.pop(tap, None)) is not None:
                self.took_ns.append(now_ns - published_ns)
        elif kind == PUBLISH and data[at] & 6:
            topic_end = end[0] + 2 + int.from_bytes(data[end[0] : end[0] + 2], "big")
            named = data.find(_NAMED, topic_end, end[1])
            if named < 0 or not data.endswith(_IDENTITY, end[0], topic_end):
                return
            tap = data[named + len(_NAMED) : data.index(b'"', named + len(_NAMED))]
            if side.is_client:
                self._published_ns[tap] = now_ns
            else:
                side.delivered[int.from_bytes(data[topic_end : topic_end + 2], "big")] = tap


def _end(data: bytes, at: int) -> tuple[int, int] | None:
    """Return where the body of the packet begins and where it ends; None while its header is not whole."""
    length = 0
    for place in range(4):
        if at + 1 + place >= len(data):
            return None
        byte = data[at + 1 + place]
        length |= (byte & 127) << 7 * place
        if byte < 128:
            return at + 2 + place, at + 2 + place + length
    raise ValueError("no MQTT")


if __name__ == "__main__":
    wire = Wire(int(sys.argv[1]))
    sys.stdout.write(f"{wire.port}\n")
    sys.stdout.flush()
    while True:
        wire.carry(sys.stdin.fileno())
        if not os.read(sys.stdin.fileno(), 1):
            break
        told, wire.took_ns = wire.took_ns, []
        sys.stdout.write(" ".join(f"{took / 1e6:.4f}" for took in told) + "\n")
        sys.stdout.flush()
