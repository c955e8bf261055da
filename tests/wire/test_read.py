"""The one way in: what each channel says, what is refused and under which reason."""

import json

import pytest

from gateway.core.errors import InvalidInput, InvariantViolation
from gateway.core.events import ConsentChanged, FactsChanged, ListPrepared, Purpose, SubjectIdentified, UnitLost
from gateway.wire.payloads import Consent, Facts, GatewayStatus, Identity, Liveness, Notice, Offer, Withdrawal
from gateway.wire.read import MAX_BYTES, Reason, Received, keyed_hash, read, read_offer, read_status

TS = 1_760_000_000_000
NOW = TS + 250
KEY = b"sixteen bytes or more"

IDENTITY: dict[str, object] = {"id": "i", "ts_ms": TS, "state": "present", "role": "driver", "method": "card"}
CONSENT: dict[str, object] = {"id": "c", "ts_ms": TS, "holder": "p", "purpose": "profiling"}
GIVEN = CONSENT | {"state": "given", "notice": {"id": "n", "version": "1", "language": "en"}}
OUTCOME: dict[str, object] = {"id": "r", "ts_ms": TS, "offer_id": "o.car-7.e1.1", "outcome": "seen"}


def heard(channel: str, payload: object, *, retained: bool = False) -> Received:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return read(f"wayside/v1/car-7/{channel}", raw, NOW, credential_key=KEY, retained=retained)


def refusal(channel: str, payload: object, *, retained: bool = False) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        heard(channel, payload, retained=retained)
    return caught.value


@pytest.mark.parametrize("channel", ["offers", "deadletter"])
def test_what_only_the_gateway_writes_is_not_heard(channel: str) -> None:
    assert refusal(channel, {}).reason == Reason.BAD_TOPIC


def test_a_payload_at_the_limit_is_read_and_one_beyond_is_not() -> None:
    whole = b'{"ts_ms":1760000000000,"signals":{}}'
    assert heard("telemetry", whole.ljust(MAX_BYTES)).events == ()
    assert refusal("telemetry", whole.ljust(MAX_BYTES + 1)).reason == Reason.TOO_LARGE


@pytest.mark.parametrize("ts", [True, "1760000000000", 1.76e12, None, [TS], {}])
def test_an_instant_of_another_type_is_refused(ts: object) -> None:
    error = refusal("telemetry", {"ts_ms": ts, "signals": {}})
    assert (error.reason, error.detail) == (Reason.BAD_PAYLOAD, "ts_ms: int_type")


@pytest.mark.parametrize("ts", [0, -1, 946_684_799_999, 4_102_444_800_001, 10**400])
def test_an_instant_of_another_century_is_refused(ts: int) -> None:
    assert refusal("telemetry", {"ts_ms": ts, "signals": {}}).reason == Reason.BAD_VALUE


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({}, Reason.BAD_PAYLOAD),
        ({"ts_ms": TS}, Reason.BAD_PAYLOAD),
        ({"ts_ms": TS, "signals": []}, Reason.BAD_PAYLOAD),
        ({"ts_ms": TS, "signals": None}, Reason.BAD_PAYLOAD),
        ({"ts_ms": TS, "signals": {}, "id": 7}, Reason.BAD_PAYLOAD),
        ({"ts_ms": TS, "signals": {}, "id": ""}, Reason.BAD_VALUE),
        ({"ts_ms": TS, "signals": {}, "id": "a\n"}, Reason.BAD_VALUE),
        ({"ts_ms": TS, "signals": {"Vehicle.Speed": None}}, Reason.BAD_VALUE),
        ([], Reason.BAD_PAYLOAD),
        (None, Reason.BAD_PAYLOAD),
        ("telemetry", Reason.BAD_PAYLOAD),
        (1, Reason.BAD_PAYLOAD),
    ],
)
def test_telemetry_with_a_fault_is_refused_under_its_reason(payload: object, reason: Reason) -> None:
    assert refusal("telemetry", payload).reason == reason


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    raw = b'{"ts_ms":"no","signals":1,"ts_ms":1760000000000,"signals":{"Vehicle.Speed":1,"Vehicle.Speed":2}}'
    received = heard("telemetry", raw)
    assert received == heard("telemetry", {"ts_ms": TS, "signals": {"Vehicle.Speed": 2}})


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
@pytest.mark.parametrize(
    "raw",
    [
        b'{"ts_ms":1760000000000,"signals":{"Vehicle.Speed":%s}}',
        b'{"ts_ms":1760000000000,"signals":{"Vehicle.Unknown":%s}}',
        b'{"ts_ms":1760000000000,"signals":{},"unknown":[%s]}',
    ],
)
def test_a_constant_that_json_has_not_is_refused_wherever_it_stands(raw: bytes, constant: bytes) -> None:
    assert refusal("telemetry", raw % constant).reason == Reason.BAD_JSON


