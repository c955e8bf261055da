"""The release folder: `release.json` names every other file in it by path, SHA-256 and length. Format 1.

`verify` judges a folder without trusting anything in it: each file must be named, each name must be where its role
belongs, nothing may be a link, nothing may be there besides. What a file says is judged by `gateway.wire.releases`.
Nothing here is signed; a signature wraps the folder unchanged.
"""

import json
import re
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway import __version__
from gateway.core.errors import ReleaseError
from gateway.core.events import UnitKind
from gateway.wire.model_manifest import MAX_JSON_BYTES, MODEL_FILES, Sha256, sha256_of
from gateway.wire.topics import ID_PATTERN

RELEASE_NAME = "release.json"
FORMAT: Final = 1

Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
Version = Annotated[str, StringConstraints(pattern=r"^\d{1,6}\.\d{1,6}\.\d{1,6}$")]


class ReleaseFault(StrEnum):
    """Why a release is refused; safe as a metric label."""

    NO_RELEASE = "no_release"
    UNKNOWN_FORMAT = "unknown_format"
    BAD_MANIFEST = "bad_manifest"
    GATEWAY_TOO_OLD = "gateway_too_old"
    PATH_ESCAPE = "path_escape"
    MISPLACED_FILE = "misplaced_file"
    DUPLICATE = "duplicate"
    MISSING_FILE = "missing_file"
    EXTRA_FILE = "extra_file"
    MODIFIED_FILE = "modified_file"
    BAD_FENCES = "bad_fences"
    BAD_CAMPAIGN = "bad_campaign"
    BAD_MODEL = "bad_model"
    DOES_NOT_COMPILE = "does_not_compile"
    NOT_EMPTY = "not_empty"


class ReleaseRefused(ReleaseError):
    """A release folder that must not be activated.

    Attributes:
        reason: Which rule it breaks.
    """

    def __init__(self, reason: ReleaseFault, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class FileRole(StrEnum):
    """What a file of a release is for."""

    FENCES = "fences"
    CAMPAIGN = "campaign"
    MODEL = "model"


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class ReleaseFile(_Part):
    """One file, exactly. A model is three files of one name."""

    role: FileRole
    name: Id
    path: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    sha256: Sha256
    length: Annotated[int, Field(ge=0)]


class ReleaseManifest(_Part):
    """`release.json`. Of two releases, the one with the greater `counter` is the newer."""

    format: Literal[1]
    id: Id
    counter: Annotated[int, Field(ge=0)]
    created_ms: Annotated[int, Field(ge=0)]
    unit_kinds: Annotated[tuple[UnitKind, ...], Field(min_length=1)]
    min_gateway_version: Version
    files: tuple[ReleaseFile, ...]


def paths_of(role: FileRole, name: str) -> tuple[str, ...]:
    """Return where the files of a role and name lie.

    >>> paths_of(FileRole.FENCES, "stations")
    ('fences/stations.gpkg',)
    """
    if role is FileRole.FENCES:
        return (f"fences/{name}.gpkg",)
    if role is FileRole.CAMPAIGN:
        return (f"campaigns/{name}.json",)
    return tuple(f"models/{name}/{file}" for file in MODEL_FILES)


def verify(folder: Path, gateway_version: str = __version__) -> ReleaseManifest:
    """Return the manifest of a folder that holds exactly the files it names.

    Raises:
        ReleaseRefused: With the first rule that is broken.
    """
    manifest = _read_manifest(folder / RELEASE_NAME)
    if _numbers(manifest.min_gateway_version) > _numbers(gateway_version):
        detail = f"needs gateway {manifest.min_gateway_version} or newer; this is {gateway_version}"
        raise ReleaseRefused(ReleaseFault.GATEWAY_TOO_OLD, detail)
    for file in manifest.files:
        _check_path(file)
    _check_complete(manifest)
    _check_present(folder, {file.path for file in manifest.files} | {RELEASE_NAME})
    for file in manifest.files:
        _check_contents(folder / file.path, file)
    return manifest


def _check_contents(path: Path, file: ReleaseFile) -> None:
    try:
        is_same = path.stat().st_size == file.length and sha256_of(path) == file.sha256
    except OSError as error:
        raise ReleaseRefused(ReleaseFault.MISSING_FILE, f"{file.path} cannot be read: {error.strerror}") from error
    if not is_same:
        raise ReleaseRefused(ReleaseFault.MODIFIED_FILE, f"{file.path} is not the file that was released")


def _read_manifest(path: Path) -> ReleaseManifest:
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_JSON_BYTES:
        raise ReleaseRefused(ReleaseFault.NO_RELEASE, f"{path.parent} has no {RELEASE_NAME}")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ReleaseRefused(ReleaseFault.NO_RELEASE, f"{path} cannot be read: {error.strerror}") from error
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ReleaseRefused(ReleaseFault.BAD_MANIFEST, f"{RELEASE_NAME} is no JSON") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ReleaseRefused(
            ReleaseFault.UNKNOWN_FORMAT, f"{RELEASE_NAME} is not of format {FORMAT}, the only one known"
        )
    try:
        return ReleaseManifest.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ReleaseRefused(ReleaseFault.BAD_MANIFEST, f"{RELEASE_NAME}: {where}: {first['msg']}") from error


def _numbers(version: str) -> tuple[int, ...]:
    """Return major, minor and patch; what follows them (a pre-release) does not count."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _check_path(file: ReleaseFile) -> None:
    parts = file.path.split("/")
    if file.path.startswith("/") or "\\" in file.path or "\0" in file.path or {"", ".", ".."} & set(parts):
        raise ReleaseRefused(ReleaseFault.PATH_ESCAPE, f"the path {file.path!r} leads out of the release")
    if file.path not in paths_of(file.role, file.name):
        expected = " or ".join(paths_of(file.role, file.name))
        raise ReleaseRefused(ReleaseFault.MISPLACED_FILE, f"{file.path!r} must be {expected}")


def _check_complete(manifest: ReleaseManifest) -> None:
    """Each path stands once, and of each name all files are there."""
    for path, times in Counter(file.path for file in manifest.files).items():
        if times > 1:
            raise ReleaseRefused(ReleaseFault.DUPLICATE, f"{path} stands {times} times")
    named = {file.path for file in manifest.files}
    for role, name in sorted({(file.role, file.name) for file in manifest.files}):
        for path in paths_of(role, name):
            if path not in named:
                raise ReleaseRefused(ReleaseFault.MISSING_FILE, f"the {role} {name!r} needs {path}")


def _check_present(folder: Path, expected: set[str]) -> None:
    found: set[str] = set()
    for entry in sorted(folder.rglob("*")):
        relative = entry.relative_to(folder).as_posix()
        if entry.is_symlink():
            raise ReleaseRefused(ReleaseFault.PATH_ESCAPE, f"{relative} is a link")
        if not entry.is_dir():
            if not entry.is_file():
                raise ReleaseRefused(ReleaseFault.EXTRA_FILE, f"{relative} is no regular file")
            found.add(relative)
    for path in sorted(expected - found):
        raise ReleaseRefused(ReleaseFault.MISSING_FILE, f"{path} is missing")
    for path in sorted(found - expected):
        raise ReleaseRefused(ReleaseFault.EXTRA_FILE, f"{path} is not named in {RELEASE_NAME}")
