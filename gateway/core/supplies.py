"""Whether fuel or charge runs low: noticed once on the way down, and not again before there is enough.

Theory. Each signal says *little* or not, for itself; what says little does so until the same signal says otherwise,
also over a restart:

| signal                                  | little         | plenty           |
|-----------------------------------------|----------------|------------------|
| `FuelSystem.IsFuelLevelLow`             | true           |                  |
| `FuelSystem.RelativeLevel`              | at most 12 %   | at least 25 %    |
| `TractionBattery.StateOfCharge.*`       | at most 12 %   | at least 25 %    |
| `FuelSystem.Range`, `Powertrain.Range`  | below 50 km    | at least 100 km  |

| state  | evidence                                                                        | next   | noticed    |
|--------|---------------------------------------------------------------------------------|--------|------------|
| enough | a signal says little                                                            | low    | FuelRanLow |
| low    | none says little, and one says plenty                                           | enough |            |
| low    | none says little, and the flag is false where neither level nor range are known | enough |            |

The gap between little and plenty is what a tank that slops on a hill, or a range that follows the driving style,
cannot cross by itself. Cars light their lamp between an eighth and a tenth of the tank; 50 km is a motorway's widest
customary distance between two stations.

Of a car that has ever named its fuel level the battery's charge is not looked at: a hybrid drives its battery empty
day by day.

    supplies    {"low", "tank", "little": [signals]}
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from gateway.core.events import Scalar
from gateway.core.state import Memory, Scope, StateKey

LITTLE_PERCENT, PLENTY_PERCENT = 12.0, 25.0
LITTLE_M, PLENTY_M = 50_000.0, 100_000.0

FLAG = "Vehicle.Powertrain.FuelSystem.IsFuelLevelLow"
LEVEL = "Vehicle.Powertrain.FuelSystem.RelativeLevel"
FUEL_RANGE = "Vehicle.Powertrain.FuelSystem.Range"
RANGE = "Vehicle.Powertrain.Range"
CHARGE = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current"
CHARGE_DISPLAYED = "Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed"

_CHARGES = frozenset({CHARGE, CHARGE_DISPLAYED})
_BOUNDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        LEVEL: (LITTLE_PERCENT, PLENTY_PERCENT),
        CHARGE: (LITTLE_PERCENT, PLENTY_PERCENT),
        CHARGE_DISPLAYED: (LITTLE_PERCENT, PLENTY_PERCENT),
        # Little is at most so much of a level, but less than so much of a range, which is a whole number of metres.
        FUEL_RANGE: (LITTLE_M - 1, PLENTY_M),
        RANGE: (LITTLE_M - 1, PLENTY_M),
    }
)
SIGNALS = frozenset({FLAG, *_BOUNDS})
"""The signals that say how much there is."""

_NAME = "supplies"


def is_low(memory: Memory, unit: str) -> bool:
    """Return whether a unit is known to have little fuel or charge."""
    known = memory.get(Scope.UNIT, unit, _NAME)
    return known is not None and bool(known["low"])


def hear(memory: Memory, unit: str, signals: Mapping[str, Scalar]) -> bool:
    """Take signals in, after they were remembered as heard. Returns whether it ran low."""
    known: Mapping[str, Any] = memory.get(Scope.UNIT, unit, _NAME) or _NOTHING
    said = {path for path in SIGNALS.intersection(signals) if _is_little(path, signals[path])}
    if not said and not known["low"] and (known["tank"] or LEVEL not in signals):
        return False  # there was enough, and nothing says otherwise: most messages
    tank = known["tank"] or _number(signals.get(LEVEL)) is not None
    little = said.union(known["little"]).difference(path for path in signals if path not in said)
    if tank:
        little -= _CHARGES
    low = bool(little) or (known["low"] and not _is_enough(memory, unit, tank=tank))
    after = {"low": low, "tank": tank, "little": sorted(little)}
    if after != known:
        memory.put(StateKey(Scope.UNIT, unit, _NAME), after)
    return low and not known["low"]


_NOTHING: Mapping[str, Any] = MappingProxyType({"low": False, "tank": False, "little": []})


def _is_little(path: str, value: Scalar) -> bool:
    if path == FLAG:
        return value is True
    amount = _number(value)
    return amount is not None and amount <= _BOUNDS[path][0]


def _is_enough(memory: Memory, unit: str, *, tank: bool) -> bool:
    """Return whether what is known, none of which says little, says that there is enough again."""
    heard = memory.group(Scope.KINEMATICS, unit, "signal")
    amounts = {
        path: amount
        for path in _BOUNDS
        if path in heard and not (tank and path in _CHARGES) and (amount := _number(heard[path][1])) is not None
    }
    if not amounts:
        return FLAG in heard
    return any(amount >= _BOUNDS[path][1] for path, amount in amounts.items())


def _number(value: Scalar | None) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
