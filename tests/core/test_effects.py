from typing import get_args

from gateway.core.effects import DURABLE_EFFECTS, Effect, EventIgnored, EventRefused, FixTold, MomentNoticed, Stage


def test_every_effect_is_durable_but_what_is_only_counted_or_traced() -> None:
    assert set(get_args(Effect)) - set(DURABLE_EFFECTS) == {MomentNoticed, FixTold, EventIgnored, EventRefused}


def test_screening_comes_before_scoring_and_scoring_before_arbitration() -> None:
    assert [stage.value for stage in Stage] == [
        "kind",
        "addressee",
        "consent",
        "safety",
        "eligibility",
        "applicability",
        "suitability",
        "facts",
        "contact_policy",
        "budget",
        "score",
        "arbitration",
    ]
