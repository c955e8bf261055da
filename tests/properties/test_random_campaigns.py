"""Random campaigns and journals under a referee's eyes: twenty thousand decisions of fixed seeds.

And what hypothesis makes up. `make soak` runs the same by the million.
"""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.effects import Stage
from gateway.testing.drawing import ShrinkingDraw
from gateway.testing.random_runs import run, run_of_seed

DECISIONS = 20_000

REASONS = {
    Stage.KIND: {"kind_carries_reward", "not_started", "ended"},
    Stage.ADDRESSEE: {"no_placement", "about_somebody_else", "nobody_known", "contextual_offers_off", "not_alone"},
    Stage.CONSENT: {"no_consent"},
    Stage.SAFETY: {"not_parked", "voice_while_driving", "phone_while_driving"},
    Stage.ELIGIBILITY: {"not_eligible", "expression_error"},
    Stage.APPLICABILITY: {"not_following", "nowhere_near", "not_applicable", "expression_error"},
    Stage.SUITABILITY: {"not_suitable", "expression_error"},
    Stage.FACTS: {"fact_unknown", "fact_too_old", "nothing_to_say"},
    Stage.CONTACT_POLICY: {
        "never_again",
        "cooling_down",
        "suppressed",
        "cap_reached",
        "already_accepted",
        "placement_taken",
    },
    Stage.BUDGET: {"no_discount_due", "budget_spent"},
    Stage.SCORE: {"not_prepared", "model_unavailable", "wrong_shape", "not_a_probability"},
    Stage.ARBITRATION: {"silence_is_better", "lower_net_value", "outranked"},
}
"""Every reason of a refusal there is, by its stage."""

AT_STAKE = (
    "already_accepted",
    "budget",
    "cap_reached",
    "choice",
    "consent",
    "cooling_down",
    "driver_screen",
    "last_of_a_cap",
    "never_again",
    "placement_taken",
    "slate",
    "suppressed",
)
CHECKED = (
    "budget",
    "consent",
    "contact_policy",
    "driver_screen",
    "punctual_timers",
    "removal",
    "service_and_safety",
    "sessions_read_nobody",
    "set_back_ledgers",
    "snapshot_restores",
    "standing",
)


@pytest.fixture(scope="module")
def counts() -> Counter[str]:
    """What was checked in the runs of the first seeds; one in which a promise is broken fails here."""
    total, seed = Counter[str](), 0
    while total["decisions"] < DECISIONS:
        total += run_of_seed(seed)
        seed += 1
    return total


def test_no_promise_is_broken_in_twenty_thousand_decisions(counts: Counter[str]) -> None:
    assert counts["decisions"] >= DECISIONS


def test_every_reason_of_a_refusal_occurs_and_none_is_unknown(counts: Counter[str]) -> None:
    given_ = {name.removeprefix("refused:") for name in counts if name.startswith("refused:")}
    assert given_ == {f"{stage.value}/{reason}" for stage, reasons in REASONS.items() for reason in reasons}


@pytest.mark.parametrize("what", AT_STAKE)
def test_each_limit_was_often_at_stake(counts: Counter[str], what: str) -> None:
    assert counts[f"at_stake:{what}"] >= 20


@pytest.mark.parametrize("what", CHECKED)
def test_each_promise_was_checked(counts: Counter[str], what: str) -> None:
    assert counts[f"checked:{what}"] > 0


def test_decisions_in_which_nothing_is_at_stake_do_not_dominate(counts: Counter[str]) -> None:
    assert counts["decisions_at_stake"] > counts["decisions"] / 2


def test_time_leaps_gateways_restart_clocks_are_set_back_and_releases_change(counts: Counter[str]) -> None:
    assert min(counts[name] for name in ("jumps", "restarts", "set_backs", "activations")) >= 10


def test_offers_of_every_kind_are_made_and_answered_in_every_way(counts: Counter[str]) -> None:
    outcomes = ("presented", "seen", "accepted", "redeemed", "declined", "dismissed", "never_again")
    names = [f"offers:{kind}" for kind in ("marketing", "service", "safety")] + [f"outcome:{o}" for o in outcomes]
    names += [f"withdrawn:{reason}" for reason in ("consent_withdrawn", "drove_off", "subject_left", "session_ended")]
    assert [name for name in names if not counts[name]] == []


@settings(max_examples=15)
@given(st.data())
def test_no_promise_is_broken_in_what_hypothesis_makes_up(data: st.DataObject) -> None:
    run(ShrinkingDraw(data), steps=80, sampled=20, repeated=True)
