import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.wire.release_folder import FileRole, ReleaseFault, ReleaseRefused, paths_of, verify

NAMED = ((FileRole.CAMPAIGN, "pastries"), (FileRole.FENCES, "stations"), (FileRole.MODEL, "toy"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder whose files are what its manifest says, and say nothing themselves."""
    folder = tmp_path / "release"
    files = []
    for role, name in NAMED:
        for path in paths_of(role, name):
            content = f"the {role} {path}".encode()
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
            sha256 = hashlib.sha256(content).hexdigest()
            files.append({"role": role, "name": name, "path": path, "sha256": sha256, "length": len(content)})
    manifest = {
        "format": 1,
        "id": "r-1",
        "counter": 7,
        "created_ms": 1_767_225_600_000,
        "unit_kinds": ["car"],
        "min_gateway_version": "0.1.0",
        "files": files,
    }
    (folder / "release.json").write_text(json.dumps(manifest))
    return folder


def edit_manifest(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "release.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def fault(folder: Path, **options: str) -> ReleaseFault:
    with pytest.raises(ReleaseRefused) as refused:
        verify(folder, **options)
    assert refused.value.reason in str(refused.value)
    return refused.value.reason


def test_a_folder_that_is_what_it_says_is_accepted_whatever_its_files_say(folder: Path) -> None:
    manifest = verify(folder)
    assert (manifest.id, manifest.counter, len(manifest.files)) == ("r-1", 7, 5)


@pytest.mark.parametrize(("needed", "accepted"), [("0.9.9", True), ("0.10.0", True), ("0.10.1", False)])
def test_versions_are_compared_as_numbers(folder: Path, needed: str, accepted: object) -> None:
    edit_manifest(folder, lambda document: document.update(min_gateway_version=needed))
    if accepted:
        assert verify(folder, gateway_version="0.10.0").counter == 7
    else:
        assert fault(folder, gateway_version="0.10.0") is ReleaseFault.GATEWAY_TOO_OLD


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{", ReleaseFault.BAD_MANIFEST),
        (b"\xff", ReleaseFault.BAD_MANIFEST),
        (b"[" * 100_000, ReleaseFault.BAD_MANIFEST),
        (b"[]", ReleaseFault.UNKNOWN_FORMAT),
        (b'{"format": 2}', ReleaseFault.UNKNOWN_FORMAT),
        (b'{"format": "1"}', ReleaseFault.UNKNOWN_FORMAT),
        (b'{"format": 1}', ReleaseFault.BAD_MANIFEST),
        (b" " * (1 << 20) + b'{"format": 1}', ReleaseFault.NO_RELEASE),
    ],
)
def test_a_manifest_of_another_shape_is_refused(folder: Path, content: bytes, expected: ReleaseFault) -> None:
    (folder / "release.json").write_bytes(content)
    assert fault(folder) is expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "a b"),
        ("counter", -1),
        ("counter", True),
        ("created_ms", "now"),
        ("unit_kinds", []),
        ("unit_kinds", ["boat"]),
        ("min_gateway_version", "one"),
        ("extra", 1),
        ("files", [{"role": "fences"}]),
        ("files", [{"role": "song", "name": "a", "path": "a", "sha256": "0" * 64, "length": 0}]),
        ("files", [{"role": "fences", "name": "a", "path": "fences/a.gpkg", "sha256": "0" * 63, "length": 0}]),
    ],
)
def test_a_manifest_with_a_wrong_field_is_refused(folder: Path, field: str, value: object) -> None:
    edit_manifest(folder, lambda document: document.update({field: value}))
    assert fault(folder) is ReleaseFault.BAD_MANIFEST


def test_a_folder_without_a_manifest_is_no_release(tmp_path: Path) -> None:
    assert fault(tmp_path) is ReleaseFault.NO_RELEASE
    assert fault(tmp_path / "none") is ReleaseFault.NO_RELEASE


@pytest.mark.parametrize(
    "path",
    ["../x.gpkg", "/etc/passwd", "fences/../../x.gpkg", "fences//x.gpkg", "./fences/x.gpkg", "fences\\x.gpkg", "a\0b"],
)
def test_a_path_that_leads_out_is_refused(folder: Path, path: str) -> None:
    edit_manifest(folder, lambda document: document["files"][1].update(path=path))
    assert fault(folder) is ReleaseFault.PATH_ESCAPE


@pytest.mark.parametrize("path", ["campaigns/stations.json", "stations.gpkg", "fences/other.gpkg", "release.json"])
def test_a_file_in_the_place_of_another_role_is_refused(folder: Path, path: str) -> None:
    edit_manifest(folder, lambda document: document["files"][1].update(path=path))
    assert fault(folder) is ReleaseFault.MISPLACED_FILE


def test_a_file_that_is_named_twice_is_refused(folder: Path) -> None:
    edit_manifest(folder, lambda document: document["files"].append(document["files"][0]))
    assert fault(folder) is ReleaseFault.DUPLICATE


def test_half_a_model_is_refused(folder: Path) -> None:
    edit_manifest(folder, lambda document: document["files"].pop())
    (folder / "models" / "toy" / "model.onnx").unlink()
    assert fault(folder) is ReleaseFault.MISSING_FILE


@pytest.mark.parametrize("path", ["fences/stations.gpkg", "models/toy/model.onnx", "campaigns/pastries.json"])
def test_a_missing_file_is_refused(folder: Path, path: str) -> None:
    (folder / path).unlink()
    assert fault(folder) is ReleaseFault.MISSING_FILE


@pytest.mark.parametrize("path", ["notes.txt", "fences/stations.gpkg-wal", ".hidden", "models/toy/train.py"])
def test_a_file_nobody_named_is_refused(folder: Path, path: str) -> None:
    (folder / path).write_text("extra")
    assert fault(folder) is ReleaseFault.EXTRA_FILE


def test_what_is_no_regular_file_is_refused_unread(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert fault(folder) is ReleaseFault.EXTRA_FILE


@pytest.mark.parametrize("path", ["fences/stations.gpkg", "models/toy/model.onnx", "campaigns/pastries.json"])
def test_one_changed_bit_is_refused(folder: Path, path: str) -> None:
    content = bytearray((folder / path).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / path).write_bytes(content)
    assert fault(folder) is ReleaseFault.MODIFIED_FILE


def test_a_file_that_has_grown_is_refused(folder: Path) -> None:
    with (folder / "models" / "toy" / "model.onnx").open("ab") as file:
        file.write(b"\0")
    assert fault(folder) is ReleaseFault.MODIFIED_FILE


@pytest.mark.parametrize("path", ["fences/stations.gpkg", "models/toy", "fences", "release.json"])
def test_a_link_is_refused_even_to_the_same_bytes(folder: Path, tmp_path: Path, path: str) -> None:
    target = tmp_path / "elsewhere"
    shutil.move(folder / path, target)
    (folder / path).symlink_to(target)
    expected = ReleaseFault.NO_RELEASE if path == "release.json" else ReleaseFault.PATH_ESCAPE
    assert fault(folder) is expected


def test_the_release_folder_itself_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(folder)
    assert verify(tmp_path / "current").id == "r-1"
