"""Why a message is refused: a closed enumeration, safe as a metric label."""

from enum import StrEnum


class Reason(StrEnum):
    """The reasons of `InvalidInput` that the border gives; the last is raised by the core's `Position` itself."""

    BAD_TOPIC = "bad_topic"
    """Not one of ours, or one that only the gateway writes to."""
    TOO_LARGE = "too_large"
    """More bytes than `gateway.wire.read.MAX_BYTES`; nothing of it was looked at."""
    BAD_UTF8 = "bad_utf8"
    BAD_JSON = "bad_json"
    """Not JSON by RFC 8259 (NaN and Infinity are not), nested too deep, or a number of more than 4,300 digits."""
    BAD_PAYLOAD = "bad_payload"
    """A field is missing or of the wrong type, or fields contradict each other."""
    BAD_VALUE = "bad_value"
    """A field or signal of the right type with a value outside its range, pattern or enumeration, or a signal of the
    wrong type."""
    INVALID_POSITION = "invalid_position"
    RETAINED = "retained"
    """The broker kept it from an earlier time, and it may no longer be true."""
    BAD_JOURNAL = "bad_journal"
    """A line of a journal that is not what its format says."""
