"""No person stands on both sides of a split, and the figures are found again by other means."""

import csv
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_models.coupon_propensity.hiding import hide
from edge_models.coupon_propensity.survey import Floats, Survey, encode
from edge_models.coupon_propensity.trees import fit
from edge_models.coupon_propensity.validation import FOLDS, folds_by_profile, folds_by_row


def test_no_profile_stands_on_both_sides_of_a_split(survey: Survey) -> None:
    for seed in range(5):
        folds = folds_by_profile(survey.profiles, seed=seed)
        assert set(folds.tolist()) == set(range(FOLDS))
        for fold in range(FOLDS):
            assert not set(survey.profiles[folds == fold]) & set(survey.profiles[folds != fold])


def test_a_random_split_would_put_profiles_on_both_sides(survey: Survey) -> None:
    folds = folds_by_row(len(survey.profiles), seed=7)
    assert len(set(survey.profiles[folds == 0]) & set(survey.profiles[folds != 0])) > 400


def test_grouped_auc_of_the_card_is_found_again_by_other_means(data: Path, manifest: dict[str, Any]) -> None:
    """Folds, reading and AUC are this test's own; only the encoding of a row and the trees are shared."""
    rows: list[dict[str, str]] = []
    for part in data.glob("*.part.csv"):
        with part.open(encoding="utf-8", newline="") as lines:
            rows += csv.DictReader(lines)
    context = {"destination", "passanger", "weather", "temperature", "time", "coupon", "expiration", "Y"}
    person = [c for c in rows[0] if c not in context and not c.startswith(("toCoupon", "direction"))]
    assert len(person) == 13
    # A hash of the whole profile chooses the fold: one person, one fold.
    folds = np.array([hashlib.sha256("|".join(row[c] for c in person).encode()).digest()[0] % 5 for row in rows])
    features = np.array([encode(row) for row in rows], dtype=np.float32)
    accepted = np.array([float(row["Y"]) for row in rows])
    known, guest = np.empty(len(rows)), np.empty(len(rows))
    personal = manifest["personal_features"]
    for fold in range(5):
        seen, unseen = folds != fold, features[folds == fold]
        booster = fit(features[seen], accepted[seen], seed=1)
        known[~seen] = booster.predict(unseen)
        guest[~seen] = booster.predict(hide(unseen, personal))
    metrics = manifest["metrics"]
    # Other folds move the figure by some thousandths; half the width of the interval is 0.016.
    assert _rank_auc(accepted, known) == pytest.approx(metrics["all_known"]["auc"], abs=0.01)
    assert _rank_auc(accepted, guest) == pytest.approx(metrics["guest"]["auc"], abs=0.01)


def _rank_auc(accepted: Floats, predicted: Floats) -> float:
    """Return the share of pairs in order, counted pair by pair."""
    refusals = np.sort(predicted[accepted == 0.0])
    wins = np.searchsorted(refusals, predicted[accepted == 1.0], side="left")
    ties = np.searchsorted(refusals, predicted[accepted == 1.0], side="right") - wins
    return float((wins + ties / 2).sum() / (len(refusals) * (accepted == 1.0).sum()))
