"""The manifest of a model: what it is asked, what it answers, and which bytes it is. Format 1.

Reading a model's folder checks names, lengths and hashes; it never evaluates the model. That is the scorer's work,
against the golden vectors that lie beside it.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from gateway.core.errors import ReleaseError
from gateway.core.features import FEATURE_VERSION, is_personal
from gateway.core.release import ModelSpec
from gateway.wire.topics import ID_PATTERN

MANIFEST_NAME = "manifest.json"
MODEL_NAME = "model.onnx"
GOLDEN_NAME = "golden.json"
MODEL_FILES = (MANIFEST_NAME, MODEL_NAME, GOLDEN_NAME)
"""What a release takes of a model's folder. Training code and card stay at home."""

MAX_JSON_BYTES = 1 << 20

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


class ModelRefused(ReleaseError):
    """A model's folder that must not be activated."""


class _Part(BaseModel):
    # What a trainer adds for people (metrics, provenance) is none of a gateway's business.
    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class FileRef(_Part):
    """A file of the folder, exactly."""

    path: str
    sha256: Sha256
    length: Annotated[int, Field(ge=0)]


class ModelManifest(_Part):
    """What a gateway must know to ask a model. `tolerance`: how far a golden answer may be off on another processor."""

    format: Literal[1]
    name: Annotated[str, StringConstraints(pattern=ID_PATTERN)]
    version: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    task: Literal["propensity"]
    input: Name
    output: Name
    features: Annotated[tuple[Name, ...], Field(min_length=1)]
    feature_version: int
    categories: Annotated[tuple[Name, ...], Field(min_length=1)]
    personal_features: tuple[Name, ...]
    model: FileRef
    golden: FileRef
    tolerance: Annotated[float, Field(gt=0, lt=1)]

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        if self.feature_version != FEATURE_VERSION:
            raise ValueError(f"features of version {self.feature_version}; this gateway computes {FEATURE_VERSION}")
        if len(set(self.features)) < len(self.features) or len(set(self.categories)) < len(self.categories):
            raise ValueError("a feature or category stands twice")
        if set(self.personal_features) != {name for name in self.features if is_personal(name)}:
            raise ValueError("personal_features must name exactly the features that read of a subject")
        return self

    @model_validator(mode="after")
    def _keeps_to_its_folder(self) -> Self:
        if (self.model.path, self.golden.path) != (MODEL_NAME, GOLDEN_NAME):
            raise ValueError(f"the files are called {MODEL_NAME} and {GOLDEN_NAME}")
        return self

    def spec(self) -> ModelSpec:
        """Return what the engine needs of it."""
        return ModelSpec(self.name, self.version, self.features, self.categories)


def read_model(folder: Path) -> ModelManifest:
    """Return the manifest of a model's folder after checking that the files are those it speaks of.

    Raises:
        ModelRefused: The manifest is wrong, or a file is missing or another.
    """
    try:
        manifest = _read_manifest(folder / MANIFEST_NAME)
        for ref in (manifest.model, manifest.golden):
            _check_file(folder / ref.path, ref)
    except OSError as error:
        raise ModelRefused(f"the model in {folder.name!r} cannot be read: {error.strerror}") from error
    return manifest


def _read_manifest(path: Path) -> ModelManifest:
    raw = path.read_bytes()
    try:
        if len(raw) > MAX_JSON_BYTES or json.loads(raw).get("format") != 1:
            raise ModelRefused(f"{path.parent.name}/{path.name}: the format is not known; this gateway reads format 1")
        return ModelManifest.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ModelRefused(f"{path.parent.name}/{path.name}: {where}: {first['msg']}") from error
    except (ValueError, AttributeError, RecursionError) as error:
        raise ModelRefused(f"{path.parent.name}/{path.name} is no JSON object") from error


def _check_file(path: Path, ref: FileRef) -> None:
    if path.stat().st_size != ref.length or sha256_of(path) != ref.sha256:
        raise ModelRefused(f"{path.parent.name}/{path.name} is not the file its manifest speaks of")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
