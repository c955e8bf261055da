"""`wayside models`, as its users meet it."""

import json
from pathlib import Path

import pytest

from edge_models.coupon_propensity import train as training
from tests.cli.conftest import ROOT, Wayside

MODEL = ROOT / "edge_models/coupon_propensity"


def test_the_committed_model_repeats_its_golden_vectors(wayside: Wayside) -> None:
    assert "coupon_propensity: 46 golden vectors" in wayside("models", "verify", MODEL).output
    (report,) = json.loads(wayside("models", "verify", MODEL, "--json").output)
    assert report["max_difference"] <= report["tolerance"]


def test_an_unknown_model_is_answered_with_the_one_there_is(wayside: Wayside) -> None:
    assert "coupon_propensity" in wayside("models", "train", "coupon", exits=2).output


def test_training_is_given_what_was_asked_for(wayside: Wayside, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def train(data: Path, out: Path, *, seed: int) -> str:
        asked.extend([data, out, seed])
        return "done"

    monkeypatch.setattr(training, "train", train)
    assert wayside("models", "train", "coupon_propensity", "--seed", "3").output == "done\n"
    assert asked == [training.DATA, MODEL, 3]
