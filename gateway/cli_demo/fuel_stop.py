"""`wayside demo fuel-stop`: broker, gateway, car and till, from the first message to the ledger's account."""

import asyncio
import json as json_format
import signal
import sys
import tempfile
import time
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import aiomqtt
from rich.console import Console

from gateway.cli_demo.report import Report
from gateway.cli_demo.show import GrowingTable, show_account
from gateway.cli_demo.stage import (
    CAR,
    GATEWAY,
    LEDGER,
    LOG,
    TILL,
    GatewayEnded,
    build_release,
    find_sources,
    last_line,
    running_gateway,
    write_config,
)
from gateway.cli_demo.witness import LedgerWitness
from gateway.core.errors import WaysideError
from gateway.edge.store.account import Account, AccountReader
from simulators.broker import embedded_broker
from simulators.car import Car, Pace
from simulators.fuel_stop import TASTE, Audience, FuelStop, Scene, StoryBroken
from simulators.till import Till
from simulators.unit import Address, NotSeen, SimulatedClock, Unit
from simulators.watch import until_born

PATIENCE_S = 15.0
BEHIND_S = 45.0
"""The car's clock starts so far behind: its eighty seconds take a few, and may then not end a minute ahead."""
FOR_PEOPLE = Pace(second_s=0.18, reading_s=0.9)
AT_ONCE = Pace()
INTERRUPTED, TERMINATED = 130, 143
"""Exit codes after Ctrl-C and SIGTERM, as shells have them."""

INTRODUCTION = (
    "A car, a till and a gateway in a process of its own speak MQTT on this machine. So that the story is the same on "
    "any day, it is always a winter's morning: of winter tyres only the thermometer and the tyre sensor decide."
)

_T = TypeVar("_T")


def run_fuel_stop(*, json: bool, fast: bool, keep: Path | None) -> int:
    """Play the fuel stop, show it, and return the exit code.

    Args:
        json: Print one JSON document on standard output, and nothing else there; as fast as it goes.
        fast: Do not slow it down for people to watch.
        keep: Where to leave release, configuration, log and ledger; None: a passing folder, removed at the end.

    Returns:
        0; 1 with a sentence on standard error if a step did not happen as told; 130 or 143 if told to stop.
    """
    if keep is not None and keep.exists() and any(keep.iterdir()):
        return _failed(f"{keep} is not empty")
    console = Console(stderr=json, highlight=False)
    shown: AbstractContextManager[Audience] = nullcontext(Unseen()) if json else GrowingTable(console)
    if not json:
        console.print(INTRODUCTION)
        console.print()
    try:
        report = _play(shown, AT_ONCE if fast or json else FOR_PEOPLE, keep)
    except KeyboardInterrupt:
        return INTERRUPTED
    except asyncio.CancelledError:
        return TERMINATED
    except (StoryBroken, NotSeen, WaysideError, aiomqtt.MqttError, OSError) as error:
        return _failed(f"{error} ({_where_to_look(keep)})")
    if json:
        sys.stdout.write(json_format.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n")
    else:
        show_account(console, report)
        if keep is not None:
            console.print(f"Why? wayside explain last --ledger {keep / LEDGER}", soft_wrap=True)
    disagreements = report.disagreements()
    return _failed("; ".join(disagreements)) if disagreements else 0


def _play(shown: AbstractContextManager[Audience], pace: Pace, keep: Path | None) -> Report:
    with _folder(keep) as folder, shown as audience:
        return asyncio.run(_until_told_to_stop(play_fuel_stop(Path(folder), embedded_broker(), audience, pace)))


async def play_fuel_stop(
    folder: Path, broker: AbstractAsyncContextManager[Address], audience: Audience, pace: Pace
) -> Report:
    """Play the story over a broker, with a gateway process that lives in a folder; return what came of it.

    Raises:
        StoryBroken: A scene did not go as told.
        NotSeen: The gateway did not come up, or not all it offered was published.
        GatewayEnded: It ended by itself, or not well when told to.
        ReleaseError: The demo's sources do not build.
    """
    build_release(find_sources(), folder, _wall_ms())
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(broker)
        log = folder / LOG
        config = write_config(folder, address, _wall_ms())
        process = await stack.enter_async_context(running_gateway(config, log))
        await _while_running(process, log, until_born(address, GATEWAY, PATIENCE_S))
        reader = stack.enter_context(AccountReader(folder / LEDGER))
        clock = SimulatedClock.behind(BEHIND_S, _wall_ms)
        till = await stack.enter_async_context(Till(TILL, address, clock))
        car = await stack.enter_async_context(Car(CAR, address, clock, taste=TASTE, pace=pace))
        witness, watching = LedgerWitness(reader, CAR), _Remembering(audience)
        started_s = time.monotonic()
        story = FuelStop(car, till, witness, watching, PATIENCE_S)
        await _while_running(process, log, story.play())
        seconds = time.monotonic() - started_s
        account = await witness.account_until("all on record", lambda each: _is_settled(each, car, till), PATIENCE_S)
        return Report(tuple(watching.scenes), (car, till), account, seconds)


class Unseen:
    """An audience that does not look."""

    def begins(self, title: str) -> None:
        """Hear that a scene begins."""

    def ends(self, scene: Scene) -> None:
        """See a scene that was played."""


@dataclass
class _Remembering:
    """Passes the story on to its audience, and remembers it."""

    audience: Audience
    scenes: list[Scene] = field(default_factory=list)

    def begins(self, title: str) -> None:
        self.audience.begins(title)

    def ends(self, scene: Scene) -> None:
        self.scenes.append(scene)
        self.audience.ends(scene)


def _is_settled(account: Account, *units: Unit) -> bool:
    """Return whether the last messages have reached the ledger too: what they say is judged afterwards."""
    return all(offer.sent for offer in account.offers) and len(account.outcomes) >= sum(len(u.reported) for u in units)


async def _while_running(process: asyncio.subprocess.Process, log: Path, doing: Coroutine[None, None, _T]) -> _T:
    """Return what something gives, unless the gateway ends meanwhile."""
    task, ended = asyncio.create_task(doing), asyncio.create_task(process.wait())
    try:
        await asyncio.wait({task, ended}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise GatewayEnded(f"the gateway ended by itself with {process.returncode}: {last_line(log)}")
        return task.result()
    finally:
        task.cancel()
        ended.cancel()
        await asyncio.gather(task, ended, return_exceptions=True)


async def _until_told_to_stop(doing: Coroutine[None, None, _T]) -> _T:
    """Return what something gives; SIGTERM cancels it as Ctrl-C does, so that nothing is left running."""
    task = asyncio.ensure_future(doing)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        return await task
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _folder(keep: Path | None) -> AbstractContextManager[str]:
    if keep is None:
        return tempfile.TemporaryDirectory(prefix="wayside-demo-")
    keep.mkdir(parents=True, exist_ok=True)
    return nullcontext(str(keep))


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _where_to_look(keep: Path | None) -> str:
    if keep is None:
        return "with --keep FOLDER its log and ledger stay to be looked at"
    return f"its log: {keep / LOG}"


def _failed(why: str) -> int:
    sys.stderr.write(f"wayside demo: {why}\n")
    return 1
