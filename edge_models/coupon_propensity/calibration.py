"""The calibration: two numbers that turn the margins of the trees into log-odds which mean what they say."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from edge_models.coupon_propensity.survey import Floats

# A subject with habits and a guest without: the calibration has to serve both.
CALIBRATED_ON: Final = ("all_known", "guest")


def logistic(log_odds: Floats) -> Floats:
    """Return the probability of log-odds."""
    return 1.0 / (1.0 + np.exp(-log_odds))


def platt(unseen: Mapping[str, Floats], accepted: Floats, where: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope and offset that turn margins into calibrated log-odds (Platt 1999, without his smoothing).

    Only the rows `where` are used, in each situation of `CALIBRATED_ON`.
    """
    stacked = np.concatenate([unseen[name][where] for name in CALIBRATED_ON])
    answers = np.tile(accepted[where], len(CALIBRATED_ON))
    found = LogisticRegression(C=np.inf, tol=1e-8).fit(stacked[:, np.newaxis], answers)
    return float(found.coef_[0, 0]), float(found.intercept_[0])
