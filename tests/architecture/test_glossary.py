"""The glossary has every word that campaigns and wire formats are made of."""

import re
from pathlib import Path

import pytest

from gateway.core.campaign import Audience, Kind, Placement
from gateway.core.effects import Stage
from gateway.core.events import Outcome, Purpose, Role, UnitKind
from gateway.core.moments import MOMENTS
from gateway.wire.fences import FENCE_KINDS
from gateway.wire.topics import Channel

GLOSSARY = (Path(__file__).resolve().parents[2] / "docs" / "glossary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [Audience, Kind, Outcome, Placement, Purpose, Role, Stage, UnitKind])
def test_each_word_of_an_enumeration_is_explained(words: type[Kind]) -> None:
    assert [word.value for word in words if f"`{word.value}`" not in GLOSSARY] == []


def test_each_fence_kind_is_named() -> None:
    assert [kind for kind in FENCE_KINDS if f"`{kind}`" not in GLOSSARY] == []


def test_exactly_the_moments_there_are_stand_in_its_table() -> None:
    table = GLOSSARY.partition("## Moments")[2].partition("## ")[0]
    assert set(re.findall(r"^\| ([A-Z]\w+) \|", table, re.MULTILINE)) == set(MOMENTS)


def test_exactly_the_channels_there_are_stand_in_its_table() -> None:
    channels = re.findall(r"^\| `wayside/v1/\{(?:unit|gateway)\}/(\w+)`", GLOSSARY, re.MULTILINE)
    assert set(channels) == {channel.value for channel in Channel}


def test_each_word_is_defined_once() -> None:
    words = re.findall(r"^\| ([a-z][a-z ]+?)(?: \([A-Z]\))? \|", GLOSSARY, re.MULTILINE)
    headings = {"word", "moment", "topic"}
    defined = [word for word in words if word not in headings]
    assert sorted(defined) == sorted(set(defined))
