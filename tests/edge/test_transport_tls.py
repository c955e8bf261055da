"""TLS towards a real broker: who is trusted, who is not, and what the operator is told to do.

On uvloop, as the gateway runs: the loops tell of a TLS alert differently.
"""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from gateway.core.errors import Unavailable
from gateway.edge.config import BrokerConfig, ConfigError, TlsConfig
from gateway.edge.exchange import Receipt, Terms, Will
from gateway.edge.mqtt import MQTT_3_1_1, MQTT_5, Connection
from gateway.edge.tls import check_credentials, client_context, explanation_of
from gateway.testing.mosquitto import Mosquitto, find_mosquitto

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "mosquitto" / "make-certificates.sh"
PATIENCE_S = 30.0

CONFIG = """\
listener {port} {host}
user root
cafile %(authority)s/ca.crt
crlfile %(authority)s/ca.crl
certfile %(server)s.crt
keyfile %(server)s.key
tls_version %(version)s
require_certificate true
use_identity_as_username true
log_dest file {directory}/mosquitto.log
"""


class Deaf:
    """Listens to nothing."""

    def message(self, topic: str, payload: bytes, receipt: Receipt | None, *, retained: bool) -> None:
        """Not listened to."""

    def confirmed(self, token: object, code: int) -> None:
        """Not listened to."""


def _make(folder: Path, *arguments: str) -> None:
    subprocess.run([SCRIPT, folder, *arguments], check=True)


