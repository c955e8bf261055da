"""People who come, agree, stop, answer and go: what a real gateway writes into its ledger within a few visits.

Run as a program, it lets a gateway without a broker live through them, on a ledger that is then closed, or left as a
kill -9 leaves it.
"""

import argparse
import asyncio
import os
import random
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.core import consent
from gateway.core.events import Purpose
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.units import HOUR_MS, Instant
from gateway.edge.store.tables import decode
from gateway.testing.clock import FakeClock
from gateway.testing.engines import a_release, an_action
from gateway.testing.samples import T0
from gateway.testing.stage import Stage, a_stage, bodies

UNIT = "car-1"
_ANSWERS = ("presented", "accepted", "declined", "dismissed")


async def live(ledger: Path, first: int, count: int, rng: random.Random, clock: FakeClock, *, killed: bool) -> None:
    """Let so many people visit; the last one stays, with an offer that nobody has confirmed.

    Args:
        ledger: Prepared if need be.
        first: The number of the first person.
        count: How many come.
        rng: Draws who agrees to what and who answers how.
        clock: Moves on by some minutes with each.
        killed: End this process by kill -9 when all is committed.
    """
    release = a_release(actions=[an_action("pastry"), an_action("coffee"), an_action("news", moment="DroveOff")])
    async with a_stage(ledger, release, clock) as stage:
        for number in range(first, first + count):
            await _visit(stage, f"s.{number}", rng, clock, leaves=number < first + count - 1)
        if killed:
            os.kill(os.getpid(), signal.SIGKILL)


async def _visit(stage: Stage, subject: str, rng: random.Random, clock: FakeClock, *, leaves: bool) -> None:
    _agree(stage, subject, rng)
    stage.say("identity", {"state": "present", "role": "driver", "method": "key", "subject": subject})
    stage.report(gear=127)
    clock.advance(60_000)
    stage.report(gear=126, lat=47.6, lon=-122.3)
    await stage.settled()
    if not leaves:
        return
    for offer in bodies(stage.carrier.on("offers"))[-2:]:
        if not offer.get("withdrawn") and rng.random() < 0.8:
            stage.say("outcomes", {"offer_id": offer["id"], "outcome": rng.choice(_ANSWERS)})
    stage.confirm_all()
    stage.carrier.sent.clear()
    if rng.random() < 0.4:
        _withdraw(stage, subject, rng)
    clock.advance(60_000)
    stage.report(gear=127)
    stage.say("identity", {"state": "left", "role": "driver"})
    await stage.settled()


def _agree(stage: Stage, subject: str, rng: random.Random) -> None:
    notice = {"id": "n1", "version": "1", "language": "en"}
    for purpose in Purpose:
        if rng.random() < 0.85:
            body = {"holder": subject, "purpose": purpose, "state": "given", "notice": notice}
            stage.say("consents", body)


def _withdraw(stage: Stage, subject: str, rng: random.Random) -> None:
    for purpose in rng.sample(list(Purpose), 3):
        stage.say("consents", {"holder": subject, "purpose": purpose, "state": "withdrawn"})


def contents(ledger: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows of all tables, each table in the order of its rows.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)  # noqa: S608 -- its own names
            for table in sorted(tables)
        }


def lasting(ledger: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return all rows but those that are new with each making of a ledger: its epoch, and when something was lost.

    Raises:
        sqlite3.Error: It cannot be read.
    """
    return {table: rows for table, rows in contents(ledger).items() if table not in {"meta", "gaps", "tally"}}


def granted(ledger: Path, now: Instant) -> set[tuple[str, Purpose]]:
    """Return who has agreed to what, by the ledger's state and as the engine understands it."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT scope, owner, name, item, value FROM state").fetchall()
    entries = {StateKey(Scope(scope), *key): decode(value) for scope, *key, value in rows}
    memory = Memory(entries)
    subjects = {key.owner for key in entries if key.scope is Scope.SUBJECT}
    return {
        (subject, purpose)
        for subject in subjects
        for purpose in Purpose
        if consent.granted(memory, subject, UNIT, purpose, now)
    }


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ledger", type=Path)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--since-ms", type=int, default=T0, help="when the first of all came")
    parser.add_argument("--killed", action="store_true")
    given = parser.parse_args()
    rng = random.Random(given.seed)  # noqa: S311 -- people, not secrets
    clock = FakeClock(given.since_ms + given.first * HOUR_MS)
    asyncio.run(live(given.ledger, given.first, given.count, rng, clock, killed=given.killed))
    # While somebody reads, as a gateway always does, the log outlives its writer. Here nobody does any more.
    with closing(sqlite3.connect(given.ledger)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


if __name__ == "__main__":
    _main()
