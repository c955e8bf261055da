"""A wire between a gateway and its broker that is listened to, packet by packet.

It knows what no ledger and no client can tell: what the gateway acknowledged to the broker, and what it published,
whether or not either of them lived on. It can strike at the very packet: before it goes on, or just after.
"""

import asyncio
import contextlib
import json
import struct
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

from gateway.testing.broker import PUBACK, PUBLISH, SUBACK

LOOPBACK = "127.0.0.1"
_CHUNK = 65_536
PATIENCE_S = 30.0
_LINGER_S = 0.05
_QOS_BITS = 0x06


class Passing(Enum):
    """A packet that passes, by what it says."""

    DELIVERED = "the broker delivers a message"
    ACKNOWLEDGED = "the gateway acknowledges one"
    PUBLISHED = "the gateway publishes an offer"
    CONFIRMED = "the broker confirms it"


@dataclass
class Heard:
    """What was said, whether or not it arrived.

    Attributes:
        acknowledged: Topic and id of each message the gateway acknowledged.
        offers: By its id, each form in which an offer was published: all but one would be wrong.
        withdrawals: The ids of offers that were taken back.
        confirmed: The ids of offers and withdrawals that the broker took.
        repeated: How many messages were delivered that had been delivered before.
        subscriptions: How often the broker agreed to what the gateway subscribes to.
    """

    acknowledged: set[tuple[str, str]] = field(default_factory=set)
    offers: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    withdrawals: set[str] = field(default_factory=set)
    confirmed: set[str] = field(default_factory=set)
    repeated: int = 0
    subscriptions: int = 0


@dataclass
class _Strike:
    passing: Passing
    left: int
    blow: Callable[[], None]
    before: bool


@dataclass
class _Connection:
    """What is under way on one connection, by packet id."""

    delivered: dict[int, tuple[str, str]] = field(default_factory=dict)
    published: dict[int, str] = field(default_factory=dict)


