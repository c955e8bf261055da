"""A phone, a tyre and a tag that know nothing of Wayside, over a real broker."""

import gzip
import json
import sqlite3
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import edge_models.coupon_propensity
from gateway.core.events import Purpose, UnitKind
from gateway.edge.store.ledger import read_decision
from gateway.testing.process import Broker, GatewayProcess
from gateway.testing.samples import T0
from gateway.testing.stranger import Stranger
from gateway.wire.read import keyed_hash
from gateway.wire.releases import build
from geofences.compiler import compile_fences

pytestmark = pytest.mark.mosquitto

STATUS, OFFERS = "wayside/v1/gw-1/status", "wayside/v1/car-1/offers"
PHONE = "owntracks/anna/phone"
TAG, PASSER_BY, SENSOR = "C0:FF:EE:12:34:56", "DE:AD:BE:EF:00:01", "80:EA:CA:10:8A:78"
KEY = b"a key of exactly 32 bytes, here."

CAMPAIGN = """\
campaign: stop
actions:
  - id: pastry
    kind: marketing
    audience: subject
    when:
      - {moment: FenceEntered, fence_kind: fuel_station}
    propensity: {prior: 0.6}
    value: 2.0
    annoyance: 0.2
    cap: {count: 1, within: 24 h}
    valid_for: 5 min
    treatments:
      - {placement: driver_screen, language: en, title: A pastry, body: Warm.}
      - {placement: passenger_screen, language: en, title: A pastry, body: Warm.}
  - id: tyre_pressure
    kind: safety
    audience: anyone
    when:
      - {moment: TyrePressureLow}
    propensity: {prior: 0.9}
    value: 10.0
    annoyance: 0.0
    valid_for: 30 min
    treatments:
      - {placement: driver_screen, language: en, title: Low tyre, body: Check it.}
      - {placement: passenger_screen, language: en, title: Low tyre, body: Tell the driver.}
"""

STATION = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"id": "station", "kind": "fuel_station", "name": "Station", "radius_m": 80},
            "geometry": {"type": "Point", "coordinates": [8.5, 47.4]},
        },
    ],
}

CONFIG = """\
id = "gw-1"
data_dir = "data"
release = "release"
credential_key_file = "credential.key"

[broker]
host = "{host}"
port = {port}

[http]
enabled = false

[journal]
level = "raw"
raw_until = "2099-12-31"

[[units]]
id = "car-1"
kind = "car"
placements = ["driver_screen", "passenger_screen"]

[units.devices]
owntracks = ["anna/phone"]
theengs = ["CarScanner"]
tyres = {{"80:EA:CA:10:8A:78" = "Row1.Left"}}
tags = [{{id = "c0:ff:ee:12:34:56", role = "passenger"}}]
"""


@pytest.fixture
def config(mosquitto: Broker, tmp_path: Path) -> Path:
    """A gateway with a small release in a folder of its own; its configuration, which names the tag, beside it."""
    folder = tmp_path / "gateway"
    folder.mkdir()
    (folder / "stop.yaml").write_text(textwrap.dedent(CAMPAIGN), encoding="utf-8")
    (folder / "places.geojson").write_text(json.dumps(STATION), encoding="utf-8")
    compile_fences(folder / "places.geojson", folder / "places.gpkg")
    build(
        folder / "release",
        id="test-1",
        counter=1,
        created=T0,
        campaigns=[folder / "stop.yaml"],
        fences=[folder / "places.gpkg"],
        models=[Path(edge_models.coupon_propensity.__file__).parent],
        unit_kinds=[UnitKind.CAR],
    )
    key = folder / "credential.key"
    key.touch(mode=0o600)
    key.write_bytes(KEY)
    file = folder / "gateway.toml"
    file.write_text(CONFIG.format(host=mosquitto.host, port=mosquitto.port), encoding="utf-8")
    return file


