"""`wayside fences`, as its users meet it."""

import json
import sys
from pathlib import Path

import pytest

from gateway.cli import fences
from gateway.wire.fences import read_fences
from tests.cli.conftest import ROOT, Wayside

STATIONS = ROOT / "deploy/demo/fences/stations.geojson"
POINTS = "name,longitude,latitude\nHere,-122.3,47.6\nThere [red],-122.2,47.6\n"
BOW_TIE = [[0, 0], [0.01, 0.01], [0.01, 0], [0, 0.01], [0, 0]]


@pytest.fixture
def compiled(wayside: Wayside, tmp_path: Path) -> Path:
    wayside("fences", "compile", STATIONS, "-o", tmp_path / "fences.gpkg")
    return tmp_path / "fences.gpkg"


def write(folder: Path, *geometries: object) -> Path:
    features = [
        {"type": "Feature", "properties": {"id": f"f{number}", "kind": "zone"}, "geometry": geometry}
        for number, geometry in enumerate(geometries)
    ]
    path = folder / "source.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_compiling_reports_what_was_done(wayside: Wayside, tmp_path: Path) -> None:
    points, out = tmp_path / "points.csv", tmp_path / "out.gpkg"
    points.write_text(POINTS)
    shown = wayside("fences", "compile", points, STATIONS, "-o", out, "--kind", "store").output
    assert f"from       {points} (2), {STATIONS} (4)" in shown
    assert "kinds      3 fuel_station, 1 mall, 2 store" in shown
    assert "radius     100 m for 2 points that did not say one" in shown
    assert len(read_fences(out)) == 6


def test_compiling_speaks_json_to_scripts(wayside: Wayside, tmp_path: Path) -> None:
    report = json.loads(wayside("fences", "compile", STATIONS, "-o", tmp_path / "out.gpkg", "--json").output)
    assert (report["fences"], report["shapes"]) == (4, {"circle": 2, "polygon": 2})
    assert report["seconds"] > 0


def test_each_option_reaches_the_compiler(wayside: Wayside, tmp_path: Path) -> None:
    points, out = tmp_path / "points.csv", tmp_path / "out.gpkg"
    points.write_text("ref,label,longitude,latitude\n7,Seven,10,50\n")
    options = ["--kind", "cafe", "--radius-m", "25", "--id-from", "ref", "--name-from", "label", "--simplify-m", "1"]
    more = ["--width-m", "9", "--id-prefix", "x", "--crs", "EPSG:4326", "--outlier-km", "9", "--ignore-unknown"]
    wayside("fences", "compile", points, "-o", out, *options, *more, "--drop-outliers", "--strict")
    (fence,) = read_fences(out)
    assert (fence.id, fence.name, fence.kind) == ("7", "Seven", "cafe")
    assert fence.shape.distance_m(10.0, 50.0) == -25.0


def test_faults_are_told_with_place_and_reason_and_nothing_is_written(wayside: Wayside, tmp_path: Path) -> None:
    source = write(tmp_path, {"type": "Polygon", "coordinates": [BOW_TIE]}, {"type": "MultiPoint", "coordinates": []})
    out = tmp_path / "out.gpkg"
    shown = wayside("fences", "compile", source, "-o", out, "--strict", exits=1).stderr
    assert f"{source}: feature 0: the geometry is not valid: Self-intersection" in shown
    assert f"{source}: feature 1: a fence is a Point, " in shown
    assert shown.endswith("wayside: 2 faults; nothing was written\n")
    assert not out.exists()
    told = json.loads(wayside("fences", "compile", source, "-o", out, "--json", exits=1).stdout)
    (fault,) = told["faults"]
    assert (fault["source"], fault["feature"]) == (str(source), 1)


def test_people_see_twenty_of_many_faults(wayside: Wayside, tmp_path: Path) -> None:
    source = write(tmp_path, *[{"type": "Point", "coordinates": [1, 2]}] * 30)
    shown = wayside("fences", "compile", source, "-o", tmp_path / "out.gpkg", exits=1).stderr
    assert shown.count("a point needs radius_m") == 20
    assert "and 10 more: --json has them all" in shown


def test_inspecting_tells_people_and_scripts_the_same(wayside: Wayside, compiled: Path) -> None:
    assert "shapes     2 circle, 2 polygon" in wayside("fences", "inspect", compiled).output
    found = json.loads(wayside("fences", "inspect", compiled, "--json").output)
    assert (found["fences"], found["problems"], found["overlaps"]) == (4, [], [])


def test_on_a_terminal_names_are_text_and_no_markup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    fences._tell("title", [("note", "There [red]")])
    assert "There [red]" in capsys.readouterr().out


def test_a_map_is_drawn_and_opened_when_asked(
    wayside: Wayside, compiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    page = tmp_path / "map.html"
    assert wayside("fences", "show", compiled, "-o", page).output.startswith(f"{page}: ")
    assert "Station Ballard" in page.read_text(encoding="utf-8")
    assert opened == []
    wayside("fences", "show", compiled, "-o", page, "--open")
    assert opened == [page.as_uri()]


def test_compiled_fences_are_checked_against_and_released_as_they_are(
    wayside: Wayside, compiled: Path, tmp_path: Path
) -> None:
    campaigns, model = ROOT / "deploy/demo/campaigns", ROOT / "edge_models/coupon_propensity"
    assert wayside("check", campaigns, "--fences", compiled, "--model", model).output == "no problems\n"
    arguments = ["--id", "a", "--counter", "1", "--campaigns", campaigns, "--fences", compiled, "--model", model]
    wayside("release", "build", tmp_path / "release", *arguments)
    assert (tmp_path / "release/fences/fences.gpkg").read_bytes() == compiled.read_bytes()
