"""`wayside check` and `wayside release`: what may be said, and the folder it travels in."""

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.output import Json, say, say_json
from gateway.core.events import UnitKind

if TYPE_CHECKING:
    from gateway.core.fences.geometry import Fence

app = typer.Typer(help="Build and look into release folders (unsigned).", no_args_is_help=True)

Fences = Annotated[
    list[Path], typer.Option("--fences", help="GeoPackage, GeoJSON, or CSV of points; repeat for more.", exists=True)
]
Models = Annotated[
    list[Path], typer.Option("--model", help="Model folder; repeat for more.", exists=True, file_okay=False)
]
Folder = Annotated[Path, typer.Argument(help="The release folder.", exists=True, file_okay=False)]


def check(
    campaigns: Annotated[list[Path], typer.Argument(help="Campaign files, or folders of them.", exists=True)],
    fences: Fences = [],  # noqa: B006 -- Typer copies it
    models: Models = [],  # noqa: B006 -- Typer copies it
    kind: Annotated[str, typer.Option(help="What kind of place the points of a CSV are.")] = "zone",
    *,
    json: Json = False,
) -> None:
    """Check campaigns before anyone can be shown them; every problem has its file, line and a hint.

    Names of fences and models are checked against those that are given.

    Example: `wayside check deploy/demo/campaigns --fences deploy/demo/fences/stations.geojson`
    """
    from gateway.wire import campaigns as wire
    from gateway.wire.model_manifest import read_model

    known_fences = [fence for path in fences for fence in _fences_of(path, kind)] if fences else None
    known_models = [read_model(path).spec() for path in models] if models else None
    problems = wire.check(campaigns, fences=known_fences, models=known_models)
    if json:
        say_json([_problem(problem) for problem in problems])
    else:
        say(str(problem) for problem in problems)
        noun = "problem" if len(problems) == 1 else "problems"
        typer.echo(f"{len(problems)} {noun}" if problems else "no problems")
    if problems:
        raise typer.Exit(1)


@app.command()
def build(
    out: Annotated[Path, typer.Argument(help="The folder to make.")],
    id_: Annotated[str, typer.Option("--id", help="The release's id.")],
    counter: Annotated[int, typer.Option(help="Greater than that of every earlier release.", min=1)],
    campaigns: Annotated[
        list[Path], typer.Option("--campaigns", help="Campaign file or folder; repeat for more.", exists=True)
    ],
    fences: Fences = [],  # noqa: B006 -- Typer copies it
    models: Models = [],  # noqa: B006 -- Typer copies it
    unit_kinds: Annotated[list[UnitKind], typer.Option("--unit-kind", help="Whom it is for; repeat.")] = list(UnitKind),  # noqa: B006
    kind: Annotated[str, typer.Option(help="What kind of place the points of a CSV are.")] = "zone",
    radius_m: Annotated[float, typer.Option(help="The radius of every point of a CSV, in metres.", min=1)] = 100.0,
    created_ms: Annotated[int | None, typer.Option(help="When it was made; left out: now.")] = None,
) -> None:
    """Build a release folder from campaigns, fences and models; it appears whole or not at all.

    Example: `wayside release build demo-release --id demo-1 --counter 1 --campaigns deploy/demo/campaigns --fences
    deploy/demo/fences/stations.geojson --model edge_models/coupon_propensity`
    """
    from gateway.wire import releases as wire

    with tempfile.TemporaryDirectory(prefix="wayside-fences-") as scratch:
        manifest = wire.build(
            out,
            id=id_,
            counter=counter,
            created=int(time.time() * 1000) if created_ms is None else created_ms,
            campaigns=campaigns,
            fences=[_compiled(path, Path(scratch), kind, radius_m) for path in fences],
            models=models,
            unit_kinds=unit_kinds,
        )
    typer.echo(f"{out}: release {manifest.id}, counter {manifest.counter}, {len(manifest.files)} files")


