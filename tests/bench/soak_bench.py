"""Ten minutes under load: whether memory grows, and whether anything is lost."""

import sys
import threading
import time

import psutil
from bench_site import opened_site, rss_mib, running_gateway

RATE = 2_000
SECONDS = 600
WARM_UP_S = 20
EVERY_S = 30


def measure() -> dict[str, object]:
    """Return the memory at the start and at the end, and what came of one offer a second."""
    with opened_site() as site, running_gateway(site) as gateway:
        idle = rss_mib(gateway)
        # What is allocated once, with the first messages and the first offer, is no growth.
        site.load(RATE, WARM_UP_S, offers_every_s=1.0)
        watch = _Watch(gateway)
        report = site.load(RATE, SECONDS, offers_every_s=1.0)
        seen = watch.ended()
    return {
        "rss_idle_mib": round(idle, 1),
        "rss_start_mib": round(seen[0], 1),
        "rss_end_mib": round(seen[-1], 1),
        "growth_percent": round((seen[-1] / seen[0] - 1) * 100, 2),
        f"rss_every_{EVERY_S}_s_mib": [round(each, 1) for each in seen],
        "report": report.to_json(),
    }


class _Watch:
    """Looks at a process's memory from time to time, and says so: ten minutes are long."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._seen = [rss_mib(process)]
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def ended(self) -> list[float]:
        """Return what was seen, from the start to now."""
        self._done.set()
        self._thread.join()
        return [*self._seen, rss_mib(self._process)]

    def _look(self) -> None:
        began = time.monotonic()
        while not self._done.wait(EVERY_S):
            self._seen.append(rss_mib(self._process))
            sys.stderr.write(f"soak: {time.monotonic() - began:3.0f} of {SECONDS} s, {self._seen[-1]:.1f} MiB\n")
