"""What the benches of the process run on: a folder with a release, a real Mosquitto, a gateway, a load."""

import http.client
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from gateway.core.events import UnitKind
from gateway.testing.mosquitto import Mosquitto, find_mosquitto, free_port
from gateway.wire.releases import build
from geofences.compiler import compile_fences
from simulators.load import Plan, Report, Schedule, run

ROOT = Path(__file__).resolve().parents[2]
UNITS = 20
IN_FLIGHT = 1_000
"""As many as the broker of the bench allows."""
PATIENCE_S = 30.0
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}

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

    def get(self, path: str) -> tuple[int, str]:
        """Return status and body of what the gateway answers; status 0 while it does not listen."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=PATIENCE_S)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except ConnectionRefusedError:
            return 0, ""
        finally:
            connection.close()

    def received(self, channel: str = "telemetry") -> int:
        """Return how many messages of a channel the gateway has counted."""
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(f'wayside_messages_total{{channel="{channel}"}}'):
                return int(float(line.rsplit(" ", 1)[1]))
        return 0

    def load(self, rate: int, seconds: float, *, qos: int = 0, offers_every_s: float = 0.0) -> Report:
        """Put a load on it and return what came of it."""
        schedule = Schedule(rate, seconds, UNITS, offers_every_s)
        return run(Plan(schedule, self.broker.host, self.broker.port, qos, window=IN_FLIGHT))


@contextmanager
def opened_site(furnish: Callable[["Site"], None] | None = None) -> Iterator[Site]:
    """Make a site; its broker runs.

    Args:
        furnish: Builds its release and writes its configuration; cars and what is offered to them unless given.
    """
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
            (furnish or _furnish)(site)
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
def running_gateway(site: Site) -> Iterator[psutil.Process]:
    """Run a gateway that is ready."""
    program = [sys.executable, "-m", "gateway.cli", "run", "--config", str(site.folder / "gateway.toml")]
    with subprocess.Popen(program, env=ENVIRONMENT, stdin=subprocess.DEVNULL) as process:
        try:
            until(lambda: site.get("/readyz")[0] == http.client.OK, process)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


def until(
    condition: Callable[[], bool],
    process: subprocess.Popen[bytes] | None = None,
    every_s: float = 0.005,
    patience_s: float = PATIENCE_S,
) -> None:
    """Wait until it is so.

    Raises:
        TimeoutError: The process ended, or patience did.
    """
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline or (process is not None and process.poll() is not None):
            raise TimeoutError("the gateway did not get there")
        threading.Event().wait(every_s)


def rss_mib(process: psutil.Process) -> float:
    """Return the memory a process has in use."""
    return float(process.memory_info().rss) / 2**20
