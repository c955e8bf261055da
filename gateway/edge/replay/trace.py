"""Traces: rows of text with a position and a time, as loggers and data sets write them.

A row that cannot be read is counted with its reason and line, and never ends the reading. Rows keep the order of their
file; a file written newest first is turned round as a whole. Rows that are out of order beyond that stay where they
are: to judge them is for the engine.
"""

import csv
import gzip
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import IO, Final, NamedTuple, Self, TypeAlias, cast

from gateway.core.errors import InvalidInput, InvalidPosition
from gateway.core.units import SECOND_MS, Instant, Position
from gateway.wire.payloads import EARLIEST_MS, LATEST_MS

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all, now and then."""

KEEP_BAD_ROWS: Final = 5
"""How many bad rows a report shows; all are counted."""

_TIME_WAYS: Final = (frozenset({"unix_s"}), frozenset({"unix_ms"}), frozenset({"iso"}), frozenset({"date", "time"}))
_TIMES: Final = frozenset[str]().union(*_TIME_WAYS)
_PLACES: Final = frozenset({"lat", "lon"})
_EXTRAS: Final = frozenset({"seat", "accuracy_m", "speed_mps", "speed_kmh", "heading_deg"})
_DELIMITERS: Final[Mapping[str, str]] = {"comma": ",", "tab": "\t", "semicolon": ";", "space": " "}
_FLAGS: Final[Mapping[str, bool]] = {"0": False, "1": True, "false": False, "true": True}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PROGRESS_EVERY: Final = 10_000


class BadTrace(InvalidInput):
    """A column map that says too little, or a source whose columns are not there."""

    def __init__(self, detail: str) -> None:
        super().__init__("bad_trace", detail)


class Order(StrEnum):
    """How the rows of a file follow each other."""

    AUTO = "auto"
    """Turned round if more neighbours go back in time than forward."""
    OLDEST_FIRST = "oldest-first"
    NEWEST_FIRST = "newest-first"


@dataclass(frozen=True)
class ColumnMap:
    """Which column holds what, by index from 0 or by its name in the header line.

    Attributes:
        columns: `lat` and `lon` in degrees; the time as `unix_s`, `unix_ms`, `iso`, or `date` and `time`; and, where
            there are any, `seat` (0 or 1), `accuracy_m`, `speed_mps` or `speed_kmh`, `heading_deg`.

    Raises:
        BadTrace: A column is not known, or none says where or when.
    """

    columns: Mapping[str, int | str]

    def __post_init__(self) -> None:
        given = frozenset(self.columns)
        unknown = given - _PLACES - _TIMES - _EXTRAS
        if unknown:
            known = ", ".join(sorted(_PLACES | _TIMES | _EXTRAS))
            raise BadTrace(f"no such column: {', '.join(sorted(unknown))}; known are {known}")
        if not given >= _PLACES:
            raise BadTrace("columns need lat and lon")
        if given & _TIMES not in _TIME_WAYS:
            raise BadTrace("columns need one of: unix_s; unix_ms; iso; date and time")
        if given >= {"speed_mps", "speed_kmh"}:
            raise BadTrace("columns have the speed twice")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the map that a person wrote, e.g. `lat=0,lon=1,seat=2,unix_s=3` or `lat=Latitude,...`.

        Raises:
            BadTrace: It is not a list of `what=column`, or says too little.
        """
        columns: dict[str, int | str] = {}
        for part in text.split(","):
            what, equals, column = (piece.strip() for piece in part.partition("="))
            if not equals or not column or what in columns:
                raise BadTrace(f"expected what=column once each, separated by commas, not {part.strip()!r}")
            columns[what] = int(column) if column.isdecimal() else column
        return cls(columns)

    @property
    def by_name(self) -> bool:
        """Whether a header line is needed to find the columns."""
        return any(isinstance(column, str) for column in self.columns.values())

    def indices(self, header: Sequence[str]) -> dict[str, int]:
        """Return where each column stands.

        Raises:
            BadTrace: The header has no such column.
        """
        names = [name.strip() for name in header]
        missing = [c for c in self.columns.values() if isinstance(c, str) and c not in names]
        if missing:
            raise BadTrace(f"the header has no column {', '.join(missing)}; it has {', '.join(filter(None, names))}")
        return {what: c if isinstance(c, int) else names.index(c) for what, c in self.columns.items()}


