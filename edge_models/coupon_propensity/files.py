"""The four files of a model: nothing in them tells when, where or from which folder it was trained."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from edge_models.coupon_propensity import NAME, VERSION
from edge_models.coupon_propensity.card import card
from edge_models.coupon_propensity.report import Report
from edge_models.coupon_propensity.survey import CATEGORIES, FEATURE_VERSION, FEATURES, PERSONAL, Matrix

TOLERANCE: Final = 1e-5


def write(out: Path, model: bytes, golden: str, report: Report, *, seed: int) -> None:
    """Write the four files of the model, without line ends or encodings of the system's own."""
    out.mkdir(parents=True, exist_ok=True)
    manifest = manifest_document(model, golden.encode(), report)
    (out / "model.onnx").write_bytes(model)
    (out / "golden.json").write_bytes(golden.encode())
    (out / "manifest.json").write_bytes(manifest.encode())
    (out / "card.md").write_bytes(card(report, seed=seed).encode())


def golden_document(rows: Matrix, propensities: Matrix) -> str:
    """Return the golden vectors as JSON, NaN as null."""
    return to_json(
        {
            "format": 1,
            "features": FEATURES,
            "rows": [[None if math.isnan(value) else value for value in row] for row in rows.tolist()],
            "propensities": [round(value, 7) for value in propensities.tolist()],
        }
    )


def manifest_document(model: bytes, golden: bytes, report: Report) -> str:
    """Return the manifest: what the model reads, gives and was measured to do, and the hashes of its files."""
    metrics: dict[str, Any] = {
        name: {key: round(value, 4) for key, value in asdict(one).items()} for name, one in report.scores.items()
    }
    metrics["leaky_auc"] = round(report.leaky_auc, 4)
    return to_json(
        {
            "format": 1,
            "name": NAME,
            "version": VERSION,
            "task": "propensity",
            "input": "features",
            "output": "propensity",
            "features": FEATURES,
            "feature_version": FEATURE_VERSION,
            "categories": list(CATEGORIES),
            "personal_features": PERSONAL,
            "model": described("model.onnx", model),
            "golden": described("golden.json", golden),
            "metrics": metrics,
            "data": {
                "name": "UCI 603 In-Vehicle Coupon Recommendation (a part, cut by respondent)",
                "rows": report.rows,
                "profiles": report.profiles,
                "licence": "CC BY 4.0",
            },
            "tolerance": TOLERANCE,
        },
        indent=2,
    )


def described(path: str, content: bytes) -> dict[str, str | int]:
    """Return how a manifest names a file."""
    return {"path": path, "sha256": hashlib.sha256(content).hexdigest(), "length": len(content)}


def to_json(document: Mapping[str, Any], *, indent: int | None = None) -> str:
    """Return a document as JSON; NaN, which JSON does not know, is refused."""
    return json.dumps(document, indent=indent, allow_nan=False) + "\n"
