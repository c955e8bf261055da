"""Models answer rightly on this machine, or not at all."""

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from gateway.core.errors import ReleaseError
from gateway.core.scoring import ScoringFailed
from gateway.edge.scorer import OnnxScorer, verify

COMMITTED = Path(__file__).parents[2] / "edge_models" / "coupon_propensity"


def _graph(weights: list[float]) -> bytes:
    """Return a model of one step: the weighted sum of its features."""
    column = numpy_helper.from_array(np.array(weights, dtype=np.float32).reshape(-1, 1), "weights")
    axis = numpy_helper.from_array(np.array([1], dtype=np.int64), "axis")
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["features", "weights"], ["sum"]),
            helper.make_node("Squeeze", ["sum", "axis"], ["propensity"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, len(weights)])],
        [helper.make_tensor_value_info("propensity", TensorProto.FLOAT, [None])],
        [column, axis],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def _make(folder: Path, *, content: bytes | None = None, **changes: object) -> Path:
    """Write a model that answers half its first feature, with whatever is to be different."""
    folder.mkdir()
    golden = {"features": ["hour", "alone"], "rows": [[0.5, 0.0], [1.0, 9.0]], "propensities": [0.25, 0.5]}
    golden |= {key.removeprefix("golden_"): value for key, value in changes.items() if key.startswith("golden_")}
    files = {"model": content or _graph([0.5, 0.0]), "golden": json.dumps(golden).encode()}
    manifest: dict[str, object] = {
        "format": 1,
        "name": "tiny",
        "version": "1",
        "task": "propensity",
        "input": "features",
        "output": "propensity",
        "features": ["hour", "alone"],
        "feature_version": 1,
        "categories": ["bar"],
        "personal_features": [],
        "tolerance": 1e-6,
    }
    manifest |= {key: value for key, value in changes.items() if key in manifest}
    for role, name in (("model", "model.onnx"), ("golden", "golden.json")):
        (folder / name).write_bytes(files[role])
        digest = hashlib.sha256(files[role]).hexdigest()
        manifest[role] = {"path": name, "sha256": digest, "length": len(files[role])}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


@pytest.fixture
def scorer(tmp_path: Path) -> OnnxScorer:
    return OnnxScorer({"tiny": _make(tmp_path / "tiny")})


def test_each_row_gets_its_propensity(scorer: OnnxScorer) -> None:
    assert scorer.score("tiny", [[0.2, 1.0], [0.8, 0.0]]) == pytest.approx([0.1, 0.4])
    assert scorer.reports[0].rows == 2


def test_an_answer_that_is_not_finite_fails(scorer: OnnxScorer) -> None:
    with pytest.raises(ScoringFailed) as caught:
        scorer.score("tiny", [[math.nan, 0.0]])
    assert caught.value.reason == "not_finite"


def test_a_model_that_is_not_there_fails(scorer: OnnxScorer) -> None:
    with pytest.raises(ScoringFailed) as caught:
        scorer.score("other", [[0.0, 0.0]])
    assert caught.value.reason == "unknown_model"


def test_a_row_of_the_wrong_length_fails(scorer: OnnxScorer) -> None:
    with pytest.raises(ScoringFailed) as caught:
        scorer.score("tiny", [[0.0, 0.0, 0.0]])
    assert caught.value.reason == "wrong_shape"


def test_a_runtime_that_refuses_fails(tmp_path: Path) -> None:
    folder = _make(tmp_path / "tiny")
    scorer = OnnxScorer({"tiny": folder})
    narrow = scorer._models["tiny"].manifest.model_copy(update={"features": ("hour",)})
    scorer._models["tiny"].manifest = narrow

    with pytest.raises(ScoringFailed) as caught:
        scorer.score("tiny", [[0.0]])
    assert caught.value.reason == "model_error"


def test_a_model_off_its_golden_vectors_is_refused(tmp_path: Path) -> None:
    folder = _make(tmp_path / "tiny", golden_propensities=[0.25, 0.501])

    with pytest.raises(ReleaseError, match=r"'tiny' is off its golden vectors by 0\.001"):
        OnnxScorer({"tiny": folder})
    with pytest.raises(ReleaseError, match="more than"):
        verify(folder)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"golden_propensities": [0.25]}, "cannot be asked"),
        ({"golden_rows": [[math.inf, 0.0], [1.0, 9.0]]}, "not_finite"),
        ({"golden_rows": []}, "cannot be asked"),
        ({"golden_features": ["alone", "hour"]}, "other features"),
        ({"input": "other"}, "unlike its manifest"),
        ({"output": "other"}, "unlike its manifest"),
        ({"format": 2}, "format"),
        ({"content": b"no model"}, "cannot be loaded"),
    ],
)
def test_a_folder_that_contradicts_itself_is_refused(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ReleaseError, match=problem):
        verify(_make(tmp_path / "tiny", **changes))


def test_a_file_that_is_not_the_one_of_the_manifest_is_refused(tmp_path: Path) -> None:
    folder = _make(tmp_path / "tiny")
    (folder / "model.onnx").write_bytes(_graph([0.6, 0.0]))

    with pytest.raises(ReleaseError, match="not the file"):
        verify(folder)


def test_the_committed_model_keeps_its_word_here() -> None:
    report = verify(COMMITTED)

    assert report.model == "coupon_propensity"
    assert report.max_difference <= report.tolerance


def test_the_tiny_model_is_a_valid_one() -> None:
    onnx.checker.check_model(onnx.load_from_string(_graph([0.5, 0.0])), full_check=True)
