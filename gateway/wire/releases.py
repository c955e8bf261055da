"""Releases: fences, campaigns and models become one folder, and one folder what the engine decides with.

Everything that decides reads through `read_release`: it accepts a folder whole or refuses it with a reason, and it
evaluates no model. `build` reads back what it wrote before anyone else can see it.
"""

import json
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gateway import __version__
from gateway.core.campaign import Action, Campaigns
from gateway.core.consent import purposes_of
from gateway.core.errors import ReleaseError
from gateway.core.events import UnitKind
from gateway.core.fences.geometry import Fence
from gateway.core.release import Release, compile_release
from gateway.core.steps import Challenge, Trigger, describe
from gateway.core.terms import UNLIMITED, Cap, ContactPolicy, Group
from gateway.core.units import Instant
from gateway.wire.campaign_compiled import compile_campaign, read_campaign, together
from gateway.wire.fences import FencesRefused, check_unique, read_fences
from gateway.wire.model_manifest import MODEL_FILES, ModelManifest, ModelRefused, read_model, sha256_of
from gateway.wire.release_folder import (
    FORMAT,
    RELEASE_NAME,
    FileRole,
    ReleaseFault,
    ReleaseFile,
    ReleaseManifest,
    ReleaseRefused,
    paths_of,
    verify,
)
from gateway.wire.topics import is_id

__all__ = [
    "FileRole",
    "LoadedRelease",
    "ReleaseFault",
    "ReleaseFile",
    "ReleaseManifest",
    "ReleaseRefused",
    "build",
    "dry_run",
    "inspect",
    "read_release",
]


@dataclass(frozen=True, slots=True)
class LoadedRelease:
    """A release as the engine uses it, with where its models lie for the scorer."""

    manifest: ReleaseManifest
    release: Release
    models: Mapping[str, ModelManifest]
    model_folders: Mapping[str, Path]


def read_release(folder: Path, gateway_version: str = __version__) -> LoadedRelease:
    """Return a release that is whole, unmodified and compiles.

    Raises:
        ReleaseRefused: Any rule is broken; nothing of the release may be used.
    """
    manifest = verify(folder, gateway_version)
    fences = _read_fences(folder, manifest)
    campaigns = [_read_campaign(folder, file) for file in _files(manifest, FileRole.CAMPAIGN)]
    folders = {name: folder / "models" / name for name in sorted({f.name for f in _files(manifest, FileRole.MODEL)})}
    models = {name: _read_model(name, path) for name, path in folders.items()}
    specs = [model.spec() for model in models.values()]
    try:
        said = together(campaigns)
        release = compile_release(
            manifest.id,
            manifest.counter,
            fences,
            said.actions,
            specs,
            groups=said.groups,
            challenges=said.challenges,
            contact=said.contact,
        )
    except ReleaseError as error:
        raise ReleaseRefused(ReleaseFault.DOES_NOT_COMPILE, str(error)) from error
    return LoadedRelease(manifest, release, models, folders)


def _files(manifest: ReleaseManifest, role: FileRole) -> list[ReleaseFile]:
    return [file for file in manifest.files if file.role is role]


def _read_fences(folder: Path, manifest: ReleaseManifest) -> list[Fence]:
    try:
        files = _files(manifest, FileRole.FENCES)
        fences = [fence for file in files for fence in read_fences(folder / file.path)]
        check_unique(fences)
    except FencesRefused as error:
        raise ReleaseRefused(ReleaseFault.BAD_FENCES, str(error)) from error
    return fences


def _read_campaign(folder: Path, file: ReleaseFile) -> Campaigns:
    try:
        document = json.loads((folder / file.path).read_bytes())
        campaign = read_campaign(document) if isinstance(document, dict) else Campaigns()
    except (ReleaseError, ValueError, RecursionError) as error:
        raise ReleaseRefused(ReleaseFault.BAD_CAMPAIGN, f"{file.path}: {error}") from error
    if not campaign.actions or campaign.actions[0].campaign != file.name:
        raise ReleaseRefused(ReleaseFault.BAD_CAMPAIGN, f"{file.path} is not the campaign {file.name!r}")
    return campaign


def _read_model(name: str, folder: Path) -> ModelManifest:
    try:
        model = read_model(folder)
    except ModelRefused as error:
        raise ReleaseRefused(ReleaseFault.BAD_MODEL, str(error)) from error
    if model.name != name:
        raise ReleaseRefused(ReleaseFault.BAD_MODEL, f"the model in {name!r} calls itself {model.name!r}")
    return model


def dry_run(folder: Path, scorer_check: Callable[[Path], object] | None = None) -> LoadedRelease:
    """Do all that activating a release would do, and change nothing.

    Args:
        folder: The release.
        scorer_check: Given each model's folder, evaluates its golden vectors; raises `ReleaseError` if they differ.

    Raises:
        ReleaseRefused: The release must not be activated.
    """
    loaded = read_release(folder)
    for name, model_folder in loaded.model_folders.items():
        if scorer_check is not None:
            try:
                scorer_check(model_folder)
            except ReleaseError as error:
                raise ReleaseRefused(ReleaseFault.BAD_MODEL, f"{name}: {error}") from error
    return loaded


