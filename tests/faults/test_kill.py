"""Gateway and broker are killed with -9 at random points under load; nothing that counts is lost or happens twice.

What is claimed, and what is not. A tap between gateway and broker sees what the gateway acknowledged and published,
whether or not either lived on.

- What the gateway acknowledged to the broker stands in its ledger, whoever was killed.
- While only the gateway is killed, so does everything a unit was given an acknowledgement for, by the broker.
- A killed broker can lose what it acknowledged to a unit in its last instant (deploy/mosquitto/README.md measures it):
  counted and printed, and not the gateway's to prevent.
- No cause is decided on twice, no offer goes out without its row or under two ids, and none that was committed is
  forgotten.

Half of the blows fall at a random instant; of those some while the gateway still starts. The others fall at a packet:
as the gateway acknowledges, as an offer goes out, as one is confirmed, as a message is delivered; before it is passed
on or just after.
"""

import json
import os
import random
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import edge_models.coupon_propensity
from gateway.core.events import UnitKind
from gateway.testing.faults import TellCount, counts
from gateway.testing.mosquitto import Mosquitto, find_mosquitto
from gateway.testing.process import UNMEASURED, GatewayProcess
from gateway.testing.samples import T0
from gateway.testing.tap import Heard, Passing, Tap
from gateway.testing.traffic import CARS, Told, Traffic
from gateway.wire.releases import build
from geofences.compiler import compile_fences

pytestmark = pytest.mark.mosquitto

SEED = 20_251_122
LANES = 2
"""How many gateways, each with a broker and traffic of its own, are killed side by side."""
STRIKE_WITHIN_S = 0.6
IMPATIENT = 0.2
"""How often a gateway is killed that was given no time to connect again."""

CAMPAIGN = """\
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
    redeem_within: 1 s
    treatments: [{placement: driver_screen, language: en, title: A pastry, body: Warm.}]
  - id: tyres
    kind: marketing
    audience: subject
    when:
      - sequence: [{moment: Parked, fence_kind: fuel_station}, {moment: OfferRedeemed, action: pastry}]
        within: 30 min
    propensity: {prior: 0.6}
    value: 2.0
    annoyance: 0.2
    cap: unlimited
    valid_for: 5 min
    redeem_within: 1 s
    treatments: [{placement: driver_screen, language: en, title: Tyres, body: It gets cold.}]
"""

STATION = {
    "type": "Feature",
    "properties": {"id": "station", "kind": "fuel_station", "name": "Station", "radius_m": 80},
    "geometry": {"type": "Point", "coordinates": [8.5, 47.4]},
}

CONFIG = """\
id = "gw-1"
data_dir = "data"
release = "{release}"
[broker]
port = {port}
[http]
enabled = false
[log]
level = "warning"
"""

UNIT = """\
[[units]]
id = "{id}"
kind = "{kind}"
placements = ["{placement}"]
"""

BROKER = """\
listener {port} {host}
allow_anonymous true
user root
persistence true
persistence_location {directory}/
autosave_on_changes true
autosave_interval 1
queue_qos0_messages false
max_packet_size 263168
max_queued_messages 5000
max_queued_bytes 16777216
max_inflight_messages 200
max_keepalive 120
set_tcp_nodelay true
log_dest file {directory}/mosquitto.log
"""
"""deploy/mosquitto/mosquitto.conf, but for who may come in, and where it lies."""


class Victims(NamedTuple):
    """Who is killed."""

    gateway: bool
    broker: bool

    def __str__(self) -> str:
        return " and ".join(name for name, is_killed in self._asdict().items() if is_killed)


