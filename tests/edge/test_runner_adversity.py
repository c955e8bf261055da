"""What the runner does when the disk says no or lags, when senders misbehave, and when it is told to end."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway.edge import runner as module
from gateway.testing.carrier import FakeCarrier
from gateway.testing.stage import SPEED, a_stage, bodies


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


async def test_a_failed_commit_publishes_nothing_acknowledges_nothing_and_starts_over_from_the_ledger(
    path: Path,
) -> None:
    async with a_stage(path) as stage:
        stage.let_in()
        await stage.settled()
        acknowledged = list(stage.acknowledged)
        stage.alter("ALTER TABLE offers RENAME TO elsewhere")
        stage.report(gear=126)
        await stage.gate.until("hold")
        stage.runner.disconnected()
        assert stage.carrier.on("offers") == []
        assert stage.acknowledged == acknowledged
        assert stage.health.report()["ledger"] == "failing"
        stage.report(gear=126)
        await stage.gate.until("release")
        assert stage.health.report()["ledger"] == "ok"
        assert stage.count("commit_failures_total") == 1

        stage.alter("ALTER TABLE elsewhere RENAME TO offers")
        stage.runner.connected(stage.carrier)
        parked = stage.report(gear=126)
        await stage.settled()
        assert [body["action"] for body in bodies(stage.carrier.on("offers"))] == ["pastry"]
        assert stage.acknowledged == [*acknowledged, parked]
        assert stage.rows("SELECT count(*) FROM decisions") == [(1,)]


async def test_as_long_as_the_disk_says_no_it_is_tried_again(path: Path) -> None:
    async with a_stage(path) as stage:
        await stage.settled()
        stage.alter("ALTER TABLE meta RENAME TO elsewhere")
        stage.report(gear=126)
        await stage.runner._until(lambda: stage.count("commit_failures_total") >= 3)
        assert stage.gate.asked[-1] == "hold"
        stage.alter("ALTER TABLE elsewhere RENAME TO meta")

        await stage.gate.until("release")


async def test_a_ledger_that_cannot_be_read_is_a_failed_commit(path: Path) -> None:
    async with a_stage(path) as stage:
        await stage.settled()
        stage.alter("ALTER TABLE state RENAME TO elsewhere")
        present = {"state": "present", "role": "driver", "method": "key", "subject": "s.1"}
        number = stage.say("identity", present)
        assert stage.gate.asked == ["hold"]
        assert number not in stage.acknowledged
        # The disk can be written, but the state not read: that is no recovery yet.
        await stage.runner._until(lambda: stage.count("commit_failures_total") >= 3)
        assert "release" not in stage.gate.asked
        stage.alter("ALTER TABLE elsewhere RENAME TO state")

        await stage.gate.until("release")


async def test_what_is_owed_cannot_be_read_is_a_failed_commit(path: Path) -> None:
    async with a_stage(path) as stage:
        await stage.settled()
        stage.alter("ALTER TABLE offers RENAME TO elsewhere")
        stage.runner.connected(FakeCarrier())

        assert stage.gate.asked == ["hold"]


async def test_while_the_ledger_lags_routine_signals_give_way_and_nothing_else_does(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HOLD_AT", 1)
    monkeypatch.setattr(module, "GO_ON_AT", 0)
    async with a_stage(path) as stage:
        await stage.settled()
        stage.let_in()
        for speed in range(100):
            stage.report(speed=float(speed))
        last = stage.report(gear=126)
        assert stage.count("held_events") > 0
        await stage.runner._until(lambda: last in stage.acknowledged)

        assert stage.acknowledged == sorted(stage.acknowledged)
        assert len(stage.acknowledged) == last
        assert stage.count("conflated_signals_total") == 99
        assert len(stage.carrier.on("offers")) == 1
        assert stage.count("held_events") == 0


async def test_when_no_more_can_be_held_the_socket_is_read_no_more(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HOLD_AT", 1)
    monkeypatch.setattr(module, "GO_ON_AT", 0)
    monkeypatch.setattr("gateway.edge.ingest.KEPT_LIMIT", 3)
    async with a_stage(path) as stage:
        await stage.settled()
        for gear in (126, 127, 126, 127):
            stage.report(gear=gear)
        paused = stage.carrier.is_paused
        await stage.runner._until(lambda: len(stage.acknowledged) == 4)

        assert paused
        assert not stage.carrier.is_paused


async def test_draining_takes_nothing_in_publishes_what_is_owed_and_says_goodbye(path: Path) -> None:
    async with a_stage(path) as stage:
        stage.let_in()
        parked = stage.report(gear=126)
        draining = asyncio.create_task(stage.runner.drain())
        await stage.settled()
        late = stage.report(gear=127)
        await stage.carrier.until(lambda: len(stage.carrier.on("status")) == 2)
        assert not draining.done()
        stage.confirm_all()
        await draining

        assert parked in stage.acknowledged
        assert late not in stage.acknowledged
        assert [body["state"] for body in bodies(stage.carrier.on("status"))] == ["born", "gone"]
        assert stage.rows("SELECT publication FROM offers") == [("sent",)]


async def test_draining_ends_though_the_disk_says_no(path: Path) -> None:
    async with a_stage(path) as stage:
        await stage.settled()
        stage.alter("ALTER TABLE meta RENAME TO elsewhere")
        stage.report(gear=126)
        stage.runner.disconnected()

        await stage.runner.drain()
        assert stage.gate.asked == ["hold"]


async def test_nothing_a_sender_can_write_stops_the_gateway(path: Path, realdata: Path) -> None:
    conformance = realdata / "conformance"
    payloads = [file.read_bytes() for file in sorted((conformance / "json_parsing").rglob("n_*.json"))]
    naughty = json.loads((conformance / "naughty_strings" / "blns.json").read_text(encoding="utf-8"))
    assert len(payloads) > 100
    assert len(naughty) > 100
    async with a_stage(path) as stage:
        stage.let_in()
        for payload in payloads:
            for channel in ("telemetry", "identity", "outcomes", "consents", "status", "nonsense"):
                stage.runner.message(f"wayside/v1/car-1/{channel}", payload, None, retained=False)
        for text in naughty:
            stage.runner.message(f"wayside/v1/{text}/telemetry", text.encode("utf-8", "replace"), None, retained=False)
            stage.say("outcomes", {"offer_id": "o.nobody", "outcome": "declined", "detail": text})
            stage.say("telemetry", {"signals": {text: text, SPEED: text}})
        parked = stage.report(gear=126)
        await stage.settled()

        assert [body["action"] for body in bodies(stage.carrier.on("offers"))] == ["pastry"]
        assert stage.acknowledged == list(range(1, parked + 1))
        assert stage.count("dead_letters_total", reason="bad_json") > len(payloads)
        assert stage.gate.asked == []
