"""A disk that is full to the last byte, at whatever site of writing: nothing false is said, and nobody must restart it.

While the gateway runs, it stays up, says why it is not ready, and recovers by itself when there is room. What is
written before it runs (its key, the ledger's making, migration and salvage) ends the start with one sentence, leaves
nothing by half, and the next start with room finds what it should.
"""

import gzip
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import pytest

import edge_models.coupon_propensity
from gateway.core.errors import StoreError
from gateway.edge.app import ExitCode
from gateway.edge.store import schema
from gateway.edge.store.cache import What, notes_in
from gateway.testing.faults import TellCount, counts
from gateway.testing.mosquitto import Mosquitto
from gateway.testing.process import GatewayProcess
from gateway.testing.site import Books, Site, build_release
from gateway.testing.small_disk import NotPermittedError, SmallDisk, a_small_disk
from gateway.testing.visits import granted, lasting

PAGE = 4096
EARLIER = Path(__file__).parents[1] / "migrations" / "data"
GATEWAYS = counts(full=10, ci=1)
ROUNDS = counts(full=2, ci=1)
"""How often the disk of a gateway fills up: after each failure it waits longer before it tries again."""
MIB = 24
STARTS_EVERY = counts(full=1, ci=9)
"""In pages: how much more room each next start has."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    try:
        with a_small_disk(tmp_path / "disk", MIB) as mounted:
            yield mounted
    except NotPermittedError as refused:
        reason = f"no file system can be mounted: {refused}"
        if os.environ.get("CI", "") not in {"", "0", "false"}:
            pytest.fail(f"{reason} (under CI nothing is skipped)", pytrace=False)
        pytest.skip(reason)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    return build_release(folder, Path(edge_models.coupon_propensity.__file__).parent)


@dataclass(frozen=True)
class Moment:
    """When the disk becomes full.

    Attributes:
        site: Whose writing fails first.
        journal: Whether a journal is written.
        work: How many messages the gateway has taken in by then.
        leaving: How much room is left, in bytes.
        max_mib: The ledger's budget; a small one makes for many checkpoints.
    """

    site: str
    journal: str
    work: tuple[int, int]
    leaving: Callable[[random.Random], int]
    max_mib: int = 512


MOMENTS = (
    Moment("log, mark, journal and cache", "moments", (1, 60), lambda _: 0),
    Moment("checkpoint", "off", (20, 80), lambda rng: rng.randrange(64) * PAGE, max_mib=16),
)


@pytest.mark.mosquitto
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment.site)
def test_a_disk_that_fills_up_stops_the_offers_and_nothing_else(
    moment: Moment, tmp_path: Path, disk: SmallDisk, release: Path, mosquitto: Mosquitto, tell_count: TellCount
) -> None:
    for number in range(GATEWAYS):
        data = disk.path / str(number)
        with Site(tmp_path, data, release, mosquitto, journal=moment.journal, seed=number) as site:
            books = _fill_up(site, disk, moment, random.Random(f"{moment.site} {number}"))
        _tell(tell_count, f"disk full: {moment.site}", books, times_full=ROUNDS, restarts=0)
        assert {What.LEDGER_FULL, What.LEDGER_RECOVERED} <= {note.what for note in notes_in(data / "cache.db")}
        # An engine that begins anew begins a journal.
        assert len(list(data.glob("journals/*"))) == (1 + ROUNDS if moment.journal == "moments" else 0)
        shutil.rmtree(data)


def _fill_up(site: Site, disk: SmallDisk, moment: Moment, rng: random.Random) -> Books:
    """Let a gateway work, its disk fill up and become free again, some times over."""
    gateway = site.start({"WAYSIDE_LEDGER__MAX_MIB": str(moment.max_mib)})
    port = gateway.await_event("started")["http"]
    site.open_to_traffic()
    for _ in range(ROUNDS):
        site.await_work(rng.randint(*moment.work))
        disk.fill(moment.leaving(rng))
        _await_full(site, gateway, port)
        # The disk stays full for another try of the gateway's own.
        gateway.await_event("ledger_failed")
        _recover(site, gateway, disk)
    assert site.await_readiness(port)["ledger"] == "ok"
    return site.finish()


def _await_full(site: Site, gateway: GatewayProcess, port: int) -> None:
    """Wait until the gateway has nothing left that it can spare, and says so."""
    gateway.await_event("ledger_failed")
    while (told := site.readiness(port))[1]["ledger"] != "full":
        gateway.await_event("ledger_failed")
    assert (told[0], told[1]["ready"]) == (HTTPStatus.SERVICE_UNAVAILABLE, False)


def _recover(site: Site, gateway: GatewayProcess, disk: SmallDisk) -> None:
    """Give the room back and wait until the gateway is at work again."""
    subscriptions = site.tap.heard.subscriptions
    disk.free()
    gateway.await_event("ledger_recovered")
    site.tap.until(lambda: site.tap.heard.subscriptions > subscriptions)
    site.await_work()


@pytest.mark.mosquitto
def test_a_gateway_that_finds_the_disk_full_at_its_start(
    tmp_path: Path, disk: SmallDisk, release: Path, mosquitto: Mosquitto, tell_count: TellCount
) -> None:
    with Site(tmp_path, disk.path, release, mosquitto) as site:
        first = site.start()
        site.open_to_traffic()
        site.await_work()
        first.terminate()
        disk.fill()
        second = site.start()
        port = second.await_event("started")["http"]
        _await_full(site, second, port)
        _recover(site, second, disk)
        books = site.finish()
    _tell(tell_count, "disk full: before the start", books, times_full=1, restarts=0)


def _tell(tell_count: TellCount, name: str, books: Books, **numbers: int) -> None:
    faults = books.faults()
    offers, heard = len(books.heard.offers), len(books.heard.acknowledged)
    found = {kind: len(each) for kind, each in faults.items()}
    tell_count(name, **numbers, acknowledged=heard, offers=offers, **found)
    assert not any(faults.values()), faults
    assert heard
    assert offers


@pytest.mark.mosquitto
def test_a_first_start_without_room_leaves_nothing_by_half(
    tmp_path: Path, disk: SmallDisk, release: Path, mosquitto: Mosquitto, tell_count: TellCount
) -> None:
    refused = 0
    with Site(tmp_path, disk.path / "data", release, mosquitto) as site:
        # Without a page: the key. With a page for the key: the ledger.
        for pages in (0, 1):
            disk.fill(pages * PAGE)
            gateway = GatewayProcess(site.config)
            with gateway:
                assert gateway.wait() in {ExitCode.BAD_CONFIG, ExitCode.BAD_LEDGER}
                assert [line.startswith("wayside: ") for line in gateway.other_lines] == [True]
            refused += 1
            disk.free()
        site.start()
        site.open_to_traffic()
        site.await_work()
        books = site.finish()
    _tell(tell_count, "disk full: first start (lock, key, ledger)", books, times_full=refused)


def _make(folder: Path, *, killed: bool) -> None:
    folder.mkdir()
    command = [sys.executable, "-m", "gateway.testing.visits", str(folder / "ledger.db"), *["--killed"] * killed]
    done = subprocess.run(command, check=False, capture_output=True)
    assert done.returncode == (-9 if killed else 0), done.stderr.decode()


def _nothing(folder: Path) -> None:
    folder.mkdir()


def _left_by_a_kill(folder: Path) -> None:
    _make(folder, killed=True)


def _of_version_1(folder: Path) -> None:
    folder.mkdir()
    for packed in EARLIER.glob("v1-grown.*.gz"):
        name = packed.name.removesuffix(".gz").replace("v1-grown", "ledger")
        (folder / name).write_bytes(gzip.decompress(packed.read_bytes()))


def _damaged(folder: Path) -> None:
    _make(folder, killed=False)
    content = bytearray((folder / "ledger.db").read_bytes())
    at = content.index(b"offer_display")
    content[at] ^= 1
    (folder / "ledger.db").write_bytes(content)


MAKINGS = {
    "creation": _nothing,
    "recovery of a log": _left_by_a_kill,
    "migration": _of_version_1,
    "quarantine": _damaged,
}


@pytest.mark.parametrize("name", MAKINGS)
def test_a_ledger_that_cannot_be_prepared_without_room_is_prepared_with_it(
    name: str, tmp_path: Path, disk: SmallDisk, tell_count: TellCount
) -> None:
    MAKINGS[name](tmp_path / "old")
    with_room = shutil.copytree(tmp_path / "old", tmp_path / "with-room") / "ledger.db"
    schema.prepare(with_room)
    expected, agreed = lasting(with_room), granted(with_room, 0)
    refused = prepared = pages = 0
    while not prepared:
        # Until it has had room enough once.
        with ExitStack() as stack:
            data = disk.path / "data"
            stack.callback(shutil.rmtree, data)
            shutil.copytree(tmp_path / "old", data)
            disk.fill(pages * PAGE)
            stack.callback(disk.free)
            try:
                schema.prepare(data / "ledger.db")
                prepared += 1
            except StoreError:
                refused += 1
            disk.free()
            schema.prepare(data / "ledger.db")
            assert lasting(data / "ledger.db") == expected, f"with {pages} pages"
            assert granted(data / "ledger.db", 0) == agreed
        pages += STARTS_EVERY
    tell_count(f"disk full: {name}", starts=refused + prepared, refused=refused, prepared=prepared)
