"""From a file to a scenario: every fault is noted with file, line and a hint, and reading goes on."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from gateway.core.campaign import Placement
from gateway.core.errors import ReleaseError
from gateway.core.events import UnitKind
from gateway.edge.scenario import expecting, happening, readers
from gateway.edge.scenario.fields import Fields
from gateway.edge.scenario.happening import Names
from gateway.edge.scenario.story import Case, Entry, Given, PersonGiven, PlaceGiven, Scenario, Told, UnitGiven
from gateway.edge.scenario.words import (
    CASE,
    ENTRY,
    GIVEN,
    GIVEN_ANEW,
    HAPPENINGS,
    PERSON,
    PLACE,
    PLACE_ANEW,
    SCENARIO,
    UNIT,
    UNIT_ANEW,
    Words,
    needed,
)
from gateway.wire.campaign_source import Code, Fault, Problem, Source, open_source
from gateway.wire.fences import FENCE_KINDS

T = TypeVar("T")


class ScenariosRefused(ReleaseError):
    """Scenario files with problems.

    Attributes:
        problems: All of them, in the order of files and lines.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


def read_scenario(path: Path) -> Scenario:
    """Return the scenario of a file.

    Raises:
        ScenariosRefused: There is any problem.
    """
    source, root = open_source(path)
    if root is None and not source.text.strip() and not any(p.code is Code.UNREADABLE for p in source.problems):
        raise ScenariosRefused([Problem(path, 1, 1, Code.MISSING_FIELD, "is empty; a scenario needs `scenario:`")])
    scenario = None if root is None else _read(source, root)
    if source.problems or scenario is None:
        raise ScenariosRefused(source.problems)
    return scenario


def _read(source: Source, root: yaml.Node) -> Scenario:
    fields = Fields(source, root, "a scenario", needed(SCENARIO))
    name = fields.take("scenario", readers.text)
    tells = fields.take("tells", readers.text)
    given = _read_given(source, fields.node_of("given"), GIVEN, Given(_line(root)))
    _check_given(source, given, fields.node_of("given"))
    story = _read_story(source, fields.node_of("story"), Names.of(given))
    cases = [Case("", _line(root), given, story)]
    for node in _listed(source, fields.node_of("but"), "but"):
        cases.append(_read_case(source, node, cases[0]))
    return Scenario(source.path, name.value if name else "", tells.value if tells else "", tuple(cases))


def _read_case(source: Source, node: yaml.Node, first: Case) -> Case:
    fields = Fields(source, node, "a case", needed(CASE))
    name = fields.take("case", readers.text)
    given = _read_given(source, fields.node_of("given"), GIVEN_ANEW, first.given)
    names = Names.of(given)
    own, then_node = fields.node_of("story"), fields.node_of("then")
    if own is None and then_node is None:
        hint = "say what follows instead of the story's last `then`, or tell another story"
        source.note(Code.MISSING_FIELD, node, "a case needs `then` or `story`", hint)
    if own is not None and (then_node is not None or fields.node_of("meanwhile") is not None):
        source.note(Code.BAD_VALUE, own, "a story of its own goes without `then` and `meanwhile`")
    story = first.story if own is None else _read_story(source, own, names)
    if own is None and story:
        meanwhile = _read_story(source, fields.node_of("meanwhile"), names)
        then = story[-1].then if then_node is None else expecting.read_then(source, then_node, names)
        story = (*story[:-1], *meanwhile, replace(story[-1], then=then))
    return Case(name.value if name else "", _line(node), given, story)


def _read_given(source: Source, node: yaml.Node | None, words: Words, before: Given) -> Given:
    """Return what is given: what was given before, with what is said here instead."""
    if node is None:
        return before
    fields = Fields(source, node, "'given'", needed(words))
    anew = words is GIVEN_ANEW
    folder = source.path.parent
    files = readers.several(lambda item, field: folder / readers.text(item, field))
    return Given(
        _line(node),
        _or(fields.value("now", readers.day_and_time), before.now),
        _or(fields.value("zone", _zone), before.zone),
        _or(fields.value("campaigns", files), before.campaigns),
        _or(fields.value("fences", files), before.fences),
        _or(fields.value("models", readers.several(readers.text)), before.models),
        _read_named(source, fields.node_of("places"), before.places, lambda n, b: _read_place(source, n, b, anew)),
        _read_named(source, fields.node_of("units"), before.units, lambda n, b: _read_unit(source, n, b, anew)),
        _read_named(source, fields.node_of("people"), before.people, lambda n, b: _read_person(source, n, b)),
    )


def _or(said: T | None, before: T) -> T:
    return before if said is None else said


def _check_given(source: Source, given: Given, node: yaml.Node | None) -> None:
    """Names are unique among all that facts may be about."""
    if node is None:
        return
    for name in given.units:
        if name in given.places or name in given.people:
            source.note(Code.BAD_VALUE, node, f"{name!r} is the name of two things", "give one of them another name")
    for name in given.places.keys() & given.people.keys():
        source.note(Code.BAD_VALUE, node, f"{name!r} is the name of two things", "give one of them another name")


