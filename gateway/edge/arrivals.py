"""What the engine is told of a person who arrives: all that the ledger knows of them and of their household."""

from dataclasses import replace

from gateway.core.events import SubjectIdentified
from gateway.core.state import Scope, StateKey
from gateway.edge.store.ledger import Ledger, household_in
from gateway.edge.store.writer import LedgerWriter


class Arrivals:
    """Reads the ledger, under what is on its way to it: a consent that is not on disk yet counts."""

    def __init__(self, ledger: Ledger, writer: LedgerWriter) -> None:
        self._ledger = ledger
        self._writer = writer

    def informed(self, event: SubjectIdentified) -> SubjectIdentified:
        """Return the event with the state of its subject, and of the household that the subject's own facts name.

        Raises:
            StoreError: The ledger cannot be read.
        """
        state = self._entries(Scope.SUBJECT, event.subject)
        if (household := household_in(state, event.subject)) is not None:
            state |= self._entries(Scope.HOUSEHOLD, household)
        return replace(event, state=state)

    def _entries(self, scope: Scope, owner: str) -> dict[StateKey, object]:
        entries = self._ledger.entries_of(scope, owner) | self._writer.uncommitted_of(scope, owner)
        return {key: value for key, value in entries.items() if value is not None}
