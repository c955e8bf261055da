"""A person in journals: which lines are theirs, and a journal without these.

Theirs is what names them, what a unit said while they were there (where it was is then where they were), and what was
decided there meanwhile. What others said of themselves stays. A journal that somebody was erased from says so in its
first line, and can be replayed: see `gateway.edge.replay.scores`.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.core.errors import InvalidInput
from gateway.core.events import (
    BeaconSighted,
    ConsentChanged,
    Event,
    FactsChanged,
    FenceReported,
    ListPrepared,
    OutcomeReported,
    PositionReported,
    Role,
    SignalsReported,
    SubjectIdentified,
    SubjectLeft,
    UnitLost,
)
from gateway.core.state import StateKey
from gateway.edge.store.files import put_in_place
from gateway.edge.subject import traces
from gateway.wire.event_codec import decode_event, encode_event
from gateway.wire.journal import JournalWriter, create_journal, encode_line, read_journal
from gateway.wire.journal_lines import EventLine, HeaderLine, Line, ScoresLine, StateLine, TornLine

SUFFIXES = (".jsonl", ".jsonl.gz")
_DRAFT = "erasing-"
_TELEMETRY = (SignalsReported, PositionReported, FenceReported, BeaconSighted)


def journals_in(folder: Path) -> list[Path]:
    """Return the journals of a folder, in the order of their names; none if there is no such folder."""
    if not folder.is_dir():
        return []
    return sorted(each for each in folder.iterdir() if each.name.endswith(SUFFIXES) and not _is_draft(each))


@dataclass(frozen=True, slots=True)
class Found:
    """What a journal holds of a person."""

    journal: Path
    lines: int


def find(journal: Path, subject: str, offers: AbstractSet[str]) -> Found:
    """Return how many lines of a journal are a person's, or name them.

    Raises:
        InvalidInput: `bad_journal`: it is damaged.
        OSError: It cannot be read.
    """
    person = _Person(subject, offers)
    return Found(journal, sum(person.concerns(line) for line in _lines(journal)))


def lines_of(journal: Path, subject: str, offers: AbstractSet[str]) -> Iterator[dict[str, object]]:
    """Yield the lines of a journal that are a person's, or name them. Raises as `find`."""
    person = _Person(subject, offers)
    for line in _lines(journal):
        if person.concerns(line):
            told = person.own_part(line) if isinstance(line, StateLine | ScoresLine) else line
            yield json.loads(encode_line(told))


def erase(journal: Path, subject: str, offers: AbstractSet[str]) -> None:
    """Write a journal anew without a person, and put it in the old one's place, in one step.

    What is torn at its end stays away. Killed in the middle, the old one stands. Raises as `find`.
    """
    draft = journal.with_name(_DRAFT + journal.name)
    draft.unlink(missing_ok=True)
    writer: JournalWriter | None = None
    try:
        for line in _without(_lines(journal), subject, offers):
            if writer is None and isinstance(line, HeaderLine):
                writer = create_journal(draft, line)
            elif writer is not None:
                writer.append(line)
    finally:
        if writer is not None:
            writer.close()
    put_in_place(draft, journal)


def _lines(journal: Path) -> Iterator[Line]:
    try:
        yield from read_journal(journal)
    except InvalidInput as error:
        raise InvalidInput(error.reason, f"{journal}: {error.detail}") from error


def _is_draft(path: Path) -> bool:
    return path.name.startswith(_DRAFT)


def _without(lines: Iterable[Line], subject: str, offers: AbstractSet[str]) -> Iterator[Line]:
    person, name = _Person(subject, offers), traces.Name(subject)
    for line in lines:
        concerned = person.concerns(line)
        if isinstance(line, HeaderLine):
            yield replace(line, erased=True)
            continue
        if isinstance(line, TornLine):
            return
        if isinstance(line, StateLine | ScoresLine):
            left = person.rest_of(line)
            if left is not None:
                yield left
        elif not concerned:
            yield line
        elif isinstance(line, EventLine) and not person.is_own:
            body = json.loads(name.struck_from(json.dumps(encode_event(line.event), ensure_ascii=False)))
            yield EventLine(line.now, decode_event(body))


