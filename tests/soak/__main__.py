"""`make soak`: random campaigns and journals by the million decisions, on all cores; prints JSON at the end.

A run is told by its seed and the length of its journal. With `--kept FILE` what is done is kept there, a line a run, so
that a soak that was stopped goes on with the seeds that are left; once all is done the file goes. A run in which a
promise is broken prints the command that repeats it, and the soak fails.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import count
from multiprocessing import get_context
from pathlib import Path

from gateway.testing.drawing import SeededDraw
from gateway.testing.random_runs import STEPS, Watched, told_of_seed

DECISIONS = 1_000_000
MOST_BROKEN = 5
_LAST_TOLD = 12
"""How many turns before a broken promise are told."""


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python tests/soak", description="Random campaigns under a referee's eyes.")
    parser.add_argument("--decisions", type=int, default=DECISIONS, help=f"at least so many (default {DECISIONS:,})")
    parser.add_argument("--first", type=int, default=1_000_000, help="the first seed (default 1000000)")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"the length of each journal (default {STEPS})")
    parser.add_argument("--seed", type=int, help="one run only, with its last turns if it breaks")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="how many at once (default: all cores)")
    parser.add_argument("--kept", type=Path, help="go on after what this file says is done, and keep it there")
    asked = parser.parse_args()
    sys.exit(repeat(asked.seed, asked.steps) if asked.seed is not None else soak(asked))


class Kept:
    """What is done: runs by seed, and all their counts together."""

    def __init__(self, path: Path | None, steps: int) -> None:
        """Take over what a file says was done with journals of this length."""
        self.counts: Counter[str] = Counter()
        self.seeds: set[int] = set()
        self._path = path
        self._steps = steps
        lines = path.read_text(encoding="utf-8").splitlines() if path is not None and path.exists() else []
        for run in map(json.loads, lines):
            if run["steps"] == steps:
                self._add(run["seed"], run["counts"])

    def keep(self, seed: int, counts: Counter[str]) -> None:
        """Add a run."""
        self._add(seed, counts)
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"seed": seed, "steps": self._steps, "counts": counts}) + "\n")

    def done(self) -> None:
        """The soak is over: the next one begins anew."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _add(self, seed: int, counts: dict[str, int]) -> None:
        self.seeds.add(seed)
        self.counts.update(counts)


def soak(asked: argparse.Namespace) -> int:
    """Run seeds until there are enough decisions, or too much is broken; return 1 if anything is."""
    kept, broken, began = Kept(asked.kept, asked.steps), list[str](), time.monotonic()
    before = kept.counts["decisions"]
    sys.stderr.write(f"seeds from {asked.first}, journals of {asked.steps}, {asked.cores} at once\n")
    for seed, counts, fault in _runs(asked, kept):
        if fault:
            again = f"repeat it: python tests/soak --seed {seed} --steps {asked.steps}"
            broken.append(f"{fault.splitlines()[0]}; {again}")
            sys.stderr.write(f"{fault}\n{again}\n")
        else:
            kept.keep(seed, counts)
        if fault or kept.counts["runs"] % 50 == 0:
            rate = (kept.counts["decisions"] - before) / (time.monotonic() - began)
            done = f"{kept.counts['decisions']:>9,} decisions in {kept.counts['runs']} runs"
            sys.stderr.write(f"{done}, {rate:,.0f} a second, seed {seed}, {len(broken)} broken\n")
        if len(broken) >= MOST_BROKEN:
            break
    if kept.counts["decisions"] >= asked.decisions:
        kept.done()
    figures = summary(kept.counts, broken) | {"seconds": round(time.monotonic() - began, 1), "first_seed": asked.first}
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    return int(bool(broken))


def _runs(asked: argparse.Namespace, kept: Kept) -> Iterator[tuple[int, Counter[str], str]]:
    """Return runs as they end, until there are enough decisions: seed, counts, and what was broken if anything was."""
    seeds = (seed for seed in count(asked.first) if seed not in kept.seeds)
    with ProcessPoolExecutor(asked.cores, mp_context=get_context("spawn")) as pool:
        under_way: set[Future[tuple[int, Counter[str], str]]] = set()
        while kept.counts["decisions"] < asked.decisions:
            while len(under_way) < 2 * asked.cores:
                under_way.add(pool.submit(told_of_seed, next(seeds), asked.steps))
            ended, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            yield from (each.result() for each in ended)


def summary(counts: Counter[str], broken: list[str]) -> dict[str, object]:
    """Return the figures of a soak, sorted by what they are about."""
    about: dict[str, object] = {"broken": len(broken), "faults": broken}
    for name in sorted(counts):
        kind, _, rest = name.partition(":")
        if not rest:
            about[name] = counts[name]
            continue
        group = about.setdefault(kind, {})
        if isinstance(group, dict):
            group[rest] = counts[name]
    return about


def repeat(seed: int, steps: int) -> int:
    """Live through one run; tell its last turns if a promise is broken."""
    watched = Watched(SeededDraw(seed))
    try:
        for _ in watched.live(steps):
            pass
        watched.live_again()
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is told with what led to it
        for turned in watched.turned[-_LAST_TOLD:]:
            sys.stdout.write(f"{turned.now}  {turned.what}\n")
            sys.stdout.writelines(f"      {effect}\n" for effect in turned.effects)
        sys.stdout.write(f"after {watched.referee.counts['decisions']} decisions, {type(error).__name__}: {error}\n")
        return 1
    sys.stdout.write(json.dumps(summary(watched.referee.counts, []), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    main()
