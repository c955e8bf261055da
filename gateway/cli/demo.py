"""`wayside demo`: the product at work within a minute, without hardware."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import Json

app = typer.Typer(help="Watch the gateway at work, without hardware.", no_args_is_help=True)


@app.callback()
def _options() -> None:
    """Watch the gateway at work, without hardware."""


@app.command("fuel-stop")
def fuel_stop(
    keep: Annotated[
        Path | None, typer.Option(help="Keep release, configuration, ledger and log in this folder.")
    ] = None,
    *,
    fast: Annotated[bool, typer.Option("--fast", help="Do not pace it for people.")] = False,
    json: Json = False,
) -> None:
    """Watch a car pull into a fuel station: what is offered, what becomes of it, and why nothing else is.

    An embedded broker, the real gateway process, a simulated car and a till. Ends by itself in less than a minute;
    exits with 1 if anything went otherwise than told. `--json` is one document for scripts, at once.

    Example: `wayside demo fuel-stop --keep /tmp/fuel-stop`
    """
    from gateway.cli_demo import run_fuel_stop

    sys.exit(run_fuel_stop(json=json, fast=fast or json, keep=keep))
