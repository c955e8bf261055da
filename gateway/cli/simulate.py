"""`wayside simulate`: people and vehicles that are not there."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from gateway.cli.output import Json, say, say_json

app = typer.Typer(help="Simulate people and vehicles.", no_args_is_help=True)


@app.callback()
def _options() -> None:
    """Simulate people and vehicles."""


@app.command()
def load(
    rate: Annotated[int, typer.Option(help="Messages a second, all units together.")] = 500,
    units: Annotated[int, typer.Option(help="How many units speak, in turn.")] = 20,
    seconds: Annotated[float, typer.Option(help="How long.")] = 10.0,
    qos: Annotated[int, typer.Option(help="0, or 1: then acknowledgements are waited for and measured.")] = 0,
    offers_every: Annotated[
        float, typer.Option(help="Trigger an offer every so many seconds, at each unit in turn; 0: never.")
    ] = 1.0,
    host: Annotated[str, typer.Option(help="The broker.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Its port.", min=1, max=65_535)] = 1883,
    unit_prefix: Annotated[str, typer.Option(help="Units are called so, and a number from 1.")] = "car-",
    topic: Annotated[
        str | None, typer.Option(help="Where units speak: a template. Other than usual: nobody gets in.")
    ] = None,
    payload: Annotated[str | None, typer.Option(help="What they say: a template.")] = None,
    arming: Annotated[str | None, typer.Option(help="What comes before a trigger: a template.")] = None,
    trigger: Annotated[str | None, typer.Option(help="What is to bring an offer about: a template.")] = None,
    offer_topic: Annotated[str | None, typer.Option(help="Where offers come: a filter, its `+` is the unit.")] = None,
    window: Annotated[int, typer.Option(help="How many may be unacknowledged at QoS 1.")] = 20,
    patience_s: Annotated[
        float | None, typer.Option(help="An offer that takes longer is lost; 10 s, or a unit's turn if less.")
    ] = None,
    settle_s: Annotated[float, typer.Option(help="How long to wait after people got in.")] = 1.0,
    *,
    i_own_this_broker: Annotated[
        bool, typer.Option("--i-own-this-broker", help="Vouch for a broker on another machine.")
    ] = False,
    json: Json = False,
) -> None:
    """Send messages at their due times to any MQTT consumer; measure what it answers, count what is lost or doubled.

    Latency counts from the due time of the message that triggers an offer to the offer's arrival, whatever held it up.
    By default units speak Wayside's telemetry, with a driver in each who has agreed to everything. Templates know
    `{unit}`, `{ts_ms}` and `{n}`. Exits with 1 if anything was lost, doubled, unexpected or unacknowledged.

    Example: `wayside simulate load --rate 2000 --units 20 --seconds 20`

    Example: `wayside simulate load --qos 1 --offers-every 0 --json`

    Another consumer: `wayside simulate load --topic 'fix/{unit}' --payload '{"at": {ts_ms}, "lon": 8.1}'
    --arming '{"lon": 8.1}' --trigger '{"lon": 8.5}' --offer-topic 'alert/+'`
    """
    from simulators.load import Plan, PlanRefused, Schedule, run
    from simulators.load.plan import Messages, default_patience_s

    said = {"topic": topic, "payload": payload, "arming": arming, "trigger": trigger, "offer_topic": offer_topic}
    try:
        schedule = Schedule(rate, seconds, units, offers_every)
        plan = Plan(
            schedule,
            host,
            port,
            qos,
            unit_prefix,
            Messages(**{name: value for name, value in said.items() if value is not None}),
            window,
            default_patience_s(schedule) if patience_s is None else patience_s,
            settle_s,
            i_own_this_broker,
        )
        with _meter() as meter:
            report = run(plan, meter)
    except PlanRefused as error:
        raise typer.BadParameter(str(error)) from error
    say_json(report.to_json()) if json else say(report.lines())
    sys.exit(0 if report.nothing_lost else 1)


@contextmanager
def _meter() -> Iterator[Callable[[int, int], None] | None]:
    """Show how far it is, on a terminal only, without a thread: one would take time from measuring."""
    if not sys.stderr.isatty():
        yield None
        return

    def show(passed_ms: int, total_ms: int) -> None:
        sys.stderr.write(f"\r{passed_ms // 1000} of {total_ms / 1000:g} s ")

    try:
        yield show
    finally:
        sys.stderr.write("\r\033[K")
