"""The log of a whole run, above DEBUG: people, places and payloads are not in it, whatever went wrong."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.events import Purpose, UnitKind
from gateway.edge import app
from gateway.edge.app import ExitCode
from gateway.edge.config import read_config
from gateway.edge.observe import configure_log
from gateway.testing.broker import ScriptedBroker
from gateway.testing.samples import T0
from gateway.wire.releases import build

CAMPAIGN = """\
campaign: stop
actions:
  - id: pastry
    kind: marketing
    audience: subject
    when: [{moment: Parked}]
    propensity: {prior: 0.9}
    value: 2.0
    annoyance: 0.1
    cap: {count: 1, within: 24 h}
    valid_for: 5 min
    treatments: [{placement: driver_screen, language: en, title: A pastry, body: Warm and sweet.}]
"""

CONFIG = """\
id = "gw-1"
data_dir = "data"
release = "release"
[broker]
port = {port}
username = "the-user"
password_file = "secret"
[http]
port = 0
[[units]]
id = "car-1"
kind = "car"
placements = ["driver_screen"]
"""

NEVER = ("s.anna", "47.3769", "8.5417", "card-4711", "Warm and sweet", "hush-hush", "so-secret", "evil", "the-user")
"""A subject, a place, a credential, an offer's text, the password, and words out of payloads, topics and the broker."""


pytestmark = pytest.mark.usefixtures("own_log")


def _messages() -> Iterator[tuple[str, bytes]]:
    stamp = {"ts_ms": time.time_ns() // 1_000_000}

    def said(channel: str, name: str, **body: object) -> tuple[str, bytes]:
        return f"wayside/v1/car-1/{channel}", json.dumps({"id": name, **stamp, **body}).encode()

    for purpose in Purpose:
        notice = {"id": "n1", "version": "1", "language": "en"}
        yield said("consents", f"c-{purpose}", holder="s.anna", purpose=purpose, state="given", notice=notice)
    yield said("identity", "i1", state="present", role="driver", method="card", credential="card-4711")
    yield said("identity", "i2", state="present", role="driver", method="key", subject="s.anna")
    place = {"Vehicle.CurrentLocation.Latitude": 47.3769, "Vehicle.CurrentLocation.Longitude": 8.5417}
    yield said("telemetry", "t1", signals={**place, "Vehicle.Powertrain.Transmission.SelectedGear": 126})
    yield said("telemetry", "t2", signals={**place, "Vehicle.Speed": "so-secret"})
    yield said("outcomes", "x1", offer_id="so-secret", outcome="accepted")
    for wrong in (b"so-secret", b'{"so-secret": 47.3769}', b"\xff", b"[" * 100_000, b"x" * 300_000):
        yield "wayside/v1/car-1/telemetry", wrong
        yield "wayside/v1/car-1/consents", wrong
    yield "wayside/v1/car-1/evil/so-secret", b"{}"
    yield "evil", b"{}"


async def test_it_names_no_person_place_or_payload(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "stop.yaml").write_text(CAMPAIGN)
    (tmp_path / "secret").write_text("hush-hush\n")
    build(
        tmp_path / "release",
        id="r1",
        counter=1,
        created=T0,
        campaigns=[tmp_path / "stop.yaml"],
        fences=[],
        models=[],
        unit_kinds=[UnitKind.CAR],
    )
    configure_log("info", "json")
    async with ScriptedBroker(connack=[135, 0], puback=135) as broker:
        (tmp_path / "gateway.toml").write_text(CONFIG.format(port=broker.port))
        serving = asyncio.create_task(app._serve(read_config(tmp_path / "gateway.toml"), tmp_path / "gateway.toml"))
        await broker.until(lambda: len(broker.published) == 1)
        for number, (topic, payload) in enumerate(_messages(), start=1):
            broker.deliver(topic, payload, packet_id=number)
        await broker.until(lambda: any(each.topic.endswith("/offers") for each in broker.published))
        os.kill(os.getpid(), signal.SIGTERM)
        assert await serving == ExitCode.OK
    said = "".join(capsys.readouterr())
    lines = [json.loads(line) for line in said.splitlines()]

    assert b"Warm and sweet" in b"".join(each.payload for each in broker.published)
    assert [word for word in NEVER if word in said] == []
    events = {line["event"] for line in lines}
    assert events >= {"broker_refused", "connected", "decision", "messages_refused", "publications_refused", "stopped"}
    refused = [line for line in lines if line["event"] == "messages_refused"]
    reasons = {line["reason"] for line in refused}
    assert all(sum(line["reason"] == reason for line in refused) <= 2 for reason in reasons), "the first, and the rest"
    assert {line["unit"] for line in refused} <= {"car-1", None}
