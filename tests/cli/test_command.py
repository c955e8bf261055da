"""What the command as a whole promises: help with examples, one-sentence errors, exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway import __version__
from gateway.cli.command import app, main
from gateway.core.errors import InvariantViolation
from tests.cli.conftest import ROOT, Wayside


def _commands() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for command in app.registered_commands:
        callback = command.callback
        assert callback is not None
        found.append((command.name or callback.__name__,))
    for group in app.registered_groups:
        assert group.typer_instance is not None
        for command in group.typer_instance.registered_commands:
            callback = command.callback
            assert callback is not None
            found.append((str(group.name), command.name or callback.__name__.replace("_", "-")))
    return found


@pytest.mark.parametrize("command", _commands(), ids=" ".join)
def test_every_command_shows_an_example_in_its_help(wayside: Wayside, command: tuple[str, ...]) -> None:
    shown = wayside(*command, "--help").output
    assert "Example" in shown
    assert f"wayside {' '.join(command)}" in " ".join(shown.split())


def test_version_is_the_packages(wayside: Wayside) -> None:
    assert wayside("--version").output == f"wayside {__version__}\n"


def test_every_schema_listed_is_printed_as_json(wayside: Wayside) -> None:
    names = wayside("schema").output.split()
    assert "telemetry" in names
    for name in names:
        assert json.loads(wayside("schema", name).output)["title"]


def test_an_unknown_schema_is_answered_with_those_there_are(wayside: Wayside) -> None:
    assert "telemetry" in wayside("schema", "telemetri", exits=2).output


def test_an_error_of_ours_is_one_sentence_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["wayside", "release", "inspect", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("wayside: ")
    assert len(said.splitlines()) == 1


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def without_extra() -> None:
        raise ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")

    monkeypatch.setattr("gateway.cli.command.app", without_extra)
    with pytest.raises(SystemExit):
        main()
    assert "'onnxruntime'" in capsys.readouterr().err


def test_a_bug_of_ours_is_not_dressed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise InvariantViolation("now went back")

    monkeypatch.setattr("gateway.cli.command.app", broken)
    with pytest.raises(InvariantViolation):
        main()


def test_run_says_what_is_wrong_with_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text("gateway = 1\n")
    command = [sys.executable, "-m", "gateway.cli", "run", "--config", str(config)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert str(config) in ended.stderr


def test_run_takes_no_code_from_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text("gateway = 1\n")
    (tmp_path / "logging.py").write_text("raise SystemExit(9)\n")
    script = tmp_path / "bin" / "wayside"
    script.parent.mkdir()
    script.write_text("from gateway.cli import main\nmain()\n")
    command = [sys.executable, str(script), "run", "--config", "gateway.toml"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended.stderr


def test_a_device_carries_nothing_that_draws_on_terminals(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text("gateway = 1\n")
    program = (
        "import runpy, sys\n"
        f"sys.argv = ['edge', {str(config)!r}]\n"
        "try:\n    runpy.run_module('gateway.edge', run_name='__main__')\n"
        "except SystemExit:\n"
        "    print(sorted({'typer', 'pygments', 'prompt_toolkit', 'sqlite_utils'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
