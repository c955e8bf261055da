"""`wayside demo`: the product at work within a minute, without hardware."""

import typer

app = typer.Typer(help="Watch the gateway at work, without hardware.", no_args_is_help=True)


@app.callback()
def _options() -> None:
    """Watch the gateway at work, without hardware."""
