"""The lock files: what is installed is named by version and hash, and is the same everywhere."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = {
    "edge": {"edge"},
    "demo": {"edge", "fences", "sim"},
    "dev": {"edge", "fences", "sim", "train", "dev"},
}
BUILT_FROM_ITS_TREE = {"demo", "dev"}
PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)(?: ; [^\n\\]+)?(?: \\\n +--hash=sha256:[0-9a-f]{64})+$",
    re.MULTILINE,
)


@pytest.mark.parametrize("name", EXTRAS)
def test_lock_holds_nothing_but_versions_and_hashes(name: str) -> None:
    rest = PIN.sub("", _text(name))
    assert [line for line in rest.splitlines() if line.strip() and not line.lstrip().startswith("#")] == []
    assert "://" not in rest


@pytest.mark.parametrize("name", EXTRAS)
def test_lock_satisfies_what_pyproject_asks_for(name: str) -> None:
    pins = _pins(name)
    asked = [Requirement(text) for text in _asked(name)]
    wanting = [str(need) for need in asked if need.name != "wayside" and not _satisfied(need, pins)]
    assert wanting == []


@pytest.mark.parametrize("name", EXTRAS)
def test_a_package_has_one_version_in_all_locks(name: str) -> None:
    assert _pins(name).items() <= _pins("dev").items()


def test_a_device_installs_no_tool_of_ours() -> None:
    tools = {"hatchling", "pytest", "mypy", "ruff", "aiomqtt", "amqtt", "pandas", "scikit-learn", "lightgbm", "onnx"}
    tools |= {"geopandas", "pyogrio", "atheris"}
    assert tools & _pins("edge").keys() == set()


def _text(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


def _pins(name: str) -> dict[str, str]:
    return {match["name"]: match["version"] for match in PIN.finditer(_text(name))}


def _asked(name: str) -> list[str]:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = pyproject["project"]
    asked: list[str] = list(project["dependencies"])
    for extra in EXTRAS[name]:
        asked += project["optional-dependencies"][extra]
    if name in BUILT_FROM_ITS_TREE:
        asked += pyproject["build-system"]["requires"]
    return asked


def _satisfied(need: Requirement, pins: dict[str, str]) -> bool:
    name = re.sub(r"[-_.]+", "-", need.name).lower()
    return name in pins and need.specifier.contains(pins[name])
