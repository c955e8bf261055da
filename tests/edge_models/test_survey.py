"""What the model reads, and what it must not."""

import math
import random

import numpy as np
import pytest

from edge_models.coupon_propensity import survey as coupon

ANSWER = {
    "destination": "Home",
    "passanger": "Alone",
    "weather": "Sunny",
    "temperature": "80",
    "time": "6PM",
    "coupon": "Coffee House",
    "expiration": "1d",
    "gender": "Female",
    "age": "31",
    "maritalStatus": "Single",
    "has_children": "0",
    "education": "Bachelors degree",
    "occupation": "Management",
    "income": "$37500 - $49999",
    "car": "",
    "Bar": "never",
    "CoffeeHouse": "4~8",
    "CarryAway": "",
    "RestaurantLessThan20": "1~3",
    "Restaurant20To50": "less1",
    "toCoupon_GEQ5min": "1",
    "toCoupon_GEQ15min": "1",
    "toCoupon_GEQ25min": "0",
    "direction_same": "0",
    "direction_opp": "1",
    "Y": "1",
}


def test_an_answer_becomes_what_a_device_could_know() -> None:
    named = dict(zip(coupon.FEATURES, coupon.encode(ANSWER), strict=True))
    unknown = {name for name, value in named.items() if math.isnan(value)}
    assert unknown == {"visits_carry_away"}
    assert {name: value for name, value in named.items() if name not in unknown} == {
        "hour": 18.0,
        "alone": 1.0,
        "air_temperature_c": pytest.approx(26.6667, abs=1e-4),
        "minutes_away": 15.0,
        "same_direction": 0.0,
        "validity_hours": 24.0,
        "heading_home": 1.0,
        "heading_to_work": 0.0,
        "category_bar": 0.0,
        "category_carry_away": 0.0,
        "category_coffee_house": 1.0,
        "category_restaurant_under_20": 0.0,
        "category_restaurant_20_50": 0.0,
        "visits_bar": 0.0,
        "visits_coffee_house": 6.0,
        "visits_restaurant_under_20": 2.0,
        "visits_restaurant_20_50": 0.5,
        "visits_in_category": 6.0,
    }


def test_visits_to_an_unanswered_category_are_unknown() -> None:
    row = coupon.encode(ANSWER | {"coupon": "Carry out & Take away"})
    assert math.isnan(row[coupon.FEATURES.index("visits_in_category")])


@pytest.mark.parametrize("column", coupon.DEMOGRAPHICS)
def test_a_row_encodes_without_its_demographics(column: str) -> None:
    without = {name: answer for name, answer in ANSWER.items() if name != column}
    assert np.array_equal(coupon.encode(without), coupon.encode(ANSWER), equal_nan=True)


@pytest.mark.parametrize("wrong", [{"time": "3AM"}, {"coupon": "Museum"}, {"temperature": "warm"}, {"Bar": "often"}])
def test_an_answer_the_survey_did_not_offer_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="not an answer of the coupon survey"):
        coupon.encode(ANSWER | wrong)


def test_shuffled_demographics_leave_every_feature_as_it_is(
    answers: list[dict[str, str]], survey: coupon.Survey
) -> None:
    rng = random.Random(8)  # noqa: S311 (no secret)
    strangers = [dict(row) for row in answers]
    for column in coupon.DEMOGRAPHICS:
        values = [row[column] for row in answers]
        rng.shuffle(values)
        for row, value in zip(strangers, values, strict=True):
            row[column] = value
    found = coupon.tabulate(strangers)
    assert np.array_equal(found.features, survey.features, equal_nan=True)
    assert np.array_equal(found.accepted, survey.accepted)
    assert not np.array_equal(found.profiles, survey.profiles)


def test_other_names_for_demographics_give_the_training_the_same_input(
    answers: list[dict[str, str]], survey: coupon.Survey
) -> None:
    renamed = [row | {column: f"x{row[column][::-1]}" for column in coupon.DEMOGRAPHICS} for row in answers]
    found = coupon.tabulate(renamed)
    assert np.array_equal(found.features, survey.features, equal_nan=True)
    assert np.array_equal(found.profiles, survey.profiles)
