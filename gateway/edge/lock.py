"""A gateway's folder belongs to one process: two on one ledger would each think it theirs."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.core.errors import StoreError


@contextmanager
def sole_user_of(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, which ends with the process however that ends.

    Raises:
        StoreError: Another process holds it, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be used: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(f"{folder}: another gateway is running on it") from error
        yield
    finally:
        os.close(descriptor)
