"""`wayside ledger`: how a gateway's ledger stands, whether it can be trusted, all of it, and its free room."""

import json as formats
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from gateway.cli.output import Json, say, say_json
from gateway.core.units import SECOND_MS, Instant

if TYPE_CHECKING:
    from gateway.edge.store.inspection import Standing

app = typer.Typer(help="Inspect, verify, export and vacuum a gateway's ledger.", no_args_is_help=True)

LedgerFile: TypeAlias = Annotated[Path, typer.Argument(help="The gateway's ledger.db.", exists=True, dir_okay=False)]


@app.command()
def inspect(ledger: LedgerFile, *, json: Json = False) -> None:
    """Say how a ledger stands: what it holds, what it owes, what is missing. A running gateway is not disturbed.

    Example: `wayside ledger inspect /var/lib/wayside/ledger.db`
    """
    from gateway.edge.store import inspection

    standing = inspection.inspect(ledger)
    say_json(standing.to_json()) if json else say(_lines(standing))


@app.command()
def verify(ledger: LedgerFile, *, json: Json = False) -> None:
    """Look every row over, as the gateway does at its start; exit with 1 if the ledger cannot be trusted.

    Nothing is changed. The gateway sets a damaged ledger aside by itself and goes on with what is sound.

    Example: `wayside ledger verify /var/lib/wayside/ledger.db`
    """
    from gateway.edge.store import inspection

    found = inspection.verify(ledger)
    if json:
        fault = None if found.fault is None else found.fault.value
        say_json({"version": found.version, "fault": fault, "detail": found.detail})
    elif found.fault is None:
        typer.echo(f"{ledger}: sound (schema version {found.version})")
    else:
        typer.echo(f"{ledger}: {found.fault.value}: {found.detail}")
    sys.exit(0 if found.fault is None else 1)


@app.command()
def export(
    ledger: LedgerFile,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Where to write; left out: standard output.")] = None,
    table: Annotated[list[str] | None, typer.Option(help="Only this table; may be given again.")] = None,
) -> None:
    """Write everything a ledger holds as JSON Lines, as of one instant; `table` names where each line is from.

    It holds pseudonyms of persons, and what they agreed to and answered: keep the file as you keep the ledger.

    Example: `wayside ledger export /var/lib/wayside/ledger.db --table outcomes -o outcomes.jsonl`
    """
    from gateway.edge.store import inspection

    unknown = sorted(set(table or ()) - set(inspection.TABLES))
    if unknown:
        raise typer.BadParameter(f"no table is called {unknown[0]!r}; there are: {', '.join(inspection.TABLES)}")
    rows = inspection.export(ledger, table or inspection.TABLES)
    lines = (formats.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if out is None:
        sys.stdout.writelines(lines)
        return
    draft = out.with_name(out.name + ".part")
    with draft.open("w", encoding="utf-8") as file:
        draft.chmod(0o600)
        file.writelines(lines)
    draft.rename(out)


@app.command()
def vacuum(ledger: LedgerFile, *, json: Json = False) -> None:
    """Give a ledger's free room back to the disk. The gateway must be stopped; while it runs it does so by itself.

    Example: `wayside ledger vacuum /var/lib/wayside/ledger.db`
    """
    from gateway.edge.store import inspection

    before, after = inspection.vacuum(ledger)
    if json:
        say_json({"bytes_before": before, "bytes_after": after})
    else:
        typer.echo(f"{ledger}: {before:,} bytes before, {after:,} now")


def _lines(standing: "Standing") -> list[str]:
    lines = [
        f"schema       version {standing.version}",
        f"epoch        {standing.epoch}",
        f"release      {standing.release or 'none yet'}",
        f"last instant {_time(standing.last_now)}, after {standing.commits:,} commits",
        f"size         {standing.file_bytes:,} bytes, {standing.free_bytes:,} of them free; log {standing.log_bytes:,}",
        f"owed         {standing.owed_offers} offers, {standing.owed_withdrawals} withdrawals",
    ]
    for name, held in standing.tables.items():
        span = "" if held.first is None or held.last is None else f"  {_time(held.first)} to {_time(held.last)}"
        lines.append(f"{name:<12} {held.rows:,} rows{span}")
    for gap in standing.gaps:
        count = "an unknown number" if gap.count is None else f"{gap.count:,}"
        lines.append(f"gap          {gap.stream}: {count}, {_time(gap.first)} to {_time(gap.last)}, {gap.reason}")
    lines += [f"set aside    {name}" for name in standing.set_aside]
    return lines


def _time(instant: Instant) -> str:
    return f"{datetime.fromtimestamp(instant / SECOND_MS, tz=UTC):%Y-%m-%d %H:%M:%SZ}"
