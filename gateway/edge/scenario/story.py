"""A scenario as it was read: what is given, what happens, what is to follow. Names are those of the file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import TypeAlias

from gateway.core.campaign import Placement
from gateway.core.effects import Stage
from gateway.core.events import Outcome, Purpose, Role, Scalar, UnitKind
from gateway.wire.payloads import Method


@dataclass(frozen=True, slots=True)
class Told:
    """A fact with its age. None forgets it."""

    value: Scalar | None
    ago_ms: int = 0
    holds_for_ms: int | None = None


@dataclass(frozen=True, slots=True)
class UnitGiven:
    """A unit. What was left out is None, so that a case may change one thing alone."""

    line: int
    kind: UnitKind | None = None
    shows_on: tuple[Placement, ...] | None = None
    language: str | None = None
    guests: bool | None = None
    facts: Mapping[str, Told] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlaceGiven:
    """A place; `approach_s` and `approach_m` exclude each other."""

    line: int
    kind: str | None = None
    at: tuple[float, float] | None = None
    radius_m: float | None = None
    name: str | None = None
    tags: tuple[str, ...] | None = None
    dwell_s: int | None = None
    approach_m: float | None = None
    approach_s: int | None = None
    beacon: str | None = None
    open: str | None = None
    facts: Mapping[str, Told] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PersonGiven:
    """A person before the story begins."""

    line: int
    agrees_to: tuple[Purpose, ...] | None = None
    agrees_until: datetime | None = None
    facts: Mapping[str, Told] = field(default_factory=dict)
    household: str | None = None
    card: str | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """What is so before anything happens. What was left out is None."""

    line: int
    now: datetime | None = None
    zone: str | None = None
    campaigns: tuple[Path, ...] | None = None
    fences: tuple[Path, ...] | None = None
    models: tuple[str, ...] | None = None
    places: Mapping[str, PlaceGiven] = field(default_factory=dict)
    units: Mapping[str, UnitGiven] = field(default_factory=dict)
    people: Mapping[str, PersonGiven] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Arrives:
    """A known person is at a unit."""

    line: int
    who: str
    unit: str | None
    role: Role | None
    method: Method | None


@dataclass(frozen=True, slots=True)
class Leaves:
    """A person is gone; of a guest, the unit is handed over."""

    line: int
    who: str
    unit: str | None
    role: Role | None


@dataclass(frozen=True, slots=True)
class Signals:
    """What a unit's sensors say, by path; `said` is that in the words of the file."""

    line: int
    unit: str | None
    values: Mapping[str, Scalar]
    said: str


@dataclass(frozen=True, slots=True)
class Moves:
    """A unit has moved: `into`, `out of`, `towards` or `past` a place."""

    line: int
    unit: str | None
    how: str
    place: str


@dataclass(frozen=True, slots=True)
class Hears:
    """A unit hears a beacon; None: no longer."""

    line: int
    unit: str | None
    beacon: str
    distance_m: float | None


@dataclass(frozen=True, slots=True)
class Consents:
    """A person agrees (`given`) or withdraws."""

    line: int
    who: str
    purposes: tuple[Purpose, ...]
    given: bool
    unit: str | None
    said_ago_ms: int = 0
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Learns:
    """Something is known from elsewhere."""

    line: int
    about: str
    facts: Mapping[str, Told]
    unit: str | None


@dataclass(frozen=True, slots=True)
class Prepares:
    """The centre has prepared a list for a person."""

    line: int
    who: str
    propensities: Mapping[str, float]
    holds_for_ms: int | None


@dataclass(frozen=True, slots=True)
class Answers:
    """What became of the newest offer of an action."""

    line: int
    action: str
    outcomes: tuple[Outcome, ...]
    unit: str | None


@dataclass(frozen=True, slots=True)
class Loses:
    """A unit's own connection ended."""

    line: int
    unit: str


@dataclass(frozen=True, slots=True)
class Clock:
    """Whether the gateway knows what time it is."""

    line: int
    sure: bool


Happening: TypeAlias = (
    Arrives | Leaves | Signals | Moves | Hears | Consents | Learns | Prepares | Answers | Loses | Clock
)


@dataclass(frozen=True, slots=True)
class At:
    """The next time the clock on the wall shows this; on a day of the week (from 0, Monday) or a date, if named."""

    time: time
    weekday: int | None = None
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as it was written, to so many decimals."""

    value: float
    decimals: int


@dataclass(frozen=True, slots=True)
class OfferExpected:
    """An offer that is to be made. What is None is not compared."""

    line: int
    action: str
    on: Placement | None = None
    unit: str | None = None
    to: str | None = None
    says: tuple[str, ...] = ()
    reward: str | None = None
    weighed: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WithdrawalExpected:
    """An offer that is to be taken back."""

    line: int
    action: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RefusalExpected:
    """A candidate that is to be refused for this reason."""

    line: int
    action: str
    reason: str
    stage: Stage | None = None
    on: Placement | None = None
    unit: str | None = None
    values: Mapping[str, Scalar] = field(default_factory=dict)
    weighed: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Then:
    """What is to follow.

    Attributes:
        offered: Exactly these, in this order; those of a slate stand together.
        withdrawn: Exactly these.
    """

    line: int
    offered: tuple[tuple[OfferExpected, ...], ...] = ()
    withdrawn: tuple[WithdrawalExpected, ...] = ()
    refused: tuple[RefusalExpected, ...] = ()
    noticed: tuple[tuple[str, int], ...] = ()
    unnoticed: tuple[tuple[str, int], ...] = ()
    not_considered: tuple[tuple[str, int], ...] = ()

    @property
    def claims(self) -> int:
        """How many things are claimed: that nothing is offered is one."""
        offers = max(1, sum(map(len, self.offered)))
        others = (self.withdrawn, self.refused, self.noticed, self.unnoticed, self.not_considered)
        return offers + sum(map(len, others))


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happens at one time, and what is to follow. `after_ms` 0 and no `at`: at once."""

    line: int
    at: At | None
    after_ms: int
    happenings: tuple[Happening, ...]
    then: Then | None


@dataclass(frozen=True, slots=True)
class Case:
    """One story, complete: what is given, and what happens.

    Attributes:
        name: Empty for the story itself, else what is different.
    """

    name: str
    line: int
    given: Given
    story: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A file: the story and its cases."""

    path: Path
    name: str
    tells: str
    cases: tuple[Case, ...]
