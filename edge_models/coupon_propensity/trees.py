"""The trees: boosted on the answers as given and on copies with parts hidden, held monotone where the world is."""

from collections.abc import Mapping
from typing import Any, Final

import lightgbm
import numpy as np

from edge_models.coupon_propensity.hiding import hide_at_random
from edge_models.coupon_propensity.survey import FEATURES, VISITS, Floats, Matrix

HIDDEN_COPIES: Final = 3

# Nearer, longer valid and visited more often never make a coupon less welcome. All visits are constrained, not only
# those in the category: the same habit stands in both, and only together do they promise anything.
DIRECTIONS: Final = {"minutes_away": -1, "validity_hours": 1} | dict.fromkeys(VISITS, 1)
TREES: Final = 100
PARAMETERS: Final[Mapping[str, Any]] = {
    "objective": "binary",
    "num_leaves": 31,
    "learning_rate": 0.08,
    "feature_fraction": 0.7,
    "min_data_in_leaf": 40,
    "monotone_constraints": [DIRECTIONS.get(feature, 0) for feature in FEATURES],
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


def fit(features: Matrix, accepted: Floats, *, seed: int) -> lightgbm.Booster:
    """Return the trees for these answers, trained on them as given and on copies with parts hidden."""
    rng = np.random.default_rng(seed)
    copies = [features, *(hide_at_random(features, rng) for _ in range(HIDDEN_COPIES))]
    training = lightgbm.Dataset(np.vstack(copies), np.tile(accepted, len(copies)), feature_name=list(FEATURES))
    return lightgbm.train({**PARAMETERS, "seed": seed}, training, TREES)


def margins(booster: lightgbm.Booster, features: Matrix) -> Floats:
    """Return the log-odds of acceptance before calibration."""
    return np.asarray(booster.predict(features, raw_score=True), dtype=np.float64)
