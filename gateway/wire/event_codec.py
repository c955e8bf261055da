"""Events of the core as JSON, and back without loss: `{"type": "PositionReported", ...its fields}`.

Every field is written, also one that holds its default: a default that changes later must not change what an old
journal says. A field that is missing takes its default; an unknown field or type is refused, since to overlook a part
of what happened is not to replay it. A position is `[lon, lat]`, an entry of state `[scope, owner, name, item, value]`.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar, get_args, get_type_hints

from gateway.core.errors import InvalidInput
from gateway.core.events import Event, Outcome, Purpose, Role, Scalar, UnitKind
from gateway.core.state import Scope, StateKey
from gateway.core.units import Position
from gateway.wire.reasons import Reason


def encode_event(event: Event) -> dict[str, object]:
    """Return the event as JSON values, its type first."""
    fields = _FIELDS[type(event).__name__]
    return {
        "type": type(event).__name__,
        **{field.name: field.encode(getattr(event, field.name)) for field in fields.values()},
    }


def decode_event(body: object) -> Event:
    """Return the event that `encode_event` wrote.

    Raises:
        InvalidInput: `bad_journal`: the type or a field is not known, missing or wrong; `invalid_position`.
    """
    if not isinstance(body, dict):
        raise _fault("an event is an object")
    type_name = body.get("type")
    fields = _FIELDS.get(type_name) if isinstance(type_name, str) else None
    if fields is None:
        raise _fault("no such type of event")
    values: dict[str, Any] = {}
    for name, value in body.items():
        if name == "type":
            continue
        field = fields.get(name)
        if field is None:
            raise _fault(f"{type_name} has an unknown field")
        try:
            values[name] = field.decode(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise _fault(f"{type_name}.{name} is wrong") from error
    missing = [field.name for field in fields.values() if field.required and field.name not in values]
    if missing:
        raise _fault(f"{type_name} misses {', '.join(missing)}")
    event: Event = _EVENTS[str(type_name)](**values)
    return event


def encode_state(state: Mapping[StateKey, object]) -> list[list[object]]:
    """Return entries of state as JSON values, in their order."""
    return [[key.scope.value, key.owner, key.name, key.item, value] for key, value in state.items()]


def decode_state(value: object) -> dict[StateKey, object]:
    """Return the entries that `encode_state` wrote.

    Raises:
        ValueError: It is not a list of entries.
    """
    if not isinstance(value, list):
        raise ValueError("expected a list")  # noqa: TRY004 -- one error for all that is not as written
    entries: dict[StateKey, object] = {}
    for entry in value:
        if not isinstance(entry, list) or len(entry) != 5:
            raise ValueError("expected [scope, owner, name, item, value]")
        scope, owner, name, item = (_text(part) for part in entry[:4])
        entries[StateKey(Scope(scope), owner, name, item)] = entry[4]
    return entries


def _fault(detail: str) -> InvalidInput:
    return InvalidInput(Reason.BAD_JOURNAL, detail)


_KindT = TypeVar("_KindT", bool, int, str)


def _exactly(kind: type[_KindT]) -> Callable[[object], _KindT]:
    """Return a decoder of that very type: `true` is no number."""

    def decode(value: object) -> _KindT:
        if type(value) is not kind:
            raise TypeError(f"expected {kind.__name__}")
        return value

    return decode


_text = _exactly(str)
_whole = _exactly(int)


def _optional_whole(value: object) -> int | None:
    return None if value is None else _whole(value)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError("expected a number")
    return float(value)


def _optional_number(value: object) -> float | None:
    return None if value is None else _number(value)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("expected a list")
    return tuple(_text(part) for part in value)


def _position(value: object) -> Position:
    if not isinstance(value, list) or len(value) != 2:
        raise TypeError("expected [lon, lat]")
    return Position(_number(value[0]), _number(value[1]))


def _scalar(value: object) -> Scalar:
    if not isinstance(value, bool | int | float | str) or (isinstance(value, float) and not math.isfinite(value)):
        raise TypeError("expected a boolean, number or text")
    return value


def _scalars(value: object) -> dict[str, Scalar]:
    if not isinstance(value, dict):
        raise TypeError("expected an object")
    return {name: _scalar(part) for name, part in value.items()}


def _numbers(value: object) -> dict[str, float]:
    if not isinstance(value, dict):
        raise TypeError("expected an object")
    return {name: _number(part) for name, part in value.items()}


def _optional_scalars(value: object) -> dict[str, Scalar | None]:
    if not isinstance(value, dict):
        raise TypeError("expected an object")
    return {name: None if part is None else _scalar(part) for name, part in value.items()}


def _member(kind: type[StrEnum]) -> Callable[[object], StrEnum]:
    return lambda value: kind(_text(value))


def _as_it_is(value: object) -> object:
    return value


def _value_of(member: StrEnum) -> str:
    return member.value


class _Codec(NamedTuple):
    encode: Callable[[Any], object]
    decode: Callable[[object], object]


# By the annotation of a field. An event with another one cannot be journaled, which shows when this is imported.
_CODECS: dict[object, _Codec] = {
    str: _Codec(_as_it_is, _text),
    int: _Codec(_as_it_is, _whole),
    bool: _Codec(_as_it_is, _exactly(bool)),
    int | None: _Codec(_as_it_is, _optional_whole),
    float | None: _Codec(_as_it_is, _optional_number),
    tuple[str, ...]: _Codec(list, _texts),
    Position: _Codec(lambda position: [position.lon, position.lat], _position),
    Mapping[str, Scalar]: _Codec(dict, _scalars),
    Mapping[str, Scalar | None]: _Codec(dict, _optional_scalars),
    Mapping[str, float]: _Codec(dict, _numbers),
    Mapping[StateKey, object]: _Codec(encode_state, decode_state),
    **{kind: _Codec(_value_of, _member(kind)) for kind in (Role, Purpose, Outcome, UnitKind)},
}


class _Field(NamedTuple):
    name: str
    required: bool
    encode: Callable[[Any], object]
    decode: Callable[[object], object]


def _fields_of(kind: type) -> dict[str, _Field]:
    annotations = get_type_hints(kind)
    return {
        field.name: _Field(
            field.name,
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
            *_CODECS[annotations[field.name]],
        )
        for field in dataclasses.fields(kind)
    }


_EVENTS: dict[str, Callable[..., Event]] = {kind.__name__: kind for kind in get_args(Event)}
_FIELDS: dict[str, dict[str, _Field]] = {kind.__name__: _fields_of(kind) for kind in get_args(Event)}