class _Person:
    """Follows a person through a journal, line by line: where they are, and what is theirs.

    Attributes:
        is_own: Whether the last line is theirs; else it only names them.
    """

    def __init__(self, subject: str, offers: AbstractSet[str]) -> None:
        self._subject = subject
        self._name = traces.Name(subject)
        self._offers = set(offers)
        self._at: dict[str, set[Role]] = defaultdict(set)
        self._touched: set[str] = set()
        self._epoch = ""
        self.is_own = False

    def concerns(self, line: Line) -> bool:
        """Take in the next line; return whether it is the person's, or names them."""
        self.is_own = False
        if isinstance(line, StateLine):
            self._begin(line)
            return bool(traces.changes(line.state, self._subject, ()))
        if isinstance(line, ScoresLine):
            return any(self._is_made_with(decision) for decision in line.scores)
        if isinstance(line, HeaderLine):
            self._epoch = line.epoch
        if isinstance(line, HeaderLine | TornLine):
            return False
        self._touched = {unit for unit, roles in self._at.items() if roles}
        if isinstance(line, EventLine):
            self.is_own = self._is_own(line.event)
            self._touched |= {unit for unit, roles in self._at.items() if roles}
            return self.is_own or self._name.stands_in(encode_line(line).decode())
        return False

    def own_part(self, line: StateLine | ScoresLine) -> Line:
        """Return of a line what is the person's."""
        if isinstance(line, ScoresLine):
            return ScoresLine({each: said for each, said in line.scores.items() if self._is_made_with(each)})
        concerned = traces.changes(line.state, self._subject, ())
        return StateLine(line.now, {key: line.state[key] for key in concerned})

    def rest_of(self, line: StateLine | ScoresLine) -> Line | None:
        """Return what is left of a line without the person; None: nothing."""
        if isinstance(line, ScoresLine):
            left = {each: said for each, said in line.scores.items() if not self._is_made_with(each)}
            return ScoresLine(left) if left else None
        state: dict[StateKey, object] = {**line.state, **traces.changes(line.state, self._subject, ())}
        return StateLine(line.now, {key: value for key, value in state.items() if value is not None})

    def _begin(self, line: StateLine) -> None:
        self._offers |= traces.offers_in(line.state, self._subject)
        for key, value in line.state.items():
            if traces.is_presence(key, value, self._subject):
                self._at[key.owner].add(Role(key.item))

    def _is_own(self, event: Event) -> bool:
        match event:
            case SubjectIdentified() | SubjectLeft() | UnitLost():
                return self._moves(event)
            case ConsentChanged(holder=who) | FactsChanged(subject=who) | ListPrepared(subject=who):
                return who == self._subject
            case OutcomeReported(offer=offer):
                return offer in self._offers or bool(self._at[self._unit_of(offer)])
            case _:
                return isinstance(event, _TELEMETRY) and bool(self._at[event.unit])

    def _moves(self, event: SubjectIdentified | SubjectLeft | UnitLost) -> bool:
        """Note where the person is; return whether it is they who come or go."""
        roles = self._at[event.unit]
        if isinstance(event, UnitLost):
            roles.clear()
            return False
        was_theirs = event.role in roles
        roles.discard(event.role)
        if isinstance(event, SubjectLeft):
            return was_theirs
        if event.subject == self._subject:
            roles.add(event.role)
        return event.subject == self._subject

    def _is_made_with(self, decision: str) -> bool:
        return self._unit_of(decision) in self._touched

    def _unit_of(self, made: str) -> str:
        """Return the unit of a decision or an offer, `d.{unit}.{epoch}.{number}`; empty: it is of another epoch."""
        return made.partition(".")[2].rpartition(f".{self._epoch}.")[0]
