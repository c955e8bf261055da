"""`wayside models`: train them where their data lies, verify them where they will run."""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.output import Json, say_json

app = typer.Typer(help="Train and verify models.", no_args_is_help=True)


@app.command()
def train(
    name: Annotated[str, typer.Argument(help="Which model: coupon_propensity.")],
    data: Annotated[Path | None, typer.Option(help="Where its data lies; it is read in place.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write; left out: the model's own folder.")] = None,
    seed: Annotated[int, typer.Option(help="Decides every draw: the same seed gives the same bytes.")] = 7,
) -> None:
    """Train a model and write its ONNX graph, manifest, golden vectors and card.

    Needs the extra `train`; takes about a minute on one core.

    Example: `wayside models train coupon_propensity --data ../shared/data/coupon --out /tmp/model`
    """
    if name != "coupon_propensity":
        raise typer.BadParameter(f"no model is called {name!r}; there is: coupon_propensity")
    from edge_models.coupon_propensity import train as training

    report = training.train(data or training.DATA, out or Path(training.__file__).parent, seed=seed)
    typer.echo(str(report))


@app.command()
def verify(
    folders: Annotated[list[Path], typer.Argument(help="Model folders.", exists=True, file_okay=False)],
    *,
    json: Json = False,
) -> None:
    """Ask models their golden vectors on this very machine.

    Example: `wayside models verify edge_models/coupon_propensity`
    """
    from gateway.edge import scorer
    from gateway.wire.model_manifest import read_model

    reports = []
    for folder in folders:
        read_model(folder)
        reports.append(scorer.verify(folder))
    if json:
        say_json(
            [{name: getattr(r, name) for name in ("model", "rows", "max_difference", "tolerance")} for r in reports]
        )
        return
    for report in reports:
        typer.echo(
            f"{report.model}: {report.rows} golden vectors, off by {report.max_difference:.1e} at most "
            f"(allowed {report.tolerance:.0e})"
        )
