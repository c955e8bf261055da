"""A gateway at work: its process, a broker, a tap between them and traffic, and what the ledger must say of it all."""

import json
import sqlite3
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

from gateway.core.events import UnitKind
from gateway.testing.mosquitto import Mosquitto
from gateway.testing.process import UNMEASURED, GatewayProcess
from gateway.testing.samples import T0
from gateway.testing.tap import Heard, Tap
from gateway.testing.traffic import CARS, Told, Traffic
from gateway.wire.releases import build

_CAMPAIGN = """\
campaign: stop
actions:
  - id: pastry
    kind: marketing
    audience: subject
    when: [{moment: Parked, fence_kind: fuel_station}]
    propensity: {prior: 0.6}
    value: 2.0
    annoyance: 0.2
    cap: unlimited
    valid_for: 5 min
    redeem_within: 1 h
    treatments: [{placement: driver_screen, language: en, title: A pastry, body: Warm.}]
"""
_STATION = {
    "type": "Feature",
    "properties": {"id": "station", "kind": "fuel_station", "name": "Station", "radius_m": 80},
    "geometry": {"type": "Point", "coordinates": [8.5, 47.4]},
}
_CONFIG = """\
id = "gw-1"
data_dir = "{data}"
release = "{release}"
[broker]
port = {port}
[http]
port = 0
[journal]
level = "{journal}"
path = "{data}/journals"
"""
_UNIT = """\
[[units]]
id = "{id}"
kind = "{kind}"
placements = ["{placement}"]
"""
_HTTP_WITHIN_S = 10.0


def build_release(folder: Path, model: Path) -> Path:
    """Build a release with one fence, around which `Traffic` drives, and one action; return where it lies.

    Args:
        folder: Where; must exist.
        model: The folder of a model that goes with it.
    """
    # Only here, and only for tests: a device does without the compiler.
    from geofences.compiler import compile_fences  # noqa: PLC0415

    (folder / "stop.yaml").write_text(_CAMPAIGN, encoding="utf-8")
    places = json.dumps({"type": "FeatureCollection", "features": [_STATION]})
    (folder / "places.geojson").write_text(places, encoding="utf-8")
    compile_fences(folder / "places.geojson", folder / "places.gpkg")
    build(
        folder / "release",
        id="test-1",
        counter=1,
        created=T0,
        campaigns=[folder / "stop.yaml"],
        fences=[folder / "places.gpkg"],
        models=[model],
        unit_kinds=[UnitKind.CAR, UnitKind.KIOSK],
    )
    return folder / "release"


