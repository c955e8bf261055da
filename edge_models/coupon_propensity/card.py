"""The model card: every figure in it is of the training that wrote it."""

from collections.abc import Sequence
from typing import Final

from edge_models.coupon_propensity import NAME, VERSION
from edge_models.coupon_propensity.measure import BINS, RESAMPLES, Bin
from edge_models.coupon_propensity.report import Report
from edge_models.coupon_propensity.survey import FEATURE_VERSION, FEATURES
from edge_models.coupon_propensity.trees import HIDDEN_COPIES
from edge_models.coupon_propensity.validation import FOLDS

SITUATION_WORDS: Final = {
    "all_known": "everything the survey gives is known",
    "visits_unknown": "visits unknown",
    "guest": "a guest: visits and destination unknown",
    "guest_silent_car": "a guest in a silent car: hour, category and validity alone",
    "category_prior": "baseline: the category's share of acceptances, nothing else",
}

OPENING: Final = f"""# {NAME} {VERSION}

Written by `train.py`; do not edit. Every figure was measured by the training that wrote `model.onnx`.

## What it is for
It estimates how likely a person in a car is to accept a coupon of one of five kinds (bar, carry-away, coffee house,
restaurant under 20 USD, restaurant of 20 to 50 USD) at this moment. The engine multiplies the estimate by what an
acceptance is worth and weighs it against silence. It is a start for a device without history of its own; the person's
own answers correct it there.

It is not for pricing, credit, insurance, employment, or any judgement of a person; nor for safety or service actions.

## What it reads
{len(FEATURES)} numbers, version {FEATURE_VERSION} of the list in `manifest.json`. NaN means unknown.

- The moment: `hour` (local, 0 to 23), `alone` (1 if one seat is taken), `air_temperature_c` (outside).
- The offer: `category_*` (one is 1, the others 0), `validity_hours`, `minutes_away` (0 at the place),
  `same_direction` (1 if the place lies on the way).
- The person, only with a subject who agreed to profiling: `heading_home`, `heading_to_work`, and visits per month to
  each kind of place, `visits_*`, with `visits_in_category` for the kind of this coupon.

## What it does not use
Gender, age, marital status, children, education, occupation, income and car are in the data and reach no feature. They
serve once, together with the five visit habits, to tell respondents apart when the data are split. No coordinates, no
names, no history of offers. Leaving demographics out does not prove equal treatment: habits correlate with them, and
no measurement by demographic group was made.

"""

LIMITS: Final = """## Limits
- Answers to imagined drives, not purchases. People say yes more readily than they turn off the road: expect real
  acceptance to be lower, and trust the order more than the height until local outcomes have corrected it.
- Paid respondents, asked in dollars and Fahrenheit, before 2017. Elsewhere, and today, it is unmeasured.
- The survey knows five hours (7, 10, 14, 18, 22), three temperatures (30, 55, 80 F), places 5, 15 or 25 minutes away,
  validities of 2 and 24 hours. In between and beyond, the model answers as for a neighbour: 0 minutes as for 5.
- Hour and destination are tied: everyone heading to work answered at 7, so their effects are not told apart.
- "Not heading the same way" includes drives without an urgent destination.
- Visits are what people say of themselves. A device that counts visits sees only those it was there for.

"""


def card(report: Report, *, seed: int) -> str:
    """Return the model card: every figure in it is of this training."""
    measured = about_data(report) + about_quality(report) + about_calibration(report) + about_unknowns(report)
    return OPENING + measured + LIMITS + how_to_reproduce(seed)


def about_data(report: Report) -> str:
    """Return what was trained on, whose it is and what was changed."""
    return f"""## Data
{report.rows:,} answers of {report.profiles} profiles, {report.accepted_share:.1%} of them acceptances: a part, cut by
respondent, of the In-Vehicle Coupon Recommendation data set (UCI Machine Learning Repository, 2020,
https://doi.org/10.24432/C5GS4P), licence CC BY 4.0. Collected on Amazon Mechanical Turk for: T. Wang, C. Rudin,
F. Doshi-Velez, Y. Liu, E. Klampfl, P. MacNeille, A Bayesian Framework for Learning Rule Sets for Interpretable
Classification, Journal of Machine Learning Research 18(70), 1-37, 2017. Changes made: columns turned into the features
above; parts hidden at random. The data are not in this repository, and no golden vector is an answer from them.

"""


