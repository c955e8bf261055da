"""Journals: what is written is read, and at level moments nothing tells where anybody was."""

import gzip
import io
import json
import zlib
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.campaign import Kind, Placement
from gateway.core.effects import (
    Decision,
    DecisionRecorded,
    Effect,
    EventIgnored,
    EventRefused,
    FixTold,
    MomentNoticed,
    Refusal,
    Stage,
    StateChanged,
    Verdict,
)
from gateway.core.errors import InvariantViolation
from gateway.core.events import (
    BeaconSighted,
    Event,
    FenceReported,
    PositionReported,
    Role,
    SignalsReported,
    SubjectIdentified,
)
from gateway.core.moments import FenceDwelled, FenceEntered, FenceExited, Parked
from gateway.core.state import Scope, StateKey
from gateway.core.units import Position
from gateway.wire.journal import (
    BadJournal,
    JournalWriter,
    create_journal,
    encode_line,
    lines_of,
    read_journal,
    read_lines,
)
from gateway.wire.journal_lines import (
    ActivationLine,
    EventLine,
    HeaderLine,
    Level,
    Line,
    ScoresLine,
    StateLine,
    TimerLine,
    TornLine,
)

NOW = 1_760_000_000_000
FIX = PositionReported("car-7", NOW - 80, Position(-122.419416, 37.774929), 4.0)
SPEED = SignalsReported("car-7", NOW, {"Vehicle.Speed": 43.0})
HEADER = HeaderLine(Level.MOMENTS, "gw-1", "e1", "demo-1")
RAW_HEADER = HeaderLine(Level.RAW, "gw-1", "e1", "demo-1")
KEY = StateKey(Scope.UNIT, "car-7", "drive")
LINES: list[Line] = [
    HEADER,
    StateLine(NOW, {KEY: {"state": "parked", "since": 4}, StateKey(Scope.SUBJECT, "p", "cap", "a/o"): [1, "\u00e4"]}),
    EventLine(NOW, SubjectIdentified("car-7", NOW, "i", "p", Role.DRIVER, "app", {KEY: None})),
    EventLine(NOW, SPEED),
    ScoresLine({"d.car-7.e1.1": {"pastry": 0.31, "tyres": 1.0}}),
    TimerLine(NOW + 1),
    ActivationLine(NOW + 1, "demo-2"),
]


def entered(fence: str, unit: str = "car-7", at: int = NOW) -> Effect:
    return MomentNoticed(FenceEntered(unit, at, fence, "fuel_station"))


def exited(fence: str, reason: str = "left") -> Effect:
    return MomentNoticed(FenceExited("car-7", NOW, fence, "fuel_station", reason))


def decided(
    number: int, propensities: dict[str, float | None], *, stage: Stage = Stage.CONSENT, seats: int = 1
) -> Effect:
    """Return a decision whose candidates without a propensity were refused at `stage`, in so many placements each."""
    verdicts = tuple(
        Verdict(action, Kind.MARKETING, placement, "t", Refusal(stage, "x"), propensity)
        for action, propensity in propensities.items()
        for placement in (Placement.DRIVER_SCREEN, Placement.PASSENGER_SCREEN)[:seats]
    )
    id_ = f"d.car-7.e1.{number}"
    return DecisionRecorded(Decision(id_, "car-7", NOW, "demo-1", "p", ("Parked",), verdicts, None, None, {}))


def told(event: Event | None, effects: Iterable[Effect], level: Level = Level.MOMENTS) -> list[Line]:
    return list(lines_of(level, event, effects, NOW))


def journal(*lines: bytes) -> list[Line]:
    return list(read_lines(io.BytesIO(b"".join(lines))))


def fault(*lines: bytes) -> BadJournal:
    with pytest.raises(BadJournal) as caught:
        journal(*lines)
    return caught.value


@pytest.mark.parametrize("name", ["journal.jsonl", "journal.jsonl.gz"])
@pytest.mark.parametrize("flush_lines", [True, False])
def test_what_is_written_is_read(tmp_path: Path, name: str, *, flush_lines: bool) -> None:
    with create_journal(tmp_path / name, HEADER, flush_lines=flush_lines) as writer:
        for line in LINES[1:]:
            writer.append(line)
    assert list(read_journal(tmp_path / name)) == LINES


