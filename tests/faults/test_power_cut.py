"""Whatever the moment of a power cut: what was told to be committed is there, whole, and the next start finds no fault.

The writer runs as it does on a device, with the system's own SQLite; its system calls are recorded, and what a disk
may hold after a cut is drawn from them (`gateway.testing.power_cut`).
"""

import asyncio
import gzip
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gateway.core.errors import StoreError
from gateway.edge.store import schema
from gateway.testing.faults import TellCount, counts
from gateway.testing.ledger_load import TOLD, fill, numbers_in
from gateway.testing.power_cut import Recording, Sync, SyncFailed, Write, cuts, find_strace, record
from gateway.testing.samples import T0
from gateway.testing.visits import granted, lasting

CUTS = counts(full=4_000, ci=300)
CUTS_OF_A_RUN = counts(full=200, ci=100)
CONTROL_CUTS = 100
FAILING_RUNS = counts(full=5, ci=1)
OPENING_CUTS = counts(full=500, ci=30)
EARLIER = Path(__file__).parents[1] / "migrations" / "data"
RESUMED_EVERY = 20


@pytest.fixture(autouse=True)
def _strace() -> None:
    if find_strace() is None:
        reason = "strace is not installed: apt-get install strace"
        if os.environ.get("CI", "") not in {"", "0", "false"}:
            pytest.fail(f"{reason} (under CI nothing is skipped)", pytrace=False)
        pytest.skip(reason)


@pytest.fixture
def cut() -> Iterator[Path]:
    """Where what is left after a cut is laid: in memory, for what is done there need not last."""
    memory = Path("/dev/shm")  # noqa: S108 -- a folder of our own is made in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder) / "cut"


def _recorded(folder: Path, seed: int, *options: str, failing: str = "") -> Recording:
    """Record a run that fills a ledger, each in its own way: few or many checkpoints, a clean end or none."""
    folder.mkdir(exist_ok=True)
    # Every fourth is so short that most cuts fall while the ledger is made, opened or closed.
    count, pages = (2 if seed % 4 == 2 else 40), (20, 60, 200)[seed % 3]
    command = [sys.executable, "-m", "gateway.testing.ledger_load", str(folder), "--seed", str(seed)]
    how = ["--checkpoint-pages", str(pages), "--count", str(count), *options]
    if seed % 2:
        how.append("--killed")
    return record([*command, *how], folder, failing=failing)


def _told(recording: Recording, done: int) -> int:
    """Return the last number that was told to be committed within the first `done` steps."""
    told = recording.before.get(TOLD, b"")
    for step in recording.steps[:done]:
        if isinstance(step, Write) and step.name == TOLD:
            told += step.data
    return int(told.split()[-1]) if told else 0