@dataclass(frozen=True)
class TraceFormat:
    """How a trace is written.

    Attributes:
        delimiter: `comma`, `tab`, `semicolon`, `space` (any run of blanks), or the character itself.
        has_header: The first line holds names; it does wherever a column is given by name.
        time_format: For `date` and `time`, joined by one blank, as `datetime.strptime` has it. Without a zone: UTC.
        sort: Put all rows of all sources in the order of their time: only where the source is known to be shuffled.
    """

    columns: ColumnMap
    delimiter: str = "comma"
    has_header: bool = False
    order: Order = Order.AUTO
    time_format: str = "%d-%b-%Y %H:%M:%S"
    sort: bool = False

    def __post_init__(self) -> None:
        if self.delimiter not in _DELIMITERS and len(self.delimiter) != 1:
            raise BadTrace(f"a delimiter is {', '.join(_DELIMITERS)} or one character, not {self.delimiter!r}")


class Row(NamedTuple):
    """One good row. None: the trace does not say."""

    ts: Instant
    position: Position
    seat: bool | None
    accuracy_m: float | None
    speed_mps: float | None
    heading_deg: float | None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read. `line` counts from 1."""

    source: str
    line: int
    reason: str


@dataclass
class SourceReport:
    """What one file held. `disordered` rows are not later than all before them, after a file was turned round."""

    source: str
    rows: int = 0
    turned_round: bool = False
    disordered: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    first_bad: list[BadRow] = field(default_factory=list)

    def refuse(self, line: int, reason: str) -> None:
        """Count a bad row; the first few are kept."""
        self.bad[reason] += 1
        if len(self.first_bad) < KEEP_BAD_ROWS:
            self.first_bad.append(BadRow(self.source, line, reason))


def read_rows(source: Path, trace: TraceFormat, progress: Progress | None = None) -> tuple[list[Row], SourceReport]:
    """Return the good rows of a file, oldest first if it was in either order, and what it held.

    Compressed if its name ends in `.gz`; a compression that ends too early or is broken counts as one bad row `torn`.

    Raises:
        BadTrace: The header lacks a column.
        OSError: The file cannot be read.
    """
    report = SourceReport(source.name)
    rows: list[Row] = []
    with source.open("rb") as file:
        size = source.stat().st_size
        read: Callable[[list[str]], Row] | None = None
        for number, fields in _fields(file, source, trace, report):
            if read is None:
                named = trace.has_header or trace.columns.by_name
                read = _reader(trace, trace.columns.indices(fields if named else ()))
                if named:
                    continue
            try:
                rows.append(read(fields))
            except _BadField as bad:
                report.refuse(number, bad.reason)
            if progress is not None and number % _PROGRESS_EVERY == 0:
                progress(file.tell(), size)
        if progress is not None:
            progress(size, size)
    report.rows = len(rows) + report.bad.total()
    return _in_order(rows, trace, report), report


class _BadField(Exception):
    """What is wrong with a row."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def _fields(file: IO[bytes], source: Path, trace: TraceFormat, report: SourceReport) -> Iterator[tuple[int, list[str]]]:
    """Return the fields of each line that is not blank, with its number.

    Each line is taken by itself: a quotation mark that is never closed spoils one row, not the rest of the file.
    """
    lines = cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if source.suffix == ".gz" else file
    number = 0
    try:
        for number, raw in enumerate(lines, start=1):
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8", "replace").rstrip("\r\n")
            if not line.strip():
                continue
            try:
                yield number, _split(line, trace.delimiter)
            except csv.Error:
                report.refuse(number, "not_a_row")
    except (EOFError, gzip.BadGzipFile, zlib.error):
        report.refuse(number + 1, "torn")


def _split(line: str, delimiter: str) -> list[str]:
    if delimiter == "space":
        return line.split()
    return next(csv.reader([line], delimiter=_DELIMITERS.get(delimiter, delimiter)))


