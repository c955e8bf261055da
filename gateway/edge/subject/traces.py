"""What names a person in the state of an engine, and what is left of that state without them."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.core.state import Scope, StateKey
from gateway.edge.store.ledger import household_in

ERASED = "erased"
"""What stands where somebody else's entry named the person."""

_ID_CHARACTER = r"[A-Za-z0-9._:@-]"
_PATTERNS = "window"


@dataclass(frozen=True, slots=True)
class Name:
    """The id of a person, and where it stands in a text as itself and not as a part of a longer one."""

    subject: str

    @property
    def pattern(self) -> re.Pattern[str]:
        """Matches the id where it stands alone."""
        return re.compile(rf"(?<!{_ID_CHARACTER}){re.escape(self.subject)}(?!{_ID_CHARACTER})")

    def stands_in(self, text: str) -> bool:
        """Return whether a text names the person.

        >>> Name("p.1").stands_in('{"holder":"p.1"}'), Name("p.1").stands_in('{"holder":"p.12"}')
        (True, False)
        """
        return self.subject in text and self.pattern.search(text) is not None

    def struck_from(self, text: str) -> str:
        """Return a text without the id."""
        return self.pattern.sub(ERASED, text)


def offers_in(state: Mapping[StateKey, Any], subject: str) -> set[str]:
    """Return the offers that were made to a subject, as far as the engine still knows of them."""
    return {key.item for key, value in state.items() if key.scope is Scope.OFFER and _field(value, "holder") == subject}


def changes(state: Mapping[StateKey, Any], subject: str, shared: Collection[str]) -> dict[StateKey, object]:
    """Return what has to change for a person to be gone from a state: a new value, or None for a deletion.

    Their own entries and offers go. Where they are present, nobody is, and what had begun with them there is over. What
    others have been told of them names nobody any more.

    Args:
        state: The entries.
        subject: Who is to be gone.
        shared: Households that others belong to, too: these stay.
    """
    name, household = Name(subject), household_in(state, subject)
    if household in shared:
        household = None
    where = {key.owner for key, value in state.items() if is_presence(key, value, subject)}
    changed: dict[StateKey, object] = {}
    own = {(Scope.SUBJECT, subject), (Scope.HOUSEHOLD, household)}
    for key, value in state.items():
        is_offer = key.scope is Scope.OFFER and _field(value, "holder") == subject
        is_pattern = key.scope is Scope.UNIT and key.name == _PATTERNS and key.owner in where
        if (key.scope, key.owner) in own or is_offer or is_pattern:
            changed[key] = None
        elif is_presence(key, value, subject):
            changed[key] = {**value, "subject": None}
        elif name.stands_in(f"{key.owner} {key.item}"):
            changed[key] = None
        elif name.stands_in(text := json.dumps(value, ensure_ascii=False)):
            changed[key] = json.loads(name.struck_from(text))
    return changed


def is_presence(key: StateKey, value: object, subject: str) -> bool:
    """Return whether an entry says that the subject is at a unit."""
    return key.scope is Scope.UNIT and key.name == "presence" and _field(value, "subject") == subject


def _field(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None
