"""`wayside scenario`: stories that say what is to be offered, played through the engine that decides on the device."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.output import Json, progress, say, say_json
from gateway.core.errors import ReleaseError

if TYPE_CHECKING:
    from gateway.core.fences.geometry import Fence
    from gateway.core.scoring import Scorer
    from gateway.edge.scenario.playing import Played
    from gateway.edge.scenario.story import Scenario
    from gateway.edge.scenario.verifying import Judgement
    from gateway.wire.campaign_source import Problem

app = typer.Typer(
    help="Play acceptance scenarios and compare what follows with what is to follow.", no_args_is_help=True
)


@app.callback()
def _scenario() -> None:
    """Keep `run` a word of its own."""


@app.command()
def run(
    files: Annotated[list[Path], typer.Argument(help="Scenario files, or folders of them.", exists=True)],
    *,
    quiet: Annotated[bool, typer.Option("--quiet", help="Tell the stories that fail only.")] = False,
    all_refusals: Annotated[bool, typer.Option("--all", help="Tell every refusal of each candidate.")] = False,
    json: Json = False,
) -> None:
    """Play scenarios and tell them as timelines: what happened, what was noticed and decided, and why.

    Exits with 1 if anything that follows is not what is to follow; each difference is told with its line.

    Example: `wayside scenario run tests/scenarios/a1-fuel-stop.yaml`

    Example: `wayside scenario run tests/scenarios --quiet`
    """
    from gateway.edge.scenario.reading import ScenariosRefused, read_scenario

    scenarios: list[Scenario] = []
    problems: list[Problem] = []
    for path in _files(files):
        try:
            scenarios.append(read_scenario(path))
        except ScenariosRefused as refused:
            problems += refused.problems
    if problems:
        raise ScenariosRefused(problems)
    told = list(_play_all(scenarios, quiet=quiet or json, all_refusals=all_refusals))
    failed = [one for one in told if not one["passed"]]
    if json:
        say_json({"passed": not failed, "stories": told})
    else:
        claims = sum(int(str(one["claims"])) for one in told)
        counted = (_number(len(scenarios), "scenario"), _number(len(told), "story"), _number(claims, "claim"))
        typer.echo(f"{', '.join(counted)}: {f'{len(failed)} of {len(told)} failed' if failed else 'all hold'}")
    if failed:
        raise typer.Exit(1)


def _number(count: int, noun: str) -> str:
    several = f"{noun.removesuffix('y')}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count} {noun if count == 1 else several}"


def _files(paths: Sequence[Path]) -> list[Path]:
    """Return the files, each once, folders opened; campaign files lie in folders below them."""
    found: dict[Path, None] = {}
    for path in paths:
        found.update(dict.fromkeys(sorted(path.glob("*.yaml")) if path.is_dir() else [path]))
    if not found:
        raise ReleaseError(f"there is no scenario in {', '.join(map(str, paths))}")
    return list(found)


def _play_all(scenarios: "Sequence[Scenario]", *, quiet: bool, all_refusals: bool) -> Iterator[dict[str, object]]:
    from gateway.edge.scenario.playing import play
    from gateway.edge.scenario.timeline import as_json
    from gateway.edge.scenario.verifying import verify

    total, done, library = sum(len(scenario.cases) for scenario in scenarios), 0, Desk()
    with progress("playing") as tell:
        for scenario in scenarios:
            for case in scenario.cases:
                played = play(scenario.path, case, library, all_refusals=all_refusals)
                judgements = verify(played)
                different = [each for judged in judgements if judged for each in judged.differences]
                if not quiet or different:
                    say(_told(scenario, played, judgements, passed=not different))
                done += 1
                if tell is not None:
                    tell(done, total)
                yield {
                    "file": str(scenario.path),
                    "scenario": scenario.name,
                    "case": case.name,
                    "passed": not different,
                    "claims": sum(judged.claims for judged in judgements if judged),
                    "differences": [asdict(each) for each in different],
                    "timeline": as_json(played, judgements),
                }


def _told(
    scenario: "Scenario", played: "Played", judgements: "Sequence[Judgement | None]", *, passed: bool
) -> Iterator[str]:
    from gateway.edge.scenario.timeline import lines

    case = played.case.name
    yield f"{scenario.name}{f', but {case}' if case else ''} ({scenario.path}:{played.case.line})"
    yield from lines(played, judgements)
    if passed:
        yield "  HOLDS"
    for judged in judgements:
        for difference in judged.differences if judged else ():
            yield f"  {scenario.path}:{difference.line}: expected {difference.expected}, found {difference.found}"
    yield ""


class Desk:
    """Files of places and models as a desk has them: with the compiler of fences, and the models by name."""

    def fences(self, path: Path) -> "Sequence[Fence]":
        """Return the fences of a source, or of a compiled file."""
        if path.suffix == ".gpkg":
            from gateway.wire.fences import read_fences

            return read_fences(path)
        from geofences.compiler import read_source

        return [found.fence for found in read_source(path)]

    def model(self, name: str, beside: Path) -> Path:
        """Return the folder of a model.

        Raises:
            ReleaseError: There is none.
        """
        import edge_models

        folders = [beside / name, *(Path(path) / name for path in edge_models.__path__)]
        found = next((folder for folder in folders if (folder / "manifest.json").is_file()), None)
        if found is None:
            raise ReleaseError(f"there is no model {name!r}")
        return found

    def scorer(self, folders: Mapping[str, Path]) -> "Scorer":
        """Return what asks the models."""
        from gateway.edge.scorer import OnnxScorer

        return OnnxScorer(folders)
