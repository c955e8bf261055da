"""What the engine is told of a person along with an event: all that the ledger knows of them.

The engine knows only who is present. Who arrives brings along their own entries and those of their household; who
something is told of, who may be absent, only what judges that: newest wins, and the ledger says what is newer. An event
is journaled with what it brings along, so it brings no more than it needs.
"""

from dataclasses import replace

from gateway.core.events import Event, FactsChanged, ListPrepared, SubjectIdentified
from gateway.core.facts import HOUSEHOLD, LIMIT
from gateway.core.state import Scope, StateKey
from gateway.edge.store.ledger import Ledger, household_in
from gateway.edge.store.writer import LedgerWriter

_FACT = "fact"
_OF_A_LIST = frozenset({"consent", "prepared"})
"""The names of the entries that decide whether a prepared list counts."""


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
        if isinstance(event, FactsChanged) and event.subject:
            return replace(event, state=self._known_facts(event))
        if isinstance(event, ListPrepared) and event.subject:
            own = self._entries(Scope.SUBJECT, event.subject)
            return replace(event, state={key: value for key, value in own.items() if key.name in _OF_A_LIST})
        return event

    def _known_facts(self, event: FactsChanged) -> dict[StateKey, object]:
        """Return what is known by the names that are told; all facts, where these would be too many."""
        own = self._entries(Scope.SUBJECT, event.subject)
        known = {key.item: key for key in own if key.name == _FACT}
        is_too_much = len(known.keys() | event.facts.keys()) > LIMIT
        state = {key: own[key] for item, key in known.items() if is_too_much or item in event.facts}
        household = event.facts.get(HOUSEHOLD)
        return state | self._entries(Scope.HOUSEHOLD, household) if isinstance(household, str) else state

    def _with_household(self, subject: str) -> dict[StateKey, object]:
        state = self._entries(Scope.SUBJECT, subject)
        household = household_in(state, subject)
        return state if household is None else state | self._entries(Scope.HOUSEHOLD, household)

    def _entries(self, scope: Scope, owner: str) -> dict[StateKey, object]:
        entries = self._ledger.entries_of(scope, owner) | self._writer.uncommitted_of(scope, owner)
        return {key: value for key, value in entries.items() if value is not None}
