"""The example firmware as a process of its own, a real broker, and the real gateway process."""

import ast
import queue
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Self

import pytest

from gateway.core.events import UnitKind
from gateway.testing.mosquitto import Mosquitto
from gateway.testing.process import GatewayProcess
from gateway.testing.samples import T0, make_offer
from gateway.testing.stranger import Stranger
from gateway.wire.releases import build
from gateway.wire.write import encode_offer
from simulators import firmware_example

pytestmark = pytest.mark.mosquitto

PATIENCE_S = 15.0
STATUS = "wayside/v1/car-1/status"
OFFERS = "wayside/v1/car-1/offers"
OUTCOMES = "wayside/v1/car-1/outcomes"
DEAD_LETTERS = "wayside/v1/gw-1/deadletter"
GEAR = "Vehicle.Powertrain.Transmission.SelectedGear"

CAMPAIGN = """\
campaign: stop
actions:
  - id: pastry
    kind: marketing
    audience: subject
    when: [{moment: Parked}]
    propensity: {prior: 0.6}
    value: 2.0
    annoyance: 0.2
    cap: unlimited
    valid_for: 10 min
    redeem_within: 1 h
    treatments:
      - {placement: driver_screen, language: en, title: A pastry, body: Warm.}
  - id: where
    kind: service
    audience: subject
    when: [{moment: OfferAccepted, action: pastry}]
    propensity: {prior: 0.6}
    value: 1.0
    annoyance: 0.1
    valid_for: 10 min
    treatments:
      - {placement: driver_screen, language: en, title: Left of the till, body: It is being warmed.}
"""

CONFIG = """\
id = "gw-1"
data_dir = "data"
release = "release"

[broker]
host = "{host}"
port = {port}

[http]
enabled = false

[[units]]
id = "car-1"
kind = "car"
placements = ["driver_screen"]
"""


class Firmware:
    """The example, as long as its block lasts. Its screen's lines are events to wait for."""

    def __init__(self, broker: Mosquitto, memory: Path) -> None:
        options = ["--unit", "car-1", "--port", str(broker.port), "--memory", str(memory)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "simulators.firmware_example", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._reader.join()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def type(self, *lines: str) -> None:
        """Give it lines, as its bus and its buttons would."""
        assert self._process.stdin is not None
        for line in lines:
            self._process.stdin.write(f"{line}\n")

    def expect(self, *words: str) -> str:
        """Return the next line that has these words; those before it are dropped."""
        while True:
            line = self._lines.get(timeout=PATIENCE_S)
            if all(word in line for word in words):
                return line

    def await_offer(self, title: str) -> str:
        """Return the id of the next offer with this title."""
        return self.expect("offer", title).split()[1]

    def drive_in(self) -> str:
        """Let somebody known, who agrees, park; return the offer that is made of it."""
        self.expect("connected")
        self.type("present driver p.anna", "given offer_display", f"{GEAR}=127 Vehicle.Speed=12", f"{GEAR}=126")
        return self.await_offer("A pastry")

    def terminate(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE_S)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)


@pytest.fixture
def config(mosquitto: Mosquitto, tmp_path: Path) -> Path:
    (tmp_path / "stop.yaml").write_text(CAMPAIGN, encoding="utf-8")
    build(
        tmp_path / "release",
        id="test-1",
        counter=1,
        created=T0,
        campaigns=[tmp_path / "stop.yaml"],
        fences=[],
        models=[],
        unit_kinds=[UnitKind.CAR],
    )
    file = tmp_path / "gateway.toml"
    file.write_text(CONFIG.format(host=mosquitto.host, port=mosquitto.port), encoding="utf-8")
    return file


@pytest.fixture
def gateway(config: Path) -> Iterator[GatewayProcess]:
    with GatewayProcess(config) as process:
        process.await_event("connected")
        yield process


def _outcomes(config: Path, offer: str) -> list[str]:
    """Return what the ledger has of an offer; asked once the gateway has ended."""
    with closing(sqlite3.connect(config.parent / "data" / "ledger.db")) as ledger:
        rows = ledger.execute("SELECT outcome FROM outcomes WHERE offer = ? ORDER BY seq", (offer,))
        return [outcome for (outcome,) in rows]


def test_its_offer_arrives_and_its_outcomes_are_in_the_ledger(
    mosquitto: Mosquitto, gateway: GatewayProcess, config: Path, tmp_path: Path
) -> None:
    with Stranger(mosquitto.host, mosquitto.port, DEAD_LETTERS) as stranger, Firmware(mosquitto, tmp_path / "m") as car:
        offer = car.drive_in()
        car.type("accepted")
        car.expect("off", offer, "accepted")
        car.await_offer("Left of the till")
        assert car.terminate() == 0
        assert gateway.terminate() == 0
        assert stranger.heard() == []
    assert _outcomes(config, offer) == ["presented", "seen", "accepted"]


