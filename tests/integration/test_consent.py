"""Consent as a person meets it: a real gateway, a real broker, and the files that are left behind.

Unknown is denied (F1); withdrawal binds at once, for good, and reaches what was not sent yet (F2); an end is an end
(F3); who asks to be erased is (F4); where somebody was is kept nowhere (F5). What clocks may do to an end is tried in
tests/faults/test_clock.py.
"""

import json
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import StoreError
from gateway.core.events import Purpose
from gateway.edge.store.inspection import verify
from gateway.edge.subject.erasure import erase
from gateway.edge.subject.journals import journals_in
from gateway.testing.process import Broker, GatewayProcess
from gateway.testing.stranger import Message, Stranger

STATUS, OFFERS = "wayside/v1/gw-1/status", "wayside/v1/car-1/offers"
CONSENTS, TELEMETRY = "wayside/v1/car-1/consents", "wayside/v1/car-1/telemetry"
GEAR = "Vehicle.Powertrain.Transmission.SelectedGear"
WHEEL = "Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.IsPressureLow"
LATITUDE, STATION_LON, CAFE_LON = 47.4, 8.5, 8.6
DAY_MS = 86_400_000
NOTICE = {"id": "n1", "version": "1", "language": "en"}

Configure = Callable[[Broker], Path]


def _now() -> int:
    return time.time_ns() // 1_000_000


def _is(state: str) -> Callable[[Message], bool]:
    return lambda message: message.body["state"] == state


class Person:
    """Who sits in the car, and what they and the car say."""

    def __init__(self, stranger: Stranger) -> None:
        self._stranger = stranger
        self._said = 0

    def agree(self, *purposes: Purpose, **fields: object) -> None:
        for purpose in purposes:
            said = {"holder": "p.erika", "purpose": purpose, "state": "given", "notice": NOTICE, "method": "screen"}
            self._say(CONSENTS, {"id": f"c-{purpose}", **said, **fields})

    def withdraw(self, purpose: Purpose) -> None:
        self._say(CONSENTS, {"id": f"w-{purpose}", "holder": "p.erika", "purpose": purpose, "state": "withdrawn"})

    def sit_down(self, role: str = "driver") -> None:
        self._say(
            "wayside/v1/car-1/identity",
            {"id": f"i-{role}", "state": "present", "role": role, "method": "key", "subject": "p.erika"},
        )

    def drive_to(self, lon: float) -> None:
        place = "Vehicle.CurrentLocation."
        signals = {f"{place}Latitude": LATITUDE, f"{place}Longitude": lon, "Vehicle.Speed": 20.0, GEAR: 127}
        self._say(TELEMETRY, {"signals": signals})

    def park(self) -> None:
        self._say(TELEMETRY, {"signals": {GEAR: 126, "Vehicle.Speed": 0.0}})

    def drive_off(self) -> None:
        self._say(TELEMETRY, {"signals": {GEAR: 127, "Vehicle.Speed": 20.0}})

    def _say(self, topic: str, body: dict[str, object]) -> None:
        self._stranger.say(topic, {"ts_ms": _now(), **body})


