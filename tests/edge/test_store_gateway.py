"""A gateway whose ledger was damaged: it comes up, says so, and shows nobody what they may not have agreed to."""

import asyncio
import json
import os
import shutil
import signal
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from gateway.core.events import UnitKind
from gateway.edge import app
from gateway.edge.config import read_config
from gateway.edge.http import HttpServer
from gateway.edge.observe import Health, Metrics
from gateway.edge.store.check import Finding, look_over
from gateway.edge.store.mark import mark_of
from gateway.edge.store.tables import VERSION
from gateway.testing.broker import ScriptedBroker
from gateway.testing.clock import FakeClock
from gateway.testing.decay import let_decay
from gateway.testing.samples import T0
from gateway.testing.stage import Stage, a_stage, bodies
from gateway.wire.releases import build

CONFIG = """\
id = "gw-1"
data_dir = "data"
release = "release"
[broker]
port = {port}
[http]
port = {http}
[[units]]
id = "car-1"
kind = "car"
placements = ["driver_screen"]
"""


pytestmark = pytest.mark.usefixtures("own_log")


async def _live(path: Path, *, copy_to: Path | None = None) -> None:
    """Let somebody agree to everything, get an offer, and withdraw one purpose; they stay at the wheel."""
    async with a_stage(path) as stage:
        stage.let_in("s.1")
        stage.report(gear=126)
        await stage.settled()
        assert len(stage.carrier.on("offers")) == 1
        if copy_to is not None:
            shutil.copytree(path.parent, copy_to)
        stage.say("consents", {"holder": "s.1", "purpose": "offer_display", "state": "withdrawn"})
        await stage.settled()


async def _marketing_for(stage: Stage, subject: str) -> list[object]:
    """Let somebody take the wheel, drive and park: what an offer would follow from."""
    stage.say("identity", {"state": "present", "role": "driver", "method": "key", "subject": subject})
    stage.report(gear=127)
    assert isinstance(stage.clock, FakeClock)
    stage.clock.advance(60_000)
    stage.report(gear=126)
    await stage.settled()
    return [body for body in bodies(stage.carrier.on("offers")) if not body.get("withdrawn")]


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM state WHERE item LIKE 'offer_display/withdrawn/%'",
        "UPDATE state SET value = replace(value, 'false', 'truth') WHERE item LIKE 'offer_display/withdrawn/%'",
        "DELETE FROM tally",
        "UPDATE meta SET value = 'x' WHERE name = 'epoch'",
        "DROP TABLE consents",
    ],
)
async def test_no_marketing_follows_for_somebody_whose_consent_cannot_be_proven(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "ledger.db"
    await _live(path)
    let_decay(path, harm)

    async with a_stage(path, clock=FakeClock(T0 + 600_000)) as stage:
        assert stage.carrier.on("offers") == []
        assert await _marketing_for(stage, "s.1") == []
        (refused,) = {reason for (reason,) in stage.rows(_REFUSALS)}
        assert refused == "no_consent"
    assert path.with_name("ledger.db.bad-1").exists()
    assert look_over(path) == Finding(VERSION)


_REFUSALS = (
    "SELECT json_extract(verdict.value, '$.refusal.reason') FROM decisions, json_each(trace, '$.verdicts') AS verdict"
    " WHERE chosen IS NULL AND at_ms >= 1700000600000 AND decisions.id LIKE '%' || (SELECT substr(value, 1, 8)"
    " FROM meta WHERE name = 'epoch') || '%'"
)


async def test_a_withdrawal_that_a_restored_copy_forgot_is_not_undone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "ledger.db"
    path.parent.mkdir()
    await _live(path, copy_to=tmp_path / "copy")
    for name in ("ledger.db", "ledger.db-wal"):
        path.with_name(name).unlink(missing_ok=True)
        shutil.copy(tmp_path / "copy" / name, path.with_name(name))

    async with a_stage(path, clock=FakeClock(T0 + 600_000)) as stage:
        assert await _marketing_for(stage, "s.1") == []


async def test_who_agrees_anew_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    await _live(path)
    let_decay(path, "DELETE FROM tally")

    async with a_stage(path, clock=FakeClock(T0 + 600_000)) as stage:
        stage.let_in("s.2")
        assert len(await _marketing_for(stage, "s.2")) == 1


async def test_damage_elsewhere_costs_nobody_their_consent(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    async with a_stage(path) as stage:
        stage.let_in("s.1")
        stage.report(gear=126)
        await stage.settled()
        stage.confirm_all()
        await stage.settled()
    let_decay(path, "UPDATE decisions SET trace = replace(trace, 'Parked', 'Perked')")

    async with a_stage(path, clock=FakeClock(T0 + 600_000)) as stage:
        assert len(await _marketing_for(stage, "s.1")) == 1


async def test_it_comes_up_and_tells_what_was_lost_of_each_table(tmp_path: Path) -> None:
    nothing: list[Path] = []
    build(
        tmp_path / "release",
        id="r1",
        counter=1,
        created=T0,
        campaigns=nothing,
        fences=nothing,
        models=nothing,
        unit_kinds=[UnitKind.CAR],
    )
    path = tmp_path / "data" / "ledger.db"
    path.parent.mkdir()
    await _live(path)
    mark_of(path).unlink()
    let_decay(path, "UPDATE decisions SET trace = replace(trace, 'Parked', 'Perked')")
    port = _free_port()
    file = tmp_path / "gateway.toml"

    async with ScriptedBroker() as broker:
        file.write_text(CONFIG.format(port=broker.port, http=port), encoding="utf-8")
        serving = asyncio.create_task(app._serve(read_config(file), file))
        await broker.until(lambda: bool(_statuses(broker)))
        status, said = await asyncio.to_thread(_ask, port)
        os.kill(os.getpid(), signal.SIGTERM)
        await serving

    assert _statuses(broker)[0]["health"] == "degraded"
    assert (status, said["ledger"]) == (200, "quarantined")
    salvage = said["salvage"]
    assert isinstance(salvage, dict)
    assert (salvage["file"], salvage["fault"], salvage["complete"]) == ("ledger.db.bad-1", "damaged", True)
    assert salvage["tables"]["decisions"] == {"taken": 0, "lost": 1, "dropped": 0}
    assert salvage["tables"]["consents"]["lost"] == 0


def _statuses(broker: ScriptedBroker) -> list[dict[str, object]]:
    return [json.loads(each.payload) for each in broker.published if each.topic.endswith("/status")]


def _free_port() -> int:
    probe = HttpServer("127.0.0.1", 0, Metrics().registry, Health())
    port = probe.port
    probe.close()
    return port


def _ask(port: int) -> tuple[int, dict[str, object]]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
