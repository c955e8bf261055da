"""The shipped broker: who comes in, who may say and hear what, and what survives its death."""

import queue
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Protocol, Self

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.testing.mosquitto import LOOPBACK
from gateway.wire.read import MAX_BYTES
from gateway.wire.topics import Channel, topic_of

pytestmark = pytest.mark.mosquitto

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "mosquitto" / "make-certificates.sh"
PATIENCE_S = 10.0
TAKEN, UNHEARD, NOT_AUTHORISED, CUT_OFF = 0, 16, 135, -1
INBOUND = (
    Channel.TELEMETRY,
    Channel.IDENTITY,
    Channel.OUTCOMES,
    Channel.CONSENTS,
    Channel.FACTS,
    Channel.STATUS,
)
CONNECT = bytes.fromhex("100d 0004 4d515454 04 02 003c 0001 78")
CONNACK = bytes.fromhex("2002 00 00")


class Broker(Protocol):
    """The broker under test, running."""

    port: int
    tls_port: int

    def start(self) -> None:
        """Return once it accepts connections on both its ports."""
        ...

    def kill(self) -> None:
        """End it at once, and wait until it is gone."""
        ...

    def reload(self) -> None:
        """Tell it to read its files anew; it has done so with its next answer."""
        ...


class Peer:
    """A client: with a certificate in the folder it is given, else with a password. Connected within its block."""

    def __init__(
        self,
        broker: Broker,
        name: str,
        certificates: Path | None = None,
        *,
        password: str | None = None,
        client_id: str = "",
        username: str | None = None,
        stays: bool = False,
        will: str | None = None,
    ) -> None:
        self._answers: queue.Queue[tuple[int, bool]] = queue.Queue()
        self._heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._stays = stays
        client = self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv5, reconnect_on_failure=False
        )
        if password is not None or username is not None:
            client.username_pw_set(username or name, password)
        if certificates is not None:
            own = certificates / name
            client.tls_set(str(certificates / "ca.crt"), f"{own}.crt", f"{own}.key")
        if will is not None:
            client.will_set(will, b"forged", qos=1)
        client.on_connect = lambda _c, _d, flags, code, _p: self._answers.put((code.value, flags.session_present))
        client.on_subscribe = lambda _c, _d, _mid, codes, _p: self._answers.put(
            (max(code.value for code in codes), False)
        )
        client.on_publish = lambda _c, _d, _mid, code, _p: self._answers.put((code.value, False))
        client.on_disconnect = lambda *_: self._answers.put((CUT_OFF, False))
        client.on_message = lambda _c, _d, message: self._heard.put((message.topic, bytes(message.payload)))
        self._port = broker.port if certificates is None else broker.tls_port

    def __enter__(self) -> Self:
        code, self.session_present = self.connect()
        assert code == TAKEN
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def break_off(self) -> None:
        """End the connection without a word."""
        connection = self._client.socket()
        assert connection is not None
        connection.close()

    def connect(self) -> tuple[int, bool]:
        """Return the broker's answer, and whether it remembers us."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 3600 if self._stays else 0
        self._client.connect(LOOPBACK, self._port, clean_start=not self._stays, properties=properties)
        self._client.loop_start()
        return self._answers.get(timeout=PATIENCE_S)

    def subscribe(self, *filters: str) -> None:
        self._client.subscribe([(each, 1) for each in filters])
        self._answers.get(timeout=PATIENCE_S)

    def publish(self, topic: str, payload: bytes = b"forged", *, retain: bool = False) -> int:
        """Publish at QoS 1; return the broker's reason code, or `CUT_OFF`."""
        self._client.publish(topic, payload, qos=1, retain=retain)
        return self._answers.get(timeout=PATIENCE_S)[0]

    def next(self) -> tuple[str, bytes]:
        """Return what is heard next: topic and payload."""
        return self._heard.get(timeout=PATIENCE_S)


def _handshake(broker: Broker, context: ssl.SSLContext) -> bytes:
    """Connect and say CONNECT; return what the broker answers."""
    connection = socket.create_connection((LOOPBACK, broker.tls_port), PATIENCE_S)
    with context.wrap_socket(connection, server_hostname=LOOPBACK) as encrypted:
        encrypted.sendall(CONNECT)
        return encrypted.recv(16)


def _password(name: str) -> str:
    return f"secret of {name}"


