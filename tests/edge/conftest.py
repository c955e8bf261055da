"""A ledger in a passing folder; tests that are coroutines run in a loop of their own."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.edge.store import schema
from gateway.edge.store.ledger import Ledger

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
