"""Challenges: so many moments of a kind in one calendar window, by one known person.

Theory. Each moment that counts is a `ChallengeAdvanced` of everyone who had part in it, up to the last, which is also
a `ChallengeMet`; beyond that nothing is counted until the next window. Whether a moment is in the window of the first
one counted is asked by the local time that holds now, so that a change to summer time ends no week.

Counting is remembering: it needs agreement, as `gateway.core.partakers` says, and ends with it.

    challenge  owner: subject; item: its id   {"opened", "done"}   the instant of the first that was counted; how many
"""

from gateway.core.calendar import window_start
from gateway.core.moments import ChallengeAdvanced, ChallengeMet, Moment
from gateway.core.partakers import is_occasion, may_remember, partakers
from gateway.core.patterns import UNFILTERED, Occasion, is_located
from gateway.core.release import Release
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.steps import Challenge, Trigger
from gateway.core.units import Instant

_CHALLENGE = "challenge"


def advance(memory: Memory, release: Release, moment: Moment, now: Instant, utc_offset_s: int) -> list[Moment]:
    """Count a moment for the challenges it is one of; return how they go on, challenge by challenge, by subject."""
    by_filter = release.counting.get(type(moment).__name__)
    if by_filter is None or not is_occasion(moment):
        return []
    occasion = Occasion(release.fences, release.conditions, moment)
    found = {each.id: each for named in (UNFILTERED, *occasion.names) for each in by_filter.get(named, ())}
    return [
        noticed
        for _, challenge in sorted(found.items())
        if occasion.fits(challenge.counted, {})
        for subject in partakers(memory, moment)
        if may_remember(memory, subject, moment.unit, now, located=_is_located(challenge))
        for noticed in _counted(memory, challenge, subject, moment.unit, now, utc_offset_s)
    ]


def forget_unconsented(memory: Memory, release: Release, subject: str, unit: str, now: Instant) -> None:
    """Drop what was counted of a person who does not agree to it now, or for a challenge that is no more."""
    for item in sorted(memory.group(Scope.SUBJECT, subject, _CHALLENGE)):
        challenge = release.challenges.get(item)
        if challenge is None or not may_remember(memory, subject, unit, now, located=_is_located(challenge)):
            memory.drop(StateKey(Scope.SUBJECT, subject, _CHALLENGE, item))


def _counted(
    memory: Memory, challenge: Challenge, subject: str, unit: str, now: Instant, utc_offset_s: int
) -> list[Moment]:
    key = StateKey(Scope.SUBJECT, subject, _CHALLENGE, challenge.id)
    known = memory.get(*key)
    opened = window_start(challenge.each, now, utc_offset_s)
    if known is None or window_start(challenge.each, known["opened"], utc_offset_s) != opened:
        known = {"opened": now, "done": 0}
    left = challenge.times - known["done"] - 1
    if left < 0:
        return []
    done = known["done"] + 1
    memory.put(key, {**known, "done": done})
    advanced = ChallengeAdvanced(unit, now, challenge.id, subject, done, left)
    return [advanced] if left else [advanced, ChallengeMet(unit, now, challenge.id, subject)]


def _is_located(challenge: Challenge) -> bool:
    return is_located(Trigger((challenge.counted,)))
