"""Events to JSON and back: nothing lost, nothing guessed."""

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import InvalidInput
from gateway.core.events import (
    BeaconSighted,
    ConsentChanged,
    Event,
    FactsChanged,
    FenceReported,
    ListPrepared,
    Outcome,
    OutcomeReported,
    PositionReported,
    Purpose,
    Role,
    SignalsReported,
    SubjectIdentified,
    SubjectLeft,
    UnitKind,
    UnitLost,
    UnitRegistered,
)
from gateway.core.state import Scope, StateKey
from gateway.core.units import Position
from gateway.wire.event_codec import decode_event, decode_state, encode_event, encode_state

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
INSTANT = st.integers(0, 2**53)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
SCALAR = st.one_of(st.booleans(), st.integers(-(2**40), 2**40), NUMBER, TEXT)
JSON = st.recursive(
    st.none() | SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
STATE = st.dictionaries(st.builds(StateKey, st.sampled_from(Scope), TEXT, TEXT, TEXT), JSON, max_size=3)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)

EVENTS: dict[type, st.SearchStrategy[Event]] = {
    UnitRegistered: st.builds(
        UnitRegistered,
        TEXT,
        INSTANT,
        st.sampled_from(UnitKind),
        TEXTS,
        TEXT,
        st.booleans(),
        st.integers(-50_400, 50_400),
    ),
    UnitLost: st.builds(UnitLost, TEXT, INSTANT),
    PositionReported: st.builds(
        PositionReported,
        TEXT,
        INSTANT,
        st.builds(Position, st.floats(-180, 180), st.floats(-90, 90)),
        st.none() | NUMBER,
        st.none() | NUMBER,
        st.none() | NUMBER,
    ),
    SignalsReported: st.builds(SignalsReported, TEXT, INSTANT, st.dictionaries(TEXT, SCALAR, max_size=4)),
    FenceReported: st.builds(FenceReported, TEXT, INSTANT, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TEXT),
    BeaconSighted: st.builds(BeaconSighted, TEXT, INSTANT, TEXT, st.none() | NUMBER),
    SubjectIdentified: st.builds(SubjectIdentified, TEXT, INSTANT, TEXT, TEXT, st.sampled_from(Role), TEXT, STATE),
    SubjectLeft: st.builds(SubjectLeft, TEXT, INSTANT, TEXT, st.sampled_from(Role)),
    ConsentChanged: st.builds(
        ConsentChanged,
        TEXT,
        INSTANT,
        TEXT,
        TEXT,
        st.sampled_from(Purpose),
        st.booleans(),
        TEXTS,
        st.none() | INSTANT,
    ),
    FactsChanged: st.builds(
        FactsChanged,
        TEXT,
        INSTANT,
        TEXT,
        st.dictionaries(TEXT, st.none() | SCALAR, max_size=4),
        TEXT,
        TEXT,
        st.none() | INSTANT,
        STATE,
    ),
    ListPrepared: st.builds(
        ListPrepared,
        TEXT,
        INSTANT,
        TEXT,
        TEXT,
        st.dictionaries(TEXT, st.floats(0, 1), max_size=4),
        st.none() | INSTANT,
        STATE,
    ),
    OutcomeReported: st.builds(OutcomeReported, TEXT, INSTANT, TEXT, TEXT, st.sampled_from(Outcome), TEXT),
}

FIX = {"type": "PositionReported", "unit": "car-7", "ts": 5, "position": [8.5, 47.0]}


def test_every_event_of_the_core_is_tried() -> None:
    assert set(EVENTS) == set(get_args(Event))


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_an_event_survives_json(kind: type, data: st.DataObject) -> None:
    event = data.draw(EVENTS[kind])
    again = decode_event(json.loads(json.dumps(encode_event(event))))
    assert again == event
    assert repr(again) == repr(event)


