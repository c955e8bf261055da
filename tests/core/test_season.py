import doctest
from datetime import UTC, datetime

import pytest

from gateway.core import season
from gateway.core.state import Memory, Scope, StateKey
from gateway.testing.engines import CAR

CLIMATE = StateKey(Scope.UNIT, CAR, "climate")


@pytest.mark.parametrize(
    ("climate", "month", "air_c", "found"),
    [
        ("north", 1, None, "winter"),
        ("north", 3, 9.9, "winter"),
        ("north", 3, 10.0, "unknown"),
        ("north", 10, None, "winter"),
        ("north", 9, None, "summer"),
        ("north", 4, None, "unknown"),
        ("north", 4, 20.0, "unknown"),
        ("north", 4, 3.9, "winter"),
        ("north", 5, None, "summer"),
        ("north", 7, 15.0, "unknown"),
        ("north", 7, 15.1, "summer"),
        ("north", 7, 3.9, "winter"),
        ("north", 7, 4.0, "unknown"),
        ("south", 7, None, "winter"),
        ("south", 1, None, "summer"),
        ("south", 4, 5.0, "winter"),
        ("south", 10, None, "unknown"),
        ("south", 11, 16.0, "summer"),
        ("tropics", 1, None, "unknown"),
        ("tropics", 7, 30.0, "unknown"),
        ("tropics", 1, -5.0, "unknown"),
        (None, 1, None, "unknown"),
        (None, 7, 30.0, "unknown"),
        (None, 7, 3.0, "winter"),
    ],
)
def test_the_season_is_that_of_the_table(climate: str | None, month: int, air_c: float | None, found: str) -> None:
    assert season.season_of(climate, month, air_c) == found


@pytest.mark.parametrize("month", range(1, 13))
def test_the_south_is_half_a_year_behind(month: int) -> None:
    opposite = (month + 5) % 12 + 1
    assert season.season_of("south", month, None) == season.season_of("north", opposite, None)


@pytest.mark.parametrize(
    ("found", "tyres", "out"),
    [
        ("winter", "NON_WINTER", True),
        ("winter", "WINTER", False),
        ("winter", "UNKNOWN", False),
        ("summer", "WINTER", True),
        ("summer", "NON_WINTER", False),
        ("unknown", "NON_WINTER", False),
        ("unknown", "WINTER", False),
    ],
)
def test_tyres_are_out_of_season_when_they_are_those_of_the_other(found: str, tyres: str, *, out: bool) -> None:
    assert season.is_out(found, tyres) is out


@pytest.mark.parametrize(
    ("lat", "known", "climate"),
    [
        (23.4, None, "north"),
        (23.39, None, "tropics"),
        (-23.4, None, "south"),
        (-23.39, None, "tropics"),
        (0.0, None, "tropics"),
        (23.31, "north", "north"),
        (23.29, "north", "tropics"),
        (23.49, "tropics", "tropics"),
        (23.51, "tropics", "north"),
        (-23.45, "tropics", "tropics"),
        (-23.45, "north", "south"),
        (60.0, "south", "north"),
    ],
)
def test_a_climate_stands_until_the_unit_is_surely_across_a_tropic(lat: float, known: str | None, climate: str) -> None:
    assert season.climate_of(lat, known) == climate


@pytest.mark.parametrize(("lat", "clear_km"), [(0.0, 2563.0), (23.4, -11.0), (-47.0, 2585.0)])
def test_how_far_a_climate_reaches_is_never_overstated(lat: float, clear_km: float) -> None:
    assert season.clear_m(lat) == pytest.approx(clear_km * 1000)


def test_the_climate_a_unit_comes_into_is_told_once_it_is_another() -> None:
    memory = Memory()
    assert season.come_into(memory, CAR, 47.0) == "north"
    assert season.known_climate(memory, CAR) is None
    season.keep_climate(memory, CAR, "north")
    assert season.come_into(memory, CAR, 47.0) == ""
    assert memory.take_changes() == [(CLIMATE, "north")]


def test_each_band_of_temperature_is_one_season_in_every_month() -> None:
    samples = [None, *(degrees / 4 for degrees in range(-80, 160))]
    for climate in ("north", "south", "tropics", None):
        for month in range(1, 13):
            found: dict[int, str] = {}
            for air_c in samples:
                now = season.season_of(climate, month, air_c)
                assert found.setdefault(season.band(air_c), now) == now


@pytest.mark.parametrize(
    ("climate", "found", "days"),
    [
        ("north", "winter", [(2025, 10, 1), (2026, 3, 31), (2026, 8, 31)]),
        ("north", "summer", [(2026, 5, 1), (2026, 9, 30)]),
        ("south", "winter", [(2026, 4, 1), (2026, 7, 1), (2026, 9, 30)]),
        ("south", "summer", [(2025, 11, 1), (2026, 1, 1), (2026, 3, 31)]),
        (None, "winter", [(2025, 12, 31), (2026, 1, 1)]),
    ],
)
def test_tyres_are_noticed_once_a_season_and_again_in_the_next(
    climate: str | None, found: str, days: list[tuple[int, int, int]]
) -> None:
    memory = Memory({} if climate is None else {CLIMATE: climate})
    noticed = [season.note(memory, CAR, found, datetime(*day, tzinfo=UTC)) for day in days]
    assert noticed == [True] + [False] * (len(days) - 1)
    year, month, day = days[0]
    assert season.note(memory, CAR, found, datetime(year + 1, month, day, tzinfo=UTC))


def test_winter_and_summer_are_noticed_each_for_itself() -> None:
    memory = Memory({CLIMATE: "north"})
    assert season.note(memory, CAR, "winter", datetime(2026, 1, 1, tzinfo=UTC))
    assert season.note(memory, CAR, "summer", datetime(2026, 6, 1, tzinfo=UTC))
    assert not season.note(memory, CAR, "winter", datetime(2026, 6, 1, tzinfo=UTC))


def test_the_examples_in_the_docstrings_hold() -> None:
    result = doctest.testmod(season)
    assert (result.failed, result.attempted > 0) == (0, True)
