"""A ledger in a passing folder; tests that are coroutines run in a loop of their own."""

import asyncio
import inspect
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog

from gateway.edge.store import schema
from gateway.edge.store.ledger import Ledger
from gateway.testing.small_disk import NotPermittedError, SmallDisk, a_small_disk

_PATIENCE_S = 30.0


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test to its end, and never longer than patience lasts."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), _PATIENCE_S))
    return True


@pytest.fixture
def own_log() -> Iterator[None]:
    """The process configures logging for itself; a test leaves it as it was."""
    root, library = logging.getLogger(), logging.getLogger("gmqtt")
    before = root.handlers[:], root.level, library.level
    yield
    root.handlers, root.level, library.level = before[0], before[1], before[2]
    structlog.reset_defaults()


@pytest.fixture
def ledger_path(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    schema.prepare(path)
    return path


@pytest.fixture
def open_ledger(ledger_path: Path) -> Iterator[Callable[[], Ledger]]:
    opened: list[Ledger] = []

    def opener() -> Ledger:
        opened.append(Ledger(ledger_path))
        return opened[-1]

    yield opener
    for ledger in opened:
        ledger.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk of 4 MiB. Skipped where it may not be mounted; under CI that fails."""
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(a_small_disk(tmp_path / "disk", 4))
        except NotPermittedError as error:
            if os.environ.get("CI", "") not in {"", "0", "false"}:
                pytest.fail(f"no small disk: {error} (under CI nothing is skipped)", pytrace=False)
            pytest.skip(f"no small disk: {error}")
        yield disk
