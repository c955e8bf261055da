"""Reading the ledger: for restoring the engine, for a subject's return, for what is owed, and for explaining.

All of it goes through a read-only connection. What the writer has not committed yet is not seen here; the runner lays
it over what it reads.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from pydantic import ValidationError

from gateway.core.effects import Decision
from gateway.core.errors import StoreError
from gateway.core.facts import HOUSEHOLD
from gateway.core.state import Scope, StateKey
from gateway.core.units import Instant
from gateway.edge.store.rows import OwedOffer, OwedWithdrawal, decision_from
from gateway.edge.store.schema import LedgerTooNew, connect_reader
from gateway.edge.store.tables import VERSION, decode

_SHORT_EPOCH = 8

_WHOLE_STATE = "SELECT scope, owner, name, item, value FROM state"
_STATE_WITHOUT_PEOPLE = "SELECT scope, owner, name, item, value FROM state WHERE scope NOT IN ('subject', 'household')"
_STATE_OF = "SELECT scope, owner, name, item, value FROM state WHERE scope = ? AND owner = ?"
_OWED_OFFERS = (
    "SELECT id, unit, payload, expires_ms FROM offers"
    " WHERE publication = 'pending' AND withdrawn_ms IS NULL AND outcome IS NULL AND expires_ms > ?"
    " AND (kind <> 'marketing' OR ?) ORDER BY made_ms, id LIMIT ?"
)
_OWED_WITHDRAWALS = (
    "SELECT id, unit, withdrawal_reason, expires_ms FROM offers"
    " WHERE withdrawal = 'pending' AND expires_ms > ? ORDER BY withdrawn_ms, id LIMIT ?"
)


class Ledger:
    """A prepared ledger, for reading. Belongs to the thread that opens it.

    Attributes:
        epoch: The UUID made with the file.
        last_now: The engine's last committed instant when the ledger was opened.
        release: The release in force then; None in a fresh ledger.

    Raises:
        StoreError: It cannot be opened or read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _reading(path):
            self._connection = connect_reader(path)
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version > VERSION:
                raise LedgerTooNew(path, version)
            meta = dict(self._connection.execute("SELECT name, value FROM meta"))
            self.epoch: str = meta["epoch"]
            self.last_now: Instant = int(meta["last_now"])
            self.release: str | None = meta.get("release")

    @property
    def short_epoch(self) -> str:
        """The part of the epoch that ids carry: enough to tell the ledgers of one gateway apart."""
        return self.epoch[:_SHORT_EPOCH]

    def close(self) -> None:
        """Close the connection; it may be closed already."""
        self._connection.close()

    def restorable_state(self) -> dict[StateKey, object]:
        """Return what restores the engine: every entry but those of people who are not at any unit.

        Of those who are, their households' too.
        """
        with _reading(self.path):
            state = _entries(self._connection.execute(_STATE_WITHOUT_PEOPLE))
        present = {str(who) for key, value in state.items() if (who := _subject_in(key, value)) is not None}
        for subject in sorted(present):
            known = self.entries_of(Scope.SUBJECT, subject)
            state.update(known)
            if (household := household_in(known, subject)) is not None:
                state.update(self.entries_of(Scope.HOUSEHOLD, household))
        return state

    def whole_state(self) -> dict[StateKey, object]:
        """Return every entry, those of subjects who are nowhere too."""
        with _reading(self.path):
            return _entries(self._connection.execute(_WHOLE_STATE))

    def entries_of(self, scope: Scope, owner: str) -> dict[StateKey, object]:
        """Return the entries of one owner: a subject, a household, a unit."""
        with _reading(self.path):
            return _entries(self._connection.execute(_STATE_OF, (scope.value, owner)))

    def owed_offers(self, now: Instant, limit: int, *, marketing: bool = True) -> list[OwedOffer]:
        """Return offers that are still to be published: valid, unanswered, not withdrawn; oldest first.

        These are the ones a restored engine holds open: whatever ends an offer there is a row here, in one
        transaction with the entry of state.

        Args:
            now: Those that have expired by then are owed no more.
            limit: How many at most.
            marketing: Return also those that rest on a consent.
        """
        with _reading(self.path):
            return [OwedOffer(*row) for row in self._connection.execute(_OWED_OFFERS, (now, marketing, limit))]

    def owed_withdrawals(self, now: Instant, limit: int) -> list[OwedWithdrawal]:
        """Return withdrawals that are still to be published; after its expiry an offer needs none."""
        with _reading(self.path):
            return [OwedWithdrawal(*row) for row in self._connection.execute(_OWED_WITHDRAWALS, (now, limit))]

    def decision(self, decision: str) -> Decision | None:
        """Return a decision with its whole trace, or None."""
        with _reading(self.path):
            row = self._connection.execute("SELECT trace FROM decisions WHERE id = ?", (decision,)).fetchone()
        try:
            return None if row is None else decision_from(row[0])
        except ValidationError as error:
            raise StoreError(f"{self.path}: the trace of {decision} is damaged") from error


def read_decision(path: Path, decision: str) -> Decision | None:
    """Return a decision from a ledger, also of one that a gateway is writing; None when it is not there.

    Raises:
        StoreError: There is no ledger, or it cannot be read.
    """
    with closing(Ledger(path)) as ledger:
        return ledger.decision(decision)


def household_in(state: Mapping[StateKey, object], subject: str) -> str | None:
    """Return the household that a subject's entries name, also if that fact has ended: what was counted is counted."""
    fact = state.get(StateKey(Scope.SUBJECT, subject, "fact", HOUSEHOLD))
    household = fact.get("value") if isinstance(fact, dict) else None
    return household if isinstance(household, str) else None


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, KeyError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error


def _entries(rows: sqlite3.Cursor) -> dict[StateKey, object]:
    return {StateKey(Scope(scope), owner, name, item): decode(value) for scope, owner, name, item, value in rows}


def _subject_in(key: StateKey, value: object) -> object | None:
    if key.scope is Scope.UNIT and key.name == "presence" and isinstance(value, dict):
        subject: object | None = value.get("subject")
        return subject
    return None
