"""`make bench`: measures this machine and prints JSON; asserts nothing about time.

Each figure is the median of its runs with the least and the greatest beside it. `python tests/bench engine` measures
the engine alone; without an argument the whole process over a real Mosquitto is measured as well.
"""

import json
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import engine_bench
import process_bench

SUITES: dict[str, Callable[[], dict[str, object]]] = {"engine": engine_bench.measure, "process": process_bench.measure}


def machine() -> dict[str, object]:
    """Return what the figures were measured on."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    models = [line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "system": platform.platform(),
        "at": datetime.now(tz=UTC).isoformat(timespec="seconds"),
    }


def main() -> None:
    """Measure the suites that were asked for and print one JSON document."""
    wanted = sys.argv[1:] or list(SUITES)
    found: dict[str, object] = {"machine": machine()}
    for name in wanted:
        found[name] = SUITES[name]()
    sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
