"""Contact policy: how often an action may be offered to one holder.

A cap is reserved when the offer is committed and released if it was never presented. It limits marketing only;
service and safety are never capped. The window slides: at the very instant it has passed, a reservation counts no more.
"""

from collections.abc import Collection

from gateway.core.campaign import Action, Cap, Kind
from gateway.core.consent import home_of
from gateway.core.state import Memory, StateKey
from gateway.core.units import SECOND_MS, Instant

# Looked up once: a member costs a call into its enumeration each time.
_MARKETING = Kind.MARKETING
_CAP = "cap"
_NEVER = "never"


def cap_of(action: Action) -> Cap | None:
    """Return the cap that binds an action; None: unlimited."""
    return action.contact.caps[0] if action.kind is _MARKETING and action.contact.caps else None


def used(memory: Memory, holder: str, unit: str, action: Action, now: Instant) -> int:
    """Return how many reservations of the action stand in its window; lets go of those that have passed."""
    cap = cap_of(action)
    if cap is None:
        return 0
    scope, owner = home_of(holder, unit)
    prefix, opened = f"{action.id}/", now - cap.within_s * SECOND_MS
    reservations = [(item, at) for item, at in memory.group(scope, owner, _CAP).items() if item.startswith(prefix)]
    for item, at in reservations:
        if at <= opened:
            memory.drop(StateKey(scope, owner, _CAP, item))
    return sum(at > opened for _, at in reservations)


def reserve(memory: Memory, holder: str, unit: str, action: str, offer: str, now: Instant) -> None:
    """Count an offer against the cap from now on."""
    memory.put(_reservation(holder, unit, action, offer), now)


def release(memory: Memory, holder: str, unit: str, action: str, offer: str) -> None:
    """Give back a reservation whose offer nobody was shown."""
    memory.drop(_reservation(holder, unit, action, offer))


def never_again(memory: Memory, holder: str, unit: str, action: str, now: Instant) -> None:
    """Remember for good that the holder does not want this action."""
    scope, owner = home_of(holder, unit)
    memory.put(StateKey(scope, owner, _NEVER, action), now)


def refused_for_good(memory: Memory, holder: str, unit: str) -> Collection[str]:
    """Return the actions of which the holder said never again; do not keep it across changes."""
    scope, owner = home_of(holder, unit)
    return memory.group(scope, owner, _NEVER)


def _reservation(holder: str, unit: str, action: str, offer: str) -> StateKey:
    scope, owner = home_of(holder, unit)
    return StateKey(scope, owner, _CAP, f"{action}/{offer}")
