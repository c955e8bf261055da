"""Cars that drive and park without end, and people in them who answer every offer: the load under which things break.

A stranger: paho, topics and JSON. What matters is sent at QoS 1 under an id made once, and repeated by the client until
the broker acknowledges it; the rest is a stream at QoS 0. Each parking has a number of its own, which the cars report
as a range in km, so that a decision tells which parking it was made for.
"""

import json
import queue
import random
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

PURPOSES = ("location_triggers", "profiling", "offer_display")
CARS = 4
TICK_S = 0.01
RETRY_S = 0.05
PATIENCE_S = 60.0

_PLACE = "Vehicle.CurrentLocation."
_GEAR = "Vehicle.Powertrain.Transmission.SelectedGear"
_RANGE = "Vehicle.Powertrain.FuelSystem.Range"
_SEAT = "Vehicle.Cabin.Seat.Row1.DriverSide.OccupancyStatus"
_ANSWERS = (
    ("presented", "redeemed"),
    ("presented", "declined"),
    ("presented", "seen", "dismissed"),
    ("accepted", "redeemed"),
    ("declined",),
)
_OFFER_TICKS = 60
_CONSENT_TICKS = 5
_IDENTITY_TICKS = 100


@dataclass(frozen=True, slots=True)
class Answer:
    """An outcome that was reported. `is_first`: the first that was told of its offer."""

    offer: str
    outcome: str
    is_first: bool


@dataclass
class Told:
    """What the cars and people said, and what they saw.

    Attributes:
        consents: Id -> whether it was given.
        answers: What became of offers, by the report's id.
        offers: By its id, each form in which an offer was seen.
        parkings: How often a car parked.
        messages: How many messages were sent at QoS 0.
    """

    consents: dict[str, bool] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    offers: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    parkings: int = 0
    messages: int = 0


@dataclass
class _Car:
    unit: str
    parking: int = 0
    parked: bool = False
    wait: int = 0
    to_say: list[tuple[str, str, str]] = field(default_factory=list)


