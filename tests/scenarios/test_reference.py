"""The reference of scenario files says each word as the reader knows it, and its example comes true."""

import re
from pathlib import Path

import pytest

from gateway.cli.scenarios import Desk
from gateway.edge.scenario import words
from gateway.edge.scenario.playing import play
from gateway.edge.scenario.reading import read_scenario
from gateway.edge.scenario.verifying import verify
from gateway.edge.scenario.words import Words

PAGE = (Path(__file__).resolve().parents[2] / "docs/reference/scenarios.md").read_text(encoding="utf-8")
TABLES: dict[str, Words] = {
    name: value
    for name, value in vars(words).items()
    if name.isupper() and isinstance(value, dict) and all(isinstance(word, words.Word) for word in value.values())
}


def test_there_are_tables_to_be_compared() -> None:
    assert {"SCENARIO", "CASE", "GIVEN", "PERSON", "SIGNALS", "THEN", "OFFER", "REFUSAL"} <= TABLES.keys()


@pytest.mark.parametrize("name", TABLES)
def test_each_word_stands_on_the_page_with_its_meaning(name: str) -> None:
    rows = [
        f"| `{word}` | {'required' if said.required else ''} | {said.means} |"
        for word, said in TABLES[name].items()
        if "." not in word and word not in words.HAPPENINGS
    ]
    assert [row for row in rows if row not in PAGE] == []


@pytest.mark.parametrize("word", words.HAPPENINGS)
def test_each_thing_that_may_happen_is_introduced(word: str) -> None:
    assert f"`{word}`: {words.HAPPENINGS[word][0]}" in PAGE


def test_the_example_comes_true(tmp_path: Path) -> None:
    scenario, campaign = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "campaigns").mkdir()
    (tmp_path / "campaigns" / "coffee.yaml").write_text(campaign, encoding="utf-8")
    path = tmp_path / "scenario.yaml"
    path.write_text(scenario, encoding="utf-8")
    cases = read_scenario(path).cases
    assert len(cases) == 3
    for case in cases:
        judgements = verify(play(path, case, Desk()))
        assert [each for judged in judgements if judged for each in judged.differences] == []
