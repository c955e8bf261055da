"""JSON by the letter, and what a payload that is wrong is told: names of fields, never a value that was sent."""

import math
from collections.abc import Iterator
from typing import TypeGuard

from pydantic import ValidationError
from pydantic_core import from_json

from gateway.core.errors import InvalidInput
from gateway.wire.reasons import Reason

_KEYED_BY_SENDER = frozenset({"facts", "prepared"})
"""Fields whose own keys are as free as a value, and are repeated as little."""


def parse_strictly(payload: bytes) -> object:
    """Return what the JSON says, by RFC 8259: NaN and Infinity are none.

    Raises:
        InvalidInput: `bad_utf8` or `bad_json`.
    """
    try:
        parsed: object = from_json(payload, allow_inf_nan=False)
    except ValueError as error:
        raise not_json(payload) from error
    return parsed


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value of a parsed payload is a finite number; true and false are none."""
    return type(value) is int or (type(value) is float and math.isfinite(value))


def refusal(payload: bytes, error: ValidationError) -> InvalidInput:
    """Return how a payload is refused that a model did not take."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    kind = first["type"]
    if kind == "json_invalid":
        return not_json(payload)
    if kind == "value_error":
        return InvalidInput(Reason.BAD_PAYLOAD, first["msg"])
    place = ".".join(_named(first["loc"])) or "payload"
    wrong_shape = kind == "missing" or kind.endswith("_type")
    return InvalidInput(Reason.BAD_PAYLOAD if wrong_shape else Reason.BAD_VALUE, f"{place}: {kind}")


def _named(place: tuple[int | str, ...]) -> Iterator[str]:
    """Yield the names of ours on the way to what is wrong: not the keys that a sender chose."""
    for step in place:
        yield str(step)
        if step in _KEYED_BY_SENDER:
            return


def not_json(payload: bytes) -> InvalidInput:
    """Return how a payload is refused that no parser took."""
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        return InvalidInput(Reason.BAD_UTF8)
    return InvalidInput(Reason.BAD_JSON)
