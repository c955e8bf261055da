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
- *PUBLISH, PUBACK and DISCONNECT are read here*, and packets are cut out of the stream by `gateway.edge.framing`:
  1.2 us a message instead of 4 us in a flood, and the broker's reasons are seen. The library reads all other packets.
- *The library keeps no watch.* Its own gives up a peer after twice the keepalive, and one that we ourselves do not read
  from as well, and sees no broker that drops; `gateway.edge.watchdog` does it instead.

All of this holds for MQTT 3.1.1 too; there the broker keeps no receive maximum, and messages carry no expiry.
"""

import asyncio
import ssl
import struct
from typing import Final

import gmqtt
from gmqtt.mqtt.connection import MQTTConnection
from gmqtt.mqtt.constants import MQTTv50, MQTTv311
from gmqtt.mqtt.handler import MQTTConnectError
from gmqtt.mqtt.package import Package
from gmqtt.mqtt.protocol import MQTTProtocol
from gmqtt.storage import PersistentStorage

from gateway.core.errors import Unavailable
from gateway.edge.exchange import End, Listener, Receipt, Terms
from gateway.edge.framing import NotMqtt, PacketProtocol, after_properties
from gateway.edge.reasons import FAILURE, Packet, name_of, told
from gateway.edge.tls import client_context, explanation_of
from gateway.edge.watchdog import BULK_BYTES, DROPPING, SILENT, Watchdog

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
_DISCONNECT = 0xE0
_PINGRESP = 0xD0
_PINGREQ = b"\xc0\x00"
_MAX_PACKET_ID = 65_535
_OURS = End("ours")
_GIVEN_UP = {
    SILENT: "nothing came for a whole keepalive interval, though it was asked",
    DROPPING: "its answers stay out, so messages may too: it sends them when we connect anew",
}
_read_u16 = struct.Struct("!H").unpack_from
_pack_puback = struct.Struct("!BBH").pack


class Refused(Unavailable):
    """The broker answered, and said no.

    Attributes:
        code: Its reason code.
        packet: What it said no to, by what it said it with.
    """

    def __init__(self, code: int, packet: Packet) -> None:
        what = "the connection" if packet is Packet.CONNACK else "a subscription"
        super().__init__(f"the broker refuses {what}: {told(code, packet)}")
        self.code = code
        self.packet = packet

    @property
    def reason(self) -> str:
        """The standard's name of the code."""
        return name_of(self.code, self.packet)

    @property
    def is_for_version(self) -> bool:
        """Whether an older version of the protocol may be accepted."""
        return self.code in _VERSION_REFUSALS


class Unanswered(Unavailable):
    """It was reached and did not answer a CONNECT: some brokers are struck dumb by a version they do not know."""


