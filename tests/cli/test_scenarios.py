"""`wayside scenario run`, as product owners meet it."""

import json
from pathlib import Path

import pytest

from gateway.cli.scenarios import Desk
from gateway.core.errors import ReleaseError
from gateway.edge.scenario.reading import ScenariosRefused
from gateway.testing.stories import GIVEN, STORY, write_story
from tests.cli.conftest import ROOT, Wayside

SCENARIOS = ROOT / "tests/scenarios"
STORIES = SCENARIOS / "a2-attention-window.yaml"


def test_run_tells_a_story_and_says_that_it_holds(wayside: Wayside) -> None:
    shown = wayside("scenario", "run", STORIES).output
    assert shown.startswith(f"A2 The attention window ({STORIES}:1)\n  Thu 19 Nov 2026, Europe/Berlin\n")
    assert "08:04:10 pastry_alone is presented, accepted, redeemed, says car-1" in shown
    assert "OFFERED at car-1, driver_screen, to anna: winter_tyres, 'Still on summer tyres'" in shown
    assert shown.rstrip().splitlines()[-1].endswith("claims: all hold")


def test_run_names_file_line_expected_and_found_and_exits_with_1(wayside: Wayside, tmp_path: Path) -> None:
    path = write_story(tmp_path, GIVEN + STORY.replace("offered: coffee", "offered: cake"))
    shown = wayside("scenario", "run", path, exits=1).output
    assert f"  {path}:13: expected offered: cake, found offered: coffee; cake: eligibility: not_eligible" in shown
    assert shown.endswith("1 scenario, 1 story, 2 claims: 1 of 1 failed\n")


def test_run_quietly_tells_the_stories_that_fail_only(wayside: Wayside, tmp_path: Path) -> None:
    good = write_story(tmp_path)
    assert wayside("scenario", "run", good, "--quiet").output == "1 scenario, 1 story, 2 claims: all hold\n"
    write_story(tmp_path, GIVEN + STORY + "but: [{case: tea time, then: {}}]\n")
    shown = wayside("scenario", "run", tmp_path / "story.yaml", "--quiet", exits=1).output
    assert shown.startswith("A small one, but tea time (")


def test_run_takes_folders_and_leaves_out_the_campaigns_below_them(wayside: Wayside, tmp_path: Path) -> None:
    shown = wayside("scenario", "run", SCENARIOS, "--quiet").output
    assert shown.startswith(f"{len(list(SCENARIOS.glob('*.yaml')))} scenarios, ")
    with pytest.raises(ReleaseError, match="there is no scenario in"):
        wayside("scenario", "run", tmp_path)


def test_all_refusals_are_told_on_request(wayside: Wayside) -> None:
    path = SCENARIOS / "f1-unknown-is-denied.yaml"
    assert "also " not in wayside("scenario", "run", path).output
    assert "also " in wayside("scenario", "run", path, "--all").output


def test_run_speaks_json_to_scripts(wayside: Wayside, tmp_path: Path) -> None:
    path = write_story(tmp_path)
    told = json.loads(wayside("scenario", "run", path, "--json").output)
    assert told["passed"] is True
    (story,) = told["stories"]
    assert (story["scenario"], story["case"], story["passed"], story["claims"]) == ("A small one", "", True, 2)
    assert [scene["happens"] for scene in story["timeline"]] == [
        ["anna arrives at car-1"],
        ["car-1 signals: gear park"],
    ]
    assert story["timeline"][1]["offers"][0]["action"] == "coffee"


def test_every_faulty_file_is_told_before_any_story_is_played(wayside: Wayside, tmp_path: Path) -> None:
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    for path in (one, other):
        path.write_text(GIVEN + STORY.replace("who: anna", "who: ana"), encoding="utf-8")
    with pytest.raises(ScenariosRefused) as refused:
        wayside("scenario", "run", one, other)
    assert [problem.path for problem in refused.value.problems] == [one, other]


def test_a_model_is_found_by_its_name_or_by_its_folder() -> None:
    folder = ROOT / "edge_models/coupon_propensity"
    assert Desk().model("coupon_propensity", ROOT) == folder
    assert Desk().model("edge_models/coupon_propensity", ROOT) == folder
    with pytest.raises(ReleaseError, match="there is no model 'wishes'"):
        Desk().model("wishes", ROOT)


def test_places_are_read_from_sources_and_from_compiled_files(wayside: Wayside, tmp_path: Path) -> None:
    source, compiled = ROOT / "deploy/demo/fences/stations.geojson", tmp_path / "stations.gpkg"
    wayside("fences", "compile", source, "--out", compiled)
    assert {fence.id for fence in Desk().fences(source)} == {fence.id for fence in Desk().fences(compiled)}


def test_schema_prints_the_schema_of_scenarios(wayside: Wayside) -> None:
    assert json.loads(wayside("schema", "scenario").output)["$id"] == "urn:wayside:v1:scenario"
    assert "scenario" in wayside("schema").output.splitlines()
