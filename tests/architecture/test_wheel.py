"""What an installed Wayside carries: everything it decides and demonstrates with, and nothing of the workshop."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("gateway", "edge_models", "geofences", "simulators")


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of the files in the wheel, built as anybody would build it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    result = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.mark.parametrize("package", PACKAGES)
def test_wheel_carries_every_module(package: str, carried: set[str]) -> None:
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / package).rglob("*.py")}
    assert modules != set()
    assert modules - carried == set()


def test_wheel_carries_the_models_with_what_describes_and_proves_them(carried: set[str]) -> None:
    folders = [path.parent.relative_to(ROOT) for path in (ROOT / "edge_models").glob("*/manifest.json")]
    wanted = {f"{folder}/{name}" for folder in folders for name in ("manifest.json", "model.onnx", "golden.json")}
    assert wanted != set()
    assert wanted - carried == set()


def test_wheel_carries_the_sources_of_the_demo(carried: set[str]) -> None:
    demo = ROOT / "deploy" / "demo"
    sources = {f"gateway/_demo/{path.relative_to(demo)}" for path in demo.rglob("*") if path.is_file()}
    assert any(source.startswith("gateway/_demo/campaigns/") for source in sources)
    assert sources - carried == set()


def test_wheel_tells_type_checkers_that_it_is_typed(carried: set[str]) -> None:
    assert "gateway/py.typed" in carried


def test_wheel_carries_nothing_else(carried: set[str]) -> None:
    roots = {name.split("/")[0] for name in carried}
    assert {root for root in roots if not root.endswith(".dist-info")} == set(PACKAGES)
