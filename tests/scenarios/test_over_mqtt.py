"""The starred scenarios end to end: units that speak MQTT, a real broker, the gateway's own process and its ledger.

Each story is played twice: through the engine, as every scenario is, and through the broker. What was published and
what the ledger recorded must be what the engine decided, decision by decision, with every reason.
"""

import json
import os
import queue
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

import pytest

from gateway.cli.scenarios import Desk
from gateway.core.effects import Decision, OfferMade, OfferWithdrawn
from gateway.core.events import (
    ConsentChanged,
    Event,
    FactsChanged,
    ListPrepared,
    OutcomeReported,
    PositionReported,
    SignalsReported,
    SubjectIdentified,
    SubjectLeft,
    UnitKind,
    UnitLost,
    UnitRegistered,
)
from gateway.core.units import DAY_MS, Instant
from gateway.edge.scenario.casting import KEY, PLACEMENTS
from gateway.edge.scenario.playing import Call, Played, models_of, play, properties_of, seen
from gateway.edge.scenario.reading import read_scenario
from gateway.edge.scenario.story import Case, Clock, Hears, PlaceGiven, UnitGiven
from gateway.edge.scenario.verifying import verify
from gateway.edge.store.rows import decision_from
from gateway.testing.mosquitto import Mosquitto
from gateway.testing.process import UNMEASURED
from gateway.testing.stranger import Message, Stranger
from gateway.wire.releases import build
from geofences.compiler import compile_fences

HERE = Path(__file__).parent
GATEWAY = "gw-story"
DEADLETTER = f"wayside/v1/{GATEWAY}/deadletter"
STATUS = f"wayside/v1/{GATEWAY}/status"
PATIENCE_S = 30.0
CONFIG = """\
id = "gw-story"
data_dir = "data"
release = "release"
credential_key_file = "credential.key"
[broker]
port = {port}
[http]
enabled = false
"""
STARRED = ("a1-fuel-stop", "a2-attention-window", "b1-abandoned-basket", "b2-thank-you", "b3-card-at-the-gate")
FULL = os.environ.get("WAYSIDE_SCENARIOS") == "full"
"""Every story of every scenario is told over MQTT, not the first of each starred one."""

pytestmark = pytest.mark.mosquitto


def _is_beyond_units(case: Case) -> bool:
    """Return whether it tells of what no unit says on MQTT: what a scanner hears, how the gateway's clock is."""
    return any(isinstance(happening, Hears | Clock) for entry in case.story for happening in entry.happenings)


def _stories() -> Iterator[tuple[Path, Case]]:
    for path in sorted(HERE.glob("*.yaml")):
        cases = [case for case in read_scenario(path).cases if not _is_beyond_units(case)]
        told = cases if FULL else cases[:1] if path.stem in STARRED else []
        yield from ((path, case) for case in told)