def test_the_letters_of_a_constant_may_stand_in_a_text() -> None:
    assert heard("telemetry", {"ts_ms": TS, "signals": {}, "note": 'NaN "Infinity" -Infinity'}).unknown_fields == 1


def test_a_number_beyond_all_floats_is_refused_where_a_signal_is_heard() -> None:
    raw = b'{"ts_ms":1760000000000,"signals":{"Vehicle.Speed":1e999}}'
    assert refusal("telemetry", raw).reason == Reason.BAD_VALUE


def test_bad_utf8_is_told_from_bad_json() -> None:
    assert refusal("telemetry", b'{"ts_ms":1760000000000,"signals":{"\xff":1}}').reason == Reason.BAD_UTF8
    assert refusal("telemetry", b'{"ts_ms":1760000000000,"signals":{"\\ud800":1}}').reason == Reason.BAD_JSON
    assert refusal("telemetry", b"\xef\xbb\xbf{}").reason == Reason.BAD_JSON
    assert refusal("telemetry", b"").reason == Reason.BAD_JSON


def test_a_credential_becomes_a_keyed_hash_and_is_kept_nowhere() -> None:
    received = heard("identity", IDENTITY | {"credential": "6012-3400"})
    (event,) = received.events
    assert isinstance(event, SubjectIdentified)
    assert isinstance(received.payload, Identity)
    assert event.subject == received.payload.subject == keyed_hash("6012-3400", KEY)
    assert received.payload.credential is None
    assert "6012-3400" not in repr(received)


def test_a_keyed_hash_is_the_same_for_the_same_key_and_number_only() -> None:
    assert keyed_hash("4711", KEY) == "s.645fc47328abdeed37def04b"
    assert len({keyed_hash("4711", KEY), keyed_hash("4712", KEY), keyed_hash("4711", KEY[::-1])}) == 3


def test_a_key_that_hides_nothing_is_our_own_fault() -> None:
    with pytest.raises(InvariantViolation):
        keyed_hash("4711", b"short")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, Reason.BAD_PAYLOAD),
        ({"subject": "p", "credential": "1"}, Reason.BAD_PAYLOAD),
        ({"subject": "session"}, Reason.BAD_PAYLOAD),
        ({"subject": "p", "method": "face"}, Reason.BAD_VALUE),
        ({"subject": "p", "role": "owner"}, Reason.BAD_VALUE),
        ({"subject": "p", "state": "gone"}, Reason.BAD_VALUE),
        ({"subject": "p", "method": None}, Reason.BAD_PAYLOAD),
        ({"subject": 4711}, Reason.BAD_PAYLOAD),
    ],
)
def test_an_identity_with_a_fault_is_refused_under_its_reason(change: dict[str, object], reason: Reason) -> None:
    error = refusal("identity", IDENTITY | change)
    assert error.reason == reason
    assert "4711" not in str(error)


