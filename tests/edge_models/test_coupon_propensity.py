"""The coupon model: what it must not read, what it must not have seen, and that the committed files keep their word."""

import csv
import hashlib
import json
import math
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from edge_models.coupon_propensity import train as coupon

REPOSITORY = Path(__file__).resolve().parents[2]
COMMITTED = REPOSITORY / "edge_models" / "coupon_propensity"
FILES = ("model.onnx", "golden.json", "manifest.json", "card.md")

Matrix: TypeAlias = npt.NDArray[np.float32]
Score: TypeAlias = Callable[[Matrix], Matrix]

ANSWER = {
    "destination": "Home",
    "passanger": "Alone",
    "weather": "Sunny",
    "temperature": "80",
    "time": "6PM",
    "coupon": "Coffee House",
    "expiration": "1d",
    "gender": "Female",
    "age": "31",
    "maritalStatus": "Single",
    "has_children": "0",
    "education": "Bachelors degree",
    "occupation": "Management",
    "income": "$37500 - $49999",
    "car": "",
    "Bar": "never",
    "CoffeeHouse": "4~8",
    "CarryAway": "",
    "RestaurantLessThan20": "1~3",
    "Restaurant20To50": "less1",
    "toCoupon_GEQ5min": "1",
    "toCoupon_GEQ15min": "1",
    "toCoupon_GEQ25min": "0",
    "direction_same": "0",
    "direction_opp": "1",
    "Y": "1",
}


@dataclass(frozen=True)
class Retrained:
    report: coupon.Report
    out: Path


@pytest.fixture(scope="session")
def data() -> Path:
    if not list(coupon.DATA.glob("*.part.csv")):
        reason = f"the coupon survey is not in {coupon.DATA}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return coupon.DATA


@pytest.fixture(scope="session")
def answers(data: Path) -> list[dict[str, str]]:
    return coupon.read(data)


@pytest.fixture(scope="session")
def survey(answers: list[dict[str, str]]) -> coupon.Survey:
    return coupon.tabulate(answers)


@pytest.fixture(scope="session")
def retrained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Retrained:
    out = tmp_path_factory.mktemp("coupon")
    return Retrained(coupon.train(data, out), out)