@pytest.mark.usefixtures("gateway")
def test_a_withdrawal_takes_the_offer_off_and_agreeing_anew_counts(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Firmware(mosquitto, tmp_path / "m") as car:
        offer = car.drive_in()
        car.type("withdrawn offer_display")
        car.expect("off", offer, "consent_withdrawn")

        # A "given" that did not name the withdrawal would be one that turned up late, and would not count.
        car.type("given offer_display", f"{GEAR}=127", f"{GEAR}=126")
        assert car.await_offer("A pastry") != offer


@pytest.mark.usefixtures("gateway")
def test_driving_off_takes_the_offer_off_the_drivers_screen(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Firmware(mosquitto, tmp_path / "m") as car:
        offer = car.drive_in()
        car.type("Vehicle.Speed=30")
        car.expect("off", offer, "drove_off")


def test_an_answer_given_while_the_broker_was_dead_is_in_the_ledger_once(
    mosquitto: Mosquitto, gateway: GatewayProcess, config: Path, tmp_path: Path
) -> None:
    with Firmware(mosquitto, tmp_path / "m") as car:
        offer = car.drive_in()
        car.expect("all said")
        _kill(mosquitto)
        car.type("accepted")
        car.expect("off", offer, "accepted")
        mosquitto.start()

        car.await_offer("Left of the till")
        assert gateway.terminate() == 0
    assert _outcomes(config, offer) == ["presented", "seen", "accepted"]


def test_a_broker_that_restarts_in_an_orderly_way_loses_no_outcome_and_doubles_none(
    mosquitto: Mosquitto, gateway: GatewayProcess, config: Path, tmp_path: Path
) -> None:
    with Firmware(mosquitto, tmp_path / "m") as car:
        offer = car.drive_in()
        car.type("accepted")
        car.await_offer("Left of the till")
        mosquitto.stop()
        car.type(f"redeemed {offer}")
        mosquitto.start()
        car.expect("connected")

        # At its end the broker published the car's last will: who is there, and the gear, had to be told anew.
        assert car.await_offer("A pastry") != offer
        car.type(f"{GEAR}=127", f"{GEAR}=126")
        car.await_offer("A pastry")
        assert gateway.terminate() == 0
    assert _outcomes(config, offer) == ["presented", "seen", "accepted", "redeemed"]


def test_what_was_said_without_a_link_survives_its_own_end_and_is_idempotent(
    mosquitto: Mosquitto, gateway: GatewayProcess, config: Path, tmp_path: Path
) -> None:
    memory, older = tmp_path / "memory", tmp_path / "older"
    with Firmware(mosquitto, memory) as car:
        offer = car.drive_in()
        car.expect("all said")
        _kill(mosquitto)
        car.type("accepted")
        car.expect("off", offer, "accepted")
        car.kill()
    shutil.copy(memory, older)
    mosquitto.start()
    with Firmware(mosquitto, memory) as car:
        car.await_offer("Left of the till")
        assert car.terminate() == 0
    with Firmware(mosquitto, older) as car:  # which sends the same again before anything else
        car.type(f"redeemed {offer}")
        car.drive_in()
        assert gateway.terminate() == 0
    assert _outcomes(config, offer) == ["presented", "seen", "accepted", "redeemed"]


def test_an_offer_is_shown_once_and_not_beyond_its_time(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with (
        Stranger(mosquitto.host, mosquitto.port, STATUS, OUTCOMES) as gateway,
        Firmware(mosquitto, tmp_path / "m") as car,
    ):
        gateway.expect(STATUS)  # said after it had subscribed
        now = time.time_ns() // 1_000_000
        late, short = make_offer(1, made=now - 2_000, valid_ms=1_000), make_offer(2, made=now, valid_ms=1_500)
        for offer in (late, short, short):
            gateway.say(OFFERS, encode_offer(offer))
        assert car.await_offer("A pastry") == short.id
        assert "expired" in car.expect("off", short.id)
        assert car.terminate() == 0
        said = [(heard.body["offer_id"], heard.body["outcome"]) for heard in gateway.heard() if heard.topic == OUTCOMES]
    assert said == [(short.id, "presented")]


def test_what_dies_is_reported_gone_and_what_is_told_to_end_says_so(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Stranger(mosquitto.host, mosquitto.port, STATUS) as gateway:
        for ends in (Firmware.kill, Firmware.terminate):
            with Firmware(mosquitto, tmp_path / "m") as car:
                assert gateway.expect(STATUS).body["state"] == "born"
                ends(car)
                gone = gateway.expect(STATUS)
            assert (gone.body["state"], gone.retained) == ("gone", False)


def test_sigterm_ends_it_although_the_broker_is_away(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Firmware(mosquitto, tmp_path / "m") as car:
        car.expect("connected")
        mosquitto.stop()
        car.type("withdrawn offer_display", "?")
        car.expect("not understood")  # which comes after what was typed before it
        assert car.terminate() == 0
    with closing(sqlite3.connect(tmp_path / "m")) as memory:
        assert memory.execute("SELECT channel FROM outbox").fetchall() == [("consents",)]


def test_it_can_be_copied_alone() -> None:
    source = Path(firmware_example.__file__).read_text(encoding="utf-8")
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in imports if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} - sys.stdlib_module_names == {"paho"}


def test_its_help_shows_what_to_type() -> None:
    command = [sys.executable, "-m", "simulators.firmware_example", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "given offer_display" in text
    assert "example: python -m simulators.firmware_example --unit car-1" in text


def _kill(broker: Mosquitto) -> None:
    """End it as a power cut would: no last will is published."""
    assert broker._process is not None
    broker._process.kill()
    broker.stop()
