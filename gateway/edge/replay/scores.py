"""The scorer of a replay: it repeats what a journal says the models answered, decision by decision.

A journal names the propensities of a decision after the call that made it, in the order of its candidates, under the
action or, where an action was scored for several placements, `action/placement`. The engine asks each model once a
decision, for all its rows, so that what was recorded tells which answer is asked for, in order. Whatever does not fit
is an error: a replay that guesses is none. Only where a person was erased from a journal it is not: what is not told
any more is then not known, which is a reason like a model's own.
"""

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from gateway.core.effects import DecisionRecorded, Effect
from gateway.core.errors import InvalidInput
from gateway.core.release import Release
from gateway.core.scoring import ScoringFailed


class NotReplayable(InvalidInput):
    """The journal and the release do not belong together, or the journal does not say what a model answered.

    Attributes:
        reason: `scores_missing`, `scores_differ`, or `another_release`.
    """


Scores: TypeAlias = Mapping[str, Mapping[str, float | str]]
"""By decision and candidate: the propensity, or the reason why there was none."""

_ROWS_OWN: Final = "not_a_probability"
"""The one reason that concerns a single row; any other is the model's failure to answer at all."""


_ERASED: Final = "erased"


class _Answer(NamedTuple):
    decision: str
    model: str
    rows: list[float | str]


class RecordedScorer:
    """Answers as the models did when the journal was written. Load it before each call, check it after.

    Args:
        erased: Somebody was erased from the journal: what is missing is a failure to answer, and what is left over is
            passed over.
    """

    def __init__(self, *, erased: bool = False) -> None:
        self._erased = erased
        self._answers: deque[_Answer] = deque()
        self._asked: list[str] = []

    def load(self, scores: Scores, release: Release) -> None:
        """Take the propensities recorded after the call that is about to be made.

        Raises:
            NotReplayable: They are of an action that the release does not have.
        """
        for decision, answers in scores.items():
            by_model: dict[str, list[float | str]] = defaultdict(list)
            for candidate, answer in answers.items():
                action = release.actions.get(candidate.partition("/")[0])
                if action is None:
                    raise NotReplayable(
                        "another_release", f"decision {decision} is about {candidate!r}, which {release.id} has not"
                    )
                if action.model is not None:
                    by_model[action.model].append(answer)
            self._answers.extend(_Answer(decision, model, rows) for model, rows in by_model.items())

    def score(self, model: str, rows: Sequence[Sequence[float]]) -> list[float]:
        """Return what the model answered to this question.

        Raises:
            NotReplayable: Nothing is recorded for it, or something else.
            ScoringFailed: As the model did then, for the same reason.
        """
        if self._erased:
            return self._left_of(model, len(rows))
        if not self._answers:
            raise NotReplayable(
                "scores_missing",
                f"the model {model!r} is asked, and the journal does not say what it answered: rescore",
            )
        answer = self._answers.popleft()
        if answer.model != model or len(answer.rows) != len(rows):
            raise NotReplayable(
                "scores_differ",
                f"the model {model!r} is asked {len(rows)} rows where decision {answer.decision} records "
                f"{len(answer.rows)} of {answer.model!r}",
            )
        self._asked.append(answer.decision)
        return _repeated(answer)

    def check(self, effects: Iterable[Effect]) -> None:
        """Make sure that a call asked for exactly what was recorded, for the decisions it was recorded for.

        Raises:
            NotReplayable: It did not.
        """
        if self._erased:
            self._answers.clear()
        if not self._answers and not self._asked:
            return
        made = {effect.decision.id for effect in effects if isinstance(effect, DecisionRecorded)}
        strange = [decision for decision in self._asked if decision not in made]
        unasked = [answer.decision for answer in self._answers]
        self._asked.clear()
        if strange or unasked:
            raise NotReplayable(
                "scores_differ", f"the journal records decision {(strange + unasked)[0]}, which the release makes not"
            )

    def _left_of(self, model: str, rows: int) -> list[float]:
        """Return the first answer that fits, of a call from which others may have been erased."""
        fitting = next((each for each in self._answers if each.model == model and len(each.rows) == rows), None)
        if fitting is None:
            raise ScoringFailed(_ERASED)
        self._answers.remove(fitting)
        return _repeated(fitting)


def _repeated(answer: _Answer) -> list[float]:
    failures = [row for row in answer.rows if isinstance(row, str) and row != _ROWS_OWN]
    if failures:
        raise ScoringFailed(failures[0])
    return [math.nan if isinstance(row, str) else row for row in answer.rows]
