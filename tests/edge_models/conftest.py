"""The committed model, asked as a device would ask it; the survey, and one training on it for all that look at it."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_models import coupon_propensity
from edge_models.coupon_propensity import survey as coupon
from edge_models.coupon_propensity import train as training

# isort: split
# Not before edge_models, which has switched its telemetry off.
import onnxruntime


@pytest.fixture(scope="session")
def committed() -> Path:
    """The folder of the committed model."""
    return Path(coupon_propensity.__file__).parent


@pytest.fixture
def manifest(committed: Path) -> dict[str, Any]:
    """The committed manifest."""
    found: dict[str, Any] = json.loads((committed / "manifest.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture
def golden(committed: Path) -> dict[str, Any]:
    """The committed golden vectors, as JSON has them."""
    found: dict[str, Any] = json.loads((committed / "golden.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture
def golden_inputs(golden: dict[str, Any]) -> coupon.Matrix:
    """The inputs of the committed golden vectors, unknown as NaN."""
    rows = [[math.nan if value is None else value for value in row] for row in golden["rows"]]
    return np.array(rows, dtype=np.float32)


@pytest.fixture(scope="session")
def score(committed: Path) -> Callable[[coupon.Matrix], coupon.Matrix]:
    """Score with the committed model and nothing of ours in between."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(committed / "model.onnx", options, providers=["CPUExecutionProvider"])

    def run(rows: coupon.Matrix) -> coupon.Matrix:
        return np.asarray(session.run(["propensity"], {"features": rows})[0], dtype=np.float32)

    return run


@pytest.fixture(scope="session")
def data(realdata: Path) -> Path:
    """The folder of the survey."""
    return realdata / "coupon"


@pytest.fixture(scope="session")
def answers(data: Path) -> list[dict[str, str]]:
    """The survey as text."""
    return coupon.read(data)


@pytest.fixture(scope="session")
def survey(answers: list[dict[str, str]]) -> coupon.Survey:
    """The survey as arrays."""
    return coupon.tabulate(answers)


@pytest.fixture(scope="session")
def training_again(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[training.Report, Path]:
    """One training for all tests: what it reported, and where it wrote."""
    out = tmp_path_factory.mktemp("coupon")
    return training.train(data, out), out


@pytest.fixture(scope="session")
def report(training_again: tuple[training.Report, Path]) -> training.Report:
    """What the training reported."""
    return training_again[0]


@pytest.fixture(scope="session")
def retrained(training_again: tuple[training.Report, Path]) -> Path:
    """The folder that the training wrote."""
    return training_again[1]
