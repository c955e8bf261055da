"""The whole process over a real Mosquitto: start, memory, CPU a message, what it drains, and telemetry in -> offer out.

The load comes from `simulators.load`: open, its latencies counted from due times, its own lag told beside them.
"""

import http.client
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from figures import figure

from gateway.core.events import UnitKind
from gateway.testing.mosquitto import Mosquitto, find_mosquitto, free_port
from gateway.wire.releases import build
from geofences.compiler import compile_fences
from simulators.load import Plan, Report, Schedule, run

ROOT = Path(__file__).resolve().parents[2]
UNITS = 20
RATE = 2_000
SECONDS = 10
RUNS = 3
LATENCY_RATES = (500, 2_000)
LATENCY_S = 20
FLOOD = 50_000
FLOOD_RATE = 100_000
"""Messages a second: more than the gateway takes."""
IN_FLIGHT = 1_000
"""As many as the broker of the bench allows."""
PATIENCE_S = 30.0

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
"""

BROKER = """\
listener {port} {host}
allow_anonymous true
user root
persistence true
persistence_location {directory}/
max_queued_messages 100000
max_inflight_messages 1000
set_tcp_nodelay true
log_dest file {directory}/mosquitto.log
"""
"""It saves what it keeps from time to time. One that does at every change is measured by its disk, not by us."""

UNIT = """\
[[units]]
id = "car-{number}"
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
            flooded = [_cpu_us_per_message(site, gateway, FLOOD_RATE, FLOOD) for _ in range(RUNS)]
            paced = [_cpu_us_per_message(site, gateway, RATE, RATE * SECONDS) for _ in range(RUNS)]
            drained = {qos: [_drained_per_s(site, gateway, qos) for _ in range(RUNS)] for qos in (0, 1)}
            answered = {rate: [_answered(site, rate) for _ in range(RUNS)] for rate in LATENCY_RATES}
            loaded_mib = _rss_mib(gateway)
    return {
        "start_to_ready": figure(started, "s"),
        "rss_idle": figure([idle_mib], "MiB", 1),
        "rss_after_load": figure([loaded_mib], "MiB", 1),
        "cpu_per_message_flooded_qos0": figure(flooded, "us"),
        f"cpu_per_message_at_{RATE}_per_s_qos0": figure(paced, "us"),
        **{f"drain_rate_qos{qos}": figure(rates, "messages/s", 0) for qos, rates in drained.items()},
        **{f"telemetry_to_offer_at_{rate}_per_s": _latency(reports) for rate, reports in answered.items()},
    }


@contextmanager
def _site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="wayside-bench-") as name:
        folder = Path(name)
        (folder / "broker").mkdir()
        program = find_mosquitto()
        if program is None:
            raise FileNotFoundError("mosquitto is not installed: apt-get install mosquitto")
        broker = Mosquitto(program, folder / "broker", BROKER)
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
    units = [UNIT.format(number=number + 1) for number in range(UNITS)]
    (site.folder / "gateway.toml").write_text(config + "".join(units))


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


def _until(
    condition: Callable[[], bool], process: subprocess.Popen[bytes] | None = None, every_s: float = 0.005
) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline or (process is not None and process.poll() is not None):
            raise TimeoutError("the gateway did not get there")
        threading.Event().wait(every_s)


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


def _load(site: Site, rate: int, seconds: float, *, qos: int = 0, offers_every_s: float = 0.0) -> Report:
    schedule = Schedule(rate, seconds, UNITS, offers_every_s)
    return run(Plan(schedule, site.broker.host, site.broker.port, qos, window=IN_FLIGHT))


def _cpu_us_per_message(site: Site, gateway: psutil.Process, rate: int, count: int) -> float:
    """Return the CPU of the gateway for each telemetry message that calls for no decision."""
    before, cpu = _received(site), gateway.cpu_times()
    _load(site, rate, count / rate)
    settled = [before - 1]

    def drained() -> bool:
        settled.append(_received(site))
        return settled[-1] == before + count or settled[-1] == settled[-2] != before

    _until(drained)
    after = gateway.cpu_times()
    return (after.user + after.system - cpu.user - cpu.system) / (_received(site) - before) * 1e6


def _drained_per_s(site: Site, gateway: psutil.Process, qos: int) -> float:
    """Return how fast the gateway works off what piled up at the broker while it was stopped.

    Told by its own count between a tenth and nine tenths of it, so that neither waking up nor asking counts.
    """
    before = _received(site)
    gateway.send_signal(signal.SIGSTOP)
    try:
        _load(site, FLOOD_RATE, FLOOD / FLOOD_RATE, qos=qos)
    finally:
        gateway.send_signal(signal.SIGCONT)
    seen: list[tuple[float, int]] = []

    def drained() -> bool:
        received = _received(site) - before
        seen.append((time.perf_counter(), received))
        return received >= FLOOD

    _until(drained, every_s=0.02)
    (began_s, least), *_, (ended_s, most) = [each for each in seen if FLOOD / 10 < each[1] < FLOOD * 9 / 10]
    return (most - least) / (ended_s - began_s)


def _answered(site: Site, rate: int) -> Report:
    """Return what came of one offer a second under load."""
    return _load(site, rate, LATENCY_S, offers_every_s=1.0)


def _latency(reports: Sequence[Report]) -> dict[str, object]:
    """Return the latencies of some runs, from the telemetry's due time to the offer's arrival."""
    latencies = [report.offers.latency for report in reports if report.offers.latency is not None]
    return {
        "p50": figure([latency.p50 for latency in latencies], "ms"),
        "p99": figure([latency.p99 for latency in latencies], "ms"),
        "max": figure([latency.max for latency in latencies], "ms"),
        "offers": sum(report.offers.offered for report in reports),
        "lost": sum(report.offers.lost for report in reports),
        "duplicates": sum(report.offers.duplicates for report in reports),
        "sender_lag_p99": figure([report.sent.lag.p99 for report in reports if report.sent.lag is not None], "ms"),
    }
