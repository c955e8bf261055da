from pathlib import Path

import pytest

from gateway.core.drive import GEAR
from gateway.core.events import Event, PositionReported, SignalsReported, UnitKind, UnitRegistered
from gateway.core.units import Instant, Position
from gateway.edge.replay.convert import DRIVERS_SEAT, FARES_SEAT, ConversionReport, car, convert
from gateway.edge.replay.parking import GEAR_DRIVE, GEAR_PARK, ParkingRule
from gateway.edge.replay.trace import ColumnMap, Order, TraceFormat
from gateway.wire.journal import read_journal
from gateway.wire.journal_lines import EventLine, HeaderLine, Level

NOON = 1_211_025_600
CAB = TraceFormat(ColumnMap.parse("lat=0,lon=1,seat=2,unix_s=3"), "space")


def cab(*rows: tuple[int, int], lat: float = 37.75) -> str:
    """Return rows of seconds after noon and whether the seat is taken."""
    return "".join(f"{lat} -122.39 {seat} {NOON + second}\n" for second, seat in rows)


def converted(
    folder: Path, *texts: str, trace: TraceFormat = CAB, park: ParkingRule | None = None
) -> tuple[list[tuple[Instant, Event]], ConversionReport]:
    """Return the events of the journal that these sources become, and the report."""
    sources = [folder / f"part{number}.txt" for number in range(len(texts))]
    for source, text in zip(sources, texts, strict=True):
        source.write_text(text)
    out = folder / "cab.jsonl.gz"
    report = convert(sources, out, trace, unit=car("cab-1", utc_offset_s=-25_200), park=park)
    lines = list(read_journal(out))
    assert lines[0] == HeaderLine(Level.RAW, "convert", "convert", "none")
    return [(line.now, line.event) for line in lines[1:] if isinstance(line, EventLine)], report


def at(second: int) -> Instant:
    return (NOON + second) * 1000


def test_the_unit_is_registered_first_at_the_first_rows_time(tmp_path: Path) -> None:
    events, _ = converted(tmp_path, cab((0, 0), (5, 0)))
    registered = UnitRegistered("cab-1", at(0), UnitKind.CAR, ("driver_screen",), utc_offset_s=-25_200)
    assert events[0] == (at(0), registered)


def test_a_row_becomes_a_position_then_what_changed(tmp_path: Path) -> None:
    events, report = converted(tmp_path, cab((0, 0), (5, 0), (10, 1)))
    assert events[1:] == [
        (at(0), PositionReported("cab-1", at(0), Position(-122.39, 37.75))),
        (at(0), SignalsReported("cab-1", at(0), {DRIVERS_SEAT: "OCCUPIED", FARES_SEAT: "EMPTY"})),
        (at(5), PositionReported("cab-1", at(5), Position(-122.39, 37.75))),
        (at(10), PositionReported("cab-1", at(10), Position(-122.39, 37.75))),
        (at(10), SignalsReported("cab-1", at(10), {FARES_SEAT: "OCCUPIED"})),
    ]
    assert (report.fixes, report.events, report.seat_changes) == (3, 6, 2)
    assert (report.first, report.last) == (at(0), at(10))


def test_measurements_of_a_fix_come_along(tmp_path: Path) -> None:
    trace = TraceFormat(ColumnMap.parse("lat=0,lon=1,unix_s=2,accuracy_m=3,speed_mps=4,heading_deg=5"))
    events, _ = converted(tmp_path, f"37.75,-122.39,{NOON},5,3,90\n", trace=trace)
    assert events[1:] == [(at(0), PositionReported("cab-1", at(0), Position(-122.39, 37.75), 5.0, 3.0, 90.0))]


def test_parking_is_said_with_the_fix_that_shows_it(tmp_path: Path) -> None:
    drive_on = cab((180, 0), lat=37.76)
    events, report = converted(tmp_path, cab((0, 0), (60, 0), (120, 1)) + drive_on, park=ParkingRule())
    signals = [(now, event.signals) for now, event in events if isinstance(event, SignalsReported)]
    assert signals[1:] == [
        (at(120), {FARES_SEAT: "OCCUPIED", GEAR: GEAR_PARK}),
        (at(180), {FARES_SEAT: "EMPTY", GEAR: GEAR_DRIVE}),
    ]
    assert report.parked == 1


def test_no_rule_says_nothing_of_gears(tmp_path: Path) -> None:
    events, report = converted(tmp_path, cab((0, 0), (60, 0), (120, 0)))
    assert not any(GEAR in event.signals for _, event in events if isinstance(event, SignalsReported))
    assert report.parked == 0