def test_a_withdrawn_consent_has_neither_an_end_nor_a_knowledge_of_withdrawals() -> None:
    said = CONSENT | {"state": "withdrawn", "valid_until_ms": TS + 1, "supersedes": ["w"]}
    assert heard("consents", said).events == (ConsentChanged("car-7", TS, "c", "p", Purpose.PROFILING, given=False),)


def test_the_whole_receipt_stays_at_hand() -> None:
    receipt = heard("consents", GIVEN | {"method": "screen", "signature": "?"})
    assert isinstance(receipt.payload, Consent)
    assert (receipt.payload.notice, receipt.payload.method) == (Notice(id="n", version="1", language="en"), "screen")
    assert (receipt.id, receipt.unknown_fields) == ("c", 1)
    assert b"signature" not in receipt.payload.encode()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"notice": None}, Reason.BAD_PAYLOAD),
        ({"notice": {"id": "n", "version": "1"}}, Reason.BAD_PAYLOAD),
        ({"notice": {"id": "n", "version": "1", "language": "e"}}, Reason.BAD_VALUE),
        ({"purpose": "everything"}, Reason.BAD_VALUE),
        ({"state": True}, Reason.BAD_VALUE),
        ({"supersedes": "w"}, Reason.BAD_PAYLOAD),
        ({"supersedes": ["w", ""]}, Reason.BAD_VALUE),
        ({"supersedes": ["w"] * 257}, Reason.BAD_VALUE),
        ({"valid_until_ms": 1.5}, Reason.BAD_PAYLOAD),
    ],
)
def test_a_consent_with_a_fault_is_refused_under_its_reason(change: dict[str, object], reason: Reason) -> None:
    assert refusal("consents", GIVEN | change).reason == reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"outcome": "bought"}, Reason.BAD_VALUE),
        ({"offer_id": None}, Reason.BAD_PAYLOAD),
        ({"offer_id": "o/1"}, Reason.BAD_VALUE),
        ({"detail": "x" * 257}, Reason.BAD_VALUE),
        ({"id": None}, Reason.BAD_PAYLOAD),
    ],
)
def test_an_outcome_with_a_fault_is_refused_under_its_reason(change: dict[str, object], reason: Reason) -> None:
    assert refusal("outcomes", OUTCOME | change).reason == reason


def test_an_offer_id_may_be_as_long_as_the_longest_unit_makes_it() -> None:
    offer_id = f"o.{'u' * 64}.{'e' * 36}.{10**12}"
    assert heard("outcomes", OUTCOME | {"offer_id": offer_id}).id == "r"


def test_a_unit_is_lost_when_its_will_is_received() -> None:
    assert heard("status", {"state": "gone", "ts_ms": TS - 1}).events == (UnitLost("car-7", NOW),)
    assert heard("status", {"state": "born"}).events == ()


@pytest.mark.parametrize(
    ("channel", "payload"),
    [
        ("telemetry", {"ts_ms": TS, "signals": {"Vehicle.Speed": 1}}),
        ("identity", IDENTITY | {"subject": "p"}),
        ("identity", IDENTITY | {"state": "left"}),
        ("outcomes", OUTCOME),
        ("consents", GIVEN),
    ],
)
def test_what_the_broker_had_kept_is_not_taken_as_live(channel: str, payload: dict[str, object]) -> None:
    assert heard(channel, payload).events
    assert refusal(channel, payload, retained=True).reason == Reason.RETAINED


@pytest.mark.parametrize(
    ("channel", "payload"), [("status", {"state": "gone"}), ("consents", CONSENT | {"state": "withdrawn"})]
)
def test_what_is_true_when_old_is_taken_though_the_broker_had_kept_it(channel: str, payload: dict[str, object]) -> None:
    assert heard(channel, payload, retained=True) == heard(channel, payload)


OFFER: dict[str, object] = {
    "id": "o.car-7.e1.1",
    "decision_id": "d.car-7.e1.1",
    "unit": "car-7",
    "role": "driver",
    "placement": "driver_screen",
    "action": "pastry",
    "kind": "marketing",
    "language": "en",
    "title": "A pastry?",
    "body": "",
    "call_to_action": "Yes",
    "reward": None,
    "made_ms": TS,
    "expires_ms": TS + 1,
}


