"""Every scenario, story by story, through the engine; and what the set of them must be."""

import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from gateway.cli.scenarios import Desk
from gateway.edge.scenario.playing import play
from gateway.edge.scenario.reading import read_scenario
from gateway.edge.scenario.schema import schema
from gateway.edge.scenario.story import Case
from gateway.edge.scenario.verifying import verify

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.yaml"))
PROMISED = (
    *("A1", "A2", "A4", "A5", "A6", "A7", "A8", "B1", "B2", "B3", "B5", "B6"),
    *("C2", "C3", "C4", "C6", "C7", "C9", "C11", "F1", "F2", "F3"),
)


@pytest.mark.parametrize(
    ("path", "case"),
    [
        pytest.param(path, case, id=f"{path.stem}:{case.line} {case.name}")
        for path in FILES
        for case in read_scenario(path).cases
    ],
)
def test_what_is_to_follow_follows(path: Path, case: Case) -> None:
    judgements = verify(play(path, case, Desk()))
    assert [str(each) for judged in judgements if judged for each in judged.differences] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_that_every_refusal_is_asked_for_changes_nothing(path: Path) -> None:
    for case in read_scenario(path).cases:
        judgements = verify(play(path, case, Desk(), all_refusals=True))
        assert [str(each) for judged in judgements if judged for each in judged.differences] == []


def test_each_promised_scenario_is_told_and_says_when_it_does_not_hold() -> None:
    told = {path.stem.partition("-")[0].upper(): read_scenario(path) for path in FILES}
    assert set(PROMISED) <= told.keys()
    for name, scenario in told.items():
        assert scenario.name.startswith(f"{name} ")
        assert scenario.tells
        assert len(scenario.cases) > 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_editor_with_the_schema_finds_nothing_wrong_with_a_scenario(path: Path) -> None:
    document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Plain)  # noqa: S506 -- it is a safe loader
    jsonschema.Draft202012Validator(schema()).validate(document)


class _Plain(yaml.SafeLoader):
    """Reads YAML as editors do, by version 1.2: `off` is a word, `08:00` a time of day."""


_Plain.yaml_implicit_resolvers = {}
_Plain.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("true|false"), list("tf"))
_Plain.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9]\d*)$"), list("-+0123456789"))
_Plain.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"[-+]?\d+\.\d+$"), list("-+0123456789"))
_Plain.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("null"), ["n"])