THE_GATEWAY = Victims(gateway=True, broker=False)
THE_BROKER = Victims(gateway=False, broker=True)
BOTH = Victims(gateway=True, broker=True)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    (folder / "stop.yaml").write_text(CAMPAIGN)
    (folder / "places.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [STATION]}))
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


@dataclass
class Result:
    """What a lane's ledger, its tap and its traffic say when all is over."""

    ledger: Path
    heard: Heard
    told: Told
    kills: Counter[str]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    def cells(self, query: str) -> set[Any]:
        return {row[0] for row in self.rows(query)}


class Lane:
    """A gateway, its broker, a tap between them, and traffic; killed again and again."""

    def __init__(self, folder: Path, release: Path, seed: int) -> None:
        (folder / "broker").mkdir(parents=True)
        self._draw = random.Random(seed)
        self._seed = seed
        self._config = folder / "gateway.toml"
        self._release = release
        self._broker = Mosquitto(find_mosquitto() or "mosquitto", folder / "broker", BROKER)
        self._kills: Counter[str] = Counter()
        self._struck = threading.Event()

    def run(self, kills: Sequence[Victims]) -> Result:
        with ExitStack() as stack:
            self._broker.start()
            stack.callback(self._broker.stop)
            self._tap = stack.enter_context(Tap(self._broker.port))
            self._configure()
            self._gateway = GatewayProcess(self._config, UNMEASURED)
            stack.callback(lambda: self._gateway.__exit__())  # noqa: PLW0108 -- the one that runs then
            # From now on the broker keeps a session for the gateway; before, nobody is there to be told.
            self._await_link(0)
            traffic = stack.enter_context(Traffic(self._broker.host, self._broker.port, self._seed))
            for victims in kills:
                self._kill(victims)
            last = "wayside/v1/car-1/consents", traffic.finish()
            self._tap.until(lambda: last in self._tap.heard.acknowledged and not self._tap.owing)
            assert self._gateway.terminate() == 0
        return Result(self._config.parent / "data/ledger.db", self._tap.heard, traffic.told, self._kills)

    def _configure(self) -> None:
        cars = [UNIT.format(id=f"car-{n}", kind="car", placement="driver_screen") for n in range(1, CARS + 1)]
        till = UNIT.format(id="till-1", kind="kiosk", placement="kiosk_screen")
        self._config.write_text(CONFIG.format(release=self._release, port=self._tap.port) + "".join([*cars, till]))

    def _kill(self, victims: Victims) -> None:
        """Strike, see to it that it was us who ended them, and raise them again."""
        before = self._tap.heard.subscriptions
        self._strike(victims)
        self._kills[str(victims)] += 1
        if victims.broker:
            self._broker.kill()
            self._broker.start()
        if victims.gateway:
            code = self._gateway.wait()
            assert code == -signal.SIGKILL, f"the gateway ended by itself: {code}, {self._gateway.other_lines}"
            self._gateway = GatewayProcess(self._config, UNMEASURED)
        if victims.gateway and self._draw.random() < IMPATIENT:
            return
        self._await_link(before)

    def _strike(self, victims: Victims) -> None:
        self._struck.clear()
        pids = [self._gateway.pid] * victims.gateway + [self._broker.pid] * victims.broker

        def blow() -> None:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            self._struck.set()

        if self._draw.random() < 0.5:
            passing, nth = self._draw.choice(list(Passing)), self._draw.randint(1, 20)
            self._tap.strike(passing, nth, blow, before=self._draw.random() < 0.5)
            self._struck.wait(STRIKE_WITHIN_S)
            self._tap.spare()
        else:
            self._struck.wait(self._draw.uniform(0.0, STRIKE_WITHIN_S / 2))
        if not self._struck.is_set():
            blow()

    def _await_link(self, before: int) -> None:
        try:
            self._tap.until(lambda: self._tap.heard.subscriptions > before)
        except TimeoutError:
            raise AssertionError(f"the gateway did not come back: {self._gateway.other_lines}") from None


def _lanes(kills: int, among: Sequence[Victims], folder: Path, release: Path) -> list[Result]:
    """Kill so often in all, side by side; each lane by a seed of its own."""
    draw = random.Random(SEED)
    plan = [among[number % len(among)] for number in range(kills)]
    draw.shuffle(plan)
    lanes = [Lane(folder / f"lane-{number}", release, SEED + number) for number in range(LANES)]
    with ThreadPoolExecutor(LANES) as pool:
        runs = [pool.submit(lane.run, plan[number::LANES]) for number, lane in enumerate(lanes)]
        return [run.result() for run in runs]


def _unrecorded(result: Result) -> Iterator[str]:
    """Return what the gateway acknowledged and does not know."""
    recorded = {
        "consents": result.cells("SELECT id FROM consents"),
        "outcomes": result.cells("SELECT id FROM outcomes"),
    }
    over = result.cells("SELECT id FROM offers WHERE withdrawn_ms IS NOT NULL OR outcome = 'expired'")
    for topic, said in result.heard.acknowledged:
        channel = topic.rsplit("/", 1)[1]
        if channel in recorded and said not in recorded[channel]:
            answer = result.told.answers.get(said)
            # An offer that is over is answered once; what else is said of it is no news, and ignored.
            if answer is None or answer.offer not in over or (answer.is_first and answer.outcome != "redeemed"):
                yield f"{topic} {said} {answer}"


def _lost(result: Result) -> set[str]:
    """Return what a unit was given an acknowledgement for and the gateway never saw or does not know."""
    heard = {said for _, said in result.heard.acknowledged}
    return (result.told.consents.keys() | result.told.answers.keys()) - heard


def _repeated(result: Result) -> Iterator[str]:
    """Return what happened twice."""
    parked = (
        "SELECT unit, json_extract(trace, '$.context.fuel_range_km') FROM decisions"
        " WHERE json_extract(trace, '$.moments') = '[\"Parked\"]'"
    )
    yield from _twice("decided for a parking", result.rows(parked))
    redeemed = result.rows(
        "SELECT o.unit FROM outcomes AS r JOIN offers AS o ON o.id = r.offer WHERE r.outcome = 'redeemed'"
    )
    answered = result.rows("SELECT unit FROM decisions WHERE json_extract(trace, '$.moments') = '[\"OfferRedeemed\"]'")
    yield from (f"decided for no redemption: {unit}" for unit in (Counter(answered) - Counter(redeemed)))
    yield from _twice("recorded", result.rows("SELECT id FROM outcomes WHERE id <> ''"))
    yield from _twice("recorded", result.rows("SELECT id FROM consents"))
    yield from _twice("offered for a decision", result.rows("SELECT decision FROM offers"))


def _twice(what: str, rows: Sequence[tuple[Any, ...]]) -> Iterator[str]:
    return (f"{what} {row} {times} times" for row, times in Counter(rows).items() if times > 1)


def _unfounded(result: Result) -> Iterator[str]:
    """Return what was published without its row, or otherwise than it stands there."""
    known = dict(result.rows("SELECT id, payload FROM offers"))
    for offers in (result.heard.offers, result.told.offers):
        for offer, forms in offers.items():
            if forms != {known.get(offer)}:
                yield f"offer {offer} was published {len(forms)} ways; recorded: {offer in known}"
    taken_back = result.cells("SELECT id FROM offers WHERE withdrawn_ms IS NOT NULL")
    yield from (f"withdrawal of {offer}" for offer in result.heard.withdrawals - taken_back)


def _forgotten(result: Result) -> Iterator[str]:
    """Return what was committed and neither published nor overtaken."""
    owed = "SELECT id FROM offers WHERE publication = 'pending' AND withdrawn_ms IS NULL AND outcome IS NULL"
    yield from (f"offer {offer} is still owed" for offer in result.cells(owed))
    yield from (
        f"withdrawal of {offer} is still owed"
        for offer in result.cells("SELECT id FROM offers WHERE withdrawal = 'pending'")
    )
    sent = result.cells("SELECT id FROM offers WHERE publication = 'sent'")
    yield from (f"offer {offer} counts as sent and was not" for offer in sent - result.heard.confirmed)
    rows = result.rows("SELECT offer FROM decisions WHERE offer IS NOT NULL AND offer NOT IN (SELECT id FROM offers)")
    yield from (f"decision without its offer {row}" for row in rows)
    states = result.cells("SELECT item FROM state WHERE scope = 'subject' AND name = 'consent'")
    consents = result.rows("SELECT purpose, CASE given WHEN 1 THEN 'given' ELSE 'withdrawn' END, id FROM consents")
    yield from (f"consent {row} has no effect" for row in consents if "/".join(row) not in states)


def _judge(results: Sequence[Result], tell_count: TellCount, name: str, *, sound_broker: bool) -> None:
    """Tell what happened, and hold that nothing was lost or came twice."""
    faults = {
        "acknowledged and not recorded": [each for result in results for each in _unrecorded(result)],
        "twice": [each for result in results for each in _repeated(result)],
        "published and not recorded": [each for result in results for each in _unfounded(result)],
        "committed and forgotten": [each for result in results for each in _forgotten(result)],
        "damaged": [str(path) for result in results for path in result.ledger.parent.glob("ledger.db.bad*")],
    }
    lost = sum(len(_lost(result)) for result in results)
    tell_count(
        name,
        seed=str(SEED),
        **{f"{who} killed": times for who, times in sum((result.kills for result in results), Counter()).items()},
        messages=sum(result.told.messages for result in results),
        outcomes_and_consents=sum(len(result.told.answers) + len(result.told.consents) for result in results),
        acknowledged_by_the_gateway=sum(len(result.heard.acknowledged) for result in results),
        delivered_again=sum(result.heard.repeated for result in results),
        parkings=sum(result.told.parkings for result in results),
        decisions=sum(len(result.cells("SELECT id FROM decisions")) for result in results),
        offers_published=sum(len(result.heard.offers) for result in results),
        lost_by_the_broker=lost,
        **{what: len(found) for what, found in faults.items()},
    )
    assert {what: found[:5] for what, found in faults.items() if found} == {}
    assert not (sound_broker and lost), f"{lost} lost although the broker lived"
    assert all(result.heard.offers and result.heard.acknowledged for result in results)


def test_a_killed_gateway_loses_nothing_a_unit_was_given_an_acknowledgement_for(
    tmp_path: Path, release: Path, tell_count: TellCount
) -> None:
    results = _lanes(counts(full=500, ci=25), [THE_GATEWAY], tmp_path, release)
    _judge(results, tell_count, "gateway killed", sound_broker=True)


def test_a_killed_broker_makes_the_gateway_lose_and_repeat_nothing(
    tmp_path: Path, release: Path, tell_count: TellCount
) -> None:
    results = _lanes(counts(full=500, ci=25), [THE_BROKER, BOTH], tmp_path, release)
    _judge(results, tell_count, "broker killed", sound_broker=False)