def _read_named(
    source: Source, node: yaml.Node | None, before: Mapping[str, T], read: Callable[[yaml.Node, T | None], T]
) -> dict[str, T]:
    found = dict(before)
    if node is None:
        return found
    if not isinstance(node, yaml.MappingNode):
        source.note(Code.WRONG_TYPE, node, "must be a mapping, `name: {...}`")
        return found
    for key, value in node.value:
        try:
            name = readers.name(key, "the name")
        except Fault as fault:
            source.note(fault.code, key, fault.message, fault.hint)
            continue
        found[name] = read(value, before.get(name))
    return found


def _read_unit(source: Source, node: yaml.Node, before: UnitGiven | None, anew: bool) -> UnitGiven:  # noqa: FBT001 -- from one place
    fields = Fields(source, node, "a unit", needed(UNIT_ANEW if anew and before else UNIT))
    was = before or UnitGiven(_line(node))
    placements = readers.several(readers.choice({placement.value: placement for placement in Placement}))
    return UnitGiven(
        was.line,
        _or(fields.value("kind", readers.choice({kind.value: kind for kind in UnitKind})), was.kind),
        _or(fields.value("shows on", placements), was.shows_on),
        _or(fields.value("language", readers.text), was.language),
        _or(fields.value("shows offers to guests", readers.flag), was.guests),
        _facts(source, fields, was.facts),
    )


def _read_place(source: Source, node: yaml.Node, before: PlaceGiven | None, anew: bool) -> PlaceGiven:  # noqa: FBT001 -- from one place
    fields = Fields(source, node, "a place", needed(PLACE_ANEW if anew and before else PLACE))
    was = before or PlaceGiven(_line(node))
    approach_m, approach_s = fields.value("approach", readers.approach) or (was.approach_m, was.approach_s)
    return PlaceGiven(
        was.line,
        _or(fields.value("kind", readers.choice({kind: kind for kind in FENCE_KINDS})), was.kind),
        _or(fields.value("at", readers.point), was.at),
        _or(fields.value("radius", readers.distance_m), was.radius_m),
        _or(fields.value("name", readers.text), was.name),
        _or(fields.value("tags", readers.several(readers.name)), was.tags),
        _or(fields.value("dwell", _seconds), was.dwell_s),
        approach_m,
        approach_s,
        _or(fields.value("beacon", readers.text), was.beacon),
        _or(fields.value("open", readers.text), was.open),
        _facts(source, fields, was.facts),
    )


def _read_person(source: Source, node: yaml.Node, before: PersonGiven | None) -> PersonGiven:
    fields = Fields(source, node, "a person", needed(PERSON))
    was = before or PersonGiven(_line(node))
    return PersonGiven(
        was.line,
        _or(fields.value("agrees to", readers.purposes), was.agrees_to),
        _or(fields.value("agrees until", readers.day_and_time), was.agrees_until),
        _facts(source, fields, was.facts),
        _or(fields.value("household", readers.name), was.household),
        _or(fields.value("card", readers.text), was.card),
    )


def _facts(source: Source, fields: Fields, before: Mapping[str, Told]) -> dict[str, Told]:
    """Return the facts from before with those said here; what is forgotten here was never known."""
    node = fields.node_of("facts")
    said = {} if node is None else happening.read_facts(source, node)
    return {name: told for name, told in {**before, **said}.items() if told.value is not None}


def _read_story(source: Source, node: yaml.Node | None, names: Names) -> tuple[Entry, ...]:
    return tuple(_read_entry(source, item, names) for item in _listed(source, node, "story"))


def _read_entry(source: Source, node: yaml.Node, names: Names) -> Entry:
    fields = Fields(source, node, "an entry of the story", needed(ENTRY))
    at, after = fields.take("at", readers.moment), fields.take("after", readers.duration_ms)
    if at and after:
        source.note(Code.BAD_VALUE, after.node, "'at' and 'after' exclude each other", "keep one of them")
    happenings = [
        read
        for word in _order_of(node)
        if (below := fields.node_of(word)) is not None
        for item in readers.items(below)
        if (read := happening.read(source, word, item, names)) is not None
    ]
    then_node = fields.node_of("then")
    then = None if then_node is None else expecting.read_then(source, then_node, names)
    return Entry(_line(node), at.value if at else None, after.value if after else 0, tuple(happenings), then)


def _order_of(node: yaml.Node) -> list[str]:
    """Return the words for what happens, in the order in which they were written."""
    if not isinstance(node, yaml.MappingNode):
        return []
    written = [str(key.value) for key, _ in node.value]
    return [word for word in dict.fromkeys(written) if word in HAPPENINGS]


def _listed(source: Source, node: yaml.Node | None, field: str) -> list[yaml.Node]:
    if node is None:
        return []
    if not isinstance(node, yaml.SequenceNode):
        source.note(Code.WRONG_TYPE, node, f"{field!r} must be a list, each entry with a leading `- `")
        return []
    return list(node.value)


def _zone(node: yaml.Node, field: str) -> str:
    value = readers.text(node, field)
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Fault(Code.BAD_VALUE, f"{field!r} is no time zone: {value!r}", "write it as Europe/Berlin") from error
    return value


def _seconds(node: yaml.Node, field: str) -> int:
    return readers.duration_ms(node, field) // 1_000


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
