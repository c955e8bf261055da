"""What one training measured, for the terminal, the manifest and the card."""

from dataclasses import dataclass

from edge_models.coupon_propensity.measure import Bin, Score


@dataclass(frozen=True, slots=True)
class Report:
    """What one training measured. The scores and tables are for profiles the model had not seen.

    Attributes:
        rows: Answers trained on.
        profiles: Respondents, as the profile columns tell them apart.
        accepted_share: Share of answers that accept.
        scores: By situation, and `category_prior`: the baseline that knows the category alone.
        reliability: Calibration tables, by situation.
        leaky_auc: The AUC of a random split, for contrast: it has seen the person before.
        slope: Of the calibration, in log-odds.
        offset: Of the calibration, in log-odds.
        onnx_bytes: Size of `model.onnx`.
        onnx_max_difference: Largest difference in probability between LightGBM and onnxruntime.
        onnx_rows: Rows over which it was taken.
        all_unknown: The propensity when nothing is known.
    """

    rows: int
    profiles: int
    accepted_share: float
    scores: dict[str, Score]
    reliability: dict[str, list[Bin]]
    leaky_auc: float
    slope: float
    offset: float
    onnx_bytes: int
    onnx_max_difference: float
    onnx_rows: int
    all_unknown: float

    def __str__(self) -> str:
        lines = [f"{self.rows} answers of {self.profiles} profiles, {self.accepted_share:.1%} accept"]
        lines += [
            f"{name:17} AUC {score.auc:.4f} [{score.auc_low:.4f}, {score.auc_high:.4f}]"
            f"  log loss {score.log_loss:.4f}  Brier {score.brier:.4f}  ECE {score.ece:.4f}"
            for name, score in self.scores.items()
        ]
        lines += [
            f"leaky random split: AUC {self.leaky_auc:.4f}",
            f"calibration: {self.slope:.4f} * log-odds {self.offset:+.4f}",
            f"model.onnx: {self.onnx_bytes} bytes",
            f"LightGBM against onnxruntime: {self.onnx_max_difference:.1e} at most over {self.onnx_rows} rows",
        ]
        return "\n".join(lines)
