"""Trains P(accept) of a coupon on the UCI in-vehicle survey and writes it as one calibrated ONNX graph.

Rules kept here and in the modules this one is made of:

- **No demographics** reach a feature; they only name the respondent (`survey`).
- **Unknown is NaN** and is trained for: each answer is seen once as given and three times with parts of it hidden
  (`hiding`, `trees`).
- **Every figure is for people the model has not seen** (`validation`, `measure`).
- **Calibration lives in the graph**: the output is the probability, on every runtime, without code beside it
  (`calibration`, `graph`).
- **Same data, same seed, same bytes**: nothing written depends on the clock, the machine or the path of the data
  (`files`, `card`).

The data are read in place and never written anywhere. No answer of a respondent is in a golden vector (`golden`).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from edge_models.coupon_propensity import NAME
from edge_models.coupon_propensity.files import golden_document, write
from edge_models.coupon_propensity.golden import golden_rows
from edge_models.coupon_propensity.graph import compare, run_onnx, to_onnx
from edge_models.coupon_propensity.hiding import SITUATIONS
from edge_models.coupon_propensity.measure import reliability, score
from edge_models.coupon_propensity.report import Report
from edge_models.coupon_propensity.survey import read, tabulate
from edge_models.coupon_propensity.trees import fit
from edge_models.coupon_propensity.validation import cross_validate

__all__ = ["DATA", "Report", "main", "train"]

DATA: Final = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "coupon"


def train(data: Path, out: Path, *, seed: int = 7) -> Report:
    """Train on the survey in `data` and write `model.onnx`, `golden.json`, `manifest.json` and `card.md` to `out`.

    Raises:
        FileNotFoundError: The survey is not in `data`.
        ValueError: What lies there is not the survey.
    """
    survey = tabulate(read(data))
    predicted, calibration, leaky_auc = cross_validate(survey, seed=seed)
    booster = fit(survey.features, survey.accepted, seed=seed)
    model = to_onnx(booster, *calibration)
    difference, compared = compare(survey, booster, calibration, model)
    golden = golden_rows(seed=seed)
    propensities = run_onnx(model, golden)
    report = Report(
        rows=len(survey.accepted),
        profiles=int(survey.profiles.max()) + 1,
        accepted_share=float(survey.accepted.mean()),
        scores={name: score(survey, values, seed=seed) for name, values in predicted.items()},
        reliability={name: reliability(survey.accepted, predicted[name]) for name in SITUATIONS},
        leaky_auc=leaky_auc,
        slope=calibration[0],
        offset=calibration[1],
        onnx_bytes=len(model),
        onnx_max_difference=difference,
        onnx_rows=compared,
        all_unknown=float(propensities[0]),
    )
    write(out, model, golden_document(golden, propensities), report, seed=seed)
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """Train from the command line and print what was measured. Returns the exit status."""
    parser = argparse.ArgumentParser(prog=f"edge_models.{NAME}.train", description="Train P(accept) of a coupon.")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the survey's *.part.csv")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write to")
    parser.add_argument("--seed", type=int, default=7, help="of folds, hidden parts and trees")
    given = parser.parse_args(arguments)
    try:
        report = train(given.data, given.out, seed=given.seed)
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))
    print(report)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
