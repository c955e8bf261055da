"""Whatever the engine reads of a person is read through one module, for a purpose that the reader names.

What a subject's facts and prepared lists say is nobody's to take from the state: `gateway.core.facts` gives it, asks
for a `Basis`, and gives nothing that rests on an agreement which is not there. So this looks at how every module of the
core reaches into the state. Each entry is called by a name that can be told from the source, else this could be
walked around; where one cannot, it is justified here.
"""

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, get_type_hints

import pytest

from gateway.core import facts
from gateway.core.facts import Basis
from gateway.core.state import Scope

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "gateway" / "core"
MODULES = {path.relative_to(CORE).as_posix(): path for path in sorted(CORE.rglob("*.py"))}
GIVEN_OUT = frozenset({"fact", "prepared"})

OWN = {
    "state.py": "it is the state",
    "facts.py": "it is the one module",
}
OPEN_NAMES = {"caps.py": "goes through three names of its own in a loop"}
"""Modules that reach into the state by a name which is not to be read off their source, and why."""
WHOLE_STATE = {
    "engine.py": "`snapshot`: the engine as a value, for tests and compaction",
    "rewind.py": "moves what a wrong clock has written",
}


class Reach(NamedTuple):
    """One way into the state: a call that names scope, owner and entry.

    Attributes:
        scope: None where it cannot be told.
        name: The same.
    """

    scope: str | None
    name: str | None
    line: int


@pytest.mark.parametrize("module", MODULES.keys() - OWN.keys())
def test_what_is_known_of_a_person_is_read_through_facts_only(module: str) -> None:
    reached = [each for each in _reaches(_tree(module), module) if each.name in GIVEN_OUT]
    assert reached == [], f"{module}: ask gateway.core.facts, and say for what"


@pytest.mark.parametrize("module", MODULES.keys() - OWN.keys() - OPEN_NAMES.keys())
def test_each_entry_that_may_be_a_persons_is_called_by_a_name_that_can_be_read(module: str) -> None:
    elsewhere = {scope.name for scope in Scope} - {"SUBJECT"}
    assert [each for each in _reaches(_tree(module), module) if each.name is None and each.scope not in elsewhere] == []


@pytest.mark.parametrize("module", MODULES.keys() - OWN.keys() - WHOLE_STATE.keys())
def test_nobody_goes_through_all_entries(module: str) -> None:
    calls = [node for node in ast.walk(_tree(module)) if isinstance(node, ast.Call)]
    assert [ast.unparse(call) for call in calls if _called(call) == "entries"] == []


@pytest.mark.parametrize("module", sorted(OPEN_NAMES.keys() | WHOLE_STATE.keys() | OWN.keys()))
def test_what_is_justified_is_there(module: str) -> None:
    assert module in MODULES


@pytest.mark.parametrize(
    ("source", "scope", "name"),
    [
        ('memory.group(Scope.SUBJECT, holder, "fact")', "SUBJECT", "fact"),
        ('turn.memory.get(scope, owner, "prepared")', None, "prepared"),
        ("memory.get(*StateKey(Scope.UNIT, unit, visits.INSIDE, fence))", "UNIT", "fence"),
        ("StateKey(*home, name)", None, None),
        ("memory.group(scope, owner, name)", None, None),
    ],
)
def test_a_reach_into_the_state_is_seen(source: str, scope: str | None, name: str | None) -> None:
    assert [each[:2] for each in _reaches(ast.parse(source), "perceive.py")] == [(scope, name)]


def test_reading_of_a_person_has_a_basis_and_no_default() -> None:
    parameter = inspect.signature(facts.of_subject).parameters["basis"]
    assert get_type_hints(facts.of_subject)["basis"] is Basis
    assert parameter.default is inspect.Parameter.empty


def test_of_a_list_that_was_prepared_no_reader_can_choose_the_basis() -> None:
    assert "basis" not in inspect.signature(facts.prepared).parameters


def _tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)


def _reaches(tree: ast.Module, module: str) -> Iterator[Reach]:
    """Yield every `get`, `group` and `StateKey` that names an entry: by scope, owner, name, or by `*home`, name."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or _called(node) not in {"get", "group", "StateKey"} or len(node.args) < 2:
            continue
        scope = node.args[0]
        at = 1 if isinstance(scope, ast.Starred) else 2
        if len(node.args) > at:
            is_plain = isinstance(scope, ast.Attribute) and ast.unparse(scope.value) == "Scope"
            named = ast.unparse(scope).removeprefix("Scope.") if is_plain else None
            yield Reach(named, _constant(module, node.args[at]), node.lineno)


def _constant(module: str, expression: ast.expr) -> str | None:
    """Return the text an expression always is: a literal, or a constant of this or of another module."""
    if isinstance(expression, ast.Constant):
        return str(expression.value)
    source = importlib.import_module("gateway.core." + module.removesuffix(".py").replace("/", "."))
    found: object = source
    for part in ast.unparse(expression).split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, str) else None
