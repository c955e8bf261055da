"""The graph: small, old enough for every runtime, and one with the trees it was made of."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx

from edge_models.coupon_propensity.golden import imagine
from edge_models.coupon_propensity.report import Report
from edge_models.coupon_propensity.survey import Matrix


def test_graph_is_small_and_of_an_opset_that_old_runtimes_read(committed: Path) -> None:
    content = (committed / "model.onnx").read_bytes()
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert len(content) < 300_000
    assert model.ir_version <= 8
    assert {opset.domain: opset.version for opset in model.opset_import} == {"": 15, "ai.onnx.ml": 3}


def test_graph_takes_features_and_gives_one_propensity_a_row(
    committed: Path, score: Callable[[Matrix], Matrix]
) -> None:
    model = onnx.load(committed / "model.onnx")
    assert [value.name for value in model.graph.input] == ["features"]
    assert [value.name for value in model.graph.output] == ["propensity"]
    for rows in (0, 1, 8):
        found = score(imagine(rows, seed=1))
        assert found.shape == (rows,)
        assert found.dtype == np.float32


def test_onnxruntime_agrees_with_lightgbm_whatever_is_unknown(report: Report) -> None:
    assert report.onnx_rows > 4 * report.rows
    assert report.onnx_max_difference < 1e-6
