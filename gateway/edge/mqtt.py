"""One connection to the broker, from its CONNECT to its end.

gmqtt carries the bytes. Of its own ways this module keeps none that would lose or repeat a message:

- *One client a connection.* A new object is made for every attempt, and gmqtt's own reconnecting is switched off. So
  an acknowledgement that is owed on a dead connection can only go to that connection, where it is dropped, and the
  broker sends the message again. Packet ids of a lost session cannot leak into the next one either.
- *Nothing is acknowledged by the library.* Each QoS 1 message comes with a `Receipt`; whoever has committed it
  acknowledges it. gmqtt would do so only through a coroutine, hence a task, for every message.
- *Nothing is resent by the library.* What the broker has not confirmed is owed by the ledger, which knows what has
  expired or was withdrawn meanwhile. MQTT 5.0 section 4.4 has a client resend under the same packet ids;
  a QoS 1 receiver keeps no trace of those it has not confirmed, so new ids serve it as well.
- *PUBLISH and PUBACK are read here*, and packets are cut out of the stream by `gateway.edge.framing`: 1.2 us a message
  instead of 4 us in a flood, and a refusal by the broker is seen. The library reads all other packets.

All of this holds for MQTT 3.1.1 too; there the broker keeps no receive maximum, and messages carry no expiry.
"""

import asyncio
import ssl
import struct
from collections.abc import Callable
from typing import Final

import gmqtt
from gmqtt.mqtt.connection import MQTTConnection
from gmqtt.mqtt.constants import MQTTv50, MQTTv311
from gmqtt.mqtt.handler import MQTTConnectError
from gmqtt.mqtt.package import Package
from gmqtt.storage import PersistentStorage

from gateway.core.errors import Unavailable
from gateway.edge.config import BrokerConfig
from gateway.edge.exchange import FAILURE, Listener, Receipt, Terms
from gateway.edge.framing import PacketProtocol

MQTT_5: Final[int] = MQTTv50
MQTT_3_1_1: Final[int] = MQTTv311

_CONNECT_TIMEOUT_S = 5.0
_CLOSE_TIMEOUT_S = 1.0
_VERSION_REFUSALS = frozenset({1, 132})
_QOS_BITS = 0x06
_RETAIN_BIT = 0x01
_KIND_BITS = 0xF0
_PUBLISH = 0x30
_PUBACK = 0x40
_MAX_PACKET_ID = 65_535
_read_u16 = struct.Struct("!H").unpack_from
_pack_puback = struct.Struct("!BBH").pack


class Refused(Unavailable):
    """The broker answered, and said no.

    Attributes:
        code: Its reason code.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code

    @property
    def is_for_version(self) -> bool:
        """Whether an older version of the protocol may be accepted."""
        return self.code in _VERSION_REFUSALS


class Unanswered(Unavailable):
    """It was reached and did not answer a CONNECT: some brokers are struck dumb by a version they do not know."""


class _Unconfirmed(PersistentStorage):  # type: ignore[misc]
    """The library's store of what it would resend: it learns packet ids from it and never resends."""

    def __init__(self) -> None:
        super().__init__()
        self.newest = 0

    def push_message(self, mid: int, raw_package: bytes) -> None:
        """Note the packet id of what was just published."""
        del raw_package
        self.newest = mid