def test_a_screen_tells_an_offer_from_a_withdrawal() -> None:
    offer = read_offer(json.dumps(OFFER | {"newer": 1}).encode())
    assert isinstance(offer, Offer)
    assert json.loads(offer.encode()) == OFFER | {"slate": None, "as_of_ms": None}
    withdrawal = read_offer(b'{"id":"o.car-7.e1.1","withdrawn":true,"reason":"drove_off"}')
    assert withdrawal == Withdrawal(id="o.car-7.e1.1", reason="drove_off")


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"{}", b"null", b'{"withdrawn":true}', b'{"id":"o","withdrawn":false,"reason":"x"}', b" " * 300_000],
)
def test_a_screen_is_told_what_is_neither(raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_offer(raw)


def test_a_watcher_reads_the_gateways_status() -> None:
    raw = b'{"state":"born","version":"9.9","started_ms":12,"health":"ok","release":{"id":"r","counter":2,"x":1}}'
    status = read_status(raw)
    assert isinstance(status, GatewayStatus)
    assert (status.state, status.version) == (Liveness.BORN, "9.9")
    with pytest.raises(InvalidInput):
        read_status(b'{"state":"asleep"}')


FACTS: dict[str, object] = {"id": "f", "ts_ms": TS, "facts": {"stock": 3}}


def test_facts_are_about_a_subject_a_fence_or_else_the_unit() -> None:
    assert heard("facts", FACTS | {"subject": "p"}).events == (FactsChanged("car-7", TS, "p", {"stock": 3}, "f"),)
    assert heard("facts", FACTS | {"fence": "cafe"}).events == (
        FactsChanged("car-7", TS, "", {"stock": 3}, "f", "cafe"),
    )
    assert heard("facts", FACTS | {"valid_until_ms": TS + 1}).events == (
        FactsChanged("car-7", TS, "", {"stock": 3}, "f", valid_until=TS + 1),
    )


def test_facts_and_a_list_in_one_message_are_two_events_the_facts_first() -> None:
    told = heard("facts", FACTS | {"subject": "p", "prepared": {"pastry": 0.5}, "valid_until_ms": TS + 1})
    assert told.events == (
        FactsChanged("car-7", TS, "p", {"stock": 3}, "f", valid_until=TS + 1),
        ListPrepared("car-7", TS, "f", "p", {"pastry": 0.5}, TS + 1),
    )
    alone = heard("facts", {"id": "f", "ts_ms": TS, "subject": "p", "prepared": {}})
    assert alone.events == (ListPrepared("car-7", TS, "f", "p", {}),)


def test_a_credential_that_facts_are_about_is_kept_nowhere() -> None:
    told = heard("facts", FACTS | {"credential": "6012-3400", "prepared": {"pastry": 0.5}})
    assert isinstance(told.payload, Facts)
    assert told.payload.credential is None
    assert [getattr(event, "subject", "") for event in told.events] == [keyed_hash("6012-3400", KEY)] * 2
    assert "6012-3400" not in repr(told)


def test_kept_facts_of_a_place_are_true_when_old_for_they_say_since_when() -> None:
    for place in ({"fence": "cafe"}, {}):
        assert heard("facts", FACTS | place, retained=True).events


@pytest.mark.parametrize("who", [{"subject": "p"}, {"credential": "6012"}])
def test_what_is_of_a_person_is_not_taken_from_where_no_erasure_reaches(who: dict[str, object]) -> None:
    assert refusal("facts", FACTS | who, retained=True).reason == Reason.RETAINED


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, 10**400, "x" * 257])
def test_a_fact_beyond_its_bounds_is_a_wrong_value_and_is_not_repeated(value: object) -> None:
    error = refusal("facts", FACTS | {"facts": {"stock": value}})
    assert error.reason == Reason.BAD_VALUE
    assert "stock" not in error.detail