def test_a_journal_is_written_as_its_format_says() -> None:
    assert "".join(encode_line(line).decode() for line in LINES) == (
        '{"journal":1,"level":"moments","gateway":"gw-1","epoch":"e1","release":"demo-1"}\n'
        '{"now_ms":1760000000000,"state":[["unit","car-7","drive","",{"state":"parked","since":4}],'
        '["subject","p","cap","a/o",[1,"\u00e4"]]]}\n'
        '{"now_ms":1760000000000,"event":{"type":"SubjectIdentified","unit":"car-7","ts":1760000000000,"id":"i",'
        '"subject":"p","role":"driver","method":"app","state":[["unit","car-7","drive","",null]]}}\n'
        '{"now_ms":1760000000000,"event":{"type":"SignalsReported","unit":"car-7","ts":1760000000000,'
        '"signals":{"Vehicle.Speed":43.0}}}\n'
        '{"scores":{"d.car-7.e1.1":{"pastry":0.31,"tyres":1.0}}}\n'
        '{"now_ms":1760000000001,"event":null}\n'
        '{"now_ms":1760000000001,"activate":"demo-2"}\n'
    )


def test_the_same_lines_give_the_same_compressed_bytes(tmp_path: Path) -> None:
    written = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        create_journal(tmp_path / folder / "j.gz", HEADER).close()
        written.append((tmp_path / folder / "j.gz").read_bytes())
    assert written[0] == written[1]


def test_no_journal_is_overwritten(tmp_path: Path) -> None:
    create_journal(tmp_path / "j.jsonl", HEADER).close()
    with pytest.raises(FileExistsError):
        create_journal(tmp_path / "j.jsonl", HEADER)


def test_a_flushed_line_is_in_the_file_before_the_next(tmp_path: Path) -> None:
    with create_journal(tmp_path / "j.jsonl.gz", HEADER, flush_lines=True) as writer:
        writer.append(TimerLine(NOW))
        assert list(read_journal(tmp_path / "j.jsonl.gz")) == [HEADER, TimerLine(NOW), TornLine(3)]


TOLD = FenceReported("car-7", FIX.ts, ("a", "c"), ("b",), passed_by=("b",), approached=("d",), receded=("e",))


def test_a_fix_becomes_what_it_amounts_to_in_one_event() -> None:
    assert told(FIX, [FixTold(TOLD), exited("b"), entered("a"), entered("c")]) == [EventLine(NOW, TOLD)]


def test_a_fix_that_is_a_sign_of_life_is_told_as_one() -> None:
    alive = FenceReported("car-7", FIX.ts)
    assert told(FIX, [FixTold(alive)]) == [EventLine(NOW, alive)]


def test_a_fix_that_caused_no_crossing_is_left_out() -> None:
    assert told(FIX, []) == []
    assert told(FIX, [EventIgnored("car-7", NOW, "late_fix")]) == []
    assert told(FIX, [EventRefused("car-7", NOW, "unknown_unit")]) == []


def test_timers_that_fell_due_with_a_fix_leave_their_wake_up_behind() -> None:
    dwelled = MomentNoticed(FenceDwelled("car-7", NOW - 5, "a", "fuel_station"))
    assert told(FIX, [dwelled, decided(1, {"pastry": 0.3})]) == [
        TimerLine(NOW),
        ScoresLine({"d.car-7.e1.1": {"pastry": 0.3}}),
    ]
    assert told(FIX, [StateChanged(KEY, None)]) == [TimerLine(NOW)]


def test_what_timers_brought_about_beside_a_fix_is_not_told_again() -> None:
    effects = [
        MomentNoticed(FenceDwelled("car-7", NOW - 5, "z", "fuel_station")),
        exited("shut", reason="closed"),
        entered("elsewhere", unit="car-8"),
        MomentNoticed(Parked("car-7", NOW, ("z",), ("fuel_station",))),
        FixTold(TOLD),
        entered("a"),
    ]
    assert told(FIX, effects) == [EventLine(NOW, TOLD)]


@pytest.mark.parametrize("event", [SPEED, BeaconSighted("car-7", NOW, "b", 1.0), FenceReported("car-7", NOW, ("a",))])
def test_an_event_without_coordinates_is_told_as_it_was(event: Event) -> None:
    assert told(event, [entered("a")]) == [EventLine(NOW, event)]


def test_at_level_raw_a_fix_is_told_as_it_was() -> None:
    assert told(FIX, [entered("a")], Level.RAW) == [EventLine(NOW, FIX)]


