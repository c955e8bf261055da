"""`wayside journal`, `wayside replay` and `wayside explain`: what was heard, what it led to, and why."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import Json, progress, say, say_json

app = typer.Typer(help="Make journals from traces, and read them.", no_args_is_help=True)

Release = Annotated[Path, typer.Option("--release", help="Decide with this release folder.", exists=True)]


@app.command()
def convert(
    sources: Annotated[list[Path], typer.Argument(help="Traces of one vehicle: text files, `.gz` too.", exists=True)],
    out: Annotated[Path, typer.Option(help="The journal to write; gzip if named `.gz`.")],
    columns: Annotated[
        str, typer.Option(help="What stands where, by number from 0 or by name: `lat=0,lon=1,seat=2,unix_s=3`.")
    ],
    unit: Annotated[str, typer.Option(help="The unit's id in the journal.")] = "car-1",
    delimiter: Annotated[str, typer.Option(help="`comma`, `tab`, `semicolon`, `space`, or the character.")] = "comma",
    order: Annotated[str, typer.Option(help="`auto`, `oldest-first` or `newest-first`.")] = "auto",
    time_format: Annotated[str, typer.Option(help="For columns `date` and `time`, as strptime has it; UTC.")] = (
        "%d-%b-%Y %H:%M:%S"
    ),
    park_radius_m: Annotated[float, typer.Option(help="A stop's fixes lie within this of its first one.")] = 50.0,
    park_after_s: Annotated[int, typer.Option(help="A stop this long is parking; 0: infer no parking.")] = 120,
    park_max_gap_s: Annotated[int, typer.Option(help="A longer silence breaks an unfinished stop.")] = 180,
    *,
    header: Annotated[bool, typer.Option("--header", help="The first line holds names.")] = False,
    sort: Annotated[bool, typer.Option("--sort", help="Put all rows in the order of time first.")] = False,
    json: Json = False,
) -> None:
    """Make a raw journal from GPS traces, parking inferred by a stated rule.

    A vehicle has parked at the first fix that is `--park-after-s` or more after the stop's first fix, all within
    `--park-radius-m` of it; it has driven off at the first fix beyond.

    Example: `wayside journal convert new_abboip.txt.gz --columns lat=0,lon=1,seat=2,unix_s=3 --delimiter space --out
    cab.jsonl.gz`
    """
    from gateway.edge.replay import convert as conversion
    from gateway.edge.replay.parking import ParkingRule
    from gateway.edge.replay.trace import ColumnMap, Order, TraceFormat

    try:
        in_order = Order(order)
    except ValueError as error:
        raise typer.BadParameter(f"order is auto, oldest-first or newest-first, not {order!r}") from error
    trace = TraceFormat(ColumnMap.parse(columns), delimiter, header, in_order, time_format, sort)
    park = ParkingRule(park_radius_m, park_after_s, park_max_gap_s) if park_after_s else None
    out.parent.mkdir(parents=True, exist_ok=True)
    with progress("converting") as meter:
        report = conversion.convert(sources, out, trace, unit=conversion.car(unit), park=park, progress=meter)
    say_json(report.to_json()) if json else say(report.lines())


@app.command()
def show(
    journal: Annotated[Path, typer.Argument(help="The journal.", exists=True, dir_okay=False)],
    unit: Annotated[str | None, typer.Option(help="Only this unit's events.")] = None,
    *,
    json: Json = False,
) -> None:
    """Print a journal, a line an event.

    Example: `wayside journal show cab.jsonl.gz | head`
    """
    from gateway.edge.replay import show as shown

    say(shown.show_json(journal, unit=unit) if json else shown.show(journal, unit=unit))


def replay(
    journals: Annotated[list[Path], typer.Argument(help="Journals; each is replayed by itself.", exists=True)],
    release: Release,
    against: Annotated[
        Path | None, typer.Option(help="Replay through this release too, and compare.", exists=True)
    ] = None,
    *,
    rescore: Annotated[
        bool, typer.Option("--rescore", help="Ask the models anew instead of the recorded answers.")
    ] = False,
    json: Json = False,
) -> None:
    """Replay journals through a release, on the very engine: who would have got what, and why not more.

    Example: `wayside replay cab.jsonl.gz --release demo-release --against next-release`
    """
    from gateway.edge.replay import player
    from gateway.wire.releases import read_release

    loaded = read_release(release)
    scorer, rival = None, None
    if rescore or against is not None:
        from gateway.edge.scorer import OnnxScorer

        scorer = OnnxScorer(loaded.model_folders) if rescore else None
        if against is not None:
            other = read_release(against)
            rival = player.Rival(other.release, OnnxScorer(other.model_folders))
    with progress("replaying") as meter:
        report = player.replay(journals, loaded.release, scorer=scorer, against=rival, progress=meter)
    say_json(report.to_json()) if json else say(report.lines())


def explain(
    decision: Annotated[str, typer.Argument(help="The decision's id, or its offer's; `last` for the newest.")],
    ledger: Annotated[Path, typer.Option(help="The gateway's ledger.", exists=True, dir_okay=False)],
    *,
    json: Json = False,
) -> None:
    """Say why this, and why not that: the whole trace of a decision.

    It reads the ledger beside a running gateway and never disturbs it.

    Example: `wayside explain last --ledger /var/lib/wayside/ledger.db`
    """
    from gateway.edge import explanation

    told = explanation.explain(ledger, decision)
    say_json(told.to_json()) if json else say(told.lines())
