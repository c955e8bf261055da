"""Devices with dialects of their own, through a gateway without a broker: what is heard, counted, and never told."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.core.campaign import Placement
from gateway.core.events import Role
from gateway.core.fences.geometry import Circle, Fence
from gateway.core.release import Release
from gateway.core.units import Position
from gateway.edge.exchange import Receipt
from gateway.testing.clock import FakeClock
from gateway.testing.engines import a_release, a_trigger, an_action
from gateway.testing.samples import T0
from gateway.testing.stage import Stage, a_stage, bodies
from gateway.wire.read import keyed_hash

TAG = "C0:FF:EE:12:34:56"
SUBJECT = keyed_hash(TAG, b"k" * 32)
STATION = Fence("station", "fuel_station", "Station", Circle(Position(8.5, 47.4), 100.0))
UNITS = [
    {
        "id": "car-1",
        "kind": "car",
        "placements": ["passenger_screen"],
        "devices": {
            "owntracks": ["anna/phone"],
            "theengs": ["Car"],
            "tags": [{"id": TAG, "role": "passenger"}],
        },
    },
]
MINUTE_MS = 60_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def arrival_offers() -> Release:
    """One action: something for the passenger when the car comes into the station."""
    pastry = replace(
        an_action("pastry", placements=(Placement.PASSENGER_SCREEN,)), triggers=(a_trigger("FenceEntered"),)
    )
    return a_release(fences=[STATION], actions=[pastry])


def say(stage: Stage, topic: str, body: object, *, retained: bool = False) -> None:
    stage.runner.message(topic, json.dumps(body).encode(), Receipt(stage.acknowledged.append, 0), retained=retained)


def drive(stage: Stage, ts: int, lon: float, *, retained: bool = False) -> None:
    fix = {"_type": "location", "tst": ts // 1_000, "lat": 47.4, "lon": lon, "acc": 10}
    say(stage, "owntracks/anna/phone", fix, retained=retained)


def let_in(stage: Stage) -> None:
    """Let a passenger who agreed to everything be known by the tag they carry."""
    stage.let_in(SUBJECT)
    stage.say("identity", {"state": "left", "role": Role.DRIVER})
    say(stage, "home/Car/BTtoMQTT/C0FFEE123456", {"id": TAG, "rssi": -60})


async def test_a_phone_that_comes_into_a_fence_leads_to_an_offer(path: Path) -> None:
    async with a_stage(path, arrival_offers(), units=UNITS) as stage:
        let_in(stage)
        drive(stage, T0, 8.5)
        await stage.settled()

        (offer,) = bodies(stage.carrier.on("offers"))
        assert (offer["action"], offer["role"]) == ("pastry", "passenger")
        assert stage.count("messages_total", channel="owntracks") == 1
        assert stage.count("messages_total", channel="theengs") == 1


async def test_a_backlog_that_comes_hours_late_makes_no_offer(path: Path) -> None:
    """An iPhone back online sends what it kept: in at 8, out at 9, in at 10, out at 11 ..."""
    clock = FakeClock(T0)
    async with a_stage(path, arrival_offers(), clock=clock, units=UNITS) as stage:
        let_in(stage)
        for hours_ago in range(12, 0, -1):
            drive(stage, T0 - hours_ago * 60 * MINUTE_MS, 8.5 if hours_ago % 2 else 8.6)
        await stage.settled()

        assert stage.carrier.on("offers") == []
        assert stage.rows("SELECT count(*) FROM decisions") == [(0,)]


@pytest.mark.parametrize("order", [1, -1])
async def test_a_backlog_behind_a_live_fix_crosses_nothing(path: Path, order: int) -> None:
    async with a_stage(path, arrival_offers(), units=UNITS) as stage:
        let_in(stage)
        drive(stage, T0, 8.5)
        await stage.settled()
        before = stage.rows("SELECT name, item, value FROM state WHERE scope = 'unit' ORDER BY name, item")
        for minutes_ago in range(1, 200)[::order]:
            drive(stage, T0 - minutes_ago * MINUTE_MS, 8.5 if minutes_ago % 2 else 8.6)
        await stage.settled()

        assert len(stage.carrier.on("offers")) == 1
        assert stage.rows("SELECT name, item, value FROM state WHERE scope = 'unit' ORDER BY name, item") == before
        assert stage.count("ignored_total", reason="late_fix") == 199


async def test_a_retained_location_is_counted_and_told_to_nobody(path: Path) -> None:
    async with a_stage(path, arrival_offers(), units=UNITS) as stage:
        let_in(stage)
        drive(stage, T0, 8.5, retained=True)
        await stage.settled()

        assert stage.carrier.on("offers") == []
        assert stage.carrier.on("deadletter") == []
        assert stage.count("ignored_total", reason="retained") == 1
        assert stage.acknowledged[-1] == 0


async def test_a_thousand_passers_by_are_counted_and_nothing_else(path: Path, tmp_path: Path) -> None:
    journal = {"level": "raw", "path": str(tmp_path / "journals"), "raw_until": "2099-12-31"}
    with capture_logs() as lines:
        async with a_stage(path, arrival_offers(), units=UNITS, journal=journal) as stage:
            for number in range(1_000):
                address = f"DE:AD:BE:EF:{number // 256:02X}:{number % 256:02X}"
                body = {"id": address, "rssi": -80, "name": "Watch of somebody"}
                say(stage, f"home/Car/BTtoMQTT/{address.replace(':', '')}", body)
            await stage.settled()

            assert stage.count("ignored_total", reason="unknown_device") == 1_000
            assert stage.carrier.on("deadletter") == []
            assert "DE:AD" not in repr(vars(stage.runner._registry.devices))
    written = _written(tmp_path)
    assert b"DE:AD" not in written
    assert b"DEADBEEF" not in written
    assert "DEAD" not in repr(lines)


async def test_what_a_scanner_garbles_is_told_of_without_who_was_heard(path: Path) -> None:
    async with a_stage(path, arrival_offers(), units=UNITS) as stage:
        say(stage, "home/Car/BTtoMQTT/DEADBEEF0001", ["no", "object"])

        (letter,) = bodies(stage.carrier.on("deadletter"))
        assert (letter["topic"], letter["reason"]) == ("home/Car/BTtoMQTT", "bad_payload")


async def test_half_a_message_counts_and_the_other_half_is_told_of(path: Path) -> None:
    async with a_stage(path, arrival_offers(), units=UNITS) as stage:
        let_in(stage)
        body = {"_type": "location", "tst": T0 // 1_000, "lat": 47.4, "lon": 8.5, "vel": "fast"}
        say(stage, "owntracks/anna/phone", body)
        await stage.settled()

        assert len(stage.carrier.on("offers")) == 1
        (letter,) = bodies(stage.carrier.on("deadletter"))
        assert (letter["topic"], letter["reason"]) == ("owntracks/anna/phone", "bad_value")


async def test_a_fix_from_the_future_is_refused_by_its_phones_name(path: Path) -> None:
    async with a_stage(path, arrival_offers(), units=UNITS) as stage:
        drive(stage, T0 + 10 * MINUTE_MS, 8.5)

        (letter,) = bodies(stage.carrier.on("deadletter"))
        assert (letter["topic"], letter["reason"]) == ("owntracks/anna/phone", "from_the_future")


async def test_a_tag_that_stays_is_written_down_once(path: Path) -> None:
    async with a_stage(path, arrival_offers(), units=UNITS) as stage:
        say(stage, "home/Car/BTtoMQTT/C0FFEE123456", {"id": TAG, "rssi": -60})
        await stage.settled()
        transactions = stage.count("transactions_total")
        for rssi in range(-90, -40):
            say(stage, "home/Car/BTtoMQTT/C0FFEE123456", {"id": TAG, "rssi": rssi})
        await stage.settled()

        assert stage.count("transactions_total") == transactions


@pytest.mark.parametrize("gone", ["status", "lwt"])
async def test_a_tag_is_known_again_after_its_unit_was_lost(path: Path, gone: str) -> None:
    async with a_stage(path, arrival_offers(), units=UNITS) as stage:
        let_in(stage)
        if gone == "status":
            stage.say("status", {"state": "gone"})
        else:
            say(stage, "owntracks/anna/phone", {"_type": "lwt", "tst": T0 // 1_000})
        drive(stage, T0, 8.6)
        say(stage, "home/Car/BTtoMQTT/C0FFEE123456", {"id": TAG, "rssi": -60})
        drive(stage, T0 + 60_000, 8.5)
        await stage.settled()

        presence = "SELECT value FROM state WHERE name = 'presence' AND item = 'passenger'"
        assert SUBJECT in str(stage.rows(presence))


def _written(folder: Path) -> bytes:
    """Return all bytes below a folder, unpacked."""
    whole = b""
    for file in folder.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            whole += gzip.decompress(data) if file.suffix == ".gz" else data
    return whole
