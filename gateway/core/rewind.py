"""Setting time back: what was remembered of a wrong time is moved to the right one.

Theory. A gateway that ran ahead by some `by_ms` has recorded instants that lie after the true `now`. Each of those was
read from the wrong clock (or counted on from it), so the true one is earlier by just as much; an instant at or before
the true `now` was recorded before the clock went wrong, and stands. Left as they are, a cap would bind and a window
would stay open until the calendar caught up. A deadline that was set in the right time and still lies ahead cannot be
told from those: it is moved too, and comes too early, never too late. What was published with a wrong expiry is taken
back. The end of a consent's validity is a date a person agreed to, not a reading of our clock: it stays, and so a
consent that a wrong clock had let lapse counts again.
"""

from collections.abc import Mapping
from types import MappingProxyType

from gateway.core import offers
from gateway.core.effects import Effect, StateChanged
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.units import Instant

INSTANTS: Mapping[tuple[Scope, str], tuple[str, ...]] = MappingProxyType(
    {
        (Scope.ENGINE, "spent"): ("opened",),
        (Scope.UNIT, "drive"): ("since", "heard", "moved"),
        (Scope.UNIT, "signal_ts"): (),
        (Scope.UNIT, "presence"): ("ts",),
        (Scope.UNIT, "fence"): ("since", "entered"),
        (Scope.UNIT, "waiting"): ("since",),
        (Scope.UNIT, "approach"): ("since",),
        (Scope.UNIT, "heard"): (),
        (Scope.UNIT, "crossing"): (),
        (Scope.UNIT, "window"): ("opened", "taken", "since", "at"),
        (Scope.UNIT, "cap"): (),
        (Scope.HOUSEHOLD, "cap"): (),
        (Scope.OFFER, "live"): ("closes", "spent_opened"),
        (Scope.OFFER, "ended"): ("closes", "spent_opened"),
        (Scope.SUBJECT, "cap"): (),
        (Scope.SUBJECT, "challenge"): ("opened",),
        (Scope.SUBJECT, "declined"): (),
        (Scope.SUBJECT, "ignored"): ("last",),
        (Scope.SUBJECT, "followed"): (),
        (Scope.SUBJECT, "never"): (),
        (Scope.SUBJECT, "sighted"): ("ts",),
        # What a sender dates later than now is taken to be of now: so a fact may bear the wrong time too.
        (Scope.SUBJECT, "fact"): ("ts",),
        (Scope.SUBJECT, "prepared"): ("ts",),
        (Scope.UNIT, "fact"): ("ts",),
        (Scope.FENCE, "fact"): ("ts",),
        (Scope.SUBJECT, "window"): ("opened", "taken", "since", "at"),
    }
)
"""The entries that hold instants of our clock: in which fields, however deep, or none where the value itself is one."""


def set_back(state: Mapping[StateKey, object], now: Instant, by_ms: int) -> list[Effect]:
    """Return what brings a ledger's durable entries from `now + by_ms`, which was wrong, to `now`.

    The open offers are withdrawn, each instant after `now` is moved. Restore an engine from what comes out.
    """
    memory = Memory(state)
    withdrawn = offers.withdraw(memory, now, "clock_set_back", lambda _: True)
    for key, value in memory.entries().items():
        fields = INSTANTS.get((key.scope, key.name))
        if fields is not None:
            memory.put(key, _moved(value, fields, now, by_ms))
    return [*(StateChanged(key, value) for key, value in memory.take_changes()), *withdrawn]


def _moved(value: object, fields: tuple[str, ...], now: Instant, by_ms: int) -> object:
    """Return a value with the instants in its fields moved; without fields every number in it is an instant."""
    if isinstance(value, dict):
        return {name: _moved(part, () if name in fields else fields, now, by_ms) for name, part in value.items()}
    if isinstance(value, list):
        return [_moved(part, fields, now, by_ms) for part in value]
    if fields or not isinstance(value, int) or isinstance(value, bool):
        return value
    return value - by_ms if value > now else value
