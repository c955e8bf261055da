"""How good predictions are: rank, likelihood, squared error, and whether a probability means what it says."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from edge_models.coupon_propensity.survey import Floats, Survey

RESAMPLES: Final = 1000
BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Score:
    """How good predictions are. `auc_low` and `auc_high` bound 95% of the resamples of whole profiles."""

    auc: float
    auc_low: float
    auc_high: float
    log_loss: float
    brier: float
    ece: float


@dataclass(frozen=True, slots=True)
class Bin:
    """One row of a calibration table: what was predicted there on average, and what share accepted."""

    low: float
    high: float
    rows: int
    predicted: float
    accepted: float


def auc(accepted: Floats, ranks: npt.NDArray[np.generic], weights: Floats | None = None) -> float:
    """Return the chance that an acceptance ranks above a refusal, ties counted half (Mann-Whitney U)."""
    _, order = np.unique(ranks, return_inverse=True)
    weight = np.ones(len(accepted)) if weights is None else weights
    positive = np.bincount(order, weight * accepted)
    negative = np.bincount(order, weight * (1.0 - accepted))
    below = np.cumsum(negative) - negative / 2.0
    return float(positive @ below / (positive.sum() * negative.sum()))


def auc_interval(survey: Survey, predicted: Floats, *, seed: int) -> tuple[float, float]:
    """Return the 95% percentile interval of the AUC over resamples of whole profiles.

    It says how the figure would move with other respondents, not with another training.
    """
    rng = np.random.default_rng(seed)
    people = int(survey.profiles.max()) + 1
    _, ranks = np.unique(predicted, return_inverse=True)
    draws = rng.multinomial(people, np.full(people, 1.0 / people), size=RESAMPLES)
    found = [auc(survey.accepted, ranks, draw[survey.profiles].astype(np.float64)) for draw in draws]
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def reliability(accepted: Floats, predicted: Floats) -> list[Bin]:
    """Return the calibration table over equal widths of probability; empty bins are left out."""
    place = np.minimum((predicted * BINS).astype(np.int64), BINS - 1)
    return [
        Bin(
            low=b / BINS,
            high=(b + 1) / BINS,
            rows=int((place == b).sum()),
            predicted=float(predicted[place == b].mean()),
            accepted=float(accepted[place == b].mean()),
        )
        for b in np.unique(place).tolist()
    ]


def expected_calibration_error(accepted: Floats, predicted: Floats) -> float:
    """Return the mean gap of the calibration table, weighted by rows (Naeini et al., AAAI 2015)."""
    gaps = [abs(b.predicted - b.accepted) * b.rows for b in reliability(accepted, predicted)]
    return sum(gaps) / len(accepted)


def score(survey: Survey, predicted: Floats, *, seed: int) -> Score:
    """Return how good these out-of-fold probabilities are."""
    accepted = survey.accepted
    low, high = auc_interval(survey, predicted, seed=seed)
    likelihood = np.where(accepted == 1.0, predicted, 1.0 - predicted)
    return Score(
        auc=auc(accepted, predicted),
        auc_low=low,
        auc_high=high,
        log_loss=float(-np.log(likelihood).mean()),
        brier=float(np.square(predicted - accepted).mean()),
        ece=expected_calibration_error(accepted, predicted),
    )