def _lay(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Put a folder back to what the disk held; return where its ledger lies, if it does."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / "ledger.db"


def _judged(ledger: Path, told: int) -> str:
    """Return what a start finds: `whole`, or what is wrong with it."""
    try:
        opening = schema.prepare(ledger)
    except StoreError:
        return "refused"
    if opening.salvage is not None:
        return "corrupt"
    found = numbers_in(ledger)
    known = found["decisions"]
    if any(numbers != known for numbers in found.values()) or known != set(range(1, len(known) + 1)):
        return "half"
    return "whole" if len(known) >= told else "lost"


def _judge(recording: Recording, count: int, folder: Path, rng: random.Random) -> Iterator[str]:
    for number, (done, files) in enumerate(cuts(recording, count, rng)):
        ledger = _lay(folder, files)
        judgement = _judged(ledger, _told(recording, done))
        yield judgement
        if judgement == "whole" and number % RESUMED_EVERY == 0:
            _goes_on(ledger)


def _goes_on(ledger: Path) -> None:
    before = len(numbers_in(ledger)["decisions"])
    told: list[int] = []
    asyncio.run(fill(ledger, 3, random.Random(0), told.append))
    assert told[-1] == before + 3
    assert _judged(ledger, before + 3) == "whole"


def _checkpoints(recording: Recording) -> int:
    return sum(step == Sync("ledger.db") for step in recording.steps)


def test_a_power_cut_at_any_moment_loses_nothing_that_was_committed(
    tmp_path: Path, cut: Path, tell_count: TellCount
) -> None:
    judgements: Counter[str] = Counter()
    checkpoints = runs = 0
    for seed in range(-(-CUTS // CUTS_OF_A_RUN)):
        # Every other run goes on from what the one before has left, a log to be recovered included.
        folder = tmp_path / f"run-{seed // 2}"
        recording = _recorded(folder, seed)
        checkpoints += _checkpoints(recording)
        runs += 1
        judgements.update(_judge(recording, CUTS_OF_A_RUN, cut, random.Random(seed)))
    told = {name: judgements[name] for name in ("whole", "lost", "half", "corrupt", "refused")}
    tell_count("power cuts", cuts=judgements.total(), runs=runs, checkpoints=checkpoints, **told)

    assert judgements == {"whole": CUTS}
    assert checkpoints > runs


@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
def test_the_same_cuts_would_show_a_ledger_that_does_not_sync(
    synchronous: str, tmp_path: Path, cut: Path, tell_count: TellCount
) -> None:
    # One long log: with NORMAL only a checkpoint syncs it.
    recording = _recorded(tmp_path / "run", 0, "--synchronous", synchronous, "--checkpoint-pages", "1000")
    judgements = Counter(_judge(recording, CONTROL_CUTS, cut, random.Random(0)))
    tell_count(f"power cuts, control with synchronous={synchronous}", cuts=judgements.total(), **judgements)

    assert CONTROL_CUTS - judgements["whole"] > CONTROL_CUTS // 10


def test_a_power_cut_after_a_sync_that_failed_loses_nothing_that_was_told_to_be_committed(
    tmp_path: Path, cut: Path, tell_count: TellCount
) -> None:
    judgements: Counter[str] = Counter()
    failed = 0
    for seed in range(0, 2 * FAILING_RUNS, 2):
        folder = tmp_path / f"run-{seed}"
        folder.mkdir()
        schema.prepare(folder / "ledger.db")
        recording = _recorded(folder, seed, "--stubborn", "--count", "40", failing=f"when={7 + seed}+{5 + seed % 7}")
        failed += sum(isinstance(step, SyncFailed) for step in recording.steps)
        judgements.update(_judge(recording, CUTS_OF_A_RUN, cut, random.Random(seed)))
    told = {name: judgements[name] for name in ("whole", "lost", "half", "corrupt", "refused")}
    tell_count("power cuts after failed syncs", cuts=judgements.total(), failed_syncs=failed, **told)

    assert judgements == {"whole": FAILING_RUNS * CUTS_OF_A_RUN}
    assert failed > FAILING_RUNS


def _of_version_1(folder: Path) -> None:
    folder.mkdir()
    for packed in EARLIER.glob("v1-grown.*.gz"):
        name = packed.name.removesuffix(".gz").replace("v1-grown", "ledger")
        (folder / name).write_bytes(gzip.decompress(packed.read_bytes()))


def _visited(folder: Path) -> None:
    """Make a ledger as a kill leaves it."""
    folder.mkdir()
    command = [sys.executable, "-m", "gateway.testing.visits", str(folder / "ledger.db"), "--killed"]
    done = subprocess.run(command, check=False, capture_output=True)
    assert done.returncode == -9, done.stderr.decode()


def _damaged(folder: Path) -> None:
    """Lose the last third of a log."""
    _visited(folder)
    with (folder / "ledger.db-wal").open("r+b") as file:
        file.truncate(file.seek(0, 2) * 2 // 3)


def _lost(folder: Path) -> None:
    """Lose the file, and keep its log and mark."""
    _visited(folder)
    (folder / "ledger.db").unlink()


PREPARE = "import sys, pathlib, gateway.edge.store.schema as schema; schema.prepare(pathlib.Path(sys.argv[1]))"
OPENINGS = {"migration": _of_version_1, "salvage": _damaged, "salvage of a lost file": _lost}


@pytest.mark.parametrize("name", OPENINGS)
def test_a_power_cut_while_a_ledger_is_made_ready_leaves_what_can_be_made_ready(
    name: str, tmp_path: Path, cut: Path, tell_count: TellCount
) -> None:
    folder = tmp_path / "run"
    OPENINGS[name](folder)
    recording = record([sys.executable, "-c", PREPARE, str(folder / "ledger.db")], folder)
    expected, agreed = lasting(folder / "ledger.db"), granted(folder / "ledger.db", T0)
    judgements: Counter[str] = Counter()
    for _, files in cuts(recording, OPENING_CUTS, random.Random(name)):
        ledger = _lay(cut, files)
        try:
            schema.prepare(ledger)
        except StoreError:
            judgements["refused"] += 1
            continue
        is_same = lasting(ledger) == expected and granted(ledger, T0) == agreed
        judgements["whole" if is_same else "changed"] += 1
    tell_count(f"power cuts during a {name}", cuts=judgements.total(), steps=len(recording.steps), **judgements)

    assert judgements == {"whole": OPENING_CUTS}
