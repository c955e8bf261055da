"""Payloads that were recorded once and must parse for ever, to the same events.

Each file of `recorded/` is a case. A file is never changed to suit the code: a new format gets new files.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.wire.event_codec import encode_event
from gateway.wire.read import read, read_offer, read_status

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.json"))
INBOUND = [path for path in RECORDED if not path.name.startswith("out_")]
OUTBOUND = [path for path in RECORDED if path.name.startswith("out_")]
KEY = b"recorded payloads: not a secret!"


@pytest.mark.parametrize("path", INBOUND, ids=lambda path: path.stem)
def test_a_recorded_payload_says_what_it_always_said(path: Path) -> None:
    case: dict[str, Any] = json.loads(path.read_text("utf-8"))
    payload = json.dumps(case["payload"], ensure_ascii=False).encode()
    received = read(case["topic"], payload, case["received_ms"], credential_key=KEY, retained=case["retained"])
    assert [encode_event(event) for event in received.events] == case["events"]
    assert received.id == case["id"]
    assert received.unknown_fields == case["unknown_fields"]
    assert received.unknown_signals == case["unknown_signals"]
    assert received.withheld == case["withheld"]


@pytest.mark.parametrize("path", OUTBOUND, ids=lambda path: path.stem)
def test_a_recorded_publication_is_understood_by_its_readers(path: Path) -> None:
    case: dict[str, Any] = json.loads(path.read_text("utf-8"))
    payload = json.dumps(case["payload"], ensure_ascii=False, separators=(",", ":")).encode()
    readers = {"offers": read_offer, "withdrawal": read_offer, "gateway_status": read_status}
    reader = readers.get(case["schema"])
    if reader is not None:
        assert _says(json.loads(reader(payload).encode()), case["payload"])


def _says(written: object, recorded: object) -> bool:
    """Return whether what is written today says what was recorded, and of fields that came later that they are not."""
    if not isinstance(recorded, dict) or not isinstance(written, dict):
        return written == recorded
    return (
        all(_says(value, recorded.get(name)) for name, value in written.items()) and recorded.keys() <= written.keys()
    )


def test_every_channel_has_recorded_payloads() -> None:
    channels = {json.loads(path.read_text("utf-8"))["topic"].rsplit("/", 1)[1] for path in RECORDED}
    assert channels == {"telemetry", "identity", "outcomes", "consents", "facts", "status", "offers", "deadletter"}
