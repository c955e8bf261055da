"""From effects to rows: what one transaction writes.

Rows are made where the effects are made, in the event loop, so that what the writer's thread sees can no longer change.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pydantic import TypeAdapter

from gateway.core.effects import (
    ConsentRecorded,
    Decision,
    DecisionRecorded,
    Effect,
    Offer,
    OfferMade,
    OfferWithdrawn,
    OutcomeRecorded,
    StateChanged,
)
from gateway.core.state import Scope, StateKey
from gateway.core.units import Instant
from gateway.edge.store.seal import Cell
from gateway.edge.store.tables import encode, insert, put, update

Row: TypeAlias = tuple[str, tuple[Cell, ...]]
"""A statement and its values."""

_PUT = put("state", ("scope", "owner", "name", "item"), "value")
_DROP = "DELETE FROM state WHERE scope = ? AND owner = ? AND name = ? AND item = ?"
_DECISION = insert("decisions")
_OFFER = insert("offers")
_WITHDRAWN = update(
    "offers",
    {"withdrawn_ms": "given.at_ms", "withdrawal_reason": "given.reason", "withdrawal": "'pending'"},
    ("at_ms", "reason", "id", "unit"),
    "offers.id = given.id AND offers.unit = given.unit",
)
_TAKEN_BACK = update(
    "offers",
    {"withdrawn_ms": "given.at_ms", "withdrawal_reason": "given.reason", "publication": "'dropped'"},
    ("at_ms", "reason", "id", "unit"),
    "offers.id = given.id AND offers.unit = given.unit",
)
_OUTCOME = insert("outcomes")
_OUTCOME_OF_OFFER = update("offers", {"outcome": "given.outcome"}, ("outcome", "id"), "offers.id = given.id")
# The engine knows only those who are present: what is said twice of somebody absent is told apart here.
_CONSENT = insert("consents", "ON CONFLICT DO NOTHING")
_SENT = update("offers", {"publication": "'sent'"}, ("id",), "offers.id = given.id")
_WITHDRAWAL_SENT = update("offers", {"withdrawal": "'sent'"}, ("id",), "offers.id = given.id")
_META = put("meta", ("name",), "value")
_GAP = insert("gaps")

_TRACE: TypeAdapter[Decision] = TypeAdapter(Decision)


@dataclass(frozen=True, slots=True)
class OwedOffer:
    """An offer the broker has not confirmed."""

    id: str
    unit: str
    payload: bytes
    expires: Instant


@dataclass(frozen=True, slots=True)
class OwedWithdrawal:
    """A withdrawal the broker has not confirmed. `expires` of its offer, where that is known."""

    offer: str
    unit: str
    reason: str
    expires: Instant | None


Owed: TypeAlias = OwedOffer | OwedWithdrawal


@dataclass(frozen=True, slots=True)
class Transaction:
    """What must be on disk together.

    Attributes:
        now: The engine's instant; the ledger's `last_now` rises to it.
        changes: The state entries among the rows, for readers who cannot wait for the disk.
        owed: What may be published once the rows are on disk, in this order.
        decisions: What may be told of once the rows are on disk.
    """

    now: Instant
    rows: tuple[Row, ...]
    changes: tuple[tuple[StateKey, object], ...] = ()
    owed: tuple[Owed, ...] = ()
    decisions: tuple[Decision, ...] = ()
    owners: frozenset[tuple[Scope, str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "owners", frozenset((key.scope, key.owner) for key, _ in self.changes))


@dataclass(slots=True)
class Recorder:
    """Gathers the durable effects of one message into one transaction.

    Attributes:
        offer_payload: Gives an offer the bytes in which it is published.
        receipts: The consent payloads of the message, whole, by their id.
    """

    offer_payload: Callable[[Offer], bytes]
    receipts: Mapping[str, str] = field(default_factory=dict)
    _rows: list[Row] = field(default_factory=list)
    _changes: list[tuple[StateKey, object]] = field(default_factory=list)
    _owed: list[Owed] = field(default_factory=list)
    _decisions: list[Decision] = field(default_factory=list)

    def add(self, effects: Iterable[Effect]) -> None:
        """Gather what is durable; leave the rest."""
        for effect in effects:
            if isinstance(effect, StateChanged):
                self._add_state(effect)
            elif isinstance(effect, DecisionRecorded):
                self._rows.append((_DECISION, _decision_cells(effect.decision)))
                self._decisions.append(effect.decision)
            elif isinstance(effect, OfferMade):
                self._add_offer(effect.offer)
            elif isinstance(effect, OfferWithdrawn):
                self._add_withdrawal(effect)
            elif isinstance(effect, OutcomeRecorded):
                self._add_outcome(effect)
            elif isinstance(effect, ConsentRecorded):
                self._rows.append((_CONSENT, self._consent_cells(effect)))

    def transaction(self, now: Instant) -> Transaction | None:
        """Return what was gathered; None when nothing durable was."""
        if not self._rows:
            return None
        return Transaction(now, tuple(self._rows), tuple(self._changes), tuple(self._owed), tuple(self._decisions))

    def _add_state(self, effect: StateChanged) -> None:
        self._changes.append((effect.key, effect.value))
        if effect.value is None:
            self._rows.append((_DROP, tuple(effect.key)))
        else:
            self._rows.append((_PUT, (*effect.key, encode(effect.value))))

    def _add_outcome(self, effect: OutcomeRecorded) -> None:
        outcome = effect.outcome.value
        self._rows.append((_OUTCOME, (effect.id, effect.offer, effect.unit, effect.at, outcome, effect.detail)))
        self._rows.append((_OUTCOME_OF_OFFER, (outcome, effect.offer)))

    def _add_offer(self, offer: Offer) -> None:
        payload = self.offer_payload(offer)
        cells = (
            offer.id,
            offer.decision,
            offer.unit,
            offer.holder,
            offer.action,
            offer.kind.value,
            offer.placement.value,
            offer.made,
            offer.expires,
            payload,
            "pending",
            *(None, None, None, None),
        )
        self._rows.append((_OFFER, cells))
        self._owed.append(OwedOffer(offer.id, offer.unit, payload, offer.expires))

    def _add_withdrawal(self, effect: OfferWithdrawn) -> None:
        cells = (effect.at, effect.reason, effect.offer, effect.unit)
        unpublished = [owed for owed in self._owed if not (isinstance(owed, OwedOffer) and owed.id == effect.offer)]
        if len(unpublished) < len(self._owed):
            # Made and withdrawn in one transaction: nobody has seen it, and nobody shall.
            self._owed = unpublished
            self._rows.append((_TAKEN_BACK, cells))
            return
        self._rows.append((_WITHDRAWN, cells))
        self._owed.append(OwedWithdrawal(effect.offer, effect.unit, effect.reason, None))

    def _consent_cells(self, effect: ConsentRecorded) -> tuple[Cell, ...]:
        receipt = self.receipts.get(effect.id, "{}")
        return effect.id, effect.unit, effect.holder, effect.purpose, int(effect.given), effect.at, receipt


def _decision_cells(decision: Decision) -> tuple[Cell, ...]:
    trace = _TRACE.dump_json(decision).decode()
    return decision.id, decision.unit, decision.at, decision.release, decision.chosen, decision.offer, trace


@dataclass(frozen=True, slots=True)
class Gap:
    """A hole in the ledger, of which it keeps a record.

    Attributes:
        stream: The table.
        first: The instant from which on something is missing.
        last: The instant until which something is missing.
        count: How many rows; None when nobody can know.
        reason: `budget`, `retention`, `damaged` or `rolled_back`.
        at: When it was made or found.
    """

    stream: str
    first: Instant
    last: Instant
    count: int | None
    reason: str
    at: Instant


def gap_row(gap: Gap) -> Row:
    """Return the row that tells of a hole; it belongs into the transaction that makes it."""
    return _GAP, (gap.stream, gap.first, gap.last, gap.count, gap.reason, gap.at)


def offer_sent(offer: str, now: Instant) -> Transaction:
    """Return the note that the broker has taken an offer."""
    return Transaction(now, ((_SENT, (offer,)),))


def withdrawal_sent(offer: str, now: Instant) -> Transaction:
    """Return the note that the broker has taken a withdrawal."""
    return Transaction(now, ((_WITHDRAWAL_SENT, (offer,)),))


def decision_from(trace: str) -> Decision:
    """Return the decision that a ledger row holds.

    Raises:
        pydantic.ValidationError: The trace is not one.
    """
    return _TRACE.validate_json(trace)


def release_in_force(release: str, now: Instant) -> Transaction:
    """Return the note that the gateway decides with this release from now on."""
    return Transaction(now, ((_META, ("release", release)),))


def lowered_now(now: Instant) -> Row:
    """Return the row that sets the ledger's `last_now` back; all else only raises it."""
    return _META, ("last_now", str(now))


def sign_of_life(now: Instant) -> Transaction:
    """Return a transaction that only moves `last_now`: whether it succeeds tells whether the disk can be written."""
    return Transaction(now, ())
