"""The command, called as its users call it but within this process."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli.command import app

ROOT = Path(__file__).resolve().parents[2]
Wayside = Callable[..., Result]


@pytest.fixture
def wayside(monkeypatch: pytest.MonkeyPatch) -> Wayside:
    """Return a caller of the command; errors it lets through are raised."""
    monkeypatch.chdir(ROOT)
    # Help is laid out for a terminal of this width, wherever the tests run.
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str | Path, exits: int = 0) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
        assert result.exit_code == exits, result.output
        return result

    return call


@pytest.fixture(scope="session")
def demo_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's release, built by the command itself."""
    out = tmp_path_factory.mktemp("release") / "demo"
    arguments = [
        "release", "build", str(out), "--id", "demo-1", "--counter", "1", "--created-ms", "1767250800000",
        "--campaigns", str(ROOT / "deploy/demo/campaigns"),
        "--fences", str(ROOT / "deploy/demo/fences/stations.geojson"),
        "--model", str(ROOT / "edge_models/coupon_propensity"),
    ]  # fmt: skip
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return out