def _refusal(peer: Peer) -> int:
    code, _ = peer.connect()
    peer.__exit__()
    return code


def test_nobody_comes_in_without_a_password_or_with_a_wrong_one(broker: Broker) -> None:
    assert _refusal(Peer(broker, "car-1", client_id="car-1")) == NOT_AUTHORISED
    assert _refusal(Peer(broker, "gateway-1", password=_password("nobody"))) == NOT_AUTHORISED
    with Peer(broker, "gateway-1", password=_password("gateway-1")):
        pass


def test_nobody_comes_in_from_elsewhere_without_a_certificate_of_ours(
    broker: Broker, certificates: Path, other_authority: Path
) -> None:
    context = ssl.create_default_context(cafile=certificates / "ca.crt")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _handshake(broker, context)
    context.load_cert_chain(other_authority / "car-1.crt", other_authority / "car-1.key")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _handshake(broker, context)
    context.load_cert_chain(certificates / "car-1.crt", certificates / "car-1.key")
    assert _handshake(broker, context) == CONNACK


def test_a_client_finds_out_a_broker_that_is_not_ours(broker: Broker, other_authority: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(broker, ssl.create_default_context(cafile=other_authority / "ca.crt"))


def test_a_revoked_certificate_is_refused_once_the_broker_was_told(broker: Broker, certificates: Path) -> None:
    stolen = ssl.create_default_context(cafile=certificates / "ca.crt")
    stolen.load_cert_chain(certificates / "car-9.crt", certificates / "car-9.key")
    assert _handshake(broker, stolen)
    with Peer(broker, "operator", password=_password("operator")) as operator:
        subprocess.run([SCRIPT, certificates, "revoke", "car-9"], check=True)
        broker.reload()
        operator.publish("anything/else")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        _handshake(broker, stolen)
    with Peer(broker, "car-1", certificates):
        pass


def test_a_unit_writes_its_own_inbound_topics_and_no_others(broker: Broker, certificates: Path) -> None:
    with (
        Peer(broker, "gateway-1", certificates) as gateway,
        Peer(broker, "till-1", certificates) as till,
        Peer(broker, "car-1", certificates) as car,
    ):
        gateway.subscribe("wayside/v1/#")
        forged = [topic_of("car-1", channel) for channel in Channel]
        forged += [topic_of("till-1", Channel.OFFERS), topic_of("gateway-1", Channel.STATUS), "anything/else"]
        assert [till.publish(topic) for topic in forged] == [NOT_AUTHORISED] * len(forged)
        for channel in INBOUND:
            assert car.publish(topic_of("car-1", channel), b"its own") == TAKEN
            assert gateway.next() == (topic_of("car-1", channel), b"its own")


def test_a_unit_hears_its_own_offers_and_nothing_else(broker: Broker, certificates: Path) -> None:
    with (
        Peer(broker, "gateway-1", certificates) as gateway,
        Peer(broker, "car-1", certificates) as car,
        Peer(broker, "till-1", certificates) as till,
    ):
        # The broker grants every subscription, and then hands over what may be read.
        till.subscribe("#", "$SYS/#", "wayside/v1/car-1/offers", "wayside/v1/+/telemetry")
        assert car.publish("wayside/v1/car-1/telemetry") == TAKEN
        assert gateway.publish("wayside/v1/car-1/offers", b"for the car") == TAKEN
        assert gateway.publish("wayside/v1/till-1/offers", b"for the till") == TAKEN
        assert till.next() == ("wayside/v1/till-1/offers", b"for the till")


def test_a_gateway_hears_and_offers_to_the_units_it_serves_only(broker: Broker, certificates: Path) -> None:
    with (
        Peer(broker, "gateway-1", certificates) as gateway,
        Peer(broker, "car-9", certificates) as foreign,
        Peer(broker, "car-1", certificates) as served,
    ):
        gateway.subscribe("#")
        assert foreign.publish("wayside/v1/car-9/telemetry") == TAKEN
        assert served.publish("wayside/v1/car-1/telemetry", b"of the served") == TAKEN
        assert gateway.next() == ("wayside/v1/car-1/telemetry", b"of the served")
        assert gateway.publish("wayside/v1/car-9/offers") == NOT_AUTHORISED
        assert gateway.publish("wayside/v1/car-1/telemetry") == NOT_AUTHORISED


def test_a_unit_is_who_its_certificate_says_whatever_it_calls_itself(broker: Broker, certificates: Path) -> None:
    with (
        Peer(broker, "gateway-1", certificates, client_id="gateway-1") as gateway,
        Peer(
            broker, "till-1", certificates, client_id="gateway-1", username="gateway-1", password=_password("nobody")
        ) as till,
        Peer(broker, "car-1", certificates) as car,
    ):
        gateway.subscribe("wayside/v1/+/telemetry")
        till.subscribe("wayside/v1/+/telemetry")
        assert till.publish("wayside/v1/car-1/offers") == NOT_AUTHORISED
        # It has not taken over the gateway's session either.
        assert car.publish("wayside/v1/car-1/telemetry", b"still heard") == TAKEN
        assert gateway.next() == ("wayside/v1/car-1/telemetry", b"still heard")


def test_a_last_will_on_anothers_topic_is_not_published(broker: Broker, certificates: Path) -> None:
    with Peer(broker, "gateway-1", certificates) as gateway:
        gateway.subscribe("wayside/v1/+/status")
        with Peer(broker, "till-1", certificates, will="wayside/v1/car-1/status") as till:
            till.break_off()
        # Whoever comes under a name ends the name's connection before: the will has had its turn.
        with Peer(broker, "till-1", certificates) as till:
            assert till.publish("wayside/v1/till-1/status", b"its own") == TAKEN
        assert gateway.next() == ("wayside/v1/till-1/status", b"its own")


def test_the_largest_payload_a_gateway_takes_passes_and_a_larger_packet_ends_its_connection(
    broker: Broker, certificates: Path
) -> None:
    with Peer(broker, "gateway-1", certificates) as gateway, Peer(broker, "car-1", certificates) as car:
        gateway.subscribe("wayside/v1/+/telemetry")
        assert car.publish("wayside/v1/car-1/telemetry", b"x" * MAX_BYTES) == TAKEN
        assert len(gateway.next()[1]) == MAX_BYTES
        assert car.publish("wayside/v1/car-1/telemetry", b"x" * (MAX_BYTES + 1024)) == CUT_OFF
        assert gateway.publish("wayside/v1/gateway-1/status") == UNHEARD  # nobody else is touched


def test_what_waits_for_an_absent_gateway_survives_kill_9(broker: Broker, certificates: Path) -> None:
    said = [f"outcome {number}".encode() for number in range(50)]
    with Peer(broker, "gateway-1", certificates, stays=True) as gateway:
        gateway.subscribe("wayside/v1/car-1/outcomes")
    with Peer(broker, "car-1", certificates) as car:
        assert [car.publish("wayside/v1/car-1/outcomes", each) for each in said] == [TAKEN] * len(said)
        # The broker writes after each round of answers: with any later answer it has written what it answered before.
        assert car.publish("anything/else") == NOT_AUTHORISED
        broker.kill()
    broker.start()

    with Peer(broker, "car-1", certificates) as car:
        car.publish("wayside/v1/car-1/outcomes", b"said while the gateway had not come back")
    with Peer(broker, "gateway-1", certificates, stays=True) as gateway:
        assert gateway.session_present
        assert [gateway.next()[1] for _ in said] == said
        assert gateway.next()[1] == b"said while the gateway had not come back"


def test_an_operator_hears_who_is_there_and_what_was_refused_and_no_telemetry(
    broker: Broker, certificates: Path
) -> None:
    with Peer(broker, "gateway-1", certificates) as gateway:
        gateway.publish("wayside/v1/gateway-1/status", b"born", retain=True)
        gateway.publish("anything/else")  # once this is answered, what came before is on disk
        broker.kill()
    broker.start()
    with (
        Peer(broker, "operator", password=_password("operator")) as operator,
        Peer(broker, "gateway-1", certificates) as gateway,
        Peer(broker, "car-1", certificates) as car,
    ):
        operator.subscribe("$SYS/broker/version")
        assert operator.next()[0] == "$SYS/broker/version"
        operator.subscribe("wayside/#")
        assert operator.next() == ("wayside/v1/gateway-1/status", b"born")
        assert car.publish("wayside/v1/car-1/telemetry") == TAKEN
        assert gateway.publish("wayside/v1/car-1/offers") == TAKEN
        assert gateway.publish("wayside/v1/gateway-1/deadletter", b"refused") == TAKEN
        assert operator.next() == ("wayside/v1/gateway-1/deadletter", b"refused")
