"""The gateway as a process, a real broker, and strangers who speak MQTT."""

import hashlib
import json
import sqlite3
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.core.events import Purpose
from gateway.edge.store.ledger import read_decision
from gateway.testing.process import Broker, GatewayProcess
from gateway.testing.stranger import Message, Stranger

pytestmark = pytest.mark.mosquitto

STATUS = "wayside/v1/gw-1/status"
DEAD_LETTERS = "wayside/v1/gw-1/deadletter"
OFFERS = "wayside/v1/car-1/offers"
GEAR = "Vehicle.Powertrain.Transmission.SelectedGear"
SEAT = "Vehicle.Cabin.Seat.Row1.DriverSide.OccupancyStatus"

Configure = Callable[[Broker], Path]


def _now() -> int:
    return time.time_ns() // 1_000_000


def _is(state: str) -> Callable[[Message], bool]:
    return lambda message: message.body["state"] == state


def _offers(action: str) -> Callable[[Message], bool]:
    return lambda message: message.body.get("action") == action


class Car:
    """What the car and the person in it say."""

    def __init__(self, stranger: Stranger) -> None:
        self._stranger = stranger

    def let_in(self, *, consents: bool = True) -> None:
        """Someone the gateway may speak to takes the driver's seat."""
        for purpose in Purpose if consents else ():
            consent = {
                "id": f"c-{purpose}",
                "ts_ms": _now(),
                "holder": "s.1",
                "purpose": purpose,
                "state": "given",
                "notice": {"id": "n1", "version": "1", "language": "en"},
                "method": "screen",
            }
            self._stranger.say("wayside/v1/car-1/consents", consent)
        present = {"id": f"i-{_now()}", "ts_ms": _now(), "state": "present", "role": "driver"}
        self._stranger.say("wayside/v1/car-1/identity", {**present, "method": "key", "subject": "s.1"})

    def report(self, signals: dict[str, object], *, qos: int = 1) -> None:
        self._stranger.say("wayside/v1/car-1/telemetry", {"ts_ms": _now(), "signals": signals}, qos=qos)

    def drive_to(self, lon: float) -> None:
        place = "Vehicle.CurrentLocation."
        self.report({f"{place}Latitude": 47.4, f"{place}Longitude": lon, "Vehicle.Speed": 20.0, GEAR: 127})

    def park(self) -> None:
        self.report({GEAR: 126, "Vehicle.Speed": 0.0, SEAT: "OCCUPIED"})

    def answer(self, offer: str, outcome: str, *, unit: str = "car-1") -> None:
        report = {"id": f"x-{outcome}-{offer}"[:60], "ts_ms": _now(), "offer_id": offer, "outcome": outcome}
        self._stranger.say(f"wayside/v1/{unit}/outcomes", report)