def test_a_wake_up_is_told_even_if_nothing_came_of_it() -> None:
    assert told(None, []) == [TimerLine(NOW)]


def test_scores_hold_every_decision_with_a_propensity_and_no_other() -> None:
    effects = [decided(1, {"a": 0.25, "b": None}), decided(2, {"c": None}), decided(3, {"d": 0.0})]
    assert told(SPEED, effects)[1:] == [ScoresLine({"d.car-7.e1.1": {"a": 0.25}, "d.car-7.e1.3": {"d": 0.0}})]
    assert told(SPEED, [decided(1, {"a": None})]) == [EventLine(NOW, SPEED)]


def test_scores_say_why_a_model_gave_none() -> None:
    effects = [decided(1, {"a": 0.25, "b": None}, stage=Stage.SCORE)]
    assert told(SPEED, effects)[1:] == [ScoresLine({"d.car-7.e1.1": {"a": 0.25, "b": "x"}})]
    assert journal(ENCODED[0], *map(encode_line, told(SPEED, effects)))[1:] == told(SPEED, effects)


def test_scores_of_an_action_in_several_placements_are_told_apart() -> None:
    (line,) = told(SPEED, [decided(1, {"a": 0.25}, seats=2)])[1:]
    assert line == ScoresLine({"d.car-7.e1.1": {"a/driver_screen": 0.25, "a/passenger_screen": 0.25}})


@pytest.mark.parametrize("event", [FIX, SignalsReported("car-7", NOW, {"Vehicle.CurrentLocation.Latitude": 1.0})])
def test_no_coordinate_goes_into_a_journal_of_moments(event: Event) -> None:
    stream = io.BytesIO()
    writer = JournalWriter(stream, HEADER)
    before = stream.getvalue()
    with pytest.raises(InvariantViolation):
        writer.append(EventLine(NOW, event))
    assert stream.getvalue() == before


@given(
    st.lists(
        st.tuples(
            st.builds(Position, st.floats(10.001, 10.999), st.floats(50.001, 50.999)),
            st.sampled_from([(), (entered("a"),), (exited("a"), entered("b"))]),
        ),
        max_size=8,
    )
)
def test_no_digit_of_a_position_is_left_in_a_journal_of_moments(
    fixes: list[tuple[Position, tuple[Effect, ...]]],
) -> None:
    stream = io.BytesIO()
    writer = JournalWriter(stream, HEADER)
    for position, effects in fixes:
        writer.record(PositionReported("car-7", NOW, position), effects, NOW)
    text = stream.getvalue().decode()
    assert "position" not in text
    assert not any(repr(part) in text for position, _ in fixes for part in (position.lon, position.lat))


def test_record_writes_at_the_level_of_the_header() -> None:
    stream = io.BytesIO()
    JournalWriter(stream, RAW_HEADER).record(FIX, [entered("a")], NOW)
    assert list(read_lines(io.BytesIO(stream.getvalue()))) == [RAW_HEADER, EventLine(NOW, FIX)]


def test_a_torn_line_is_read_and_never_written() -> None:
    with pytest.raises(InvariantViolation):
        encode_line(TornLine(3))


ENCODED = [encode_line(line) for line in LINES]


@given(cut=st.integers(len(ENCODED[0]), sum(map(len, ENCODED))))
def test_a_journal_cut_anywhere_after_its_header_gives_every_whole_line(cut: int) -> None:
    data = b"".join(ENCODED)[:cut]
    lines = journal(data)
    whole = data.count(b"\n")
    torn = [TornLine(whole + 1)] if not data.endswith(b"\n") else []
    # A line that misses its newline only is whole.
    assert lines in ([*LINES[:whole], *torn], LINES[: whole + 1])


@pytest.mark.parametrize("tail", [b"\0" * 64, b"\xff", b'{"now_ms":17', b'{"now_ms":1760000000000,"event":nul'])
def test_a_last_line_that_the_power_cut_is_tolerated_and_reported(tail: bytes) -> None:
    assert journal(*ENCODED, tail) == [*LINES, TornLine(len(LINES) + 1)]


def test_a_compressed_journal_that_was_not_closed_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "j.gz"
    whole = gzip.compress(b"".join(ENCODED))
    for cut in range(30, len(whole), 7):
        path.write_bytes(whole[:cut])
        try:
            lines = list(read_journal(path))
        except BadJournal as error:
            assert error.line == 1  # noqa: PT017 -- not even the header came through
            continue
        assert lines[:-1] == LINES[: len(lines) - 1]
        assert lines[-1] == TornLine(len(lines))


