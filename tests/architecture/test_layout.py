"""What every file of the project keeps to, whoever writes it."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("gateway", "edge_models", "geofences", "simulators")
CORE = ROOT / "gateway" / "core"
CORE_TESTS = ROOT / "tests" / "core"
CORE_MODULES = sorted(path.relative_to(CORE) for path in CORE.rglob("*.py") if path.name != "__init__.py")
LONGEST_FILE = 400

# Where packages come from is the business of the machine that installs them.
# Each pattern is written so that it does not find itself.
REGISTRY = re.compile(
    r"pypi\.org|pythonhosted\.org|registry\.npmjs|registry\.yarnpkg|conda\.anaconda|crates\.io|proxy\.golang"
    r"|--(?:extra-)?index-url\b|--[f]ind-links\b|--[t]rusted-host\b",
    re.IGNORECASE,
)
UNFINISHED = re.compile(r"\b(?:[T]ODO|[F]IXME|[X]XX|[H]ACK)\b|raise [N]otImplementedError")
WAIT_BY_THE_CLOCK = re.compile(r"\btime\.[s]leep\(|\basyncio\.[s]leep\((?!0\))")
EMPTY_WORDS = {"manager", "util", "utils", "helper", "helpers"}
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """The text of every file that git tracks or would track, by path; binary ones (models, archives) left out."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        pytest.skip("not a git checkout: which files belong to the project is not known")
    paths = [path for path in map(Path, sorted(result.stdout.split("\0"))) if (ROOT / path).is_file()]
    contents = {str(path): (ROOT / path).read_bytes() for path in paths}
    return {path: content.decode(errors="replace") for path, content in contents.items() if b"\0" not in content}


@pytest.mark.parametrize("module", CORE_MODULES, ids=str)
def test_each_module_of_core_has_its_test_file(module: Path) -> None:
    assert (CORE_TESTS / module.parent / f"test_{module.name}").is_file()


def test_each_test_file_of_core_is_about_one_module() -> None:
    modules = {module.parent / module.stem for module in CORE_MODULES}
    tests = [path.relative_to(CORE_TESTS) for path in CORE_TESTS.rglob("test_*.py")]
    assert [path for path in tests if not _subjects(path) & modules] == []


def test_no_file_says_where_packages_come_from(texts: dict[str, str]) -> None:
    assert list(_found(REGISTRY, texts)) == []


def test_nothing_is_left_for_later(texts: dict[str, str]) -> None:
    assert list(_found(UNFINISHED, texts)) == []


def test_no_test_waits_by_the_clock(texts: dict[str, str]) -> None:
    tests = {path: text for path, text in texts.items() if path.startswith("tests/")}
    assert list(_found(WAIT_BY_THE_CLOCK, tests)) == []


def test_no_python_file_is_too_long_for_one_thought(texts: dict[str, str]) -> None:
    long = {path: text.count("\n") for path, text in texts.items() if path.endswith(".py")}
    assert {path: lines for path, lines in long.items() if lines > LONGEST_FILE} == {}


def test_names_say_what_is_meant(texts: dict[str, str]) -> None:
    sources = [path for path in texts if path.endswith(".py") and path.startswith(PACKAGES)]
    names = {f"{path}: {name}" for path in sources for name in _empty_names(path, texts[path])}
    assert names == set()


def _subjects(test_file: Path) -> set[Path]:
    """Return the modules a test file may be about: `test_engine_timers` is about `engine_timers` or `engine`."""
    words = test_file.stem.removeprefix("test_").split("_")
    return {test_file.parent / "_".join(words[:count]) for count in range(1, len(words) + 1)}


def _found(pattern: re.Pattern[str], texts: dict[str, str]) -> Iterator[str]:
    for path, text in texts.items():
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield f"{path}:{line}: {match.group()}"


def _empty_names(path: str, source: str) -> Iterator[str]:
    """Yield the names a file defines that say nothing: `process` is one for a function, but not for what runs."""
    defined = [node for node in ast.walk(ast.parse(source)) if isinstance(node, _DEFINITIONS)]
    functions = {node.name for node in defined if not isinstance(node, ast.ClassDef)}
    for name in {Path(path).stem, *(node.name for node in defined)}:
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_").split("_")
        is_empty_verb = name in functions and (words[0] == "process" or words == ["handle", "data"])
        if EMPTY_WORDS & set(words) or is_empty_verb:
            yield name
