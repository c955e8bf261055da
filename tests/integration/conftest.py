"""A small release, and a gateway configured to decide with it at the running broker."""

import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

import edge_models.coupon_propensity
from gateway.core.events import UnitKind
from gateway.testing.process import Broker
from gateway.testing.samples import T0
from gateway.wire.releases import build
from geofences.compiler import compile_fences

CAMPAIGN = """\
campaign: stop
actions:
  - id: pastry
    kind: marketing
    audience: subject
    when:
      - {moment: Parked, fence_kind: fuel_station}
    propensity: {prior: 0.6}
    value: 2.0
    annoyance: 0.2
    cap: {count: 1, within: 24 h}
    valid_for: 5 min
    redeem_within: 1 h
    reward: {id: pastry, text: A pastry}
    treatments:
      - {placement: driver_screen, language: en, title: A pastry, body: Warm., call_to_action: Get it}
  - id: tyres
    kind: marketing
    audience: subject
    when:
      - sequence:
          - {moment: Parked, fence_kind: fuel_station}
          - {moment: OfferRedeemed, action: pastry}
        within: 30 min
    propensity: {prior: 0.6}
    value: 2.0
    annoyance: 0.2
    cap: {count: 1, within: 24 h}
    valid_for: 3 min
    treatments:
      - {placement: driver_screen, language: en, title: Tyres, body: It gets cold.}
  - id: coffee
    kind: marketing
    audience: subject
    when:
      - {moment: FenceDwelled, fence_kind: cafe}
    propensity: {prior: 0.6}
    value: 2.0
    annoyance: 0.2
    cap: {count: 1, within: 24 h}
    valid_for: 5 min
    treatments:
      - {placement: passenger_screen, language: en, title: Coffee, body: Hot.}
"""

FENCES = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"id": "station", "kind": "fuel_station", "name": "Station", "radius_m": 80},
            "geometry": {"type": "Point", "coordinates": [8.5, 47.4]},
        },
        {
            "type": "Feature",
            "properties": {"id": "cafe", "kind": "cafe", "name": "Cafe", "radius_m": 80, "dwell_s": 1},
            "geometry": {"type": "Point", "coordinates": [8.6, 47.4]},
        },
    ],
}

CONFIG = """\
id = "gw-1"
data_dir = "data"
release = "{release}"

[broker]
host = "{host}"
port = {port}

[http]
port = 0

[[units]]
id = "car-1"
kind = "car"
placements = ["driver_screen", "passenger_screen"]

[[units]]
id = "till-1"
kind = "kiosk"
placements = ["kiosk_screen"]
"""


@pytest.fixture(scope="session")
def release_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    (folder / "stop.yaml").write_text(textwrap.dedent(CAMPAIGN), encoding="utf-8")
    (folder / "places.geojson").write_text(json.dumps(FENCES), encoding="utf-8")
    compile_fences(folder / "places.geojson", folder / "places.gpkg")
    build(
        folder / "release",
        id="test-1",
        counter=1,
        created=T0,
        campaigns=[folder / "stop.yaml"],
        fences=[folder / "places.gpkg"],
        models=[Path(edge_models.coupon_propensity.__file__).parent],
        unit_kinds=[UnitKind.CAR, UnitKind.KIOSK],
    )
    return folder / "release"


@pytest.fixture
def configure(release_folder: Path, tmp_path: Path) -> Callable[[Broker], Path]:
    """Write `gateway.toml` for a broker."""

    def write(broker: Broker) -> Path:
        file = tmp_path / "gateway.toml"
        file.write_text(CONFIG.format(release=release_folder, host=broker.host, port=broker.port), encoding="utf-8")
        return file

    return write