def test_damaged_compression_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "j.gz"
    path.write_bytes(b"no gzip at all")
    with pytest.raises(BadJournal, match="line 1: the compression is damaged"):
        list(read_journal(path))
    compressor = zlib.compressobj(wbits=31)
    sound = compressor.compress(b"".join(ENCODED)) + compressor.flush(zlib.Z_SYNC_FLUSH)
    path.write_bytes(sound + b"\xff" * 16)
    with pytest.raises(BadJournal, match="the compression is damaged"):
        list(read_journal(path))


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        (b"\n", "no JSON"),
        (b"{\n", "no JSON"),
        (b"\xff\n", "no JSON"),
        (b'{"now_ms":1760000000009,"event":NaN}\n', "no JSON"),
        (b"[" * 5000 + b"\n", "no JSON"),
        (b"[]\n", "expected an object"),
        (b"{}\n", "now_ms is missing"),
        (b'{"now_ms":true,"event":null}\n', "now_ms is missing"),
        (b'{"now_ms":1760000000009}\n', "neither state, event nor activate"),
        (b'{"now_ms":1760000000009,"activate":1}\n', "neither state, event nor activate"),
        (b'{"now_ms":1760000000009,"event":{"type":"Eclipse"}}\n', "no such type of event"),
        (b'{"now_ms":1759999999999,"event":null}\n', "now_ms decreases"),
        (b'{"now_ms":1760000000009,"state":[]}\n', "state stands in the second line only"),
        (b'{"now_ms":1760000000009,"state":[[]]}\n', "an entry of state is wrong"),
        (b'{"now_ms":1760000000009,"state":[[1,2,3,4,5]]}\n', "an entry of state is wrong"),
        (b'{"scores":[]}\n', "scores are an object"),
        (b'{"scores":{"d":1}}\n', "the scores of a decision are an object"),
        (b'{"scores":{"d":{"a":1.5}}}\n', "a propensity lies in 0..1"),
        (b'{"scores":{"d":{"a":true}}}\n', "a propensity lies in 0..1"),
        (ENCODED[0], "the header stands first, and once"),
    ],
)
def test_a_line_that_is_not_as_the_format_says_is_an_error_with_its_number(line: bytes, detail: str) -> None:
    error = fault(*ENCODED, line, ENCODED[-1])
    assert error.line == len(LINES) + 1
    assert detail in error.detail


@pytest.mark.parametrize(
    "header",
    [
        b"",
        ENCODED[0][:20],
        ENCODED[3],
        b'{"journal":2,"level":"moments","gateway":"g","epoch":"e","release":"r"}\n',
        b'{"journal":true,"level":"moments","gateway":"g","epoch":"e","release":"r"}\n',
        b'{"journal":1,"level":"whispers","gateway":"g","epoch":"e","release":"r"}\n',
        b'{"journal":1,"level":["raw"],"gateway":"g","epoch":"e","release":"r"}\n',
        b'{"journal":1,"level":"raw","gateway":"g","epoch":"e"}\n',
    ],
)
def test_without_its_header_a_journal_says_nothing(header: bytes) -> None:
    assert fault(header).line == 1


def test_lines_before_a_fault_are_given_before_it_is_raised() -> None:
    lines = read_lines(io.BytesIO(ENCODED[0] + b"{}\n"))
    assert next(lines) == HEADER
    with pytest.raises(BadJournal):
        next(lines)


class EndlessSource:
    """Gives bytes without ever a newline, as many as it is asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def readline(self, size: int, /) -> bytes:
        self.asked = size
        return b" " * size


def test_a_line_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.wire.journal.MAX_LINE_BYTES", 1000)
    source = EndlessSource()
    with pytest.raises(BadJournal, match="longer than 1000 bytes"):
        list(read_lines(source))
    assert source.asked == 1001


def test_a_number_that_json_has_not_is_never_written() -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        encode_line(ScoresLine({"d": {"a": float("nan")}}))


def test_every_line_is_json_on_its_own() -> None:
    assert all(isinstance(json.loads(line), dict) for line in ENCODED)


@pytest.mark.parametrize("name", ["j.jsonl", "j.jsonl.gz"])
def test_only_its_owner_may_read_a_journal(tmp_path: Path, name: str) -> None:
    create_journal(tmp_path / name, HeaderLine(Level.RAW, "g", "e", "r")).close()
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