class _Unwatched(MQTTConnection):  # type: ignore[misc]
    """The library's connection, without its watch."""

    def _keep_connection(self) -> None:
        """Neither ping nor close: see `gateway.edge.watchdog`."""


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
        closed: Done when the connection has ended, whoever ended it; says why.
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
        self._watchdog = Watchdog(self._loop, self._ask, self._give_up)
        self._fault: Exception | None = None
        self._is_leaving = self._is_paused = False
        self.closed: asyncio.Future[End] = self._loop.create_future()
        self.session_present = False
        if broker.username is not None:
            self.set_auth_credentials(broker.username, password)
        self.on_connect = Connection._has_connected
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
            Unavailable: It cannot be reached, or does not trust us, or we do not trust it.
            ConfigError: A file that TLS needs cannot be used.
        """
        context = None if self._broker.tls is None else client_context(self._broker.tls)
        opening = asyncio.ensure_future(
            self.connect(
                self._broker.host,
                self._broker.port,
                ssl=context or False,
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
            explanation = explanation_of(error, self._broker.host)
            raise Unavailable(f"{self._broker.host}:{self._broker.port}: {explanation}") from error
        finally:
            opening.cancel()

    async def subscribe_all(self, *, again: bool = False) -> None:
        """Subscribe at QoS 1 and wait until the broker has agreed; who agreed before is not waited for.

        Raises:
            Refused: The broker denies one of them.
            Unavailable: It did not answer in time.
        """
        packet_id = self.subscribe([gmqtt.Subscription(topic, qos=1) for topic in self._terms.filters])
        if again and self.session_present:  # its answer may be dropped in a flood, and the session knows already
            return
        answer = self._subscribed[packet_id] = self._loop.create_future()
        await asyncio.wait({answer, self.closed}, timeout=_CONNECT_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise self._fault_or(Unavailable("the broker did not answer a subscription"))
        denied = [code for code in answer.result() if code >= FAILURE]
        if denied:
            raise Refused(denied[0], Packet.SUBACK)

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
            self._is_paused = True
            self._watchdog.deafen()
            self._connection._transport.pause_reading()  # noqa: SLF001 -- the library has no word for it

    def resume(self) -> None:
        """Read again."""
        if self.is_open:
            self._is_paused = False
            self._watchdog.undeafen()
            self._connection._transport.resume_reading()  # noqa: SLF001

    async def close(self) -> None:
        """Say goodbye, so that the will is not published, and close; a peer that does not listen is cut off."""
        self._is_leaving = True
        self._watchdog.stop()
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await self.disconnect()
        except (TimeoutError, OSError):
            self.abort()
        self._end(_OURS)

    def abort(self) -> None:
        """Cut the connection without a word: the broker publishes the will and redelivers what is owed."""
        self._end(_OURS)

    async def _create_connection(
        self,
        host: str,
        port: int,
        ssl: ssl.SSLContext | bool,  # noqa: FBT001
        clean_session: bool,  # noqa: FBT001
        keepalive: int,
    ) -> MQTTConnection:
        """Connect, and read from the socket ourselves from the first byte on."""
        handler = self._package_handler
        library = MQTTProtocol(connection_state=self._connection_state, id_generator=handler.id_generator)
        protocol = PacketProtocol(library, self._take_packet, self._has_heard, self._has_ended)
        transport, _ = await self._loop.create_connection(lambda: protocol, host, port, ssl=ssl or None)
        library._read_loop_future.cancel()  # noqa: SLF001 -- it would read from a stream that nobody fills
        return _Unwatched(transport, library, clean_session, keepalive, package_handler=handler)

    def _take_packet(self, first: int, body: bytes) -> None:
        kind = first & _KIND_BITS
        try:
            if kind == _PUBLISH:
                self._read_publish(first, body)
            elif kind == _PUBACK:
                self._read_puback(body)
            elif kind == _DISCONNECT:
                self._read_disconnect(body)
            elif kind == _PINGRESP:
                self._watchdog.answered()
            else:
                self._connection.put_package(Package(first, body))
        except (struct.error, IndexError) as error:
            raise NotMqtt(f"a packet of kind {kind >> 4} is too short") from error

    async def reconnect(self, delay: bool = False) -> None:  # noqa: FBT001, FBT002 -- the library's signature
        """Do not: the end of a connection is its end."""
        del delay
        self._end(End("closed"))

    def _check_refusal(self) -> None:
        error: MQTTConnectError | None = self._package_handler._error  # noqa: SLF001 -- the code is told nowhere else
        if error is not None:
            raise Refused(error._code, Packet.CONNACK)  # noqa: SLF001
        if self._version == MQTT_5 and self._connection_state.protocol_version != MQTT_5:
            raise Refused(min(_VERSION_REFUSALS), Packet.CONNACK)

    def _silence(self) -> Unavailable:
        if self._connection is None:
            return Unavailable(f"{self._broker.host}:{self._broker.port} cannot be reached in time")
        hint = "" if self._broker.tls is None else "; it may not take our certificate: see broker.tls.cert_file"
        return self._fault_or(Unanswered(f"the broker did not answer{hint}"))

    def _fault_or(self, otherwise: Unavailable) -> Unavailable:
        """TLS 1.3 lets a client in before the broker has looked at its certificate: the refusal comes as a fault."""
        if isinstance(self._fault, ssl.SSLError):
            return Unavailable(explanation_of(self._fault, self._broker.host))
        return otherwise

    def _has_heard(self, count: int) -> None:
        """Note that bytes came; after many, let others have their turn: the loop would read on for over a second."""
        self._watchdog.heard(count)
        if count >= BULK_BYTES and self.is_open and not self._is_paused:
            self._connection._transport.pause_reading()  # noqa: SLF001
            self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if self.is_open and not self._is_paused:
            self._connection._transport.resume_reading()  # noqa: SLF001

    def _has_ended(self, fault: Exception | None) -> None:
        """Take the transport's word for it."""
        self._fault = self._fault or fault
        if fault is None:
            self._end(End("closed"))
        elif isinstance(fault, NotMqtt):
            self._end(End("not_mqtt", str(fault)))
        else:
            self._end(End("lost", explanation_of(fault, self._broker.host)))

    def _end(self, end: End) -> None:
        """Nothing is heard or said from now on. The first end counts."""
        self._watchdog.stop()
        if self._connection is not None:
            self._connection._transport.abort()  # noqa: SLF001 -- without effect where it has closed
        if not self.closed.done():
            self.closed.set_result(_OURS if self._is_leaving else end)

    def _ask(self) -> None:
        if self.is_open:
            self._connection.send_package(_PINGREQ)

    def _give_up(self, reason: str) -> None:
        self._end(End(reason, _GIVEN_UP[reason]))

    def _has_connected(self, session_present: int, _code: int, _properties: object) -> None:
        self.session_present = bool(session_present)
        # The library allows one fewer than the broker does, and takes a receive maximum of 1 for an error.
        handler = self._package_handler
        allowed = handler._connack_properties.get("receive_maximum", [_MAX_PACKET_ID])[0]  # noqa: SLF001
        handler.id_generator._max = allowed + 1  # noqa: SLF001
        wanted_s = handler._connack_properties.get("server_keep_alive", [0])[0]  # noqa: SLF001
        self._watchdog.start(min(wanted_s or self._broker.keepalive_s, self._broker.keepalive_s))

    def _has_subscribed(self, packet_id: int, codes: tuple[int, ...], _properties: object) -> None:
        answer = self._subscribed.pop(packet_id, None)
        if answer is not None and not answer.done():
            answer.set_result(codes)
        elif max(codes) >= FAILURE:
            self._end(End(name_of(max(codes), Packet.SUBACK), "a subscription is refused that was not before"))

    def _read_publish(self, command: int, packet: bytes) -> None:
        """Read a PUBLISH (MQTT 5.0 section 3.3) and hand it over. Properties are skipped; aliases were not offered."""
        end = 2 + _read_u16(packet)[0]
        topic = packet[2:end].decode("utf-8", "replace")
        receipt = None
        if command & _QOS_BITS:
            receipt = Receipt(self.acknowledge, _read_u16(packet, end)[0])
            end += 2
        if self._connection_state.protocol_version == MQTT_5:
            end = after_properties(packet, end)
        try:
            self._listener.message(topic, packet[end:], receipt, retained=bool(command & _RETAIN_BIT))
        except Exception as error:  # noqa: BLE001 -- the library would swallow it; our bugs end the process
            self._loop.call_exception_handler({"message": "a message could not be taken", "exception": error})

    def _read_disconnect(self, packet: bytes) -> None:
        """Read a DISCONNECT (MQTT 5.0 section 3.14): the broker ends it and may say why. Closing is left to us."""
        code = packet[0] if packet else 0
        self._end(End(name_of(code, Packet.DISCONNECT), told(code, Packet.DISCONNECT)))

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
