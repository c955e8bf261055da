"""Consent records and receipts, with the fields of ISO/IEC TS 27560:2023, made from what the ledger keeps.

A record is about one holder and one purpose. It has the specification's four parts: the header, the processing that was
agreed to, the parties, and the events, which are all that the person said about that purpose, in the order it was taken
in. A receipt is the copy of a record that a person can be given. Field names are the specification's, in lower case
with underscores; docs/reference/consents.md says of each what fills it.

Everything follows from what is passed in: the same entries give the same bytes. What is not known is `unknown`, and
never guessed. No coordinate is in it, for none is in what it is made from.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from types import MappingProxyType
from typing import Final

from pydantic import ValidationError

from gateway.core.events import SESSION, Purpose
from gateway.core.units import SECOND_MS, Instant
from gateway.wire.payloads import Consent

SCHEMA_VERSION: Final = "wayside.consent-record/1"
UNKNOWN: Final = "unknown"

_CONTROLLER = "controller"


@dataclass(frozen=True, slots=True)
class Controller:
    """Who answers for what is kept; None is told as unknown."""

    name: str | None = None
    contact: str | None = None
    address: str | None = None
    jurisdiction: str | None = None
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class StoredConsent:
    """One thing a holder said about a purpose, as the ledger keeps it.

    Attributes:
        at: When it was taken in, by the gateway's time.
        receipt: The payload it came in, whole; `{}` of what no payload was kept of.
    """

    id: str
    unit: str
    holder: str
    purpose: str
    given: bool
    at: Instant
    receipt: str


@dataclass(frozen=True, slots=True)
class _Use:
    """What is done for a purpose, and with what."""

    processing: str
    data: tuple[str, ...]


_USES: Mapping[str, _Use] = MappingProxyType(
    {
        Purpose.LOCATION_TRIGGERS: _Use(
            "whether the unit is in a place lets an offer be made; the position itself is not kept",
            ("places entered and left, by name",),
        ),
        Purpose.PROFILING: _Use(
            "an offer is chosen by what is known of the person and by how likely they are to take it",
            ("facts told of the person", "prepared lists", "patterns of visits", "answers to earlier offers"),
        ),
        Purpose.OFFER_DISPLAY: _Use(
            "offers are shown or spoken, and it is kept what became of them",
            ("pseudonymous id", "presence at a unit", "offers and their outcomes"),
        ),
        Purpose.CLOUD_SYNC: _Use("what is kept here is also kept at the centre", ("offers and their outcomes",)),
        Purpose.MODEL_TRAINING: _Use("models are trained with it", ("offers and their outcomes",)),
        Purpose.THIRD_PARTY: _Use("it is handed to others", ("offers and their outcomes",)),
    }
)
_RIGHTS: Final = ("access", "portability", "erasure", "withdrawal of consent")


def records(
    stored: Iterable[StoredConsent],
    granted_until: Mapping[str, Instant],
    controller: Controller,
    gateway: str,
) -> list[dict[str, object]]:
    """Return a holder's consent records, by purpose in the order of their names.

    Args:
        stored: All that the ledger has of one holder.
        granted_until: By purpose, until when the holder agrees to it: `consent.granted_until`; 0 or missing: not now.
        controller: Who answers for it.
        gateway: The id of the gateway, which is where it is kept.
    """
    by_purpose = sorted(stored, key=lambda said: said.purpose)
    return [
        _record(list(said), granted_until.get(purpose, 0), controller, gateway)
        for purpose, said in groupby(by_purpose, lambda each: each.purpose)
    ]


def receipt_of(record: Mapping[str, object]) -> dict[str, object]:
    """Return the receipt of a record: its copy, under an id that follows from every letter of it."""
    text = json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"schema_version": SCHEMA_VERSION, "receipt_id": f"r.{digest[:32]}", "consent_record": dict(record)}


def _record(said: Sequence[StoredConsent], until: Instant, controller: Controller, gateway: str) -> dict[str, object]:
    holder, purpose = said[0].holder, said[0].purpose
    payloads = [_payload(each) for each in said]
    agreed = next((each for each in reversed(payloads) if each is not None and each.notice is not None), None)
    return {
        "header": {
            "schema_version": SCHEMA_VERSION,
            "record_id": f"{gateway}/{holder}/{purpose}",
            "pii_principal_id": holder if holder != SESSION else UNKNOWN,
            "consent_status": _status(said, payloads, until),
        },
        "pii_processing": _processing(purpose, agreed, controller, gateway),
        "party_identification": [_party(controller)],
        "events": [_event(each, payload) for each, payload in zip(said, payloads, strict=True)],
    }


def _status(said: Sequence[StoredConsent], payloads: Sequence[Consent | None], until: Instant) -> str:
    """Return where it stands: given; or why not, by the rule of `gateway.core.consent`.

    Withdrawn, if nothing that was given names every withdrawal; else what was given has ended, if it had an end.
    """
    if until > 0:
        return "given"
    withdrawn = {each.id for each in said if not each.given}
    counted = [
        payload
        for each, payload in zip(said, payloads, strict=True)
        if payload is not None and each.given and each.id not in withdrawn and withdrawn.issubset(payload.supersedes)
    ]
    if withdrawn and not counted:
        return "withdrawn"
    return "expired" if any(payload.valid_until_ms is not None for payload in counted) else UNKNOWN


def _processing(purpose: str, agreed: Consent | None, controller: Controller, gateway: str) -> dict[str, object]:
    notice = None if agreed is None else agreed.notice
    use = _USES.get(purpose)
    return {
        "privacy_notice": UNKNOWN
        if notice is None
        else {"id": notice.id, "version": notice.version, "policy": controller.policy or UNKNOWN},
        "language": UNKNOWN if notice is None else notice.language,
        "purposes": [
            {
                "purpose": purpose,
                "lawful_basis": "consent",
                "pii_information": []
                if use is None
                else [{"pii_type": data, "pii_optional": True} for data in use.data],
                "pii_controllers": [_CONTROLLER],
                "collection_method": (None if agreed is None else agreed.method) or UNKNOWN,
                "processing_method": UNKNOWN if use is None else use.processing,
                "storage_locations": [f"gateway {gateway}"],
                "retention_period": "until erased on request",
                "processing_locations": [f"gateway {gateway}"],
                "geographic_restrictions": UNKNOWN,
                "jurisdiction": controller.jurisdiction or UNKNOWN,
                "recipient_third_parties": UNKNOWN if purpose == Purpose.THIRD_PARTY else [],
                "withdrawal_method": "one step at any unit, at the same place as agreeing; it also holds offline",
                "privacy_rights": list(_RIGHTS),
            }
        ],
    }


def _party(controller: Controller) -> dict[str, object]:
    return {
        "party_id": _CONTROLLER,
        "party_name": controller.name or UNKNOWN,
        "party_contact": controller.contact or UNKNOWN,
        "party_address": controller.address or UNKNOWN,
        "party_role": "pii_controller",
        "party_type": UNKNOWN,
    }


def _event(said: StoredConsent, payload: Consent | None) -> dict[str, object]:
    """Return one thing the person said. `event_time` is when they said it, `recorded` when it was taken in."""
    notice = None if payload is None else payload.notice
    ends = None if payload is None else payload.valid_until_ms
    return {
        "event_id": said.id,
        "event_time": UNKNOWN if payload is None else _utc(payload.ts_ms),
        "recorded": _utc(said.at),
        "event_type": "explicit",
        "event_state": "given" if said.given else "withdrawn",
        "validity_duration": _validity(said, payload, ends),
        "entity_id": said.holder if said.holder != SESSION else UNKNOWN,
        "unit": said.unit,
        "method": (None if payload is None else payload.method) or UNKNOWN,
        "privacy_notice": None
        if notice is None
        else {"id": notice.id, "version": notice.version, "language": notice.language},
        "supersedes": [] if payload is None else list(payload.supersedes),
    }


def _validity(said: StoredConsent, payload: Consent | None, ends: Instant | None) -> str:
    if not said.given:
        return "for good"
    if payload is None:
        return UNKNOWN
    return "until withdrawn" if ends is None else f"until {_utc(ends)}"


def _payload(said: StoredConsent) -> Consent | None:
    """Return the payload that was kept; None if there is none. What a newer gateway added to it is passed over."""
    try:
        return Consent.model_validate_json(said.receipt, extra="ignore")
    except ValidationError:
        return None


def _utc(instant: Instant) -> str:
    return datetime.fromtimestamp(instant / SECOND_MS, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
