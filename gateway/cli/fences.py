"""`wayside fences`: from what people draw to what a device reads, and a look into it."""

import sys
import time
import webbrowser
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.output import Json, progress, say, say_json

if TYPE_CHECKING:
    from geofences.sources import Fault

app = typer.Typer(help="Compile fences, look into them, and see them on a map.", no_args_is_help=True)

Sources = Annotated[
    list[Path], typer.Argument(help="GeoJSON, GeoPackage, Shapefile (or its zip), FlatGeobuf, CSV.", exists=True)
]
File = Annotated[Path, typer.Argument(help="A compiled file.", exists=True, dir_okay=False)]
_FAULTS_SHOWN = 20


@app.command("compile")
def compile_(
    sources: Sources,
    out: Annotated[Path, typer.Option("--out", "-o", help="The GeoPackage to write; one that is there is replaced.")],
    kind: Annotated[str | None, typer.Option(help="What kind of place those are that do not say.")] = None,
    radius_m: Annotated[
        float | None,
        typer.Option(help="The radius of points that do not say one, in metres; left out: 100 in a CSV.", min=1),
    ] = None,
    width_m: Annotated[
        float | None, typer.Option(help="The width of lines that do not say one, in metres.", min=1)
    ] = None,
    id_prefix: Annotated[
        str | None, typer.Option(help="Call those without an id PREFIX-1, PREFIX-2 ...; left out in a CSV: the kind.")
    ] = None,
    id_from: Annotated[str | None, typer.Option(help="The property or column to take as the id.")] = None,
    name_from: Annotated[str | None, typer.Option(help="The property or column to take as the name.")] = None,
    crs: Annotated[str | None, typer.Option(help="The reference system of a source without one: EPSG:2926.")] = None,
    simplify_m: Annotated[
        float, typer.Option(help="How far an outline may move to save vertices, in metres; 0: not at all.", min=0)
    ] = 0.0,
    outlier_km: Annotated[float, typer.Option(help="How far from all others an outlier is.", min=1)] = 250.0,
    *,
    ignore_unknown: Annotated[bool, typer.Option(help="Leave out properties that fences do not have.")] = False,
    strict: Annotated[bool, typer.Option(help="Refuse invalid shapes instead of repairing them.")] = False,
    drop_outliers: Annotated[bool, typer.Option(help="Leave out what lies far from all others.")] = False,
    json: Json = False,
) -> None:
    """Compile sources into one GeoPackage that devices read and QGIS opens, and report what was done.

    Brings all to WGS 84, repairs or refuses invalid shapes, splits them at the antimeridian and the poles, and flags
    outliers. If anything is wrong, all of it is told, with source, feature and reason, and nothing is written.

    Example: `wayside fences compile deploy/demo/fences/stations.geojson -o fences.gpkg`

    Example: `wayside fences compile shops.csv zones.shp -o fences.gpkg --kind store --simplify-m 2`
    """
    from geofences.compiler import Rules, compile_sources
    from geofences.sources import Defaults, SourceRefused

    defaults = Defaults(
        kind=kind,
        radius_m=radius_m,
        width_m=width_m,
        id_prefix=id_prefix,
        id_from=id_from,
        name_from=name_from,
        crs=crs,
        ignore_unknown=ignore_unknown,
    )
    rules = Rules(strict=strict, simplify_m=simplify_m, drop_outliers=drop_outliers, outlier_km=outlier_km)
    started = time.perf_counter()
    try:
        with progress("compiling fences") as tell:
            report = compile_sources(sources, out, defaults, rules, tell)
    except SourceRefused as refused:
        _tell_faults(refused.faults, json=json)
        raise typer.Exit(1) from refused
    report.seconds = round(time.perf_counter() - started, 3)
    say_json(report.as_json()) if json else _tell(f"{out}", report.rows())


@app.command()
def inspect(file: File, *, json: Json = False) -> None:
    """Show what a compiled file holds: counts, area, extent, overlaps, and what looks like a mistake.

    Example: `wayside fences inspect fences.gpkg --json`
    """
    from geofences.inspection import inspect as look_into

    found = look_into(file)
    say_json(found.as_json()) if json else _tell(f"{file}", found.rows())


@app.command()
def show(
    file: File,
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML page to write.")],
    *,
    open_: Annotated[bool, typer.Option("--open", help="Open it in the browser as well.")] = False,
) -> None:
    """Draw a compiled file as a map: one HTML page that needs no network.

    Example: `wayside fences show fences.gpkg -o map.html`
    """
    from geofences.page import draw_page

    out.write_text(draw_page(file), encoding="utf-8")
    typer.echo(f"{out}: {out.stat().st_size:,} bytes")
    if open_:
        webbrowser.open(out.absolute().as_uri())


def _tell(title: str, rows: Iterable[tuple[str, str]]) -> None:
    """Print what and how much: as a table on a terminal, else as lines."""
    if not sys.stdout.isatty():
        say([title, *(f"  {what:<10} {value}" for what, value in rows)])
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left", show_header=False, box=None)
    for what, value in rows:
        # As text: what is between brackets in a name is no markup.
        table.add_row(Text(what, style="bold"), Text(value))
    Console().print(table)


def _tell_faults(faults: "tuple[Fault, ...]", *, json: bool) -> None:
    if json:
        say_json({"faults": [_fault(fault) for fault in faults]})
        return
    for fault in faults[:_FAULTS_SHOWN]:
        typer.echo(str(fault), err=True)
    if len(faults) > _FAULTS_SHOWN:
        typer.echo(f"and {len(faults) - _FAULTS_SHOWN:,} more: --json has them all", err=True)
    noun = "fault" if len(faults) == 1 else "faults"
    typer.echo(f"wayside: {len(faults):,} {noun}; nothing was written", err=True)


def _fault(fault: "Fault") -> dict[str, object]:
    place = fault.place
    return {"source": str(place.source), "layer": place.layer, place.what: place.index, "reason": fault.reason}
