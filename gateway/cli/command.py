"""The command line as a whole, and what its errors look like."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway import __version__
from gateway.cli import demo, fences, journals, ledgers, models, releases, scenarios, simulate, subjects
from gateway.cli.output import say_json
from gateway.core.errors import InvariantViolation, WaysideError

app = typer.Typer(
    name="wayside",
    help="Decides the next best offer or action on the device, in the moment, under the person's consent.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(demo.app, name="demo")
app.add_typer(journals.app, name="journal")
app.add_typer(ledgers.app, name="ledger")
app.add_typer(releases.app, name="release")
app.add_typer(models.app, name="models")
app.add_typer(fences.app, name="fences")
app.add_typer(simulate.app, name="simulate")
app.add_typer(subjects.app, name="subject")
app.add_typer(scenarios.app, name="scenario")
app.command()(releases.check)
app.command()(journals.replay)
app.command()(journals.explain)


def main() -> None:
    """Run the command. An error that is somebody's is one sentence on standard error; a bug is a traceback."""
    try:
        app()
    except InvariantViolation:
        raise
    except (WaysideError, OSError) as error:
        sys.stderr.write(f"wayside: {error}\n")
        sys.exit(1)
    except ModuleNotFoundError as error:
        sys.stderr.write(f"wayside: this needs {error.name!r}, which is not installed: install the extra that has it\n")
        sys.exit(1)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"wayside {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Give the options that stand before a command."""


@app.command()
def run(
    config: Annotated[
        Path, typer.Option(help="The gateway's configuration, a TOML file.", exists=True, dir_okay=False)
    ],
) -> None:
    """Run the gateway on this device until it is told to stop.

    Example: `wayside run --config /etc/wayside/gateway.toml`

    Every key of the file may also be given in the environment, e.g. `WAYSIDE_BROKER__HOST`. SIGTERM drains: intake
    stops, what is decided is committed and published, and the process ends with 0.
    """
    # The process becomes the gateway's: what reading a command line took is not kept for the life of the device.
    # Its modules are not looked for in the working directory unless ours were.
    safely = [] if sys.path[0] in {"", str(Path.cwd())} else ["-P"]
    os.execv(sys.executable, [sys.executable, *safely, "-m", "gateway.edge", str(config)])  # noqa: S606 -- ourselves


@app.command()
def schema(
    name: Annotated[
        str | None, typer.Argument(help="Which payload, `campaign` or `scenario`; left out: list them all.")
    ] = None,
) -> None:
    """Print the JSON Schema of a wire payload, or of campaign or scenario files for an editor that completes them.

    Example: `wayside schema telemetry > telemetry.schema.json`

    Example: `wayside schema campaign > campaign.schema.json`
    """
    from gateway.edge.scenario import schema as stories
    from gateway.wire import schemas

    known = (*schemas.names(), *schemas.FILES, stories.NAME)
    if name is None:
        typer.echo("\n".join(known))
        return
    if name not in known:
        raise typer.BadParameter(f"nothing is called {name!r}; there are: {', '.join(known)}")
    say_json(stories.schema() if name == stories.NAME else schemas.schema(name))
