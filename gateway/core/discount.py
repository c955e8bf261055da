"""Personal discount: a share of what may be lost with a person, which is how likely they walk away times their worth.

    amount = min(at_most, floor(share * risk * worth / step) * step)

It never falls as risk or worth grow, is a whole number of steps or the most there is, and is nothing where one of the
two is unknown. The numbers are taken as they are written in decimals and reckoned in fractions, so that a tenth of 50
is ten steps of 0.50 and not, by a rounding of binary floats, nine.
"""

import math
from collections.abc import Mapping
from fractions import Fraction

from gateway.core.facts import Fact
from gateway.core.terms import Reward

NO_DISCOUNT_DUE = "no_discount_due"
"""Why an action is not offered whose discount comes to nothing."""

_NOTHING, _CERTAIN = Fraction(0), Fraction(1)
_CENTS = 100


def amount_cents(reward: Reward, facts: Mapping[str, Fact]) -> int:
    """Return what a reward costs for the person of these facts, in hundredths; 0: no discount is due."""
    discount = reward.discount
    if discount is None:
        return reward.cost_cents
    risk = min(_CERTAIN, _number(facts.get(discount.risk)))
    loss_cents = risk * _number(facts.get(discount.worth)) * _CENTS
    steps = Fraction(str(discount.share)) * loss_cents // discount.step_cents
    return min(discount.at_most_cents, steps * discount.step_cents)


def _number(fact: Fact | None) -> Fraction:
    """Return what a fact says, no less than 0; 0 too if it is unknown or says no number."""
    value = None if fact is None else fact.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return _NOTHING
    return max(_NOTHING, Fraction(str(value)))
