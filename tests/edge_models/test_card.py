"""The model card says what was measured."""

import re
from pathlib import Path
from typing import Any

import pytest

from edge_models.coupon_propensity.card import SITUATION_WORDS


def test_card_and_manifest_state_the_same_figures(committed: Path, manifest: dict[str, Any]) -> None:
    text, metrics = (committed / "card.md").read_text(encoding="utf-8"), manifest["metrics"]
    for situation, words in SITUATION_WORDS.items():
        stated = [float(n) for n in re.findall(r"\d\.\d+", text.split(f"| {words} |")[1].split("\n")[0])]
        assert stated == pytest.approx(list(metrics[situation].values()), abs=6e-4)
