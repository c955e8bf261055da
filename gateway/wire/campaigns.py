"""Campaigns: YAML files are checked and become what the engine uses, and the JSON a release holds.

`check` finds all that is wrong and raises nothing; what decides something calls `load_campaigns`, which raises on any
problem. A campaign with a problem never becomes an action.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from gateway.core.campaign import Campaigns
from gateway.core.errors import ReleaseError
from gateway.core.fences.geometry import Fence
from gateway.core.release import ModelSpec
from gateway.wire.campaign_build import build_campaign
from gateway.wire.campaign_check import check_campaigns
from gateway.wire.campaign_compiled import compile_campaign, read_campaign, together
from gateway.wire.campaign_grammar import CAMPAIGN
from gateway.wire.campaign_shapes import Part
from gateway.wire.campaign_source import Code, Problem, open_source

__all__ = [
    "CampaignsRefused",
    "Code",
    "Problem",
    "check",
    "compile_campaign",
    "load_campaigns",
    "load_each",
    "read_campaign",
]

SUFFIXES = (".yaml", ".yml")


class CampaignsRefused(ReleaseError):
    """Campaign files with problems.

    Attributes:
        problems: All of them, in the order of files and lines.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


def check(
    paths: Iterable[Path], *, fences: Iterable[Fence] | None = None, models: Iterable[ModelSpec] | None = None
) -> list[Problem]:
    """Return every problem of the campaign files, in the order of files and lines; none means they may be released.

    Files are judged together: an action may wait for one of another file, and ids are unique across all.

    Args:
        paths: Files, or folders whose `*.yaml` and `*.yml` are taken in the order of their names.
        fences: The fences they may name; None: names of fences are not checked.
        models: The models they may name; None: names of models are not checked.
    """
    return _read(paths, fences, models)[1]


def load_campaigns(
    paths: Iterable[Path], *, fences: Iterable[Fence] | None = None, models: Iterable[ModelSpec] | None = None
) -> Campaigns:
    """Return all that the campaign files say, in their order. The arguments are those of `check`.

    Raises:
        CampaignsRefused: There is any problem.
    """
    return together(load_each(paths, fences=fences, models=models).values())


def load_each(
    paths: Iterable[Path], *, fences: Iterable[Fence] | None = None, models: Iterable[ModelSpec] | None = None
) -> dict[str, Campaigns]:
    """Return what each campaign file says, by the name of its campaign. As `load_campaigns`."""
    parts, problems = _read(paths, fences, models)
    if problems:
        raise CampaignsRefused(problems)
    return {part.need("campaign", str): build_campaign(part) for part in parts}


def _read(
    paths: Iterable[Path], fences: Iterable[Fence] | None, models: Iterable[ModelSpec] | None
) -> tuple[list[Part], list[Problem]]:
    opened = [open_source(path) for path in _files(paths)]
    parts = [CAMPAIGN.read(source, root, "campaign") for source, root in opened if root is not None]
    check_campaigns(
        parts,
        None if fences is None else {fence.id: fence for fence in fences},
        None if models is None else {model.name: model for model in models},
    )
    # A node that an alias repeats is judged at each place, and its problem told once.
    return parts, sorted({problem for source, _ in opened for problem in source.problems})


def _files(paths: Iterable[Path]) -> list[Path]:
    """Return the files, each once, folders opened."""
    found: dict[Path, None] = {}
    for path in paths:
        inside = sorted(entry for entry in path.iterdir() if entry.suffix in SUFFIXES) if path.is_dir() else []
        found.update(dict.fromkeys(inside or [path]))
    return list(found)