def test_a_row_out_of_order_is_heard_late_and_says_only_where(tmp_path: Path) -> None:
    events, report = converted(tmp_path, cab((0, 0), (60, 0), (30, 1), (60, 1), (90, 0)), park=ParkingRule())
    assert [(now, event.ts) for now, event in events if isinstance(event, PositionReported)] == [
        (at(0), at(0)),
        (at(60), at(60)),
        (at(60), at(30)),
        (at(60), at(60)),
        (at(90), at(90)),
    ]
    assert report.seat_changes == 1
    assert report.disordered == 2


def test_sorted_rows_are_in_order_across_all_sources(tmp_path: Path) -> None:
    trace = TraceFormat(CAB.columns, "space", sort=True)
    events, report = converted(tmp_path, cab((60, 0), (0, 0), (120, 0)), cab((30, 1), (90, 1)), trace=trace)
    assert [e.ts for _, e in events if isinstance(e, PositionReported)] == [at(s) for s in (0, 30, 60, 90, 120)]
    assert report.disordered == 0


def test_sources_follow_each_other_as_they_are_given(tmp_path: Path) -> None:
    events, report = converted(tmp_path, cab((60, 0), (0, 0)), cab((180, 0), (120, 0)))
    assert [e.ts for _, e in events if isinstance(e, PositionReported)] == [at(s) for s in (0, 60, 120, 180)]
    assert [source.turned_round for source in report.sources] == [True, True]
    assert report.disordered == 0


def test_a_trace_written_newest_first_becomes_the_same_journal(tmp_path: Path) -> None:
    rows = [(second, second // 300 % 2) for second in range(0, 3600, 30)]
    paths = []
    for name, text in (("old", cab(*rows)), ("new", cab(*rows[::-1]))):
        (tmp_path / name).write_text(text)
        paths.append(tmp_path / f"{name}.jsonl")
        convert([tmp_path / name], paths[-1], CAB, unit=car("cab-1"), park=ParkingRule())
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_an_order_that_is_wrong_is_taken_at_its_word(tmp_path: Path) -> None:
    trace = TraceFormat(CAB.columns, "space", order=Order.NEWEST_FIRST)
    _, report = converted(tmp_path, cab((0, 0), (60, 0), (120, 0)), trace=trace)
    assert report.disordered == 2


def test_a_source_without_a_good_row_becomes_an_empty_journal(tmp_path: Path) -> None:
    events, report = converted(tmp_path, "spoiled\n")
    assert events == []
    assert (report.rows, report.fixes, report.first, report.last) == (1, 0, None, None)


def test_no_journal_is_overwritten(tmp_path: Path) -> None:
    converted(tmp_path, cab((0, 0)))
    with pytest.raises(FileExistsError):
        converted(tmp_path, cab((0, 0)))


def test_nothing_is_written_if_a_source_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "there").write_text(cab((0, 0)))
    with pytest.raises(FileNotFoundError):
        convert([tmp_path / "there", tmp_path / "not"], tmp_path / "out", CAB, unit=car("cab-1"))
    assert not (tmp_path / "out").exists()


def test_progress_is_over_all_sources(tmp_path: Path) -> None:
    sources = [tmp_path / "a", tmp_path / "b"]
    for source in sources:
        source.write_text(cab(*((second, 0) for second in range(15_000))))
    told: list[tuple[int, int]] = []
    convert(sources, tmp_path / "out", CAB, unit=car("cab-1"), progress=lambda *bytes_: told.append(bytes_))
    total = sum(source.stat().st_size for source in sources)
    assert told == sorted(told)
    assert {of for _, of in told} == {total}
    assert told[-1] == (total, total)


def test_the_report_tells_people_of_every_source(tmp_path: Path) -> None:
    _, report = converted(tmp_path, cab((60, 0), (0, 0)) + "spoiled\n", cab((120, 0)))
    text = "\n".join(report.lines())
    assert "5 events of 3 fixes in 4 rows" in text
    assert "from 2008-05-17T12:00:00Z to 2008-05-17T12:02:00Z" in text
    assert "part0.txt: 3 rows, 1 bad, newest first: turned round" in text
    assert "line 3: too_few_columns" in text
    assert "part1.txt: 1 rows, 0 bad" in text


def test_the_report_for_scripts_holds_the_same(tmp_path: Path) -> None:
    _, report = converted(tmp_path, cab((60, 0), (0, 0)) + "spoiled\n")
    assert report.to_json() == {
        "out": str(tmp_path / "cab.jsonl.gz"),
        "rows": 3,
        "bad": {"too_few_columns": 1},
        "fixes": 2,
        "disordered": 0,
        "seat_changes": 1,
        "parked": 0,
        "events": 4,
        "first_ms": at(0),
        "last_ms": at(60),
        "sources": [
            {
                "source": "part0.txt",
                "rows": 3,
                "turned_round": True,
                "disordered": 0,
                "bad": {"too_few_columns": 1},
                "first_bad": [{"line": 3, "reason": "too_few_columns"}],
            }
        ],
    }
