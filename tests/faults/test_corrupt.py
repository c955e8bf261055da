"""Whatever happened to the files: a start finds it or it is harmless, service goes on, and nobody has agreed to more.

The ledgers are those of gateways that people have visited, closed in order or left by a kill -9 with their log.
"""

import asyncio
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

import edge_models.coupon_propensity
from gateway.core.effects import StateChanged
from gateway.core.errors import StoreError
from gateway.core.events import Purpose
from gateway.core.state import Scope, StateKey
from gateway.core.units import DAY_MS
from gateway.edge.store import schema
from gateway.edge.store.ledger import Ledger
from gateway.testing.damage import ANYWHERE, WITH_LOG, Scene
from gateway.testing.faults import TellCount, counts
from gateway.testing.ledger import WatchedWriter, transaction_of
from gateway.testing.mosquitto import Mosquitto
from gateway.testing.site import Site, build_release
from gateway.testing.stranger import Stranger
from gateway.testing.visits import contents, granted

FILES = counts(full=500, ci=100)
GATEWAYS = counts(full=10, ci=1)
LEDGERS = counts(full=6, ci=2)
SINCE = time.time_ns() // 1_000_000 - 3 * DAY_MS
"""A gateway would not believe a clock that jumps by years."""
LATER = SINCE + 3 * DAY_MS
STATUS = "wayside/v1/gw-1/status"
RESUMED = StateKey(Scope.UNIT, "car-9", "resumed")


@dataclass(frozen=True)
class Original:
    """A ledger before anything happened to it.

    Attributes:
        earlier: Its folder at an earlier time.
        rows: All it says.
        granted: Who has agreed to what.
    """

    folder: Path
    earlier: Path
    has_log: bool
    rows: dict[str, list[tuple[object, ...]]]
    granted: set[tuple[str, Purpose]]


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[Original]:
    folder = tmp_path_factory.mktemp("originals")
    with ThreadPoolExecutor() as pool:
        made = [pool.submit(_original, folder / str(n), n, killed=n % 2 == 1) for n in range(LEDGERS)]
        return [each.result() for each in made]


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stranger")
    _visit(folder, 1, 5, seed=99, killed=True)
    return folder


@pytest.fixture
def damaged() -> Iterator[Path]:
    """Where damaged copies are laid: in memory, for what is done there need not last."""
    memory = Path("/dev/shm")  # noqa: S108 -- a folder of our own is made in it
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder) / "damaged"


def _original(folder: Path, number: int, *, killed: bool) -> Original:
    folder.mkdir()
    _visit(folder, 1, 10, seed=number, killed=False)
    earlier = folder.with_name(f"{number}-earlier")
    shutil.copytree(folder, earlier)
    _visit(folder, 30, 6, seed=number, killed=killed)
    # Looked at as a copy: even a look leaves its traces beside a log.
    looked_at = folder.with_name(f"{number}-looked-at")
    shutil.copytree(folder, looked_at)
    ledger = looked_at / "ledger.db"
    return Original(folder, earlier, killed, contents(ledger), granted(ledger, LATER))


def _visit(folder: Path, first: int, count: int, *, seed: int, killed: bool) -> None:
    command = [sys.executable, "-m", "gateway.testing.visits", str(folder / "ledger.db"), "--seed", str(seed)]
    command += ["--since-ms", str(SINCE)]
    options = ["--first", str(first), "--count", str(count), *["--killed"] * killed]
    done = subprocess.run([*command, *options], check=False, capture_output=True)
    assert done.returncode == (-9 if killed else 0), done.stderr.decode()


