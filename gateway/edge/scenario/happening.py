"""Reads what happens: one word of the story and what is said of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import yaml

from gateway.core.events import Outcome, Role, Scalar
from gateway.edge.scenario import readers
from gateway.edge.scenario.fields import Fields
from gateway.edge.scenario.signals import FRIENDLY, SEAT_WORDS, checked, is_path, seat_path
from gateway.edge.scenario.story import (
    Answers,
    Arrives,
    Clock,
    Consents,
    Given,
    Happening,
    Hears,
    Learns,
    Leaves,
    Loses,
    Moves,
    Prepares,
    Signals,
    Told,
)
from gateway.edge.scenario.words import FACT, GUEST, HAPPENINGS, needed
from gateway.wire.campaign_rules import FACT_PATTERN
from gateway.wire.campaign_source import Code, Fault, Reader, Source, suggestion
from gateway.wire.payloads import Method
from gateway.wire.vss import LEAVES

_WAYS = ("into", "out of", "towards", "past")
_ROLES = {role.value: role for role in Role}


@dataclass(frozen=True, slots=True)
class Names:
    """Whom and what a story may speak of."""

    people: frozenset[str]
    units: frozenset[str]
    places: frozenset[str]
    has_files: bool

    @classmethod
    def of(cls, given: Given) -> "Names":
        """Return the names of what is given. Files of places may hold others."""
        return cls(frozenset(given.people), frozenset(given.units), frozenset(given.places), bool(given.fences))

    def person(self, node: yaml.Node, field: str) -> str:
        """Read who."""
        return self._one(node, field, self.people, "person")

    def anybody(self, node: yaml.Node, field: str) -> str:
        """Read who, or `guest`."""
        return self._one(node, field, self.people | {GUEST}, "person")

    def unit(self, node: yaml.Node, field: str) -> str:
        """Read which unit."""
        return self._one(node, field, self.units, "unit")

    def place(self, node: yaml.Node, field: str) -> str:
        """Read which place; those of files are known when they are compiled."""
        return readers.name(node, field) if self.has_files else self._one(node, field, self.places, "place")

    def anything(self, node: yaml.Node, field: str) -> str:
        """Read what something is about."""
        if self.has_files:
            return readers.name(node, field)
        return self._one(node, field, self.people | self.units | self.places, "person, place or unit")

    @staticmethod
    def _one(node: yaml.Node, field: str, known: frozenset[str], what: str) -> str:
        value = readers.name(node, field)
        if value not in known:
            hint = suggestion(value, known) or "nothing of that kind is given"
            raise Fault(Code.BAD_VALUE, f"there is no {what} called {value!r}", hint)
        return value


def read(source: Source, word: str, node: yaml.Node, names: Names) -> Happening | None:
    """Return what happens, or None where it cannot be read; that is noted."""
    before = len(source.problems)
    fields = Fields(source, node, f"{word!r}", needed(HAPPENINGS[word][1]))
    found = _READ[word](source, fields, names, int(node.start_mark.line) + 1)
    return found if len(source.problems) == before else None


def read_facts(source: Source, node: yaml.Node) -> dict[str, Told]:
    """Return facts by name: a value, or one with its age and how long it holds."""
    facts: dict[str, Told] = {}
    for name, value in _pairs(source, node, "facts"):
        if not FACT_PATTERN.fullmatch(name):
            hint = "use small letters, digits and '_', the first a letter"
            source.note(Code.BAD_VALUE, value, f"{name!r} is no name of a fact", hint)
        if not isinstance(value, yaml.MappingNode):
            try:
                facts[name] = Told(None if readers.is_null(value) else readers.scalar(value, name))
            except Fault as fault:
                source.note(fault.code, value, fault.message, fault.hint)
            continue
        fields = Fields(source, value, f"the fact {name!r}", needed(FACT))
        said = fields.take("value", readers.scalar)
        ago, holds = fields.take("told", readers.ago_ms), fields.take("holds for", readers.duration_ms)
        if said:
            facts[name] = Told(said.value, ago.value if ago else 0, holds.value if holds else None)
    return facts


def read_mapping(source: Source, node: yaml.Node | None, field: str, read_value: Reader[float]) -> dict[str, float]:
    """Return values by name."""
    found: dict[str, float] = {}
    for name, value in [] if node is None else _pairs(source, node, field):
        try:
            found[name] = read_value(value, name)
        except Fault as fault:
            source.note(fault.code, value, fault.message, fault.hint)
    return found


def _pairs(source: Source, node: yaml.Node, field: str) -> list[tuple[str, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        source.note(Code.WRONG_TYPE, node, f"{field!r} must be a mapping, `name: value`")
        return []
    return [(str(key.value), value) for key, value in node.value]


def _arrives(_: Source, fields: Fields, names: Names, line: int) -> Arrives:
    role = fields.take("as", readers.choice(_ROLES))
    method = fields.take("by", readers.choice({method.value: method for method in Method}))
    who, unit = fields.value("who", names.person), fields.value("unit", names.unit)
    return Arrives(line, who or "", unit, role.value if role else None, method.value if method else None)


def _leaves(_: Source, fields: Fields, names: Names, line: int) -> Leaves:
    role = fields.take("as", readers.choice(_ROLES))
    who, unit = fields.value("who", names.anybody), fields.value("unit", names.unit)
    return Leaves(line, who or "", unit, role.value if role else None)


def _signals(source: Source, fields: Fields, names: Names, line: int) -> Signals:
    values: dict[str, Scalar] = {}
    said: list[str] = []
    seats = fields.node_of("seats")
    for seat, node in [] if seats is None else _pairs(source, seats, "seats"):
        _read_seat(source, seat, node, values, said)
    for name in (*FRIENDLY, *LEAVES):
        if (below := fields.node_of(name)) is not None:
            _read_signal(source, name, below, values, said)
    return Signals(line, fields.value("unit", names.unit), values, ", ".join(said))


def _read_seat(source: Source, seat: str, node: yaml.Node, values: dict[str, Scalar], said: list[str]) -> None:
    if seat not in SEAT_WORDS:
        source.note(Code.UNKNOWN_FIELD, node, f"there is no seat {seat!r}", suggestion(seat, SEAT_WORDS))
        return
    try:
        state = readers.choice({word: word.upper() for word in ("occupied", "empty", "unknown")})(node, seat)
    except Fault as fault:
        source.note(fault.code, node, fault.message, fault.hint)
        return
    values[seat_path(seat)] = state
    said.append(f"{seat}'s seat {state.lower()}")


def _read_signal(source: Source, name: str, node: yaml.Node, values: dict[str, Scalar], said: list[str]) -> None:
    try:
        if name in FRIENDLY:
            word = readers.written(node, name)
            value, paths, shown = FRIENDLY[name].read(word), FRIENDLY[name].paths, FRIENDLY[name].shown
        else:
            word, paths, shown = readers.written(node, name), (name,), str(LEAVES[name].datatype)
            value = checked(name, readers.scalar(node, name)) if is_path(name) else None
    except Fault as fault:
        source.note(fault.code, node, fault.message, fault.hint)
        return
    if value is None:
        source.note(Code.BAD_VALUE, node, f"{name!r} cannot be {word!r}", f"it may be: {shown}")
        return
    values.update(dict.fromkeys(paths, value))
    said.append(f"{name} {word}")


def _moves(source: Source, fields: Fields, names: Names, line: int) -> Moves:
    ways = [way for way in _WAYS if fields.node_of(way) is not None]
    if len(ways) != 1:
        source.note(Code.BAD_VALUE, fields.node, f"a unit moves one way at a time: {', '.join(_WAYS)}")
    how = ways[0] if ways else "into"
    return Moves(line, fields.value("unit", names.unit), how, fields.value(how, names.place) or "")


def _hears(_: Source, fields: Fields, names: Names, line: int) -> Hears:
    distance = fields.take("at", readers.range_m)
    beacon = fields.value("beacon", readers.text)
    return Hears(line, fields.value("unit", names.unit), beacon or "", distance.value if distance else None)


def _agrees(_: Source, fields: Fields, names: Names, line: int) -> Consents:
    who, unit = fields.value("who", names.anybody), fields.value("unit", names.unit)
    purposes, until = fields.take("to", readers.purposes), fields.take("until", readers.day_and_time)
    ago = fields.value("said", readers.ago_ms) or 0
    given = purposes.value if purposes else ()
    return Consents(line, who or "", given, True, unit, ago, until.value if until else None)  # noqa: FBT003 -- it is what they say


def _withdraws(_: Source, fields: Fields, names: Names, line: int) -> Consents:
    who, unit = fields.value("who", names.anybody), fields.value("unit", names.unit)
    purposes = fields.take("from", readers.purposes)
    ago = fields.value("said", readers.ago_ms) or 0
    return Consents(line, who or "", purposes.value if purposes else (), False, unit, ago)  # noqa: FBT003 -- it is what they say


def _learns(source: Source, fields: Fields, names: Names, line: int) -> Learns:
    node = fields.node_of("facts")
    facts = {} if node is None else read_facts(source, node)
    return Learns(line, fields.value("about", names.anything) or "", facts, fields.value("unit", names.unit))


def _prepares(source: Source, fields: Fields, names: Names, line: int) -> Prepares:
    propensities = read_mapping(source, fields.node_of("list"), "list", readers.number)
    holds = fields.take("holds for", readers.duration_ms)
    return Prepares(line, fields.value("for", names.person) or "", propensities, holds.value if holds else None)


def _answers(_: Source, fields: Fields, names: Names, line: int) -> Answers:
    outcomes = fields.take("with", readers.several(readers.choice({outcome.value: outcome for outcome in Outcome})))
    action, unit = fields.value("offer", readers.name), fields.value("unit", names.unit)
    return Answers(line, action or "", outcomes.value if outcomes else (), unit)


def _loses(_: Source, fields: Fields, names: Names, line: int) -> Loses:
    return Loses(line, fields.value("unit", names.unit) or "")


def _clock(_: Source, fields: Fields, names: Names, line: int) -> Clock:
    del names
    return Clock(line, fields.value("is", readers.choice({"sure": True, "suspect": False})) is not False)


_READ: Mapping[str, Callable[[Source, Fields, Names, int], Happening]] = {
    "arrives": _arrives,
    "leaves": _leaves,
    "signals": _signals,
    "moves": _moves,
    "hears": _hears,
    "agrees": _agrees,
    "withdraws": _withdraws,
    "learns": _learns,
    "prepares": _prepares,
    "answers": _answers,
    "loses": _loses,
    "clock": _clock,
}
