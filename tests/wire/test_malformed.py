"""Whatever arrives, `read` answers with events or refuses with a reason: nothing else escapes it."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.core.errors import InvalidInput
from gateway.wire import vss
from gateway.wire.read import Reason, Received, read, read_offer, read_status

CONFORMANCE = Path(__file__).parents[3] / "shared/data/conformance"
JSON_FILES = sorted((CONFORMANCE / "json_parsing/test_parsing").glob("*.json"))
NAUGHTY = CONFORMANCE / "naughty_strings/blns.json"

TS = 1_760_000_000_000
CHANNELS = ("telemetry", "identity", "outcomes", "consents", "facts", "status")
VALID: dict[str, dict[str, object]] = {
    "telemetry": {"ts_ms": TS, "signals": {"Vehicle.Speed": 1}, "id": "t"},
    "identity": {"id": "i", "ts_ms": TS, "state": "present", "role": "driver", "method": "app", "subject": "p"},
    "outcomes": {"id": "r", "ts_ms": TS, "offer_id": "o.1", "outcome": "seen", "detail": ""},
    "consents": {
        "id": "c",
        "ts_ms": TS,
        "holder": "p",
        "purpose": "profiling",
        "state": "given",
        "notice": {"id": "n", "version": "1", "language": "en"},
        "method": "screen",
        "valid_until_ms": TS + 1,
        "supersedes": ["w"],
    },
    "facts": {
        "id": "f",
        "ts_ms": TS,
        "subject": "p",
        "fence": None,
        "facts": {"stock": 3, "price": 2.5, "open": True, "name": "x", "gone": None},
        "valid_until_ms": TS + 1,
        "prepared": {"pastry": 0.5},
    },
    "status": {"state": "gone", "ts_ms": TS, "id": "s"},
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def outcome_of(topic: str, payload: bytes) -> Received | Reason:
    """Return what the border made of it; anything but a refusal with a known reason and a bounded text fails."""
    try:
        return read(topic, payload, TS, credential_key=b"k" * 32)
    except InvalidInput as error:
        refusal = error
    assert len(str(refusal)) < 400
    return Reason(refusal.reason)


def outcomes_of(payload: bytes) -> Sequence[Received | Reason]:
    return [outcome_of(f"wayside/v1/car-7/{channel}", payload) for channel in CHANNELS]


def require(path: Path) -> None:
    """Skip where the data is not; in CI that is a failure."""
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{path} is missing")
        pytest.skip(f"{path} is missing")


@pytest.mark.realdata
def test_the_json_files_are_there() -> None:
    require(CONFORMANCE / "json_parsing")
    assert len([path for path in JSON_FILES if path.name.startswith("n_")]) == 188


@pytest.mark.realdata
@pytest.mark.parametrize("path", JSON_FILES, ids=lambda path: path.stem)
def test_no_json_file_is_taken_for_a_message_and_none_crashes(path: Path) -> None:
    data = path.read_bytes()
    assert all(isinstance(outcome, Reason) for outcome in outcomes_of(data))
    for reader in (read_offer, read_status):
        with pytest.raises(InvalidInput):
            reader(data)


@pytest.mark.realdata
@pytest.mark.parametrize("path", [p for p in JSON_FILES if p.name.startswith("n_")], ids=lambda path: path.stem)
def test_what_is_no_json_makes_a_message_of_it_no_json(path: Path) -> None:
    outcome = outcome_of(
        "wayside/v1/car-7/telemetry", b'{"ts_ms":1760000000000,"signals":{},"x":%s}' % path.read_bytes()
    )
    assert outcome in {Reason.BAD_JSON, Reason.BAD_UTF8}


@pytest.mark.realdata
@pytest.mark.parametrize("path", [p for p in JSON_FILES if p.name.startswith("y_")], ids=lambda path: path.stem)
def test_what_is_json_does_no_harm_in_a_field_that_is_not_known(path: Path) -> None:
    outcome = outcome_of(
        "wayside/v1/car-7/telemetry", b'{"ts_ms":1760000000000,"signals":{},"x":%s}' % path.read_bytes()
    )
    assert isinstance(outcome, Received)
    assert outcome.unknown_fields == 1


@pytest.mark.realdata
def test_no_naughty_string_does_harm_in_any_field_or_topic() -> None:
    require(NAUGHTY)
    for text in json.loads(NAUGHTY.read_text("utf-8")):
        assert outcome_of(text, b"{}") is Reason.BAD_TOPIC
        for channel, fields in VALID.items():
            for name in fields:
                outcome_of(f"wayside/v1/car-7/{channel}", json.dumps(fields | {name: text}).encode())
                outcome_of(f"wayside/v1/car-7/{channel}", json.dumps(fields | {name: {text: text}}).encode())
        for path in vss.LEAVES:
            raw = json.dumps({"ts_ms": TS, "signals": {path: text, text: text}}, ensure_ascii=False).encode()
            outcome_of("wayside/v1/car-7/telemetry", raw)


WRONG: tuple[object, ...] = (None, True, 0, -1, 1.5, 10**30, "", "x", [], [[]], {}, {"a": {}})

TAKEN = {
    "telemetry.id": {"null", '"x"'},
    "telemetry.signals": {"{}", '{"a": {}}'},
    "identity.id": {'"x"'},
    "identity.subject": {'"x"'},
    "outcomes.id": {'"x"'},
    "outcomes.offer_id": {'"x"'},
    "outcomes.detail": {'""', '"x"'},
    "consents.id": {'"x"'},
    "consents.holder": {'"x"'},
    "consents.method": {"null", '"x"'},
    "consents.valid_until_ms": {"null"},
    "consents.supersedes": {"[]"},
    "facts.id": {'"x"'},
    "facts.subject": {'"x"'},
    "facts.fence": {"null"},
    "facts.facts": {"{}"},
    "facts.valid_until_ms": {"null"},
    "facts.prepared": {"null", "{}"},
    "status.id": {"null", '"x"'},
    "status.ts_ms": {"null"},
}


def test_every_field_of_every_payload_takes_its_own_values_only() -> None:
    taken: dict[str, set[str]] = {}
    for channel, fields in VALID.items():
        for name in fields:
            for value in WRONG:
                payload = json.dumps(fields | {name: value}).encode()
                if isinstance(outcome_of(f"wayside/v1/car-7/{channel}", payload), Received):
                    taken.setdefault(f"{channel}.{name}", set()).add(json.dumps(value))
    assert taken == TAKEN


def test_of_the_keys_a_sender_chose_a_refusal_repeats_none() -> None:
    wrong: list[dict[str, object]] = [{"card 6012-34": 1}, {"card_6012": []}, {"card_6012": "x" * 257}]
    for facts in wrong:
        payload = json.dumps(VALID["facts"] | {"facts": facts}).encode()
        with pytest.raises(InvalidInput) as caught:
            read("wayside/v1/car-7/facts", payload, TS, credential_key=b"k" * 32)
        assert "6012" not in str(caught.value)


def test_a_mebibyte_is_refused_unread() -> None:
    assert set(outcomes_of(b"[" * 2**20)) == {Reason.TOO_LARGE}
    assert set(outcomes_of(b'{"ts_ms":1760000000000,"signals":{}}' + b" " * 2**20)) == {Reason.TOO_LARGE}


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 200_000,
        b'{"a":' * 40_000,
        b'{"ts_ms":1760000000000,"signals":{"Vehicle.Speed":' + b"[" * 200_000,
        b'{"ts_ms":1760000000000,"signals":{},"x":' + b"[" * 100_000 + b"NaN" + b"]" * 100_000 + b"}",
    ],
)
def test_deep_nesting_is_bad_json(payload: bytes) -> None:
    assert set(outcomes_of(payload)) == {Reason.BAD_JSON}


@pytest.mark.parametrize(
    "number", [b"1" + b"0" * 5000, b"-1" + b"0" * 250_000, b"1e999999", b"0." + b"0" * 9000 + b"1"]
)
def test_a_number_of_any_length_does_no_harm(number: bytes) -> None:
    assert all(isinstance(outcome, Reason) for outcome in outcomes_of(b'{"ts_ms":%s,"signals":{}}' % number))
    outcome_of("wayside/v1/car-7/telemetry", b'{"ts_ms":1760000000000,"signals":{"Vehicle.Speed":%s}}' % number)


@pytest.mark.parametrize("raw", [b"\xff", b"wayside/v1/\xc3\x28/telemetry", b"wayside/v1/car\xed\xa0\x80/telemetry"])
def test_a_topic_that_is_no_utf8_is_refused(raw: bytes) -> None:
    assert outcome_of(raw.decode("utf-8", "surrogateescape"), b"{}") is Reason.BAD_TOPIC


@given(topic=st.text() | st.text().map(lambda text: f"wayside/v1/{text}/telemetry"), payload=st.binary(max_size=64))
@example(topic="wayside/v1/\udcff/telemetry", payload=b"{}")
def test_nothing_but_a_refusal_escapes_for_any_topic(topic: str, payload: bytes) -> None:
    outcome_of(topic, payload)


@given(payload=st.binary(max_size=200))
def test_nothing_but_a_refusal_escapes_for_any_bytes(payload: bytes) -> None:
    assert all(isinstance(outcome, Reason) for outcome in outcomes_of(payload))


@given(value=JSON)
def test_nothing_but_a_refusal_escapes_for_any_json(value: object) -> None:
    outcomes_of(json.dumps(value).encode())


@given(data=st.data())
def test_nothing_but_a_refusal_escapes_for_any_value_of_any_field(data: st.DataObject) -> None:
    channel = data.draw(st.sampled_from(CHANNELS))
    changes = data.draw(st.dictionaries(st.sampled_from([*VALID[channel], "x"]), JSON, min_size=1, max_size=3))
    outcome_of(f"wayside/v1/car-7/{channel}", json.dumps(VALID[channel] | changes).encode())


@given(signals=st.dictionaries(st.sampled_from(list(vss.LEAVES)) | st.text(max_size=12), JSON, max_size=6))
def test_nothing_but_a_refusal_escapes_for_any_signals(signals: dict[str, object]) -> None:
    outcome = outcome_of("wayside/v1/car-7/telemetry", json.dumps({"ts_ms": TS, "signals": signals}).encode())
    if isinstance(outcome, Received):
        heard = [path for event in outcome.events for path in getattr(event, "signals", {})]
        assert vss.COORDINATE_PATHS.isdisjoint(heard)


@given(data=st.data())
def test_nothing_but_a_refusal_escapes_for_a_message_with_bytes_changed(data: st.DataObject) -> None:
    channel = data.draw(st.sampled_from(CHANNELS))
    raw = bytearray(json.dumps(VALID[channel]).encode())
    for position in data.draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=4)):
        raw[position] = data.draw(st.integers(0, 255))
    outcome_of(f"wayside/v1/car-7/{channel}", bytes(raw))
