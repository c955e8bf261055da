import gzip
from pathlib import Path

import pytest

from gateway.core.units import Position
from gateway.edge.replay.trace import BadRow, BadTrace, ColumnMap, Order, Row, SourceReport, TraceFormat, read_rows

CAB = TraceFormat(ColumnMap.parse("lat=0,lon=1,seat=2,unix_s=3"), "space")
LOGGER = "lat=Latitude,lon=Longitude,unix_ms=Time,speed_kmh=Speed,heading_deg=Course,accuracy_m=Error"
NOON = 1_211_025_600


def read(text: str | bytes, folder: Path, trace: TraceFormat = CAB) -> tuple[list[Row], SourceReport]:
    source = folder / "trace.txt"
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_rows(source, trace)


def test_columns_are_found_by_index(tmp_path: Path) -> None:
    rows, report = read(f"37.75 -122.39 1 {NOON}\n", tmp_path)
    assert rows == [
        Row(NOON * 1000, Position(-122.39, 37.75), seat=True, accuracy_m=None, speed_mps=None, heading_deg=None)
    ]
    assert (report.rows, report.bad.total()) == (1, 0)


def test_columns_are_found_by_name_and_taken_in_our_units(tmp_path: Path) -> None:
    text = f"Time;Speed;Latitude;Longitude;Course;Error\n{NOON}000;36;37.75;-122.39;270;4.5\n"
    rows, _ = read(text, tmp_path, TraceFormat(ColumnMap.parse(LOGGER), "semicolon"))
    assert rows == [Row(NOON * 1000, Position(-122.39, 37.75), None, 4.5, 10.0, 270.0)]


@pytest.mark.parametrize("empty", [";;", "0;;-1", "-1;;361"])
def test_what_a_receiver_does_not_know_is_none(empty: str, tmp_path: Path) -> None:
    error, speed, course = empty.split(";")
    text = f"Time,Speed,Latitude,Longitude,Course,Error\n{NOON}000,{speed},37.75,-122.39,{course},{error}\n"
    rows, _ = read(text, tmp_path, TraceFormat(ColumnMap.parse(LOGGER)))
    assert rows == [Row(NOON * 1000, Position(-122.39, 37.75), None, None, None, None)]


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        ("lat=0,lon=1,unix_s=2", "37.75,-122.39,1211025600.25"),
        ("lat=0,lon=1,unix_ms=2", "37.75,-122.39,1211025600250"),
        ("lat=0,lon=1,iso=2", "37.75,-122.39,2008-05-17T12:00:00.250"),
        ("lat=0,lon=1,iso=2", "37.75,-122.39,2008-05-17T14:00:00.250+02:00"),
        ("lat=0,lon=1,iso=2", '37.75,-122.39,"2008-05-17T12:00:00.250Z"'),
    ],
)
def test_the_time_is_read_in_any_of_its_ways(columns: str, row: str, tmp_path: Path) -> None:
    rows, _ = read(row, tmp_path, TraceFormat(ColumnMap.parse(columns)))
    assert [found.ts for found in rows] == [NOON * 1000 + 250]


def test_date_and_time_stand_in_two_columns_and_lines_may_end_as_on_windows(tmp_path: Path) -> None:
    text = "Date (UTC)\tTime (UTC)\tLatitude\tLongitude\t\t\r\n17-May-2008\t12:00:00\t37.75\t-122.39\t\t\r\n"
    columns = ColumnMap.parse("date=Date (UTC),time=Time (UTC),lat=Latitude,lon=Longitude")
    rows, _ = read(text, tmp_path, TraceFormat(columns, "tab"))
    assert rows == [Row(NOON * 1000, Position(-122.39, 37.75), None, None, None, None)]


def test_a_time_format_is_the_callers(tmp_path: Path) -> None:
    columns = ColumnMap.parse("date=0,time=1,lat=2,lon=3")
    trace = TraceFormat(columns, time_format="%Y/%m/%d %H.%M %z")
    rows, _ = read("2008/05/17,05.00 -0700,37.75,-122.39", tmp_path, trace)
    assert rows[0].ts == NOON * 1000


