"""Consent records and receipts: every field of the specification is there, and nothing in it is guessed."""

import json
from typing import Any

from gateway.core.events import SESSION, Purpose
from gateway.testing.samples import T0
from gateway.wire.payloads import Consent, ConsentState, Notice
from gateway.wire.receipts import Controller, StoredConsent, receipt_of, records

CONTROLLER = Controller("Example Fuel AG", "privacy@example.com", "Street 1, Zurich", "CH", "policy-7")
DAY_MS = 86_400_000


def stored(id_: str, *, given: bool = True, at: int = T0, **changes: object) -> StoredConsent:
    state = ConsentState.GIVEN if given else ConsentState.WITHDRAWN
    notice = Notice(id="notice.cars", version="3", language="de") if given else None
    payload = Consent(
        id=id_, ts_ms=at - 5, holder="p.anna", purpose=Purpose.PROFILING, state=state, notice=notice, method="screen"
    ).model_copy(update=changes)
    return StoredConsent(id_, "car-1", "p.anna", Purpose.PROFILING, given, at, payload.encode().decode())


def only(said: list[StoredConsent], until: int = 0, controller: Controller = CONTROLLER) -> dict[str, Any]:
    (record,) = records(said, {"profiling": until}, controller, "gw-1")
    return record


def test_a_record_has_the_four_parts_and_their_mandatory_fields() -> None:
    record = only([stored("c-1")], until=1 << 62)
    assert list(record) == ["header", "pii_processing", "party_identification", "events"]
    assert record["header"].keys() >= {"schema_version", "record_id", "pii_principal_id"}
    assert record["pii_processing"].keys() == {"privacy_notice", "language", "purposes"}
    (purpose,) = record["pii_processing"]["purposes"]
    assert purpose.keys() >= {
        *("purpose", "lawful_basis", "pii_information", "pii_controllers", "collection_method", "storage_locations"),
        *("retention_period", "jurisdiction", "recipient_third_parties", "withdrawal_method"),
    }
    (party,) = record["party_identification"]
    assert party.keys() >= {"party_id", "party_address", "party_name", "party_role", "party_contact", "party_type"}
    (event,) = record["events"]
    assert event.keys() >= {"event_time", "validity_duration", "entity_id", "event_type", "event_state"}


def test_it_says_what_was_read_where_and_how_it_was_said() -> None:
    record = only([stored("c-1", valid_until_ms=T0 + DAY_MS)], until=T0 + DAY_MS)
    assert record["pii_processing"]["privacy_notice"] == {"id": "notice.cars", "version": "3", "policy": "policy-7"}
    assert record["pii_processing"]["language"] == "de"
    assert record["header"]["consent_status"] == "given"
    (event,) = record["events"]
    assert event == {
        "event_id": "c-1",
        "event_time": "2023-11-14T22:13:19.995Z",
        "recorded": "2023-11-14T22:13:20.000Z",
        "event_type": "explicit",
        "event_state": "given",
        "validity_duration": "until 2023-11-15T22:13:20.000Z",
        "entity_id": "p.anna",
        "unit": "car-1",
        "method": "screen",
        "privacy_notice": {"id": "notice.cars", "version": "3", "language": "de"},
        "supersedes": [],
    }


def test_giving_withdrawing_and_giving_again_is_one_record_of_three_events() -> None:
    said = [stored("c-1"), stored("w-1", given=False, at=T0 + 1), stored("c-2", at=T0 + 2, supersedes=("w-1",))]
    record = only(said, until=1 << 62)
    assert [event["event_state"] for event in record["events"]] == ["given", "withdrawn", "given"]
    assert record["header"]["consent_status"] == "given"


def test_the_status_is_that_of_the_engine_and_says_why_not() -> None:
    withdrawn, ended = stored("w", given=False, at=T0 + 9), stored("c", valid_until_ms=T0 + 1)
    assert only([stored("c"), withdrawn])["header"]["consent_status"] == "withdrawn"
    assert only([ended])["header"]["consent_status"] == "expired"
    assert only([ended, withdrawn])["header"]["consent_status"] == "withdrawn"
    assert (
        only([withdrawn, stored("c", valid_until_ms=T0 + 1, supersedes=("w",))])["header"]["consent_status"]
        == "expired"
    )
    assert only([withdrawn, stored("late")])["header"]["consent_status"] == "withdrawn"
    assert only([stored("c")])["header"]["consent_status"] == "unknown"


def test_who_withdrew_is_told_so_whatever_they_had_said_before_and_however_late_it_came() -> None:
    withdrawn, ended = stored("w", given=False, at=T0 + 9), stored("c", valid_until_ms=T0 + DAY_MS)
    for said in ([withdrawn, ended], [ended, withdrawn, stored("late")], [withdrawn, ended, stored("w")]):
        assert only(said)["header"]["consent_status"] == "withdrawn"


def test_what_is_not_known_is_told_as_unknown() -> None:
    bare = StoredConsent("c", "car-1", SESSION, "profiling", given=True, at=T0, receipt="{}")
    record = only([bare], controller=Controller())
    (party,) = record["party_identification"]
    assert {party[name] for name in ("party_name", "party_contact", "party_address")} == {"unknown"}
    assert record["pii_processing"]["privacy_notice"] == "unknown"
    assert record["header"]["pii_principal_id"] == "unknown"
    (event,) = record["events"]
    assert (event["event_time"], event["method"]) == ("unknown", "unknown")


def test_the_same_entries_give_the_same_receipt_and_another_word_gives_another() -> None:
    one, again = receipt_of(only([stored("c-1")], 5)), receipt_of(only([stored("c-1")], 5))
    assert json.dumps(one) == json.dumps(again)
    assert one["receipt_id"] != receipt_of(only([stored("c-1"), stored("w", given=False)], 5))["receipt_id"]
    assert one["consent_record"] == only([stored("c-1")], 5)


def test_a_record_for_each_purpose_in_the_order_of_their_names() -> None:
    said = [
        StoredConsent("a", "car-1", "p", purpose, given=True, at=T0, receipt="{}")
        for purpose in ("profiling", "cloud_sync", "profiling")
    ]
    found: list[Any] = list(records(said, {}, CONTROLLER, "gw-1"))
    assert [record["header"]["record_id"] for record in found] == ["gw-1/p/cloud_sync", "gw-1/p/profiling"]
    assert all(
        purpose in json.dumps(records([each], {}, CONTROLLER, "g")) for purpose, each in [("cloud_sync", said[1])]
    )


def test_every_purpose_says_what_is_done_with_what() -> None:
    for purpose in Purpose:
        each = StoredConsent("a", "car-1", "p", purpose, given=True, at=T0, receipt="{}")
        record: Any = records([each], {}, CONTROLLER, "gw-1")[0]
        (use,) = record["pii_processing"]["purposes"]
        assert use["pii_information"]
        assert use["processing_method"] != "unknown"