def inspect(folder: Path) -> dict[str, object]:
    """Return what a release holds, as JSON for people and scripts.

    Raises:
        ReleaseRefused: It is no valid release.
    """
    loaded = read_release(folder)
    release, manifest = loaded.release, loaded.manifest
    campaigns: dict[str, list[dict[str, object]]] = defaultdict(list)
    for action in release.actions.values():
        campaigns[action.campaign].append(_describe(action))
    return {
        **manifest.model_dump(mode="json"),
        "length": sum(file.length for file in manifest.files),
        "fences": dict(sorted(Counter(fence.kind for fence in release.fences.values()).items())),
        "campaigns": dict(campaigns),
        "groups": [_describe_group(group) for group in release.groups.values()],
        "challenges": [_describe_challenge(challenge) for challenge in release.challenges.values()],
        "contact": None if release.contact == UNLIMITED else _describe_contact(release.contact),
        "models": [
            {"name": model.name, "version": model.version, "features": len(model.features)}
            | {"categories": list(model.categories)}
            for model in loaded.models.values()
        ],
    }


def _describe(action: Action) -> dict[str, object]:
    return {
        "id": action.id,
        "kind": action.kind.value,
        "audience": action.audience.value,
        "group": action.group,
        "propensity": _describe_propensity(action),
        "placements": sorted({treatment.placement.value for treatment in action.treatments}),
        "purposes": [purpose.value for purpose in purposes_of(action)],
    }


def _describe_propensity(action: Action) -> float | str | None:
    if action.model is not None:
        return f"{action.model}/{action.category}"
    if action.prepared:
        return "prepared" if action.prior is None else f"prepared, else {action.prior}"
    return action.prior


def _describe_group(group: Group) -> dict[str, object]:
    return {"id": group.id, "campaign": group.campaign, "slate": group.slate, **_describe_contact(group.contact)}


def _describe_challenge(challenge: Challenge) -> dict[str, object]:
    return {
        "id": challenge.id,
        "campaign": challenge.campaign,
        "counts": describe(Trigger((challenge.counted,))),
        "times": challenge.times,
        "each": challenge.each.value,
    }


def _describe_contact(policy: ContactPolicy) -> dict[str, object]:
    suppression = policy.suppression
    return {
        "caps": [_describe_cap(cap) for cap in policy.caps],
        "cool_down_s": policy.cool_down_s,
        "suppression": None if suppression is None else asdict(suppression),
    }


def _describe_cap(cap: Cap) -> str:
    window = f"within {cap.within_s} s" if cap.each is None else f"each {cap.each}"
    return f"{cap.count} {window} per {cap.per}"


def build(  # noqa: PLR0913 - each argument is a field of release.json
    out: Path,
    *,
    id: str,  # noqa: A002 - the field's own name
    counter: int,
    created: Instant,
    campaigns: Sequence[Path],
    fences: Sequence[Path],
    models: Sequence[Path],
    unit_kinds: Sequence[UnitKind],
    min_gateway_version: str = __version__,
) -> ReleaseManifest:
    """Build a release folder, which appears whole or not at all. `out` may exist if it is empty.

    `campaigns` are YAML files or folders of them; `fences` are GeoPackages, each of which keeps its name; `models` are
    folders, each of which goes by the name in its manifest. The other arguments are fields of `ReleaseManifest`.

    Raises:
        ReleaseError: A source has a fault (`CampaignsRefused` lists them all), or `out` is not empty.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ReleaseRefused(ReleaseFault.NOT_EMPTY, f"{out} is there already")
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        files = _write_contents(draft, campaigns, fences, models)
        manifest = ReleaseManifest(
            format=FORMAT,
            id=id,
            counter=counter,
            created_ms=created,
            unit_kinds=tuple(unit_kinds),
            min_gateway_version=min_gateway_version,
            files=tuple(sorted(files, key=lambda file: file.path)),
        )
        _write_json(draft / RELEASE_NAME, manifest.model_dump(mode="json"))
        read_release(draft, min_gateway_version)
        draft.chmod(0o755)
        draft.rename(out)
    finally:
        if draft.exists():
            shutil.rmtree(draft)
    return manifest


def _write_contents(
    draft: Path, campaigns: Iterable[Path], fences: Iterable[Path], models: Iterable[Path]
) -> list[ReleaseFile]:
    from gateway.wire.campaigns import load_each  # noqa: PLC0415 -- reads YAML, which a device never does

    files: list[ReleaseFile] = []
    for source in fences:
        files += _copy(draft, FileRole.FENCES, source.stem, [source])
    manifests = []
    for source in models:
        manifests.append(read_model(source))
        files += _copy(draft, FileRole.MODEL, manifests[-1].name, [source / name for name in MODEL_FILES])
    known = [fence for file in files if file.role is FileRole.FENCES for fence in read_fences(draft / file.path)]
    specs = [manifest.spec() for manifest in manifests]
    for name, campaign in load_each(campaigns, fences=known, models=specs).items():
        path = paths_of(FileRole.CAMPAIGN, name)[0]
        _write_json(draft / path, compile_campaign(name, campaign))
        files.append(_file(draft, FileRole.CAMPAIGN, name, path))
    return files


def _copy(draft: Path, role: FileRole, name: str, sources: Sequence[Path]) -> list[ReleaseFile]:
    if not is_id(name):
        raise ReleaseRefused(ReleaseFault.BAD_MANIFEST, f"{name!r} cannot be the name of a {role}")
    files = []
    for source, path in zip(sources, paths_of(role, name), strict=True):
        target = draft / path
        if target.exists():
            raise ReleaseRefused(ReleaseFault.DUPLICATE, f"there are two {role} called {name!r}")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            target.write_bytes(source.read_bytes())
        except OSError as error:
            raise ReleaseRefused(ReleaseFault.MISSING_FILE, f"{source} cannot be read: {error.strerror}") from error
        files.append(_file(draft, role, name, path))
    return files


def _file(draft: Path, role: FileRole, name: str, path: str) -> ReleaseFile:
    target = draft / path
    return ReleaseFile(role=role, name=name, path=path, sha256=sha256_of(target), length=target.stat().st_size)


def _write_json(path: Path, document: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
