import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway import __version__
from gateway.core.errors import ReleaseError
from gateway.core.events import UnitKind
from gateway.core.fences.geometry import Circle, Fence
from gateway.core.units import Position
from gateway.wire.campaigns import CampaignsRefused, load_campaigns
from gateway.wire.model_manifest import ModelRefused, read_model
from gateway.wire.releases import (
    LoadedRelease,
    ReleaseFault,
    ReleaseManifest,
    ReleaseRefused,
    build,
    dry_run,
    inspect,
    read_release,
)
from geofences.compiler import SourceFence, write_geopackage

ROOT = Path(__file__).resolve().parents[2]
CREATED = 1_767_225_600_000

CAMPAIGN = """
campaign: pastries
actions:
  - id: pastry
    kind: marketing
    audience: subject
    when:
      - {moment: Parked, fence: station-1}
    propensity: {model: toy, category: bar}
    value: 1
    annoyance: 0
    cap: unlimited
    treatments:
      - {placement: driver_screen, language: en, title: A pastry, body: At the till}
"""


def write_model(folder: Path, **changes: object) -> Path:
    """Write a model's folder as a trainer would, but with bytes that no runtime would take for a model."""
    folder.mkdir(parents=True)
    refs = {}
    for field, name, content in (("model", "model.onnx", b"no real model"), ("golden", "golden.json", b"{}")):
        (folder / name).write_bytes(content)
        refs[field] = {"path": name, "sha256": hashlib.sha256(content).hexdigest(), "length": len(content)}
    manifest = {
        "format": 1,
        "name": "toy",
        "version": "1.0.0",
        "task": "propensity",
        "input": "features",
        "output": "propensity",
        "features": ["hour", "visits_bar"],
        "feature_version": 1,
        "categories": ["bar", "coffee_house"],
        "personal_features": ["visits_bar"],
        "metrics": {"auc": 0.7},
        "tolerance": 1e-5,
        **refs,
        **changes,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "card.md").write_text("For people.")
    return folder


def write_fences(path: Path, *ids: str) -> Path:
    fences = [Fence(id_, "fuel_station", id_, Circle(Position(-122.3, 47.6), 60.0)) for id_ in ids]
    write_geopackage([SourceFence(fence) for fence in fences], path)
    return path


