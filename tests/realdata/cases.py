"""Real traces, each with its journal, its circles, and what brute force and the engine say of them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from gateway.core.campaign import Action, Audience, Kind, Placement, Treatment
from gateway.core.drive import GEAR
from gateway.core.effects import DecisionRecorded, EventIgnored, EventRefused, MomentNoticed
from gateway.core.events import PositionReported, SignalsReported
from gateway.core.fences.geometry import Circle, Fence
from gateway.core.moments import DroveOff, FenceEntered, FenceExited, FencePassedBy, Parked
from gateway.core.release import Release, compile_release
from gateway.core.steps import Step, Trigger
from gateway.core.units import Instant, Position
from gateway.edge.replay.convert import ConversionReport, car, convert
from gateway.edge.replay.parking import ParkingRule
from gateway.edge.replay.player import play
from gateway.edge.replay.trace import ColumnMap, TraceFormat
from gateway.wire.journal import read_journal
from tests.realdata import oracle
from tests.realdata.oracle import Floats, Margins, Trace

CABS = ("abboip", "aiwalb", "ugthfu")
DRIVE = "seattle"
CAB_ROWS = TraceFormat(ColumnMap.parse("lat=0,lon=1,seat=2,unix_s=3"), "space")
DRIVE_ROWS = TraceFormat(ColumnMap.parse("date=Date (UTC),time=Time (UTC),lat=Latitude,lon=Longitude"), "tab")
EVERY_380TH = slice(0, None, 380)


@dataclass(frozen=True)
class Case:
    """One trace: its journal, the circles it is held against, and the source for brute force.

    A fence is called by the number of its circle, five digits, so that both sides sort alike.
    """

    journal: Path
    conversion: ConversionReport
    trace: Trace
    lats: Floats
    lons: Floats
    margins: Margins

    @cached_property
    def release(self) -> Release:
        """Circles of 100 m, and one action for whoever parks in one; its propensity is a prior."""
        circles = enumerate(zip(self.lats.tolist(), self.lons.tolist(), strict=True))
        fences = [
            Fence(f"{number:05}", "fuel_station", f"No. {number}", Circle(Position(lon, lat), 100.0))
            for number, (lat, lon) in circles
        ]
        return compile_release("circles", 1, fences, [PASTRY], [])

    @cached_property
    def faults(self) -> list[str]:
        """What brute force says of each fix."""
        return oracle.judge(self.trace, self.margins)

    @cached_property
    def crossings(self) -> list[oracle.Crossing]:
        """What brute force says of each circle."""
        counts = np.array([not fault for fault in self.faults])
        return oracle.crossings(self.trace, counts, self.lats, self.lons, self.margins)

    @cached_property
    def gears(self) -> list[tuple[int, int]]:
        """What brute force says of parking."""
        return oracle.gears(self.trace, self.margins)

    @cached_property
    def seen(self) -> "Seen":
        """What the engine says of all that."""
        return see(self.journal, self.release)


class Seen(NamedTuple):
    """What came of a replay, one by one."""

    faults: list[tuple[Instant, str]]
    crossings: list[oracle.Crossing]
    gears: list[tuple[Instant, int]]
    parked: list[Instant]
    drove_off: list[Instant]
    decided: list[Instant]


PASTRY = Action(
    "pastry",
    Kind.MARKETING,
    Audience.SUBJECT,
    (Trigger((Step("Parked", fence_kind="fuel_station"),)),),
    (Treatment(Placement.DRIVER_SCREEN, "en", "A pastry", "Warm, to the left of the till."),),
    prior=0.2,
)


WHAT: dict[type, Literal["1 left", "2 passed by", "3 entered"]] = {
    FenceExited: "1 left",
    FencePassedBy: "2 passed by",
    FenceEntered: "3 entered",
}


def see(journal: Path, release: Release) -> Seen:
    seen = Seen([], [], [], [], [], [])
    for step in play(read_journal(journal), [release]):
        if isinstance(step.event, SignalsReported) and GEAR in step.event.signals:
            seen.gears.append((step.event.ts, int(step.event.signals[GEAR])))
        for effect in step.effects:
            match effect:
                case EventIgnored(reason=reason) | EventRefused(reason=reason):
                    assert isinstance(step.event, PositionReported)
                    seen.faults.append((step.event.ts, reason))
                case MomentNoticed(FenceEntered() | FenceExited() | FencePassedBy() as moment):
                    seen.crossings.append(oracle.Crossing(moment.at, WHAT[type(moment)], int(moment.fence)))
                case MomentNoticed(Parked(at=at)):
                    seen.parked.append(at)
                case MomentNoticed(DroveOff(at=at)):
                    seen.drove_off.append(at)
                case DecisionRecorded(decision):
                    seen.decided.append(decision.at)
                case _:
                    pass
    return seen


def cab_case(cab: str, realdata: Path, folder: Path, lats: Floats, lons: Floats) -> Case:
    """Return the way of a cab through circles."""
    source, journal = realdata / "traces" / "sf_cabs" / f"{cab}.txt.gz", folder / f"{cab}.jsonl.gz"
    report = convert([source], journal, CAB_ROWS, unit=car(cab, utc_offset_s=-7 * 3600), park=ParkingRule())
    return Case(journal, report, oracle.read_cab(source), lats, lons, Margins())


def drive_case(realdata: Path, folder: Path) -> Case:
    """Return the drive through Seattle, and circles along it."""
    source, journal = realdata / "traces" / "seattle_1hz" / "gps_data.txt", folder / f"{DRIVE}.jsonl"
    report = convert([source], journal, DRIVE_ROWS, unit=car(DRIVE, utc_offset_s=-8 * 3600), park=ParkingRule())
    trace = oracle.read_drive(source)
    return Case(journal, report, trace, trace.lat[EVERY_380TH], trace.lon[EVERY_380TH], Margins())
