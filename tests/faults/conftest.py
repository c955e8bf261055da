"""What the fault tests share: each tells how often it tried and what came of it, and that is printed at the end.

Printed without `-s`, for a run that passed as for one that failed: the counts are the result.
"""

from pathlib import Path

import pytest

from gateway.testing.faults import TellCount, is_full

HERE = Path(__file__).resolve().parent
TOLD = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TOLD] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all that lies here, so that `-m faults` and `-m "not faults"` select it."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("faults")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.stash[TOLD]:
        return
    terminalreporter.section(f"faults: {'full' if is_full() else 'reduced'} counts")
    for line in config.stash[TOLD]:
        terminalreporter.write_line(line)


@pytest.fixture
def tell_count(request: pytest.FixtureRequest) -> TellCount:
    """What a test tells its counts to, before it judges them: so a failure has its figures too."""

    def tell(name: str, **numbers: float | str) -> None:
        figures = ", ".join(f"{key.replace('_', ' ')} {_shown(value)}" for key, value in numbers.items())
        request.config.stash[TOLD].append(f"{name}: {figures}")

    return tell


def _shown(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
