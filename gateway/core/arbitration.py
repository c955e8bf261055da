"""Net value against silence.

For each permitted candidate, with propensity P, context weight C, value V, lever L and annoyance A, all >= 0:

    net value = P * C * V * L - (1 - P) * A

Silence is worth 0. Safety goes before service before marketing by rule, whatever the values; safety is never silenced.
Among equals of one rank the greater net value wins, then the action's id and the placement, so that the choice never
depends on the order in which campaigns were read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.core.campaign import RANK, Rank
from gateway.core.effects import Refusal, Stage, Verdict


def net_value(propensity: float, context_weight: float, value: float, lever: float, annoyance: float) -> float:
    """Return what saying it is worth more than saying nothing."""
    return propensity * context_weight * value * lever - (1.0 - propensity) * annoyance


@dataclass(frozen=True, slots=True)
class Arbitration:
    """The verdicts in the order they were given, each with its refusal but the chosen one; `chosen` None is silence."""

    verdicts: tuple[Verdict, ...]
    chosen: int | None


def arbitrate(verdicts: Sequence[Verdict]) -> Arbitration:
    """Choose one permitted verdict, or silence, and say of each other one why not."""
    permitted = [number for number, verdict in enumerate(verdicts) if verdict.refusal is None]
    ranked = sorted(permitted, key=lambda number: _order(verdicts[number]))
    worthwhile = [number for number in ranked if _beats_silence(verdicts[number])]
    chosen = worthwhile[0] if worthwhile else None
    judged = list(verdicts)
    for number in permitted:
        if number != chosen:
            judged[number] = replace(verdicts[number], refusal=_why_not(verdicts[number], chosen, verdicts))
    return Arbitration(tuple(judged), chosen)


def _order(verdict: Verdict) -> tuple[Rank, float, str, str]:
    return RANK[verdict.kind], -_net(verdict), verdict.action, verdict.placement


def _beats_silence(verdict: Verdict) -> bool:
    return RANK[verdict.kind] is Rank.SAFETY or _net(verdict) > 0


def _why_not(verdict: Verdict, chosen: int | None, verdicts: Sequence[Verdict]) -> Refusal:
    if chosen is None or not _beats_silence(verdict):
        return Refusal(Stage.ARBITRATION, "silence_is_better", {"net_value": verdict.net_value})
    winner = verdicts[chosen]
    reason = "lower_net_value" if RANK[winner.kind] is RANK[verdict.kind] else "outranked"
    return Refusal(Stage.ARBITRATION, reason, {"by": winner.action, "net_value": verdict.net_value})


def _net(verdict: Verdict) -> float:
    return verdict.net_value if verdict.net_value is not None else 0.0