def about_quality(report: Report) -> str:
    """Return the scores by situation, and what flatters them."""
    known, guest, prior = (report.scores[name] for name in ("all_known", "guest", "category_prior"))
    return f"""## How good it is
{FOLDS} folds, a profile's answers all in one fold, so every figure is for people the model has not seen. Probabilities
are calibrated by the other folds. The interval is that of {RESAMPLES:,} resamples of whole profiles: it says how the
figure would move with other respondents, not with another training. ECE: {BINS} bins of equal width, weighted by rows.

| situation | AUC | 95% interval | log loss | Brier | ECE |
|---|---|---|---|---|---|
{score_table(report)}

Cut at random instead of by profile, the AUC with everything known would read {report.leaky_auc:.3f}. That figure is
not honest: the model has then seen other answers of the same person. Small monotone trees without demographics have
little to recognise a person by, so it lies near; a larger model, or one with demographics, is flattered far more.

Against the baseline the log loss falls from {prior.log_loss:.3f} to {known.log_loss:.3f} with everything known, and to
{guest.log_loss:.3f} for a guest.

The settings of the trees were chosen by hand under other splits of the same profiles, so the figures flatter a little;
the settings tried gave an AUC between 0.754 and 0.767.

"""


def about_calibration(report: Report) -> str:
    """Return the calibration and its tables."""
    return f"""## Is the probability one?
{report.slope:.3f} x log-odds {report.offset:+.3f} (Platt), fitted on the out-of-fold margins of two situations,
everything known and a guest, is part of the graph: the output is read as it stands. The ends of the tables hold few
answers and the widest gaps. Everything known:

| predicted | answers | mean predicted | accepted |
|---|---|---|---|
{reliability_table(report.reliability["all_known"])}

A guest:

| predicted | answers | mean predicted | accepted |
|---|---|---|---|
{reliability_table(report.reliability["guest"])}

"""


def about_unknowns(report: Report) -> str:
    """Return what happens when inputs are unknown, and how far two runtimes agree."""
    return f"""## When something is unknown
Training sees each answer once as given and {HIDDEN_COPIES} times with groups hidden at random. The first table shows
what unknown inputs cost. The calibration was not fitted on the silent car. With nothing known at all the propensity is
{report.all_unknown:.3f}; {report.accepted_share:.3f} of the answers accept. More visits, a nearer place and a longer
validity never lower the propensity, other inputs being equal and known.

LightGBM and onnxruntime agree on {report.onnx_rows:,} rows, most of them with unknown parts, within
{report.onnx_max_difference:.0e}. The graph has {report.onnx_bytes:,} bytes.

"""


def how_to_reproduce(seed: int) -> str:
    """Return the command that writes the same files again."""
    return f"""## Reproduce
```
python -m edge_models.coupon_propensity.train --data ../shared/data/coupon \\
  --out edge_models/coupon_propensity --seed {seed}
```
writes the same four files, byte for byte, with the same versions of the libraries on the same kind of processor.
"""


def score_table(report: Report) -> str:
    """Return the scores as rows of a Markdown table."""
    return "\n".join(
        f"| {SITUATION_WORDS[name]} | {one.auc:.3f} | {one.auc_low:.3f} to {one.auc_high:.3f} |"
        f" {one.log_loss:.3f} | {one.brier:.3f} | {one.ece:.3f} |"
        for name, one in report.scores.items()
    )


def reliability_table(bins: Sequence[Bin]) -> str:
    """Return a calibration table as rows of a Markdown table."""
    return "\n".join(f"| {b.low:.1f} to {b.high:.1f} | {b.rows} | {b.predicted:.3f} | {b.accepted:.3f} |" for b in bins)
