"""The engine's state as entries: one key, one JSON value, one `StateChanged` when it changes.

Whatever must survive a power cut is an entry. The ledger keeps the newest value of each key, so that the entries of a
ledger restore the engine. Entries of a *session* and *kinematics* (the last fix, routine signals) live in memory
only: the first because an unknown person leaves nothing behind, the second because they are stale after any restart.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple


class Scope(StrEnum):
    """Whose entry it is, and whether it is kept."""

    ENGINE = "engine"
    UNIT = "unit"
    SUBJECT = "subject"
    HOUSEHOLD = "household"
    FENCE = "fence"
    OFFER = "offer"
    SESSION = "session"
    KINEMATICS = "kinematics"


DURABLE = frozenset({Scope.ENGINE, Scope.UNIT, Scope.SUBJECT, Scope.HOUSEHOLD, Scope.FENCE, Scope.OFFER})


class StateKey(NamedTuple):
    """The name of an entry.

    Attributes:
        scope: Whose it is.
        owner: The unit, subject, household, fence or offer; empty for the engine's own.
        name: What it is: `drive`, `fence`, `consent`, `cap` ...
        item: Which one of several: a fence id, a purpose and consent id, an action and offer id.
    """

    scope: Scope
    owner: str
    name: str
    item: str = ""


class Memory:
    """All entries of the engine, and which durable ones have changed since they were last taken.

    Values are JSON and are never changed in place: a new value is put. Reading is three dictionary look-ups.

    Attributes:
        scratch: By unit, what can be worked out anew from its entries at any time. It is no state: no snapshot holds
            it, and whoever changes what it was worked out from removes it.
    """

    def __init__(self, entries: Mapping[StateKey, object] | None = None) -> None:
        self.scratch: dict[str, Any] = {}
        self._scopes: dict[Scope, dict[str, dict[str, dict[str, object]]]] = {scope: {} for scope in Scope}
        self._changes: list[tuple[StateKey, object]] = []
        self.load(entries or {})

    def get(self, scope: Scope, owner: str, name: str, item: str = "") -> Any:  # noqa: ANN401 -- JSON by contract
        """Return the value of an entry, or None."""
        return self.group(scope, owner, name).get(item)

    def group(self, scope: Scope, owner: str, name: str) -> Mapping[str, Any]:
        """Return the entries of one name by item; do not keep it across changes."""
        return self._scopes[scope].get(owner, _EMPTY).get(name, _EMPTY)

    def owners(self, scope: Scope) -> list[str]:
        """Return who has entries in a scope, in a defined order."""
        return sorted(self._scopes[scope])

    def put(self, key: StateKey, value: object) -> None:
        """Set an entry. Nothing is noted if it has that value already."""
        group = self._scopes[key.scope].setdefault(key.owner, {}).setdefault(key.name, {})
        known = group.get(key.item)
        # In JSON true and 1 are two values; in Python they are equal.
        if key.item in group and known == value and type(known) is type(value):
            return
        group[key.item] = value
        if key.scope in DURABLE:
            self._changes.append((key, value))

    def kinematics(self, unit: str, name: str) -> dict[str, Any]:
        """Return the entries of a unit's kinematics, to be read and written in place: nobody keeps their changes."""
        return self._scopes[Scope.KINEMATICS].setdefault(unit, {}).setdefault(name, {})

    def drop(self, key: StateKey) -> None:
        """Delete an entry, here and in the ledger, where it may stand although its subject is not present."""
        names = self._scopes[key.scope].get(key.owner, {})
        group = names.get(key.name, {})
        group.pop(key.item, None)
        if not group:
            names.pop(key.name, None)
        if not names:
            self._scopes[key.scope].pop(key.owner, None)
        if key.scope in DURABLE:
            self._changes.append((key, None))

    def load(self, entries: Mapping[StateKey, object]) -> None:
        """Take over entries that the ledger has already."""
        for key, value in entries.items():
            self._scopes[key.scope].setdefault(key.owner, {}).setdefault(key.name, {})[key.item] = value

    def forget(self, scope: Scope, owner: str) -> None:
        """Let go of an owner's entries here; the ledger keeps its own."""
        self._scopes[scope].pop(owner, None)
        if scope is Scope.KINEMATICS:
            self.scratch.pop(owner, None)

    def entries(self) -> dict[StateKey, object]:
        """Return every entry, in a defined order."""
        return {
            StateKey(scope, owner, name, item): value
            for scope, owners in self._scopes.items()
            for owner, names in sorted(owners.items())
            for name, group in sorted(names.items())
            for item, value in sorted(group.items())
        }

    def take_changes(self) -> list[tuple[StateKey, object]]:
        """Return the durable changes since the last call, in order; None as value is a deletion."""
        changes, self._changes = self._changes, []
        return changes


_EMPTY: Mapping[str, Any] = MappingProxyType({})
