"""`requests.jsonl` beside the ledger: what was asked for people and why, one line each, without saying for whom.

It is what stays of an erasure. Whoever's data were read or erased is not in it: it could not be kept otherwise.
"""

import errno
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from gateway.core.errors import StoreError
from gateway.core.units import SECOND_MS, Instant

NAME = "requests.jsonl"


def note(folder: Path, what: str, purpose: str, counts: Mapping[str, int], at: Instant) -> dict[str, object]:
    """Write down that something was asked for a person, and return the line; it is on the disk then.

    Args:
        folder: The gateway's data.
        what: export, receipts or erase.
        purpose: Why, in the operator's words.
        counts: How much there was, by kind.
        at: When.

    Raises:
        StoreError: It cannot be written. Then nothing is handed over.
    """
    when = f"{datetime.fromtimestamp(at / SECOND_MS, tz=UTC):%Y-%m-%dT%H:%M:%SZ}"
    line: dict[str, object] = {"at": when, "what": what, "purpose": purpose, "found": dict(counts)}
    try:
        descriptor = os.open(folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            _append(descriptor, f"{json.dumps(line, ensure_ascii=False)}\n".encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StoreError(f"{folder / NAME}: cannot be written: {error.strerror}") from error
    return line


def _append(descriptor: int, line: bytes) -> None:
    """Write a line to the end of a file, whole or not at all: a full disk takes a part and says nothing."""
    before = os.fstat(descriptor).st_size
    if os.write(descriptor, line) < len(line):
        os.ftruncate(descriptor, before)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(descriptor)
