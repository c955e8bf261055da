"""What the committed model promises whoever asks it, known or unknown, near or far."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest

from edge_models.coupon_propensity.golden import imagine
from edge_models.coupon_propensity.survey import CATEGORIES, CATEGORY_FLAGS, FEATURES, Matrix, columns

Score: TypeAlias = Callable[[Matrix], Matrix]


def test_unknown_in_every_pattern_gives_a_propensity_inside_0_and_1(score: Score) -> None:
    rng = np.random.default_rng(3)
    rows = imagine(4000, seed=3)
    rows[rng.random(rows.shape) < rng.random((len(rows), 1))] = np.nan
    rows[0] = np.nan
    found = score(rows)
    assert np.isfinite(found).all()
    assert ((found > 0.0) & (found < 1.0)).all()


def test_nothing_known_is_near_the_overall_share(score: Score) -> None:
    nothing = np.full((1, len(FEATURES)), np.nan, dtype=np.float32)
    assert score(nothing)[0] == pytest.approx(0.57, abs=0.05)


def test_inputs_far_outside_the_survey_stay_inside_0_and_1(score: Score) -> None:
    row = np.full((1, len(FEATURES)), 1e30, dtype=np.float32)
    found = score(np.vstack([row, -row, np.full_like(row, np.inf)]))
    assert ((found > 0.0) & (found < 1.0)).all()


@pytest.mark.parametrize("category", CATEGORIES)
def test_more_visits_to_the_category_never_lower_the_propensity(score: Score, category: str) -> None:
    rows = imagine(500, seed=4)
    rows[:, columns(CATEGORY_FLAGS)] = 0.0
    rows[:, columns([f"category_{category}"])] = 1.0
    rising = []
    for visits in np.arange(0.0, 31.0, 0.5):
        # A habit stands in two places, and a device moves both at once.
        rows[:, columns([f"visits_{category}", "visits_in_category"])] = visits
        rising.append(score(rows))
    # The runtime adds the trees in float32: a step may lose its last bits.
    assert np.diff(rising, axis=0).min() >= -1e-6
    assert (rising[-1] > rising[0] + 0.01).mean() > 0.9


@pytest.mark.parametrize(("feature", "values"), [("minutes_away", range(60, -1, -1)), ("validity_hours", range(1, 72))])
def test_nearer_and_longer_valid_never_lower_the_propensity(score: Score, feature: str, values: range) -> None:
    rows = imagine(500, seed=5)
    rising = []
    for value in values:
        rows[:, columns([feature])] = value
        rising.append(score(rows))
    assert np.diff(rising, axis=0).min() >= -1e-6