class Traffic:
    """On the road as long as its block lasts; `finish` first, and everything is acknowledged.

    Args:
        port: The broker's.
        seed: What is answered, and when, follows from it.
    """

    def __init__(self, host: str, port: int, seed: int) -> None:
        self.told = Told()
        self._address = host, port
        self._draw = random.Random(seed)  # noqa: S311 -- no secret
        self._cars = [_Car(f"car-{number}") for number in range(1, CARS + 1)]
        self._sent = 0
        self._acknowledged = 0
        self._refused: list[str] = []
        self._came: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._answered: set[str] = set()
        self._number = 0
        self._news = threading.Event()
        self._end = threading.Event()
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._client = self._new_client("traffic")
        self._client.max_queued_messages_set(0)
        self._client.on_connect = lambda client, *_: client.subscribe("wayside/v1/+/offers", 1)
        self._client.on_message = lambda _client, _data, message: self._came.put(
            (message.topic, bytes(message.payload))
        )
        self._client.on_publish = self._note_acknowledged
        self._stream = self._new_client("stream")

    def __enter__(self) -> Self:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 3_600
        for client in (self._client, self._stream):
            client.connect(*self._address, clean_start=False, properties=properties)
            client.loop_start()
        self._let_in()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        for client in (self._client, self._stream):
            client.disconnect()
            client.loop_stop()
            # It leaves the sockets open by which it woke its thread.
            client.reinitialise()

    def finish(self) -> str:
        """Park for good; return the id of a last consent once the broker has acknowledged that and all before it.

        Raises:
            AssertionError: It did not, or the traffic broke down.
        """
        self._end.set()
        self._thread.join()
        if self._fault is not None:
            raise AssertionError("the traffic broke down") from self._fault
        last = self._agree("car-1", "s.car-1", "third_party", given=False)
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            self._news.clear()
            if self._acknowledged == self._sent:
                break
            self._news.wait(max(0.0, deadline_s - time.monotonic()))
        if self._acknowledged < self._sent or self._refused:
            raise AssertionError(f"{self._sent} sent, {self._acknowledged} acknowledged, refused: {self._refused[:3]}")
        return last

    def _new_client(self, name: str) -> paho.Client:
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, protocol=paho.MQTTv5)
        # Whole seconds by type only: a broker that was killed is back long before one has passed.
        client.reconnect_delay_set(RETRY_S, RETRY_S)  # type: ignore[arg-type]
        return client

    def _note_acknowledged(self, _client: paho.Client, _data: object, _mid: int, code: ReasonCode, *_: object) -> None:
        self._acknowledged += 1
        self._news.set()
        if code.is_failure:
            self._refused.append(str(code))

    def _run(self) -> None:
        try:
            while not self._end.wait(TICK_S):
                self._tick()
        except Exception as error:  # noqa: BLE001 -- told by `finish`, in the test's own thread
            self._fault = error

    def _tick(self) -> None:
        self._number += 1
        while not self._came.empty():
            self._see(*self._came.get())
        for car in self._cars:
            self._advance(car)
            signals = {"Vehicle.Exterior.AirTemperature": self._draw.randint(-200, 400) / 10}
            self._stream.publish(f"wayside/v1/{car.unit}/telemetry", _encoded({"ts_ms": _now(), "signals": signals}))
            self.told.messages += 1
        if self._number % _IDENTITY_TICKS == 0:
            self._identify()
        if self._number % _CONSENT_TICKS == 0:
            holder = self._draw.choice(("s.car-1", "s.car-2", f"s.{self._draw.randrange(100)}"))
            self._agree(self._draw.choice(self._cars).unit, holder, "third_party", given=self._draw.random() < 0.5)

    def _let_in(self) -> None:
        for car in self._cars:
            for purpose in PURPOSES:
                self._agree(car.unit, f"s.{car.unit}", purpose, given=True)
        self._identify()

    def _identify(self) -> None:
        for car in self._cars:
            present = {"state": "present", "role": "driver", "method": "key", "subject": f"s.{car.unit}"}
            self._say(car.unit, "identity", {"id": f"i-{car.unit}-{self._number}", **present})

    def _advance(self, car: _Car) -> None:
        """Say what is to be said; then drive on, or park, when it is time."""
        if car.to_say:
            unit, offer, outcome = car.to_say.pop(0)
            self._answer(unit, offer, outcome)
            car.wait = max(car.wait, 3)
            return
        car.wait -= 1
        if car.wait > 0:
            return
        car.parked = not car.parked
        if car.parked:
            car.parking += 1
            self.told.parkings += 1
            signals: dict[str, object] = {
                _GEAR: 126,
                "Vehicle.Speed": 0.0,
                _SEAT: "OCCUPIED",
                _RANGE: car.parking * 1_000,
            }
            car.wait = _OFFER_TICKS
        else:
            signals, car.wait = {_GEAR: 127, "Vehicle.Speed": 30.0}, self._draw.randint(3, 12)
        # It only rolls about the station: nobody would believe a car that is elsewhere every second.
        located = {f"{_PLACE}Latitude": 47.4, f"{_PLACE}Longitude": 8.5}
        self._say(car.unit, "telemetry", {"id": f"t-{self._number}", "signals": {**located, **signals}})

    def _see(self, topic: str, payload: bytes) -> None:
        body = json.loads(payload)
        if body.get("withdrawn"):
            return
        is_new = body["id"] not in self.told.offers
        self.told.offers[body["id"]].add(payload)
        if is_new:
            car = next(car for car in self._cars if topic == f"wayside/v1/{car.unit}/offers")
            said = self._draw.choice(_ANSWERS)
            car.to_say += [("till-1" if what == "redeemed" else car.unit, body["id"], what) for what in said]

    def _answer(self, unit: str, offer: str, outcome: str) -> None:
        report = f"x-{len(self.told.answers)}"
        self.told.answers[report] = Answer(offer, outcome, offer not in self._answered)
        self._answered.add(offer)
        self._say(unit, "outcomes", {"id": report, "offer_id": offer, "outcome": outcome})

    def _agree(self, unit: str, holder: str, purpose: str, *, given: bool) -> str:
        consent = f"c-{len(self.told.consents)}"
        self.told.consents[consent] = given
        said = {"id": consent, "holder": holder, "purpose": purpose, "state": "given" if given else "withdrawn"}
        notice = {"notice": {"id": "n1", "version": "1", "language": "en"}} if given else {}
        self._say(unit, "consents", {**said, **notice})
        return consent

    def _say(self, unit: str, channel: str, body: Mapping[str, object]) -> None:
        payload = _encoded({"ts_ms": _now(), **body})
        self._sent += 1
        self._client.publish(f"wayside/v1/{unit}/{channel}", payload, qos=1)


def _encoded(body: Mapping[str, object]) -> bytes:
    return json.dumps(body).encode()


def _now() -> int:
    return time.time_ns() // 1_000_000
