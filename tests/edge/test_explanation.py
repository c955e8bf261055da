"""A decision is explained from the record, in words, and says why not as well."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from pydantic import TypeAdapter

from gateway.core.effects import (
    Decision,
    DecisionRecorded,
    Effect,
    OfferedReward,
    OfferMade,
    OfferWithdrawn,
    OutcomeRecorded,
    Refusal,
    Stage,
)
from gateway.core.errors import StoreError
from gateway.core.events import SESSION, Outcome
from gateway.edge.explanation import Explanation, explain, refusal_in_words
from gateway.edge.store.rows import Recorder, decision_from
from gateway.testing.ledger import WatchedWriter, transaction_of
from gateway.testing.samples import T0, make_decision, make_offer
from gateway.testing.worlds import Journal, engine, journeys, play
from gateway.wire.write import encode_offer

T0_TOLD = "2023-11-14 22:13:20Z"
TRACES: TypeAdapter[Decision] = TypeAdapter(Decision)


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


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (
            Refusal(Stage.CONTACT_POLICY, "cooling_down", {"level": "+snacks", "cool_down_s": 60, "until": T0}),
            "the person declined something of group snacks, and hears nothing of it until 2023-11-14 22:13:20Z",
        ),
        (
            Refusal(Stage.CONTACT_POLICY, "suppressed", {"level": "*", "ignored": 3, "until": T0}),
            f"the person left 3 of all marketing unanswered in a row, and hears nothing of it until {T0_TOLD}",
        ),
        (
            Refusal(
                Stage.CONTACT_POLICY,
                "cap_reached",
                {"level": "+snacks", "count": 1, "used": 1, "each": "week", "per": "household"},
            ),
            "1 contacts of group snacks in this week per household, and 1 is the most",
        ),
        (
            Refusal(Stage.CONTACT_POLICY, "cap_reached", {"count": 1, "used": 2, "within_s": 60}),  # of an older record
            "2 contacts of it within 60 s, and 1 is the most",
        ),
        (
            Refusal(Stage.APPLICABILITY, "not_following", {"after": "asked", "outcome": "accepted", "within_s": 180}),
            "only within 180 s after asked was accepted",
        ),
        (
            Refusal(Stage.APPLICABILITY, "nowhere_near", {"fence_kind": "bank", "fact": "works"}),
            "no bank is known of which works is true",
        ),
        (Refusal(Stage.FACTS, "fact_unknown", {"fact": "place.stock"}), "the fact place.stock is not known"),
        (
            Refusal(Stage.FACTS, "fact_too_old", {"fact": "place.stock", "age_s": 901, "max_age_s": 900}),
            "the fact place.stock was told 901 s ago, and may be 900 s old",
        ),
        (
            Refusal(Stage.FACTS, "nothing_to_say", {"placeholder": "nearest.name"}),
            "its text needs nearest.name, which is not known",
        ),
        (
            Refusal(Stage.BUDGET, "budget_spent", {"left_cents": 50, "cost_cents": 250}),
            "its reward costs 2.50, and of its budget 0.50 is left",
        ),
        (Refusal(Stage.BUDGET, "no_discount_due", {}), "no discount is due to this person"),
    ],
)
def test_a_refusal_says_the_values_that_decided_it(refusal: Refusal, said: str) -> None:
    assert refusal_in_words(refusal) == said


def test_all_that_would_have_refused_it_is_told_where_it_was_asked_for() -> None:
    spoken = make_decision()
    also = (Refusal(Stage.FACTS, "fact_unknown", {"fact": "basket"}),)
    verdicts = (spoken.verdicts[0], replace(spoken.verdicts[1], also=also))
    told = list(Explanation(replace(spoken, verdicts=verdicts), ()).lines())
    assert "    also at facts: the fact basket is not known" in told


async def test_a_slate_is_told_offer_by_offer_with_amount_and_age(ledger_path: Path) -> None:
    spoken = make_decision()
    second = replace(spoken.verdicts[0], action="coffee")
    decision = replace(spoken, verdicts=(spoken.verdicts[0], second), slate=("o.car-1.e1.1.2",))
    first = replace(
        make_offer(), reward=OfferedReward("r", "2.50 off", 250, "EUR", 250), slate="o.car-1.e1.1", as_of=T0 - 60_000
    )
    beside = replace(first, id="o.car-1.e1.1.2", action="coffee", position=1, reward=None, as_of=None)
    watched = WatchedWriter(ledger_path)
    recorder = Recorder(encode_offer)
    recorder.add(
        [
            DecisionRecorded(decision),
            OfferMade(first),
            OfferMade(beside),
            OutcomeRecorded("x", beside.id, "car-1", T0 + 1000, Outcome.ACCEPTED, ""),
        ]
    )
    transaction = recorder.transaction(T0)
    assert transaction is not None
    await watched.commit(transaction)
    await watched.writer.close()

    told = list(explain(ledger_path, beside.id).lines())
    assert "Chosen: coffee (marketing) on driver_screen, offer o.car-1.e1.1.2" in told
    at = told.index("What came of it (o.car-1.e1.1): not yet published")
    assert told[at + 1 :] == [
        "  reward: 2.50 EUR",
        "  shows what was known at 2023-11-14 22:12:20Z",
        "What came of it (o.car-1.e1.1.2): not yet published",
        "  2023-11-14 22:13:21Z accepted at car-1",
    ]
    to_json: Any = explain(ledger_path, "last").to_json()
    (other,) = to_json["slate"]
    assert (other["offer"], other["action"], other["outcomes"][0]["outcome"]) == (beside.id, "coffee", "accepted")


def test_a_trace_of_before_is_read_with_what_it_did_not_know_yet() -> None:
    trace = json.loads(TRACES.dump_json(make_decision()))
    del trace["slate"]
    for verdict in trace["verdicts"]:
        del verdict["also"]
    assert decision_from(json.dumps(trace)) == make_decision()


def test_a_reason_without_words_is_shown_as_it_is() -> None:
    assert refusal_in_words(Refusal(Stage.SCORE, "model_error", {"model": "m"})) == "model_error model = m"
    assert refusal_in_words(Refusal(Stage.SCORE, "model_error")) == "model_error"
