"""The process as a whole: what stops it from starting, what ends it, and how."""

import asyncio
import json
import os
import signal
import sqlite3
import threading
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
import structlog

from gateway.core.events import UnitKind
from gateway.edge import app
from gateway.edge.app import ExitCode
from gateway.edge.config import read_config
from gateway.edge.http import HttpServer
from gateway.edge.observe import Health, Metrics, configure_log
from gateway.edge.runner import Runner
from gateway.edge.store import schema
from gateway.edge.store.rows import Transaction
from gateway.edge.store.session import Session
from gateway.testing import broker as wire
from gateway.testing.broker import ScriptedBroker
from gateway.testing.samples import T0
from gateway.wire.releases import build

CAMPAIGN = """\
campaign: warn
actions:
  - id: pressure
    kind: safety
    audience: anyone
    when: [{moment: TyrePressureLow}]
    propensity: {prior: 0.9}
    value: 1.0
    annoyance: 0.0
    valid_for: 5 min
    treatments: [{placement: passenger_screen, language: en, title: Low, body: Check your tyres.}]
"""

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
placements = ["passenger_screen"]
"""


pytestmark = pytest.mark.usefixtures("own_log")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "warn.yaml").write_text(CAMPAIGN, encoding="utf-8")
    build(
        tmp_path / "release",
        id="r1",
        counter=1,
        created=T0,
        campaigns=[tmp_path / "warn.yaml"],
        fences=[],
        models=[],
        unit_kinds=[UnitKind.CAR],
    )
    return tmp_path


def _configure(folder: Path, port: int = 1, http: int = 0, more: str = "") -> Path:
    file = folder / "gateway.toml"
    file.write_text(more + CONFIG.format(port=port, http=http), encoding="utf-8")
    return file


def _serve(file: Path) -> "asyncio.Task[ExitCode]":
    return asyncio.create_task(app._serve(read_config(file), file))


def _terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_wrong_configuration_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = app.run(_configure(folder, more='colour = "red"\n'))

    assert code == 2
    assert capsys.readouterr().err.strip().endswith("gateway.toml: colour: unknown key")


def test_a_missing_release_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = app.run(_configure(tmp_path))

    assert code == 3
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_broken_release_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "release" / "campaigns" / "warn.json").write_text("{}", encoding="utf-8")

    assert app.run(_configure(folder)) == ExitCode.BAD_RELEASE
    assert capsys.readouterr().err.startswith("wayside: ")


def test_a_newer_ledger_is_refused_and_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "data" / "ledger.db"
    schema.prepare(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=99")
        connection.execute("DELETE FROM meta WHERE name = 'version'")
        connection.commit()

    assert app.run(_configure(folder)) == 4
    assert "install a newer one" in capsys.readouterr().err
    assert not path.with_name("ledger.db.bad-1").exists()


def test_a_data_folder_that_cannot_be_made_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "data").write_text("a file", encoding="utf-8")

    assert app.run(_configure(folder, more='credential_key_file = "key"\n')) == ExitCode.BAD_LEDGER
    assert "cannot be used" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("broker", "said"),
    [
        ('host = "a..b"', "broker.host: 'a..b' is no host"),
        ('username = "gw"\npassword_file = "absent"', "absent: broker.password_file: cannot be read"),
        ('[broker.tls]\nca_file = "absent"', "absent: broker.tls.ca_file: cannot be read"),
    ],
)
def test_what_connecting_needs_is_tried_at_the_start(
    folder: Path, capsys: pytest.CaptureFixture[str], broker: str, said: str
) -> None:
    file = _configure(folder)
    file.write_text(file.read_text(encoding="utf-8").replace("port = 1\n", f"port = 1\n{broker}\n"), encoding="utf-8")

    assert app.run(file) == ExitCode.BAD_CONFIG
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


async def test_a_password_of_the_environment_is_sent_and_never_told(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WAYSIDE_BROKER__USERNAME", "gw")
    monkeypatch.setenv("WAYSIDE_BROKER__PASSWORD", "12-not-to-be-told")
    configure_log("debug", "json")
    async with ScriptedBroker(connack=[135, 0]) as broker:
        file = _configure(folder, broker.port)
        serving = _serve(file)
        await broker.until(lambda: len(broker.published) == 1)
        _terminate()
        await serving

    assert broker.of_kind(wire.CONNECT)[1].body.endswith(b"\x00\x02gw\x00\x1112-not-to-be-told")
    said = "".join(capsys.readouterr()) + repr(read_config(file)) + read_config(file).model_dump_json()
    assert "broker_refused" in said
    assert "12-not-to-be-told" not in said


def test_a_taken_port_is_named_by_its_key(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = HttpServer("127.0.0.1", 0, Metrics().registry, Health())
    code = app.run(_configure(folder, http=other.port))
    other.close()

    assert code == ExitCode.BAD_CONFIG
    assert "http.port" in capsys.readouterr().err


async def test_it_runs_until_it_is_told_to_stop(folder: Path) -> None:
    async with ScriptedBroker() as broker:
        serving = _serve(_configure(folder, broker.port))
        await broker.until(lambda: len(broker.published) == 1)
        _terminate()
        assert await serving == ExitCode.OK

    assert [json.loads(each.payload)["state"] for each in broker.published] == ["born", "gone"]
    assert len(broker.of_kind(wire.DISCONNECT)) == 1


async def test_it_ends_in_time_though_the_broker_answers_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "DRAIN_WITHIN_S", 0.05)
    async with ScriptedBroker(puback=None) as broker:
        serving = _serve(_configure(folder, broker.port))
        await broker.until(lambda: len(broker.published) == 1)
        _terminate()

        assert await serving == ExitCode.OK


async def test_without_http_it_serves_none(folder: Path) -> None:
    async with ScriptedBroker() as broker:
        file = _configure(folder, broker.port)
        file.write_text(file.read_text(encoding="utf-8").replace("port = 0", "enabled = false"), encoding="utf-8")
        serving = _serve(file)
        await broker.until(lambda: len(broker.published) == 1)
        _terminate()

        assert await serving == ExitCode.OK


async def test_a_quarantined_ledger_is_told_of(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "ledger.db").write_bytes(b"damaged" * 1000)
    async with ScriptedBroker() as broker:
        serving = _serve(_configure(folder, broker.port))
        await broker.until(lambda: len(broker.published) == 1)
        _terminate()
        await serving

    assert json.loads(broker.published[0].payload)["health"] == "degraded"
    assert (folder / "data" / "ledger.db.bad-1").exists()


async def test_a_unit_the_release_was_not_made_for_is_told_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory())
    async with ScriptedBroker() as broker:
        file = _configure(folder, broker.port)
        file.write_text(file.read_text(encoding="utf-8").replace('"car"', '"beacon"'), encoding="utf-8")
        serving = _serve(file)
        await broker.until(lambda: len(broker.published) == 1)
        _terminate()
        await serving

    assert "release_not_for_unit" in capsys.readouterr().out


async def test_a_disk_that_does_not_answer_keeps_nobody_from_ending(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = threading.Event()
    commit = Session.commit

    def slow(session: Session, transactions: list[Transaction]) -> None:
        stuck.wait(10)
        commit(session, transactions)

    monkeypatch.setattr(Session, "commit", slow)
    monkeypatch.setattr(app, "DRAIN_WITHIN_S", 0.05)
    monkeypatch.setattr(app, "CLOSE_WITHIN_S", 0.05)
    async with ScriptedBroker() as broker:
        serving = _serve(_configure(folder, broker.port))
        await broker.until(lambda: len(broker.published) == 1)
        _terminate()
        code = await serving
        stuck.set()

    assert code == ExitCode.OK


async def test_a_bug_of_ours_ends_the_process_loudly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise AssertionError("our bug")

    monkeypatch.setattr(Runner, "message", broken)
    async with ScriptedBroker() as broker:
        serving = _serve(_configure(folder, broker.port))
        await broker.until(lambda: len(broker.published) == 1)
        broker.deliver("wayside/v1/car-1/telemetry", b"{}")
        with pytest.raises(AssertionError, match="our bug"):
            await serving


async def test_a_bug_in_the_link_ends_the_process_loudly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise AssertionError("our bug")

    monkeypatch.setattr(Runner, "connected", broken)
    async with ScriptedBroker() as broker:
        with pytest.raises(AssertionError, match="our bug"):
            await _serve(_configure(folder, broker.port))


async def test_a_fault_in_a_task_of_the_library_ends_nothing(folder: Path) -> None:
    async with ScriptedBroker() as broker:
        serving = _serve(_configure(folder, broker.port))
        await broker.until(lambda: len(broker.published) == 1)
        context = {"message": "never retrieved", "exception": OSError("gone"), "task": serving}
        asyncio.get_running_loop().call_exception_handler(context)
        _terminate()

        assert await serving == ExitCode.OK


async def test_readiness_is_served_while_it_runs(folder: Path) -> None:
    probe = HttpServer("127.0.0.1", 0, Metrics().registry, Health())
    port = probe.port
    probe.close()

    def ready() -> int:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
        connection.close()
        return status

    async with ScriptedBroker() as broker:
        serving = _serve(_configure(folder, broker.port, port))
        await broker.until(lambda: len(broker.published) == 1)
        status = await asyncio.to_thread(ready)
        _terminate()
        await serving

    assert status == 200