def _rows(config: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{config.parent}/data/ledger.db?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def _metric(gateway_port: int, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{gateway_port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def test_from_telemetry_to_a_recorded_redeemed_offer(mosquitto: Broker, configure: Configure) -> None:
    config = configure(mosquitto)
    with Stranger(mosquitto.host, mosquitto.port, STATUS, OFFERS) as stranger, GatewayProcess(config) as gateway:
        born = stranger.expect(STATUS, _is("born"))
        assert born.body["release"] == {"id": "test-1", "counter": 1}
        car = Car(stranger)
        car.let_in()
        car.drive_to(8.5)
        car.park()

        offer = stranger.expect(OFFERS)
        assert (offer.body["action"], offer.body["placement"], offer.body["role"]) == (
            "pastry",
            "driver_screen",
            "driver",
        )
        assert offer.properties is not None
        assert 0 < offer.properties.MessageExpiryInterval <= 300  # type: ignore[attr-defined]
        car.answer(offer.body["id"], "accepted")
        car.answer(offer.body["id"], "redeemed", unit="till-1")

        tyres = stranger.expect(OFFERS)
        assert tyres.body["action"] == "tyres"
        assert gateway.terminate() == 0

    assert _rows(config, "SELECT outcome FROM outcomes ORDER BY seq") == [("accepted",), ("redeemed",)]
    assert _rows(config, "SELECT action, publication FROM offers ORDER BY made_ms") == [
        ("pastry", "sent"),
        ("tyres", "sent"),
    ]
    assert _rows(config, "SELECT count(*), count(DISTINCT purpose) FROM consents") == [(6, 6)]
    assert '"notice"' in _rows(config, "SELECT receipt FROM consents")[0][0]
    decision = read_decision(config.parent / "data" / "ledger.db", offer.body["decision_id"])
    assert decision is not None
    assert (decision.chosen, decision.offer) == ("pastry", offer.body["id"])


def test_a_broker_of_the_older_version_gets_the_same_and_nothing_is_acknowledged_unrecorded(
    mosquitto: Broker, configure: Configure
) -> None:
    config = configure(mosquitto)
    older = {"WAYSIDE_BROKER__PROTOCOL": "3.1.1"}
    with Stranger(mosquitto.host, mosquitto.port, STATUS, OFFERS) as stranger, GatewayProcess(config, older) as gateway:
        stranger.expect(STATUS, _is("born"))
        assert gateway.await_event("connected")["mqtt"] == "3.1.1"
        car = Car(stranger)
        car.let_in()
        car.drive_to(8.5)
        car.park()
        stranger.expect(OFFERS, _offers("pastry"))
        assert gateway.terminate() == 0
    assert _rows(config, "SELECT publication FROM offers") == [("sent",)]


def test_no_consent_is_lost_when_the_gateway_is_killed_in_the_middle_of_them(
    mosquitto: Broker, configure: Configure
) -> None:
    config = configure(mosquitto)
    with Stranger(mosquitto.host, mosquitto.port, STATUS, OFFERS) as stranger:
        car = Car(stranger)
        with GatewayProcess(config) as gateway:
            stranger.expect(STATUS, _is("born"))
            for number in range(600):
                consent = {"id": f"w{number}", "ts_ms": _now(), "holder": f"s.{number}", "purpose": "third_party"}
                body = json.dumps({**consent, "state": "withdrawn"}).encode()
                stranger.flood("wayside/v1/car-1/consents", body, qos=1)
                if number == 300:
                    stranger.say("wayside/v1/car-1/telemetry", {"ts_ms": _now(), "signals": {GEAR: 127}})
                    gateway.kill()
        with GatewayProcess(config) as gateway:
            stranger.expect(STATUS, _is("born"))
            car.let_in()
            car.drive_to(8.5)
            car.park()
            stranger.expect(OFFERS, _offers("pastry"))
            assert gateway.terminate() == 0

    assert _rows(config, "SELECT count(DISTINCT id) FROM consents WHERE given = 0") == [(600,)]
    assert _rows(config, "SELECT count(*) FROM consents WHERE given = 0") == [(600,)]


def test_without_consent_nothing_is_offered_and_the_reason_is_recorded(mosquitto: Broker, configure: Configure) -> None:
    config = configure(mosquitto)
    with Stranger(mosquitto.host, mosquitto.port, STATUS, OFFERS) as stranger, GatewayProcess(config) as gateway:
        stranger.expect(STATUS, _is("born"))
        car = Car(stranger)
        car.let_in(consents=False)
        car.drive_to(8.5)
        car.park()
        line = gateway.await_event("decision")
        gateway.terminate()
        stranger.expect(STATUS, _is("gone"))

        assert stranger.heard() == []
    assert line["chosen"] is None
    assert line["refusals"] == {"no_consent": 1}


def test_a_withdrawn_consent_takes_the_offer_off_the_screen(mosquitto: Broker, configure: Configure) -> None:
    with (
        Stranger(mosquitto.host, mosquitto.port, STATUS, OFFERS) as stranger,
        GatewayProcess(configure(mosquitto)),
    ):
        stranger.expect(STATUS, _is("born"))
        car = Car(stranger)
        car.let_in()
        car.drive_to(8.5)
        car.park()
        offer = stranger.expect(OFFERS)
        withdrawal = {"id": "w1", "ts_ms": _now(), "holder": "s.1", "purpose": "offer_display", "state": "withdrawn"}
        stranger.say("wayside/v1/car-1/consents", withdrawal)

        taken_back = stranger.expect(OFFERS)
    assert taken_back.body == {"id": offer.body["id"], "withdrawn": True, "reason": "consent_withdrawn"}


def test_a_restarted_broker_is_found_again_and_loses_nothing(mosquitto: Broker, configure: Configure) -> None:
    with (
        Stranger(mosquitto.host, mosquitto.port, STATUS, OFFERS) as stranger,
        GatewayProcess(configure(mosquitto)) as gateway,
    ):
        stranger.expect(STATUS, _is("born"))
        car = Car(stranger)
        car.let_in()
        car.drive_to(8.5)
        mosquitto.restart()
        stranger.await_subscription()
        # The broker holds this for the gateway's session, whether or not that is back already.
        car.park()

        assert stranger.expect(OFFERS, _offers("pastry")).body["unit"] == "car-1"
        assert gateway.await_event("connected", lambda line: line["session"])


def test_a_killed_gateway_goes_on_with_its_open_window(mosquitto: Broker, configure: Configure) -> None:
    config = configure(mosquitto)
    with Stranger(mosquitto.host, mosquitto.port, STATUS, OFFERS) as stranger:
        car = Car(stranger)
        with GatewayProcess(config) as gateway:
            stranger.expect(STATUS, _is("born"))
            car.let_in()
            car.drive_to(8.5)
            car.park()
            pastry = stranger.expect(OFFERS, _offers("pastry"))
            gateway.kill()
            stranger.expect(STATUS, _is("gone"))
        # What is said while the gateway is away waits for it at the broker.
        car.answer(pastry.body["id"], "accepted")
        with GatewayProcess(config) as gateway:
            stranger.expect(STATUS, _is("born"))
            car.answer(pastry.body["id"], "redeemed", unit="till-1")

            stranger.expect(OFFERS, _offers("tyres"))
            assert gateway.terminate() == 0

    assert _rows(config, "SELECT count(*) FROM offers WHERE action = 'pastry'") == [(1,)]


def test_an_offer_that_was_never_published_is_published_after_the_restart_under_its_id(
    mosquitto: Broker, configure: Configure
) -> None:
    config = configure(mosquitto)
    with Stranger(mosquitto.host, mosquitto.port, STATUS) as stranger, GatewayProcess(config) as gateway:
        stranger.expect(STATUS, _is("born"))
        car = Car(stranger)
        car.let_in()
        second = {"id": "i-2", "ts_ms": _now(), "state": "present", "role": "passenger", "method": "key"}
        stranger.say("wayside/v1/car-1/identity", {**second, "subject": "s.1"})
        car.drive_to(8.6)
        gateway.await_event("connected")
        # The dwell is a timer of the gateway's own: it decides while there is no broker to publish at.
        mosquitto.stop()
        decided = gateway.await_event("decision", lambda line: line["chosen"] == "coffee")
        gateway.kill()
    assert _rows(config, "SELECT id, publication FROM offers") == [(decided["offer"], "pending")]

    mosquitto.start()
    with Stranger(mosquitto.host, mosquitto.port, OFFERS) as stranger, GatewayProcess(config) as gateway:
        assert stranger.expect(OFFERS).body["id"] == decided["offer"]
        assert gateway.terminate() == 0
    assert _rows(config, "SELECT id, publication FROM offers") == [(decided["offer"], "sent")]


def test_a_flood_of_malformed_messages_is_dead_lettered_and_the_next_good_one_decided_on(
    mosquitto: Broker, configure: Configure
) -> None:
    bad = [b"", b"{", b"\xff\xfe", b"[]", b'{"ts_ms":1}', b'{"ts_ms":NaN,"signals":{}}', b"x" * 300_000]
    with (
        Stranger(mosquitto.host, mosquitto.port, STATUS, OFFERS, DEAD_LETTERS) as stranger,
        GatewayProcess(configure(mosquitto)) as gateway,
    ):
        port = gateway.await_event("started")["http"]
        stranger.expect(STATUS, _is("born"))
        car = Car(stranger)
        car.let_in()
        car.drive_to(8.5)
        for number in range(1_000):
            for channel in ("telemetry", "identity"):
                stranger.flood(f"wayside/v1/car-1/{channel}", bad[number % len(bad)], qos=number % 2)
        car.answer("o.nobody.1", "accepted")
        car.park()

        letter = stranger.expect(DEAD_LETTERS).body
        assert letter["sha256"] in {hashlib.sha256(each).hexdigest() for each in bad}
        stranger.expect(OFFERS, _offers("pastry"))
        letters = _metric(port, "wayside_dead_letters_total{")
        unpublished = _metric(port, "wayside_dead_letters_unpublished_total")
        assert letters == 2_001
        assert 0 < unpublished < letters
        assert gateway.terminate() == 0


def test_retained_telemetry_is_never_taken_as_live(mosquitto: Broker, configure: Configure) -> None:
    with Stranger(mosquitto.host, mosquitto.port, STATUS, OFFERS, DEAD_LETTERS) as stranger:
        parked = {"ts_ms": _now(), "signals": {GEAR: 126}}
        stranger.say("wayside/v1/car-1/telemetry", parked, retain=True)
        with GatewayProcess(configure(mosquitto)) as gateway:
            letter = stranger.expect(DEAD_LETTERS).body
            assert (letter["reason"], letter["topic"]) == ("retained", "wayside/v1/car-1/telemetry")
            assert gateway.terminate() == 0


def test_a_killed_gateway_is_reported_gone_by_its_will(mosquitto: Broker, configure: Configure) -> None:
    with (
        Stranger(mosquitto.host, mosquitto.port, STATUS) as stranger,
        GatewayProcess(configure(mosquitto)) as gateway,
    ):
        born = stranger.expect(STATUS, _is("born"))
        gateway.kill()

        gone = stranger.expect(STATUS, _is("gone"))
        assert gone.body["started_ms"] == born.body["started_ms"]
    with Stranger(mosquitto.host, mosquitto.port, STATUS) as latecomer:
        assert latecomer.expect(STATUS, _is("gone")).retained


def test_sigterm_drains_and_says_goodbye(mosquitto: Broker, configure: Configure) -> None:
    config = configure(mosquitto)
    with Stranger(mosquitto.host, mosquitto.port, STATUS, OFFERS) as stranger, GatewayProcess(config) as gateway:
        stranger.expect(STATUS, _is("born"))
        car = Car(stranger)
        car.let_in()
        car.drive_to(8.5)
        car.park()
        gateway.await_event("decision")
        started = time.monotonic()
        code = gateway.terminate()
        seconds = time.monotonic() - started

        stranger.expect(OFFERS, _offers("pastry"))
        stranger.expect(STATUS, _is("gone"))
    assert (code, seconds < 5) == (0, True)
    assert _rows(config, "SELECT publication FROM offers") == [("sent",)]


def test_sigterm_ends_it_in_time_although_the_broker_is_away(mosquitto: Broker, configure: Configure) -> None:
    with (
        Stranger(mosquitto.host, mosquitto.port, STATUS) as stranger,
        GatewayProcess(configure(mosquitto)) as gateway,
    ):
        stranger.expect(STATUS, _is("born"))
        mosquitto.stop()
        gateway.await_event("disconnected")
        started = time.monotonic()

        assert gateway.terminate() == 0
        assert time.monotonic() - started < 5


def test_a_second_gateway_on_the_same_ledger_is_refused(mosquitto: Broker, configure: Configure) -> None:
    config = configure(mosquitto)
    with GatewayProcess(config) as first:
        first.await_event("started")
        with GatewayProcess(config) as second:
            assert second.wait() == 4
            assert "another gateway is running" in second.other_lines[0]
