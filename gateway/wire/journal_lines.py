"""The lines a journal is made of; `gateway.wire.journal` writes and reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from gateway.core.events import Event
from gateway.core.state import StateKey
from gateway.core.units import Instant


class Level(StrEnum):
    """How much a journal tells."""

    MOMENTS = "moments"
    RAW = "raw"


@dataclass(frozen=True, slots=True)
class HeaderLine:
    """Whose journal it is, and the release in force at its start.

    Attributes:
        erased: A person was erased from it: decisions after that may be numbered otherwise than in what was published.
    """

    level: Level
    gateway: str
    epoch: str
    release: str
    erased: bool = False


@dataclass(frozen=True, slots=True)
class StateLine:
    """The durable entries the engine started from."""

    now: Instant
    state: Mapping[StateKey, object]


@dataclass(frozen=True, slots=True)
class EventLine:
    """The engine heard an event."""

    now: Instant
    event: Event


@dataclass(frozen=True, slots=True)
class TimerLine:
    """The engine was woken for its timers."""

    now: Instant


@dataclass(frozen=True, slots=True)
class ActivationLine:
    """The engine was given another release."""

    now: Instant
    release: str


@dataclass(frozen=True, slots=True)
class ScoresLine:
    """The propensities of the decisions just made, or why there were none: by decision, then by candidate."""

    scores: Mapping[str, Mapping[str, float | str]]


@dataclass(frozen=True, slots=True)
class TornLine:
    """The journal ends here, in the middle of a line or of its compression. Never written, only read."""

    number: int


Line: TypeAlias = HeaderLine | StateLine | EventLine | TimerLine | ActivationLine | ScoresLine | TornLine
