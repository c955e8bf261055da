"""The ledger's own account: what was decided, offered, answered and agreed to, as one reading sees it.

For people, demos and tests. It reads beside a gateway that is writing and never disturbs it.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter, ValidationError

from gateway.core.effects import Decision
from gateway.core.errors import StoreError
from gateway.core.events import Outcome
from gateway.core.state import Scope, StateKey
from gateway.core.units import Instant
from gateway.edge.store.rows import decision_from
from gateway.edge.store.schema import connect_reader
from gateway.edge.store.tables import decode


@dataclass(frozen=True, slots=True)
class OfferEntry:
    """An offer as the ledger has it.

    Attributes:
        sent: Whether the broker has confirmed it.
        outcome: The last one reported; None while there is none.
        withdrawn: Why it was withdrawn, if it was.
    """

    id: str
    decision: str
    unit: str
    holder: str
    action: str
    kind: str
    placement: str
    made: Instant
    sent: bool
    outcome: Outcome | None
    withdrawn: str | None


@dataclass(frozen=True, slots=True)
class OutcomeEntry:
    """What became of an offer; `unit` is where that was reported."""

    offer: str
    unit: str
    at: Instant
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class ConsentEntry:
    """What a holder agreed to or withdrew, and when that was taken in."""

    id: str
    unit: str
    holder: str
    purpose: str
    given: bool
    at: Instant


@dataclass(frozen=True, slots=True)
class Account:
    """One consistent reading of the ledger, each part in the order of its recording.

    Attributes:
        units: The durable entries of the units: where they are, whether they are parked, who is there.
    """

    decisions: tuple[Decision, ...]
    offers: tuple[OfferEntry, ...]
    outcomes: tuple[OutcomeEntry, ...]
    consents: tuple[ConsentEntry, ...]
    units: Mapping[StateKey, object]


class AccountReader:
    """Reads a ledger again and again. Belongs to the thread that opens it; close it by leaving its block.

    Raises:
        StoreError: There is no ledger, or it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._reading():
            self._connection = connect_reader(path)
            self._connection.row_factory = sqlite3.Row

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def version(self) -> int:
        """Return a number that changes whenever the gateway commits; it costs next to nothing to ask."""
        with self._reading():
            (number,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(number)

    def read(self) -> Account:
        """Return what stands in the ledger now: all of it, so not for a ledger of months."""
        with self._reading():
            # One transaction, so that no commit falls between two of the tables.
            self._connection.execute("BEGIN")
            try:
                return Account(
                    tuple(decision_from(row["trace"]) for row in self._connection.execute(_DECISIONS)),
                    _OFFER.validate_python(self._rows(_OFFERS)),
                    _OUTCOME.validate_python(self._rows(_OUTCOMES)),
                    _CONSENT.validate_python(self._rows(_CONSENTS)),
                    dict(_unit_entry(row) for row in self._connection.execute(_UNITS)),
                )
            finally:
                self._connection.execute("ROLLBACK")

    def _rows(self, statement: str) -> tuple[dict[str, object], ...]:
        return tuple(dict(row) for row in self._connection.execute(statement))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, ValidationError, ValueError) as error:
            raise StoreError(f"{self._path}: cannot be read: {error}") from error


_DECISIONS = "SELECT trace FROM decisions ORDER BY seq"
_UNITS = "SELECT scope, owner, name, item, value FROM state WHERE scope = 'unit'"
_OFFERS = (
    "SELECT id, decision, unit, holder, action, kind, placement, made_ms AS made, publication = 'sent' AS sent,"
    " outcome, withdrawal_reason AS withdrawn FROM offers ORDER BY seq"
)
_OUTCOMES = "SELECT offer, unit, at_ms AS at, outcome FROM outcomes ORDER BY seq"
_CONSENTS = "SELECT id, unit, holder, purpose, given, at_ms AS at FROM consents ORDER BY seq"

# The columns are called as the fields are.
_OFFER = TypeAdapter(tuple[OfferEntry, ...])
_OUTCOME = TypeAdapter(tuple[OutcomeEntry, ...])
_CONSENT = TypeAdapter(tuple[ConsentEntry, ...])


def _unit_entry(row: sqlite3.Row) -> tuple[StateKey, object]:
    scope, *key, value = row
    return StateKey(Scope(scope), *key), decode(value)
