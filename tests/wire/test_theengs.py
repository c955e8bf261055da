"""Theengs: tyres, tags and beacons that are bound; and strangers, of whom nothing is kept."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import InvalidInput
from gateway.core.events import BeaconSighted, Event, Role, SignalsReported, SubjectIdentified, SubjectLeft
from gateway.wire.devices import Bindings, Devices, Ignored, IgnoredReason, Said, Tyre
from gateway.wire.read import Reason, keyed_hash, read_device
from gateway.wire.theengs import ASSUMED_POWER_1M_DBM, distance_m

NOW = 1_760_000_000_000
KEY = b"k" * 32
UUID = "fda50693a4e24fb1afcfc6eb07647825"
IBEACON = f"{UUID}:1:2"
EDDYSTONE = "00112233445566778899:aabbccddeeff"
PAGE = "https://cafe.example/"
TAG = "C0:FF:EE:12:34:56"
KEYRING = "e20a39f4-73f5-4bc4-a12f-17d1ad07a961:0:7"
SENSOR = "80:EA:CA:10:8A:78"
TIRE = "Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire"
STRANGER = Ignored(IgnoredReason.UNKNOWN_DEVICE)


BINDINGS = Bindings(
    scanners={"Car": "car-7", "Till": "till-1"},
    tyres={
        (SENSOR, None): Tyre("car-7", "Row1.Left"),
        ("81:EA:CA:20:4C:11", 2): Tyre("car-7", "Row1.Right"),
        ("81:EA:CA:20:4C:11", 4): Tyre("car-7", "Row2.Right"),
    },
    tags={"car-7": {TAG: Role.DRIVER, KEYRING: Role.DRIVER}, "till-1": {TAG: Role.CUSTOMER}},
)


def a_devices(bindings: Bindings) -> Devices:
    devices = Devices(bindings)
    devices.activate(fences=[], beacons=[IBEACON.upper(), EDDYSTONE, PAGE, "A Beacon"])
    return devices


class Border:
    """Bound devices, and what their scanners hear."""

    def __init__(self) -> None:
        self.devices = a_devices(BINDINGS)
        self.now = NOW

    def hear(self, scanner: str = "Car", /, **fields: object) -> Said | Ignored:
        self.now += 1
        topic = f"home/{scanner}/BTtoMQTT/AABBCCDDEEFF"
        return read_device(topic, json.dumps(fields).encode(), self.now, self.devices, credential_key=KEY)

    def events(self, scanner: str = "Car", /, **fields: object) -> tuple[Event, ...]:
        said = self.hear(scanner, **fields)
        assert isinstance(said, Said)
        assert said.refused is None
        return said.events

    def remembered(self) -> str:
        return repr([value for name, value in vars(self.devices).items() if name != "_bindings"])


def sighted(**fields: object) -> BeaconSighted:
    (event,) = Border().events(**({"id": "11:22:33:44:55:66", "rssi": -70} | fields))
    assert isinstance(event, BeaconSighted)
    return event


def ibeacon(**fields: object) -> dict[str, object]:
    return {"model_id": "IBEACON", "mfid": "4c00", "uuid": UUID, "major": 1, "minor": 2, "txpower": -59} | fields


def eddystone(data: str, uuid: str = "feaa") -> dict[str, object]:
    return {"servicedata": data, "servicedatauuid": uuid}


def identified(unit: str, ts: int, tag: str, role: Role) -> SubjectIdentified:
    return SubjectIdentified(unit, ts, f"t.{ts}", keyed_hash(tag, KEY), role, "key")


def test_a_tyre_tells_pressure_temperature_and_alarm() -> None:
    tyre = {"id": SENSOR, "model_id": "TPMS", "count": 1, "pres": 2.22708, "tempc": 31.96, "batt": 51, "alarm": True}
    assert Border().events(**tyre) == (
        SignalsReported(
            "car-7",
            NOW + 1,
            {f"{TIRE}.Pressure": 223, f"{TIRE}.Temperature": 31.96, f"{TIRE}.IsPressureLow": True},
        ),
    )


def test_a_tyre_counts_at_its_car_whichever_scanner_hears_it() -> None:
    (event,) = Border().events("Till", id=SENSOR, model_id="TPMS", count=1, alarm=False)
    assert event == SignalsReported("car-7", NOW + 1, {f"{TIRE}.IsPressureLow": False})


@pytest.mark.parametrize(("count", "wheel"), [(2, "Row1.Wheel.Right"), (4, "Row2.Wheel.Right")])
def test_a_binding_may_name_the_wheel_number(count: int, wheel: str) -> None:
    (event,) = Border().events(id="81eaca204c11", model_id="TPMS", count=count, alarm=True)
    assert event == SignalsReported("car-7", NOW + 1, {f"Vehicle.Chassis.Axle.{wheel}.Tire.IsPressureLow": True})


@pytest.mark.parametrize("count", [{"count": 3}, {"count": True}, {"count": 2.0}, {"count": "2"}, {}])
def test_a_tyre_of_another_number_is_a_strangers(count: dict[str, object]) -> None:
    assert Border().hear(id="81:EA:CA:20:4C:11", model_id="TPMS", alarm=True, **count) == STRANGER


@pytest.mark.parametrize(
    "odd", [{"pres": "2.2"}, {"pres": True}, {"pres": -1}, {"pres": 10**300}, {"pres": 1e308}, {"tempc": []}]
)
def test_an_odd_value_of_a_tyre_does_not_hide_its_alarm(odd: dict[str, object]) -> None:
    said = Border().hear(id=SENSOR, model_id="TPMS", alarm=True, **odd)

    assert isinstance(said, Said)
    assert said.events == (SignalsReported("car-7", NOW + 1, {f"{TIRE}.IsPressureLow": True}),)
    assert said.refused is not None
    assert said.refused.reason == Reason.BAD_VALUE


def test_a_tyre_that_makes_no_sense_at_all_is_refused() -> None:
    with pytest.raises(InvalidInput, match="IsPressureLow: expected boolean"):
        Border().hear(id=SENSOR, model_id="TPMS", alarm="low")


@pytest.mark.parametrize(
    ("heard", "name"),
    [
        (ibeacon(), IBEACON.upper()),
        (ibeacon(uuid="FDA50693-A4E2-4FB1-AFCF-C6EB07647825"), IBEACON.upper()),
        (eddystone("00ee00112233445566778899aabbccddeeff0000"), EDDYSTONE),
        (eddystone("00EE00112233445566778899AABBCCDDEEFF", "0xFEAA"), EDDYSTONE),
        (eddystone("10ee03" + b"cafe.example/".hex()), PAGE),
    ],
)
def test_a_beacon_is_heard_as_its_fence_names_it(heard: dict[str, object], name: str) -> None:
    assert sighted(**heard) == BeaconSighted("car-7", NOW + 1, name, distance_m(-70, -59))


@pytest.mark.parametrize(
    ("told", "distance"),
    [
        ({"distance": 1.25}, 1.25),
        ({"distance": 0}, 0.0),
        ({"distance": -1}, 3.548),
        ({"distance": "near"}, 3.548),
        ({}, 3.548),
        ({"txpower": -65}, 1.778),
        ({"txpower": None, "volt": 2.6}, 3.548),
        ({"txpower": 1_000}, 3.548),
        ({"rssi": -59}, 1.0),
    ],
)
def test_distance_is_as_told_or_follows_from_strength(told: dict[str, object], distance: float) -> None:
    assert sighted(**ibeacon(**told)).distance_m == pytest.approx(distance, abs=0.001)


def test_a_beacon_that_does_not_state_its_power_is_assumed_to_be_delivered_as_usual() -> None:
    assert sighted(**ibeacon(txpower=None)) == sighted(**ibeacon(txpower=ASSUMED_POWER_1M_DBM))


def test_ten_times_farther_is_twenty_decibels_less() -> None:
    assert distance_m(-99, -59) / distance_m(-79, -59) == pytest.approx(10)


@pytest.mark.parametrize("rssi", [{"rssi": 127}, {"rssi": None}, {"rssi": "-70"}, {"rssi": True}, {"rssi": -(10**9)}])
def test_a_beacon_heard_nobody_knows_how_strongly_says_nothing(rssi: dict[str, object]) -> None:
    assert Border().hear(id="11:22:33:44:55:66", **ibeacon(**rssi)) == Ignored(IgnoredReason.NO_DISTANCE)


def test_a_beacon_is_heard_no_longer_once_the_address_it_had_is_absent() -> None:
    border = Border()
    assert border.hear(id="11:22:33:44:55:66", presence="absent") == STRANGER
    border.events(id="11:22:33:44:55:66", rssi=-60, **ibeacon())
    assert border.events(id="112233445566", presence="absent") == (
        BeaconSighted("car-7", NOW + 3, IBEACON.upper(), None),
    )
    assert border.hear(id="11:22:33:44:55:66", presence="absent") == STRANGER


def test_the_old_address_of_a_beacon_that_changed_it_means_nothing() -> None:
    border = Border()
    border.events(id="11:22:33:44:55:66", rssi=-60, **ibeacon())
    border.events(id="11:22:33:44:55:77", rssi=-60, **ibeacon())
    assert border.hear(id="11:22:33:44:55:66", presence="absent") == STRANGER
    assert border.events(id="11:22:33:44:55:77", presence="absent") != ()


def test_a_tag_identifies_whoever_carries_it_once_and_by_a_keyed_hash() -> None:
    border = Border()
    first = border.events(id=TAG, rssi=-60, name="keys")
    again = border.events(id=TAG.lower(), rssi=-61)

    assert first == (identified("car-7", NOW + 1, TAG, Role.DRIVER),)
    assert again == ()


def test_a_tag_is_who_its_unit_says_wherever_it_is_heard() -> None:
    border = Border()
    assert border.events("Till", id=TAG) == (identified("till-1", NOW + 1, TAG, Role.CUSTOMER),)
    assert border.events("Car", id=TAG) == (identified("car-7", NOW + 2, TAG, Role.DRIVER),)


def test_a_tag_that_is_absent_has_left_and_may_come_again() -> None:
    border = Border()
    border.events(id=TAG)
    assert border.events(id=TAG, presence="absent") == (SubjectLeft("car-7", NOW + 2, f"t.{NOW + 2}", Role.DRIVER),)
    assert border.events(id=TAG) == (identified("car-7", NOW + 3, TAG, Role.DRIVER),)


def test_a_tag_known_by_what_it_says_is_missed_under_the_address_it_had() -> None:
    border = Border()
    keyring = ibeacon(uuid="E20A39F473F54BC4A12F17D1AD07A961", major=0, minor=7)
    assert border.events(id="4A:00:00:00:00:01", **keyring) == (identified("car-7", NOW + 1, KEYRING, Role.DRIVER),)
    assert border.events(id="4A:00:00:00:00:01", presence="absent") == (
        SubjectLeft("car-7", NOW + 2, f"t.{NOW + 2}", Role.DRIVER),
    )


def test_of_two_tags_of_a_role_the_last_to_come_speaks_for_it_until_it_leaves() -> None:
    border = Border()
    keyring = ibeacon(uuid="E20A39F473F54BC4A12F17D1AD07A961", major=0, minor=7)
    border.events(id=TAG)
    assert border.events(id="4A:00:00:00:00:01", **keyring) == (identified("car-7", NOW + 2, KEYRING, Role.DRIVER),)
    assert border.events(id=TAG) == ()
    assert border.events(id="4A:00:00:00:00:01", **keyring) == ()
    assert len(border.events(id="4A:00:00:00:00:01", presence="absent")) == 1
    assert border.events(id=TAG) == (identified("car-7", NOW + 6, TAG, Role.DRIVER),)


def test_a_tag_that_does_not_speak_for_its_role_leaves_unnoticed() -> None:
    border = Border()
    keyring = ibeacon(uuid="E20A39F473F54BC4A12F17D1AD07A961", major=0, minor=7)
    border.events(id=TAG)
    border.events(id="4A:00:00:00:00:01", **keyring)
    assert border.events(id=TAG, presence="absent") == ()


def test_a_tag_that_left_while_the_gateway_was_away_leaves_for_whoever_the_ledger_has_there() -> None:
    assert Border().events(id=TAG, presence="absent") == (SubjectLeft("car-7", NOW + 1, f"t.{NOW + 1}", Role.DRIVER),)


def test_a_new_engine_is_told_anew_who_is_there() -> None:
    border = Border()
    border.events(id=TAG)
    border.events("Till", id=TAG)
    border.devices.forget("car-7")
    assert border.events("Till", id=TAG) == ()
    assert len(border.events(id=TAG)) == 1
    border.devices.forget()
    assert len(border.events("Till", id=TAG)) == 1


def test_a_beacon_may_be_a_tag_as_well() -> None:
    devices = a_devices(Bindings(scanners={"Car": "car-7"}, tags={"car-7": {TAG: Role.DRIVER}}))
    raw = json.dumps({"id": TAG, "rssi": -59, **ibeacon()}).encode()
    said = read_device("home/Car/BTtoMQTT/x", raw, NOW, devices, credential_key=KEY)
    assert isinstance(said, Said)
    assert said.events == (identified("car-7", NOW, TAG, Role.DRIVER), BeaconSighted("car-7", NOW, IBEACON.upper(), 1))


STRANGERS: list[dict[str, object]] = [
    {"id": "DE:AD:BE:EF:00:01", "rssi": -60, "name": "Anna's watch"},
    {"id": "DE:AD:BE:EF:00:01", "presence": "absent"},
    {"id": "DE:AD:BE:EF:00:01", "model_id": "TPMS", "count": 1, "pres": "wrong", "alarm": []},
    {"id": "DE:AD:BE:EF:00:01", **ibeacon(minor=3)},
    {"id": "DE:AD:BE:EF:00:01", **ibeacon(uuid=7)},
    {"id": "DE:AD:BE:EF:00:01", **ibeacon(uuid="a beacon", rssi=-60)},
    {"id": "DE:AD:BE:EF:00:01", **eddystone("00ee00112233445566778899aabbccddeefe0000")},
    {"id": "DE:AD:BE:EF:00:01", **eddystone("20000bb81580000000010000000a")},
    {"id": "DE:AD:BE:EF:00:01", **eddystone("30ee0123456789abcdef")},
    {"id": "DE:AD:BE:EF:00:01", **eddystone("no hex")},
    {"id": "DE:AD:BE:EF:00:01", **eddystone("00ee00112233445566778899aabbccddeeff0000", "fe9f")},
    {"id": "DE:AD:BE:EF:00:01", "servicedatauuid": "feaa", "servicedata": 7},
]


@pytest.mark.parametrize("fields", STRANGERS)
def test_of_a_stranger_nothing_is_said_validated_or_kept(fields: dict[str, object]) -> None:
    border = Border()
    before = border.remembered()
    assert border.hear(**fields) == STRANGER
    assert border.remembered() == before


def test_a_scanner_bound_to_no_unit_is_a_stranger() -> None:
    assert Border().hear("Neighbour", id=TAG) == STRANGER


def test_what_is_remembered_is_bounded_however_often_a_beacon_changes_its_address() -> None:
    border = Border()
    for number in range(1_000):
        border.hear(id=f"4A:00:00:00:{number // 256:02X}:{number % 256:02X}", rssi=-60, **ibeacon())
    assert border.remembered().count("4A:00") == 2


@pytest.mark.parametrize("id_", [{}, {"id": None}, {"id": 7}, {"id": ""}, {"id": [TAG]}])
def test_a_message_about_nobody_is_refused(id_: dict[str, object]) -> None:
    with pytest.raises(InvalidInput) as caught:
        Border().hear(**id_)
    assert caught.value.reason == Reason.BAD_PAYLOAD


def test_a_tyre_is_heard_whatever_the_gateways_clock_says() -> None:
    border = Border()
    border.now = 999
    (event,) = border.events(id=SENSOR, model_id="TPMS", alarm=True)
    assert event.ts == 1_000


@given(rssi=st.integers(-127, 20), power=st.integers(-127, 20))
def test_a_distance_is_a_finite_number_of_metres(rssi: int, power: int) -> None:
    assert math.isfinite(distance_m(rssi, power))
    assert distance_m(rssi, power) > 0
