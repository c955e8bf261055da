"""A gateway without a broker: a runner over a real ledger, and a test that speaks for units and broker."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.core.events import Purpose
from gateway.core.release import Release
from gateway.edge.config import GatewayConfig
from gateway.edge.exchange import Receipt
from gateway.edge.link import Backoff
from gateway.edge.observe import Health, Metrics
from gateway.edge.runner import Runner
from gateway.edge.setting import Setting
from gateway.edge.status import Standing
from gateway.edge.store import schema
from gateway.edge.store.ledger import Ledger
from gateway.testing.carrier import FakeCarrier, Sent
from gateway.testing.clock import FakeClock
from gateway.testing.engines import FixedScorer, a_release, an_action
from gateway.testing.samples import T0

GEAR = "Vehicle.Powertrain.Transmission.SelectedGear"
SPEED = "Vehicle.Speed"
_NAMES = {
    "gear": GEAR,
    "speed": SPEED,
    "lat": "Vehicle.CurrentLocation.Latitude",
    "lon": "Vehicle.CurrentLocation.Longitude",
}
_PATIENCE_S = 10.0


@dataclass
class FakeGate:
    """The way to the broker, as a list of what was asked of it: `hold` and `release`."""

    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._told = asyncio.Event()

    def hold(self) -> None:
        """Note that the connection is to be cut."""
        self.asked.append("hold")
        self._told.set()

    def release(self) -> None:
        """Note that connections are wanted again."""
        self.asked.append("release")
        self._told.set()

    async def until(self, last: str) -> None:
        """Wait until something was asked last.

        Raises:
            TimeoutError: It was not asked in good time.
        """
        async with asyncio.timeout(_PATIENCE_S):
            while not self.asked or self.asked[-1] != last:
                self._told.clear()
                await self._told.wait()


class Stage:
    """A runner over a real ledger, with a broker that the test answers for.

    Attributes:
        acknowledged: The numbers of the messages that were acknowledged, in order.
    """

    def __init__(self, setting: Setting, health: Health) -> None:
        self.clock = setting.clock
        self.ledger = setting.ledger
        self.health = health
        self.metrics = Metrics()
        self.gate = FakeGate()
        self.carrier = FakeCarrier()
        self.acknowledged: list[int] = []
        self.runner = Runner(setting, self.gate, self.metrics, health, Backoff(first_s=0.0))
        self._messages = 0

    def say(self, channel: str, body: Mapping[str, object], *, unit: str = "car-1") -> int:
        """Let a unit say something at QoS 1; returns the number its acknowledgement will have."""
        self._messages += 1
        receipt = Receipt(self.acknowledged.append, self._messages)
        stamped = {"id": f"m{self._messages}", "ts_ms": self.clock.now(), **body}
        payload = json.dumps(stamped).encode()
        self.runner.message(f"wayside/v1/{unit}/{channel}", payload, receipt, retained=False)
        return self._messages

    def report(self, **signals: object) -> int:
        """Let the car report `gear`, `speed`, `lat`, `lon`; returns as `say` does."""
        return self.say("telemetry", {"signals": {_NAMES[name]: value for name, value in signals.items()}})

    def let_in(self, subject: str = "s.1") -> None:
        """Let somebody who agreed to everything take the driver's seat."""
        for purpose in Purpose:
            notice = {"id": "n1", "version": "1", "language": "en"}
            body = {"id": f"c-{purpose}", "holder": subject, "purpose": purpose, "state": "given", "notice": notice}
            self.say("consents", body)
        self.say("identity", {"state": "present", "role": "driver", "method": "key", "subject": subject})

    async def settled(self) -> None:
        """Wait until all that was submitted is on disk."""
        await self.runner.settled()

    def confirm_all(self) -> None:
        """Let the broker take everything."""
        for sent in self.carrier.sent:
            self.runner.confirmed(sent.token, 0)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Return what the ledger says."""
        with closing(sqlite3.connect(f"file:{self.ledger.path}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    def alter(self, statement: str) -> None:
        """Change the ledger behind the writer's back: a schema that does not fit is a disk that says no."""
        with closing(sqlite3.connect(self.ledger.path, isolation_level=None)) as connection:
            connection.execute(statement)

    def count(self, name: str, **labels: str) -> float:
        """Return a metric."""
        return self.metrics.registry.get_sample_value(f"wayside_{name}", labels) or 0.0


_CONFIG = {
    "id": "gw-1",
    "data_dir": "data",
    "release": "release",
    "units": [
        {"id": "car-1", "kind": "car", "placements": ["driver_screen"], "time_zone": "Europe/Zurich"},
        {"id": "till-1", "kind": "kiosk", "placements": ["kiosk_screen"]},
    ],
}


@asynccontextmanager
async def a_stage(
    path: Path, release: Release | None = None, clock: FakeClock | None = None, **changes: object
) -> AsyncIterator[Stage]:
    """Yield a started and connected gateway over the ledger at `path`; it serves `car-1` in Zurich and `till-1`.

    Args:
        path: Where the ledger lies; made if it is not there.
        release: One action, a pastry when parked, unless given.
        clock: Stands at `T0` unless given.
        changes: Other keys of the configuration.
    """
    schema.prepare(path)
    config = GatewayConfig.model_validate({**_CONFIG, **changes})
    clock = clock or FakeClock(T0)
    release = release or a_release(actions=[an_action("pastry")])
    ledger = Ledger(path)
    setting = Setting(config, FixedScorer(), Standing("gw-1", release, T0), b"k" * 32, ledger, clock)
    stage = Stage(setting, Health())
    stage.runner.start()
    stage.runner.connected(stage.carrier)
    try:
        yield stage
    finally:
        await stage.runner.close()
        ledger.close()


def bodies(sent: Iterable[Sent]) -> list[dict[str, Any]]:
    """Return what was published, as JSON objects."""
    return [json.loads(each.payload) for each in sent]
