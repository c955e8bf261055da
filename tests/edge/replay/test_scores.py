from dataclasses import replace

import pytest

from gateway.core.effects import DecisionRecorded
from gateway.core.release import ModelSpec, Release, compile_release
from gateway.core.scoring import ScoringFailed
from gateway.edge.replay.scores import NotReplayable, RecordedScorer
from gateway.testing.engines import an_action
from gateway.testing.samples import make_decision

ROW = [1.0]


def a_release() -> Release:
    """Return a release of two models: `pastry` and `coffee` ask one, `tyres` the other, `poster` has a prior."""
    models = [ModelSpec(name, "1", ("hour",), ("bar",)) for name in ("taste", "grip")]
    asking = {"pastry": "taste", "coffee": "taste", "tyres": "grip"}
    actions = [replace(an_action(id_), prior=None, model=model, category="bar") for id_, model in asking.items()]
    return compile_release("r1", 1, [], [*actions, an_action("poster")], models)


def loaded(scores: dict[str, dict[str, float]]) -> RecordedScorer:
    scorer = RecordedScorer()
    scorer.load(scores, a_release())
    return scorer


def made(*numbers: int) -> list[DecisionRecorded]:
    return [DecisionRecorded(make_decision(number)) for number in numbers]


def test_answers_come_model_by_model_in_the_order_of_the_decision() -> None:
    scorer = loaded({"d.car-1.e1.1": {"pastry": 0.1, "tyres": 0.2, "coffee": 0.3}})
    assert scorer.score("taste", [ROW, ROW]) == [0.1, 0.3]
    assert scorer.score("grip", [ROW]) == [0.2]
    scorer.check(made(1))


def test_decisions_of_one_call_answer_in_their_order() -> None:
    scorer = loaded({"d.car-1.e1.1": {"pastry": 0.1}, "d.car-1.e1.2": {"pastry": 0.2}})
    assert scorer.score("taste", [ROW]) == [0.1]
    assert scorer.score("taste", [ROW]) == [0.2]
    scorer.check(made(1, 2))


def test_a_prior_is_not_an_answer() -> None:
    scorer = loaded({"d.car-1.e1.1": {"poster": 0.5, "tyres": 0.2}})
    assert scorer.score("grip", [ROW]) == [0.2]
    scorer.check(made(1))


def test_an_action_scored_for_two_placements_has_two_answers() -> None:
    scorer = loaded({"d.car-1.e1.1": {"pastry/driver_screen": 0.1, "pastry/passenger_screen": 0.2}})
    assert scorer.score("taste", [ROW, ROW]) == [0.1, 0.2]


def test_a_call_without_scores_asks_for_none() -> None:
    scorer = loaded({})
    scorer.check(made(1))


def test_a_question_without_a_recorded_answer_is_an_error() -> None:
    with pytest.raises(NotReplayable, match="rescore") as caught:
        loaded({}).score("taste", [ROW])
    assert caught.value.reason == "scores_missing"


@pytest.mark.parametrize(("model", "rows"), [("grip", 1), ("taste", 2)])
def test_another_question_than_the_recorded_one_is_an_error(model: str, rows: int) -> None:
    with pytest.raises(NotReplayable) as caught:
        loaded({"d.car-1.e1.1": {"pastry": 0.1}}).score(model, [ROW] * rows)
    assert caught.value.reason == "scores_differ"


def test_an_answer_nobody_asks_for_is_an_error() -> None:
    with pytest.raises(NotReplayable) as caught:
        loaded({"d.car-1.e1.1": {"pastry": 0.1}}).check(made(1))
    assert caught.value.reason == "scores_differ"


def test_an_answer_to_another_decision_is_an_error() -> None:
    scorer = loaded({"d.car-1.e1.1": {"pastry": 0.1}})
    scorer.score("taste", [ROW])
    with pytest.raises(NotReplayable, match=r"d\.car-1\.e1\.1") as caught:
        scorer.check(made(2))
    assert caught.value.reason == "scores_differ"


def test_scores_of_an_action_that_the_release_has_not_are_an_error() -> None:
    with pytest.raises(NotReplayable, match="'scarf'") as caught:
        loaded({"d.car-1.e1.1": {"scarf": 0.1}})
    assert caught.value.reason == "another_release"


def test_of_an_erased_journal_a_missing_answer_is_a_failure_to_answer() -> None:
    scorer = RecordedScorer(erased=True)
    with pytest.raises(ScoringFailed, match="erased"):
        scorer.score("taste", [ROW])
    scorer.check(made(1))


def test_of_an_erased_journal_the_answers_left_are_repeated_however_decisions_are_numbered() -> None:
    scorer = RecordedScorer(erased=True)
    scorer.load({"d.car-1.e1.9": {"pastry": 0.1, "tyres": 0.2}}, a_release())
    assert scorer.score("grip", [ROW]) == [0.2]
    scorer.check(made(1))
    scorer.load({}, a_release())
    with pytest.raises(ScoringFailed, match="erased"):
        scorer.score("taste", [ROW])
