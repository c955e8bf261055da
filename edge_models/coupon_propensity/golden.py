"""Moments that nobody was asked about: the inputs of the golden vectors. No answer of a respondent is among them."""

import numpy as np

from edge_models.coupon_propensity.hiding import hide_at_random
from edge_models.coupon_propensity.survey import CATEGORIES, CATEGORY_FLAGS, FEATURES, Matrix, columns


def imagine(rows: int, *, seed: int) -> Matrix:
    """Return moments that a device could meet and the survey never asked about, many with parts unknown.

    The category goes round, and the visits in it agree with it. The temperatures are none of the survey's, so no row
    is a respondent's answer.
    """
    rng = np.random.default_rng(seed)
    flags = np.eye(len(CATEGORIES))[np.arange(rows) % len(CATEGORIES)]
    visits = rng.choice([0.0, 1.0, 3.5, 4.0, 8.0, 15.0], (rows, len(CATEGORIES)))
    heading = rng.choice([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], rows)
    found = np.column_stack(
        [
            rng.integers(0, 24, rows),
            rng.integers(0, 2, rows),
            rng.choice([-12.5, 4.0, 18.25, 33.5], rows),
            rng.choice([0.0, 2.5, 8.0, 10.0, 20.0, 45.0], rows),
            rng.integers(0, 2, rows),
            rng.choice([1.0, 4.0, 13.0, 48.0], rows),
            heading,
            flags,
            visits,
            (visits * flags).sum(axis=1),
        ]
    )
    return hide_at_random(found.astype(np.float32), rng)


def golden_rows(*, seed: int) -> Matrix:
    """Return the inputs of the golden vectors: nothing known, each category alone, and forty imagined moments."""
    unknown = np.full((1 + len(CATEGORIES), len(FEATURES)), np.nan, dtype=np.float32)
    unknown[1:, columns(CATEGORY_FLAGS)] = np.eye(len(CATEGORIES))
    return np.vstack([unknown, imagine(40, seed=seed)])
