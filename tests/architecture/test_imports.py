"""The rooms of the house: who may import whom, and what the engine may not do."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "gateway" / "core"
CORE_MODULES = sorted(CORE.rglob("*.py"))

PURE_STANDARD_LIBRARY = {
    "abc",
    "array",
    "bisect",
    "collections",
    "dataclasses",
    "datetime",
    "enum",
    "fractions",
    "functools",
    "hashlib",
    "heapq",
    "itertools",
    "json",
    "math",
    "operator",
    "re",
    "struct",
    "types",
    "typing",
    "zlib",
}
THIRD_PARTY = {"cel", "numpy", "shapely"}

CLOCK_READERS = {"now", "utcnow", "today"}
# Input, output, code made of text; and two whose answers differ from run to run: id, and hash of a string.
IMPURE_BUILTINS = {"open", "print", "input", "eval", "exec", "compile", "__import__", "breakpoint", "id", "hash"}


def test_import_contracts_hold() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("module", CORE_MODULES, ids=lambda path: str(path.relative_to(CORE)))
def test_core_imports_only_what_is_pure(module: Path) -> None:
    allowed = PURE_STANDARD_LIBRARY | THIRD_PARTY
    foreign = {
        name
        for name in _imported(_tree(module))
        if name.split(".")[0] not in allowed and not (name == "gateway.core" or name.startswith("gateway.core."))
    }
    assert foreign == set()


@pytest.mark.parametrize("module", CORE_MODULES, ids=lambda path: str(path.relative_to(CORE)))
def test_core_reads_no_clock_and_calls_nothing_impure(module: Path) -> None:
    tree = _tree(module)
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    impure = {call.id for call in calls if isinstance(call, ast.Name)} & IMPURE_BUILTINS
    clocks = {call.attr for call in calls if isinstance(call, ast.Attribute)} & CLOCK_READERS
    assert impure | clocks == set()


def test_core_draws_no_numbers_at_random() -> None:
    drawing = [module for module in CORE_MODULES for name in _attributes(_tree(module)) if name == "random"]
    assert drawing == []


def _tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text(encoding="utf-8"))


def _imported(tree: ast.Module) -> Iterator[str]:
    """Yield every module named by an import statement, wherever it stands; a relative one as its dots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def _attributes(tree: ast.Module) -> Iterator[str]:
    yield from (node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute))