class Connection(gmqtt.Client):  # type: ignore[misc]
    """One attempt to be connected, and the connection it becomes.

    Attributes:
        closed: Done when the connection has ended, whoever ended it.
        session_present: Whether the broker remembered us.
    """

    def __init__(self, terms: Terms, version: int, password: str | None, listener: Listener) -> None:
        broker, will = terms.broker, terms.will
        self._unconfirmed = _Unconfirmed()
        super().__init__(
            terms.client_id,
            clean_session=False,
            optimistic_acknowledgement=False,
            will_message=gmqtt.Message(will.topic, will.payload, qos=1, retain=True),
            persistent_storage=self._unconfirmed,
            session_expiry_interval=broker.session_expiry_s,
            receive_maximum=broker.receive_maximum,
        )
        self._terms = terms
        self._broker = broker
        self._version = version
        self._listener = listener
        self._tokens: dict[int, object] = {}
        self._subscribed: dict[int, asyncio.Future[tuple[int, ...]]] = {}
        self._loop = asyncio.get_running_loop()
        self._library_takes: Callable[[Package], None] = lambda _: None
        self.closed: asyncio.Future[None] = self._loop.create_future()
        self.session_present = False
        if broker.username is not None:
            self.set_auth_credentials(broker.username, password)
        self.on_connect = Connection._has_connected
        self.on_disconnect = Connection._has_disconnected
        self.on_subscribe = Connection._has_subscribed

    @property
    def version(self) -> str:
        """The version of the protocol, as people write it."""
        return "5" if self._version == MQTT_5 else "3.1.1"

    @property
    def is_open(self) -> bool:
        """Whether something sent now may still arrive."""
        return not self.closed.done() and self._connection is not None and not self._connection.is_closing()

    @property
    def capacity(self) -> int:
        """How many more publications the broker will take before it confirms one."""
        ids = self._package_handler.id_generator
        free: int = ids._max - 1 - len(ids._used_ids)  # noqa: SLF001 -- publish raises OverflowError beyond it
        return max(0, free)

    async def open(self) -> None:
        """Connect.

        Raises:
            Refused: The broker said no.
            Unanswered: It was reached, and said nothing.
            Unavailable: It cannot be reached.
        """
        opening = asyncio.ensure_future(
            self.connect(
                self._broker.host,
                self._broker.port,
                ssl=_tls_context(self._broker) or False,
                keepalive=self._broker.keepalive_s,
                version=self._version,
                raise_exc=False,
            )
        )
        try:
            await asyncio.wait({opening, self.closed}, timeout=_CONNECT_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            self._check_refusal()
            if not opening.done():
                raise self._silence()
            opening.result()
        except OSError as error:
            raise Unavailable(f"{self._broker.host}:{self._broker.port}: {error}") from error
        finally:
            opening.cancel()

    async def subscribe_all(self) -> None:
        """Subscribe at QoS 1 and wait until the broker has agreed.

        Raises:
            Refused: The broker denies one of them.
            Unavailable: It did not answer in time.
        """
        packet_id = self.subscribe([gmqtt.Subscription(topic, qos=1) for topic in self._terms.filters])
        answer = self._subscribed[packet_id] = self._loop.create_future()
        await asyncio.wait({answer, self.closed}, timeout=_CONNECT_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise Unavailable("the broker did not answer a subscription")
        denied = [code for code in answer.result() if code >= FAILURE]
        if denied:
            raise Refused(denied[0], f"the broker denies a subscription (code {denied[0]})")

    def send(
        self, topic: str, payload: bytes, token: object, *, retain: bool = False, expiry_s: int | None = None
    ) -> None:
        """Publish at QoS 1; the listener hears of its confirmation by `token`. There must be `capacity`."""
        properties = {} if expiry_s is None else {"message_expiry_interval": expiry_s}
        self.publish(gmqtt.Message(topic, payload, qos=1, retain=retain, **properties))
        self._tokens[self._unconfirmed.newest] = token

    def acknowledge(self, packet_id: int) -> None:
        """Acknowledge a message of this connection; without effect when it has ended."""
        if self.is_open:
            self._connection.send_package(_pack_puback(_PUBACK, 2, packet_id))

    def pause(self) -> None:
        """Read no more from the socket, so that the broker keeps what comes."""
        if self.is_open:
            self._connection._transport.pause_reading()  # noqa: SLF001 -- the library has no word for it

    def resume(self) -> None:
        """Read again."""
        if self.is_open:
            self._connection._transport.resume_reading()  # noqa: SLF001

    async def close(self) -> None:
        """Say goodbye, so that the will is not published, and close; a peer that does not listen is cut off."""
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self.disconnect()
        except (TimeoutError, OSError):
            self.abort()

    def abort(self) -> None:
        """Cut the connection without a word: the broker publishes the will and redelivers what is owed."""
        if self._connection is not None:
            self._connection._transport.abort()  # noqa: SLF001
        self._end()

    async def _create_connection(self, *arguments: object, **named: object) -> MQTTConnection:
        """Connect, and read from the socket ourselves from the first byte on."""
        connection = await super()._create_connection(*arguments, **named)
        self._library_takes = connection.put_package
        protocol, transport = connection._protocol, connection._transport  # noqa: SLF001
        protocol._read_loop_future.cancel()  # noqa: SLF001
        transport.set_protocol(PacketProtocol(protocol, transport, self._take_packet))
        return connection

    def _take_packet(self, first: int, body: bytes) -> None:
        kind = first & _KIND_BITS
        if kind == _PUBLISH:
            self._read_publish(first, body)
        elif kind == _PUBACK:
            self._read_puback(body)
        else:
            self._library_takes(Package(first, body))

    async def reconnect(self, delay: bool = False) -> None:  # noqa: FBT001, FBT002 -- the library's signature
        """Do not: the end of a connection is its end."""
        del delay
        self._end()

    def _check_refusal(self) -> None:
        error: MQTTConnectError | None = self._package_handler._error  # noqa: SLF001 -- the code is told nowhere else
        if error is not None:
            raise Refused(error._code, str(error))  # noqa: SLF001
        if self._version == MQTT_5 and self._connection_state.protocol_version != MQTT_5:
            raise Refused(1, "the broker does not speak MQTT 5")

    def _silence(self) -> Unavailable:
        if self._connection is None:
            return Unavailable(f"{self._broker.host}:{self._broker.port} cannot be reached in time")
        return Unanswered("the broker did not answer")

    def _end(self) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def _has_connected(self, session_present: int, _code: int, _properties: object) -> None:
        self.session_present = bool(session_present)
        # The library allows one fewer than the broker does, and takes a receive maximum of 1 for an error.
        handler = self._package_handler
        allowed = handler._connack_properties.get("receive_maximum", [_MAX_PACKET_ID])[0]  # noqa: SLF001
        handler.id_generator._max = allowed + 1  # noqa: SLF001

    def _has_disconnected(self, _packet: object, _error: object = None) -> None:
        self._end()

    def _has_subscribed(self, packet_id: int, codes: tuple[int, ...], _properties: object) -> None:
        answer = self._subscribed.pop(packet_id, None)
        if answer is not None and not answer.done():
            answer.set_result(codes)

    def _read_publish(self, command: int, packet: bytes) -> None:
        """Read a PUBLISH (MQTT 5.0 section 3.3) and hand it over. Properties are skipped; aliases were not offered."""
        end = 2 + _read_u16(packet)[0]
        topic = packet[2:end].decode("utf-8", "replace")
        receipt = None
        if command & _QOS_BITS:
            receipt = Receipt(self.acknowledge, _read_u16(packet, end)[0])
            end += 2
        if self._connection_state.protocol_version == MQTT_5:
            end = _after_properties(packet, end)
        try:
            self._listener.message(topic, packet[end:], receipt, retained=bool(command & _RETAIN_BIT))
        except Exception as error:  # noqa: BLE001 -- the library would swallow it; our bugs end the process
            self._loop.call_exception_handler({"message": "a message could not be taken", "exception": error})

    def _read_puback(self, packet: bytes) -> None:
        """Read a PUBACK (MQTT 5.0 section 3.4); without a reason code it says success."""
        packet_id: int = _read_u16(packet)[0]
        self._package_handler.id_generator.free_id(packet_id)
        token = self._tokens.pop(packet_id, None)
        if token is None:
            return
        try:
            self._listener.confirmed(token, packet[2] if len(packet) > 2 else 0)
        except Exception as error:  # noqa: BLE001 -- as above
            self._loop.call_exception_handler({"message": "a confirmation could not be taken", "exception": error})


def _after_properties(packet: bytes, start: int) -> int:
    """Return where the properties end that start with their length: a variable byte integer."""
    length, shift, end = 0, 0, start
    while True:
        byte = packet[end]
        end += 1
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            return end + length
        shift += 7


def _tls_context(broker: BrokerConfig) -> ssl.SSLContext | None:
    if broker.tls is None:
        return None
    try:
        context = ssl.create_default_context(cafile=broker.tls.ca_file)
        if broker.tls.cert_file is not None:
            context.load_cert_chain(broker.tls.cert_file, broker.tls.key_file)
    except OSError as error:  # ssl.SSLError is one
        raise Unavailable(f"TLS towards the broker cannot be set up: {error}") from error
    return context
