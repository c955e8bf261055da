"""Chains: an action that is open only for a while after an offer of another one was accepted, redeemed or declined.

    followed     owner: the holder's home; item: action and outcome     the instant

It is remembered of the holder, so that what one person did opens nothing for the next; of a session, until it ends.
"""

from gateway.core.campaign import Follows
from gateway.core.consent import home_of
from gateway.core.events import Outcome
from gateway.core.release import Release
from gateway.core.state import Memory, StateKey
from gateway.core.units import SECOND_MS, Instant

_FOLLOWED = "followed"


def note(  # noqa: PLR0913, PLR0917 -- whose offer, of what, where, became what and when
    memory: Memory, release: Release, holder: str, unit: str, action: str, outcome: Outcome, now: Instant
) -> None:
    """Remember what became of an offer, if anything follows it; let go of what nothing follows any longer."""
    scope, owner = home_of(holder, unit)
    followed = {f"{before}/{after.value}" for before, after in release.followed}
    for item in sorted(set(memory.group(scope, owner, _FOLLOWED)) - followed):
        memory.drop(StateKey(scope, owner, _FOLLOWED, item))
    item = f"{action}/{outcome.value}"
    if item in followed:
        memory.put(StateKey(scope, owner, _FOLLOWED, item), now)


def open_until(memory: Memory, holder: str, unit: str, follows: Follows, now: Instant) -> Instant | None:
    """Return until when an action that follows another is open to the holder; None: it is not.

    At that very instant it is open no more.
    """
    scope, owner = home_of(holder, unit)
    noted: Instant | None = memory.get(scope, owner, _FOLLOWED, f"{follows.action}/{follows.outcome.value}")
    if noted is None:
        return None
    until = noted + follows.within_s * SECOND_MS
    return until if now < until else None
