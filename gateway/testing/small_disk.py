"""A disk of a few MiB that can be filled to its last byte: a tmpfs, so only where mounting is permitted."""

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class NotPermittedError(RuntimeError):
    """This process may not mount anything."""


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A folder with a disk of its own.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def _ballast(self) -> Path:
        return self.path / "ballast"

    def fill(self, leaving: int = 0) -> None:
        """Take all the room there is, and give back `leaving` bytes of it."""
        descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            for size in (64 * 1024, 4096, 1):
                with contextlib.suppress(_Full), _full_as_such():
                    while os.write(descriptor, b"x" * size):
                        pass
            if leaving:
                os.ftruncate(descriptor, max(0, os.fstat(descriptor).st_size - leaving))
        finally:
            os.close(descriptor)

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Let nothing be written for as long as the block lasts. No file may be open for writing."""
        _run("mount", "-o", "remount,ro", str(self.path))
        try:
            yield
        finally:
            _run("mount", "-o", "remount,rw", str(self.path))


class _Full(Exception):
    """There is no room."""


@contextmanager
def _full_as_such() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise _Full from error


@contextmanager
def a_small_disk(folder: Path, mib: int) -> Iterator[SmallDisk]:
    """Yield a disk of `mib` MiB mounted at a folder, which is made.

    Raises:
        NotPermittedError: It cannot be mounted.
    """
    folder.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder))
    try:
        yield SmallDisk(folder)
    finally:
        _run("umount", "-l", str(folder))


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 -- commands of ours
    except FileNotFoundError as error:
        raise NotPermittedError(f"{command[0]} is not on the machine") from error
    if done.returncode:
        raise NotPermittedError(done.stderr.decode(errors="replace").strip())