def _make_dated(authority: Path, name: str, start: str, end: str) -> None:
    """Let the authority sign a broker's certificate that holds between two days: the script's all hold today."""
    folder = authority / name
    folder.mkdir()
    (folder / "index").touch()
    (folder / "config").write_text(
        f"[ca]\ndefault_ca = own\n[own]\ndatabase = {folder}/index\nrand_serial = yes\nnew_certs_dir = {folder}\n"
        "default_md = sha256\npolicy = any\nx509_extensions = names\n[any]\ncommonName = supplied\n"
        "[names]\nsubjectAltName = DNS:localhost\nextendedKeyUsage = serverAuth\n",
        encoding="utf-8",
    )
    key, request = authority / f"{name}.key", folder / "request"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run(["openssl", "req", "-new", *kind, "-keyout", key, "-out", request], check=True, capture_output=True)
    dates = ["-startdate", start, "-enddate", end]
    signer: list[str | Path] = ["-cert", authority / "ca.crt", "-keyfile", authority / "ca.key"]
    files: list[str | Path] = ["-config", folder / "config", "-in", request, "-out", authority / f"{name}.crt"]
    subprocess.run(["openssl", "ca", "-batch", "-notext", *signer, *dates, *files], check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One authority and what it signed: `stolen` is `gw-2`'s certificate, taken back."""
    folder = tmp_path_factory.mktemp("authority") / "site"
    _make(folder, "ca")
    _make(folder, "server", "localhost")
    _make(folder, "client", "gw-1", "gw-2")
    for kind in ("crt", "key"):
        shutil.copy(folder / f"gw-2.{kind}", folder / f"stolen.{kind}")
    _make(folder, "revoke", "gw-2")
    _make_dated(folder, "expired", "20200101000000Z", "20210101000000Z")
    _make_dated(folder, "early", "20980101000000Z", "20990101000000Z")
    return folder


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority that nobody trusts."""
    folder = tmp_path_factory.mktemp("stranger") / "site"
    _make(folder, "ca")
    _make(folder, "client", "gw-1")
    return folder


@pytest.fixture
def tls_broker(tmp_path: Path, authority: Path) -> Callable[..., Any]:
    """Start a broker that shows a certificate of the authority and wants one."""

    @contextmanager
    def start(server: str = "server", version: str = "tlsv1.3") -> Iterator[Mosquitto]:
        program = find_mosquitto()
        assert program is not None  # the marker of the tests has seen to it
        places = {"authority": authority, "server": authority / server, "version": version}
        broker = Mosquitto(program, tmp_path, CONFIG % places)
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()

    return start


def _files(folder: Path, name: str | None = "gw-1", authority: Path | None = None) -> TlsConfig:
    files: dict[str, Path] = {"ca_file": (authority or folder) / "ca.crt"}
    if name is not None:
        files |= {"cert_file": folder / f"{name}.crt", "key_file": folder / f"{name}.key"}
    return TlsConfig.model_validate(files)


def _run(scenario: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(scenario, PATIENCE_S))


def _connection(port: int, tls: TlsConfig, host: str = "localhost", version: int = MQTT_5) -> Connection:
    config = BrokerConfig(host=host, port=port, tls=tls)
    terms = Terms(config, "gw-1", ("wayside/v1/car-1/telemetry",), Will("wayside/v1/gw-1/status", b"gone"))
    return Connection(terms, version, None, Deaf())


async def _connect(port: int, tls: TlsConfig, host: str = "localhost", version: int = MQTT_5) -> None:
    connection = _connection(port, tls, host, version)
    try:
        await connection.open()
        await connection.subscribe_all()
        await connection.close()
    finally:
        connection.abort()


def _refusal(port: int, tls: TlsConfig, host: str = "localhost") -> str:
    with pytest.raises(Unavailable) as caught:
        _run(_connect(port, tls, host))
    return str(caught.value)


@pytest.mark.mosquitto
@pytest.mark.parametrize("tls_version", ["tlsv1.2", "tlsv1.3"])
@pytest.mark.parametrize("mqtt_version", [MQTT_5, MQTT_3_1_1])
def test_who_trusts_each_other_is_connected(
    tls_broker: Callable[..., Any], authority: Path, tls_version: str, mqtt_version: int
) -> None:
    with tls_broker(version=tls_version) as broker:
        _run(_connect(broker.port, _files(authority), version=mqtt_version))


@pytest.mark.mosquitto
def test_a_broker_of_another_authority_is_not_trusted(
    tls_broker: Callable[..., Any], authority: Path, stranger: Path
) -> None:
    with tls_broker() as broker:
        told = _refusal(broker.port, _files(authority, authority=stranger))
        by_the_system = _refusal(broker.port, _files(authority).model_copy(update={"ca_file": None}))

    assert told.endswith("is of no authority that is trusted: see broker.tls.ca_file")
    assert by_the_system == told


@pytest.mark.mosquitto
def test_a_broker_under_another_name_is_not_trusted(tls_broker: Callable[..., Any], authority: Path) -> None:
    with tls_broker() as broker:
        told = _refusal(broker.port, _files(authority), "127.0.0.1")

    assert "is not for '127.0.0.1': set broker.host to a name it has" in told


@pytest.mark.mosquitto
@pytest.mark.parametrize(("server", "what"), [("expired", "has expired"), ("early", "is not valid yet")])
def test_a_brokers_certificate_has_to_hold_today(
    tls_broker: Callable[..., Any], authority: Path, server: str, what: str
) -> None:
    with tls_broker(server) as broker:
        told = _refusal(broker.port, _files(authority))

    assert f"the broker's certificate {what} by this device's clock (" in told
    assert told.endswith("renew it or set the clock")


@pytest.mark.mosquitto
@pytest.mark.parametrize("version", ["tlsv1.2", "tlsv1.3"])
@pytest.mark.parametrize("whose", ["none", "stolen", "foreign"])
def test_who_has_no_certificate_that_holds_is_told_which_key_to_look_at(
    tls_broker: Callable[..., Any], authority: Path, stranger: Path, whose: str, version: str
) -> None:
    shown = {
        "none": _files(authority, None),
        "stolen": _files(authority, "stolen"),
        "foreign": _files(stranger, authority=authority),
    }
    with tls_broker(version=version) as broker:
        told = _refusal(broker.port, shown[whose])

    # The broker's alert and its closing come together; which of them is seen first is the system's business.
    assert "see broker.tls.cert_file" in told or "(broker.tls.cert_file)" in told


def test_a_broker_that_speaks_no_tls_is_told_by_its_port() -> None:
    async def scenario() -> None:
        async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(Unavailable, match=r"speaks no TLS at this port: see broker\.port"):
                await _connect(port, TlsConfig())

    _run(scenario())


def test_tls_before_1_2_is_not_spoken(authority: Path) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.load_cert_chain(authority / "server.crt", authority / "server.key")

    async def scenario() -> None:
        async with await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=old) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(Unavailable):
                await _connect(port, _files(authority))

    _run(scenario())
    assert client_context(_files(authority)).minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.mosquitto
def test_files_that_are_replaced_hold_from_the_next_connection_on(
    tls_broker: Callable[..., Any], authority: Path, stranger: Path, tmp_path: Path
) -> None:
    def install(source: Path) -> None:
        for file in ("gw-1.crt", "gw-1.key"):
            shutil.copy(source / file, tmp_path / file)

    files = _files(tmp_path, authority=authority)
    with tls_broker() as broker:
        install(stranger)
        _refusal(broker.port, files)
        install(authority)
        _run(_connect(broker.port, files))


def test_a_key_that_others_can_read_is_refused(authority: Path, tmp_path: Path) -> None:
    for file in ("ca.crt", "gw-1.crt", "gw-1.key"):
        shutil.copy(authority / file, tmp_path / file)
    (tmp_path / "gw-1.key").chmod(0o640)

    with pytest.raises(ConfigError, match="is readable by others: chmod 600 it") as caught:
        check_credentials(BrokerConfig(tls=_files(tmp_path)))
    assert (caught.value.file, caught.value.key) == (tmp_path / "gw-1.key", "broker.tls.key_file")
    with pytest.raises(ConfigError):
        _run(_connect(1, _files(tmp_path)))


def _encrypted(authority: Path, key: Path) -> None:
    ways: list[str | Path] = ["-in", authority / "gw-1.key", "-aes128", "-passout", "pass:x", "-out", key]
    subprocess.run(["openssl", "pkey", *ways], check=True)


@pytest.mark.parametrize(
    ("spoil", "key", "problem"),
    [
        (lambda folder, _: (folder / "ca.crt").unlink(), "ca_file", "cannot be read: No such file"),
        (lambda folder, _: (folder / "ca.crt").write_text("words"), "ca_file", "holds no certificate in PEM"),
        (lambda folder, _: (folder / "gw-1.crt").unlink(), "cert_file", "cannot be read: No such file"),
        (lambda folder, _: (folder / "gw-1.crt").write_text("words"), "cert_file", "is no PEM"),
        (lambda folder, _: (folder / "gw-1.key").unlink(), "key_file", "cannot be read: No such file"),
        (lambda folder, site: shutil.copy(site / "server.key", folder / "gw-1.key"), "key_file", "is not the key of"),
        (lambda folder, site: _encrypted(site, folder / "gw-1.key"), "key_file", "has a pass phrase"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_key(
    authority: Path, tmp_path: Path, spoil: Callable[[Path, Path], object], key: str, problem: str
) -> None:
    for file in ("ca.crt", "gw-1.crt", "gw-1.key"):
        shutil.copy(authority / file, tmp_path / file)
    spoil(tmp_path, authority)

    with pytest.raises(ConfigError, match=problem) as caught:
        check_credentials(BrokerConfig(tls=_files(tmp_path)))
    assert caught.value.key == f"broker.tls.{key}"


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "wants a certificate"),
        ("SSLV3_ALERT_CERTIFICATE_REVOKED", "was revoked"),
        ("SSLV3_ALERT_CERTIFICATE_EXPIRED", "has expired"),
        ("TLSV1_ALERT_UNKNOWN_CA", "does not trust our certificate's authority"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "1.2 and later"),
        ("A_NEW_REASON", "TLS failed (A_NEW_REASON)"),
        (None, "TLS failed (no reason given)"),
    ],
)
def test_an_alert_is_told_in_words(reason: str | None, told: str) -> None:
    fault = ssl.SSLError(1, "words of OpenSSL")
    fault.reason = reason  # type: ignore[assignment]  # None where OpenSSL gives none

    assert told in explanation_of(fault, "broker.local")


def test_a_fault_of_another_kind_is_told_as_the_system_tells_it() -> None:
    odd = ssl.SSLCertVerificationError(1, "words of OpenSSL")
    odd.verify_code, odd.verify_message = 26, "unsuitable certificate purpose"

    assert "unsuitable certificate purpose" in explanation_of(odd, "broker.local")
    assert explanation_of(OSError("no route"), "broker.local") == "no route"
