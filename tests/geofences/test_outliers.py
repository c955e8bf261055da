import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geofences.outliers import FEWEST, find_outliers

CITY = [shapely.Point(-122 + number / 100, 47) for number in range(30)]
FAR = shapely.Point(-72.9, 7.3)


def test_a_point_far_from_all_others_is_found() -> None:
    assert find_outliers([*CITY, FAR]) == [30]
    assert find_outliers([FAR, *CITY]) == [0]


def test_of_few_fences_none_is_an_outlier() -> None:
    assert find_outliers([*CITY[: FEWEST - 2], FAR]) == []
    assert find_outliers([]) == []


def test_two_cities_are_no_outliers_of_each_other() -> None:
    other = [shapely.Point(-72 + number / 100, 7) for number in range(30)]
    assert find_outliers(CITY + other) == []


def test_how_far_is_far_may_be_told() -> None:
    near = shapely.Point(-119.5, 47)
    assert find_outliers([*CITY, near]) == []
    assert find_outliers([*CITY, near], step_km=30.0) == [30]


@pytest.mark.parametrize("lat", [0.0, 65.0, 89.9])
def test_neither_the_antimeridian_nor_a_pole_separates(lat: float) -> None:
    around = [shapely.Point((170 + number + 180) % 360 - 180, lat) for number in range(25)]
    assert find_outliers(around) == []


def test_every_vertex_of_an_area_counts() -> None:
    bridge = shapely.LineString([(-122, 47), (-72.9, 7.3)])
    assert find_outliers([*CITY, FAR, bridge]) == []


def test_of_many_fences_a_small_group_is_an_outlier() -> None:
    many = [shapely.Point(-122 + number / 1000, 47) for number in range(3000)]
    strays = [FAR, shapely.Point(-72.8, 7.3)]
    assert find_outliers([*many, *strays]) == [3000, 3001]


@settings(deadline=None)
@given(st.floats(-180, 180), st.floats(-90, 90))
def test_a_step_shorter_than_the_limit_always_counts(lon: float, lat: float) -> None:
    shifted = [shapely.Point(min(lon + number / 50, 180.0), lat) for number in range(25)]
    assert find_outliers(shifted, step_km=250.0) == []
