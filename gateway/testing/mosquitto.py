"""A real Mosquitto on a loopback port of its own: what tests and benches speak through."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

LOOPBACK = "127.0.0.1"
START_WITHIN_S = 10.0
STOP_WITHIN_S = 10.0
RETRY_S = 0.005

MOSQUITTO_CONFIG = """\
listener {port} {host}
allow_anonymous true
user root
persistence true
persistence_location {directory}/
autosave_on_changes true
autosave_interval 1
max_queued_messages 100000
max_inflight_messages 1000
set_tcp_nodelay true
log_dest file {directory}/mosquitto.log
"""


class Mosquitto:
    """A real broker on a loopback port of its own. It keeps its port, sessions and queues over a restart.

    Args:
        config: What it is configured with, in its own words; `{host}`, `{port}` and `{directory}` are filled in.
    """

    host = LOOPBACK

    def __init__(self, program: str, directory: Path, config: str = MOSQUITTO_CONFIG) -> None:
        self.directory = directory
        self.port = free_port()
        self._program = program
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return once it accepts connections.

        Raises:
            RuntimeError: It ended at once, or did not accept within `START_WITHIN_S`.
        """
        config = self.directory / "mosquitto.conf"
        # Started by root it would become a user that may not write here; otherwise it ignores the setting.
        config.write_text(self._config.format(host=self.host, port=self.port, directory=self.directory))
        command = [self._program, "-c", str(config)]
        self._process = subprocess.Popen(command)  # noqa: S603 -- the broker we were given
        deadline_s = time.monotonic() + START_WITHIN_S
        while not self._accepts():
            if self._ended_within(RETRY_S) or time.monotonic() > deadline_s:
                self.stop()
                raise RuntimeError(f"mosquitto does not accept connections: see {self.directory}/mosquitto.log")

    def stop(self) -> None:
        """End it in an orderly way, its state saved; returns once it is gone. Stopping it twice does no harm."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @property
    def pid(self) -> int:
        """Its process id.

        Raises:
            RuntimeError: It does not run.
        """
        if self._process is None:
            raise RuntimeError("the broker does not run")
        return self._process.pid

    def kill(self) -> None:
        """End it at once, nothing saved that was not; returns once it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Stop it and start it on the same port: every connection breaks, what was saved is there again."""
        self.stop()
        self.start()

    def _accepts(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=START_WITHIN_S).close()
        except ConnectionRefusedError:
            return False
        return True

    def _ended_within(self, seconds: float) -> bool:
        """Wait for its end, which is also the pause between two attempts to connect."""
        if self._process is None:
            return True
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


def find_mosquitto() -> str | None:
    """Return where the broker's program lies, or None: it is often outside the PATH of users."""
    return shutil.which("mosquitto", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"]))


def free_port() -> int:
    """Return a port nobody listens on now; the kernel does not give it out again at once."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