def test_an_event_is_written_with_its_type_first_and_every_field() -> None:
    assert json.dumps(encode_event(PositionReported("car-7", 5, Position(8.5, 47.0)))) == (
        '{"type": "PositionReported", "unit": "car-7", "ts": 5, "position": [8.5, 47.0],'
        ' "accuracy_m": null, "speed_mps": null, "heading_deg": null}'
    )


def test_a_missing_field_takes_its_default() -> None:
    assert decode_event(FIX) == PositionReported("car-7", 5, Position(8.5, 47.0))


@pytest.mark.parametrize(
    ("written", "event"),
    [
        (
            {"type": "FactsChanged", "unit": "car-7", "ts": 5, "subject": "p", "facts": {"visits": 3}},
            FactsChanged("car-7", 5, "p", {"visits": 3}),
        ),
        (
            {"type": "FenceReported", "unit": "car-7", "ts": 5, "entered": ["a"], "exited": ["b"]},
            FenceReported("car-7", 5, ("a",), ("b",)),
        ),
    ],
)
def test_an_event_of_an_older_journal_says_what_it_said(written: dict[str, object], event: Event) -> None:
    assert decode_event(written) == event


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (None, "an event is an object"),
        ([], "an event is an object"),
        ({}, "no such type"),
        ({"type": "Event"}, "no such type"),
        ({"type": ["PositionReported"]}, "no such type"),
        ({"type": "UnitLost", "unit": "car-7"}, "UnitLost misses ts"),
        (FIX | {"color": 1}, "unknown field"),
        (FIX | {"ts": True}, r"PositionReported\.ts is wrong"),
        (FIX | {"ts": 5.0}, r"PositionReported\.ts is wrong"),
        (FIX | {"unit": 7}, r"PositionReported\.unit is wrong"),
        (FIX | {"accuracy_m": "3"}, "accuracy_m is wrong"),
        (FIX | {"accuracy_m": float("nan")}, "accuracy_m is wrong"),
        (FIX | {"accuracy_m": 10**400}, "accuracy_m is wrong"),
        (FIX | {"position": [8.5]}, "position is wrong"),
        (FIX | {"position": {"lon": 8.5, "lat": 47}}, "position is wrong"),
        (FIX | {"position": [181, 0]}, "invalid_position"),
        ({"type": "SignalsReported", "unit": "u", "ts": 1, "signals": {"a": None}}, "signals is wrong"),
        ({"type": "SignalsReported", "unit": "u", "ts": 1, "signals": []}, "signals is wrong"),
        ({"type": "FactsChanged", "unit": "u", "ts": 1, "subject": "s", "facts": 1}, "facts is wrong"),
        ({"type": "FenceReported", "unit": "u", "ts": 1, "entered": "f"}, "entered is wrong"),
        ({"type": "SubjectLeft", "unit": "u", "ts": 1, "id": "i", "role": "owner"}, "role is wrong"),
        ({"type": "ConsentChanged", "valid_until": 1.5}, "valid_until is wrong"),
    ],
)
def test_what_is_no_event_is_refused(body: object, detail: str) -> None:
    with pytest.raises(InvalidInput, match=detail):
        decode_event(body)


@given(STATE)
def test_state_survives_json(state: dict[StateKey, object]) -> None:
    assert decode_state(json.loads(json.dumps(encode_state(state)))) == state


@pytest.mark.parametrize(
    "value", [{}, [1], [["unit", "u", "n", ""]], [["unit", "u", "n", 1, 0]], [["planet", "u", "n", "", 0]]]
)
def test_what_is_no_state_is_refused(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        decode_state(value)


@given(st.dictionaries(st.sampled_from(["type", "unit", "ts", "position", "signals", "state", "x"]), JSON))
def test_nothing_but_a_refusal_escapes(body: dict[str, object]) -> None:
    try:
        decode_event({"type": "SubjectIdentified", **body})
    except InvalidInput as error:
        assert error.reason in {"bad_journal", "invalid_position"}  # noqa: PT017 -- most bodies are refused, not all
