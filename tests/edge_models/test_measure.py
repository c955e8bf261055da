"""The figures: each agrees with what others compute, or with what can be counted by hand."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from edge_models.coupon_propensity.measure import auc, expected_calibration_error, reliability, score
from edge_models.coupon_propensity.survey import Survey


def test_auc_counts_ties_half_and_weights_rows() -> None:
    accepted = np.array([1.0, 0.0, 1.0, 0.0])
    assert auc(accepted, np.array([4.0, 3.0, 2.0, 1.0])) == pytest.approx(0.75)
    assert auc(accepted, np.array([1.0, 1.0, 1.0, 1.0])) == pytest.approx(0.5)
    assert auc(accepted, np.array([4.0, 3.0, 2.0, 1.0]), np.array([1.0, 0.0, 1.0, 1.0])) == pytest.approx(1.0)


def test_scores_agree_with_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(9)
    predicted = rng.uniform(0.05, 0.95, 600).round(2)
    accepted = (rng.random(600) < predicted).astype(np.float64)
    survey = Survey(np.empty((600, 0), dtype=np.float32), accepted, np.arange(600) // 20)
    found = score(survey, predicted, seed=1)
    assert found.auc == pytest.approx(roc_auc_score(accepted, predicted))
    assert found.log_loss == pytest.approx(log_loss(accepted, predicted))
    assert found.brier == pytest.approx(brier_score_loss(accepted, predicted))
    assert found.auc_low < found.auc < found.auc_high


def test_calibration_error_is_the_mean_gap_of_the_table() -> None:
    predicted = np.array([0.25, 0.25, 0.25, 0.25, 0.95, 0.95])
    accepted = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    assert [(b.low, b.rows) for b in reliability(accepted, predicted)] == [(0.2, 4), (0.9, 2)]
    assert expected_calibration_error(accepted, predicted) == pytest.approx((4 * 0.0 + 2 * 0.45) / 6)
