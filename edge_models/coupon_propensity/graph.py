"""The ONNX graph: trees and calibration in one, so that the output is the probability without code beside it."""

from typing import Any, Final

import lightgbm
import numpy as np
import onnx
import onnxmltools
import onnxruntime
from onnx import TensorProto, helper
from onnxmltools.convert.common.data_types import FloatTensorType

from edge_models.coupon_propensity import NAME
from edge_models.coupon_propensity.calibration import logistic
from edge_models.coupon_propensity.golden import imagine
from edge_models.coupon_propensity.hiding import SITUATIONS, hide
from edge_models.coupon_propensity.survey import FEATURES, Matrix, Survey
from edge_models.coupon_propensity.trees import margins

# Opset 15 and IR 8 are of 2021-2022: every onnxruntime from 1.20 on reads them.
OPSETS: Final = {"": 15, "ai.onnx.ml": 3}
IR_VERSION: Final = 8


def to_onnx(booster: lightgbm.Booster, slope: float, offset: float) -> bytes:
    """Return one graph: trees, calibration, sigmoid. `features` float32 [N, F] -> `propensity` float32 [N].

    The calibration works on log-odds, without a way back through a probability.
    """
    trees = regressor_attributes(booster)
    nodes = [
        helper.make_node("TreeEnsembleRegressor", ["features"], ["margin"], domain="ai.onnx.ml", n_targets=1, **trees),
        helper.make_node("Mul", ["margin", "slope"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offset"], ["log_odds"]),
        helper.make_node("Sigmoid", ["log_odds"], ["column"]),
        helper.make_node("Reshape", ["column", "flat"], ["propensity"]),
    ]
    graph = helper.make_graph(
        nodes,
        NAME,
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", len(FEATURES)])],
        [helper.make_tensor_value_info("propensity", TensorProto.FLOAT, ["N"])],
        [
            helper.make_tensor("slope", TensorProto.FLOAT, [1], [slope]),
            helper.make_tensor("offset", TensorProto.FLOAT, [1], [offset]),
            helper.make_tensor("flat", TensorProto.INT64, [1], [-1]),
        ],
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="wayside")
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def regressor_attributes(booster: lightgbm.Booster) -> dict[str, Any]:
    """Return the trees as the attributes of an ONNX `TreeEnsembleRegressor` that gives the margin.

    onnxmltools writes a classifier, whose probability is already squashed: its trees are taken over as a regressor's.
    """
    shape = FloatTensorType([None, len(FEATURES)])
    converted = onnxmltools.convert_lightgbm(
        booster, initial_types=[("features", shape)], target_opset=OPSETS[""], zipmap=False
    )
    classifier = next(node for node in converted.graph.node if node.op_type == "TreeEnsembleClassifier")
    attributes = {a.name: helper.get_attribute_value(a) for a in classifier.attribute}
    # `class_*` of the classifier is `target_*` of the regressor; the hit rates are a hint for compilers, here all 1.
    trees = {name: value for name, value in attributes.items() if name.startswith("nodes_")}
    trees |= {f"target_{n.removeprefix('class_')}": v for n, v in attributes.items() if n.startswith("class_")}
    del trees["nodes_hitrates"]
    return trees


def run_onnx(model: bytes, features: Matrix) -> Matrix:
    """Return the propensities that onnxruntime computes on one thread, as the device does."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["propensity"], {"features": features})[0], dtype=np.float32)


def compare(
    survey: Survey, booster: lightgbm.Booster, calibration: tuple[float, float], model: bytes
) -> tuple[float, int]:
    """Return the largest difference between LightGBM and onnxruntime, and over how many rows it was sought."""
    slope, offset = calibration
    situations = [hide(survey.features, hidden) for hidden in SITUATIONS.values()]
    rows = np.vstack([*situations, imagine(5000, seed=0)])
    ours = logistic(slope * margins(booster, rows) + offset)
    return float(np.abs(ours - run_onnx(model, rows)).max()), len(rows)
