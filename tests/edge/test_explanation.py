"""A decision is explained from the record, in words, and says why not as well."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from gateway.core.effects import (
    DecisionRecorded,
    Effect,
    OfferMade,
    OfferWithdrawn,
    OutcomeRecorded,
    Refusal,
    Stage,
)
from gateway.core.errors import StoreError
from gateway.core.events import SESSION, Outcome
from gateway.edge.explanation import explain, refusal_in_words
from gateway.testing.ledger import WatchedWriter, transaction_of
from gateway.testing.samples import T0, make_decision, make_offer
from gateway.testing.worlds import Journal, engine, journeys, play


async def _recorded(path: Path) -> Path:
    watched = WatchedWriter(path)
    effects: list[Effect] = [
        DecisionRecorded(make_decision()),
        OfferMade(make_offer()),
        OutcomeRecorded("o1", "o.car-1.e1.1", "car-1", T0 + 1000, Outcome.PRESENTED, ""),
        OfferWithdrawn("o.car-1.e1.1", "car-1", T0 + 2000, "drove_off"),
    ]
    await watched.commit(transaction_of(*effects))
    await watched.writer.close()
    return path


async def test_it_tells_what_was_chosen_why_and_what_came_of_it(ledger_path: Path) -> None:
    told = "\n".join(explain(await _recorded(ledger_path), "d.car-1.e1.1").lines())
    assert "Decision d.car-1.e1.1 at 2023-11-14 22:13:20Z for car-1, by release r1" in told
    assert "because of: Parked" in told
    assert "Chosen: pastry (marketing) on driver_screen, offer o.car-1.e1.1" in told
    assert "P 0.500 x C 1 x V 2 x L 1 - (1 - P) x A 0.1 = 0.950" in told
    assert "refused at consent: no valid consent to profiling" in told
    assert "22:13:21Z presented at car-1" in told
    assert "withdrawn: drove_off at 2023-11-14 22:13:22Z" in told
    assert "never published" in told  # it was withdrawn in the moment it was made


@pytest.mark.parametrize("name", ["o.car-1.e1.1", "last"])
async def test_a_decision_is_found_by_its_offer_or_as_the_newest(ledger_path: Path, name: str) -> None:
    assert explain(await _recorded(ledger_path), name).decision.id == "d.car-1.e1.1"


async def test_scripts_get_the_whole_record(ledger_path: Path) -> None:
    told = explain(await _recorded(ledger_path), "last").to_json()
    assert told["outcomes"] == [{"at_ms": T0 + 1000, "outcome": "presented", "unit": "car-1"}]
    assert told["publication"] == "dropped"


@pytest.mark.parametrize(("name", "said"), [("last", "no decision yet"), ("d.x", "no decision or offer 'd.x'")])
def test_what_is_not_in_the_ledger_is_said_so(ledger_path: Path, name: str, said: str) -> None:
    with pytest.raises(StoreError, match=said):
        explain(ledger_path, name)


def test_a_file_that_is_no_ledger_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"no database at all, but long enough to be looked into" * 20)
    with pytest.raises(StoreError, match="cannot be read"):
        explain(tmp_path / "ledger.db", "last")


async def test_a_silence_says_that_it_is_one(ledger_path: Path) -> None:
    watched = WatchedWriter(ledger_path)
    spoken = make_decision()
    refused = tuple(verdict for verdict in spoken.verdicts if verdict.refusal is not None)
    silence = replace(spoken, chosen=None, offer=None, verdicts=refused, holder=SESSION)
    await watched.commit(transaction_of(DecisionRecorded(silence)))
    await watched.writer.close()
    told = list(explain(ledger_path, "last").lines())
    assert "Chosen: silence (net value 0)" in told
    assert "  addressed to: somebody unknown" in told
    assert not [line for line in told if line.startswith("What came of it")]


@given(journeys())
def test_every_refusal_the_engine_gives_has_words(journal: Journal) -> None:
    for effect in play(engine(), journal):
        if isinstance(effect, DecisionRecorded):
            for verdict in effect.decision.verdicts:
                if verdict.refusal is not None:
                    assert refusal_in_words(verdict.refusal) != verdict.refusal.reason


def test_a_reason_without_words_is_shown_as_it_is() -> None:
    assert refusal_in_words(Refusal(Stage.SCORE, "model_error", {"model": "m"})) == "model_error model = m"
    assert refusal_in_words(Refusal(Stage.SCORE, "model_error")) == "model_error"
