"""Training again: the same bytes wherever it runs, and a model that is worth having."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_models.coupon_propensity.card import SITUATION_WORDS
from edge_models.coupon_propensity.hiding import SITUATIONS
from edge_models.coupon_propensity.train import DATA, Report, main, train

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = ("model.onnx", "golden.json", "manifest.json", "card.md")


def test_absent_data_are_named_by_their_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    absent = tmp_path / "nowhere"
    with pytest.raises(FileNotFoundError, match=re.escape(str(absent))):
        train(absent, tmp_path / "out")
    with pytest.raises(SystemExit):
        main(["--data", str(absent), "--out", str(tmp_path / "out")])
    assert str(absent) in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_data_are_sought_beside_the_project(data: Path) -> None:
    assert data == DATA


def test_retrained_model_gives_the_committed_golden_vectors(
    retrained: Path, golden: dict[str, Any], manifest: dict[str, Any]
) -> None:
    again = json.loads((retrained / "golden.json").read_text(encoding="utf-8"))
    assert again["rows"] == golden["rows"]
    assert again["propensities"] == pytest.approx(golden["propensities"], abs=manifest["tolerance"])


def test_retraining_measures_what_the_manifest_states(retrained: Path, manifest: dict[str, Any]) -> None:
    again = json.loads((retrained / "manifest.json").read_text(encoding="utf-8"))
    assert again["data"] == manifest["data"]
    for situation in SITUATION_WORDS:
        assert again["metrics"][situation] == pytest.approx(manifest["metrics"][situation], abs=2e-4)


def test_training_elsewhere_and_later_writes_the_same_bytes(retrained: Path, data: Path, tmp_path: Path) -> None:
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
        assert (tmp_path / "out" / name).read_bytes() == (retrained / name).read_bytes(), name


def test_model_beats_the_category_alone_for_people_it_never_saw(report: Report) -> None:
    scores = report.scores
    prior = scores["category_prior"]
    for situation in SITUATIONS:
        assert scores[situation].auc_low > prior.auc_high
        assert scores[situation].log_loss < prior.log_loss
        assert scores[situation].ece < 0.03
    assert scores["all_known"].auc_low > scores["guest"].auc_high


def test_a_random_split_flatters(report: Report) -> None:
    assert report.leaky_auc > report.scores["all_known"].auc