BAD_ROWS = {
    "37.75 -122.39 1": "too_few_columns",
    f"here -122.39 1 {NOON}": "not_a_number",
    f"3_7.75 -122.39 1 {NOON}": "not_a_number",
    f"nan -122.39 1 {NOON}": "invalid_position",
    f"inf -122.39 1 {NOON}": "invalid_position",
    f"37.75 -180.01 1 {NOON}": "invalid_position",
    f"91 -122.39 1 {NOON}": "invalid_position",
    f"37.75 -122.39 2 {NOON}": "not_a_flag",
    "37.75 -122.39 1 noon": "bad_time",
    "37.75 -122.39 1 nan": "bad_time",
    "37.75 -122.39 1 inf": "bad_time",
    "37.75 -122.39 1 1e300": "bad_time",
    "37.75 -122.39 1 0": "bad_time",
    f"37.75 -122.39 1 {NOON}000": "bad_time",
    f"37.75 -122.39 1 {'9' * 5000}": "bad_time",
}


@pytest.mark.parametrize(("row", "reason"), BAD_ROWS.items())
def test_a_bad_row_is_counted_with_its_line_and_the_others_are_read(row: str, reason: str, tmp_path: Path) -> None:
    rows, report = read(f"37.75 -122.39 1 {NOON}\n\n{row}\n37.75 -122.39 0 {NOON + 1}\n", tmp_path)
    assert [found.ts for found in rows] == [NOON * 1000, NOON * 1000 + 1000]
    assert report.bad == {reason: 1}
    assert report.first_bad == [BadRow("trace.txt", 3, reason)]
    assert report.rows == 3


@pytest.mark.parametrize("number", ["nan", "inf", "fast"])
def test_an_extra_that_is_no_number_spoils_its_row(number: str, tmp_path: Path) -> None:
    trace = TraceFormat(ColumnMap.parse("lat=0,lon=1,unix_s=2,speed_mps=3"))
    assert read(f"37.75,-122.39,{NOON},{number}", tmp_path, trace)[1].bad == {"not_a_number": 1}


def test_bytes_that_are_no_text_spoil_their_row_only(tmp_path: Path) -> None:
    good = f"37.75 -122.39 1 {NOON}\n".encode()
    rows, report = read(good + b"\xff\xfe\x00 -122.39 1 1211025601\n" + good, tmp_path)
    assert (len(rows), report.bad) == (2, {"not_a_number": 1})


def test_a_quotation_mark_never_closed_spoils_its_row_only(tmp_path: Path) -> None:
    trace = TraceFormat(ColumnMap.parse("lat=0,lon=1,unix_s=2"))
    rows, report = read(f'"37.75,-122.39,{NOON}\n37.75,-122.39,{NOON}\n', tmp_path, trace)
    assert (len(rows), report.bad) == (1, {"too_few_columns": 1})


def test_a_field_without_end_spoils_its_row_only(tmp_path: Path) -> None:
    trace = TraceFormat(ColumnMap.parse("lat=0,lon=1,unix_s=2"))
    rows, report = read(f"{'7' * 200_000},-122.39,{NOON}\n37.75,-122.39,{NOON}\n", tmp_path, trace)
    assert (len(rows), report.bad) == (1, {"not_a_row": 1})


def test_only_the_first_bad_rows_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    _, report = read("spoiled\n" * 50, tmp_path)
    assert report.bad == {"too_few_columns": 50}
    assert [bad.line for bad in report.first_bad] == [1, 2, 3, 4, 5]


def test_a_mark_of_byte_order_is_no_part_of_the_first_row(tmp_path: Path) -> None:
    rows, _ = read(f"\ufeff37.75 -122.39 1 {NOON}\n", tmp_path)
    assert len(rows) == 1


def test_a_file_named_gz_is_read_compressed(tmp_path: Path) -> None:
    source = tmp_path / "trace.txt.gz"
    source.write_bytes(gzip.compress(f"37.75 -122.39 1 {NOON}\n".encode()))
    assert len(read_rows(source, CAB)[0]) == 1


