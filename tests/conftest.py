"""What tests of several rooms share: the third-party data, and a real broker.

On a user's machine either may be absent, and its tests are skipped with the reason; under CI its absence fails.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

from gateway.testing.mosquitto import Mosquitto, find_mosquitto

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data"

# How long an example takes depends on who else is on the machine: no test is timed.
settings.register_profile("wayside", deadline=None)
settings.load_profile("wayside")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let marker and fixture mean the same, so that `-m realdata` or `-m "not mosquitto"` selects all or none."""
    for item in items:
        fixtures: list[str] = getattr(item, "fixturenames", [])
        for name in ("realdata", "mosquitto"):
            if name in fixtures:
                item.add_marker(name)
            elif item.get_closest_marker(name) is not None:
                fixtures.append(name)


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The third-party data beside the project. Read in place; none of it is ever committed."""
    if not DATA.is_dir():
        _do_without(f"the third-party data is not at {DATA}")
    return DATA


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """A running broker, fresh for each test: `mosquitto.host`, `.port`, `.restart()`, `.stop()`, `.start()`."""
    program = find_mosquitto()
    if program is None:
        _do_without("mosquitto is not installed: apt-get install mosquitto")
    directory = tmp_path / "mosquitto"
    directory.mkdir()
    broker = Mosquitto(program, directory)
    broker.start()
    yield broker
    broker.stop()


def _do_without(reason: str) -> NoReturn:
    if os.environ.get("CI", "") not in {"", "0", "false"}:
        pytest.fail(f"{reason} (under CI nothing is skipped)", pytrace=False)
    pytest.skip(reason)