class Site:
    """The tap is there as long as its block lasts, the gateway from `start` on, traffic from `open_to_traffic` on.

    Args:
        folder: For broker and configuration; must exist.
        data: Where the gateway keeps its data.
        release: What it decides with.
        broker: Started.
        journal: What journal it writes.
        seed: What the traffic does follows from it.
    """

    def __init__(
        self, folder: Path, data: Path, release: Path, broker: Mosquitto, *, journal: str = "off", seed: int = 0
    ) -> None:
        self.data = data
        self.ledger = data / "ledger.db"
        self.config = folder / "gateway.toml"
        self._release = release
        self._broker = broker
        self._journal = journal
        self._seed = seed
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.tap = self._stack.enter_context(Tap(self._broker.port))
        self.config.write_text(self._configuration(), encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, environment: Mapping[str, str] | None = None) -> GatewayProcess:
        """Start the gateway and return it; it is ended with the block."""
        process = GatewayProcess(self.config, {**UNMEASURED, **(environment or {})})
        self.gateway = self._stack.enter_context(process)
        return self.gateway

    def open_to_traffic(self) -> None:
        """Begin with the traffic, once the broker keeps what is said for the gateway."""
        self.tap.until(lambda: self.tap.heard.subscriptions > 0)
        self.traffic = self._stack.enter_context(Traffic(self._broker.host, self._broker.port, self._seed))

    def await_work(self, messages: int = 40) -> None:
        """Wait until the gateway has acknowledged so many messages more.

        Raises:
            TimeoutError: It did not in good time.
        """
        before = len(self.tap.heard.acknowledged)
        self.tap.until(lambda: len(self.tap.heard.acknowledged) >= before + messages)

    def await_readiness(self, port: int) -> dict[str, Any]:
        """Wait until the gateway says that it is ready, and return what it says.

        Raises:
            TimeoutError: It did not in good time.
        """
        # Something passes all the time: the traffic never ends.
        self.tap.until(lambda: self.readiness(port)[0] == HTTPStatus.OK)
        return self.readiness(port)[1]

    def readiness(self, port: int) -> tuple[int, dict[str, Any]]:
        """Return status and body of `/readyz`."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=_HTTP_WITHIN_S) as answer:
                return int(answer.status), json.load(answer)
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, json.load(answer)

    def finish(self) -> "Books":
        """Let the traffic end and the gateway take in all of it, end the gateway, and return the books.

        Raises:
            AssertionError: It did not end in an orderly way.
        """
        last = "wayside/v1/car-1/consents", self.traffic.finish()
        self.tap.until(lambda: last in self.tap.heard.acknowledged and not self.tap.owing)
        if (code := self.gateway.terminate()) != 0:
            raise AssertionError(f"the gateway ended with {code}: {self.gateway.other_lines}")
        return Books(self.ledger, self.tap.heard, self.traffic.told)

    def _configuration(self) -> str:
        cars = [_UNIT.format(id=f"car-{n}", kind="car", placement="driver_screen") for n in range(1, CARS + 1)]
        till = _UNIT.format(id="till-1", kind="kiosk", placement="kiosk_screen")
        head = _CONFIG.format(data=self.data, release=self._release, port=self.tap.port, journal=self._journal)
        return head + "".join([*cars, till])


@dataclass(frozen=True, slots=True)
class Books:
    """What the ledger, the wire and the traffic say when all is over; and where they differ."""

    ledger: Path
    heard: Heard
    told: Told

    def faults(self) -> dict[str, list[str]]:
        """Return by its kind what must never be: an empty list each, when all is well."""
        with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as connection:
            return {
                "acknowledged_and_not_recorded": list(self._unrecorded(connection)),
                "published_and_not_recorded": list(self._unfounded(connection)),
                "recorded_twice": list(_repeated(connection)),
                "lost": sorted(self._lost()),
            }

    def _unrecorded(self, ledger: sqlite3.Connection) -> Iterator[str]:
        consents, outcomes = _cells(ledger, "SELECT id FROM consents"), _cells(ledger, "SELECT id FROM outcomes")
        taken_back = _cells(ledger, "SELECT id FROM offers WHERE withdrawn_ms IS NOT NULL")
        for topic, said in self.heard.acknowledged:
            if topic.endswith("/consents") and said not in consents:
                yield f"{topic} {said}"
            if topic.endswith("/outcomes") and said not in outcomes:
                answer = self.told.answers.get(said)
                # An offer that was taken back is answered once; what else is said of it is no news, and ignored.
                if answer is None or answer.offer not in taken_back or answer.is_first:
                    yield f"{topic} {said} {answer}"

    def _unfounded(self, ledger: sqlite3.Connection) -> Iterator[str]:
        known = dict(ledger.execute("SELECT id, payload FROM offers").fetchall())
        for offer, forms in [*self.heard.offers.items(), *self.told.offers.items()]:
            # The text of an offer that has ended may have been taken out to make room.
            if known.get(offer) != b"" and forms != {known.get(offer)}:
                yield f"offer {offer}, published in {len(forms)} forms, recorded: {offer in known}"

    def _lost(self) -> set[str]:
        heard = {said for _, said in self.heard.acknowledged}
        return (self.told.consents.keys() | self.told.answers.keys()) - heard


def _cells(ledger: sqlite3.Connection, query: str) -> set[Any]:
    return {cell for (cell,) in ledger.execute(query)}


def _repeated(ledger: sqlite3.Connection) -> Iterator[str]:
    """Yield what stands there twice of what the traffic said: each parking, answer and consent has its own number."""
    parking = "json_extract(trace, '$.context.fuel_range_km')"
    for query in (
        f"SELECT unit, {parking} FROM decisions WHERE trace LIKE '%\"Parked\"%' AND {parking} IS NOT NULL",  # noqa: S608 -- our own words
        "SELECT id FROM outcomes WHERE id LIKE 'x-%'",
        "SELECT id FROM consents WHERE id LIKE 'c-%'",
    ):
        counted = Counter(ledger.execute(query).fetchall())
        yield from (f"{row} {times} times" for row, times in counted.items() if times > 1)