def _rows(config: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{config.parent}/data/ledger.db?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            # Of a journal whose gateway was killed, as much as there is.
            yield path.name, zlib.decompressobj(31).decompress(content) if path.suffix == ".gz" else content


@pytest.mark.parametrize("missing", [Purpose.OFFER_DISPLAY, Purpose.LOCATION_TRIGGERS])
def test_f1_a_purpose_that_nothing_was_said_of_is_denied_though_all_others_were_agreed_to(
    mosquitto: Broker, configure: Configure, missing: Purpose
) -> None:
    with Stranger(mosquitto.host, mosquitto.port, STATUS, OFFERS) as stranger:
        with GatewayProcess(configure(mosquitto)) as gateway:
            stranger.expect(STATUS, _is("born"))
            person = Person(stranger)
            person.agree(*(purpose for purpose in Purpose if purpose is not missing))
            person.sit_down()
            person.drive_to(STATION_LON)
            person.park()
            line = gateway.await_event("decision")
            assert gateway.terminate() == 0
            stranger.expect(STATUS, _is("gone"))
        assert (line["chosen"], line["refusals"]) == (None, {"no_consent": 1})
        assert [message for message in stranger.heard() if message.topic == OFFERS] == []


def test_f2_withdrawal_takes_the_offer_off_and_binds_the_next_decision_and_no_older_given_revives_it(
    mosquitto: Broker, configure: Configure
) -> None:
    with (
        Stranger(mosquitto.host, mosquitto.port, STATUS, OFFERS) as stranger,
        GatewayProcess(configure(mosquitto)) as gateway,
    ):
        stranger.expect(STATUS, _is("born"))
        person = Person(stranger)
        person.agree(*Purpose)
        person.sit_down()
        person.drive_to(STATION_LON)
        person.park()
        offer = stranger.expect(OFFERS).body
        person.withdraw(Purpose.OFFER_DISPLAY)
        assert stranger.expect(OFFERS).body == {"id": offer["id"], "withdrawn": True, "reason": "consent_withdrawn"}

        gateway.await_event("decision")
        # Each of these was said, or claims to have been said, without knowing of the withdrawal.
        person.agree(Purpose.OFFER_DISPLAY)
        person.agree(Purpose.OFFER_DISPLAY, id="c-late", ts_ms=_now() - DAY_MS)
        person.agree(Purpose.OFFER_DISPLAY, id="c-now", supersedes=["w-profiling"])
        person.drive_off()
        person.park()
        assert gateway.await_event("decision")["refusals"] == {"no_consent": 1}

        person.agree(Purpose.OFFER_DISPLAY, id="c-again", supersedes=["w-offer_display"])
        person.drive_off()
        person.park()
        refusals = gateway.await_event("decision")["refusals"]
        assert "no_consent" not in refusals


def test_f2_an_offer_that_was_not_sent_yet_is_never_published_after_the_withdrawal(
    mosquitto: Broker, configure: Configure
) -> None:
    config = configure(mosquitto)
    with Stranger(mosquitto.host, mosquitto.port, STATUS) as stranger, GatewayProcess(config) as gateway:
        stranger.expect(STATUS, _is("born"))
        person = Person(stranger)
        person.agree(*Purpose)
        person.sit_down("passenger")
        person.drive_to(CAFE_LON)
        gateway.await_event("connected")
        # The dwell is a timer of the gateway's own: it decides while there is no broker to publish at.
        mosquitto.stop()
        gateway.await_event("decision", lambda line: line["chosen"] == "coffee")
        gateway.kill()
    assert _rows(config, "SELECT publication FROM offers") == [("pending",)]

    mosquitto.start()
    with Stranger(mosquitto.host, mosquitto.port, OFFERS, STATUS) as stranger:
        Person(stranger).withdraw(Purpose.OFFER_DISPLAY)  # it waits for the gateway at the broker
        with GatewayProcess(config) as gateway:
            stranger.expect(STATUS, _is("born"))
            gateway.await_event("connected", lambda line: line["session"])
            assert gateway.terminate() == 0
        stranger.expect(STATUS, _is("gone"))
        published = [message.body for message in stranger.heard() if message.topic == OFFERS]
    assert [body for body in published if "title" in body] == []
    assert _rows(config, "SELECT count(*) FROM consents WHERE NOT given") == [(1,)]
    assert _rows(config, "SELECT withdrawal_reason FROM offers") == [("consent_withdrawn",)]


def test_f3_what_was_agreed_to_until_a_day_ends_with_it_whatever_the_senders_clock_says(
    mosquitto: Broker, configure: Configure
) -> None:
    with (
        Stranger(mosquitto.host, mosquitto.port, STATUS, OFFERS) as stranger,
        GatewayProcess(configure(mosquitto)) as gateway,
    ):
        stranger.expect(STATUS, _is("born"))
        person, ended = Person(stranger), _now() - 1
        person.agree(Purpose.LOCATION_TRIGGERS)
        person.agree(Purpose.OFFER_DISPLAY, valid_until_ms=ended)
        # A clock set back makes the end look as if it lay ahead: it is the gateway's time that counts.
        person.agree(Purpose.OFFER_DISPLAY, id="c-back", ts_ms=ended - DAY_MS, valid_until_ms=ended)
        person.sit_down()
        person.drive_to(STATION_LON)
        person.park()
        assert gateway.await_event("decision")["refusals"] == {"no_consent": 1}


def test_f4_who_is_erased_is_in_no_file_their_offer_leaves_the_screen_and_the_gateway_goes_on(
    mosquitto: Broker, configure: Configure
) -> None:
    config = configure(mosquitto)
    config.write_text(config.read_text("utf-8") + '\n[journal]\nlevel = "moments"\n', encoding="utf-8")
    ledger, journals = config.parent / "data" / "ledger.db", config.parent / "journals"
    with Stranger(mosquitto.host, mosquitto.port, STATUS, OFFERS) as stranger:
        person = Person(stranger)
        with GatewayProcess(config) as gateway:
            stranger.expect(STATUS, _is("born"))
            person.agree(*Purpose)
            person.sit_down()
            person.drive_to(STATION_LON)
            person.park()
            offer = stranger.expect(OFFERS).body
            with pytest.raises(StoreError, match="stop it, erase, and start it again"):
                erase(ledger, journals_in(journals), "p.erika", "a request", _now())
            gateway.kill()
        stranger.expect(STATUS, _is("gone"))
        before = [name for name, content in _files(config.parent) if b"p.erika" in content]
        assert erase(ledger, journals_in(journals), "p.erika", "a request", _now()).found_in == ()
        assert verify(ledger).fault is None
        assert [name for name, content in _files(config.parent) if b"p.erika" in content] == []
        assert {Path(name).suffix for name in before} >= {".gz"}
        assert {"ledger.db", "ledger.db-wal"} & set(before)

        with GatewayProcess(config) as gateway:
            stranger.expect(STATUS, _is("born"))
            withdrawn = stranger.expect(OFFERS).body
            assert withdrawn == {"id": offer["id"], "withdrawn": True, "reason": "consent_withdrawn"}
            person.sit_down()
            person.drive_off()
            person.park()
            assert gateway.await_event("decision")["refusals"] == {"no_consent": 1}
            assert gateway.terminate() == 0


def test_f5_no_position_is_left_in_any_file(mosquitto: Broker, configure: Configure) -> None:
    config = configure(mosquitto)
    config.write_text(config.read_text("utf-8") + '\n[journal]\nlevel = "moments"\n', encoding="utf-8")
    longitude = 8.500123
    with Stranger(mosquitto.host, mosquitto.port, STATUS, OFFERS) as stranger, GatewayProcess(config) as gateway:
        stranger.expect(STATUS, _is("born"))
        person = Person(stranger)
        person.agree(*Purpose)
        person.sit_down()
        person.drive_to(longitude)
        person.park()
        offer = stranger.expect(OFFERS)
        assert gateway.terminate() == 0
    left = dict(_files(config.parent / "data")) | dict(_files(config.parent / "journals"))
    assert any(name.endswith(".moments.jsonl.gz") for name in left)
    assert [name for name, content in left.items() if b"8.5001" in content or b"8500123" in content] == []
    assert b"8.5001" not in offer.payload
    assert any(b"station" in content for content in left.values())


def test_facts_said_over_the_broker_are_known_by_the_next_gateway_too(mosquitto: Broker, configure: Configure) -> None:
    config = configure(mosquitto)
    with Stranger(mosquitto.host, mosquitto.port, STATUS) as stranger:
        stock = {"id": "f-1", "ts_ms": _now(), "fence": "cafe", "facts": {"stock": 3}}
        stranger.say("wayside/v1/car-1/facts", stock, retain=True)
        with GatewayProcess(config) as gateway:
            stranger.expect(STATUS, _is("born"))
            told = {"id": "f-2", "ts_ms": _now(), "subject": "p.erika", "facts": {"visits": 4}}
            stranger.say("wayside/v1/car-1/facts", told)
            stranger.say("wayside/v1/car-1/facts", {"id": "f-3", "ts_ms": _now(), "facts": {"queue": 2}})
            assert gateway.terminate() == 0
    query = "SELECT scope, owner, item, value FROM state WHERE name = 'fact' ORDER BY scope"
    known = [(scope, owner, item, json.loads(value)["value"]) for scope, owner, item, value in _rows(config, query)]
    assert known == [
        ("fence", "cafe", "stock", 3),
        ("subject", "p.erika", "visits", 4),
        ("unit", "car-1", "queue", 2),
    ]