def _damaged(original: Original, stranger: Path, number: int, folder: Path) -> str:
    """Make a damaged copy; return what was done to it."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(original.folder, folder)
    kinds = WITH_LOG if original.has_log else ANYWHERE
    kind = list(kinds)[number // LEDGERS % len(kinds)]
    kinds[kind](Scene(folder, stranger, original.earlier), random.Random(number))
    return kind


def _judged(original: Original, ledger: Path) -> str:
    """Return what a start makes of it: `found`, `harmless`, or what must not be."""
    try:
        opening = schema.prepare(ledger)
    except StoreError:
        return "refused"
    except Exception as error:  # noqa: BLE001 -- counted like any other judgement, with its file's number
        return f"crashed: {error!r}"
    rows, now_granted = contents(ledger), granted(ledger, LATER)
    if not now_granted <= original.granted:
        return "consent made"
    if opening.salvage is None and rows != original.rows:
        return "unnoticed change"
    if opening.salvage is not None and not (rows["gaps"] or opening.salvage.complete):
        return "no gap written"
    asyncio.run(_goes_on(ledger))
    return "harmless" if opening.salvage is None else "found"


async def _goes_on(ledger: Path) -> None:
    watched = WatchedWriter(ledger)
    await watched.commit(transaction_of(StateChanged(RESUMED, value=True), now=LATER))
    await watched.writer.close()
    with closing(Ledger(ledger)) as reading:
        assert reading.restorable_state()[RESUMED] is True
        reading.owed_offers(LATER, 100)
        reading.owed_withdrawals(LATER, 100)
    assert schema.prepare(ledger) == schema.Opening()


def test_damage_is_found_or_harmless_and_never_gives_consent(
    originals: list[Original], stranger: Path, damaged: Path, tell_count: TellCount
) -> None:
    judgements: Counter[str] = Counter()
    wrong: list[str] = []
    for number in range(FILES):
        original = originals[number % LEDGERS]
        kind = _damaged(original, stranger, number, damaged)
        judgement = _judged(original, damaged / "ledger.db")
        judgements[judgement] += 1
        if judgement not in {"found", "harmless"}:
            wrong.append(f"{number}: {kind}, log {original.has_log}: {judgement}")
    kinds = ("found", "harmless", "unnoticed change", "consent made", "refused", "no gap written")
    tell_count("damaged files", files=judgements.total(), **{kind: judgements[kind] for kind in kinds})

    assert not wrong, "\n".join(wrong)
    assert judgements["found"] > FILES // 2


@pytest.mark.mosquitto
def test_a_gateway_with_a_damaged_ledger_serves_on_and_reports_it(
    originals: list[Original], stranger: Path, mosquitto: Mosquitto, tmp_path: Path, tell_count: TellCount
) -> None:
    (tmp_path / "release").mkdir()
    release = build_release(tmp_path / "release", Path(edge_models.coupon_propensity.__file__).parent)
    reported = 0
    for number in range(GATEWAYS):
        data = tmp_path / f"data-{number}"
        _damaged(originals[number % LEDGERS], stranger, number * LEDGERS, data)
        # A copy tells what is to be expected.
        foreseen = shutil.copytree(data, tmp_path / f"foreseen-{number}") / "ledger.db"
        is_found = schema.prepare(foreseen).salvage is not None
        _serves(tmp_path, data, release, mosquitto, is_found=is_found)
        reported += is_found
    tell_count("gateways started on damaged files", gateways=GATEWAYS, reported=reported, harmless=GATEWAYS - reported)
    assert reported > GATEWAYS // 2


def _serves(folder: Path, data: Path, release: Path, broker: Mosquitto, *, is_found: bool) -> None:
    """Let a gateway work on these data, and report a quarantine everywhere or nowhere."""
    with Site(folder, data, release, broker) as site, Stranger(broker.host, broker.port, STATUS) as stranger:
        gateway = site.start()
        if is_found:
            assert gateway.await_event("ledger_quarantined")["tables"]
        port = gateway.await_event("started")["http"]
        born = stranger.expect(STATUS, lambda message: message.body["state"] == "born" and not message.retained)
        site.open_to_traffic()
        site.await_work()
        readiness = site.await_readiness(port)
        books = site.finish()
    assert readiness["ledger"] == ("quarantined" if is_found else "ok")
    assert born.body["health"] == ("degraded" if is_found else "ok")
    assert bool(list(data.glob("ledger.db.bad-*"))) is is_found
    assert not any(books.faults().values()), books.faults()
