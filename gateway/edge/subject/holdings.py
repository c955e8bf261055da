"""What a ledger holds of one person: read beside a gateway that is running, all as of one instant."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.core import consent
from gateway.core.events import Purpose
from gateway.core.facts import HOUSEHOLD
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.units import Instant
from gateway.edge.store.inspection import reading
from gateway.edge.store.ledger import household_in
from gateway.edge.store.tables import decode
from gateway.edge.subject.traces import Name, changes, offers_in
from gateway.wire.receipts import Controller, StoredConsent, receipt_of, records

_STATE = (
    "SELECT scope, owner, name, item, value FROM state WHERE (scope = 'subject' AND owner = :subject)"
    " OR (scope = 'household' AND owner = :household) OR (scope = 'unit' AND name = 'window')"
    " OR instr(owner, :subject) OR instr(item, :subject) OR instr(value, :subject) ORDER BY scope, owner, name, item"
)
_HOUSEHOLD = "SELECT scope, owner, name, item, value FROM state WHERE scope = 'subject' AND owner = ? AND name = 'fact'"
_MEMBERS = (
    "SELECT count(*) FROM state WHERE scope = 'subject' AND name = 'fact' AND item = ? AND owner <> ?"
    " AND json_extract(value, '$.value') = ?"
)
_DECISIONS = "SELECT seq, trace FROM decisions WHERE instr(trace, ?) ORDER BY seq"
_OFFERS = (
    "SELECT seq, id, decision, unit, action, kind, placement, made_ms, expires_ms, payload, publication, outcome,"
    " withdrawn_ms, withdrawal_reason FROM offers WHERE holder = ? ORDER BY seq"
)
_OUTCOMES = (
    "SELECT seq, id, offer, unit, at_ms, outcome, detail FROM outcomes"
    " WHERE offer IN (SELECT id FROM offers WHERE holder = ?) ORDER BY seq"
)
_CONSENTS = "SELECT id, unit, holder, purpose, given, at_ms, receipt FROM consents WHERE holder = ? ORDER BY seq"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table that is about the person, by its number."""

    seq: int
    cells: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Holdings:
    """All that a ledger holds of a person.

    Attributes:
        now: The ledger's last instant.
        state: Entries that are the person's, or may name them.
        shared: The person's household, if others belong to it too.
        decisions: Those made for them, with their traces.
        mentions: Traces of decisions made for others that name them, by number.
        offers, outcomes: Those made to them, and what became of them.
        consents: What they agreed to and withdrew.
    """

    subject: str
    now: Instant
    state: Mapping[StateKey, Any]
    shared: frozenset[str]
    decisions: tuple[Row, ...]
    mentions: Mapping[int, str]
    offers: tuple[Row, ...]
    outcomes: tuple[Row, ...]
    consents: tuple[StoredConsent, ...]
    own: Mapping[StateKey, Any] = field(init=False)
    """The entries of the person themselves, and of a household that is theirs alone."""

    def __post_init__(self) -> None:
        household = household_in(self.state, self.subject)
        owners = {(Scope.SUBJECT, self.subject)}
        if household is not None and household not in self.shared:
            owners.add((Scope.HOUSEHOLD, household))
        own = {key: value for key, value in self.state.items() if (key.scope, key.owner) in owners}
        object.__setattr__(self, "own", own)

    @property
    def offer_ids(self) -> set[str]:
        """Every offer that is known to have been made to the person."""
        return {str(row.cells["id"]) for row in self.offers} | offers_in(self.state, self.subject)

    @property
    def changes(self) -> dict[StateKey, object]:
        """What has to change in the state for the person to be gone."""
        return changes(self.state, self.subject, self.shared)

    def counts(self) -> dict[str, int]:
        """Return how much there is, by kind."""
        return {
            "state": len(self.changes),
            "decisions": len(self.decisions) + len(self.mentions),
            "offers": len(self.offers),
            "outcomes": len(self.outcomes),
            "consents": len(self.consents),
        }

    def granted_until(self) -> dict[str, Instant]:
        """Return by purpose until when the person agrees to it, as of the ledger's last instant."""
        memory = Memory(self.own)
        return {
            purpose.value: consent.granted_until(memory, self.subject, "", purpose, self.now) for purpose in Purpose
        }

    def receipts(self, controller: Controller, gateway: str) -> list[dict[str, object]]:
        """Return a receipt for each purpose that the person has said something about."""
        found = records(self.consents, self.granted_until(), controller, gateway)
        return [receipt_of(record) for record in found]

    def to_json(self) -> dict[str, object]:
        """Return it as plain values, receipts excepted."""
        state: dict[str, dict[str, object]] = {}
        for key, value in self.own.items():
            name = key.name if key.scope is Scope.SUBJECT else f"household_{key.name}"
            state.setdefault(name, {})[key.item] = value
        return {
            "state": state,
            "named_by": [[*key, value] for key, value in self.state.items() if key in self.changes.keys() - self.own],
            "decisions": [dict(row.cells) for row in self.decisions],
            "offers": [dict(row.cells) for row in self.offers],
            "outcomes": [dict(row.cells) for row in self.outcomes],
        }


def holdings_of(ledger: Path, subject: str) -> Holdings:
    """Return all that a ledger holds of a person; nothing, if they are not known.

    Raises:
        StoreError: There is no ledger, it is of another version, or it cannot be read.
    """
    with reading(ledger) as connection:
        (now,) = connection.execute("SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'last_now'").fetchone()
        facts = _entries(connection.execute(_HOUSEHOLD, (subject,)))
        household = household_in(facts, subject)
        (others,) = connection.execute(_MEMBERS, (HOUSEHOLD, subject, household)).fetchone()
        state = _entries(connection.execute(_STATE, {"subject": subject, "household": household}))
        decisions, mentions = _decisions(connection, subject)
        return Holdings(
            subject,
            now,
            state,
            frozenset({household} if household is not None and others else ()),
            decisions,
            mentions,
            tuple(_rows(connection.execute(_OFFERS, (subject,)))),
            tuple(_rows(connection.execute(_OUTCOMES, (subject,)))),
            tuple(_consents(connection.execute(_CONSENTS, (subject,)))),
        )


def _entries(rows: sqlite3.Cursor) -> dict[StateKey, Any]:
    return {StateKey(Scope(scope), *key): decode(value) for scope, *key, value in rows}


def _decisions(connection: sqlite3.Connection, subject: str) -> tuple[tuple[Row, ...], dict[int, str]]:
    own: list[Row] = []
    mentions: dict[int, str] = {}
    name = Name(subject)
    for seq, text in connection.execute(_DECISIONS, (subject,)):
        trace = json.loads(text)
        if trace.get("holder") == subject:
            own.append(Row(seq, trace))
        elif name.stands_in(text):
            mentions[seq] = text
    return tuple(own), mentions


def _rows(cursor: sqlite3.Cursor) -> Iterator[Row]:
    names = [column[0] for column in cursor.description]
    for seq, *cells in cursor:
        yield Row(seq, dict(zip(names[1:], map(_plain, cells), strict=True)))


def _plain(cell: object) -> object:
    """Return a cell as JSON can hold it; an offer's payload as what was published."""
    if isinstance(cell, bytes):
        return json.loads(cell) if cell else None
    return cell


def _consents(cursor: sqlite3.Cursor) -> Iterator[StoredConsent]:
    for consent_id, unit, holder, purpose, given, at, receipt in cursor:
        yield StoredConsent(consent_id, unit, holder, purpose, bool(given), at, receipt)
