from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.core.events import (
    FenceReported,
    PositionReported,
    Role,
    SignalsReported,
    SubjectIdentified,
    UnitLost,
    UnitRegistered,
)
from gateway.core.state import Scope, StateKey
from gateway.core.units import Position
from gateway.edge.replay.show import show, show_json
from gateway.testing.engines import a_car
from gateway.testing.samples import T0
from gateway.wire.journal import BadJournal, encode_line
from gateway.wire.journal_lines import (
    ActivationLine,
    EventLine,
    HeaderLine,
    Level,
    Line,
    ScoresLine,
    StateLine,
    TimerLine,
)

KEY = StateKey(Scope.SUBJECT, "s.anna", "fact", "visits")
REGISTERED: UnitRegistered = a_car()
AT = "2023-11-14T22:13:20Z"
TOLD: list[tuple[Line, str]] = [
    (HeaderLine(Level.RAW, "gw-1", "e1", "r1"), "journal of level raw by gw-1, epoch e1, release r1"),
    (StateLine(T0, {KEY: 3}), f"{AT}  begins with 1 entries of state"),
    (
        EventLine(T0, REGISTERED),
        (
            f"{AT}  car-1  UnitRegistered  kind=car placements=driver_screen,passenger_screen,voice,phone language=en "
            "contextual_offers=false utc_offset_s=0 time_is_sure=true"
        ),
    ),
    (
        EventLine(T0, PositionReported("car-1", T0 - 1500, Position(-122.3, 47.6), 5.0)),
        f"{AT}  car-1  PositionReported (1.5 s old)  47.600000 -122.300000 accuracy_m=5",
    ),
    (
        EventLine(T0, SignalsReported("car-1", T0, {"Vehicle.Speed": 12.5, "Vehicle.IsMoving": True})),
        f"{AT}  car-1  SignalsReported  Vehicle.Speed=12.5 Vehicle.IsMoving=true",
    ),
    (
        EventLine(T0, FenceReported("car-2", T0, ("a", "b"))),
        f"{AT}  car-2  FenceReported  entered=a,b",
    ),
    (
        EventLine(T0, SubjectIdentified("car-2", T0, "i1", "s.anna", Role.DRIVER, state={KEY: 3})),
        f"{AT}  car-2  SubjectIdentified  id=i1 subject=s.anna role=driver method=app state=1 entries",
    ),
    (
        ScoresLine({"d.1": {"pastry": 0.25}, "d.2": {"tea": "timeout"}}),
        "  scores of d.1: pastry=0.25; d.2: tea=timeout",
    ),
    (EventLine(T0, UnitLost("car-1", T0)), f"{AT}  car-1  UnitLost"),
    (TimerLine(T0), f"{AT}  woken for timers"),
    (ActivationLine(T0 + 1, "r2"), "2023-11-14T22:13:20.001Z  activates r2"),
]


def written(folder: Path, lines: Sequence[Line], torn: bytes = b"") -> Path:
    path = folder / "journal.jsonl"
    path.write_bytes(b"".join(encode_line(line) for line in lines) + torn)
    return path


def test_every_line_is_told_in_one(tmp_path: Path) -> None:
    journal = written(tmp_path, [line for line, _ in TOLD], b'{"now_')
    torn = f"torn in line {len(TOLD) + 1}: nothing is known of what followed"
    assert list(show(journal)) == [*(text for _, text in TOLD), torn]


def test_one_units_events_come_with_their_scores_and_what_concerns_all(tmp_path: Path) -> None:
    journal = written(tmp_path, [line for line, _ in TOLD])
    assert list(show(journal, unit="car-1")) == [
        text for number, (_, text) in enumerate(TOLD) if number not in {5, 6, 7}
    ]


def test_scripts_get_the_lines_themselves(tmp_path: Path) -> None:
    lines = [line for line, _ in TOLD]
    journal = written(tmp_path, lines, b'{"now_')
    assert [f"{line}\n".encode() for line in show_json(journal)] == [encode_line(line) for line in lines]


def test_what_is_no_journal_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadJournal):
        list(show(written(tmp_path, [], b"spoiled\n")))