@app.command()
def inspect(folder: Folder, *, json: Json = False) -> None:
    """Show what a release holds, after checking that it is whole and unmodified.

    Example: `wayside release inspect demo-release --json`
    """
    from gateway.wire import releases as wire

    found = wire.inspect(folder)
    say_json(found) if json else say(_described(found))


@app.command("dry-run")
def dry_run(folder: Folder) -> None:
    """Do all that activating a release would do, models' golden vectors included, and change nothing.

    Example: `wayside release dry-run demo-release`
    """
    from gateway.edge import scorer
    from gateway.wire import releases as wire

    loaded = wire.dry_run(folder, scorer.verify)
    release = loaded.release
    typer.echo(
        f"{folder}: release {release.id} may be activated: {len(release.actions)} actions, "
        f"{len(release.fences)} fences, {len(release.models)} models"
    )


def _fences_of(source: Path, kind: str) -> "list[Fence]":
    if source.suffix == ".gpkg":
        from gateway.wire.fences import read_fences

        return list(read_fences(source))
    from geofences.compiler import read_source

    return [found.fence for found in read_source(source, kind=kind)]


def _compiled(source: Path, scratch: Path, kind: str, radius_m: float) -> Path:
    """Return the GeoPackage of a source, compiled if it is none yet."""
    if source.suffix == ".gpkg":
        return source
    from geofences.compiler import compile_fences

    compiled = scratch / f"{source.name.split('.')[0]}.gpkg"
    compile_fences(source, compiled, kind=kind, radius_m=radius_m)
    return compiled


def _problem(problem: object) -> dict[str, object]:
    names = ("path", "line", "column", "code", "message", "hint")
    return {
        name: str(value) if name in {"path", "code"} else value for name in names for value in [getattr(problem, name)]
    }


def _described(found: dict[str, Any]) -> Iterator[str]:
    """Return what a release holds, for people."""
    made = datetime.fromtimestamp(found["created_ms"] / 1000, tz=UTC)
    yield f"release {found['id']}, counter {found['counter']}, made {made:%Y-%m-%d %H:%M}Z, {found['length']:,} bytes"
    yield f"for {', '.join(found['unit_kinds'])}; gateways from {found['min_gateway_version']}"
    yield f"fences: {', '.join(f'{count} {kind}' for kind, count in found['fences'].items()) or 'none'}"
    for campaign, actions in found["campaigns"].items():
        yield f"campaign {campaign}:"
        for a in actions:
            where, needs = ", ".join(a["placements"]), ", ".join(a["purposes"])
            yield f"  {a['id']:<18} {a['kind']:<9} for {a['audience']:<7} P {a['propensity']:<31} on {where}"
            if needs:
                yield f"  {'':<18} needs {needs}"
    yield from _described_policies(found)
    for model in found["models"]:
        categories = ", ".join(model["categories"])
        yield f"model {model['name']} {model['version']}: {model['features']} features, {categories}"


def _described_policies(found: dict[str, Any]) -> Iterator[str]:
    """Return what binds several actions: groups, challenges, all marketing."""
    for group in found["groups"]:
        slate = f"up to {group['slate']} together" if group["slate"] > 1 else "one at a time"
        yield f"group {group['id']} of {group['campaign']}: {slate}, {_described_contact(group)}"
    for challenge in found["challenges"]:
        counts = f"{challenge['counts']}, {challenge['times']} times each {challenge['each']}"
        yield f"challenge {challenge['id']} of {challenge['campaign']}: {counts}"
    if found["contact"] is not None:
        yield f"all marketing: {_described_contact(found['contact'])}"


def _described_contact(contact: dict[str, Any]) -> str:
    said = list(contact["caps"]) or ["unlimited"]
    if contact["cool_down_s"]:
        said.append(f"none for {contact['cool_down_s']} s after one is declined")
    if contact["suppression"]:
        ignored, for_s = contact["suppression"]["ignored"], contact["suppression"]["for_s"]
        said.append(f"none for {for_s} s after {ignored} are ignored")
    return ", ".join(said)
