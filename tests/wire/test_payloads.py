"""The payload models: strict, closed when made here, open when read."""

from typing import get_args

import pytest
from pydantic import ValidationError

from gateway.wire.payloads import (
    Consent,
    ConsentState,
    GatewayStatus,
    Identity,
    Liveness,
    Method,
    Notice,
    Payload,
    Presence,
    Purpose,
    ReleaseRef,
    Role,
    Telemetry,
    UnitStatus,
    drop_unknown,
)

TS = 1_760_000_000_000


def test_a_payload_made_here_may_not_hold_an_unknown_field() -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        Telemetry.model_validate({"ts_ms": TS, "signals": {}, "tsms": 1})


def test_a_payload_cannot_be_changed() -> None:
    status = UnitStatus(state=Liveness.BORN)
    with pytest.raises(ValidationError, match="frozen"):
        status.state = Liveness.GONE  # type: ignore[misc]  # what mypy refuses is refused at run time as well


def test_unknown_fields_are_counted_at_every_depth_and_forgotten() -> None:
    raw = (
        b'{"id":"c","ts_ms":1760000000000,"holder":"p","purpose":"profiling","state":"given",'
        b'"notice":{"id":"n","version":"1","language":"en","x":1,"y":{"z":2}},"w":null}'
    )
    consent = Consent.model_validate_json(raw, extra="allow")
    assert drop_unknown(consent) == 3
    assert consent == Consent(
        id="c",
        ts_ms=TS,
        holder="p",
        purpose=Purpose.PROFILING,
        state=ConsentState.GIVEN,
        notice=Notice(id="n", version="1", language="en"),
    )


def holds_payload(annotation: object) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, Payload):
        return True
    return any(holds_payload(part) for part in get_args(annotation))


@pytest.mark.parametrize("model", Payload.__subclasses__())
def test_every_payload_within_a_payload_is_searched_for_unknown_fields(model: type[Payload]) -> None:
    within = {name for name, field in model.model_fields.items() if holds_payload(field.annotation)}
    assert within == set(model.nested)


def test_a_payload_goes_on_the_wire_compact_and_whole() -> None:
    status = GatewayStatus(
        state=Liveness.BORN, version="0.1.0", release=ReleaseRef(id="demo", counter=1), started_ms=TS
    )
    assert status.encode() == (
        b'{"state":"born","version":"0.1.0","release":{"id":"demo","counter":1},"started_ms":1760000000000,"health":"ok"}'
    )


def test_the_gateways_own_instants_may_be_wrong() -> None:
    assert GatewayStatus(state=Liveness.GONE, version="0.1.0", started_ms=12).started_ms == 12


@pytest.mark.parametrize(
    "fields",
    [
        {"method": Method.CARD},
        {"subject": "p.1"},
        {"method": Method.CARD, "subject": "p.1", "credential": "1"},
        {"method": Method.CARD, "credential": ""},
        {"method": Method.CARD, "credential": "1" * 257},
        {"method": Method.APP, "subject": "session"},
        {"method": Method.APP, "subject": "a b"},
    ],
)
def test_present_says_how_and_who_in_one_way(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Identity.model_validate({"id": "i", "ts_ms": TS, "state": Presence.PRESENT, "role": Role.DRIVER, **fields})


def test_a_credential_is_not_shown() -> None:
    identity = Identity(
        id="i", ts_ms=TS, state=Presence.PRESENT, role=Role.DRIVER, method=Method.CARD, credential="6012-34"
    )
    assert "6012-34" not in repr(identity)
    with pytest.raises(ValidationError) as caught:
        Identity.model_validate_json(b'{"credential":["6012-34"],"subject":6012}')
    assert "6012" not in str(caught.value)


def test_given_needs_a_notice_and_withdrawn_does_not() -> None:
    fields = {"id": "c", "ts_ms": TS, "holder": "p", "purpose": Purpose.PROFILING}
    with pytest.raises(ValidationError, match="given needs a notice"):
        Consent.model_validate(fields | {"state": ConsentState.GIVEN})
    assert Consent.model_validate(fields | {"state": ConsentState.WITHDRAWN}).notice is None
