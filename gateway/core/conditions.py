"""The `if` of a step: CEL over `moment` and over the moments that earlier steps bound.

A moment is a map of its own fields, as its class names them; nothing else of the world can be read. Conditions are
compiled once per release. Whatever is wrong with one is told when a campaign is checked; one that fails while it runs
does not hold.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import NamedTuple

import cel

from gateway.core.errors import ReleaseError
from gateway.core.moments import MOMENTS, Moment
from gateway.core.policy import ExpressionFault
from gateway.core.steps import Trigger

MOMENT = "moment"
"""The name by which a condition calls the moment it is asked about."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    name: tuple(each.name for each in fields(kind)) for name, kind in MOMENTS.items()
}
"""What can be read of each moment that campaigns name."""

# What the CEL library raises while it evaluates, as its own error types are Python's. Of the first two another value
# may know nothing; the others tell of unknown functions and mixed types.
_FAULTS_OF_VALUES = (ArithmeticError, LookupError)
_RUNTIME_FAULTS = (*_FAULTS_OF_VALUES, RuntimeError, TypeError, ValueError)
_QUOTED = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|//[^\n]*""")
_OWN_NAME = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,")
_SAMPLES: Mapping[object, object] = {int: 60, bool: False, str: "station"}


class Condition(NamedTuple):
    """A source with the moments it may read: the name of its own moment, and of each bound one by its name."""

    source: str
    moment: str
    bound: Mapping[str, str]


def conditions_of(trigger: Trigger) -> Iterator[Condition]:
    """Return the conditions of a trigger; those of its steps see what earlier steps bind, all others what any does."""
    bound: dict[str, str] = {}
    for step in trigger.steps:
        if step.condition:
            yield Condition(step.condition, step.moment, dict(bound))
        if step.bound:
            bound[step.bound] = step.moment
    absent = () if trigger.absence is None else (trigger.absence.step,)
    for step in (*trigger.unless, *absent):
        if step.condition:
            yield Condition(step.condition, step.moment, bound)


class Conditions:
    """The compiled conditions of a release."""

    def __init__(self, conditions: Iterable[Condition]) -> None:
        """Check each condition where it stands, and compile each distinct source once.

        Raises:
            ReleaseError: One does not compile, or reads what its moments do not have.
        """
        self._programs: dict[str, cel.Program] = {}
        for condition in conditions:
            try:
                check_condition(*condition)
            except ExpressionFault as fault:
                raise ReleaseError(f"condition {condition.source!r}: {fault.message}") from fault
            if condition.source not in self._programs:
                self._programs[condition.source] = cel.compile(condition.source)

    def holds(self, source: str, context: cel.Context) -> bool:
        """Return whether a condition holds; one that fails, or is no boolean, does not."""
        try:
            return self._programs[source].execute(context) is True
        except _RUNTIME_FAULTS:
            return False


def context_of(told: Mapping[str, object], bound: Mapping[str, Mapping[str, object]]) -> cel.Context:
    """Return what conditions see: a moment, and those that were bound before."""
    return cel.Context({**bound, MOMENT: told})


def tell(moment: Moment) -> dict[str, object]:
    """Return a moment as conditions see it, and as a window remembers it: its fields, as JSON."""
    values = ((name, getattr(moment, name)) for name in FIELDS[type(moment).__name__])
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values}


def check_condition(source: str, moment_name: str, bound: Mapping[str, str]) -> None:
    """Check a condition as a campaign's author should hear of it.

    Args:
        source: The CEL expression.
        moment_name: The moment it is asked about, by the name of its class.
        bound: By the name each goes by, the moments that earlier steps bound.

    Raises:
        ExpressionFault: It does not parse, names something unknown, reads a field that the moment does not have,
            mixes types, or is neither true nor false.
    """
    try:
        program = cel.compile(source)
    except ValueError as error:
        raise _syntax_fault(str(error)) from error
    read = {**bound, MOMENT: moment_name}
    plain = _QUOTED.sub(lambda quoted: " " * len(quoted[0]), source)
    own = set(_OWN_NAME.findall(plain))
    for name in program.variables():
        if name not in read and name not in own:
            message = f"unknown name {name!r}; known are {', '.join(sorted(read))}"
            raise ExpressionFault(message, *_place(source, re.search(rf"\b{name}\b", plain)))
    for name in read.keys() - own:
        _check_fields(source, plain, name, read[name])
    _try_run(program, read)


def _check_fields(source: str, plain: str, name: str, kind: str) -> None:
    """Every field that is read of a moment must be one of its own, also where the sample would not get to it."""
    read = [
        *re.finditer(rf"(?<![\w.]){name}\s*\.\s*(\w+)\b(?!\s*\()", plain),
        *re.finditer(rf"(?<![\w.]){name}\s*\[\s*['\"](\w+)['\"]", source),
    ]
    for found in read:
        if found[1] not in FIELDS[kind]:
            message = f"{name!r} is a {kind}, which has no {found[1]!r}; it has {', '.join(FIELDS[kind])}"
            raise ExpressionFault(message, *_place(source, found))


def _try_run(program: cel.Program, read: Mapping[str, str]) -> None:
    """Run it once on a sample of every moment: shows unknown functions and mixed types before a device does."""
    try:
        answer = program.execute(cel.Context({name: _sample(MOMENTS[kind]) for name, kind in read.items()}))
    except _FAULTS_OF_VALUES:
        return  # other values may do: `10 / (moment.stayed_s - 60) > 2` fails on the sample only
    except _RUNTIME_FAULTS as error:
        raise ExpressionFault(str(error).split(". ")[0]) from error
    if not isinstance(answer, bool):
        raise ExpressionFault(f"must be true or false, but is a {type(answer).__name__}")


def _sample(kind: type) -> dict[str, object]:
    return {each.name: _SAMPLES.get(each.type, ["station"]) for each in fields(kind)}


def _syntax_fault(text: str) -> ExpressionFault:
    found = re.search(r"<input>:(\d+):(\d+): (.*)", text)
    return ExpressionFault(found[3], int(found[1]), int(found[2])) if found else ExpressionFault(text.splitlines()[0])


def _place(source: str, found: re.Match[str] | None) -> tuple[int, int]:
    """Return line and column, from 1, of where something stands; of the begin if it was not found."""
    start = found.start() if found else 0
    return source.count("\n", 0, start) + 1, start - source.rfind("\n", 0, start)