class Tap:
    """Listens on a port of its own and carries all to a broker's; as long as its block lasts, in its own thread."""

    def __init__(self, broker_port: int) -> None:
        self.port = 0
        self.heard = Heard()
        self._broker_port = broker_port
        self._strike: _Strike | None = None
        self._seen: set[tuple[str, str]] = set()
        self._open: list[_Connection] = []
        self._listening = threading.Event()
        self._news = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._listening.wait(PATIENCE_S):
            raise RuntimeError("the tap does not listen")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def strike(self, passing: Passing, nth: int, blow: Callable[[], None], *, before: bool) -> None:
        """Call `blow` once, in the tap's thread, when the n-th such packet from now on passes; `spare` takes it back.

        With `before` the blow falls before the packet goes on, else just after.
        """
        self._loop.call_soon_threadsafe(self._set_strike, _Strike(passing, nth, blow, before))

    def spare(self) -> None:
        """Take back a strike; once this returns it has fallen or never will."""
        taken_back = threading.Event()
        self._loop.call_soon_threadsafe(self._set_strike, None)
        self._loop.call_soon_threadsafe(taken_back.set)
        taken_back.wait(PATIENCE_S)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that passed made a condition true.

        Raises:
            TimeoutError: It did not come true in good time.
        """
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            self._news.clear()
            if condition():
                return
            if not self._news.wait(max(0.0, deadline_s - time.monotonic())):
                raise TimeoutError("what was waited for did not pass")

    @property
    def owing(self) -> int:
        """How many messages the gateway has on its open connections and has not acknowledged."""
        return sum(len(connection.delivered) for connection in list(self._open))

    def _set_strike(self, strike: _Strike | None) -> None:
        self._strike = strike

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._listen())

    async def _listen(self) -> None:
        self._end = asyncio.Event()
        carrying: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = self._loop.create_task(self._carry(reader, writer))
            carrying.add(task)
            task.add_done_callback(carrying.discard)

        server = await asyncio.start_server(accept, LOOPBACK, 0)
        self.port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._end.wait()
        server.close()
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection both ways until either side ends."""
        try:
            broker_reader, broker_writer = await asyncio.open_connection(LOOPBACK, self._broker_port)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection()
        self._open.append(connection)
        ways = [
            asyncio.ensure_future(self._pass(reader, broker_writer, connection, self._from_gateway)),
            asyncio.ensure_future(self._pass(broker_reader, writer, connection, self._from_broker)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            # What one side has sent before it died goes on to the other, as on any wire.
            await asyncio.wait(ways, timeout=_LINGER_S)
        finally:
            self._open.remove(connection)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            writer.transport.abort()
            broker_writer.close()

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        connection: _Connection,
        listen: Callable[[_Connection, bytes], Passing | None],
    ) -> None:
        with contextlib.suppress(OSError):
            async for packet in _packets(reader):
                strike = self._due(listen(connection, packet))
                if strike is not None and strike.before:
                    strike.blow()
                writer.write(packet)
                await writer.drain()
                if strike is not None and not strike.before:
                    strike.blow()
                self._news.set()

    def _due(self, passing: Passing | None) -> _Strike | None:
        strike = self._strike
        if strike is None or passing is not strike.passing:
            return None
        strike.left -= 1
        if strike.left > 0:
            return None
        self._strike = None
        return strike

    def _from_broker(self, connection: _Connection, packet: bytes) -> Passing | None:
        kind, body = packet[0] >> 4, _body_of(packet)
        self.heard.subscriptions += kind == SUBACK
        if kind == PUBLISH and packet[0] & _QOS_BITS:
            topic, packet_id, payload = _publish(body)
            named = topic, _id_of(payload)
            connection.delivered[packet_id] = named
            self.heard.repeated += named in self._seen
            self._seen.add(named)
            return Passing.DELIVERED
        if kind == PUBACK and (offer := connection.published.pop(_u16(body, 0), None)) is not None:
            self.heard.confirmed.add(offer)
            return Passing.CONFIRMED
        return None

    def _from_gateway(self, connection: _Connection, packet: bytes) -> Passing | None:
        kind, body = packet[0] >> 4, _body_of(packet)
        if kind == PUBACK and (named := connection.delivered.pop(_u16(body, 0), None)) is not None:
            self.heard.acknowledged.add(named)
            return Passing.ACKNOWLEDGED
        if kind == PUBLISH:
            topic, packet_id, payload = _publish(body)
            if topic.endswith("/offers"):
                self._note_offer(_id_of(payload), payload)
                connection.published[packet_id] = _id_of(payload)
                return Passing.PUBLISHED
        return None

    def _note_offer(self, offer: str, payload: bytes) -> None:
        if json.loads(payload).get("withdrawn"):
            self.heard.withdrawals.add(offer)
        else:
            self.heard.offers[offer].add(payload)


async def _packets(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Cut a stream into control packets (MQTT 5.0 section 2.1); what is left at its end is no packet."""
    buffer = bytearray()
    while data := await reader.read(_CHUNK):
        buffer += data
        while (length := _packet_length(buffer)) is not None and len(buffer) >= length:
            packet = bytes(buffer[:length])
            del buffer[:length]
            yield packet


def _packet_length(buffer: bytearray) -> int | None:
    length = shift = 0
    for at in range(1, min(len(buffer), 5)):
        length |= (buffer[at] & 0x7F) << shift
        shift += 7
        if buffer[at] < 0x80:
            return at + 1 + length
    return None


def _body_of(packet: bytes) -> bytes:
    at = 1
    while packet[at] >= 0x80:
        at += 1
    return packet[at + 1 :]


def _publish(body: bytes) -> tuple[str, int, bytes]:
    """Take a QoS 1 PUBLISH of MQTT 5 apart: topic, packet id, payload."""
    end = 2 + _u16(body, 0)
    topic, packet_id = body[2:end].decode(), _u16(body, end)
    end += 2
    length = shift = 0
    while True:
        byte = body[end]
        end += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return topic, packet_id, body[end + length :]


def _u16(data: bytes, at: int) -> int:
    number: int = struct.unpack_from("!H", data, at)[0]
    return number


def _id_of(payload: bytes) -> str:
    named: str = json.loads(payload).get("id", "")
    return named
