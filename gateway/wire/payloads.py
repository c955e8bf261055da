"""The payloads, version 1: what may stand in each message. Firmware, tills and simulators may build on these.

Models are strict (`true` is no number, `"1"` is no number) and immutable. Made in Python, an unknown field is an
error; read from the wire it is ignored and counted, so that a newer sender is understood. A `null` counts as absent.
Texts of validation errors name fields, never values.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)

from gateway.core.campaign import Kind, Placement
from gateway.core.events import SESSION, Outcome, Purpose, Role
from gateway.wire.fact_values import FACT_PATTERN, FactName, FactValue
from gateway.wire.topics import ID_PATTERN

__all__ = [
    "Consent",
    "ConsentState",
    "DeadLetter",
    "Facts",
    "GatewayStatus",
    "Health",
    "Identity",
    "Kind",
    "Liveness",
    "Method",
    "Notice",
    "Offer",
    "Outcome",
    "OutcomeReport",
    "Payload",
    "Placement",
    "Presence",
    "Purpose",
    "ReleaseRef",
    "Reward",
    "Role",
    "Slate",
    "Telemetry",
    "UnitStatus",
    "Withdrawal",
]

EARLIEST_MS = 946_684_800_000
"""2000-01-01T00:00:00Z."""
LATEST_MS = 4_102_444_800_000
"""2100-01-01T00:00:00Z."""

Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
DerivedId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,191}$"),
    Field(description="An id the gateway derived from a unit's id, hence longer than one."),
]
Ms = Annotated[int, Field(ge=EARLIEST_MS, le=LATEST_MS, description="Milliseconds since 1970-01-01T00:00:00Z.")]
OwnMs = Annotated[
    int, Field(ge=0, description="Milliseconds since 1970-01-01T00:00:00Z by the gateway's clock, even if it is wrong.")
]
Language = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$"),
    Field(description="A language tag (BCP 47)."),
]
_THERE: dict[str, JsonValue] = {"not": {"type": "null"}}
"""The schema of what is given, for a null counts as absent."""
Label = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")]
Propensity = Annotated[float, Field(ge=0, le=1)]
MOST_FACTS = 64
MOST_PREPARED = 256
ShortText = Annotated[str, StringConstraints(max_length=256)]


class Payload(BaseModel):
    """What all payloads share."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    nested: ClassVar[tuple[str, ...]] = ()
    """The fields that are payloads themselves."""

    def encode(self) -> bytes:
        """Return it as it goes on the wire: compact JSON in UTF-8, every field named, absent ones as null."""
        return self.model_dump_json().encode()


class Telemetry(Payload):
    """What a unit's sensors say. Newest `ts_ms` wins, signal by signal."""

    ts_ms: Ms
    signals: dict[str, object] = Field(description="Values by VSS path; see the vehicle signals in use.")
    id: Id | None = Field(None, description="Makes it idempotent; telemetry may do without.")


class Presence(StrEnum):
    """Whether a person is there."""

    PRESENT = "present"
    LEFT = "left"


class Method(StrEnum):
    """How a person made themselves known."""

    CARD = "card"
    KEY = "key"
    APP = "app"
    TICKET = "ticket"


class Identity(Payload):
    """A known person came or left.

    `present` names how (`method`) and who: by a pseudonymous `subject`, or by the raw number of a card, key or ticket
    (`credential`), which the gateway turns into a keyed hash at once and keeps nowhere.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"state": {"const": "present"}}},
            "then": {
                "required": ["method"],
                "properties": {"method": {"type": "string"}},
                "oneOf": [
                    {"required": ["subject"], "properties": {"subject": {"type": "string"}}},
                    {"required": ["credential"], "properties": {"credential": {"type": "string"}}},
                ],
            },
        }
    )

    id: Id
    ts_ms: Ms
    state: Presence
    role: Role
    method: Method | None = None
    subject: Annotated[Id, Field(json_schema_extra={"not": {"const": SESSION}})] | None = None
    credential: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = Field(None, repr=False)

    @model_validator(mode="after")
    def _says_who(self) -> Self:
        if self.subject == SESSION:
            raise ValueError("a subject cannot be called as the session is")
        if self.state is Presence.PRESENT:
            if self.method is None:
                raise ValueError("present needs a method")
            if (self.subject is None) == (self.credential is None):
                raise ValueError("present needs either a subject or a credential")
        return self


class OutcomeReport(Payload):
    """What became of an offer, from the unit it was shown at or from another."""

    id: Id
    ts_ms: Ms
    offer_id: DerivedId
    outcome: Outcome
    detail: ShortText = ""


class ConsentState(StrEnum):
    """What a person said to a purpose."""

    GIVEN = "given"
    WITHDRAWN = "withdrawn"


class Notice(Payload):
    """The text a person was shown before agreeing."""

    id: Id
    version: Id
    language: Language


class Consent(Payload):
    """A person agreed to one purpose, or withdrew. The receipt: the ledger keeps it whole."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"state": {"const": "given"}}},
            "then": {"required": ["notice"], "properties": {"notice": {"type": "object"}}},
        }
    )

    nested = ("notice",)

    id: Id
    ts_ms: Ms
    holder: Id = Field(description=f"A subject, or `{SESSION}`: whoever is at the unit unknown.")
    purpose: Purpose
    state: ConsentState
    notice: Notice | None = Field(None, description="Needed to give; a withdrawal takes no reading.")
    method: Id | None = Field(None, description="How it was said, e.g. `screen`.")
    valid_until_ms: Ms | None = None
    supersedes: Annotated[tuple[Id, ...], Field(max_length=256)] = Field(
        (), description="Ids of the withdrawals the person was told of. A given that omits one known does not count."
    )

    @model_validator(mode="after")
    def _given_on_notice(self) -> Self:
        if self.state is ConsentState.GIVEN and self.notice is None:
            raise ValueError("given needs a notice")
        return self