def _in_order(rows: list[Row], trace: TraceFormat, report: SourceReport) -> list[Row]:
    """Turn a file round that was written newest first; count what is out of order even so."""
    forward = sum(later.ts > earlier.ts for earlier, later in pairwise(rows))
    back = sum(later.ts < earlier.ts for earlier, later in pairwise(rows))
    report.turned_round = back > forward if trace.order is Order.AUTO else trace.order is Order.NEWEST_FIRST
    ordered = rows[::-1] if report.turned_round else rows
    newest = -1
    for row in ordered:
        report.disordered += row.ts <= newest
        newest = max(newest, row.ts)
    return ordered


def _reader(trace: TraceFormat, at: Mapping[str, int]) -> Callable[[list[str]], Row]:
    """Return what makes a row of fields."""
    needed = max(at.values())
    instant = _instant_reader(trace, at)
    seat_at, accuracy_at, heading_at = at.get("seat"), at.get("accuracy_m"), at.get("heading_deg")
    speed_at = at.get("speed_mps", at.get("speed_kmh"))
    per_mps = 3.6 if "speed_kmh" in at else 1.0

    def read(fields: list[str]) -> Row:
        if len(fields) <= needed:
            raise _BadField("too_few_columns")
        accuracy_m, heading_deg = _optional(fields, accuracy_at), _optional(fields, heading_at)
        speed = _optional(fields, speed_at)
        return Row(
            instant(fields),
            _position(fields[at["lon"]], fields[at["lat"]]),
            None if seat_at is None else _flag(fields[seat_at]),
            accuracy_m if accuracy_m is not None and accuracy_m > 0 else None,
            None if speed is None else abs(speed) / per_mps,
            heading_deg if heading_deg is not None and 0 <= heading_deg <= 360 else None,
        )

    return read


def _position(lon: str, lat: str) -> Position:
    try:
        return Position(_number(lon), _number(lat))
    except InvalidPosition as error:
        raise _BadField("invalid_position") from error


def _number(text: str) -> float:
    # Python reads "1_000" as a number; no logger writes it, so that there it is damage.
    try:
        return float(text if "_" not in text else "")
    except ValueError as error:
        raise _BadField("not_a_number") from error


def _optional(fields: list[str], at: int | None) -> float | None:
    if at is None or not fields[at].strip():
        return None
    number = _number(fields[at])
    if not math.isfinite(number):
        raise _BadField("not_a_number")
    return number


def _flag(text: str) -> bool:
    flag = _FLAGS.get(text.strip().lower())
    if flag is None:
        raise _BadField("not_a_flag")
    return flag


def _instant_reader(trace: TraceFormat, at: Mapping[str, int]) -> Callable[[list[str]], Instant]:
    """Return what reads the time of a row, refused outside the years 2000 to 2099."""
    if "date" in at:
        tell = _dated(at["date"], at["time"], trace.time_format)
    elif "iso" in at:
        tell = _iso(at["iso"])
    elif "unix_s" in at:
        tell = _unix(at["unix_s"], SECOND_MS)
    else:
        tell = _unix(at["unix_ms"], 1)

    def instant(fields: list[str]) -> Instant:
        try:
            ts = tell(fields)
        except (ValueError, OverflowError) as error:
            raise _BadField("bad_time") from error
        if not EARLIEST_MS <= ts <= LATEST_MS:
            raise _BadField("bad_time")
        return ts

    return instant


def _dated(date_at: int, time_at: int, pattern: str) -> Callable[[list[str]], Instant]:
    def tell(fields: list[str]) -> Instant:
        text = f"{fields[date_at].strip()} {fields[time_at].strip()}"
        return _since_epoch(datetime.strptime(text, pattern))  # noqa: DTZ007 -- _since_epoch takes it for UTC

    return tell


def _iso(at: int) -> Callable[[list[str]], Instant]:
    return lambda fields: _since_epoch(datetime.fromisoformat(fields[at].strip()))


def _unix(at: int, unit_ms: int) -> Callable[[list[str]], Instant]:
    """Return what reads whole milliseconds: digits are taken exactly, a fraction to the nearest."""

    def tell(fields: list[str]) -> Instant:
        text = fields[at].strip()
        return int(text) * unit_ms if text.isdecimal() else round(float(text) * unit_ms)

    return tell


def _since_epoch(moment: datetime) -> Instant:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(milliseconds=1)
