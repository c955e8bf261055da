"""A disk that says no now and then: no offer without its record, nothing acknowledged is lost, and it passes.

libfiu stands between a real gateway and the C library and lets one in so many calls fail. SQLite calls `fdatasync` and
`pwrite64`, the store itself `fsync` and `pwrite`; libfiu intercepts all of these, and makes some writes short.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import edge_models.coupon_propensity
from gateway.edge.store import schema
from gateway.testing.faults import TellCount, counts
from gateway.testing.ledger_load import TOLD, numbers_in
from gateway.testing.mosquitto import Mosquitto
from gateway.testing.process import GatewayProcess
from gateway.testing.site import Books, Site, build_release

POINTS = ("posix/io/sync/fsync", "posix/io/sync/fdatasync", "posix/io/rw/pwrite", "posix/io/rw/pwrite/reduce")
PERCENTS = (10, 3, 1)[: counts(full=3, ci=1)]
GATEWAYS = counts(full=4, ci=1)
FAILURES = counts(full=4, ci=2)
"""Of a gateway, which waits longer after each."""
COMMITS = {10: counts(full=60, ci=0), 3: counts(full=600, ci=40), 1: counts(full=2_000, ci=0)}
"""Of a writer that goes on at once: how many transactions it has to bring to the disk."""
WITHIN_S = 20.0


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    return build_release(folder, Path(edge_models.coupon_propensity.__file__).parent)


@pytest.fixture
def preload(tmp_path: Path) -> dict[str, str]:
    """What lets libfiu into a process, as `fiu-run` would set it; nothing fails until it is told to."""
    if shutil.which("fiu-run") is None:
        reason = "fiu-run is not installed: apt-get install fiu-utils"
        if os.environ.get("CI", "") not in {"", "0", "false"}:
            pytest.fail(f"{reason} (under CI nothing is skipped)", pytrace=False)
        pytest.skip(reason)
    shown = ["fiu-run", "-x", "-f", str(tmp_path / "fiu"), "sh", "-c", "echo $LD_PRELOAD; echo $FIU_CTRL_FIFO"]
    done = subprocess.run(shown, check=True, capture_output=True, text=True)
    library, fifo = done.stdout.splitlines()
    return {"LD_PRELOAD": library, "FIU_CTRL_FIFO": fifo}


def _tell(gateway: GatewayProcess, preload: Mapping[str, str], command: str) -> None:
    """Tell libfiu in the running gateway what is to fail from now on."""
    for point in POINTS:
        said = command.format(point)
        control = ["fiu-ctrl", "-c", said, "-f", preload["FIU_CTRL_FIFO"], str(gateway.pid)]
        subprocess.run(control, check=True, capture_output=True, timeout=WITHIN_S)


@pytest.mark.parametrize("percent", [percent for percent, transactions in COMMITS.items() if transactions])
def test_a_writer_that_goes_on_after_each_failure_keeps_what_it_told(
    percent: int, tmp_path: Path, preload: dict[str, str], tell_count: TellCount
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    ledger = folder / "ledger.db"
    schema.prepare(ledger)
    failing = [f"enable_random name={point},probability={percent / 100}" for point in POINTS]
    load = [sys.executable, "-m", "gateway.testing.ledger_load", str(folder), "--count", str(COMMITS[percent])]
    environment = {**os.environ, **preload, "FIU_ENABLE": "\n".join(failing)}
    done = subprocess.run(
        [*load, "--stubborn", "--checkpoint-pages", "60"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    )
    failures, found = int(done.stdout), numbers_in(ledger)
    everything = set(range(1, COMMITS[percent] + 1))
    told = {int(line) for line in (folder / TOLD).read_text().split()}
    tell_count(
        f"{percent}% of a writer's calls fail",
        transactions=len(everything),
        failed_commits=failures,
        lost=len(set[int]().union(*(everything - numbers for numbers in found.values()))),
    )

    assert all(numbers == everything for numbers in found.values())
    assert max(told) == len(everything)
    assert schema.prepare(ledger) == schema.Opening()
    assert failures


@pytest.mark.mosquitto
@pytest.mark.parametrize("percent", PERCENTS)
def test_calls_that_fail_cost_nothing_that_was_acknowledged(
    percent: int,
    tmp_path: Path,
    preload: dict[str, str],
    release: Path,
    mosquitto: Mosquitto,
    tell_count: TellCount,
) -> None:
    for number in range(GATEWAYS):
        data = tmp_path / f"data-{number}"
        with Site(tmp_path, data, release, mosquitto, seed=number) as site:
            books = _endure(site, preload, percent)
        faults = books.faults()
        tell_count(
            f"{percent}% of a gateway's calls fail",
            failed_commits=FAILURES,
            acknowledged=len(books.heard.acknowledged),
            offers=len(books.heard.offers),
            restarts=0,
            **{kind: len(each) for kind, each in faults.items()},
        )
        assert not any(faults.values()), faults
        assert schema.prepare(site.ledger) == schema.Opening()
        assert books.heard.offers


def _endure(site: Site, preload: Mapping[str, str], percent: int) -> Books:
    """Let a gateway work while its calls fail, and when they no longer do."""
    # Many checkpoints, so that calls of theirs fail too.
    gateway = site.start({**preload, "WAYSIDE_LEDGER__MAX_MIB": "16"})
    port = gateway.await_event("started")["http"]
    site.open_to_traffic()
    site.await_work()
    _tell(gateway, preload, f"enable_random name={{}},probability={percent / 100}")
    for _ in range(FAILURES):
        gateway.await_event("ledger_failed")
    _tell(gateway, preload, "disable name={}")
    site.await_work(100)
    assert site.await_readiness(port)["ledger"] == "ok"
    return site.finish()
