"""Eligibility, applicability and suitability: CEL over one flat context.

Expressions are compiled once per release and equal ones run once per decision. Every variable is listed here; an
unknown name is an error when a campaign is checked. A runtime error is a refusal, never an exception: what cannot
be evaluated is not offered.
"""

import re
from collections.abc import Iterable, Mapping

import cel

from gateway.core.errors import ReleaseError

VARIABLES: dict[str, object] = {
    "hour": 12,
    "weekday": 1,
    "month": 1,
    "day": 1,
    "unit_kind": "car",
    "language": "en",
    "drive": "parked",
    "parked": True,
    "occupants": 1,
    "fences": ["station-1"],
    "fence_kinds": ["fuel_station"],
    "fence_tags": ["partner"],
    "ahead": ["station-2"],
    "ahead_kinds": ["fuel_station"],
    "ahead_tags": ["partner"],
    "season": "unknown",
    "tyres_out_of_season": False,
    "winter_tyres": "UNKNOWN",
    "tyre_pressure_low": False,
    "air_temperature_c": 4.5,
    "fuel_low": False,
    "fuel_level_percent": 50.0,
    "fuel_range_km": 300.0,
    "minutes_away": 0.0,
    "same_direction": True,
    "known": True,
    "role": "driver",
    "place": {},
    "facts": {},
}
"""Each variable with a value of its type. Numbers the unit has not reported are null; `occupants` is then -1."""

PERSONAL_VARIABLES = frozenset({"facts"})
"""What reads of a subject. Actions for anyone may not name these."""

# What the CEL library raises while it evaluates, as its own error types are Python's.
_FAULTS_OF_VALUES = (OverflowError, IndexError, ZeroDivisionError)
_RUNTIME_FAULTS = (RuntimeError, TypeError, KeyError, ValueError, *_FAULTS_OF_VALUES)
_BOUND = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,")


class ExpressionFault(Exception):
    """What is wrong with an expression. `line` and `column` count from 1 within it; 0 when it has no position."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


class Expressions:
    """The compiled expressions of a release. An empty source is always true and costs nothing."""

    def __init__(self, sources: Iterable[str], for_anyone: Iterable[str] = ()) -> None:
        """Compile each distinct source once.

        Args:
            sources: Those that may read of a subject.
            for_anyone: Those that may not.

        Raises:
            ReleaseError: One does not compile, names something unknown, or reads of a subject although for anyone.
        """
        self._programs: dict[str, cel.Program] = {}
        for anyone, given in ((True, for_anyone), (False, sources)):
            for source in given:
                if source and source not in self._programs:
                    self._programs[source] = _compiled(source, anyone=anyone)

    def evaluation(self, variables: Mapping[str, object]) -> "Evaluation":
        """Return an evaluation over one context, which is converted once."""
        return Evaluation(self._programs, variables)


def _compiled(source: str, *, anyone: bool) -> cel.Program:
    try:
        check_expression(source, anyone=anyone)
    except ExpressionFault as fault:
        raise ReleaseError(f"expression {source!r}: {fault.message}") from fault
    return cel.compile(source)


class Evaluation:
    """Answers about one context, each distinct expression run at most once."""

    def __init__(self, programs: Mapping[str, cel.Program], variables: Mapping[str, object]) -> None:
        self._programs = programs
        self.variables = variables
        self._context = cel.Context(dict(variables))
        self._answers: dict[str, bool | None] = {"": True}

    def holds(self, source: str) -> bool | None:
        """Return whether it holds; None when it failed or is no boolean, which refuses like False."""
        if source not in self._answers:
            try:
                answer = self._programs[source].execute(self._context)
            except _RUNTIME_FAULTS:
                answer = None
            self._answers[source] = answer if answer is True or answer is False else None
        return self._answers[source]

    def values(self, source: str) -> dict[str, object]:
        """Return the variables an expression read, for a refusal's detail; of a subject only that it was read."""
        names = [name for name in self._programs[source].variables() if name in self.variables]
        return {name: "personal" if name in PERSONAL_VARIABLES else self.variables[name] for name in names}


def check_expression(source: str, *, anyone: bool = False) -> None:
    """Check an expression as a campaign's author should hear of it.

    Args:
        source: The CEL expression.
        anyone: The action is for anyone: nothing of a subject may be read.

    Raises:
        ExpressionFault: It does not parse, names an unknown variable or function, reads of a subject although for
            anyone, or mixes types.
    """
    try:
        program = cel.compile(source)
    except ValueError as error:
        raise _syntax_fault(str(error)) from error
    bound = set(_BOUND.findall(source))
    names = [name for name in program.variables() if name not in bound or name in VARIABLES]
    for name in names:
        if name not in VARIABLES:
            raise ExpressionFault(
                f"unknown name {name!r}; known are {', '.join(sorted(VARIABLES))}", *_place(source, name)
            )
        if anyone and name in PERSONAL_VARIABLES:
            raise ExpressionFault(f"{name!r} reads of a subject, but the action is for anyone", *_place(source, name))
    _try_run(program)


def constant_value(source: str) -> bool | None:
    """Return what an expression that reads no variable always is; None when it depends on something.

    What can only fail always refuses, and is False.
    """
    if not source:
        return True
    program = cel.compile(source)
    if program.variables():
        return None
    try:
        answer = program.execute(cel.Context())
    except _RUNTIME_FAULTS:
        return False
    return answer if isinstance(answer, bool) else None


def _try_run(program: cel.Program) -> None:
    """Run it once on a sample of every variable: shows unknown functions and mixed types before a device does."""
    try:
        answer = program.execute(cel.Context(VARIABLES))
    except KeyError:
        return  # a fact the sample has not: those of persons and places are open
    except _FAULTS_OF_VALUES as error:
        if program.variables():
            return  # other values may do: `10 / (occupants - 1) > 2` fails on the sample only
        raise ExpressionFault(f"can only fail: {error}") from error
    except _RUNTIME_FAULTS as error:
        raise ExpressionFault(str(error).split(". ")[0]) from error
    if not isinstance(answer, bool):
        raise ExpressionFault(f"must be true or false, but is a {type(answer).__name__}")


def _syntax_fault(text: str) -> ExpressionFault:
    match = re.search(r"<input>:(\d+):(\d+): (.*)", text)
    if not match:
        return ExpressionFault(text.splitlines()[0])
    return ExpressionFault(match[3], int(match[1]), int(match[2]))


def _place(source: str, name: str) -> tuple[int, int]:
    found = re.search(rf"\b{re.escape(name)}\b", source)
    start = found.start() if found else 0
    return source.count("\n", 0, start) + 1, start - (source.rfind("\n", 0, start) + 1) + 1