@pytest.fixture(scope="session")
def score() -> Score:
    """Score with the committed model and nothing of ours in between."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(COMMITTED / "model.onnx", options, providers=["CPUExecutionProvider"])

    def run(rows: Matrix) -> Matrix:
        return np.asarray(session.run(["propensity"], {"features": rows})[0], dtype=np.float32)

    return run


def document(name: str, folder: Path = COMMITTED) -> Any:  # noqa: ANN401 (JSON)
    return json.loads((folder / name).read_text(encoding="utf-8"))


def golden_matrix(golden: dict[str, Any]) -> Matrix:
    rows = [[math.nan if value is None else value for value in row] for row in golden["rows"]]
    return np.array(rows, dtype=np.float32)


def rank_auc(accepted: npt.NDArray[np.float64], predicted: npt.NDArray[np.float64]) -> float:
    """Return the share of pairs in order, counted pair by pair."""
    refusals = np.sort(predicted[accepted == 0.0])
    wins = np.searchsorted(refusals, predicted[accepted == 1.0], side="left")
    ties = np.searchsorted(refusals, predicted[accepted == 1.0], side="right") - wins
    return float((wins + ties / 2).sum() / (len(refusals) * (accepted == 1.0).sum()))


# The committed files


def test_manifest_names_its_files_by_length_and_hash() -> None:
    manifest = document("manifest.json")
    for role in ("model", "golden"):
        content = (COMMITTED / manifest[role]["path"]).read_bytes()
        assert len(content) == manifest[role]["length"]
        assert hashlib.sha256(content).hexdigest() == manifest[role]["sha256"]


def test_manifest_states_the_contract() -> None:
    manifest = document("manifest.json")
    assert manifest["features"] == [
        "hour",
        "alone",
        "air_temperature_c",
        "minutes_away",
        "same_direction",
        "validity_hours",
        "heading_home",
        "heading_to_work",
        "category_bar",
        "category_carry_away",
        "category_coffee_house",
        "category_restaurant_under_20",
        "category_restaurant_20_50",
        "visits_bar",
        "visits_carry_away",
        "visits_coffee_house",
        "visits_restaurant_under_20",
        "visits_restaurant_20_50",
        "visits_in_category",
    ]
    assert [f"category_{name}" for name in manifest["categories"]] == manifest["features"][8:13]
    assert set(manifest["personal_features"]) == {*manifest["features"][13:], "heading_home", "heading_to_work"}
    assert (manifest["format"], manifest["task"], manifest["feature_version"]) == (1, "propensity", 1)


def test_graph_is_small_and_of_an_opset_that_old_runtimes_read() -> None:
    content = (COMMITTED / "model.onnx").read_bytes()
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert len(content) < 300_000
    assert model.ir_version <= 8
    assert {opset.domain: opset.version for opset in model.opset_import} == {"": 15, "ai.onnx.ml": 3}


def test_graph_takes_features_and_gives_one_propensity_a_row(score: Score) -> None:
    model = onnx.load(COMMITTED / "model.onnx")
    assert [value.name for value in model.graph.input] == ["features"]
    assert [value.name for value in model.graph.output] == ["propensity"]
    for rows in (0, 1, 8):
        found = score(coupon.imagine(rows, seed=1))
        assert found.shape == (rows,)
        assert found.dtype == np.float32


def test_golden_vectors_pass_on_onnxruntime(score: Score) -> None:
    golden, manifest = document("golden.json"), document("manifest.json")
    assert golden["features"] == manifest["features"]
    assert len(golden["rows"]) == len(golden["propensities"]) >= 32
    assert score(golden_matrix(golden)) == pytest.approx(golden["propensities"], abs=manifest["tolerance"])


def test_golden_vectors_begin_with_nothing_known_and_cover_every_category() -> None:
    rows = golden_matrix(document("golden.json"))
    assert np.isnan(rows[0]).all()
    assert (rows[:, coupon.columns(coupon.CATEGORY_FLAGS)] == 1.0).any(axis=0).all()


def test_card_and_manifest_state_the_same_figures() -> None:
    text, metrics = (COMMITTED / "card.md").read_text(encoding="utf-8"), document("manifest.json")["metrics"]
    for situation, words in coupon.SITUATION_WORDS.items():
        stated = [float(n) for n in re.findall(r"\d\.\d+", text.split(f"| {words} |")[1].split("\n")[0])]
        assert stated == pytest.approx(list(metrics[situation].values()), abs=6e-4)


# What the model does


def test_unknown_in_every_pattern_gives_a_propensity_inside_0_and_1(score: Score) -> None:
    rng = np.random.default_rng(3)
    rows = coupon.imagine(4000, seed=3)
    rows[rng.random(rows.shape) < rng.random((len(rows), 1))] = np.nan
    rows[0] = np.nan
    found = score(rows)
    assert np.isfinite(found).all()
    assert ((found > 0.0) & (found < 1.0)).all()


def test_nothing_known_is_near_the_overall_share(score: Score) -> None:
    nothing = np.full((1, len(coupon.FEATURES)), np.nan, dtype=np.float32)
    assert score(nothing)[0] == pytest.approx(0.57, abs=0.05)


def test_inputs_far_outside_the_survey_stay_inside_0_and_1(score: Score) -> None:
    row = np.full((1, len(coupon.FEATURES)), 1e30, dtype=np.float32)
    found = score(np.vstack([row, -row, np.full_like(row, np.inf)]))
    assert ((found > 0.0) & (found < 1.0)).all()


@pytest.mark.parametrize("category", coupon.CATEGORIES)
def test_more_visits_to_the_category_never_lower_the_propensity(score: Score, category: str) -> None:
    rows = coupon.imagine(500, seed=4)
    rows[:, coupon.columns(coupon.CATEGORY_FLAGS)] = 0.0
    rows[:, coupon.columns([f"category_{category}"])] = 1.0
    rising = []
    for visits in np.arange(0.0, 31.0, 0.5):
        # A habit stands in two places, and a device moves both at once.
        rows[:, coupon.columns([f"visits_{category}", "visits_in_category"])] = visits
        rising.append(score(rows))
    # The runtime adds the trees in float32: a step may lose its last bits.
    assert np.diff(rising, axis=0).min() >= -1e-6
    assert (rising[-1] > rising[0] + 0.01).mean() > 0.9


@pytest.mark.parametrize(("feature", "values"), [("minutes_away", range(60, -1, -1)), ("validity_hours", range(1, 72))])
def test_nearer_and_longer_valid_never_lower_the_propensity(score: Score, feature: str, values: range) -> None:
    rows = coupon.imagine(500, seed=5)
    rising = []
    for value in values:
        rows[:, coupon.columns([feature])] = value
        rising.append(score(rows))
    assert np.diff(rising, axis=0).min() >= -1e-6


# What the model reads


def test_an_answer_becomes_what_a_device_could_know() -> None:
    named = dict(zip(coupon.FEATURES, coupon.encode(ANSWER), strict=True))
    unknown = {name for name, value in named.items() if math.isnan(value)}
    assert unknown == {"visits_carry_away"}
    assert {name: value for name, value in named.items() if name not in unknown} == {
        "hour": 18.0,
        "alone": 1.0,
        "air_temperature_c": pytest.approx(26.6667, abs=1e-4),
        "minutes_away": 15.0,
        "same_direction": 0.0,
        "validity_hours": 24.0,
        "heading_home": 1.0,
        "heading_to_work": 0.0,
        "category_bar": 0.0,
        "category_carry_away": 0.0,
        "category_coffee_house": 1.0,
        "category_restaurant_under_20": 0.0,
        "category_restaurant_20_50": 0.0,
        "visits_bar": 0.0,
        "visits_coffee_house": 6.0,
        "visits_restaurant_under_20": 2.0,
        "visits_restaurant_20_50": 0.5,
        "visits_in_category": 6.0,
    }


def test_visits_to_an_unanswered_category_are_unknown() -> None:
    row = coupon.encode(ANSWER | {"coupon": "Carry out & Take away"})
    assert math.isnan(row[coupon.FEATURES.index("visits_in_category")])


@pytest.mark.parametrize("column", coupon.DEMOGRAPHICS)
def test_a_row_encodes_without_its_demographics(column: str) -> None:
    without = {name: answer for name, answer in ANSWER.items() if name != column}
    assert np.array_equal(coupon.encode(without), coupon.encode(ANSWER), equal_nan=True)


@pytest.mark.parametrize("wrong", [{"time": "3AM"}, {"coupon": "Museum"}, {"temperature": "warm"}, {"Bar": "often"}])
def test_an_answer_the_survey_did_not_offer_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="not an answer of the coupon survey"):
        coupon.encode(ANSWER | wrong)


def test_absent_data_are_named_by_their_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    absent = tmp_path / "nowhere"
    with pytest.raises(FileNotFoundError, match=re.escape(str(absent))):
        coupon.train(absent, tmp_path / "out")
    with pytest.raises(SystemExit):
        coupon.main(["--data", str(absent), "--out", str(tmp_path / "out")])
    assert str(absent) in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.realdata
def test_shuffled_demographics_leave_every_feature_as_it_is(
    answers: list[dict[str, str]], survey: coupon.Survey
) -> None:
    rng = random.Random(8)  # noqa: S311 (no secret)
    strangers = [dict(row) for row in answers]
    for column in coupon.DEMOGRAPHICS:
        values = [row[column] for row in answers]
        rng.shuffle(values)
        for row, value in zip(strangers, values, strict=True):
            row[column] = value
    found = coupon.tabulate(strangers)
    assert np.array_equal(found.features, survey.features, equal_nan=True)
    assert np.array_equal(found.accepted, survey.accepted)
    assert not np.array_equal(found.profiles, survey.profiles)


@pytest.mark.realdata
def test_other_names_for_demographics_give_the_training_the_same_input(
    answers: list[dict[str, str]], survey: coupon.Survey
) -> None:
    renamed = [row | {column: f"x{row[column][::-1]}" for column in coupon.DEMOGRAPHICS} for row in answers]
    found = coupon.tabulate(renamed)
    assert np.array_equal(found.features, survey.features, equal_nan=True)
    assert np.array_equal(found.profiles, survey.profiles)


@pytest.mark.realdata
def test_no_golden_vector_is_an_answer_of_a_respondent(survey: coupon.Survey) -> None:
    temperature = coupon.columns(["air_temperature_c"])
    golden = golden_matrix(document("golden.json"))[:, temperature]
    assert not np.isin(golden[~np.isnan(golden)], survey.features[:, temperature]).any()
    assert not np.isnan(survey.features[:, temperature]).any()


# How it is measured


@pytest.mark.realdata
def test_no_profile_stands_on_both_sides_of_a_split(survey: coupon.Survey) -> None:
    for seed in range(5):
        folds = coupon.folds_by_profile(survey.profiles, seed=seed)
        assert set(folds.tolist()) == set(range(coupon.FOLDS))
        for fold in range(coupon.FOLDS):
            assert not set(survey.profiles[folds == fold]) & set(survey.profiles[folds != fold])


@pytest.mark.realdata
def test_a_random_split_would_put_profiles_on_both_sides(survey: coupon.Survey) -> None:
    folds = coupon.folds_by_row(len(survey.profiles), seed=7)
    assert len(set(survey.profiles[folds == 0]) & set(survey.profiles[folds != 0])) > 400


def test_auc_counts_ties_half_and_weights_rows() -> None:
    accepted = np.array([1.0, 0.0, 1.0, 0.0])
    assert coupon.auc(accepted, np.array([4.0, 3.0, 2.0, 1.0])) == pytest.approx(0.75)
    assert coupon.auc(accepted, np.array([1.0, 1.0, 1.0, 1.0])) == pytest.approx(0.5)
    assert coupon.auc(accepted, np.array([4.0, 3.0, 2.0, 1.0]), np.array([1.0, 0.0, 1.0, 1.0])) == pytest.approx(1.0)


def test_scores_agree_with_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(9)
    predicted = rng.uniform(0.05, 0.95, 600).round(2)
    accepted = (rng.random(600) < predicted).astype(np.float64)
    survey = coupon.Survey(np.empty((600, 0), dtype=np.float32), accepted, np.arange(600) // 20)
    found = coupon.score(survey, predicted, seed=1)
    assert found.auc == pytest.approx(roc_auc_score(accepted, predicted))
    assert found.log_loss == pytest.approx(log_loss(accepted, predicted))
    assert found.brier == pytest.approx(brier_score_loss(accepted, predicted))
    assert found.auc_low < found.auc < found.auc_high


def test_calibration_error_is_the_mean_gap_of_the_table() -> None:
    predicted = np.array([0.25, 0.25, 0.25, 0.25, 0.95, 0.95])
    accepted = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    assert [(b.low, b.rows) for b in coupon.reliability(accepted, predicted)] == [(0.2, 4), (0.9, 2)]
    assert coupon.expected_calibration_error(accepted, predicted) == pytest.approx((4 * 0.0 + 2 * 0.45) / 6)


@pytest.mark.realdata
def test_grouped_auc_of_the_card_is_found_again_by_other_means(data: Path) -> None:
    """Folds, reading and AUC are this test's own; only the encoding of a row and the trees are shared."""
    rows: list[dict[str, str]] = []
    for part in data.glob("*.part.csv"):
        with part.open(encoding="utf-8", newline="") as lines:
            rows += csv.DictReader(lines)
    context = {"destination", "passanger", "weather", "temperature", "time", "coupon", "expiration", "Y"}
    person = [c for c in rows[0] if c not in context and not c.startswith(("toCoupon", "direction"))]
    assert len(person) == 13
    # A hash of the whole profile chooses the fold: one person, one fold.
    folds = np.array([hashlib.sha256("|".join(row[c] for c in person).encode()).digest()[0] % 5 for row in rows])
    features = np.array([coupon.encode(row) for row in rows], dtype=np.float32)
    accepted = np.array([float(row["Y"]) for row in rows])
    known, guest = np.empty(len(rows)), np.empty(len(rows))
    personal = document("manifest.json")["personal_features"]
    for fold in range(5):
        seen, unseen = folds != fold, features[folds == fold]
        booster = coupon.fit(features[seen], accepted[seen], seed=1)
        known[~seen] = booster.predict(unseen)
        guest[~seen] = booster.predict(coupon.hide(unseen, personal))
    metrics = document("manifest.json")["metrics"]
    # Other folds move the figure by some thousandths; half the width of the interval is 0.016.
    assert rank_auc(accepted, known) == pytest.approx(metrics["all_known"]["auc"], abs=0.01)
    assert rank_auc(accepted, guest) == pytest.approx(metrics["guest"]["auc"], abs=0.01)