class Sources:
    """What a release is built from, to be changed before it is built."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "release"
        self.campaign = folder / "sources" / "pastries.yaml"
        self.campaign.parent.mkdir()
        self.campaign.write_text(CAMPAIGN)
        self.fences = [write_fences(folder / "sources" / "stations.gpkg", "station-1", "station-2")]
        self.models = [write_model(folder / "sources" / "toy")]

    def build(self, **changes: Any) -> ReleaseManifest:  # noqa: ANN401 - the arguments of build
        arguments: dict[str, Any] = {
            "id": "r-1",
            "counter": 7,
            "created": CREATED,
            "campaigns": [self.campaign],
            "fences": self.fences,
            "models": self.models,
            "unit_kinds": [UnitKind.CAR],
            **changes,
        }
        return build(self.out, **arguments)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(tmp_path)


@pytest.fixture
def folder(sources: Sources) -> Path:
    sources.build()
    return sources.out


def edit_manifest(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "release.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def name_anew(folder: Path, relative: str, content: bytes) -> None:
    """Replace a file and let `release.json` vouch for it, as a builder with other ideas would."""
    (folder / relative).write_bytes(content)

    def vouch(document: dict[str, Any]) -> None:
        entry = next(file for file in document["files"] if file["path"] == relative)
        entry |= {"sha256": hashlib.sha256(content).hexdigest(), "length": len(content)}

    edit_manifest(folder, vouch)


def fault(folder: Path, **options: str) -> ReleaseFault:
    with pytest.raises(ReleaseRefused) as refused:
        read_release(folder, **options)
    assert refused.value.reason in str(refused.value)
    return refused.value.reason


def test_a_built_release_holds_exactly_what_it_names(sources: Sources) -> None:
    manifest = sources.build()
    present = {path.relative_to(sources.out).as_posix() for path in sources.out.rglob("*") if path.is_file()}
    assert present == {
        "release.json",
        "campaigns/pastries.json",
        "fences/stations.gpkg",
        "models/toy/golden.json",
        "models/toy/manifest.json",
        "models/toy/model.onnx",
    }
    assert present - {"release.json"} == {file.path for file in manifest.files}
    for file in manifest.files:
        content = (sources.out / file.path).read_bytes()
        assert (file.sha256, file.length) == (hashlib.sha256(content).hexdigest(), len(content))


def test_a_release_reads_back_as_it_was_built(sources: Sources) -> None:
    manifest = sources.build()
    loaded = read_release(sources.out)
    assert loaded.manifest == manifest
    assert (manifest.id, manifest.counter, manifest.created_ms) == ("r-1", 7, CREATED)
    assert manifest.min_gateway_version == __version__
    assert (loaded.release.id, loaded.release.counter) == ("r-1", 7)
    assert set(loaded.release.fences) == {"station-1", "station-2"}
    assert tuple(loaded.release.actions.values()) == load_campaigns([sources.campaign]).actions
    assert loaded.release.models["toy"].features == ("hour", "visits_bar")
    assert loaded.model_folders == {"toy": sources.out / "models" / "toy"}
    assert loaded.models["toy"].tolerance == 1e-5


def test_the_same_sources_make_the_same_release(sources: Sources, tmp_path: Path) -> None:
    first = sources.build()
    sources.out = tmp_path / "again"
    assert sources.build() == first


def test_the_demo_release_builds_with_the_model_of_this_repository(sources: Sources) -> None:
    sources.build(
        campaigns=[ROOT / "deploy" / "demo" / "campaigns"], models=[ROOT / "edge_models" / "coupon_propensity"]
    )
    assert read_release(sources.out).release.actions.keys() >= {"pastry_alone", "winter_tyres", "tyre_pressure"}


def test_nothing_is_left_beside_a_built_release(sources: Sources, tmp_path: Path) -> None:
    sources.build()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["release", "sources"]


def test_an_empty_folder_is_taken_and_a_full_one_is_not(sources: Sources) -> None:
    sources.out.mkdir()
    sources.build()
    with pytest.raises(ReleaseRefused, match="is there already") as refused:
        sources.build()
    assert refused.value.reason is ReleaseFault.NOT_EMPTY


def test_a_faulty_campaign_builds_nothing(sources: Sources, tmp_path: Path) -> None:
    sources.campaign.write_text(CAMPAIGN.replace("station-1", "station-9").replace("bar", "barr"))
    with pytest.raises(CampaignsRefused) as refused:
        sources.build()
    assert [problem.code for problem in refused.value.problems] == ["unknown_fence", "unknown_category"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sources"]


def test_two_sources_of_one_name_are_refused(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    sources.fences.append(write_fences(tmp_path / "more" / "stations.gpkg", "station-3"))
    with pytest.raises(ReleaseRefused, match="two fences called 'stations'"):
        sources.build()


def test_two_fences_of_one_id_in_two_files_are_refused(sources: Sources, tmp_path: Path) -> None:
    sources.fences.append(write_fences(tmp_path / "sources" / "more.gpkg", "station-2"))
    with pytest.raises(ReleaseRefused, match="'station-2' stands twice"):
        sources.build()


def test_a_source_that_cannot_be_named_or_read_is_refused(sources: Sources, tmp_path: Path) -> None:
    with pytest.raises(ReleaseRefused, match="cannot be the name"):
        sources.build(fences=[tmp_path / "my fences.gpkg"])
    with pytest.raises(ReleaseRefused, match="cannot be read: No such file"):
        sources.build(fences=[tmp_path / "none.gpkg"])
    with pytest.raises(ModelRefused, match="cannot be read"):
        sources.build(models=[tmp_path / "none"])


def test_a_release_may_be_built_for_a_gateway_yet_to_come(sources: Sources) -> None:
    sources.build(min_gateway_version="99.0.0")
    assert fault(sources.out) is ReleaseFault.GATEWAY_TOO_OLD
    assert read_release(sources.out, gateway_version="99.0.1").manifest.id == "r-1"


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("fences/stations.gpkg", b"no database", ReleaseFault.BAD_FENCES),
        ("campaigns/pastries.json", b"{", ReleaseFault.BAD_CAMPAIGN),
        ("campaigns/pastries.json", b"[]", ReleaseFault.BAD_CAMPAIGN),
        ("campaigns/pastries.json", b'{"format": 2}', ReleaseFault.BAD_CAMPAIGN),
        ("models/toy/manifest.json", b"[]", ReleaseFault.BAD_MODEL),
        ("models/toy/model.onnx", b"another model", ReleaseFault.BAD_MODEL),
    ],
)
def test_content_that_is_wrong_though_vouched_for_is_refused(
    folder: Path, path: str, content: bytes, expected: ReleaseFault
) -> None:
    name_anew(folder, path, content)
    assert fault(folder) is expected


def change_campaign(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads((folder / "campaigns" / "pastries.json").read_text())
    change(document)
    name_anew(folder, "campaigns/pastries.json", json.dumps(document).encode())


def test_a_campaign_under_the_name_of_another_is_refused(folder: Path) -> None:
    change_campaign(folder, lambda document: document.update(campaign="other"))
    assert fault(folder) is ReleaseFault.BAD_CAMPAIGN


def test_an_action_of_an_absent_model_does_not_compile(folder: Path) -> None:
    change_campaign(folder, lambda document: document["actions"][0].update(model="absent"))
    assert fault(folder) is ReleaseFault.DOES_NOT_COMPILE


def test_a_model_under_the_name_of_another_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / "models" / "toy" / "manifest.json").read_text())
    name_anew(folder, "models/toy/manifest.json", json.dumps({**manifest, "name": "other"}).encode())
    assert fault(folder) is ReleaseFault.BAD_MODEL


def test_a_model_that_wants_unknown_features_does_not_compile(tmp_path: Path, sources: Sources) -> None:
    sources.models = [write_model(tmp_path / "new", features=["mood"], personal_features=[])]
    with pytest.raises(ReleaseRefused, match="mood") as refused:
        sources.build()
    assert refused.value.reason is ReleaseFault.DOES_NOT_COMPILE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format is not known"),
        ({"task": "churn"}, "task"),
        ({"feature_version": 2}, "features of version 2; this gateway computes 1"),
        ({"personal_features": []}, "personal_features must name exactly"),
        ({"personal_features": ["visits_bar", "hour"]}, "personal_features must name exactly"),
        ({"features": ["hour", "hour", "visits_bar"]}, "stands twice"),
        ({"categories": []}, "categories"),
        ({"categories": ["bar", "bar"]}, "stands twice"),
        ({"model": {"path": "../m.onnx", "sha256": "0" * 64, "length": 1}}, "the files are called"),
        ({"model": {"path": "model.onnx", "sha256": "0" * 64, "length": 13}}, "not the file its manifest speaks of"),
        ({"tolerance": 0}, "tolerance"),
    ],
)
def test_a_model_whose_manifest_is_wrong_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelRefused, match=message):
        read_model(write_model(tmp_path / "toy", **changes))


def test_a_model_folder_says_what_the_engine_needs(tmp_path: Path) -> None:
    spec = read_model(write_model(tmp_path / "toy")).spec()
    assert (spec.name, spec.version, spec.categories) == ("toy", "1.0.0", ("bar", "coffee_house"))


def test_a_dry_run_asks_the_checker_about_each_model(folder: Path) -> None:
    asked: list[Path] = []
    loaded = dry_run(folder, asked.append)
    assert isinstance(loaded, LoadedRelease)
    assert asked == [folder / "models" / "toy"]
    assert dry_run(folder).manifest == loaded.manifest


def test_a_dry_run_fails_with_the_checker(folder: Path) -> None:
    def refuse(model: Path) -> None:
        raise ReleaseError(f"{model.name} is off its golden vectors")

    with pytest.raises(ReleaseRefused, match="off its golden vectors") as refused:
        dry_run(folder, refuse)
    assert refused.value.reason is ReleaseFault.BAD_MODEL


def test_inspect_tells_what_a_release_holds_in_json(folder: Path) -> None:
    told = json.loads(json.dumps(inspect(folder)))
    assert (told["id"], told["counter"], told["unit_kinds"]) == ("r-1", 7, ["car"])
    assert told["fences"] == {"fuel_station": 2}
    assert [action["id"] for action in told["campaigns"]["pastries"]] == ["pastry"]
    assert told["models"][0]["name"] == "toy"
    assert told["length"] == sum(file["length"] for file in told["files"])
