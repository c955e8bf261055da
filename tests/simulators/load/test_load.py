"""The whole tool against a real broker: it counts exactly what a consumer does, and measures a real gateway."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from typer.testing import CliRunner, Result

from gateway.cli.command import app
from gateway.core.events import UnitKind
from gateway.testing.mosquitto import Mosquitto
from gateway.testing.process import GatewayProcess
from gateway.testing.samples import T0
from gateway.wire.releases import build
from simulators.load import Plan, Schedule, run

CAMPAIGN = """\
campaign: load
actions:
  - id: pastry
    kind: marketing
    audience: subject
    when: [{moment: Parked}]
    propensity: {prior: 0.6}
    value: 2.0
    annoyance: 0.2
    cap: unlimited
    treatments:
      - {placement: driver_screen, language: en, title: A pastry, body: Warm.}
"""

UNITS = 3

CONFIG = """\
id = "gw-1"
data_dir = "data"
release = "release"
[broker]
host = "{host}"
port = {port}
[http]
enabled = false
"""
UNIT = '[[units]]\nid = "car-{number}"\nkind = "car"\nplacements = ["driver_screen"]\n'


@dataclass
class StandIn:
    """A consumer that offers something whenever a trigger comes; what it does wrong, it does on purpose.

    Attributes:
        drops: Units it does not answer.
        doubles: Units it tells the same offer twice.
        adds: Units it makes another offer beside.
    """

    broker: Mosquitto
    trigger: bytes
    filter: str = "wayside/v1/+/telemetry"
    answers_on: str = "wayside/v1/{unit}/offers"
    drops: frozenset[str] = frozenset()
    doubles: frozenset[str] = frozenset()
    adds: frozenset[str] = frozenset()
    heard: int = 0
    _listening: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe(self.filter, qos=1)
        self._client.on_subscribe = lambda *_: self._listening.set()
        self._client.on_message = self._answer
        self._client.connect(self.broker.host, self.broker.port)
        self._client.loop_start()
        assert self._listening.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _answer(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        self.heard += 1
        unit = message.topic.split("/")[self.filter.split("/").index("+")]
        if self.trigger not in message.payload or unit in self.drops:
            return
        for offer in [f"o.{self.heard}"] * (1 + (unit in self.doubles)) + [f"x.{self.heard}"] * (unit in self.adds):
            self._client.publish(self.answers_on.format(unit=unit), json.dumps({"id": offer}), qos=1)


def _load(mosquitto: Mosquitto, *arguments: str) -> Result:
    called = ["simulate", "load", "--port", str(mosquitto.port), "--settle-s", "0", *arguments]
    return CliRunner().invoke(app, called, catch_exceptions=False)


def test_what_a_consumer_drops_doubles_and_adds_is_counted_exactly(mosquitto: Mosquitto) -> None:
    said = list[tuple[int, int]]()
    plan = Plan(
        Schedule(400, 1.5, units=100, offers_every_s=0.05),
        mosquitto.host,
        mosquitto.port,
        qos=1,
        patience_s=5.0,  # a machine that stalls for less loses nothing by it
        settle_s=0.1,
    )
    with StandIn(
        mosquitto,
        b'"OFF"',
        drops=frozenset({"car-2", "car-9"}),
        doubles=frozenset({"car-3"}),
        adds=frozenset({"car-4", "car-5"}),
    ) as consumer:
        report = run(plan, lambda passed_ms, total_ms: said.append((passed_ms, total_ms)))
    offers = report.offers
    assert (offers.triggers, offers.offered, offers.lost) == (30, 28, 2)
    assert (offers.duplicates, offers.unexpected, offers.late, offers.withdrawn) == (1, 2, 0, 0)
    assert offers.latency is not None
    assert offers.latency.count == 28
    assert (report.sent.messages, report.sent.unsent, report.sent.unacknowledged) == (600, 0, 0)
    assert consumer.heard == 600
    assert report.sent.acknowledged is not None
    assert report.sent.acknowledged.count == 600
    assert not report.nothing_lost
    assert said
    assert all(0 <= passed_ms <= total_ms == 1_500 for passed_ms, total_ms in said)


def test_any_consumer_is_driven_by_templates(mosquitto: Mosquitto) -> None:
    with StandIn(mosquitto, b'"lon": 8.5', filter="fix/+", answers_on="alert/all/{unit}") as rival:
        result = _load(
            mosquitto,
            *("--rate", "100", "--seconds", "1", "--units", "2", "--offers-every", "0.25", "--unit-prefix", "bus-"),
            *("--topic", "fix/{unit}", "--payload", '{"lon": 8.1, "n": {n}}'),
            *("--arming", '{"lon": 8.1}', "--trigger", '{"lon": 8.5}'),
            *("--offer-topic", "alert/all/+", "--json"),
        )
    told = json.loads(result.output)
    assert result.exit_code == 0, result.output
    assert (told["offers"]["triggers"], told["offers"]["offered"], rival.heard) == (4, 4, 100)
    assert told["nothing_lost"]


def test_a_load_may_be_sent_without_asking_for_offers(mosquitto: Mosquitto) -> None:
    result = _load(mosquitto, "--rate", "200", "--seconds", "0.5", "--qos", "1", "--offers-every", "0")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("100 messages of 20 units at QoS 1")
    assert "triggers" not in result.output


def test_what_nobody_answers_is_lost_and_fails_the_command(mosquitto: Mosquitto) -> None:
    result = _load(mosquitto, "--rate", "100", "--seconds", "0.5", "--offers-every", "0.25", "--patience-s", "0.1")
    assert result.exit_code == 1
    assert "2 triggers: 0 offered, 2 lost" in result.output
    assert "No trigger was answered." in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--host", "192.0.2.1"), "192.0.2.1 is not this machine"),
        (("--rate", "0"), "the rate must be 1 to 200,000"),
        (("--qos", "2"), "QoS 0 or 1"),
        (("--units", "1", "--patience-s", "5"), "name more units or less patience"),
    ],
)
def test_what_cannot_be_run_is_refused_in_a_sentence(arguments: tuple[str, ...], says: str) -> None:
    result = CliRunner().invoke(app, ["simulate", "load", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert says in result.output


@pytest.fixture
def gateway(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[GatewayProcess]:
    """A gateway that serves a few cars and offers something whenever one parks."""
    (tmp_path / "load.yaml").write_text(CAMPAIGN)
    build(
        tmp_path / "release",
        id="load-1",
        counter=1,
        created=T0,
        campaigns=[tmp_path / "load.yaml"],
        fences=[],
        models=[],
        unit_kinds=[UnitKind.CAR],
    )
    units = "".join(UNIT.format(number=number + 1) for number in range(UNITS))
    config = tmp_path / "gateway.toml"
    config.write_text(CONFIG.format(host=mosquitto.host, port=mosquitto.port) + units)
    with GatewayProcess(config) as started:
        started.await_event("connected")
        yield started


@pytest.mark.usefixtures("gateway")
def test_a_gateway_answers_each_trigger_once_under_load(mosquitto: Mosquitto) -> None:
    schedule = Schedule(500, 2, units=UNITS, offers_every_s=0.5)
    plan = Plan(schedule, mosquitto.host, mosquitto.port, patience_s=1.5, settle_s=0.5)
    report = run(plan)
    assert (report.offers.triggers, report.offers.offered) == (4, 4)
    assert report.nothing_lost
    assert report.sent.messages == 1_000
