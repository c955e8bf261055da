"""The witness tells what stands in the ledger, waits for it to grow, and says what it saw instead."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cli_demo.witness import LedgerWitness, record_of
from gateway.core.effects import (
    DecisionRecorded,
    OfferMade,
    OfferWithdrawn,
    OutcomeRecorded,
    Refusal,
    Stage,
    StateChanged,
)
from gateway.core.events import Outcome
from gateway.core.state import Scope, StateKey
from gateway.edge.store import schema
from gateway.edge.store.account import AccountReader
from gateway.testing.ledger import WatchedWriter, transaction_of
from gateway.testing.samples import T0, make_decision, make_offer
from simulators.unit import NotSeen
from simulators.witness import Record

OFFER, DECISION = make_offer(), make_decision()
UNIT = "car-1"


def entry(name: str, value: object, item: str = "", unit: str = UNIT) -> StateChanged:
    return StateChanged(StateKey(Scope.UNIT, unit, name, item), value)


async def _record(path: Path, *effects: object) -> Record:
    schema.prepare(path)
    watched = WatchedWriter(path)
    await watched.commit(transaction_of(*effects))  # type: ignore[arg-type]
    with AccountReader(path) as reader:
        record = record_of(reader.read(), UNIT)
    await watched.writer.close()
    return record


def test_it_tells_where_the_unit_is_and_who_is_there_and_nothing_of_other_units(tmp_path: Path) -> None:
    record = asyncio.run(
        _record(
            tmp_path / "ledger.db",
            entry("drive", {"state": "driving", "since": T0, "evidence": [], "moving": False}),
            entry("fence", {"since": T0, "dwelled": False}, "station-1"),
            entry("presence", {"subject": "p.anna", "ts": T0}, "driver"),
            entry("presence", {"subject": None, "ts": T0}, "passenger"),
            entry("fence", {"since": T0, "dwelled": False}, "mall-1", "car-2"),
        )
    )
    assert record == Record(
        fences=frozenset({"station-1"}), drive="driving", moving=False, present=frozenset({"p.anna"})
    )


def test_it_tells_of_a_decision_what_it_was_worth_and_why_not_the_others(tmp_path: Path) -> None:
    record = asyncio.run(
        _record(
            tmp_path / "ledger.db",
            DecisionRecorded(DECISION),
            OfferMade(OFFER),
            OutcomeRecorded("i1", OFFER.id, UNIT, T0, Outcome.SEEN, ""),
            OfferWithdrawn(OFFER.id, UNIT, T0, "drove_off"),
        )
    )
    (decided,) = record.decisions
    assert (decided.moments, decided.chosen, decided.offer) == (("Parked",), "pastry", OFFER.id)
    assert decided.words == "P 0.50, net value +0.95"
    assert [(refused.action, refused.stage, refused.words) for refused in decided.refused] == [
        ("tyres", "consent", "no valid consent to profiling")
    ]
    assert [(each.offer, each.action, each.reason) for each in record.withdrawn] == [(OFFER.id, "pastry", "drove_off")]
    assert record.answers == {OFFER.id: "seen"}


def test_an_expression_that_failed_is_told_by_what_it_read(tmp_path: Path) -> None:
    failed = Refusal(
        Stage.ELIGIBILITY, "not_eligible", {"expression": "occupants > 1", "values": {"parked": True, "occupants": 1}}
    )
    _, tyres = DECISION.verdicts
    decision = replace(DECISION, verdicts=(replace(tyres, refusal=failed),), chosen=None, offer=None)
    record = asyncio.run(_record(tmp_path / "ledger.db", DecisionRecorded(decision)))
    assert record.decisions[0].refused[0].words == "not eligible (occupants 1, parked true)"
    assert record.decisions[0].words == ""


def test_it_waits_for_what_is_not_yet_on_record(tmp_path: Path) -> None:
    async def wait() -> Record:
        path = tmp_path / "ledger.db"
        schema.prepare(path)
        watched = WatchedWriter(path)
        with AccountReader(path) as reader:
            waiting = asyncio.create_task(LedgerWitness(reader, UNIT).until("it", lambda r: bool(r.decisions), 10.0))
            await asyncio.sleep(0)
            await watched.commit(transaction_of(DecisionRecorded(DECISION)))
            record = await waiting
        await watched.writer.close()
        return record

    assert [decided.id for decided in asyncio.run(wait()).decisions] == [DECISION.id]


@pytest.mark.parametrize(
    ("effects", "instead"),
    [
        ((entry("fence", {}, "station-1"),), "nothing was decided; it is unknown in station-1"),
        ((DecisionRecorded(DECISION),), "the last decision, on Parked, was pastry; it is unknown in no fence"),
    ],
)
def test_it_says_what_it_saw_instead(tmp_path: Path, effects: tuple[object, ...], instead: str) -> None:
    async def wait() -> None:
        await _record(tmp_path / "ledger.db", *effects)
        with AccountReader(tmp_path / "ledger.db") as reader:
            await LedgerWitness(reader, UNIT).until("a wonder", lambda _: False, 0.02)

    with pytest.raises(NotSeen, match=r"waited 0\.02 s for a wonder, but") as caught:
        asyncio.run(wait())
    assert instead in str(caught.value)