@pytest.mark.parametrize(
    ("path", "case"), [pytest.param(path, case, id=f"{path.stem}:{case.line}") for path, case in _stories()]
)
def test_a_gateway_decides_and_publishes_over_mqtt_what_the_engine_decides(
    path: Path, case: Case, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    played = play(path, case, Desk())
    assert [each for judged in verify(played) if judged for each in judged.differences] == []
    with _Street(played, mosquitto, tmp_path) as street:
        street.walk()
    assert street.published == list(_published(played))
    decided = seen([*played.before, *(call for scene in played.scenes for call in scene.calls)]).decisions
    assert [_worded(decision) for decision in street.recorded()] == [_worded(decision) for decision in decided]


def _published(played: Played) -> Iterator[str]:
    """Yield each offer and withdrawal, as the units are to receive them."""
    actions: dict[str, str] = {}
    for scene in played.scenes:
        for effect in (effect for call in scene.calls for effect in call.effects):
            if isinstance(effect, OfferMade):
                actions[effect.offer.id] = effect.offer.action
                yield f"{effect.offer.action}: {effect.offer.title} / {effect.offer.body}"
            elif isinstance(effect, OfferWithdrawn):
                yield f"{actions[effect.offer]}: withdrawn, {effect.reason}"


def _worded(decision: Decision) -> dict[str, object]:
    """Return a decision but for the ids, which are those of another ledger."""
    return {
        "unit": decision.unit,
        "at": decision.at,
        "holder": decision.holder,
        "moments": list(decision.moments),
        "chosen": decision.chosen,
        "verdicts": [
            (v.action, v.placement.value, v.refusal and (v.refusal.stage.value, v.refusal.reason), v.net_value)
            for v in decision.verdicts
        ],
    }


class _Street:
    """A gateway's process at a broker, and the units of a story, which say over MQTT what the engine heard.

    Attributes:
        published: Each offer and withdrawal, as the units received them.
    """

    def __init__(self, played: Played, broker: Mosquitto, folder: Path) -> None:
        self.published: list[str] = []
        self._played = played
        self._given = played.case.given
        self._broker = broker
        self._folder = folder
        self._clock = folder / "clock"
        self._said = 0
        self._offers: dict[str, str] = {}
        self._actions: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._show(self._played.casting.begin())
        config = self._configure()
        topics = [f"wayside/v1/{unit}/offers" for unit in self._given.units]
        with ExitStack() as stack:
            self._stranger = stack.enter_context(
                Stranger(self._broker.host, self._broker.port, STATUS, DEADLETTER, *topics)
            )
            log = stack.enter_context((self._folder / "gateway.log").open("wb"))
            self._process = subprocess.Popen(
                [sys.executable, HERE / "gateway_on_story_time.py", config, self._clock],
                env={**os.environ, **UNMEASURED, "PYTHONPATH": str(HERE.parents[1])},
                stderr=log,
            )
            stack.callback(self._end)
            self._stranger.expect(STATUS, lambda message: bool(message.body["state"] == "born"))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def walk(self) -> None:
        """Say all that the story tells, each thing at its time, and hear what comes of it."""
        self._take(self._played.casting.begin(), self._played.before)
        for scene in self._played.scenes:
            for call in scene.calls:
                if call.event is None:
                    self._take(call.now, [call])
            self._take(scene.now, [call for call in scene.calls if call.event is not None])
        self._process.terminate()
        assert self._process.wait(PATIENCE_S) == 0

    def recorded(self) -> list[Decision]:
        """Return the decisions in the ledger."""
        with closing(sqlite3.connect(f"file:{self._folder / 'data' / 'ledger.db'}?mode=ro", uri=True)) as ledger:
            return [decision_from(trace) for (trace,) in ledger.execute("SELECT trace FROM decisions ORDER BY rowid")]

    def _take(self, now: Instant, calls: Sequence[Call]) -> None:
        """Let one scene happen, and wait until all of it has been taken in and what follows has come."""
        self._show(now)
        for call in calls:
            for topic, body in _messages(call.event, self._played, self._offers):
                self._stranger.say(topic, body)
        owed = [effect for call in calls for effect in call.effects if isinstance(effect, OfferMade | OfferWithdrawn)]
        last, taken_in = self._say_nothing(now), False
        while not taken_in or len(self.published) < self._due + len(owed):
            message = self._next()
            if message.topic == DEADLETTER:
                # Stories have units say things that are refused, too.
                taken_in = taken_in or message.body["sha256"] == last
            elif message.topic.endswith("/offers"):
                self._receive(message.body, owed)
        self._due += len(owed)

    _due = 0

    def _receive(self, body: Mapping[str, Any], owed: Sequence[OfferMade | OfferWithdrawn]) -> None:
        number = len(self.published) - self._due
        assert number < len(owed), f"nobody expected {body}"
        effect = owed[number]
        if isinstance(effect, OfferMade) and "action" in body:
            self._offers[effect.offer.id] = body["id"]
            self._actions[body["id"]] = body["action"]
        gone = f"withdrawn, {body['reason']}" if body.get("withdrawn") else f"{body['title']} / {body['body']}"
        self.published.append(f"{self._actions[body['id']]}: {gone}")

    def _next(self) -> Message:
        try:
            return self._stranger._came.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise AssertionError(f"no more than this was published: {self.published}") from None

    def _say_nothing(self, now: Instant) -> str:
        """Say something that changes nothing and is answered by a dead letter: all before it has then been taken in."""
        unit = next(iter(self._given.units))
        self._said += 1
        report = {"id": f"last.{self._said}", "ts_ms": now, "offer_id": "o.nobody.1", "outcome": "seen"}
        payload = json.dumps(report).encode()
        self._stranger.say(f"wayside/v1/{unit}/outcomes", payload)
        return sha256(payload).hexdigest()

    def _show(self, now: Instant) -> None:
        """Let the gateway's clock show an instant. Eight bytes are written at once."""
        self._clock.touch()
        with self._clock.open("r+b") as file:
            file.write(now.to_bytes(8, "big"))

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()

    def _configure(self) -> Path:
        """Build the story's release, and write the configuration of a gateway that decides with it."""
        given, path, begin = self._given, self._played.path, self._played.casting.begin()
        places = self._folder / "places.geojson"
        features = [_feature(name, place, given.zone or "UTC") for name, place in given.places.items()]
        places.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
        fences = [self._folder / "places.gpkg"] if features else []
        if features:
            compile_fences(places, fences[0])
        build(
            self._folder / "release",
            id="scenario",
            counter=1,
            created=begin - DAY_MS,
            campaigns=given.campaigns or (),
            fences=fences,
            models=list(models_of(path, given, Desk()).values()),
            unit_kinds=list(UnitKind),
        )
        key = self._folder / "credential.key"
        key.touch(mode=0o600)
        key.write_bytes(KEY)
        config = self._folder / "gateway.toml"
        units = [_unit(name, unit, given.zone or "UTC") for name, unit in given.units.items()]
        config.write_text(CONFIG.format(port=self._broker.port) + "".join(units), encoding="utf-8")
        return config


def _feature(name: str, place: PlaceGiven, zone: str) -> dict[str, object]:
    geometry = {"type": "Point", "coordinates": place.at}
    return {"type": "Feature", "properties": properties_of(name, place, zone), "geometry": geometry}


def _unit(name: str, unit: UnitGiven, zone: str) -> str:
    kind = unit.kind or UnitKind.CAR
    placements = json.dumps([placement.value for placement in unit.shows_on or PLACEMENTS[kind]])
    guests = str(bool(unit.guests)).lower()
    return (
        f'[[units]]\nid = "{name}"\nkind = "{kind}"\nplacements = {placements}\n'
        f'language = "{unit.language or "en"}"\ncontextual_offers = {guests}\ntime_zone = "{zone}"\n'
    )


def _messages(
    event: Event | None, played: Played, offers: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield topic and body of the messages by which a unit says what the engine heard."""
    if event is None or isinstance(event, UnitRegistered):
        return
    channel, body = _said(event, played, offers)
    said = {"id": getattr(event, "id", None), "ts_ms": event.ts, **body}
    yield f"wayside/v1/{event.unit}/{channel}", {name: value for name, value in said.items() if value is not None}


def _said(event: Event, played: Played, offers: Mapping[str, str]) -> tuple[str, dict[str, object]]:  # noqa: PLR0911 -- one case for each
    match event:
        case SignalsReported():
            return "telemetry", {"signals": dict(event.signals)}
        case PositionReported():
            return "telemetry", {"signals": dict(_fix(event))}
        case SubjectIdentified():
            who = _who(event.subject, played)
            return "identity", {"state": "present", "role": event.role, "method": event.method, **who}
        case SubjectLeft():
            return "identity", {"state": "left", "role": event.role}
        case ConsentChanged():
            notice = {"id": "n1", "version": "1", "language": "en"}
            state = "given" if event.given else "withdrawn"
            about = {"holder": event.holder, "purpose": event.purpose, "state": state, "notice": notice}
            return "consents", {**about, "supersedes": event.supersedes, "valid_until_ms": event.valid_until}
        case FactsChanged():
            who = _who(event.subject, played) if event.subject else {"fence": event.fence or None}
            return "facts", {"facts": dict(event.facts), "valid_until_ms": event.valid_until, **who}
        case ListPrepared():
            return "facts", {
                "prepared": dict(event.propensities),
                "valid_until_ms": event.valid_until,
                **_who(event.subject, played),
            }
        case UnitLost():
            return "status", {"state": "gone"}
        case OutcomeReported():
            return "outcomes", {"offer_id": offers[event.offer], "outcome": event.outcome}
        case _:
            raise AssertionError(f"no unit says {event}")


def _fix(event: PositionReported) -> Iterator[tuple[str, float]]:
    yield "Vehicle.CurrentLocation.Latitude", event.position.lat
    yield "Vehicle.CurrentLocation.Longitude", event.position.lon
    if event.accuracy_m is not None:
        yield "Vehicle.CurrentLocation.HorizontalAccuracy", event.accuracy_m
    if event.heading_deg is not None and event.speed_mps is not None:
        yield "Vehicle.CurrentLocation.Heading", event.heading_deg
        yield "Vehicle.Speed", event.speed_mps * 3.6


def _who(subject: str, played: Played) -> dict[str, object]:
    card = played.casting.card(subject)
    return {"subject": subject} if card is None else {"credential": card}
