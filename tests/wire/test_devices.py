"""Devices with dialects of their own: their topics, their ids, what was recorded, and that nothing does harm."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.errors import InvalidInput
from gateway.core.events import Role
from gateway.wire.devices import Bindings, Devices, Ignored, IgnoredReason, Said, Tyre, canonical_id, ibeacon_key
from gateway.wire.event_codec import decode_event
from gateway.wire.read import MAX_BYTES, Reason, read_device
from gateway.wire.topics import (
    DEVICE_ROOTS,
    PREFIX,
    DeviceTopic,
    Dialect,
    device_filters,
    parse_device_topic,
    presentable,
)

RECORDED = sorted((Path(__file__).parent / "recorded/devices").glob("*.json"))
TST = 1_760_000_000
NOW = TST * 1_000 + 250
KEY = b"recorded payloads: not a secret!"
PHONE, SCANNED = "owntracks/anna/phone", "home/Car/BTtoMQTT/AABBCCDDEEFF"
IBEACON = "fda50693-a4e2-4fb1-afcf-c6eb07647825:1:2"
EDDYSTONE = "00112233445566778899:aabbccddeeff"
TAG = "C0:FF:EE:12:34:56"
SENSOR = "80:EA:CA:10:8A:78"
BINDINGS = Bindings(
    phones={"anna/phone": "car-7"},
    scanners={"Car": "car-7"},
    tyres={(SENSOR, None): Tyre("car-7", "Row1.Left")},
    tags={"car-7": {TAG: Role.DRIVER}},
)
VALID: dict[str, dict[str, object]] = {
    PHONE: {"_type": "location", "tst": TST, "lat": 47.4, "lon": 8.5, "acc": 8, "vel": 50, "cog": 90, "ign": True},
    f"{PHONE}/event": {"_type": "transition", "tst": TST, "event": "enter", "rid": "x", "desc": "station"},
    f"{PHONE}/beacon": {"_type": "beacon", "tst": TST, "uuid": IBEACON[:36], "major": 1, "minor": 2, "acc": 1.5},
    f"{PHONE}/lwt": {"_type": "lwt", "tst": TST},
    SCANNED: {"id": SENSOR, "model_id": "TPMS", "count": 1, "pres": 2.2, "tempc": 20.5, "alarm": False},
    f"{SCANNED}1": {"id": TAG, "rssi": -60, "presence": "absent"},
    f"{SCANNED}2": {"id": "11:22:33:44:55:66", "rssi": -60, "servicedatauuid": "feaa", "servicedata": "00ee"},
    f"{SCANNED}3": {
        "id": "11:22:33:44:55:66",
        "model_id": "IBEACON",
        "uuid": IBEACON[:36],
        "major": 1,
        "minor": 2,
        "txpower": -59,
        "rssi": -60,
        "distance": 1.5,
    },
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from([10**400, 2**63]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def devices() -> Devices:
    bound = Devices(BINDINGS)
    bound.activate(fences=["station", "cafe", "bank"], beacons=[IBEACON, EDDYSTONE])
    return bound


DEVICES = devices()


def outcome_of(topic: str, payload: bytes) -> Said | Ignored | Reason:
    """Return what the border made of it; anything but a refusal with a known reason and a bounded text fails."""
    try:
        return read_device(topic, payload, NOW, DEVICES, credential_key=KEY)
    except InvalidInput as error:
        refusal = error
    assert len(str(refusal)) < 400
    return Reason(refusal.reason)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_payload_says_what_it_always_said(path: Path) -> None:
    case: dict[str, Any] = json.loads(path.read_text("utf-8"))
    payload = json.dumps(case["payload"], ensure_ascii=False).encode()
    said = read_device(
        case["topic"], payload, case["received_ms"], devices(), credential_key=KEY, retained=case["retained"]
    )
    if isinstance(said, Ignored):
        assert (said.reason, []) == (case["ignored"], case["events"])
    else:
        assert case["ignored"] is None
        assert said.refused is None
        assert list(said.events) == [decode_event(event) for event in case["events"]]


def test_each_dialect_and_reason_has_recorded_payloads() -> None:
    cases = [json.loads(path.read_text("utf-8")) for path in RECORDED]
    assert {parse_device_topic(case["topic"]).dialect for case in cases} == set(Dialect)
    assert {case["ignored"] for case in cases} - {None} == {reason.value for reason in IgnoredReason}


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("owntracks/anna/phone", DeviceTopic(Dialect.OWNTRACKS, "anna/phone")),
        ("owntracks/anna/phone/event", DeviceTopic(Dialect.OWNTRACKS, "anna/phone")),
        ("home/Car/BTtoMQTT/AABBCCDDEEFF", DeviceTopic(Dialect.THEENGS, "Car")),
    ],
)
def test_a_topic_names_who_speaks(topic: str, expected: DeviceTopic) -> None:
    assert parse_device_topic(topic) == expected


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "owntracks",
        "owntracks/anna",
        "owntracks/a/b/c/d",
        "home/Car/BTtoMQTT",
        "home/Car/LORAtoMQTT/x",
        "Home/a/b/c",
    ],
)
def test_what_is_no_devices_topic_is_refused(topic: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_device_topic(topic)
    assert caught.value.reason == Reason.BAD_TOPIC


def test_no_topic_of_ours_is_taken_for_a_devices() -> None:
    assert not PREFIX.startswith(DEVICE_ROOTS)
    every = [*device_filters(Dialect.OWNTRACKS, "anna/phone"), *device_filters(Dialect.THEENGS, "Car")]
    assert all(topic.startswith(DEVICE_ROOTS) for topic in every)


def test_who_was_heard_is_cut_off_what_is_told() -> None:
    assert presentable("home/Car/BTtoMQTT/AABBCCDDEEFF/more") == "home/Car/BTtoMQTT"
    assert presentable("owntracks/anna/phone/event") == "owntracks/anna/phone/event"


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("c0:ff:ee:12:34:56", TAG),
        ("C0-FF-EE-12-34-56", TAG),
        ("c0ffee123456", TAG),
        ("FDA50693A4E24FB1AFCFC6EB07647825:1:2", IBEACON),
        ("FDA50693-A4E2-4FB1-AFCF-C6EB07647825:00001:2", IBEACON),
        (EDDYSTONE.upper(), EDDYSTONE),
        ("https://Example.org/A", "https://Example.org/A"),
        ("C0:FF:EE:12:34:5", "C0:FF:EE:12:34:5"),
        ("C0:FF:EE:12:34:56\n", "C0:FF:EE:12:34:56\n"),
        ("", ""),
    ],
)
def test_an_id_is_written_in_one_way_whatever_its_letter_case(written: str, canonical: str) -> None:
    assert canonical_id(written) == canonical


@given(st.text(max_size=80))
def test_what_is_canonical_stays_so(text: str) -> None:
    assert canonical_id(canonical_id(text)) == canonical_id(text)


@pytest.mark.parametrize(
    "parts",
    [("x", 1, 2), (IBEACON[:36], 65_536, 1), (IBEACON[:36], -1, 1), (IBEACON[:36], True, 1), (None, 1, 2)],
)
def test_what_names_no_ibeacon_has_no_key(parts: tuple[object, object, object]) -> None:
    assert ibeacon_key(*parts) is None


@pytest.mark.parametrize("topic", [PHONE, SCANNED])
def test_a_large_payload_is_refused_unread_and_a_strangers_is_not_even_that(topic: str) -> None:
    large = b"[" * (MAX_BYTES + 1)
    assert outcome_of(topic, large) is Reason.TOO_LARGE
    stranger = topic.replace("anna", "bob").replace("Car", "Bus")
    assert outcome_of(stranger, large) == Ignored(IgnoredReason.UNKNOWN_DEVICE)


@pytest.mark.parametrize("topic", [PHONE, SCANNED])
@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.BAD_JSON),
        (b"\xff", Reason.BAD_UTF8),
        (b"[]", Reason.BAD_PAYLOAD),
        (b"null", Reason.BAD_PAYLOAD),
        (b"[" * 200_000, Reason.BAD_JSON),
        (b'{"a":' * 40_000, Reason.BAD_JSON),
        (b'{"lat":NaN}', Reason.BAD_JSON),
        (b'{"rssi":-Infinity}', Reason.BAD_JSON),
        (b'{"tst":1' + b"0" * 5_000 + b"}", Reason.BAD_JSON),
    ],
)
def test_what_is_no_object_is_refused(topic: str, payload: bytes, reason: Reason) -> None:
    assert outcome_of(topic, payload) is reason


@pytest.mark.parametrize("topic", VALID)
@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400, "0." + "0" * 4_000 + "1", "1e-400"])
def test_a_number_of_any_size_does_no_harm_in_any_field(topic: str, number: str) -> None:
    for name in VALID[topic]:
        body = json.dumps(VALID[topic] | {name: "here"}).replace('"here"', number)
        outcome_of(topic, body.encode())


@given(topic=st.text() | st.text().map(lambda text: f"owntracks/{text}") | st.text().map(lambda text: f"home/{text}"))
@example(topic="owntracks/\udcff/phone")
@example(topic="home/\u0000/BTtoMQTT/+")
def test_nothing_but_a_refusal_escapes_for_any_topic(topic: str) -> None:
    assert not isinstance(outcome_of(topic, b"{}"), Said)


@given(topic=st.sampled_from(list(VALID)), payload=st.binary(max_size=200))
def test_nothing_but_a_refusal_escapes_for_any_bytes(topic: str, payload: bytes) -> None:
    assert isinstance(outcome_of(topic, payload), Reason)


@given(topic=st.sampled_from(list(VALID)), value=JSON)
def test_nothing_but_a_refusal_escapes_for_any_json(topic: str, value: object) -> None:
    outcome_of(topic, json.dumps(value).encode())


@given(data=st.data())
def test_nothing_but_a_refusal_escapes_for_any_value_of_any_field(data: st.DataObject) -> None:
    topic = data.draw(st.sampled_from(list(VALID)))
    names = st.sampled_from([*VALID[topic], "presence", "flvl", "motion", "prox", "x"])
    changes = data.draw(st.dictionaries(names, JSON, min_size=1, max_size=3))
    outcome_of(topic, json.dumps(VALID[topic] | changes).encode())


@given(data=st.data())
def test_nothing_but_a_refusal_escapes_for_a_message_with_bytes_changed(data: st.DataObject) -> None:
    topic = data.draw(st.sampled_from(list(VALID)))
    raw = bytearray(json.dumps(VALID[topic]).encode())
    for position in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=4)):
        raw[position] = data.draw(st.integers(0, 255))
    outcome_of(topic, bytes(raw))


@given(servicedata=st.binary(max_size=24))
def test_nothing_but_a_refusal_escapes_for_any_service_data(servicedata: bytes) -> None:
    message = {"id": "11:22:33:44:55:66", "rssi": -60, "servicedatauuid": "feaa", "servicedata": servicedata.hex()}
    assert not isinstance(outcome_of(SCANNED, json.dumps(message).encode()), Reason)


@pytest.mark.realdata
def test_no_json_file_and_no_naughty_string_does_harm(realdata: Path) -> None:
    files = sorted((realdata / "conformance/json_parsing/test_parsing").glob("*.json"))
    for path in files:
        for topic in VALID:
            assert not isinstance(outcome_of(topic, path.read_bytes()), Said)
    strings: list[str] = json.loads((realdata / "conformance/naughty_strings/blns.json").read_text("utf-8"))
    for text in strings:
        outcome_of(f"owntracks/{text}/phone", b"{}")
        outcome_of(f"home/{text}/BTtoMQTT/{text}", b"{}")
        for topic, fields in VALID.items():
            for name in fields:
                outcome_of(topic, json.dumps(fields | {name: text}).encode())
                outcome_of(topic, json.dumps(fields | {name: {text: text}}).encode())
    assert len(files) > 300
    assert len(strings) > 100


def test_a_release_with_other_fences_and_beacons_takes_their_place() -> None:
    known = devices()
    known.activate(fences=["mall"], beacons=[])
    assert (known.fence_of("station", "mall"), known.beacon_of(IBEACON)) == ("mall", None)


def test_devices_that_nobody_bound_are_all_strangers() -> None:
    unbound: Mapping[str, bytes] = {topic: json.dumps(fields).encode() for topic, fields in VALID.items()}
    for topic, payload in unbound.items():
        said = read_device(topic, payload, NOW, Devices(), credential_key=KEY)
        assert said == Ignored(IgnoredReason.UNKNOWN_DEVICE)
