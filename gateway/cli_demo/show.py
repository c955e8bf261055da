"""How a demo is shown to people: a table that grows scene by scene, then the ledger's account. No colour is needed."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from gateway.cli_demo.report import Report
from gateway.edge.store.account import Account, OfferEntry
from simulators.fuel_stop import Scene
from simulators.witness import Decided

_WIDEST = 132
_GAP = 2
_NOTICED, _DECIDED = 15, 14
"""Columns that hold the name of a moment, and that of an action."""


class GrowingTable:
    """Shows scenes as they are played: each finished one is a row, and below stands the one being played.

    Where there is no terminal that line is left out, and rows come one by one all the same.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, transient=True, refresh_per_second=8)
        self._rows = 0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def begins(self, title: str) -> None:
        """Say which scene is being played."""
        if self._console.is_terminal:
            self._live.update(Spinner("line", text=title))

    def ends(self, scene: Scene) -> None:
        """Add the row of a scene."""
        row = self._row()
        if not self._rows:
            row.add_row(*(Text(name, style="bold underline") for name in ("What happens", "Noticed", "Decided", "Why")))
        row.add_row(
            Group(Text(scene.title, style="bold"), scene.told),
            Text("\n".join(scene.noticed) or "-", style="cyan"),
            Group(*_decided(scene)),
            Group(Text(scene.point, style="bold"), *_whys(scene.decisions)),
        )
        self._console.print(row)
        self._console.print()
        self._rows += 1

    def _row(self) -> Table:
        width = min(self._console.width, _WIDEST)
        told = (width - _NOTICED - _DECIDED - 3 * _GAP) * 3 // 7
        grid = Table.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
        for column in (told, _NOTICED, _DECIDED, width - told - _NOTICED - _DECIDED - 3 * _GAP):
            grid.add_column(width=column, overflow="fold")
        return grid


def show_account(console: Console, report: Report) -> None:
    """Print what the ledger says was offered, what became of it, what was refused, and why."""
    account = report.account
    for title, table in (("What was offered", _offers(account)), ("What was refused", _refused(report.scenes))):
        console.print(Text(f"The ledger's own account: {title}", style="bold"))
        console.print(table)
        console.print()
    given = sum(entry.given for entry in account.consents)
    silent = sum(decision.chosen is None for decision in account.decisions)
    console.print(
        f"{len(account.decisions)} decisions, {silent} of them for silence; {given} consents given, "
        f"{len(account.consents) - given} withdrawn; {report.seconds:.1f} s."
    )


def _decided(scene: Scene) -> Iterator[RenderableType]:
    for decided in scene.decisions:
        yield Text(decided.chosen, style="bold green") if decided.chosen else Text("silence", style="yellow")
        if decided.words:
            yield decided.words
    for withdrawn in scene.withdrawn:
        yield Text(f"{withdrawn.action} taken off: {withdrawn.reason}", style="yellow")
    if not scene.decisions and not scene.withdrawn:
        yield "-"


def _whys(decisions: Iterable[Decided]) -> Iterator[RenderableType]:
    """Yield each reason once, with the actions it refused."""
    refused: dict[str, dict[str, None]] = defaultdict(dict)
    for decided in decisions:
        for each in decided.refused:
            refused[each.words][each.action] = None
    for words, actions in refused.items():
        yield Text.assemble("not ", (", ".join(actions), "magenta"), f": {words}")


def _offers(account: Account) -> Table:
    table = _plain_table("Action", "Kind", "Where", "What became of it")
    for offer in account.offers:
        table.add_row(offer.action, offer.kind, offer.placement, _fate(account, offer))
    return table


def _fate(account: Account, offer: OfferEntry) -> str:
    steps = [
        entry.outcome.value if entry.unit == offer.unit else f"{entry.outcome} at {entry.unit}"
        for entry in account.outcomes
        if entry.offer == offer.id
    ]
    return ", ".join(steps + ([f"withdrawn: {offer.withdrawn}"] if offer.withdrawn else []))


def _refused(scenes: Iterable[Scene]) -> Table:
    reasons: dict[str, dict[str, None]] = defaultdict(dict)
    for scene in scenes:
        for decided in scene.decisions:
            for refused in decided.refused:
                reasons[refused.action][f"{refused.reason} ({refused.stage})"] = None
    table = _plain_table("Action", "Why, and at which step")
    for action, whys in sorted(reasons.items()):
        table.add_row(action, ", ".join(whys))
    return table


def _plain_table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="underline")
    for column in columns:
        table.add_column(column)
    return table
