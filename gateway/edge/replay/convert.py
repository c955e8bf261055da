"""GPS traces become raw journals, so that what really was driven can be replayed.

Of one row the position comes first, so that what its signals bring about (a car that parks) already knows the fence it
happens in. `now` is the row's own time, or that of the latest row before it: a row out of order arrives late, with its
own `ts`, and says only where; its seat is not heard and parking is not inferred from it.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from gateway.core.drive import GEAR
from gateway.core.events import Event, PositionReported, Scalar, SignalsReported, UnitKind, UnitRegistered
from gateway.core.units import Instant
from gateway.edge.replay.parking import GEAR_PARK, ParkingRule, ParkingWatch
from gateway.edge.replay.report import utc
from gateway.edge.replay.trace import Progress, Row, SourceReport, TraceFormat, read_rows
from gateway.wire.journal import create_journal
from gateway.wire.journal_lines import EventLine, HeaderLine, Level

DRIVERS_SEAT: Final = "Vehicle.Cabin.Seat.Row1.DriverSide.OccupancyStatus"
FARES_SEAT: Final = "Vehicle.Cabin.Seat.Row2.DriverSide.OccupancyStatus"
"""Where VSS has the seat that a trace's `seat` column is about."""

GATEWAY: Final = "convert"
NO_RELEASE: Final = "none"
"""Nobody decided when the trace was recorded."""

_OCCUPANCY: Final = {True: "OCCUPIED", False: "EMPTY"}


@dataclass
class ConversionReport:
    """What was read and what was written.

    Attributes:
        fixes: Rows that became a position.
        disordered: Rows that are not later than all before them; they are written and the engine refuses them.
        seat_changes: Signals of the fare's seat.
        parked: How often the rule said that the vehicle parked.
    """

    out: str
    sources: list[SourceReport] = field(default_factory=list)
    fixes: int = 0
    disordered: int = 0
    seat_changes: int = 0
    parked: int = 0
    events: int = 0
    first: Instant | None = None
    last: Instant | None = None

    @property
    def rows(self) -> int:
        """How many rows the sources have, bad ones included."""
        return sum(source.rows for source in self.sources)

    @property
    def bad(self) -> Counter[str]:
        """How many rows could not be read, by reason."""
        return sum((source.bad for source in self.sources), Counter[str]())

    def lines(self) -> Iterator[str]:
        """Return it for people."""
        yield f"{self.out}: {self.events:,} events of {self.fixes:,} fixes in {self.rows:,} rows"
        if self.first is not None and self.last is not None:
            yield f"  from {utc(self.first)} to {utc(self.last)}"
        yield f"  parked {self.parked:,} times, fare's seat changed {self.seat_changes:,} times"
        yield f"  {self.disordered:,} rows out of order, written as they stand"
        for source in self.sources:
            turned = ", newest first: turned round" if source.turned_round else ""
            yield f"  {source.source}: {source.rows:,} rows, {source.bad.total():,} bad{turned}"
            for reason, count in sorted(source.bad.items()):
                yield f"    {reason}: {count:,}"
            for bad in source.first_bad:
                yield f"    line {bad.line}: {bad.reason}"

    def to_json(self) -> dict[str, object]:
        """Return it for scripts."""
        return {
            "out": self.out,
            "rows": self.rows,
            "bad": dict(sorted(self.bad.items())),
            "fixes": self.fixes,
            "disordered": self.disordered,
            "seat_changes": self.seat_changes,
            "parked": self.parked,
            "events": self.events,
            "first_ms": self.first,
            "last_ms": self.last,
            "sources": [
                {
                    "source": source.source,
                    "rows": source.rows,
                    "turned_round": source.turned_round,
                    "disordered": source.disordered,
                    "bad": dict(sorted(source.bad.items())),
                    "first_bad": [{"line": bad.line, "reason": bad.reason} for bad in source.first_bad],
                }
                for source in self.sources
            ],
        }


def car(unit: str, *, utc_offset_s: int = 0) -> UnitRegistered:
    """Return a car with a driver's screen; its `ts` is set when it is written."""
    return UnitRegistered(unit, 0, UnitKind.CAR, ("driver_screen",), utc_offset_s=utc_offset_s)


def convert(
    sources: Sequence[Path],
    out: Path,
    trace: TraceFormat,
    *,
    unit: UnitRegistered,
    park: ParkingRule | None = None,
    progress: Progress | None = None,
) -> ConversionReport:
    """Write one raw journal of all the sources, which are one unit's, in the order given.

    All sources are read before anything is written.

    Args:
        sources: The traces, compressed where named `.gz`.
        out: The journal, compressed if named so; it must not exist.
        trace: How the sources are written.
        unit: Whose they are; registered first, at the first row's time.
        park: Infer parking by this rule; None: say nothing of gears.
        progress: Called with bytes of the sources.

    Raises:
        BadTrace: A source lacks a column.
        FileExistsError: `out` is there already.
        OSError: A source cannot be read, or `out` not be written.
    """
    report = ConversionReport(str(out))
    rows: list[Row] = []
    total = sum(source.stat().st_size for source in sources)
    for source in sources:
        found, held = read_rows(source, trace, _offset(progress, report, sources, total))
        rows += found
        report.sources.append(held)
    if trace.sort:
        rows.sort(key=lambda row: row.ts)
    with create_journal(out, HeaderLine(Level.RAW, GATEWAY, GATEWAY, NO_RELEASE)) as journal:
        for now, event in _events(rows, unit, park, report):
            journal.append(EventLine(now, event))
            report.events += 1
    return report


def _offset(
    progress: Progress | None, report: ConversionReport, sources: Sequence[Path], total: int
) -> Progress | None:
    """Return a progress of one source as one of all."""
    if progress is None:
        return None
    before = sum(source.stat().st_size for source in sources[: len(report.sources)])
    return lambda done, _: progress(before + done, total)


def _events(
    rows: Sequence[Row], unit: UnitRegistered, park: ParkingRule | None, report: ConversionReport
) -> Iterator[tuple[Instant, Event]]:
    """Return what happened and when it was heard, counting along."""
    if not rows:
        return
    now = rows[0].ts
    report.first = now
    yield now, replace(unit, ts=now)
    signals = _Signals(park)
    for row in rows:
        late = row.ts <= now and report.fixes > 0
        now = max(now, row.ts)
        yield (
            now,
            PositionReported(unit.unit, row.ts, row.position, row.accuracy_m, row.speed_mps, row.heading_deg),
        )
        report.fixes += 1
        report.disordered += late
        said = {} if late else signals.of(row)
        if said:
            report.parked += said.get(GEAR) == GEAR_PARK
            report.seat_changes += FARES_SEAT in said
            yield now, SignalsReported(unit.unit, row.ts, said)
    report.last = now


class _Signals:
    """What rows say beyond where, each thing when it changes."""

    def __init__(self, park: ParkingRule | None) -> None:
        self._watch = None if park is None else ParkingWatch(park)
        self._seat: bool | None = None

    def of(self, row: Row) -> dict[str, Scalar]:
        """Return the signals that this row, which is later than the one before, brings along."""
        signals: dict[str, Scalar] = {}
        if row.seat is not None and row.seat is not self._seat:
            # Somebody drives the car that tells of its fare.
            if self._seat is None:
                signals[DRIVERS_SEAT] = _OCCUPANCY[True]
            signals[FARES_SEAT] = _OCCUPANCY[row.seat]
            self._seat = row.seat
        gear = None if self._watch is None else self._watch.see(row.ts, row.position)
        if gear is not None:
            signals[GEAR] = gear
        return signals