@pytest.mark.parametrize("damage", ["cut", "flipped", "not compressed"])
def test_a_broken_compression_is_one_bad_row(damage: str, tmp_path: Path) -> None:
    text = "".join(f"37.75 -122.39 1 {NOON + second}\n" for second in range(20_000)).encode()
    data = bytearray(gzip.compress(text))
    if damage == "flipped":
        data[len(data) // 2 :] = bytes(len(data) - len(data) // 2)
    source = tmp_path / "trace.txt.gz"
    source.write_bytes({"cut": bytes(data[:-20]), "flipped": bytes(data), "not compressed": text}[damage])
    rows, report = read_rows(source, CAB)
    assert report.bad["torn"] == 1
    assert [row.ts for row in rows[:100]] == [(NOON + second) * 1000 for second in range(min(100, len(rows)))]


OLDEST_FIRST = [0, 1, 2, 2, 1, 3]


@pytest.mark.parametrize(
    ("order", "written", "read_as", "turned"),
    [
        (Order.AUTO, OLDEST_FIRST, OLDEST_FIRST, False),
        (Order.AUTO, OLDEST_FIRST[::-1], OLDEST_FIRST, True),
        (Order.NEWEST_FIRST, OLDEST_FIRST[::-1], OLDEST_FIRST, True),
        (Order.OLDEST_FIRST, OLDEST_FIRST[::-1], OLDEST_FIRST[::-1], False),
        (Order.NEWEST_FIRST, OLDEST_FIRST, OLDEST_FIRST[::-1], True),
    ],
)
def test_a_file_is_turned_round_as_a_whole(
    order: Order,
    written: list[int],
    read_as: list[int],
    turned: bool,  # noqa: FBT001 -- a column of the table above
    tmp_path: Path,
) -> None:
    trace = TraceFormat(CAB.columns, "space", order=order)
    rows, report = read("".join(f"37.75 -122.39 1 {NOON + second}\n" for second in written), tmp_path, trace)
    assert [row.ts // 1000 - NOON for row in rows] == read_as
    assert report.turned_round is turned


def test_rows_not_later_than_all_before_them_are_counted(tmp_path: Path) -> None:
    _, report = read("".join(f"37.75 -122.39 1 {NOON + second}\n" for second in OLDEST_FIRST), tmp_path)
    assert report.disordered == 2


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    assert read("", tmp_path) == ([], SourceReport("trace.txt"))


def test_progress_ends_with_the_whole_file(tmp_path: Path) -> None:
    source = tmp_path / "trace.txt"
    source.write_text(f"37.75 -122.39 1 {NOON}\n" * 25_000)
    told: list[tuple[int, int]] = []
    read_rows(source, CAB, lambda done, total: told.append((done, total)))
    size = source.stat().st_size
    assert len(told) == 3
    assert told == sorted(told)
    assert told[-1] == (size, size)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("lat=0", "need lat and lon"),
        ("lat=0,lon=1", "need one of"),
        ("lat=0,lon=1,date=2", "need one of"),
        ("lat=0,lon=1,unix_s=2,iso=3", "need one of"),
        ("lat=0,lon=1,unix_s=2,altitude=3", "no such column: altitude"),
        ("lat=0,lon=1,unix_s=2,speed_mps=3,speed_kmh=3", "the speed twice"),
        ("lat=0,lat=1,unix_s=2", "once each"),
        ("lat,lon=1,unix_s=2", "'lat'"),
        ("", "what=column"),
    ],
)
def test_a_column_map_that_says_too_little_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(BadTrace, match=complaint):
        ColumnMap.parse(text)


def test_a_header_without_a_named_column_is_refused_with_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(BadTrace, match="no column Latitude, Longitude; it has lat, lon"):
        read("lat,lon,t\n", tmp_path, TraceFormat(ColumnMap.parse("lat=Latitude,lon=Longitude,unix_s=t")))


def test_a_header_may_be_skipped_where_columns_are_given_by_index(tmp_path: Path) -> None:
    trace = TraceFormat(ColumnMap.parse("lat=0,lon=1,unix_s=2"), has_header=True)
    rows, report = read(f"lat,lon,t\n37.75,-122.39,{NOON}\n", tmp_path, trace)
    assert (len(rows), report.rows) == (1, 1)


def test_a_delimiter_of_several_characters_is_refused() -> None:
    with pytest.raises(BadTrace, match="comma, tab, semicolon, space or one character"):
        TraceFormat(CAB.columns, "::")
