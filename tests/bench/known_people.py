"""A ledger in which many people are known, written as the gateway itself writes: sealed, tallied, group by group.

What is known of one is what an engine makes of what was told; the others are told of in the same words.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from gateway.core.engine import Engine
from gateway.core.events import ConsentChanged, Event, FactsChanged, Purpose, Scalar
from gateway.core.release import compile_release
from gateway.core.units import Instant
from gateway.edge.store import schema
from gateway.edge.store.rows import Recorder, Transaction
from gateway.edge.store.session import Session
from gateway.edge.store.upkeep import Budget
from gateway.edge.store.writer import GROUP_LIMIT
from gateway.testing.engines import FixedScorer, a_till, agreement
from gateway.wire.credentials import keyed_hash
from gateway.wire.payloads import Consent, ConsentState, Method, Notice
from gateway.wire.write import encode_offer

KEY = b"k" * 32
"""The secret that turns cards into pseudonyms."""
MAX_BYTES = 4 * 2**30

_MODEL = "s.0123456789abcdef01234567"
_TILL = "till-1"
_NOTICE = Notice(id="notice.season", version="3", language="en")


def make_ledger(path: Path, groups: Iterable[tuple[Iterable[str], str]], told: Instant) -> None:
    """Make a ledger that knows the holders of some cards: each agreed to every purpose, and some things are known.

    Args:
        path: Where; nothing may be there.
        groups: Cards, and the `tier` of their holders.
        told: When they agreed.
    """
    schema.prepare(path)
    session = Session(path, Budget(MAX_BYTES), schema.connect_writer)
    try:
        for cards, tier in groups:
            model = _transaction(tier, told)
            known = (_of(model, keyed_hash(card, KEY)) for card in cards)
            while group := list(islice(known, GROUP_LIMIT)):
                session.commit(group)
                while session.keep_up(idle=True):
                    pass
    finally:
        session.close()


def _transaction(tier: str, told: Instant) -> Transaction:
    """Return what is written of one holder."""
    engine = Engine(compile_release("bench", 1, [], [], []), epoch="b", scorer=FixedScorer())
    engine.receive(a_till(_TILL, ts=told), told)
    consents = agreement(_MODEL, *Purpose, unit=_TILL, ts=told)
    recorder = Recorder(encode_offer, {each.id: _receipt(each) for each in consents})
    facts: dict[str, Scalar] = {"tier": tier, "visits_30d": 3, "spend_30d": 41.5, "language": "en", "since": 2019}
    said: list[Event] = [*consents, FactsChanged(_TILL, told, _MODEL, facts)]
    for event in said:
        recorder.add(engine.receive(event, told))
    transaction = recorder.transaction(told)
    if transaction is None:
        raise AssertionError("somebody who agrees leaves a record")
    return transaction


def _receipt(consent: ConsentChanged) -> str:
    said = Consent(
        id=consent.id,
        ts_ms=consent.ts,
        holder=consent.holder,
        purpose=consent.purpose,
        state=ConsentState.GIVEN,
        notice=_NOTICE,
        method=Method.CARD.value,
    )
    return said.encode().decode()


def _of(model: Transaction, subject: str) -> Transaction:
    """Return what is written of somebody else."""
    rows = tuple(
        (statement, tuple(cell.replace(_MODEL, subject) if isinstance(cell, str) else cell for cell in cells))
        for statement, cells in model.rows
    )
    return replace(model, rows=rows, changes=())


def cards(kind: str, count: int) -> Iterator[str]:
    """Return the numbers of so many cards of a kind: `gold-0`, `gold-1` ..."""
    return (f"{kind}-{number}" for number in range(count))
