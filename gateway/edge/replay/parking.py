"""Parking inferred from fixes alone, by a stated rule: what a trace says that knows no gear.

Theory. A stop has an anchor: its first fix. It is watched fix by fix, in the order of their time:

| state   | fix                                                | next    | says        |
|---------|----------------------------------------------------|---------|-------------|
| moving  | within `radius_m` of the anchor, after `stay_s`    | parked  | gear 126    |
| moving  | within `radius_m`, earlier                         | moving  |             |
| moving  | beyond `radius_m`: it is the next anchor           | moving  |             |
| moving  | more than `max_gap_s` after the one before: anchor | moving  |             |
| parked  | within `radius_m` of the anchor, whenever          | parked  |             |
| parked  | beyond `radius_m`, whenever: it is the next anchor | moving  | gear 127    |

So nothing is claimed before a fix shows it: a stop is parked at the first fix that is `stay_s` or more after its
anchor, not at the instant between two fixes. Over a gap longer than `max_gap_s` an unfinished stop is no evidence,
since the vehicle may have been elsewhere, and begins anew at the later fix; a finished one holds over any gap, as a
gear does, until a fix shows the vehicle elsewhere. A single stray fix therefore ends a stop: the rule trusts its
source, and whether a fix is plausible is for the engine to judge.
"""

from dataclasses import dataclass

from gateway.core.units import SECOND_MS, Instant, Position, distance_m

GEAR_PARK = 126
GEAR_DRIVE = 127


@dataclass(frozen=True, slots=True)
class ParkingRule:
    """When a vehicle counts as parked.

    Attributes:
        radius_m: No fix of the stop is farther than this from its first.
        stay_s: How long after the first fix one must still be there.
        max_gap_s: Fixes of an unfinished stop that are farther apart say nothing of the time between.
    """

    radius_m: float = 50.0
    stay_s: int = 120
    max_gap_s: int = 180


class ParkingWatch:
    """Follows one vehicle through its fixes."""

    def __init__(self, rule: ParkingRule) -> None:
        self._rule = rule
        self._anchor: tuple[Instant, Position] | None = None
        self._last: Instant = 0
        self._parked = False

    def see(self, ts: Instant, position: Position) -> int | None:
        """Return the gear that this fix shows to be newly selected, or None. Each fix is later than the one before."""
        gap_ms, self._last = ts - self._last, ts
        if self._anchor is None:
            self._anchor = (ts, position)
            return None
        since, anchor = self._anchor
        if distance_m(anchor, position) > self._rule.radius_m:
            self._anchor = (ts, position)
            was_parked, self._parked = self._parked, False
            return GEAR_DRIVE if was_parked else None
        if self._parked:
            return None
        if gap_ms > self._rule.max_gap_s * SECOND_MS:
            self._anchor = (ts, position)
            return None
        self._parked = ts - since >= self._rule.stay_s * SECOND_MS
        return GEAR_PARK if self._parked else None
