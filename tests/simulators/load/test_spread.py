"""Quantiles are samples that were taken."""

import doctest

from hypothesis import given
from hypothesis import strategies as st

from simulators.load import spread as module
from simulators.load.spread import Spread


def test_examples_are_true() -> None:
    result = doctest.testmod(module)
    assert (result.failed, result.attempted > 0) == (0, True)


def test_of_nothing_there_is_none() -> None:
    assert Spread.of([]) is None


def test_quantiles_of_a_thousand_are_exact() -> None:
    found = Spread.of([number * 1_000_000 for number in range(1000, 0, -1)])
    assert found == Spread(1000, 500.0, 900.0, 990.0, 999.0, 1000.0)
    assert found is not None
    assert found.line() == "p50 500.00  p90 900.00  p99 990.00  p99.9 999.00  max 1000.00 ms"


@given(st.lists(st.integers(0, 10**12).map(lambda ns: ns * 1000), min_size=1))
def test_half_of_the_samples_do_not_exceed_the_median(samples_ns: list[int]) -> None:
    found = Spread.of(samples_ns)
    assert found is not None
    below = sum(sample / 1e6 <= found.p50 for sample in samples_ns)
    assert below * 2 >= len(samples_ns)
    assert found.max == max(samples_ns) / 1e6
