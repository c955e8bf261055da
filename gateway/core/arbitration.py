"""Net value against silence.

For each permitted candidate, with propensity P, context weight C, value V, lever L and annoyance A, all >= 0:

    net value = P * C * V * L - (1 - P) * A

Silence is worth 0. Safety goes before service before marketing by rule, whatever the values; safety is never silenced.
Among equals of one rank the greater net value wins, then the action's id and the placement, so that the choice never
depends on the order in which campaigns were read.

A winner of a group that shows slates takes others along: of its group, for the same person at the same placement, each
worth more than silence, the best first, as many as the slate holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from gateway.core.campaign import RANK, Kind, Placement, Rank
from gateway.core.effects import Refusal, Stage

# Looked up once: a member costs a call into its enumeration each time.
_SAFETY, _ARBITRATION = Kind.SAFETY, Stage.ARBITRATION
_NO_SLATES: Mapping[str, int] = MappingProxyType({})


def net_value(propensity: float, context_weight: float, value: float, lever: float, annoyance: float) -> float:
    """Return what saying it is worth more than saying nothing."""
    return propensity * context_weight * value * lever - (1.0 - propensity) * annoyance


class Contender(NamedTuple):
    """A permitted candidate with its net value, whom it speaks to, and the group it may be shown with."""

    kind: Kind
    action: str
    placement: Placement
    net_value: float
    holder: str = ""
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Arbitration:
    """The numbers of the chosen contenders, the winner first, none for silence; and why each other was not chosen."""

    chosen: tuple[int, ...]
    refusals: tuple[Refusal | None, ...]


def arbitrate(contenders: Sequence[Contender], slates: Mapping[str, int] = _NO_SLATES) -> Arbitration:
    """Choose one contender, with what its slate takes along, or silence; say of each other one why not.

    Args:
        contenders: The permitted candidates.
        slates: How many of a group are shown together; of a group that is not named, one.
    """
    worthwhile = [number for number, contender in enumerate(contenders) if _beats_silence(contender)]
    if not worthwhile:
        return Arbitration((), tuple(_silenced(contender) for contender in contenders))
    first = min(worthwhile, key=lambda number: _order(contenders[number]))
    winner = contenders[first]
    size = slates.get(winner.group or "", 1)
    chosen = _slate(contenders, worthwhile, first, size) if size > 1 else (first,)
    return Arbitration(
        chosen,
        tuple(None if number in chosen else _why_not(contender, winner) for number, contender in enumerate(contenders)),
    )


def _slate(contenders: Sequence[Contender], worthwhile: Sequence[int], first: int, size: int) -> tuple[int, ...]:
    winner = contenders[first]
    chosen, shown = [first], {winner.action}
    for number in sorted(worthwhile, key=lambda number: _order(contenders[number])):
        other = contenders[number]
        if len(chosen) < size and other.action not in shown and _stands_beside(other, winner):
            chosen.append(number)
            shown.add(other.action)
    return tuple(chosen)


def _stands_beside(other: Contender, winner: Contender) -> bool:
    return (other.kind, other.group, other.holder, other.placement) == (
        *(winner.kind, winner.group, winner.holder),
        winner.placement,
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
