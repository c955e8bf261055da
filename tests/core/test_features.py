import math
from collections.abc import Mapping

import pytest

from gateway.core.features import CATEGORIES, FeatureView, is_feature, is_personal, vector

PERSONAL = [*(f"visits_{category}" for category in CATEGORIES), "visits_in_category", "heading_home", "heading_to_work"]
IMPERSONAL = [
    "hour",
    "alone",
    "air_temperature_c",
    "minutes_away",
    "same_direction",
    "validity_hours",
    *(f"category_{category}" for category in CATEGORIES),
]


def view(
    variables: Mapping[str, object] | None = None,
    facts: Mapping[str, object] | None = None,
    category: str = "coffee_house",
    validity_s: int = 7200,
) -> FeatureView:
    return FeatureView(variables or {}, facts or {}, category, validity_s)


def one(name: str, seen: FeatureView) -> float:
    (value,) = vector([name], seen)
    return value


def test_features_come_in_the_order_they_were_asked_in() -> None:
    seen = view({"hour": 7, "air_temperature_c": -3.5})
    assert vector(["validity_hours", "hour", "air_temperature_c", "hour"], seen) == [2.0, 7.0, -3.5, 7.0]


def test_no_features_make_an_empty_vector() -> None:
    assert vector([], view()) == []


def test_an_unknown_name_is_an_error() -> None:
    assert not is_feature("shoe_size")
    with pytest.raises(KeyError, match="shoe_size"):
        vector(["shoe_size"], view())


@pytest.mark.parametrize("name", IMPERSONAL)
def test_what_is_of_the_unit_and_the_moment_is_not_personal(name: str) -> None:
    assert is_feature(name)
    assert not is_personal(name)


@pytest.mark.parametrize("name", PERSONAL)
def test_what_is_of_a_person_is_personal_and_unknown_of_a_session(name: str) -> None:
    assert is_feature(name)
    assert is_personal(name)
    assert math.isnan(one(name, view({name: 1.0})))


@pytest.mark.parametrize("name", ["hour", "air_temperature_c", "minutes_away", "same_direction"])
@pytest.mark.parametrize("unknown", [None, "7", [7]])
def test_what_is_no_number_is_unknown(name: str, unknown: object) -> None:
    assert math.isnan(one(name, view({name: unknown})))


@pytest.mark.parametrize(("value", "feature"), [(True, 1.0), (False, 0.0), (1, 1.0), (0.5, 0.5)])
def test_truth_and_whole_numbers_become_floats(value: object, feature: float) -> None:
    answer = one("same_direction", view({"same_direction": value}))
    assert (answer, type(answer)) == (feature, float)


@pytest.mark.parametrize(("occupants", "alone"), [(1, 1.0), (2, 0.0), (5, 0.0)])
def test_one_occupant_is_alone(occupants: int, alone: float) -> None:
    assert one("alone", view({"occupants": occupants})) == alone


@pytest.mark.parametrize("occupants", [-1, 0, None])
def test_nobody_knows_who_is_alone_while_the_seats_say_nothing(occupants: int | None) -> None:
    assert math.isnan(one("alone", view({"occupants": occupants})))


def test_a_candidate_has_exactly_its_own_category() -> None:
    names = [f"category_{category}" for category in CATEGORIES]
    assert vector(names, view(category="bar")) == [1.0, 0.0, 0.0, 0.0, 0.0]
    assert vector(names, view(category="restaurant_20_50")) == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert vector(names, view(category="insurance")) == [0.0] * 5


def test_visits_in_category_are_those_of_the_candidates_category() -> None:
    facts = {"visits_bar": 1, "visits_coffee_house": 8, "heading_home": True}
    assert one("visits_in_category", view(facts=facts)) == 8.0
    assert one("visits_in_category", view(facts=facts, category="bar")) == 1.0
    assert math.isnan(one("visits_in_category", view(facts=facts, category="carry_away")))
    assert vector(["visits_bar", "heading_home"], view(facts=facts)) == [1.0, 1.0]


def test_validity_is_told_in_hours() -> None:
    assert one("validity_hours", view(validity_s=5400)) == 1.5