# Training again


@pytest.mark.realdata
def test_retrained_model_gives_the_committed_golden_vectors(retrained: Retrained) -> None:
    ours, again = document("golden.json"), document("golden.json", retrained.out)
    assert again["rows"] == ours["rows"]
    assert again["propensities"] == pytest.approx(ours["propensities"], abs=document("manifest.json")["tolerance"])


@pytest.mark.realdata
def test_retraining_measures_what_the_manifest_states(retrained: Retrained) -> None:
    ours, again = document("manifest.json"), document("manifest.json", retrained.out)
    assert again["data"] == ours["data"]
    for situation in coupon.SITUATION_WORDS:
        assert again["metrics"][situation] == pytest.approx(ours["metrics"][situation], abs=2e-4)


@pytest.mark.realdata
def test_training_elsewhere_and_later_writes_the_same_bytes(retrained: Retrained, data: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").symlink_to(data)
    command = [sys.executable, "-m", "edge_models.coupon_propensity.train"]
    subprocess.run(
        [*command, "--data", str(tmp_path / "elsewhere"), "--out", str(tmp_path / "out")],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONHASHSEED": "12345"},
        check=True,
        capture_output=True,
    )
    for name in FILES:
        assert (tmp_path / "out" / name).read_bytes() == (retrained.out / name).read_bytes(), name


@pytest.mark.realdata
def test_onnxruntime_agrees_with_lightgbm_whatever_is_unknown(retrained: Retrained) -> None:
    assert retrained.report.onnx_rows > 4 * retrained.report.rows
    assert retrained.report.onnx_max_difference < 1e-6


@pytest.mark.realdata
def test_model_beats_the_category_alone_for_people_it_never_saw(retrained: Retrained) -> None:
    scores = retrained.report.scores
    prior = scores["category_prior"]
    for situation in coupon.SITUATIONS:
        assert scores[situation].auc_low > prior.auc_high
        assert scores[situation].log_loss < prior.log_loss
        assert scores[situation].ece < 0.03
    assert scores["all_known"].auc_low > scores["guest"].auc_high


@pytest.mark.realdata
def test_a_random_split_flatters(retrained: Retrained) -> None:
    assert retrained.report.leaky_auc > retrained.report.scores["all_known"].auc
