import pytest

from gateway.core.scoring import Scorer, ScoringFailed
from gateway.testing.engines import FixedScorer


def test_a_failure_names_its_reason() -> None:
    failure = ScoringFailed("model_unavailable")
    assert (failure.reason, str(failure)) == ("model_unavailable", "model_unavailable")


def test_the_scorer_for_tests_keeps_the_protocol_and_remembers_what_it_was_asked() -> None:
    fixed = FixedScorer(0.25)
    scorer: Scorer = fixed
    assert list(scorer.score("coupon", [[1.0, 2.0], [3.0, 4.0]])) == [0.25, 0.25]
    assert fixed.asked == [("coupon", [[1.0, 2.0], [3.0, 4.0]])]


def test_the_scorer_for_tests_fails_for_the_models_it_was_told_to() -> None:
    scorer = FixedScorer(failing=["coupon"])
    assert scorer.score("weather", [[1.0]]) == [0.5]
    with pytest.raises(ScoringFailed, match=r"^model_unavailable$"):
        scorer.score("coupon", [[1.0]])
