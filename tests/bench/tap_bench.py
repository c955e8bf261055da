"""Card taps: how many a second a gateway takes in, with 100,000 holders known in its ledger.

Every tap is an identity message at QoS 1, of another card, at one of twenty gates; it is acknowledged when what follows
from it is on disk. Measured with three releases: `nothing_waits` (nobody is greeted), `considered` (a greeting is
considered at each tap, and is for others: a decision, and silence), `offered` (each tap brings an offer, and takes back
the one that stood there). `through_mosquitto` is the whole process behind a real broker; `in_process` its runner and
ledger alone.
"""

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psutil
from bench_site import ENVIRONMENT, IN_FLIGHT, ROOT, Site, opened_site, rss_mib, running_gateway, until
from figures import figure, percentile
from known_people import KEY, MAX_BYTES, cards, make_ledger
from process_bench import drained_per_s

from gateway.core.events import UnitKind
from gateway.core.release import Release
from gateway.edge.exchange import Receipt
from gateway.edge.observe import configure_log
from gateway.edge.store.ledger import Ledger
from gateway.testing.clock import FakeClock
from gateway.testing.samples import T0
from gateway.testing.stage import Stage, a_stage
from gateway.wire.releases import build, read_release
from geofences.compiler import compile_fences
from simulators.load import Plan, Report, Schedule, run
from simulators.load.plan import Messages

GATES = 20
KNOWN = 100_000
RUNS = 3
TAPS = 10_000
RATES = (250, 1_000)
SHARE = 0.8
"""Of what is sustained: a rate above that is not tried, for whatever it took would tell of the queue alone."""
SECONDS = 10
OFFER_EVERY_S = 0.1
PATIENCE_S = 2.0
RECEIVE_MAXIMUM = 200
"""As many taps wait for their acknowledgement at a time, in the process alone as behind the broker."""

TOPIC = "wayside/v1/{unit}/identity"
TAP = '{"id":"t{n}","ts_ms":{ts_ms},"state":"present","role":"customer","method":"card","credential":"%s-{n}"}'
CAMPAIGN = """\
campaign: gates
actions:
  - id: welcome
    kind: marketing
    audience: subject
    when: [{moment: %s}]
    eligible: facts.tier == 'gold'
    suitable: hour >= 0 && facts.visits_30d > 1
    propensity: {prior: 0.5}
    value: 10.0
    annoyance: 0.1
    cap: unlimited
    valid_for: 5 min
    treatments:
      - {placement: kiosk_screen, language: en, title: Welcome, body: Your seat is waiting., personal: true}
"""
"""Only who holds a golden card is greeted."""
CONFIG = """\
id = "gateway-1"
data_dir = "data"
release = "{release}"
[broker]
host = "{host}"
port = {port}
[http]
port = {http}
[log]
level = "warning"
[ledger]
max_mib = {max_mib}
"""
GATE = """\
[[units]]
id = "gate-{number}"
kind = "kiosk"
placements = ["kiosk_screen"]
"""
CASES: Mapping[str, tuple[str, str]] = {
    "nothing_waits": ("DroveOff", "silver"),
    "considered": ("SubjectArrived", "silver"),
    "offered": ("SubjectArrived", "gold"),
}
"""The moment that is waited for, and the cards that come."""


