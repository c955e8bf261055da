"""Whose doing a moment was, and whether it may be remembered of them.

Remembering what a person did, from visit to visit, needs their agreement to `profiling`; where it tells where they
were, to `location_triggers` too. Whoever is unknown is never remembered.
"""

from gateway.core import consent, context
from gateway.core.events import Purpose
from gateway.core.moments import FenceExited, Moment, whose
from gateway.core.state import Memory
from gateway.core.units import Instant


def is_occasion(moment: Moment) -> bool:
    """Return whether a moment is an occasion for anything.

    When a unit that has been silent for a day left its fences nobody knows.
    """
    return not (isinstance(moment, FenceExited) and moment.reason == "gap")


def partakers(memory: Memory, moment: Moment) -> list[str]:
    """Return the known people at the unit who had part in a moment: the one whose doing it was, or else all, by id."""
    here, who = context.subjects_at(memory, moment.unit), whose(moment)
    return sorted(here) if who is None else sorted(here & {who})


def may_remember(memory: Memory, subject: str, unit: str, now: Instant, *, located: bool) -> bool:
    """Return whether a person agrees to be remembered now, and to where they were if it tells that."""
    purposes = (Purpose.PROFILING, Purpose.LOCATION_TRIGGERS) if located else (Purpose.PROFILING,)
    return all(consent.granted(memory, subject, unit, purpose, now) for purpose in purposes)
