"""The same cabs among all 13,930 restaurants that OpenStreetMap has in California: often in several at once.

Whatever is left, passed by and entered is what brute force says, event by event; and over the whole of these replays
nothing flaps.
"""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from gateway.testing.faults import counts
from tests.realdata import oracle
from tests.realdata.cases import CABS, Case, cab_case, drive_case

pytestmark = pytest.mark.realdata

MINUTE_MS = 60_000
AMONG_RESTAURANTS = CABS[: counts(full=3, ci=1)]
TOTALS = {"abboip": (34_530, 34_530, 28), "aiwalb": (23_694, 23_694, 9), "ugthfu": (28_779, 28_776, 6)}
"""Entered, left and passed by, by cab."""


@pytest.fixture(scope="module")
def cases(realdata: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    folder = tmp_path_factory.mktemp("restaurants")
    packed = realdata / "pois" / "california_osm_restaurant.csv.gz"
    (folder / "restaurants.csv").write_text("".join(oracle.read_text(packed)))
    lats, lons = oracle.read_stations(folder / "restaurants.csv")
    assert len(lats) == 13_930
    return {cab: cab_case(cab, realdata, folder, lats, lons) for cab in AMONG_RESTAURANTS}


@pytest.mark.parametrize("cab", AMONG_RESTAURANTS)
def test_every_crossing_is_that_of_brute_force(cases: dict[str, Case], cab: str) -> None:
    assert cases[cab].seen.crossings == cases[cab].crossings


@pytest.mark.parametrize("cab", AMONG_RESTAURANTS)
def test_a_cab_comes_to_these_totals(cases: dict[str, Case], cab: str) -> None:
    """Each number is one that brute force came to in the test above, event by event."""
    whats = Counter(crossing.what for crossing in cases[cab].seen.crossings)
    assert (whats["3 entered"], whats["1 left"], whats["2 passed by"]) == TOTALS[cab]


def test_nothing_flaps(cases: dict[str, Case], realdata: Path, tmp_path: Path) -> None:
    """Entered again within a minute without a fix surely farther than the exit buffer in between: not once."""
    lats, lons = oracle.read_stations(realdata / "pois" / "california_osm_fuel.csv")
    stations = [cab_case(cab, realdata, tmp_path, lats, lons) for cab in CABS]
    came_back = flapped = 0
    for case in [*cases.values(), *stations, drive_case(realdata, tmp_path)]:
        returned, without_leaving = returns(case)
        came_back, flapped = came_back + returned, flapped + without_leaving
    assert flapped == 0
    assert came_back == counts(full=588, ci=290)


def returns(case: Case) -> tuple[int, int]:
    """Return how often a circle was entered within a minute of leaving it, and how often without really leaving."""
    ts = case.trace.ts
    left: dict[int, int] = {}
    returned = without_leaving = 0
    for crossing in case.seen.crossings:
        if crossing.what == "1 left":
            left[crossing.circle] = crossing.ts
        elif crossing.what == "3 entered" and crossing.ts - left.get(crossing.circle, -MINUTE_MS - 1) <= MINUTE_MS:
            between = np.flatnonzero((ts >= left[crossing.circle]) & (ts < crossing.ts))
            where = (case.lats[crossing.circle], case.lons[crossing.circle])
            away_m = oracle.geodesic_m(*where, case.trace.lat[between], case.trace.lon[between])
            returned += 1
            without_leaving += bool((away_m <= oracle.RADIUS_M + oracle.EXIT_BUFFER_M).all())
    return returned, without_leaving
