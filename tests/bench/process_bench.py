"""The whole process over a real Mosquitto: start, memory, CPU a message, and telemetry in -> offer out.

The load is packets encoded beforehand and written to a socket at their due times, whatever the gateway does (open
loop), so that no client library and no waiting hides what is slow.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as paho
import psutil
from figures import figure, percentile
from paho.mqtt.enums import CallbackAPIVersion

from gateway.core.events import UnitKind
from gateway.testing.mosquitto import Mosquitto, find_mosquitto, free_port
from gateway.wire.releases import build
from geofences.compiler import compile_fences

ROOT = Path(__file__).resolve().parents[2]
RATE = 2_000
SECONDS = 10
OFFERS = 100
PATIENCE_S = 30.0
MESSAGE = {"Vehicle.Speed": 50.0, "Vehicle.Exterior.AirTemperature": 4.5}

CAMPAIGN = """\
campaign: bench
actions:
  - id: pastry
    kind: marketing
    audience: subject
    when: [{moment: Parked}]
    eligible: parked
    propensity: {model: coupon_propensity, category: coffee_house}
    value: 10.0
    annoyance: 0.1
    cap: unlimited
    valid_for: 5 min
    treatments:
      - {placement: driver_screen, language: en, title: A pastry, body: Warm.}
"""

CONFIG = """\
id = "gateway-1"
data_dir = "data"
release = "release"
[broker]
host = "{host}"
port = {port}
[http]
port = {http}
[log]
level = "warning"
[[units]]
id = "car-1"
kind = "car"
placements = ["driver_screen"]
[[units]]
id = "car-2"
kind = "car"
placements = ["driver_screen"]
"""


@dataclass(frozen=True)
class Site:
    """A folder with a configured gateway, and its broker."""

    folder: Path
    broker: Mosquitto
    http_port: int


def measure() -> dict[str, object]:
    """Return the figures of the process."""
    with _site() as site:
        started = [_start_to_ready_s(site) for _ in range(5)]
        with _gateway(site) as gateway:
            idle_mib = _rss_mib(gateway)
            flooded = [_cpu_us_per_message(site, gateway, rate=None) for _ in range(3)]
            paced = [_cpu_us_per_message(site, gateway, rate=RATE) for _ in range(3)]
            latencies = _latencies_ms(site)
            loaded_mib = _rss_mib(gateway)
    return {
        "start_to_ready": figure(started, "s"),
        "rss_idle": figure([idle_mib], "MiB", 1),
        "rss_after_load": figure([loaded_mib], "MiB", 1),
        "cpu_per_message_flooded_qos0": figure(flooded, "us"),
        f"cpu_per_message_at_{RATE}_per_s_qos0": figure(paced, "us"),
        f"telemetry_to_offer_at_{RATE}_per_s": {
            "p50": round(percentile(latencies, 0.50), 2),
            "p99": round(percentile(latencies, 0.99), 2),
            "max": round(latencies[-1], 2),
            "offers": len(latencies),
            "unit": "ms",
        },
    }


@contextmanager
def _site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="wayside-bench-") as name:
        folder = Path(name)
        (folder / "broker").mkdir()
        program = find_mosquitto()
        if program is None:
            raise FileNotFoundError("mosquitto is not installed: apt-get install mosquitto")
        broker = Mosquitto(program, folder / "broker")
        broker.start()
        try:
            site = Site(folder, broker, free_port())
            _furnish(site)
            yield site
        finally:
            broker.stop()


def _furnish(site: Site) -> None:
    """Build the release and write the configuration."""
    (site.folder / "bench.yaml").write_text(CAMPAIGN)
    compile_fences(ROOT / "deploy/demo/fences/stations.geojson", site.folder / "stations.gpkg")
    build(
        site.folder / "release",
        id="bench-1",
        counter=1,
        created=0,
        campaigns=[site.folder / "bench.yaml"],
        fences=[site.folder / "stations.gpkg"],
        models=[ROOT / "edge_models/coupon_propensity"],
        unit_kinds=[UnitKind.CAR],
    )
    config = CONFIG.format(host=site.broker.host, port=site.broker.port, http=site.http_port)
    (site.folder / "gateway.toml").write_text(config)


@contextmanager
def _gateway(site: Site) -> Iterator[psutil.Process]:
    """Run a gateway that is ready."""
    program = [sys.executable, "-m", "gateway.cli", "run", "--config", str(site.folder / "gateway.toml")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(program, env=environment, stdin=subprocess.DEVNULL) as process:
        try:
            _until(lambda: _get(site, "/readyz")[0] == http.client.OK, process)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


def _start_to_ready_s(site: Site) -> float:
    began = time.perf_counter()
    with _gateway(site):
        return time.perf_counter() - began


def _until(condition: Callable[[], bool], process: subprocess.Popen[bytes] | None = None) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline or (process is not None and process.poll() is not None):
            raise TimeoutError("the gateway did not get there")
        threading.Event().wait(0.005)


def _get(site: Site, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", site.http_port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except ConnectionRefusedError:
        return 0, ""
    finally:
        connection.close()


def _received(site: Site) -> int:
    """Return how many telemetry messages the gateway has counted."""
    for line in _get(site, "/metrics")[1].splitlines():
        if line.startswith('wayside_messages_total{channel="telemetry"}'):
            return int(float(line.rsplit(" ", 1)[1]))
    return 0


def _rss_mib(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 2**20


def _cpu_us_per_message(site: Site, process: psutil.Process, rate: int | None) -> float:
    """Return the CPU of the gateway for each telemetry message that calls for no decision."""
    count = RATE * SECONDS if rate else 50_000
    packets = [_telemetry("car-2", number) for number in range(count)]
    before, cpu = _received(site), process.cpu_times()
    with _raw_connection(site) as raw:
        _send_paced(raw, packets, rate)
        settled = [before - 1]

        def drained() -> bool:
            settled.append(_received(site))
            return settled[-1] == before + count or settled[-1] == settled[-2] != before

        _until(drained)
    after = process.cpu_times()
    return (after.user + after.system - cpu.user - cpu.system) / (_received(site) - before) * 1e6


def _send_paced(raw: socket.socket, packets: list[bytes], rate: int | None) -> None:
    """Write packets at their due times; without a rate, as fast as the socket takes them."""
    batch = 1 if rate is None else max(1, rate // 500)
    began = time.perf_counter()
    for first in range(0, len(packets), batch):
        if rate is not None:
            ahead_s = began + first / rate - time.perf_counter()
            if ahead_s > 0:
                threading.Event().wait(ahead_s)
        raw.sendall(b"".join(packets[first : first + batch]))


def _latencies_ms(site: Site) -> list[float]:
    """Return how long offers took under load, from the telemetry's publication to the offer's arrival; sorted."""
    offered, sent, took = threading.Event(), [0.0], list[float]()

    def heard(_client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        if "withdrawn" not in json.loads(message.payload):
            took.append((time.perf_counter() - sent[0]) * 1000)
            offered.set()

    driver = paho.Client(CallbackAPIVersion.VERSION2, "bench-driver")
    driver.on_message = heard
    driver.connect(site.broker.host, site.broker.port)
    driver.subscribe("wayside/v1/car-1/offers", qos=1)
    driver.loop_start()
    _agree(driver)
    packets = [_telemetry("car-2", number) for number in range(RATE * SECONDS)]
    with _raw_connection(site) as load, _raw_connection(site) as car:
        background = threading.Thread(target=_send_paced, args=(load, packets, RATE))
        background.start()
        for number in range(OFFERS):
            car.sendall(_telemetry("car-1", number, {"Vehicle.LowVoltageSystemState": "ON"}))
            threading.Event().wait(SECONDS / OFFERS / 2)
            offered.clear()
            sent[0] = time.perf_counter()
            car.sendall(_telemetry("car-1", number, {"Vehicle.LowVoltageSystemState": "OFF"}))
            if not offered.wait(PATIENCE_S):
                raise TimeoutError("no offer came")
            threading.Event().wait(SECONDS / OFFERS / 2)
        background.join()
    driver.loop_stop()
    driver.disconnect()
    return sorted(took)


def _agree(driver: paho.Client) -> None:
    """Say who drives, and that they agree to what the offer rests on."""
    now = int(time.time() * 1000)
    who = {"id": "i1", "ts_ms": now, "state": "present", "role": "driver", "method": "app", "subject": "s.bench"}
    said = [driver.publish("wayside/v1/car-1/identity", json.dumps(who), qos=1)]
    for purpose in ("offer_display", "profiling"):
        notice = {"id": "n", "version": "1", "language": "en"}
        given = {"id": f"c.{purpose}", "ts_ms": now, "holder": "s.bench", "purpose": purpose, "state": "given"}
        payload = json.dumps({**given, "notice": notice, "method": "app"})
        said.append(driver.publish("wayside/v1/car-1/consents", payload, qos=1))
    for message in said:
        message.wait_for_publish(PATIENCE_S)


def _telemetry(unit: str, number: int, signals: dict[str, object] | None = None) -> bytes:
    """Return an MQTT 3.1.1 PUBLISH packet of QoS 0."""
    topic = f"wayside/v1/{unit}/telemetry".encode()
    values = signals or {**MESSAGE, "Vehicle.Exterior.AirTemperature": 4.5 + number % 3}
    payload = json.dumps({"ts_ms": int(time.time() * 1000), "signals": values}).encode()
    body = len(topic).to_bytes(2, "big") + topic + payload
    return b"\x30" + _remaining_length(len(body)) + body


def _remaining_length(length: int) -> bytes:
    encoded = bytearray()
    while length > 127:
        encoded.append(length % 128 | 128)
        length //= 128
    return bytes([*encoded, length])


@contextmanager
def _raw_connection(site: Site) -> Iterator[socket.socket]:
    """Connect a client that only publishes (MQTT 3.1.1, section 3.1)."""
    name = f"raw-{time.perf_counter_ns()}".encode()
    body = b"\x00\x04MQTT\x04\x02\x00\x00" + len(name).to_bytes(2, "big") + name
    with socket.create_connection((site.broker.host, site.broker.port)) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.sendall(b"\x10" + _remaining_length(len(body)) + body)
        if raw.recv(4) != b"\x20\x02\x00\x00":
            raise ConnectionError("the broker refused the load")
        yield raw