def measure() -> dict[str, object]:
    """Return the figures of taps."""
    with opened_site(_furnish) as site:
        began = time.perf_counter()
        groups = [(cards(tier, KNOWN // 2), tier) for tier in ("silver", "gold")]
        make_ledger(site.folder / "known/ledger.db", groups, T0)
        made_s = time.perf_counter() - began
        size = (site.folder / "known/ledger.db").stat().st_size
        found: dict[str, object] = {
            "known": KNOWN,
            "ledger_mib": round(size / 2**20, 1),
            "ledger_made_in_s": round(made_s, 1),
            "verified": _verified(site),
        }
        for name, run in (("in_process", _in_process), ("through_mosquitto", _through_mosquitto)):
            found[name] = {case: _on_a_fresh_ledger(site, run, case) for case in CASES}
    return found


def _on_a_fresh_ledger(site: Site, run: Callable[[Site, str, str], dict[str, object]], case: str) -> dict[str, object]:
    """Measure a case on a ledger that knows of no tap yet: what is kept of offers for a day has its price."""
    sys.stderr.write(f"taps: {run.__name__.strip('_')} {case} (load {os.getloadavg()[0]:.1f})\n")
    for old in (site.folder / "data").glob("ledger.*"):
        old.unlink()
    for file in (site.folder / "known").glob("ledger.*"):
        shutil.copy(file, site.folder / "data")
    return run(site, *CASES[case])


def _furnish(site: Site) -> None:
    """Build a release for each moment, and the key that turns cards into pseudonyms."""
    (site.folder / "known").mkdir()
    (site.folder / "data").mkdir()
    key = site.folder / "data/credential.key"
    key.touch(0o600)
    key.write_bytes(KEY)
    compile_fences(ROOT / "deploy/demo/fences/stations.geojson", site.folder / "stations.gpkg")
    for moment in {moment for moment, _ in CASES.values()}:
        campaign = site.folder / f"{moment}.yaml"
        campaign.write_text(CAMPAIGN % moment)
        build(
            site.folder / moment,
            id=f"bench-{moment}",
            counter=1,
            created=0,
            campaigns=[campaign],
            fences=[site.folder / "stations.gpkg"],
            models=[ROOT / "edge_models/coupon_propensity"],
            unit_kinds=[UnitKind.KIOSK],
        )


def _configure(site: Site, moment: str, port: int) -> None:
    config = CONFIG.format(
        release=moment, host=site.broker.host, port=port, http=site.http_port, max_mib=MAX_BYTES // 2**20
    )
    gates = [GATE.format(number=number + 1) for number in range(GATES)]
    (site.folder / "gateway.toml").write_text(config + "".join(gates))


def _verified(site: Site) -> str:
    """Return what `wayside ledger verify` says, without the name of the file."""
    program = [sys.executable, "-m", "gateway.cli", "ledger", "verify", str(site.folder / "known/ledger.db")]
    said = subprocess.run(program, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    return said.stdout.rpartition(": ")[2].strip()


# The process behind a broker.


def _through_mosquitto(site: Site, moment: str, tier: str) -> dict[str, object]:
    _configure(site, moment, site.broker.port)
    began = time.perf_counter()
    with running_gateway(site) as gateway:
        started_s = time.perf_counter() - began
        idle = rss_mib(gateway)
        sustained = [_drained(site, gateway, tier) for _ in range(RUNS)]
        loaded = rss_mib(gateway)
    found: dict[str, object] = {
        "sustained": figure([rate for rate, _ in sustained], "taps/s", 0),
        "cpu_flooded": figure([cpu for _, cpu in sustained], "us/tap", 0),
        "start_to_ready_s": round(started_s, 2),
        "rss_idle_mib": round(idle, 1),
        "rss_after_mib": round(loaded, 1),
    }
    # Where each tap brings an offer, nobody could tell which tap one answers; where nothing waits, none does.
    offers_every_s = OFFER_EVERY_S if (moment, tier) == CASES["considered"] else 0.0
    with _wired(site, moment) as (wire, gateway):
        for rate in RATES:
            schedule = Schedule(rate, SECONDS, GATES, offers_every_s)
            is_kept = rate <= SHARE * statistics.median(each for each, _ in sustained)
            paced = (
                _paced(site, wire, gateway, tier, schedule) if is_kept else "not tried: too near to what is sustained"
            )
            found[f"at_{rate}_per_s"] = paced
    return found


def _plan(site: Site, port: int, tier: str, schedule: Schedule) -> Plan:
    payload = TAP % tier
    # A golden card is what brings an offer, whoever else comes.
    messages = Messages(topic=TOPIC, payload=payload, arming=payload, trigger=TAP % "gold")
    return Plan(
        schedule,
        site.broker.host,
        port,
        1,
        unit_prefix="gate-",
        messages=messages,
        window=IN_FLIGHT,
        patience_s=PATIENCE_S,
    )


def _drained(site: Site, gateway: psutil.Process, tier: str) -> tuple[float, float]:
    """Return how many taps a second are worked off, and their CPU in microseconds."""
    cpu = gateway.cpu_times()
    flood = partial(run, _plan(site, site.broker.port, tier, Schedule(TAPS * 2, 0.5, GATES)))
    rate = drained_per_s(site, gateway, flood, TAPS, channel="identity")
    after = gateway.cpu_times()
    return rate, (after.user + after.system - cpu.user - cpu.system) / TAPS * 1e6


class _Wire:
    """The wire that tells what acknowledgements take, in a process of its own for each run."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        if process.stdin is None or process.stdout is None:
            raise AssertionError("it is spoken with through pipes")
        self._in, self._out = process.stdin, process.stdout
        self.port = int(self._out.readline())

    def took_ms(self) -> list[float]:
        """Return what the acknowledgements since the last time took."""
        self._in.write("\n")
        self._in.flush()
        return sorted(map(float, self._out.readline().split()))


@contextmanager
def _wired(site: Site, moment: str) -> Iterator[tuple[_Wire, psutil.Process]]:
    """Run a gateway that speaks with its broker through a wire that is listened to."""
    program = [sys.executable, str(Path(__file__).with_name("relay_of_taps.py")), str(site.broker.port)]
    with subprocess.Popen(program, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            wire = _Wire(process)
            _configure(site, moment, wire.port)
            with running_gateway(site) as gateway:
                yield wire, gateway
        finally:
            process.kill()


def _paced(site: Site, wire: _Wire, gateway: psutil.Process, tier: str, schedule: Schedule) -> dict[str, object]:
    """Return what taps take at a rate, from their publication to their acknowledgement, and to the offer."""
    cpu, taken, reports = [], [], []
    for _ in range(RUNS):
        before, begun = site.received("identity"), gateway.cpu_times()
        reports.append(run(_plan(site, wire.port, tier, schedule)))
        until(partial(_has_received, site, before + schedule.count))
        after = gateway.cpu_times()
        cpu.append((after.user + after.system - begun.user - begun.system) / schedule.count * 1e6)
        taken.append(wire.took_ms())
    return {
        "acknowledged_p50": figure([percentile(run, 0.50) for run in taken], "ms"),
        "acknowledged_p99": figure([percentile(run, 0.99) for run in taken], "ms"),
        "acknowledged": sum(map(len, taken)),
        "taps": sum(report.sent.messages for report in reports),
        "cpu": figure(cpu, "us/tap", 0),
        **_offered(reports),
        "sender_lag_p99": figure([report.sent.lag.p99 for report in reports if report.sent.lag is not None], "ms"),
    }


def _has_received(site: Site, count: int) -> bool:
    return site.received("identity") >= count


def _offered(reports: list[Report]) -> dict[str, object]:
    latencies = [report.offers.latency for report in reports if report.offers.latency is not None]
    if not latencies:
        return {}
    return {
        "offer_p50": figure([latency.p50 for latency in latencies], "ms"),
        "offer_p99": figure([latency.p99 for latency in latencies], "ms"),
        "offers": sum(report.offers.offered for report in reports),
        "lost": sum(report.offers.lost for report in reports),
    }


# The runner and the ledger alone.


class _Heard(NamedTuple):
    """What became of `TAPS` taps in the runner alone; offers and silences are those of each tap.

    Attributes:
        slowing: How much longer the last tenth took than the first.
    """

    wall_s: float
    cpu_s: float
    slowing: float
    offers: float
    silences: float


def _in_process(site: Site, moment: str, tier: str) -> dict[str, object]:
    release = read_release(site.folder / moment).release
    runs = [asyncio.run(_heard(site.folder / "data/ledger.db", release, tier)) for _ in range(RUNS)]
    return {
        "sustained": figure([TAPS / run.wall_s for run in runs], "taps/s", 0),
        "cpu": figure([run.cpu_s / TAPS * 1e6 for run in runs], "us/tap", 0),
        "last_tenth_to_first": figure([run.slowing for run in runs], "times"),
        "offers_a_tap": runs[-1].offers,
        "silences_a_tap": runs[-1].silences,
    }


async def _heard(path: Path, release: Release, tier: str) -> _Heard:
    """Tell a runner of all taps, and wait until they are acknowledged; its ledger's thread is counted."""
    units = [{"id": f"gate-{number}", "kind": "kiosk", "placements": ["kiosk_screen"]} for number in range(GATES)]
    configure_log("warning", "json")
    with closing(Ledger(path)) as ledger:
        clock = FakeClock(ledger.last_now)
    async with a_stage(path, release, clock, units=units, ledger={"max_mib": MAX_BYTES // 2**20}) as stage:
        taps = [(f"wayside/v1/gate-{n % GATES}/identity", _filled(TAP % tier, n, clock.now() + n)) for n in range(TAPS)]
        moved_on = asyncio.Event()

        def acknowledge(number: int) -> None:
            stage.acknowledged.append(number)
            moved_on.set()

        began, cpu = time.perf_counter(), time.process_time()
        passed_s: list[float] = []  # at the start of each tenth
        for number, (topic, payload) in enumerate(taps):
            clock.advance(1)
            if number % (TAPS // 10) == 0:
                passed_s.append(time.perf_counter() - began)
            stage.runner.message(topic, payload, Receipt(acknowledge, number), retained=False)
            while number - len(stage.acknowledged) >= RECEIVE_MAXIMUM:
                moved_on.clear()
                await moved_on.wait()
                _take_offers(stage)
        await stage.settled()
        wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
        decided = [stage.count("decisions_total", outcome=outcome) / TAPS for outcome in ("offer", "silence")]
        return _Heard(wall_s, cpu_s, (wall_s - passed_s[-1]) / (passed_s[1] - passed_s[0]), *decided)


def _take_offers(stage: Stage) -> None:
    """Let the broker that is not there take what is published."""
    sent, stage.carrier.sent = stage.carrier.sent, []
    stage.carrier.capacity += len(sent)
    for each in sent:
        stage.runner.confirmed(each.token, 0)


def _filled(template: str, number: int, ts_ms: int) -> bytes:
    return template.replace("{n}", str(number)).replace("{ts_ms}", str(ts_ms)).encode()