class Facts(Payload):
    """What is known from elsewhere: of a person, of a fence, or, where neither is named, of the unit itself.

    `ts_ms` says since when; of each fact the newest wins, and null forgets it. `prepared` is the centre's list of how
    likely a person is to accept each of these actions; it takes the place of the last one. A person is named by a
    pseudonymous `subject`, or by the raw number of a card, key or ticket (`credential`), which the gateway turns into
    a keyed hash at once and keeps nowhere.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [
                {"not": {"required": [one, other], "properties": {one: _THERE, other: _THERE}}}
                for one, other in (("subject", "credential"), ("subject", "fence"), ("credential", "fence"))
            ],
            "anyOf": [
                {"required": ["facts"], "properties": {"facts": {"minProperties": 1}}},
                {"required": ["prepared"], "properties": {"prepared": _THERE}},
            ],
            "if": {"required": ["prepared"], "properties": {"prepared": _THERE}},
            "then": {
                "anyOf": [
                    {"required": [who], "properties": {who: {"type": "string"}}} for who in ("subject", "credential")
                ]
            },
        }
    )

    id: Id
    ts_ms: Ms
    subject: Annotated[Id, Field(json_schema_extra={"not": {"const": SESSION}})] | None = None
    credential: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = Field(None, repr=False)
    fence: Id | None = None
    facts: Annotated[Mapping[FactName, FactValue], Field(max_length=MOST_FACTS)] = Field(
        default_factory=dict,
        description="Values by name; null: it is known no longer. A whole number is at most 2^53.",
        json_schema_extra={"propertyNames": {"pattern": FACT_PATTERN}},
    )
    valid_until_ms: Ms | None = Field(None, description="The end of all that this message says.")
    prepared: Annotated[Mapping[Id, Propensity], Field(max_length=MOST_PREPARED)] | None = Field(
        None,
        description="By action, 0 to 1; empty: there is no list any more.",
        json_schema_extra={"propertyNames": {"pattern": ID_PATTERN}},
    )

    @model_validator(mode="after")
    def _about_one(self) -> Self:
        if self.subject == SESSION:
            raise ValueError("a subject cannot be called as the session is")
        if sum(who is not None for who in (self.subject, self.credential, self.fence)) > 1:
            raise ValueError("facts are about a subject, a credential or a fence, and about one of them")
        if self.prepared is not None and self.subject is None and self.credential is None:
            raise ValueError("a list is prepared for a subject or a credential")
        if not self.facts and self.prepared is None:
            raise ValueError("either facts or a prepared list is needed")
        return self


class Reward(Payload):
    """What is given on acceptance.

    `amount` is what it comes to, in `currency`, e.g. `2.50`; both are null where the reader is told no amount. It
    stands in `text` already, where the campaign says so.
    """

    id: Id
    text: str
    amount: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}\.[0-9]{2}$")] | None = None
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] | None = Field(None, description="ISO 4217.")


class Slate(Payload):
    """An offer's place among those that are shown together: they share `id`, and are read from `position` 0 on."""

    id: DerivedId
    position: Annotated[int, Field(ge=0)]


class Offer(Payload):
    """Something to show or say, at `placement`, until `expires_ms`.

    `slate`: it is one of several that are shown together; null: it stands alone. `as_of_ms`: how old the oldest stock,
    price or other fact is that its texts show; null: they show none.
    """

    nested = ("reward", "slate")

    id: DerivedId
    decision_id: DerivedId
    unit: Id
    role: Role
    placement: Placement
    action: Id
    kind: Kind
    language: Language
    title: str
    body: str
    call_to_action: str
    reward: Reward | None
    made_ms: OwnMs
    expires_ms: OwnMs
    slate: Slate | None = None
    as_of_ms: OwnMs | None = None


class Withdrawal(Payload):
    """Take an offer off the screen, or drop it if it was not shown yet."""

    id: DerivedId
    withdrawn: Literal[True] = True
    reason: Label


class Liveness(StrEnum):
    """Whether a client is connected. `gone` is also its last will."""

    BORN = "born"
    GONE = "gone"


class UnitStatus(Payload):
    """A unit says it is there; its last will says that it is gone. Everything it said before is then in doubt."""

    state: Liveness
    id: Id | None = None
    ts_ms: Ms | None = Field(None, description="For the log only: a will is written before it comes true.")


class ReleaseRef(Payload):
    """The release in force."""

    id: Id
    counter: Annotated[int, Field(ge=0)]


class Health(StrEnum):
    """Whether the gateway decides and records as it should."""

    OK = "ok"
    DEGRADED = "degraded"


class GatewayStatus(Payload):
    """The gateway's birth, state and last will; retained."""

    nested = ("release",)

    state: Liveness
    version: ShortText
    release: ReleaseRef | None = None
    started_ms: OwnMs
    health: Health = Health.OK


class DeadLetter(Payload):
    """A message the gateway could not take: which and why, never what it said."""

    topic: ShortText
    reason: Label
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    length: Annotated[int, Field(ge=0)]
    received_ms: OwnMs


def drop_unknown(payload: Payload) -> int:
    """Return how many fields of a payload read from the wire are not known here, and forget them."""
    unknown = payload.__pydantic_extra__
    # As if it had been made in Python: only then is a payload equal to what was sent.
    object.__setattr__(payload, "__pydantic_extra__", None)
    count = len(unknown) if unknown else 0
    for name in payload.nested:
        part = getattr(payload, name)
        if part is not None:
            count += drop_unknown(part)
    return count
