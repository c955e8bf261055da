"""Replays of what was really driven, held to what brute force says must come of it.

Three San Francisco cabs against circles of 100 m around the 2,925 fuel stations that OpenStreetMap has (one of them
strayed to Colombia, where no cab goes: it stays in and does no harm), and a drive through Seattle at one fix a second
against 20 circles along it. No row is left out. `oracle` shares no line with the gateway.

The engine measures on a plane, brute force on the ellipsoid. 280 measured distances come within half a metre of the
threshold they are held against; none of them is decided differently.
"""

import ast
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from gateway.core.events import (
    ConsentChanged,
    Event,
    PositionReported,
    Purpose,
    Role,
    SubjectIdentified,
    UnitRegistered,
)
from gateway.core.units import Instant
from gateway.edge.replay.convert import car, convert
from gateway.edge.replay.parking import ParkingRule
from gateway.edge.replay.player import play, replay
from gateway.edge.replay.report import ReplayReport
from gateway.edge.replay.trace import Order
from gateway.wire.journal import create_journal, read_journal
from gateway.wire.journal_lines import EventLine, HeaderLine, Level
from tests.realdata import oracle
from tests.realdata.cases import CAB_ROWS, CABS, DRIVE, Case, cab_case, drive_case, see

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def cases(realdata: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    folder = tmp_path_factory.mktemp("traces")
    lats, lons = oracle.read_stations(realdata / "pois" / "california_osm_fuel.csv")
    made = {cab: cab_case(cab, realdata, folder, lats, lons) for cab in CABS}
    return {**made, DRIVE: drive_case(realdata, folder)}


@pytest.fixture
def case(cases: dict[str, Case], request: pytest.FixtureRequest) -> Case:
    return cases[request.param]


every_trace = pytest.mark.parametrize("case", [*CABS, DRIVE], indirect=True)


@every_trace
def test_every_row_becomes_a_fix_at_its_own_time_and_place(case: Case) -> None:
    lines = (line.event for line in read_journal(case.journal) if isinstance(line, EventLine))
    fixes = [(e.ts, e.position.lat, e.position.lon) for e in lines if isinstance(e, PositionReported)]
    trace = case.trace
    assert fixes == list(zip(trace.ts.tolist(), trace.lat.tolist(), trace.lon.tolist(), strict=True))
    assert not case.conversion.bad


@every_trace
def test_every_rejection_is_the_one_that_the_rule_demands(case: Case) -> None:
    demanded = [(ts, fault) for ts, fault in zip(case.trace.ts.tolist(), case.faults, strict=True) if fault]
    assert case.seen.faults == demanded


@every_trace
def test_every_crossing_is_that_of_brute_force(case: Case) -> None:
    assert case.seen.crossings == case.crossings


@every_trace
def test_every_gear_is_inferred_where_the_rule_says(case: Case) -> None:
    assert case.seen.gears == case.gears


@every_trace
def test_every_parking_and_every_drive_off_is_noticed(case: Case) -> None:
    """A car is no longer known to be parked after 12 hours, so that driving off later is no news."""
    assert case.seen.parked == [ts for ts, gear in case.gears if gear == 126]
    stops = list(zip(case.gears[::2], case.gears[1::2], strict=False))
    assert case.seen.drove_off == [off for (on, _), (off, _) in stops if off - on < oracle.PARKED_LIMIT_MS]


@every_trace
def test_every_decision_is_made_where_a_car_parks_in_a_circle(case: Case) -> None:
    parked = [ts for ts, gear in case.gears if gear == 126]
    assert case.seen.decided == [ts for ts in parked if oracle.circles_at(case.crossings, ts)]


@every_trace
def test_both_levels_of_a_real_journey_decide_alike(case: Case, tmp_path: Path) -> None:
    """The journal of moments of this journey has no coordinate, and every crossing and decision."""
    moments = as_moments(case, tmp_path / "moments.jsonl.gz")
    again = see(moments, case.release)
    assert again.crossings == case.seen.crossings
    assert again.decided == case.seen.decided
    assert not any(isinstance(event, PositionReported) for event in events_of(moments))


def test_the_nearest_of_all_these_calls_are_near_indeed(cases: dict[str, Case]) -> None:
    """How many distances lie within half a metre of their threshold, and the nearest of them, to a millimetre."""
    for case in cases.values():
        assert (case.crossings, case.gears) == (case.seen.crossings, case.seen.gears)
    margins = [case.margins for case in cases.values()]
    rules = sorted({rule for each in margins for rule in each.smallest})
    near = {rule: sum(each.within_half_a_metre.get(rule, 0) for each in margins) for rule in rules}
    nearest_mm = {rule: round(1000 * min(each.smallest.get(rule, np.inf) for each in margins)) for rule in rules}
    assert near == {"jump": 1, "enter": 32, "leave": 34, "park": 212, "pass": 2, "step": 0}
    assert nearest_mm == {"jump": 144, "enter": 4, "leave": 10, "park": 1, "pass": 72, "step": 3150}


def as_moments(case: Case, path: Path) -> Path:
    with create_journal(path, replace(header_of(case.journal), level=Level.MOMENTS)) as journal:
        for step in play(read_journal(case.journal), [case.release]):
            journal.record(step.event, step.effects, step.now)
    return path


def header_of(journal: Path) -> HeaderLine:
    header = next(read_journal(journal))
    assert isinstance(header, HeaderLine)
    return header


def events_of(journal: Path) -> list[Event]:
    return [line.event for line in read_journal(journal) if isinstance(line, EventLine)]


def replayed(cases: dict[str, Case], names: Sequence[str], journals: Sequence[Path] = ()) -> ReplayReport:
    return replay(journals or [cases[name].journal for name in names], cases[names[0]].release)


def test_the_three_cabs_come_to_these_totals(cases: dict[str, Case]) -> None:
    """Each number is one that brute force came to in the tests above, event by event.

    The 144 rejected fixes (0.23%) are real faults of the logs: short bursts of rows whose times are seconds apart
    where the places are hundreds of metres or kilometres; after each burst the next fix counts again.
    """
    report = replayed(cases, CABS)
    assert report.fixes == 63_053
    assert report.rejected == {"implausible_jump": 144}
    assert (report.crossings["fuel_station"].entered, report.crossings["fuel_station"].exited) == (1_245, 1_245)
    assert report.moments == {"FenceEntered": 1_245, "FenceExited": 1_245, "Parked": 1_180, "DroveOff": 1_172}
    assert (report.decisions, report.silences) == (64, 64)
    assert report.refusals == {("addressee", "nobody_known"): 64}
    assert sum(cases[name].conversion.seat_changes for name in CABS) == 5_333


def test_the_drive_comes_to_these_totals(cases: dict[str, Case]) -> None:
    """Each number is one that brute force came to.

    The one rejected fix is the jump of 122 m in a second (439 km/h): more than 90 m/s and 30 m of noise.
    """
    report = replayed(cases, [DRIVE])
    assert report.fixes == 7_531
    assert report.rejected == {"implausible_jump": 1}
    assert report.moments == {
        "FenceEntered": 20,
        "FenceExited": 20,
        "FencePassedBy": 6,
        "Parked": 1,
        "DroveOff": 1,
    }
    assert report.decisions == 0


def test_a_driver_who_agreed_is_made_an_offer_at_each_of_these_decisions(
    cases: dict[str, Case], tmp_path: Path
) -> None:
    journals = [with_driver(cases[name].journal, tmp_path / f"{name}.jsonl.gz") for name in CABS]
    report = replayed(cases, CABS, journals)
    assert report.offers == {"pastry": 64}
    assert (report.decisions, report.silences, report.refusals.total()) == (64, 0, 0)


def with_driver(journal: Path, path: Path) -> Path:
    """Write the journal anew, with a driver who is known and has agreed from the start."""
    with create_journal(path, header_of(journal)) as known:
        for line in islice(read_journal(journal), 1, None):
            known.append(line)
            if isinstance(line, EventLine) and isinstance(line.event, UnitRegistered):
                for event in arrival(line.event.unit, line.now):
                    known.append(EventLine(line.now, event))
    return path


def arrival(unit: str, at: Instant) -> list[Event]:
    driver = f"s.{unit}"
    purposes = (Purpose.OFFER_DISPLAY, Purpose.LOCATION_TRIGGERS)
    return [
        SubjectIdentified(unit, at, "i-1", driver, Role.DRIVER),
        *(ConsentChanged(unit, at, f"c-{purpose}", driver, purpose, given=True) for purpose in purposes),
    ]


@pytest.mark.parametrize("order", [Order.AUTO, Order.NEWEST_FIRST])
def test_a_cab_written_newest_first_becomes_the_same_journal(
    cases: dict[str, Case], order: Order, realdata: Path, tmp_path: Path
) -> None:
    """The files of this data set lie here oldest first; where they come from they are newest first."""
    rows = oracle.read_text(realdata / "traces" / "sf_cabs" / "abboip.txt.gz")
    source, journal = tmp_path / "abboip.txt", tmp_path / "abboip.jsonl.gz"
    source.write_text("".join(reversed(rows)))
    unit = car("abboip", utc_offset_s=-7 * 3600)
    report = convert([source], journal, replace(CAB_ROWS, order=order), unit=unit, park=ParkingRule())
    assert report.sources[0].turned_round
    assert report.disordered == 0
    assert events_of(journal) == events_of(cases["abboip"].journal)


def test_a_cab_read_in_the_wrong_order_is_late_all_the_way(
    cases: dict[str, Case], realdata: Path, tmp_path: Path
) -> None:
    journal = tmp_path / "abboip.jsonl.gz"
    source = realdata / "traces" / "sf_cabs" / "abboip.txt.gz"
    wrong = replace(CAB_ROWS, order=Order.NEWEST_FIRST)
    report = convert([source], journal, wrong, unit=car("abboip"), park=ParkingRule())
    assert report.disordered == 23_494
    assert replay([journal], cases["abboip"].release).rejected == {"late_fix": 23_494}


@pytest.mark.parametrize(
    ("start", "end", "length_m"),
    [
        # Flinders Peak to Buninyong: Geoscience Australia, Geodetic Datum of Australia technical manual, section 4.1.
        ((-37.951033417, 144.424867889), (-37.652821139, 143.926495528), 54_972.271),
        # One degree of the equator is a 360th of the circumference; a quarter of a meridian is a handbook constant.
        ((0.0, 10.0), (0.0, 11.0), 6_378_137.0 * np.pi / 180),
        ((0.0, 10.0), (90.0, 10.0), 10_001_965.729),
        ((37.75, -122.4), (37.75, -122.4), 0.0),
        ((0.0, 10.0), (0.0, 10.0), 0.0),
    ],
)
def test_the_oracle_measures_as_surveyors_do(
    start: tuple[float, float], end: tuple[float, float], length_m: float
) -> None:
    assert float(oracle.geodesic_m(*start, *end)) == pytest.approx(length_m, abs=1e-3)


def test_the_oracle_shares_nothing_with_the_gateway() -> None:
    tree = ast.parse(Path(oracle.__file__).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)} | {
        alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    assert not {name for name in imported if name is None or name.startswith(("gateway", "geofences", "tests"))}
