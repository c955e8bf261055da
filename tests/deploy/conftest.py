"""The broker's configuration as it is shipped: nothing is replaced but the places and ports of its first section.

`_places` is the whole of what is replaced; each of its texts has to stand in the file exactly as often as it says, and
no other path may be left, so that a line added there cannot escape. The access list and the script that makes the
certificates are used as they are.
"""

import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.testing.mosquitto import LOOPBACK, RETRY_S, find_mosquitto, free_port

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "mosquitto"
PATIENCE_S = 10.0


def _places(folder: Path, port: int, tls_port: int) -> dict[str, tuple[int, str]]:
    """Return what is replaced: how often it stands there, and by what."""
    return {
        "user mosquitto\n": (1, "user root\n"),  # started by root, it would become a user that may not read our files
        "listener 1883 ": (1, f"listener {port} "),
        "listener 8883\n": (1, f"listener {tls_port}\n"),
        "/var/lib/mosquitto/": (1, f"{folder}/state/"),
        "/etc/mosquitto/wayside/acl\n": (1, f"{SHIPPED}/acl\n"),
        "/etc/mosquitto/wayside/": (5, f"{folder}/"),
    }


class ShippedBroker:
    """Mosquitto with the shipped configuration. It keeps ports and state when it is started again."""

    host = LOOPBACK

    def __init__(self, program: str, folder: Path) -> None:
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port()
        self._program = program
        self._config = folder / "mosquitto.conf"
        self._config.write_text(self._configured(), encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def _configured(self) -> str:
        text = (SHIPPED / "mosquitto.conf").read_text(encoding="utf-8")
        for place, (count, ours) in _places(self.folder, self.port, self.tls_port).items():
            assert text.count(place) == count, place
            text = text.replace(place, ours)
        paths = re.findall(r"^[^#\n]* (/\S+)", text, re.MULTILINE)
        assert [path for path in paths if not path.startswith((str(self.folder), str(SHIPPED)))] == []
        return text

    def start(self) -> None:
        """Return once it accepts connections on both its ports."""
        self._process = subprocess.Popen([self._program, "-c", str(self._config)])
        for port in (self.port, self.tls_port):
            while not _accepts(port):
                with pytest.raises(subprocess.TimeoutExpired):  # it has not ended; meanwhile this is the pause
                    self._process.wait(RETRY_S)

    def kill(self) -> None:
        """End it at once, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def reload(self) -> None:
        """Tell it to read its files anew; what comes after has been preceded by that."""
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), PATIENCE_S).close()
    except ConnectionRefusedError:
        return False
    return True


def make_certificates(folder: Path, *arguments: str) -> None:
    subprocess.run([SHIPPED / "make-certificates.sh", folder, *arguments], check=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything of one authority: the broker's certificate, and those of clients that the access list knows or not."""
    folder = tmp_path_factory.mktemp("authority")
    make_certificates(folder, "ca")
    make_certificates(folder, "server", "localhost", LOOPBACK)
    make_certificates(folder, "client", "gateway-1", "car-1", "till-1", "car-9")
    return folder


@pytest.fixture(scope="module")
def other_authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that nobody here trusts, but for what it says of itself."""
    folder = tmp_path_factory.mktemp("other")
    make_certificates(folder, "ca")
    make_certificates(folder, "client", "car-1")
    return folder


@pytest.fixture
def broker(tmp_path: Path, authority: Path) -> Iterator[ShippedBroker]:
    program = find_mosquitto()
    assert program is not None  # the marker of the tests has seen to it
    folder = tmp_path / "broker"
    (folder / "state").mkdir(parents=True)
    shutil.copytree(authority, folder / "certificates")
    passwords = folder / "passwords"
    for number, name in enumerate(("gateway-1", "operator")):
        create = ["-c"] if number == 0 else []
        subprocess.run(["mosquitto_passwd", *create, "-b", passwords, name, f"secret of {name}"], check=True)
    broker = ShippedBroker(program, folder)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def certificates(broker: ShippedBroker) -> Path:
    return broker.folder / "certificates"
