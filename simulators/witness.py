"""What the gateway has on record, for a simulation that must know what was *not* said, and why.

Offers reach a unit over MQTT; a refusal reaches nobody. Whoever plays a scenario is therefore given a witness: of a
gateway beside it, its ledger.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Refused:
    """A candidate that was not chosen, at which step and why; `words` say it to people."""

    action: str
    kind: str
    placement: str
    stage: str
    reason: str
    words: str


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision on record.

    Attributes:
        moments: What brought it about.
        chosen: The action; None is silence.
        offer: The id of the offer it made.
        words: What the chosen one is worth, for people; empty for silence.
    """

    id: str
    unit: str
    moments: tuple[str, ...]
    chosen: str | None
    offer: str | None
    words: str = ""
    refused: tuple[Refused, ...] = ()

    def reasons(self, kind: str) -> set[str]:
        """Return why actions of a kind were refused."""
        return {refused.reason for refused in self.refused if refused.kind == kind}


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """An offer that was taken back, and the action it was of."""

    offer: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """What is on record of one unit.

    Attributes:
        fences: Those it is in.
        drive: `parked`, `driving` or `unknown`.
        moving: Whether it is faster than a crawl.
        present: The subjects known to be there.
        consents: How many statements of consent were taken in.
        answers: The last outcome of each offer, by its id.
    """

    decisions: tuple[Decided, ...] = ()
    withdrawn: tuple[Withdrawn, ...] = ()
    fences: frozenset[str] = frozenset()
    drive: str = "unknown"
    moving: bool = False
    present: frozenset[str] = frozenset()
    consents: int = 0
    answers: Mapping[str, str] = field(default_factory=dict)


class Witness(Protocol):
    """Tells what is on record."""

    async def until(self, awaited: str, condition: Callable[[Record], bool], within_s: float) -> Record:
        """Return the record once the condition holds.

        Raises:
            simulators.unit.NotSeen: It did not within that time.
        """
        ...
