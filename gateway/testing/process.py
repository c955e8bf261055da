"""The gateway as a process of its own, started, read and ended as its supervisor would."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

PATIENCE_S = 20.0
UNMEASURED = {"COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}
"""The environment of a process that is not to measure its coverage: it is killed, it fuzzes, or its disk is full."""


class Broker(Protocol):
    """A broker that can be stopped and started again on its port."""

    host: str
    port: int

    def start(self) -> None:
        """Accept connections."""
        ...

    def stop(self) -> None:
        """Accept none, and break those there are."""
        ...

    def restart(self) -> None:
        """Stop and start."""
        ...


class GatewayProcess:
    """`wayside run`, as long as its block lasts; whatever is left of it then is killed.

    Its log lines are events to wait for.
    """

    def __init__(self, config: Path, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(  # noqa: S603 -- our own command
            [sys.executable, "-m", "gateway.cli", "run", "--config", str(config)],
            env={**os.environ, **(environment or {})},
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )
        self._lines: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.other_lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def await_event(self, event: str, matches: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """Return the next log line of an event; those before it are dropped.

        Raises:
            AssertionError: It ended, or was silent for too long.
        """
        while True:
            try:
                line = self._lines.get(timeout=PATIENCE_S)
            except queue.Empty:
                raise AssertionError(f"the gateway did not say {event!r}") from None
            if line is None:
                raise AssertionError(f"the gateway ended before it said {event!r}: {self.other_lines}")
            if line["event"] == event and matches(line):
                return line

    def kill(self) -> None:
        """End it at once, as a power cut would, and wait until it is gone."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(PATIENCE_S)

    def terminate(self) -> int:
        """Tell it to end and return its exit code.

        Raises:
            subprocess.TimeoutExpired: It did not.
        """
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE_S)

    def wait(self) -> int:
        """Return its exit code once it ends by itself."""
        code = self._process.wait(PATIENCE_S)
        self._reader.join()
        return code

    def _read(self) -> None:
        stream = self._process.stderr
        if stream is None:
            return
        with stream:
            for line in stream:
                try:
                    self._lines.put(json.loads(line))
                except ValueError:
                    self.other_lines.append(line.decode(errors="replace"))
        self._lines.put(None)
