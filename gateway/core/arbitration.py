"""Net value against silence.

For each permitted candidate, with propensity P, context weight C, value V, lever L and annoyance A, all >= 0:

    net value = P * C * V * L - (1 - P) * A

Silence is worth 0. Safety goes before service before marketing by rule, whatever the values; safety is never silenced.
Among equals of one rank the greater net value wins, then the action's id and the placement, so that the choice never
depends on the order in which campaigns were read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.core.campaign import RANK, Kind, Placement, Rank
from gateway.core.effects import Refusal, Stage

# Looked up once: a member costs a call into its enumeration each time.
_SAFETY, _ARBITRATION = Kind.SAFETY, Stage.ARBITRATION


def net_value(propensity: float, context_weight: float, value: float, lever: float, annoyance: float) -> float:
    """Return what saying it is worth more than saying nothing."""
    return propensity * context_weight * value * lever - (1.0 - propensity) * annoyance


class Contender(NamedTuple):
    """A permitted candidate with its net value."""

    kind: Kind
    action: str
    placement: Placement
    net_value: float


@dataclass(frozen=True, slots=True)
class Arbitration:
    """The number of the chosen contender, None for silence; and why each was not chosen, None for the chosen one."""

    chosen: int | None
    refusals: tuple[Refusal | None, ...]


def arbitrate(contenders: Sequence[Contender]) -> Arbitration:
    """Choose one contender, or silence, and say of each other one why not."""
    worthwhile = [number for number, contender in enumerate(contenders) if _beats_silence(contender)]
    if not worthwhile:
        return Arbitration(None, tuple(_silenced(contender) for contender in contenders))
    chosen = min(worthwhile, key=lambda number: _order(contenders[number]))
    winner = contenders[chosen]
    return Arbitration(
        chosen,
        tuple(None if number == chosen else _why_not(contender, winner) for number, contender in enumerate(contenders)),
    )


def _order(contender: Contender) -> tuple[Rank, float, str, str]:
    return RANK[contender.kind], -contender.net_value, contender.action, contender.placement


def _beats_silence(contender: Contender) -> bool:
    return contender.net_value > 0 or contender.kind is _SAFETY


def _silenced(contender: Contender) -> Refusal:
    return Refusal(_ARBITRATION, "silence_is_better", {"net_value": contender.net_value})


def _why_not(contender: Contender, winner: Contender) -> Refusal:
    if not _beats_silence(contender):
        return _silenced(contender)
    reason = "lower_net_value" if winner.kind is contender.kind else "outranked"
    return Refusal(_ARBITRATION, reason, {"by": winner.action, "net_value": contender.net_value})
