"""What is said of a message that could not be taken: enough to find its sender, nothing of what it said."""

import hashlib

from gateway.core.units import Instant
from gateway.wire.payloads import DeadLetter

MAX_TOPIC = 256
"""Characters of a topic that are repeated."""


def dead_letter(topic: str, payload: bytes, reason: str, received: Instant) -> DeadLetter:
    """Return the dead letter of a message; it never fails, whatever the topic holds.

    Args:
        topic: As the broker delivered it.
        payload: As the broker delivered it.
        reason: One of `gateway.wire.reasons.Reason`, or of the engine's own refusals.
        received: When it arrived.
    """
    printable = topic[:MAX_TOPIC].encode("utf-8", "replace").decode("utf-8")
    return DeadLetter(
        topic=printable,
        reason=reason,
        sha256=hashlib.sha256(payload).hexdigest(),
        length=len(payload),
        received_ms=received,
    )
