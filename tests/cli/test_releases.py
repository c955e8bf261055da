"""`wayside check` and `wayside release`, as their users meet them."""

import json
import re
from pathlib import Path

import pytest

from gateway.core.errors import ReleaseError
from tests.cli.conftest import ROOT, Wayside
from tests.wire.full_campaign import FULL

CAMPAIGNS = ROOT / "deploy/demo/campaigns"
STATIONS = ROOT / "deploy/demo/fences/stations.geojson"
MODEL = ROOT / "edge_models/coupon_propensity"
ALL_BROKEN = ROOT / "tests/wire/broken_campaigns"
BROKEN = ALL_BROKEN / "unknown_moment.yaml"

NEED_SURROUNDINGS = {
    "unknown_fence",
    "unknown_tag",
    "unknown_model",
    "unknown_category",
    "fence_of_another_kind",
    "personal_model_for_anyone",
}


def test_check_finds_nothing_wrong_with_the_demo(wayside: Wayside) -> None:
    assert wayside("check", CAMPAIGNS, "--fences", STATIONS, "--model", MODEL).output == "no problems\n"


def test_check_names_file_line_and_hint_and_exits_with_1(wayside: Wayside) -> None:
    shown = wayside("check", BROKEN, exits=1).output
    assert f"{BROKEN}:" in shown
    assert shown.endswith("1 problem\n")


def test_check_tells_every_broken_campaign_at_its_place(wayside: Wayside) -> None:
    """Each file by itself, without fences and models: what needs those is checked in tests/wire."""
    for path in sorted(ALL_BROKEN.glob("*.yaml")):
        head = re.match(rb"# expect (\d+):(\d+) (\w+): (.*)", path.read_bytes())
        assert head is not None
        line, column, code, said = (part.decode() for part in head.groups())
        if code in NEED_SURROUNDINGS or path.stem in NEED_SURROUNDINGS:
            continue
        shown = wayside("check", path, exits=1).output
        place = f"{path}:{line}:{column}" if line != "0" else str(path)
        assert shown.startswith(f"{place}: ")
        assert f"[{code}]" in shown
        assert said in shown
        assert shown.endswith("\n1 problem\n")


def test_check_speaks_json_to_scripts(wayside: Wayside) -> None:
    (problem,) = json.loads(wayside("check", BROKEN, "--json", exits=1).output)
    assert problem["path"] == str(BROKEN)
    assert problem["code"] == "unknown_moment"
    assert problem["line"] > 0
    assert json.loads(wayside("check", CAMPAIGNS, "--json").output) == []


def test_check_takes_fences_from_a_csv_of_points(wayside: Wayside, tmp_path: Path) -> None:
    points = tmp_path / "points.csv"
    points.write_text("name,longitude,latitude\nHere,-122.3,47.6\n")
    wayside("check", CAMPAIGNS, "--fences", points, "--kind", "fuel_station")


def test_a_built_release_is_inspected_and_may_be_activated(wayside: Wayside, demo_release: Path) -> None:
    shown = wayside("release", "inspect", demo_release).output
    assert "release demo-1, counter 1, made 2026-01-01 07:00Z" in shown
    assert "pastry_alone" in shown
    assert "may be activated: " in wayside("release", "dry-run", demo_release).output
    assert json.loads(wayside("release", "inspect", demo_release, "--json").output)["counter"] == 1


def test_inspect_shows_groups_challenges_and_the_policy_over_all_marketing(wayside: Wayside, tmp_path: Path) -> None:
    out, campaign = tmp_path / "release", tmp_path / "full.yaml"
    anywhere = FULL.replace("fence: station-1, ", "").replace("tag: partner", "")
    campaign.write_text(anywhere.replace("{model: coupon_propensity, category: coffee_house}", "{prepared: true}"))
    wayside("release", "build", out, "--id", "full", "--counter", "1", "--campaigns", campaign)
    shown = wayside("release", "inspect", out).output
    assert "group coffee of fuel-stop: up to 3 together, 2 each week per household" in shown
    assert "challenge three_visits of fuel-stop: FenceDwelled in cafe if moment.at > 0, 3 times each week" in shown
    assert "all marketing: 3 each day per subject, 10 within 604800 s per household" in shown
    assert "needs offer_display, location_triggers, profiling" in shown
    found = json.loads(wayside("release", "inspect", out, "--json").output)
    assert found["contact"]["suppression"] == {"ignored": 5, "for_s": 2_592_000}
    assert [action["propensity"] for action in found["campaigns"]["fuel-stop"]] == [
        "prepared",
        0.5,
        "prepared, else 0.05",
    ]


def test_a_release_takes_compiled_fences_as_they_are(wayside: Wayside, demo_release: Path, tmp_path: Path) -> None:
    out = tmp_path / "again"
    fences = demo_release / "fences/stations.gpkg"
    arguments = ["--id", "again", "--counter", "2", "--campaigns", CAMPAIGNS, "--fences", fences, "--model", MODEL]
    wayside("release", "build", out, *arguments)
    assert (out / "fences/stations.gpkg").read_bytes() == fences.read_bytes()


def test_a_release_that_was_changed_is_refused(wayside: Wayside, demo_release: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for source in sorted(demo_release.rglob("*")):
        target = copy / source.relative_to(demo_release)
        if source.is_dir():
            target.mkdir(parents=True)
        else:
            target.write_bytes(source.read_bytes())
    model = copy / "models/coupon_propensity/model.onnx"
    model.write_bytes(model.read_bytes() + b"\0")
    with pytest.raises(ReleaseError, match=r"model\.onnx"):
        wayside("release", "inspect", copy)
