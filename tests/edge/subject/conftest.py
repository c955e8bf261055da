"""A gateway's folder with two people in it, made once and copied for each test."""

import shutil
from pathlib import Path

import pytest

from gateway.testing.house import House, configure, furnish


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    furnish(folder)
    return folder


@pytest.fixture
def house(furnished: Path, tmp_path: Path) -> House:
    house = House(tmp_path / "data")
    shutil.copytree(furnished, house.folder)
    configure(house)
    return house
