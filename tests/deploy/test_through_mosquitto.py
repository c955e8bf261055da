"""The gateway process and the example firmware, through the shipped broker."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import pytest

from gateway.core.events import UnitKind
from gateway.testing.process import GatewayProcess
from gateway.testing.samples import T0
from gateway.wire.releases import build

pytestmark = pytest.mark.mosquitto

PATIENCE_S = 15.0
LOW_PRESSURE = "Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.IsPressureLow"

CAMPAIGN = """\
campaign: safety
actions:
  - id: tyre_pressure
    kind: safety
    audience: anyone
    when: [{moment: TyrePressureLow}]
    propensity: {prior: 0.9}
    value: 10
    annoyance: 0
    treatments:
      - {placement: passenger_screen, language: en, title: Tyre pressure is low, body: Tell the driver.}
"""

CONFIG = """\
id = "gateway-1"
data_dir = "data"
release = "release"

[http]
enabled = false

[[units]]
id = "car-1"
kind = "car"
placements = ["passenger_screen"]

[broker]
"""


class Broker(Protocol):
    """The broker under test, running."""

    port: int
    tls_port: int


@pytest.fixture
def configure(tmp_path: Path) -> Callable[[str], Path]:
    """Write the `gateway.toml` of a gateway that reaches the broker as the lines of its `[broker]` say."""
    (tmp_path / "safety.yaml").write_text(CAMPAIGN, encoding="utf-8")
    build(
        tmp_path / "release",
        id="test-1",
        counter=1,
        created=T0,
        campaigns=[tmp_path / "safety.yaml"],
        fences=[],
        models=[],
        unit_kinds=[UnitKind.CAR],
    )

    def write(section: str) -> Path:
        (tmp_path / "gateway.toml").write_text(CONFIG + section, encoding="utf-8")
        return tmp_path / "gateway.toml"

    return write


@pytest.fixture
def over_tls(configure: Callable[[str], Path], broker: Broker, certificates: Path) -> Path:
    return configure(f"""\
host = "localhost"
port = {broker.tls_port}

[broker.tls]
ca_file = "{certificates}/ca.crt"
cert_file = "{certificates}/gateway-1.crt"
key_file = "{certificates}/gateway-1.key"
""")


@pytest.fixture
def beside_it(configure: Callable[[str], Path], broker: Broker, tmp_path: Path) -> Path:
    (tmp_path / "password").write_text("secret of gateway-1\n", encoding="utf-8")
    return configure(f'port = {broker.port}\nusername = "gateway-1"\npassword_file = "password"\n')


@contextmanager
def _firmware(port: int, memory: Path, *options: str) -> Iterator[tuple[IO[str], IO[str]]]:
    """Run the example as `car-1`; yield what it reads and what it shows. It has to end in an orderly way."""
    command = [sys.executable, "-m", "simulators.firmware_example", "--unit", "car-1", "--port", str(port)]
    command += ["--memory", str(memory), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        patience = threading.Timer(PATIENCE_S, process.kill)
        patience.start()
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdin, process.stdout
        process.stdin.close()
        assert process.wait() == 0
        patience.cancel()


@pytest.mark.parametrize("way", ["over_tls", "beside_it"])
def test_telemetry_goes_in_and_an_offer_comes_out(
    way: str, request: pytest.FixtureRequest, broker: Broker, certificates: Path
) -> None:
    config: Path = request.getfixturevalue(way)
    options = ["--certificates", str(certificates)]
    with (
        GatewayProcess(config) as gateway,
        _firmware(broker.tls_port, config.parent / "memory", *options) as (bus, screen),
    ):
        assert gateway.await_event("connected")["mqtt"] == "5"
        bus.write(f"{LOW_PRESSURE}=true\n")
        assert any("Tyre pressure is low" in line for line in screen)
        assert gateway.terminate() == 0


def test_a_unit_that_is_not_let_in_says_so_and_tries_again(broker: Broker, tmp_path: Path) -> None:
    with _firmware(broker.port, tmp_path / "memory") as (_, screen):
        refusal = "not let in: Not authorized\n"
        assert [screen.readline(), screen.readline()] == [refusal, refusal]
