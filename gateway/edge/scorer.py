"""Propensities from ONNX models, on one thread.

A model is asked only after it has given the right answers to its golden vectors on this very machine: a runtime,
processor or file that computes something else is found when a release is loaded, not in front of a person.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as faults
from pydantic import BaseModel, Field

from gateway.core.errors import ReleaseError
from gateway.core.scoring import ScoringFailed
from gateway.wire.model_manifest import read_model

_RUNTIME_FAULTS = (
    faults.EPFail,
    faults.Fail,
    faults.InvalidArgument,
    faults.InvalidGraph,
    faults.InvalidProtobuf,
    faults.NoModel,
    faults.NoSuchFile,
    faults.NotImplemented,
    faults.RuntimeException,
)


class _Golden(BaseModel):
    features: tuple[str, ...]
    rows: Annotated[list[list[float | None]], Field(min_length=1)]
    propensities: list[float]


@dataclass(frozen=True, slots=True)
class GoldenReport:
    """How well a model repeats its golden vectors here.

    Attributes:
        rows: How many vectors it was asked.
        max_difference: The largest distance from an expected propensity.
    """

    model: str
    rows: int
    max_difference: float
    tolerance: float


class _Model:
    """One model, loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            self.manifest = read_model(folder)
            self._session = onnxruntime.InferenceSession(
                (folder / self.manifest.model.path).read_bytes(), _options(), providers=["CPUExecutionProvider"]
            )
        except (OSError, *_RUNTIME_FAULTS) as error:
            raise ReleaseError(f"model {folder.name!r} cannot be loaded: {error}") from error
        inputs = [entry.name for entry in self._session.get_inputs()]
        outputs = [entry.name for entry in self._session.get_outputs()]
        if inputs != [self.manifest.input] or self.manifest.output not in outputs:
            raise ReleaseError(f"model {folder.name!r} takes {inputs} and gives {outputs}, unlike its manifest")

    def ask(self, rows: Sequence[Sequence[float]]) -> list[float]:
        """Return the propensity of each row.

        Raises:
            ScoringFailed: The runtime refuses the rows, or an answer is not finite.
        """
        try:
            matrix = np.asarray(rows, dtype=np.float32).reshape(len(rows), len(self.manifest.features))
            (answer,) = self._session.run([self.manifest.output], {self.manifest.input: matrix})
        except ValueError as error:
            raise ScoringFailed("wrong_shape") from error
        except _RUNTIME_FAULTS as error:
            raise ScoringFailed("model_error") from error
        propensities: list[float] = np.asarray(answer, dtype=np.float64).ravel().tolist()
        if not all(map(math.isfinite, propensities)):
            raise ScoringFailed("not_finite")
        return propensities

    def verify(self) -> GoldenReport:
        """Ask the golden vectors.

        Raises:
            ReleaseError: They are damaged, or an answer is off by more than the tolerance.
        """
        name = self.folder.name
        try:
            golden = _Golden.model_validate_json((self.folder / self.manifest.golden.path).read_bytes())
            rows = [[math.nan if value is None else value for value in row] for row in golden.rows]
            answers = self.ask(rows)
            differences = [abs(a - b) for a, b in zip(answers, golden.propensities, strict=True)]
        except (OSError, ValueError, ScoringFailed) as error:
            raise ReleaseError(f"model {name!r} cannot be asked its golden vectors: {error}") from error
        if golden.features != self.manifest.features:
            raise ReleaseError(f"model {name!r}: its golden vectors have other features than its manifest")
        worst, tolerance = max(differences), self.manifest.tolerance
        if not worst <= tolerance:
            raise ReleaseError(f"model {name!r} is off its golden vectors by {worst:.3g}, more than {tolerance:.3g}")
        return GoldenReport(self.manifest.name, len(rows), worst, tolerance)


class OnnxScorer:
    """The models of one release, verified.

    Args:
        model_folders: Each model's folder, by the name campaigns call it.

    Raises:
        ReleaseError: A model cannot be loaded or is off its golden vectors.
    """

    def __init__(self, model_folders: Mapping[str, Path]) -> None:
        self._models = {name: _Model(folder) for name, folder in model_folders.items()}
        self.reports = tuple(model.verify() for model in self._models.values())

    def score(self, model: str, rows: Sequence[Sequence[float]]) -> list[float]:
        """Return a propensity for each row; see `gateway.core.scoring.Scorer`.

        Raises:
            ScoringFailed: There is no such model, it refuses the rows, or an answer is not finite.
        """
        loaded = self._models.get(model)
        if loaded is None:
            raise ScoringFailed("unknown_model")
        return loaded.ask(rows)


def verify(folder: Path) -> GoldenReport:
    """Load a model and ask it its golden vectors.

    Raises:
        ReleaseError: It cannot be loaded, or an answer is off by more than the manifest's tolerance.
    """
    return _Model(folder).verify()


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    # A few rows take microseconds; handing them to a pool of threads would cost more than it saves, and spin a core.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    return options
