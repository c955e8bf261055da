"""The golden vectors: what they cover, and that they are nobody's answers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edge_models.coupon_propensity.survey import CATEGORY_FLAGS, Matrix, Survey, columns


def test_golden_vectors_pass_on_onnxruntime(
    score: Callable[[Matrix], Matrix], golden: dict[str, Any], golden_inputs: Matrix, manifest: dict[str, Any]
) -> None:
    assert golden["features"] == manifest["features"]
    assert len(golden["rows"]) == len(golden["propensities"]) >= 32
    assert score(golden_inputs) == pytest.approx(golden["propensities"], abs=manifest["tolerance"])


def test_golden_vectors_begin_with_nothing_known_and_cover_every_category(golden_inputs: Matrix) -> None:
    assert np.isnan(golden_inputs[0]).all()
    assert (golden_inputs[:, columns(CATEGORY_FLAGS)] == 1.0).any(axis=0).all()


def test_no_golden_vector_is_an_answer_of_a_respondent(survey: Survey, golden_inputs: Matrix) -> None:
    temperature = columns(["air_temperature_c"])
    golden = golden_inputs[:, temperature]
    assert not np.isin(golden[~np.isnan(golden)], survey.features[:, temperature]).any()
    assert not np.isnan(survey.features[:, temperature]).any()
