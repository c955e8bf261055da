"""The published JSON Schemas say what the gateway does: what was recorded is valid, what is refused is not."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway.core.errors import InvalidInput
from gateway.wire import vss
from gateway.wire.read import read
from gateway.wire.schemas import names, schema

RECORDED = sorted((Path(__file__).parents[1] / "wire/recorded").glob("*.json"))
TS = 1_760_000_000_000

PRESENT: dict[str, object] = {"id": "i", "ts_ms": TS, "state": "present", "role": "driver", "method": "card"}
GIVEN: dict[str, object] = {"id": "c", "ts_ms": TS, "holder": "p", "purpose": "profiling", "state": "given"}
FACTS: dict[str, object] = {"id": "f", "ts_ms": TS}
OUTCOME: dict[str, object] = {"id": "r", "ts_ms": TS, "offer_id": "o.1", "outcome": "seen"}


def validator_of(name: str) -> Draft202012Validator:
    return Draft202012Validator(schema(name))


def name_of(case: dict[str, Any]) -> str:
    channel = case["topic"].rsplit("/", 1)[1]
    return str(case.get("schema", "unit_status" if channel == "status" else channel))


@pytest.mark.parametrize("name", names())
def test_a_schema_is_one_by_its_own_dialect(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_recorded_payload_is_valid(path: Path) -> None:
    case: dict[str, Any] = json.loads(path.read_text("utf-8"))
    validator_of(name_of(case)).validate(case["payload"])


def test_every_schema_has_a_recorded_payload() -> None:
    assert {name_of(json.loads(path.read_text("utf-8"))) for path in RECORDED} == set(names())


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("telemetry", {"ts_ms": True, "signals": {}}),
        ("telemetry", {"ts_ms": 0, "signals": {}}),
        ("telemetry", {"ts_ms": TS}),
        ("telemetry", {"ts_ms": TS, "signals": []}),
        ("telemetry", {"ts_ms": TS, "signals": {}, "id": "a b"}),
        ("telemetry", {"ts_ms": TS, "signals": {"Vehicle.Speed": "1"}}),
        ("telemetry", {"ts_ms": TS, "signals": {"Vehicle.IsMoving": 1}}),
        ("telemetry", {"ts_ms": TS, "signals": {"Vehicle.LowVoltageSystemState": "AUS"}}),
        ("telemetry", {"ts_ms": TS, "signals": {"Vehicle.Powertrain.Transmission.SelectedGear": 200}}),
        ("telemetry", {"ts_ms": TS, "signals": {vss.LATITUDE: 1}}),
        ("telemetry", {"ts_ms": TS, "signals": {vss.LONGITUDE: 1}}),
        ("telemetry", {"ts_ms": TS, "signals": {vss.LATITUDE: 91, vss.LONGITUDE: 1}}),
        ("identity", PRESENT),
        ("identity", PRESENT | {"subject": "p", "credential": "1"}),
        ("identity", {**PRESENT, "method": None, "subject": "p"}),
        ("identity", PRESENT | {"subject": "session"}),
        ("identity", PRESENT | {"subject": "p", "role": "owner"}),
        ("outcomes", OUTCOME | {"outcome": "bought"}),
        ("outcomes", OUTCOME | {"detail": "x" * 257}),
        ("consents", GIVEN),
        ("consents", GIVEN | {"notice": None}),
        ("consents", GIVEN | {"notice": {"id": "n", "version": "1"}}),
        ("facts", FACTS),
        ("facts", FACTS | {"facts": {}}),
        ("facts", FACTS | {"facts": {"Stock": 1}}),
        ("facts", FACTS | {"facts": {"stock": []}}),
        ("facts", FACTS | {"facts": {"name": "x" * 257}}),
        ("facts", FACTS | {"facts": {f"f{number}": number for number in range(65)}}),
        ("facts", FACTS | {"prepared": {"pastry": 0.5}}),
        ("facts", FACTS | {"subject": "p", "prepared": {"pastry": 1.5}}),
        ("facts", FACTS | {"subject": "p", "prepared": {"a pastry": 0.5}}),
        ("facts", FACTS | {"facts": {"a": 1}, "subject": "session"}),
        ("facts", FACTS | {"facts": {"a": 1}, "subject": "p", "fence": "cafe"}),
        ("facts", FACTS | {"facts": {"a": 1}, "subject": "p", "credential": "1"}),
        ("facts", FACTS | {"facts": {"a": 1}, "credential": "1", "fence": "cafe"}),
        ("unit_status", {"state": "asleep"}),
        ("unit_status", {}),
    ],
)
def test_what_is_refused_is_not_valid(name: str, payload: dict[str, object]) -> None:
    channel = "status" if name == "unit_status" else name
    with pytest.raises(InvalidInput):
        read(f"wayside/v1/car-7/{channel}", json.dumps(payload).encode(), TS, credential_key=b"k" * 32)
    assert not validator_of(name).is_valid(payload)


@pytest.mark.parametrize(
    "payload",
    [
        {"facts": {"stock": 0, "price": 2.5, "open": False, "name": "", "gone": None}},
        {"facts": {"a": 2**53, "b": 1e300}, "fence": "cafe", "subject": None, "prepared": None},
        {"subject": "p", "facts": {}, "prepared": {}},
        {"credential": "6012", "prepared": {"pastry": 1, "tyres": 0.25}, "valid_until_ms": TS},
    ],
)
def test_facts_that_are_taken_are_valid(payload: dict[str, object]) -> None:
    read("wayside/v1/car-7/facts", json.dumps(FACTS | payload).encode(), TS, credential_key=b"k" * 32)
    validator_of("facts").validate(FACTS | payload)


@pytest.mark.parametrize("name", names())
def test_no_schema_forbids_what_a_newer_sender_may_add(name: str) -> None:
    assert '"additionalProperties": false' not in json.dumps(schema(name))


def test_telemetry_names_every_signal_with_its_type() -> None:
    described: Any = schema("telemetry")
    signals = described["properties"]["signals"]["properties"]
    assert signals.keys() == vss.LEAVES.keys()
    assert signals["Vehicle.Powertrain.Transmission.SelectedGear"] == {
        "description": "int8",
        "type": "integer",
        "minimum": -128,
        "maximum": 127,
    }


def test_there_is_no_schema_of_what_is_not_spoken() -> None:
    with pytest.raises(KeyError):
        schema("gossip")
