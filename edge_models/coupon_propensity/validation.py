"""Predictions for people the model has not seen; and, for contrast, for people it has."""

from collections.abc import Mapping
from typing import Final

import numpy as np
from sklearn.model_selection import GroupKFold, KFold

from edge_models.coupon_propensity.calibration import logistic, platt
from edge_models.coupon_propensity.hiding import SITUATIONS, hide
from edge_models.coupon_propensity.measure import auc
from edge_models.coupon_propensity.survey import CATEGORIES, CATEGORY_FLAGS, Floats, Ints, Survey, columns
from edge_models.coupon_propensity.trees import fit, margins

FOLDS: Final = 5


def folds_by_profile(profiles: Ints, *, seed: int) -> Ints:
    """Return the fold of each row, a profile's rows all in one."""
    folds = np.empty(len(profiles), dtype=np.int64)
    splitter = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    for fold, (_, held_out) in enumerate(splitter.split(profiles, groups=profiles)):
        folds[held_out] = fold
    return folds


def folds_by_row(rows: int, *, seed: int) -> Ints:
    """Return the fold of each row, cut at random: it leaks the person, and serves as a contrast only."""
    folds = np.empty(rows, dtype=np.int64)
    for fold, (_, held_out) in enumerate(KFold(FOLDS, shuffle=True, random_state=seed).split(folds)):
        folds[held_out] = fold
    return folds


def out_of_fold(
    survey: Survey, folds: Ints, situations: Mapping[str, tuple[str, ...]], *, seed: int
) -> dict[str, Floats]:
    """Return, for each situation, the margins of every row from trees that did not see the row's fold."""
    found = {name: np.empty(len(folds)) for name in situations}
    for fold in range(FOLDS):
        held_out = folds == fold
        booster = fit(survey.features[~held_out], survey.accepted[~held_out], seed=seed)
        for name, hidden in situations.items():
            found[name][held_out] = margins(booster, hide(survey.features[held_out], hidden))
    return found


def calibrate_across(unseen: Mapping[str, Floats], accepted: Floats, folds: Ints) -> dict[str, Floats]:
    """Return probabilities, each fold calibrated by what the other folds show."""
    found = {name: np.empty(len(folds)) for name in unseen}
    for fold in range(FOLDS):
        held_out = folds == fold
        slope, offset = platt(unseen, accepted, ~held_out)
        for name, values in unseen.items():
            found[name][held_out] = logistic(slope * values[held_out] + offset)
    return found


def category_prior(survey: Survey, folds: Ints) -> Floats:
    """Return the baseline: the share that accepts the category in the other folds."""
    categories = survey.features[:, columns(CATEGORY_FLAGS)].argmax(axis=1)
    found = np.empty(len(folds))
    for fold in range(FOLDS):
        seen = folds != fold
        for category in range(len(CATEGORIES)):
            share = survey.accepted[seen & (categories == category)].mean()
            found[~seen & (categories == category)] = share
    return found


def cross_validate(survey: Survey, *, seed: int) -> tuple[dict[str, Floats], tuple[float, float], float]:
    """Return out-of-fold probabilities by situation and baseline, the calibration to ship, and the leaky AUC."""
    folds = folds_by_profile(survey.profiles, seed=seed)
    unseen = out_of_fold(survey, folds, SITUATIONS, seed=seed)
    predicted = calibrate_across(unseen, survey.accepted, folds)
    predicted["category_prior"] = category_prior(survey, folds)
    calibration = platt(unseen, survey.accepted, np.ones(len(folds), dtype=np.bool_))
    leaky = out_of_fold(survey, folds_by_row(len(folds), seed=seed), {"all_known": ()}, seed=seed)
    return predicted, calibration, auc(survey.accepted, leaky["all_known"])
