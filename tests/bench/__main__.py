"""`make bench`: measures this machine and prints JSON; asserts nothing about time.

Each figure is the median of its runs with the least and the greatest beside it. `python tests/bench --only latency`
measures one thing, `--soak` ten minutes of load as well.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import engine_bench
import fence_bench
import ledger_bench
import matching_bench
import people_bench
import policy_bench
import process_bench
import soak_bench
import tap_bench

SUITES: Mapping[str, Callable[[], dict[str, object]]] = {
    "engine": engine_bench.measure,
    "matching": matching_bench.measure,
    "screening": policy_bench.measure,
    "people": people_bench.measure,
    "fences": fence_bench.measure,
    "ledger": ledger_bench.measure,
    "start": process_bench.start,
    "memory": process_bench.memory,
    "cpu": process_bench.cpu,
    "drain": process_bench.drain,
    "latency": process_bench.latency,
    "taps": tap_bench.measure,
}
SOAK = "soak"


def machine() -> dict[str, object]:
    """Return what the figures were measured on."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    models = [line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": platform.platform(),
        "at": datetime.now(tz=UTC).isoformat(timespec="seconds"),
    }


def main() -> None:
    """Measure the suites that were asked for and print one JSON document."""
    parser = argparse.ArgumentParser(prog="python tests/bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[*SUITES, SOAK], default=list(SUITES), help="all but soak")
    parser.add_argument("--soak", action="store_true", help="ten minutes of load as well")
    asked = parser.parse_args()
    suites = {**SUITES, SOAK: soak_bench.measure}
    found: dict[str, object] = {"machine": machine()}
    for name in [*asked.only, *([SOAK] if asked.soak and SOAK not in asked.only else [])]:
        sys.stderr.write(f"measuring {name} (load {os.getloadavg()[0]:.1f})\n")
        found[name] = suites[name]()
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
