"""Telemetry comes several times as fast as the gateway can hear it, and what must not be lost comes with it.

Mosquitto 2.0.11 then drops what would go out to the gateway, QoS 1 too, and brings it when the gateway connects anew;
so the gateway has to notice and do that. What it was not in time for is delivered late: that order is the broker's.
"""

import gzip
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from gateway.core.events import UnitKind
from gateway.testing.faults import TellCount, counts
from gateway.testing.mosquitto import Mosquitto, find_mosquitto
from gateway.testing.process import GatewayProcess
from gateway.testing.samples import T0
from gateway.testing.stranger import Stranger
from gateway.wire.releases import build

pytestmark = pytest.mark.mosquitto

CARS = 4
RATE = 100_000
EVERY_S = 0.025
PATIENCE_S = 60.0
MOST_GROWTH_MIB = 64
GEAR = "Vehicle.Powertrain.Transmission.SelectedGear"
SEAT = "Vehicle.Cabin.Seat.Row1.PassengerSide.OccupancyStatus"
NUMBER = "Vehicle.Powertrain.FuelSystem.Range"
ROUTINE = (
    '{"ts_ms":{ts_ms},"signals":{"Vehicle.Powertrain.FuelSystem.RelativeLevel":50,'
    '"Vehicle.CurrentLocation.Latitude":47.4,"Vehicle.CurrentLocation.Longitude":8.5}}'
)

CAMPAIGN = """\
campaign: warn
actions:
  - id: pressure
    kind: safety
    audience: anyone
    when: [{moment: TyrePressureLow}]
    propensity: {prior: 0.9}
    value: 1.0
    annoyance: 0.0
    valid_for: 5 min
    treatments: [{placement: passenger_screen, language: en, title: Low, body: Check your tyres.}]
"""

CONFIG = """\
id = "gw-1"
data_dir = "data"
release = "release"
[broker]
port = {port}
[http]
enabled = false
[journal]
level = "moments"
"""

UNIT = """\
[[units]]
id = "car-{number}"
kind = "car"
placements = ["passenger_screen"]
"""

BROKER = """\
listener {port} {host}
allow_anonymous true
user root
persistence false
queue_qos0_messages false
max_packet_size 263168
max_queued_messages 5000
max_queued_bytes 16777216
max_inflight_messages 200
set_tcp_nodelay true
log_dest file {directory}/mosquitto.log
"""
"""The bounds of deploy/mosquitto/mosquitto.conf."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    (tmp_path / "broker").mkdir()
    broker = Mosquitto(find_mosquitto() or "mosquitto", tmp_path / "broker", BROKER)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def config(tmp_path: Path, broker: Mosquitto) -> Path:
    (tmp_path / "warn.yaml").write_text(CAMPAIGN)
    build(
        tmp_path / "release",
        id="r1",
        counter=1,
        created=T0,
        campaigns=[tmp_path / "warn.yaml"],
        fences=[],
        models=[],
        unit_kinds=[UnitKind.CAR],
    )
    units = "".join(UNIT.format(number=number) for number in range(1, CARS + 1))
    (tmp_path / "gateway.toml").write_text(CONFIG.format(port=broker.port) + units)
    return tmp_path / "gateway.toml"


class Edges:
    """What the cars say at QoS 1 while the flood lasts, in turn: a gear and a seat, who is there, and a consent."""

    def __init__(self, stranger: Stranger) -> None:
        self._stranger = stranger
        self.count = 0

    def say(self) -> None:
        self.count += 1
        number, unit = self.count, f"car-{self.count % CARS + 1}"
        stamp = {"id": f"e-{number}", "ts_ms": time.time_ns() // 1_000_000}
        seat = "OCCUPIED" if number % 2 else "EMPTY"
        signals = {GEAR: 126 + number % 2, SEAT: seat, NUMBER: number}
        present = {"state": "present" if number % 2 else "left", "role": "driver", "method": "key", "subject": "s.1"}
        consent = {"holder": f"s.{unit}", "purpose": "third_party", "state": "withdrawn"}
        for channel, body in (("telemetry", {"signals": signals}), ("identity", present), ("consents", consent)):
            self._stranger.flood(f"wayside/v1/{unit}/{channel}", json.dumps({**stamp, **body}).encode(), qos=1)


def _flood(broker: Mosquitto, seconds: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "gateway.cli", "simulate", "load", "--rate", str(RATE), "--seconds", str(seconds)]
    command += ["--units", str(CARS), "--offers-every", "0", "--settle-s", "0", "--port", str(broker.port)]
    return subprocess.Popen([*command, "--payload", ROUTINE, "--json"], stdout=subprocess.PIPE)


def _consents(config: Path) -> int:
    with closing(sqlite3.connect(f"file:{config.parent}/data/ledger.db?mode=ro", uri=True)) as ledger:
        count: int = ledger.execute("SELECT count(*) FROM consents").fetchone()[0]
        return count


def _heard(config: Path) -> tuple[int, dict[str, list[int]], int]:
    """Return from the journal how many messages were heard, of each car the edges, and how often who was there."""
    messages, identities = 0, 0
    edges: dict[str, list[int]] = defaultdict(list)
    for file in sorted((config.parent / "journals").iterdir()):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                event = json.loads(line).get("event") or {}
                messages += event.get("type") == "SignalsReported"
                identities += event.get("type") in {"SubjectIdentified", "SubjectLeft"}
                if GEAR in event.get("signals", {}):
                    edges[event["unit"]].append(int(event["signals"][NUMBER]))
    return messages, edges, identities


def test_in_a_flood_nothing_that_counts_is_lost_and_nothing_grows(
    broker: Mosquitto, config: Path, tell_count: TellCount
) -> None:
    seconds = counts(full=60, ci=5)
    ticks = threading.Event()
    with Stranger(broker.host, broker.port) as stranger, GatewayProcess(config) as gateway:
        gateway.await_event("connected")
        process, edges = psutil.Process(gateway.pid), Edges(stranger)
        before = most = process.memory_info().rss
        flood = _flood(broker, seconds)
        while flood.poll() is None:
            edges.say()
            most = max(most, process.memory_info().rss)
            ticks.wait(EVERY_S)
        over_s = time.monotonic()
        edges.say()
        while _consents(config) < edges.count and time.monotonic() - over_s < PATIENCE_S:
            most = max(most, process.memory_info().rss)
            ticks.wait(EVERY_S)
        recovered_s = time.monotonic() - over_s
        assert gateway.terminate() == 0
    sent = json.loads(flood.communicate()[0])["sent"]["messages"]
    messages, heard, identities = _heard(config)
    distinct = {number for numbers in heard.values() for number in numbers}
    lost = set(range(1, edges.count + 1)) - distinct
    tell_count(
        f"{seconds} s of overload",
        routine_sent=sent,
        heard=messages,
        edges_sent=edges.count,
        edges_lost=len(lost),
        edges_late=sum(first > second for numbers in heard.values() for first, second in pairwise(numbers)),
        identities=identities,
        consents_lost=edges.count - _consents(config),
        rss_before_MiB=before / 2**20,
        rss_most_MiB=most / 2**20,
        recovered_after_s=recovered_s,
    )
    assert lost == set()
    assert _consents(config) == edges.count
    assert identities >= edges.count
    assert most - before < MOST_GROWTH_MIB * 2**20
