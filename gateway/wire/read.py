"""The one way in: a topic and bytes become events of the core, or `InvalidInput` with a reason.

`read` hears units, `read_device` the devices that speak dialects of their own.

Nothing else ever escapes either, whatever the bytes. The text of an error names fields and paths of ours, never a
value that was sent; so it may be logged.

A retained message is an old one. A status, a withdrawal of consent and the facts of a place are still true when old,
the last because they say themselves since when; everything else that the broker had kept is refused. So are facts of a
person: a broker that keeps them is a place which no erasure reaches.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeAlias, TypeVar

from pydantic import ValidationError

from gateway.core.errors import InvalidInput, InvariantViolation
from gateway.core.events import (
    ConsentChanged,
    Event,
    FactsChanged,
    ListPrepared,
    OutcomeReported,
    SubjectIdentified,
    SubjectLeft,
    UnitLost,
)
from gateway.core.units import Instant
from gateway.wire import owntracks, theengs
from gateway.wire.credentials import keyed_hash
from gateway.wire.devices import Devices, Ignored, IgnoredReason, Said
from gateway.wire.payloads import (
    Consent,
    ConsentState,
    Facts,
    GatewayStatus,
    Identity,
    Liveness,
    Offer,
    OutcomeReport,
    Payload,
    Presence,
    Telemetry,
    UnitStatus,
    Withdrawal,
    drop_unknown,
)
from gateway.wire.reasons import Reason
from gateway.wire.strict import parse_strictly, refusal
from gateway.wire.telemetry import translate
from gateway.wire.topics import Channel, Dialect, parse_device_topic, parse_topic

__all__ = [
    "MAX_BYTES",
    "InvalidInput",
    "Reason",
    "Received",
    "keyed_hash",
    "read",
    "read_device",
    "read_offer",
    "read_status",
]

# Looked up once: a member costs a call into its enumeration each time.
_TELEMETRY = Channel.TELEMETRY

MAX_BYTES = 256 * 1024
"""A larger payload is refused unread."""

Inbound: TypeAlias = Telemetry | Identity | OutcomeReport | Consent | Facts | UnitStatus


class Received(NamedTuple):
    """A message, understood.

    Attributes:
        unit: The unit it is from, by its topic.
        id: The sender's id of it: a repetition has the same. None where the sender gave none.
        events: What the engine is to hear, in this order; none when it says nothing the engine listens to.
        payload: The message itself, for what must be kept whole (receipts). An identity's credential is gone from it.
        unknown_fields: How many fields are not known here.
        unknown_signals: How many signal paths are not listened to.
        withheld: How many signals held a coordinate or a name and went no further.
        refused: What is wrong with a part of it that was left out; the rest counts.
    """

    channel: Channel
    unit: str
    id: str | None
    events: tuple[Event, ...]
    payload: Inbound
    unknown_fields: int = 0
    unknown_signals: int = 0
    withheld: int = 0
    refused: InvalidInput | None = None


def read(topic: str, payload: bytes, received: Instant, *, credential_key: bytes, retained: bool = False) -> Received:
    """Return what a message says.

    Args:
        topic: As the broker delivered it.
        payload: As the broker delivered it.
        received: When it arrived, by the gateway's clock.
        credential_key: The gateway's secret, at least 16 bytes, for `keyed_hash`.
        retained: Whether the broker says that it had kept the message.

    Raises:
        InvalidInput: The message is refused; `reason` is one of `Reason`.
        InvariantViolation: A credential came, and the key is too short to hide it.
    """
    place = parse_topic(topic)
    _check_length(payload)
    if place.channel is _TELEMETRY:
        return _read_telemetry(place.owner, payload, retained=retained)
    reader = _READERS.get(place.channel)
    if reader is None:
        raise InvalidInput(Reason.BAD_TOPIC, f"only the gateway writes {place.channel.value}")
    understood = reader(place.owner, payload, received, credential_key)
    if retained and not _true_when_old(understood.payload):
        raise InvalidInput(Reason.RETAINED, f"a retained message of {place.channel.value}")
    return understood


def read_device(
    topic: str, payload: bytes, received: Instant, devices: Devices, *, credential_key: bytes, retained: bool = False
) -> Said | Ignored:
    """Return what a device says that speaks a dialect of its own, or why it is left unheard.

    Whether it is bound is asked before anything else: of a stranger nothing is validated, told or kept. Nothing that
    the broker had kept counts: phones have their last location kept as a rule, and it is old by definition.

    Args:
        topic: As the broker delivered it.
        payload: As the broker delivered it.
        received: When it arrived, by the gateway's clock.
        devices: Which device speaks for which unit.
        credential_key: As for `read`.
        retained: As for `read`.

    Raises:
        InvalidInput: The message is refused; `reason` is one of `Reason`.
        InvariantViolation: A tag came, and the key is too short to hide it.
    """
    place = parse_device_topic(topic)
    unit = devices.unit_of(place)
    if unit is None:
        return Ignored(IgnoredReason.UNKNOWN_DEVICE)
    if retained:
        return Ignored(IgnoredReason.RETAINED)
    _check_length(payload)
    fields = parse_strictly(payload)
    if not isinstance(fields, dict):
        raise InvalidInput(Reason.BAD_PAYLOAD, "payload: expected an object")
    if place.dialect is Dialect.OWNTRACKS:
        return owntracks.translate(unit, fields, received, devices)
    return theengs.translate(theengs.Scanner(place.sender, unit), fields, received, devices, credential_key)


def read_offer(payload: bytes) -> Offer | Withdrawal:
    """Return what the gateway published on `offers`: for those who show it.

    Raises:
        InvalidInput: It is neither an offer nor a withdrawal.
    """
    _check_length(payload)
    fields = parse_strictly(payload)
    if isinstance(fields, dict) and "withdrawn" in fields:
        return _validated(Withdrawal, payload)[0]
    return _validated(Offer, payload)[0]


def read_status(payload: bytes) -> GatewayStatus:
    """Return what the gateway published on its `status`: for those who watch it.

    Raises:
        InvalidInput: It is no gateway's status.
    """
    return _validated(GatewayStatus, payload)[0]


def _check_length(payload: bytes) -> None:
    if len(payload) > MAX_BYTES:
        raise InvalidInput(Reason.TOO_LARGE, f"{len(payload)} bytes, at most {MAX_BYTES}")


def _read_telemetry(unit: str, payload: bytes, *, retained: bool) -> Received:
    if retained:
        raise InvalidInput(Reason.RETAINED, "retained telemetry is never live")
    telemetry, unknown_fields = _validated(Telemetry, payload)
    said = translate(unit, telemetry)
    if said.refused is not None and not said.events:
        raise said.refused
    events, unknown_signals, withheld, refused = said
    return Received(
        _TELEMETRY, unit, telemetry.id, events, telemetry, unknown_fields, unknown_signals, withheld, refused
    )


def _read_identity(unit: str, payload: bytes, _received: Instant, credential_key: bytes) -> Received:
    identity, unknown = _validated(Identity, payload)
    if identity.credential is not None:
        subject = keyed_hash(identity.credential, credential_key)
        # Whoever left is named by the role alone; a subject that was named beside the credential stands.
        identity = identity.model_copy(update={"credential": None, "subject": identity.subject or subject})
    event: Event
    if identity.state is Presence.LEFT:
        event = SubjectLeft(unit, identity.ts_ms, identity.id, identity.role)
    elif identity.subject is None or identity.method is None:
        raise InvariantViolation("the model lets nobody be present without a subject and a method")
    else:
        event = SubjectIdentified(
            unit, identity.ts_ms, identity.id, identity.subject, identity.role, identity.method.value
        )
    return Received(Channel.IDENTITY, unit, identity.id, (event,), identity, unknown)


def _read_outcome(unit: str, payload: bytes, _received: Instant, _key: bytes) -> Received:
    report, unknown = _validated(OutcomeReport, payload)
    event = OutcomeReported(unit, report.ts_ms, report.id, report.offer_id, report.outcome, report.detail)
    return Received(Channel.OUTCOMES, unit, report.id, (event,), report, unknown)


def _read_consent(unit: str, payload: bytes, _received: Instant, _key: bytes) -> Received:
    consent, unknown = _validated(Consent, payload)
    given = consent.state is ConsentState.GIVEN
    event = ConsentChanged(
        unit,
        consent.ts_ms,
        consent.id,
        consent.holder,
        consent.purpose,
        given,
        consent.supersedes if given else (),
        consent.valid_until_ms if given else None,
    )
    return Received(Channel.CONSENTS, unit, consent.id, (event,), consent, unknown)


def _read_facts(unit: str, payload: bytes, _received: Instant, credential_key: bytes) -> Received:
    told, unknown = _validated(Facts, payload)
    if told.credential is not None:
        told = told.model_copy(update={"credential": None, "subject": keyed_hash(told.credential, credential_key)})
    events: list[Event] = []
    if told.facts:
        about = told.subject or ""
        events.append(FactsChanged(unit, told.ts_ms, about, told.facts, told.id, told.fence or "", told.valid_until_ms))
    if told.prepared is not None and told.subject is not None:
        events.append(ListPrepared(unit, told.ts_ms, told.id, told.subject, told.prepared, told.valid_until_ms))
    return Received(Channel.FACTS, unit, told.id, tuple(events), told, unknown)


def _read_status(unit: str, payload: bytes, received: Instant, _key: bytes) -> Received:
    """A will was written before it came true, so the unit is lost when it is received."""
    status, unknown = _validated(UnitStatus, payload)
    events = (UnitLost(unit, received),) if status.state is Liveness.GONE else ()
    return Received(Channel.STATUS, unit, status.id, events, status, unknown)


_READERS: Mapping[Channel, Callable[[str, bytes, Instant, bytes], Received]] = MappingProxyType(
    {
        Channel.IDENTITY: _read_identity,
        Channel.OUTCOMES: _read_outcome,
        Channel.CONSENTS: _read_consent,
        Channel.FACTS: _read_facts,
        Channel.STATUS: _read_status,
    }
)


def _true_when_old(payload: Inbound) -> bool:
    if isinstance(payload, Consent):
        return payload.state is ConsentState.WITHDRAWN
    if isinstance(payload, Facts):
        return payload.subject is None
    return isinstance(payload, UnitStatus)


_PayloadT = TypeVar("_PayloadT", bound=Payload)


def _validated(model: type[_PayloadT], payload: bytes) -> tuple[_PayloadT, int]:
    """Return the payload and how many unknown fields it had.

    The parser takes NaN and Infinity for numbers, which RFC 8259 section 6 does not: only where these letters occur
    at all is the payload parsed once more without them.
    """
    if b"NaN" in payload or b"Infinity" in payload:
        parse_strictly(payload)
    try:
        valid = model.model_validate_json(payload, extra="allow")
    except ValidationError as error:
        raise refusal(payload, error) from None
    return valid, drop_unknown(valid)
