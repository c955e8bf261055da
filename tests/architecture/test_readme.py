"""The commands the documents show are true: every line of their `sh` blocks is tried.

`wayside ...` is run, block after block in one folder that looks like the project's root but keeps what is written to
itself. For `make ...` the target must exist and be ready to run; it is not run, for the tests are one of them. To get
into the folder (`git clone`, `cd`) is left to the reader. Whatever else is to be shown stands in a block of another
kind, e.g. `console` for a command that does not end by itself.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = ("README.md", "CONTRIBUTING.md")
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
READERS_OWN = {"git", "cd", "source", "."}
ENDS_WITHIN_S = 120


def _commands(document: str) -> list[str]:
    path = ROOT / document
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    blocks = [block.replace("\\\n", " ") for block in BLOCK.findall(text)]
    lines = [line.strip().removeprefix("$ ").strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


COMMANDS = [command for document in DOCUMENTS for command in _commands(document)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything of the project's root by link, but for what was built in it."""
    folder = tmp_path_factory.mktemp("reader")
    for path in ROOT.iterdir():
        if path.name not in {".git", "build", "dist"}:
            (folder / path.name).symlink_to(path)
    return folder


@pytest.mark.parametrize("document", DOCUMENTS)
def test_document_shows_commands(document: str) -> None:
    assert _commands(document) != []


@pytest.mark.parametrize("command", COMMANDS)
def test_command_does_what_the_document_says(command: str, folder: Path) -> None:
    program = shlex.split(command)[0].removeprefix(".venv/bin/")
    if program == "make":
        _succeeds(command.replace("make", "make --dry-run", 1), ROOT)
    elif program == "wayside":
        _succeeds(command.removeprefix(".venv/bin/"), folder)
    else:
        assert program in READERS_OWN, "neither make nor wayside: show it in a block of another kind than sh"


def _succeeds(command: str, folder: Path) -> None:
    here = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    here["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{here['PATH']}"
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=here,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=ENDS_WITHIN_S,
        check=False,
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
