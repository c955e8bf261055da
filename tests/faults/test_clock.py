"""The wall clock lies: 1970, a day behind, a year ahead; at the start, or all at once in the middle.

Two people in two cars agreed to offers until some day. One agreement ends before the clock goes wrong: no clock brings
it back. The other has an hour to go: as soon as the cars have told the gateway the time, it counts again. Decisions are
recorded in the order of time, whatever the clock says; but for a gateway that was set right, once.
"""

import json
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

import edge_models.coupon_propensity
from gateway.core.events import UnitKind
from gateway.testing.faults import TellCount, counts
from gateway.testing.mosquitto import Mosquitto, find_mosquitto
from gateway.testing.process import GatewayProcess
from gateway.testing.samples import T0
from gateway.testing.stranger import Stranger
from gateway.wire.releases import build

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
pytestmark = [
    pytest.mark.mosquitto,
    pytest.mark.skipif(not LIBRARIES and not os.environ.get("CI"), reason="faketime is not installed"),
]

SIDE_BY_SIDE = 7
ENDS_AFTER_MS = 3_000
PATIENCE_S = 90.0
PAUSE_S = 0.3
"""Between two stops of a car: the time is believed once it was told for a few seconds."""
STOPS = 20
"""So often at least the car is parked whose person agrees no longer."""

HONEST = "+0d"
GEAR = "Vehicle.Powertrain.Transmission.SelectedGear"
SEAT = "Vehicle.Cabin.Seat.Row1.DriverSide.OccupancyStatus"
STATUS = "wayside/v1/gw-1/status"
LONG, SHORT = "car-1", "car-2"
OFFERS = {car: f"wayside/v1/{car}/offers" for car in (LONG, SHORT)}

CAMPAIGN = """\
campaign: stop
actions:
  - id: pastry
    kind: marketing
    audience: subject
    when: [{moment: Parked}]
    propensity: {prior: 0.6}
    value: 2.0
    annoyance: 0.2
    cap: unlimited
    valid_for: 5 min
    treatments: [{placement: driver_screen, language: en, title: A pastry, body: Warm.}]
"""

CONFIG = """\
id = "gw-1"
data_dir = "data"
release = "{release}"
[broker]
port = {port}
[http]
enabled = false
[[units]]
id = "car-1"
kind = "car"
placements = ["driver_screen"]
[[units]]
id = "car-2"
kind = "car"
placements = ["driver_screen"]
"""


@dataclass(frozen=True)
class Case:
    """What the wall clock says, in faketime's words, from the first start on, and after the gateway was at work.

    Attributes:
        restarts: The gateway is started anew with the wrong clock; else the clock jumps under it.
        set_back: The gateway believed a wrong clock, and has to go back.
    """

    name: str
    at_first: str
    later: str
    restarts: bool
    set_back: bool = False


CASES = [
    Case("started in 1970", HONEST, "@1970-01-02 00:00:00", restarts=True),
    Case("started a day behind", HONEST, "-1d", restarts=True),
    Case("started a year ahead", HONEST, "+365d", restarts=True),
    Case("jumped to 1970", HONEST, "@1970-01-02 00:00:00", restarts=False),
    Case("jumped a day back", HONEST, "-1d", restarts=False),
    Case("jumped a year ahead", HONEST, "+365d", restarts=False),
    Case("was a year ahead at the very first start", "+365d", HONEST, restarts=False, set_back=True),
]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    (folder / "stop.yaml").write_text(CAMPAIGN)
    build(
        folder / "release",
        id="test-1",
        counter=1,
        created=T0,
        campaigns=[folder / "stop.yaml"],
        fences=[],
        models=[Path(edge_models.coupon_propensity.__file__).parent],
        unit_kinds=[UnitKind.CAR],
    )
    return folder / "release"


