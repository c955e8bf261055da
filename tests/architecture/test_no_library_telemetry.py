"""Loading what the device and the training load leaves nothing behind that a library wrote for its maker."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("module", ["gateway.edge.scorer", "edge_models.coupon_propensity.train"])
def test_importing_it_writes_nothing(module: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"TMPDIR": str(tmp_path), "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    # Set against us: nobody may switch it on from outside either.
    environment["ORT_DISABLE_TELEMETRY"] = "0"
    command = [sys.executable, "-c", f"import {module}, onnxruntime; onnxruntime.InferenceSession"]
    subprocess.run(command, env=environment, check=True, cwd=tmp_path, capture_output=True)
    assert [str(path) for path in tmp_path.rglob("*")] == []
