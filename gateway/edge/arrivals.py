"""What the engine is told of a person along with an event: all that the ledger knows of them.

The engine knows only who is present. Who arrives brings along their own entries and those of their household; who
something is told of, who may be absent, their own: newest wins, and the ledger says what is newer.
"""

from dataclasses import replace

from gateway.core.events import Event, FactsChanged, ListPrepared, SubjectIdentified
from gateway.core.state import Scope, StateKey
from gateway.edge.store.ledger import Ledger, household_in
from gateway.edge.store.writer import LedgerWriter


class Arrivals:
    """Reads the ledger, under what is on its way to it: a consent that is not on disk yet counts."""

    def __init__(self, ledger: Ledger, writer: LedgerWriter) -> None:
        self._ledger = ledger
        self._writer = writer

    def informed(self, event: Event) -> Event:
        """Return an event with the state it is to bring along; one that brings none, as it is.

        Raises:
            StoreError: The ledger cannot be read.
        """
        if isinstance(event, SubjectIdentified):
            return replace(event, state=self._with_household(event.subject))
        if isinstance(event, FactsChanged | ListPrepared) and event.subject:
            return replace(event, state=self._entries(Scope.SUBJECT, event.subject))
        return event

    def _with_household(self, subject: str) -> dict[StateKey, object]:
        state = self._entries(Scope.SUBJECT, subject)
        household = household_in(state, subject)
        return state if household is None else state | self._entries(Scope.HOUSEHOLD, household)

    def _entries(self, scope: Scope, owner: str) -> dict[StateKey, object]:
        entries = self._ledger.entries_of(scope, owner) | self._writer.uncommitted_of(scope, owner)
        return {key: value for key, value in entries.items() if value is not None}