class Trial:
    """A gateway under a clock that can be set, and two cars that know the time."""

    def __init__(self, case: Case, folder: Path, release: Path) -> None:
        self._case = case
        self._folder = folder
        self._release = release
        self._clock = folder / "clock"
        self._said = 0
        self._ends_ms = 0

    def run(self) -> list[str]:
        """Return what went wrong."""
        self._set_clock(self._case.at_first)
        with ExitStack() as stack:
            (self._folder / "broker").mkdir()
            broker = Mosquitto(find_mosquitto() or "mosquitto", self._folder / "broker")
            broker.start()
            stack.callback(broker.stop)
            config = self._folder / "gateway.toml"
            config.write_text(CONFIG.format(release=self._release, port=broker.port))
            self._stranger = stack.enter_context(Stranger(broker.host, broker.port, STATUS, *OFFERS.values()))
            gateway = stack.enter_context(GatewayProcess(config, self._environment))
            self._await_born()
            self._let_in()
            faults = [] if self._case.set_back else self._until_offered(among=(LONG, SHORT))
            self._wait_until(self._ends_ms)
            self._set_clock(self._case.later)
            if self._case.restarts:
                gateway.terminate()
                gateway = stack.enter_context(GatewayProcess(config, self._environment))
                self._await_born()
            self._stranger.heard()
            faults += self._until_offered(among=(LONG,), never=SHORT)
            if gateway.terminate() != 0:
                faults.append("the gateway did not end well")
        return [f"{self._case.name}: {fault}" for fault in faults + self._disorder()]

    @property
    def _environment(self) -> Mapping[str, str]:
        """What makes a process see the clock as it is set; elapsed time stays true."""
        return {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def _set_clock(self, wall: str) -> None:
        draft = self._clock.with_suffix(".new")
        draft.write_text(f"{wall}\n")
        draft.rename(self._clock)

    def _await_born(self) -> None:
        self._stranger.expect(STATUS, lambda message: message.body["state"] == "born" and not message.retained)

    def _let_in(self) -> None:
        """Let both agree and sit down."""
        self._agree(LONG, _now() + 3_600_000)
        self._agree_shortly()
        for car in (LONG, SHORT):
            present = {"state": "present", "role": "driver", "method": "key", "subject": f"s.{car}"}
            self._say(car, "identity", present)

    def _agree(self, car: str, ends_ms: int) -> None:
        agreed = {"holder": f"s.{car}", "purpose": "offer_display", "state": "given", "valid_until_ms": ends_ms}
        self._say(car, "consents", {**agreed, "notice": {"id": "n1", "version": "1", "language": "en"}})

    def _agree_shortly(self) -> None:
        self._ends_ms = _now() + ENDS_AFTER_MS
        self._agree(SHORT, self._ends_ms)

    def _until_offered(self, among: tuple[str, ...], never: str | None = None) -> list[str]:
        """Let both cars stop again and again until some were offered something; return what should not have been."""
        waiting, deadline_s, stops = set(among), time.monotonic() + PATIENCE_S, 0
        while waiting or (never is not None and stops < STOPS):
            if time.monotonic() > deadline_s:
                return [f"nothing more was offered to {sorted(waiting)}"]
            if SHORT in waiting and _now() > self._ends_ms:
                self._agree_shortly()  # the machine was too busy to offer anything in time
            for car in (LONG, SHORT):
                self._say(car, "telemetry", {"signals": {GEAR: 127, "Vehicle.Speed": 30.0}})
                self._say(car, "telemetry", {"signals": {GEAR: 126, "Vehicle.Speed": 0.0, SEAT: "OCCUPIED"}})
            stops += 1
            threading.Event().wait(PAUSE_S)
            offered = {m.topic for m in self._stranger.heard() if m.topic != STATUS and "withdrawn" not in m.body}
            if never is not None and OFFERS[never] in offered:
                return [f"something was offered to {never}, who agrees no longer"]
            waiting -= {car for car in waiting if OFFERS[car] in offered}
        return []

    def _wait_until(self, instant_ms: int) -> None:
        threading.Event().wait(max(0.0, (instant_ms - _now()) / 1_000))

    def _disorder(self) -> list[str]:
        """Return where the record goes back in time; once is as it should be for who was set right."""
        with closing(sqlite3.connect(f"file:{self._folder}/data/ledger.db?mode=ro", uri=True)) as connection:
            instants = [at for (at,) in connection.execute("SELECT at_ms FROM decisions ORDER BY rowid")]
        back = sum(later < earlier for earlier, later in pairwise(instants))
        return [] if back <= self._case.set_back else [f"decisions went back in time {back} times"]

    def _say(self, car: str, channel: str, body: Mapping[str, object]) -> None:
        self._said += 1
        stamped = {"id": f"m-{self._said}", "ts_ms": _now(), **body}
        self._stranger.flood(f"wayside/v1/{car}/{channel}", json.dumps(stamped).encode(), qos=1)


def test_no_clock_disorders_the_record_extends_a_consent_or_ends_one_for_good(
    tmp_path: Path, release: Path, tell_count: TellCount
) -> None:
    assert LIBRARIES, "faketime is not installed: apt-get install faketime (under CI nothing is skipped)"
    assert shutil.which("mosquitto") or find_mosquitto()
    trials, cases = [], CASES[:: counts(full=1, ci=2)]
    for number, case in enumerate(cases):
        (tmp_path / str(number)).mkdir()
        trials.append(Trial(case, tmp_path / str(number), release))
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        faults = [fault for found in pool.map(Trial.run, trials) for fault in found]
    tell_count("wrong clocks", cases=len(cases), faults=len(faults))
    assert faults == []


def _now() -> int:
    return time.time_ns() // 1_000_000