class Street:
    """What phone, tag, tyre and passers-by say."""

    def __init__(self, stranger: Stranger) -> None:
        self._stranger = stranger

    def drive(self, lon: float, *, seconds_ago: int = 0, retain: bool = False) -> None:
        tst = int(time.time()) - seconds_ago
        fix = {"_type": "location", "tst": tst, "lat": 47.4, "lon": lon, "acc": 12, "vel": 40, "t": "t", "tid": "ap"}
        self._stranger.say(PHONE, fix, retain=retain)

    def scan(self, address: str, **fields: object) -> None:
        body = {"id": address, "rssi": -62, **fields}
        self._stranger.say(f"home/CarScanner/BTtoMQTT/{address.replace(':', '')}", body, qos=0)

    def agree(self, subject: str) -> None:
        for purpose in Purpose:
            consent = {
                "id": f"c-{purpose}",
                "ts_ms": time.time_ns() // 1_000_000,
                "holder": subject,
                "purpose": purpose,
                "state": "given",
                "notice": {"id": "n1", "version": "1", "language": "en"},
            }
            self._stranger.say("wayside/v1/car-1/consents", consent)


def test_a_phone_a_tyre_and_a_tag_are_heard_and_who_carries_the_tag_is_written_nowhere(
    mosquitto: Broker, config: Path
) -> None:
    subject = keyed_hash(TAG, KEY)
    with Stranger(mosquitto.host, mosquitto.port, STATUS, OFFERS) as stranger:
        street = Street(stranger)
        street.drive(8.5, retain=True)  # the broker keeps it: taken for live, the car would be in the station already
        with GatewayProcess(config) as gateway:
            stranger.expect(STATUS, lambda message: message.body["state"] == "born")
            street.agree(subject)
            street.scan(PASSER_BY, name="Watch")
            street.scan(TAG, name="keys")
            street.drive(8.49, seconds_ago=30)
            street.drive(8.5)
            pastry = stranger.expect(OFFERS).body
            street.scan(SENSOR, model_id="TPMS", count=1, pres=1.4, tempc=21.5, alarm=True)
            outranked = stranger.expect(OFFERS).body
            warning = stranger.expect(OFFERS).body
            street.scan(TAG, presence="absent")
            left = stranger.expect(OFFERS).body
            assert gateway.terminate() == 0
            told = b"".join(_log_of(gateway))

    # Nothing says that it is parked: the driver's screen stays dark.
    assert (pastry["action"], pastry["placement"], pastry["role"]) == ("pastry", "passenger_screen", "passenger")
    assert (warning["action"], warning["kind"], warning["placement"]) == ("tyre_pressure", "safety", "passenger_screen")
    assert (outranked["id"], outranked["reason"]) == (pastry["id"], "outranked")
    assert (left["id"], left["reason"]) == (warning["id"], "subject_left")
    ledger = config.parent / "data/ledger.db"
    decision = read_decision(ledger, pastry["decision_id"])
    assert decision is not None
    assert decision.holder == subject
    assert _present(ledger) == [None]
    kept = b"".join(_bytes_below(config.parent / "data")) + b"".join(_bytes_below(config.parent / "journals"))
    assert subject.encode() in kept
    assert b'"decision"' in told
    for person in (TAG, PASSER_BY):
        for written in (person, person.lower(), person.replace(":", ""), person.replace(":", "").lower()):
            assert written.encode() not in kept
            assert written.encode() not in told


def _present(ledger: Path) -> list[object]:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT value FROM state WHERE name = 'presence'").fetchall()
    return [json.loads(value)["subject"] for (value,) in rows]


def _bytes_below(folder: Path) -> Iterator[bytes]:
    for file in folder.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            yield gzip.decompress(data) if file.suffix == ".gz" else data


def _log_of(gateway: GatewayProcess) -> Iterator[bytes]:
    gateway.wait()
    while (line := gateway._lines.get()) is not None:
        yield json.dumps(line).encode()
    yield "".join(gateway.other_lines).encode()
