"""Notices a peer that is gone without a word, and one that no longer says all it owes us.

*Gone*: a cable pulled, a machine frozen, a proxy that swallows. It is asked (PINGREQ) twice in each keepalive interval;
who was then silent for a whole one is given up. So a dead connection is cut within one and a half intervals, and who is
slow has at least half of one to answer. TCP alone would wait for a quarter of an hour, or for ever if nothing is sent.

*Dropping*: when a client cannot keep up, Mosquitto drops whatever packet would go out to it next, QoS 1 messages it has
acknowledged to their senders and answers to us among them. Those messages are not lost, but they stay with it until we
connect anew, and each takes one place of the receive maximum; the connection looks alive. Answers to pings are dropped
alike. So while data comes in bulk the peer is asked several times a second, and whose answers stay out is given up.
(Seen with Mosquitto 2.0.11: docs/decisions/0011-one-connection-or-two.md.)

A watchdog that could not run (a suspended machine, a loop that was busy) has no right to say that nobody spoke, and
while we read nothing ourselves, nobody can be heard: in both cases patience begins anew.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

SILENT: Final = "silent"
DROPPING: Final = "dropping"

BULK_BYTES = 64 * 1024
"""Who receives so much at once has not kept up: what comes as it is sent comes in small pieces."""
ROLL_CALL_S = 0.1
ANSWER_WITHIN_S = 2.0
"""After data in bulk. Whose answer takes longer has so much waiting for us that reading on would only be late."""
_LATE = 1.5
"""A look that comes so many times later than it was due says more about us than about the peer."""


class Timers(Protocol):
    """The part of an event loop that tells time."""

    def time(self) -> float:
        """Return seconds that never go back."""
        ...

    def call_later(self, delay: float, callback: Callable[[], None], /) -> "Cancellable":
        """Call back later."""
        ...


class Cancellable(Protocol):
    """A call that was asked for."""

    def cancel(self) -> None:
        """Do not call."""
        ...


class Watchdog:
    """Watches one connection.

    Args:
        ask: Sends what has to be answered.
        give_up: Called once, with `SILENT` or `DROPPING`.
    """

    def __init__(self, timers: Timers, ask: Callable[[], None], give_up: Callable[[str], None]) -> None:
        self._timers = timers
        self._ask = ask
        self._give_up = give_up
        self._unanswered: deque[float] = deque()
        self._interval_s = 0.0
        self._heard_at = self._excused_at = 0.0
        self._is_deaf = self._is_crowded = False
        self._look: _Look | None = None
        self._roll_call: _Look | None = None

    def start(self, interval_s: float) -> None:
        """Watch from now on, for a peer that has to speak within an interval."""
        self.stop()
        self._interval_s = interval_s
        self._excuse()
        self._look = _Look(self._timers, interval_s / 2, self._look_for_silence)

    def stop(self) -> None:
        """Watch no longer."""
        for look in (self._look, self._roll_call):
            if look is not None:
                look.cancel()
        self._look = self._roll_call = None

    def heard(self, count: int) -> None:
        """Note that the peer is there, by `count` bytes that came at once."""
        self._heard_at = self._timers.time()
        if count >= BULK_BYTES:
            self._call_the_roll()

    def answered(self) -> None:
        """Note an answer. Which of those asked for it is cannot be told: only how many are still out."""
        if self._unanswered:
            self._unanswered.popleft()

    def deafen(self) -> None:
        """Nothing is read from now on: go on asking, so that we are there for the peer, and expect nothing."""
        self._is_deaf = True
        self._call_the_roll()

    def undeafen(self) -> None:
        """It is read again."""
        if self._is_deaf:
            self._is_deaf = False
            self._excuse()

    def _excuse(self) -> None:
        self._heard_at = self._excused_at = self._timers.time()

    def _call_the_roll(self) -> None:
        self._is_crowded = True
        if self._roll_call is None and self._look is not None:
            self._roll_call = _Look(self._timers, ROLL_CALL_S, self._look_for_drops)

    def _look_for_silence(self, *, is_late: bool) -> None:
        now = self._timers.time()
        if is_late or self._is_deaf:
            self._excuse()
        if now - self._heard_at >= self._interval_s:
            self._end(SILENT)
        elif self._waits_since(now) >= self._interval_s:
            self._end(DROPPING)
        elif self._roll_call is None:
            self._call(now)

    def _look_for_drops(self, *, is_late: bool) -> None:
        """While it is crowded, ask; then wait for all answers, and be done."""
        now = self._timers.time()
        if is_late or self._is_deaf:
            self._excuse()
        if self._waits_since(now) >= ANSWER_WITHIN_S:
            self._end(DROPPING)
        elif self._is_crowded or self._is_deaf:
            self._is_crowded = False
            self._call(now)
        elif not self._unanswered and self._roll_call is not None:
            self._roll_call.cancel()
            self._roll_call = None

    def _waits_since(self, now: float) -> float:
        """Return for how long, in seconds, too few answers have come."""
        return now - max(self._unanswered[0], self._excused_at) if self._unanswered else 0.0

    def _call(self, now: float) -> None:
        self._unanswered.append(now)
        self._ask()

    def _end(self, reason: str) -> None:
        self.stop()
        self._give_up(reason)


class _Look:
    """Looks again and again, and knows when it came late."""

    def __init__(self, timers: Timers, every_s: float, look: Callable[..., None]) -> None:
        self._timers = timers
        self._every_s = every_s
        self._look = look
        self._is_over = False
        self._wait()

    def cancel(self) -> None:
        """Look no more."""
        self._is_over = True
        self._next.cancel()

    def _wait(self) -> None:
        self._since = self._timers.time()
        self._next = self._timers.call_later(self._every_s, self._now)

    def _now(self) -> None:
        # A few milliseconds are nobody's fault, however short the wait.
        is_late = self._timers.time() - self._since > _LATE * max(self._every_s, 1.0)
        self._look(is_late=is_late)
        if not self._is_over:
            self._wait()
