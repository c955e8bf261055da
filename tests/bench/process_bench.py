"""The whole process over a real Mosquitto: start, memory, CPU a message, what it drains, and telemetry in -> offer out.

The load comes from `simulators.load`: open, its latencies counted from due times, its own lag told beside them.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil
from bench_site import ENVIRONMENT, Site, opened_site, rss_mib, running_gateway, until
from figures import figure

from simulators.load import Report

RUNS = 3
STARTS = 5
RATE = 2_000
SECONDS = 10
LATENCY_RATES = (500, 2_000)
LATENCY_S = 40
"""With one offer a second, the p99 of a run is its slowest offer."""
FLOOD = 50_000
DRAINED_WITHIN_S = 180.0
FLOOD_RATE = 100_000
"""Messages a second: more than the gateway takes."""


def start() -> dict[str, object]:
    """Return how long it takes until the gateway is ready, from `wayside run` on."""
    with opened_site() as site:
        return {"start_to_ready": figure([_start_to_ready_s(site) for _ in range(STARTS)], "s")}


def memory() -> dict[str, object]:
    """Return what memory is in use, idle and after a minute's worth of load."""
    idle, loaded = [], []
    for _ in range(RUNS):
        with opened_site() as site, running_gateway(site) as gateway:
            idle.append(rss_mib(gateway))
            site.load(RATE, SECONDS, offers_every_s=1.0)
            loaded.append(rss_mib(gateway))
    return {"rss_idle": figure(idle, "MiB", 1), "rss_after_load": figure(loaded, "MiB", 1)}


def cpu() -> dict[str, object]:
    """Return the CPU of the gateway for each telemetry message that calls for no decision."""
    with opened_site() as site, running_gateway(site) as gateway:
        flooded = [_cpu_us_per_message(site, gateway, FLOOD_RATE, FLOOD) for _ in range(RUNS)]
        paced = [_cpu_us_per_message(site, gateway, RATE, RATE * SECONDS) for _ in range(RUNS)]
    return {"flooded_qos0": figure(flooded, "us/message"), f"at_{RATE}_per_s_qos0": figure(paced, "us/message")}


def drain() -> dict[str, object]:
    """Return how fast the gateway works off what piled up at the broker."""
    with opened_site() as site, running_gateway(site) as gateway:
        floods = {qos: partial(site.load, FLOOD_RATE, FLOOD / FLOOD_RATE, qos=qos) for qos in (0, 1)}
        rates = {
            qos: [drained_per_s(site, gateway, flood, FLOOD) for _ in range(RUNS)] for qos, flood in floods.items()
        }
    return {f"qos{qos}": figure(each, "messages/s", 0) for qos, each in rates.items()}


def latency() -> dict[str, object]:
    """Return what one offer a second takes under load, and what it takes where nothing is decided or recorded."""
    with opened_site() as site:
        with running_gateway(site):
            answered = {rate: [_answered(site, rate) for _ in range(RUNS)] for rate in LATENCY_RATES}
        with _running_relay(site):
            relayed = [_answered(site, rate) for rate in LATENCY_RATES]
    found: dict[str, object] = {f"at_{rate}_per_s": _latency(reports) for rate, reports in answered.items()}
    for rate, report in zip(LATENCY_RATES, relayed, strict=True):
        found[f"relay_at_{rate}_per_s"] = _latency([report])
    return found


@contextmanager
def _running_relay(site: Site) -> Iterator[None]:
    """Run what answers without deciding: the share of the broker, of the load and of being woken."""
    program = [sys.executable, str(Path(__file__).with_name("relay.py")), site.broker.host, str(site.broker.port)]
    with subprocess.Popen(program, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            if process.stdout is not None:
                process.stdout.read(1)
            yield
        finally:
            process.terminate()


def _start_to_ready_s(site: Site) -> float:
    began = time.perf_counter()
    with running_gateway(site):
        return time.perf_counter() - began


def _cpu_us_per_message(site: Site, gateway: psutil.Process, rate: int, count: int) -> float:
    before, cpu = site.received(), gateway.cpu_times()
    site.load(rate, count / rate)
    settled = [before - 1]

    def drained() -> bool:
        settled.append(site.received())
        return settled[-1] == before + count or settled[-1] == settled[-2] != before

    until(drained)
    after = gateway.cpu_times()
    return (after.user + after.system - cpu.user - cpu.system) / (site.received() - before) * 1e6


def drained_per_s(
    site: Site, gateway: psutil.Process, load: Callable[[], object], count: int, channel: str = "telemetry"
) -> float:
    """Return how fast the gateway works off what piled up at the broker while it was stopped.

    Told by its own count between a tenth and nine tenths of it, so that neither waking up nor asking counts.

    Args:
        site: Where it runs.
        gateway: Its process.
        load: Sends `count` messages on `channel`.
        count: How many those are.
        channel: What the gateway calls them.
    """
    before = site.received(channel)
    gateway.send_signal(signal.SIGSTOP)
    try:
        load()
    finally:
        gateway.send_signal(signal.SIGCONT)
    seen: list[tuple[float, int]] = []

    def drained() -> bool:
        received = site.received(channel) - before
        seen.append((time.perf_counter(), received))
        return received >= count

    until(drained, every_s=0.02, patience_s=DRAINED_WITHIN_S)
    (began_s, least), *_, (ended_s, most) = [each for each in seen if count / 10 < each[1] < count * 9 / 10]
    return (most - least) / (ended_s - began_s)


def _answered(site: Site, rate: int) -> Report:
    """Return what came of one offer a second under load."""
    return site.load(rate, LATENCY_S, offers_every_s=1.0)


def _latency(reports: Sequence[Report]) -> dict[str, object]:
    """Return the latencies of some runs, from the telemetry's due time to the offer's arrival."""
    latencies = [report.offers.latency for report in reports if report.offers.latency is not None]
    lags = [report.sent.lag for report in reports if report.sent.lag is not None]
    return {
        "p50": figure([latency.p50 for latency in latencies], "ms"),
        "p99": figure([latency.p99 for latency in latencies], "ms"),
        "max": figure([latency.max for latency in latencies], "ms"),
        "triggers": sum(report.offers.triggers for report in reports),
        "offers": sum(report.offers.offered for report in reports),
        "lost": sum(report.offers.lost for report in reports),
        "duplicates": sum(report.offers.duplicates for report in reports),
        "unexpected": sum(report.offers.unexpected for report in reports),
        "sender_lag_p50": figure([lag.p50 for lag in lags], "ms"),
        "sender_lag_p99": figure([lag.p99 for lag in lags], "ms"),
    }
