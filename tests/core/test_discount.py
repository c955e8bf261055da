import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import discount
from gateway.core.events import Scalar
from gateway.core.facts import Fact
from gateway.core.terms import Discount, Reward

TENTH = Discount("churn_risk", "customer_value", share=0.1, step_cents=50, at_most_cents=500)
RISKS = st.floats(0, 1)
WORTHS = st.floats(0, 1e9)
DISCOUNTS = st.builds(
    Discount,
    st.just("churn_risk"),
    st.just("customer_value"),
    share=st.floats(0, 1),
    step_cents=st.integers(1, 500),
    at_most_cents=st.integers(0, 10_000),
)


def due(risk: Scalar | None, worth: Scalar | None, rule: Discount = TENTH) -> int:
    said = {"churn_risk": risk, "customer_value": worth}
    facts = {name: Fact(value, 0) for name, value in said.items() if value is not None}
    return discount.amount_cents(Reward("off", "{amount} off", currency="EUR", discount=rule), facts)


def test_it_is_a_share_of_what_may_be_lost() -> None:
    assert due(0.5, 60) == 300


def test_it_is_rounded_down_to_whole_steps() -> None:
    assert due(0.5, 69.99) == 300
    assert due(0.5, 70) == 350


@pytest.mark.parametrize(("risk", "worth", "cents"), [(1, 5, 50), (1.0, 35, 350), (0.7, 50, 350), (0.29, 50, 100)])
def test_no_rounding_of_binary_numbers_takes_a_step_away(risk: Scalar, worth: Scalar, cents: int) -> None:
    assert due(risk, worth) == cents


def test_it_is_no_more_than_the_most_there_is() -> None:
    assert due(1, 1_000_000) == 500
    assert due(1, 1_000_000, Discount("churn_risk", "customer_value", 0.1, 50, 120)) == 120


def test_a_risk_is_no_more_than_certain_and_neither_is_below_nothing() -> None:
    assert due(7, 20) == due(1, 20) == 200
    assert due(-1, 20) == due(0.5, -20) == due(-1, -20) == 0


@pytest.mark.parametrize("what", [None, "much", True, math.nan, math.inf, -math.inf])
def test_what_is_no_number_earns_no_discount(what: Scalar | None) -> None:
    assert due(what, 1000) == 0
    assert due(1, what) == 0


def test_a_reward_of_a_fixed_cost_costs_that() -> None:
    assert discount.amount_cents(Reward("pastry", "A pastry", cost_cents=250, currency="EUR"), {}) == 250


@given(DISCOUNTS, RISKS, RISKS, WORTHS, WORTHS)
def test_it_never_falls_as_risk_or_worth_grow(
    rule: Discount, risk: float, other: float, worth: float, more: float
) -> None:
    low, high = sorted((risk, other))
    little, much = sorted((worth, more))
    assert due(low, little, rule) <= due(high, little, rule)
    assert due(low, little, rule) <= due(low, much, rule)


@given(DISCOUNTS, RISKS, WORTHS)
def test_it_is_capped_in_whole_steps_and_within_the_share(rule: Discount, risk: float, worth: float) -> None:
    cents = due(risk, worth, rule)
    assert 0 <= cents <= rule.at_most_cents
    assert cents % rule.step_cents == 0 or cents == rule.at_most_cents
    exact = Fraction(str(rule.share)) * Fraction(str(risk)) * Fraction(str(worth)) * 100
    assert cents <= exact < cents + rule.step_cents or cents == rule.at_most_cents
