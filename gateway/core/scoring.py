"""Propensity: how likely an action is to be accepted, asked of a model or stated as a prior."""

from collections.abc import Sequence
from typing import Protocol


class Scorer(Protocol):
    """Evaluates models. Handed to the engine; its answers are recorded in the decision and reused by a replay."""

    def score(self, model: str, rows: Sequence[Sequence[float]]) -> Sequence[float]:
        """Return a propensity in 0..1 for each row.

        Args:
            model: A model of the active release.
            rows: One vector a candidate, shape (candidates, features), in the order of the model's manifest;
                NaN means unknown.

        Raises:
            ScoringFailed: The model cannot answer; its candidates are refused, the others go on.
        """
        ...


class ScoringFailed(Exception):
    """A model cannot answer now. `reason` is an enumeration value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
