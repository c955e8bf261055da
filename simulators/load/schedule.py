"""When each message is due, and which of them are to make the consumer offer something. Pure.

Messages are due at even distances. Some of them are *triggers*, one every `offers_every_s`, each at another unit in
turn; before each, the same unit is *armed*, so that the trigger changes something (a car that drives, then parks).
Both take the place of a message: the rate stays what it is.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

NS = 1_000_000_000

MOST_PER_S = 200_000
LONGEST_S = 3_600.0
MOST_MESSAGES = 20_000_000
MOST_UNITS = 10_000
ARMED_BEFORE_S = 0.5
"""How long before its trigger a unit is armed, at most; half the distance of two triggers where that is less."""


class PlanRefused(ValueError):
    """A load that cannot be run as it is asked for: the asker's to change."""


class Trigger(NamedTuple):
    """A unit that is armed by one message, and triggered by a later one.

    Attributes:
        unit: Its number, from 0.
        arming: The number of the message that arms it.
        message: The number of the message that triggers it.
    """

    unit: int
    arming: int
    message: int


@dataclass(frozen=True, slots=True)
class Schedule:
    """A load in time.

    Attributes:
        rate: Messages a second, triggers among them.
        seconds: How long it lasts.
        units: How many units speak, in turn.
        offers_every_s: A trigger falls due so often, the first one half of it after the start; 0: never.
    """

    rate: int
    seconds: float
    units: int = 1
    offers_every_s: float = 0.0

    def __post_init__(self) -> None:
        _bound("rate", self.rate, 1, MOST_PER_S, "messages/s")
        _bound("duration", self.seconds, 0.1, LONGEST_S, "s")
        _bound("number of units", self.units, 1, MOST_UNITS, "")
        _bound("number of messages", self.count, 1, MOST_MESSAGES, "")
        if self.offers_every_s < 0 or not math.isfinite(self.offers_every_s):
            raise PlanRefused(f"triggers cannot be {self.offers_every_s:g} s apart")
        if 0 < self.offers_every_s * self.rate < 4:
            raise PlanRefused(
                f"a trigger every {self.offers_every_s:g} s needs a rate of {4 / self.offers_every_s:g}/s"
            )

    @property
    def count(self) -> int:
        """How many messages there are."""
        return int(self.rate * self.seconds)

    def due_ns(self, message: int) -> int:
        """Return when a message is due, in nanoseconds after the start."""
        return message * NS // self.rate

    def due_by(self, elapsed_ns: int) -> int:
        """Return how many messages are due so long after the start.

        >>> Schedule(rate=2, seconds=10).due_by(1_000_000_000)
        3
        """
        if elapsed_ns < 0:
            return 0
        # The last one due is the greatest n with n * NS // rate <= elapsed.
        return min(self.count, ((elapsed_ns + 1) * self.rate - 1) // NS + 1)

    def triggers(self) -> tuple[Trigger, ...]:
        """Return the triggers in their order."""
        if not self.offers_every_s:
            return ()
        before_s = min(ARMED_BEFORE_S, self.offers_every_s / 2)
        found: list[Trigger] = []
        while (message := round((due_s := (len(found) + 0.5) * self.offers_every_s) * self.rate)) < self.count:
            found.append(Trigger(len(found) % self.units, round((due_s - before_s) * self.rate), message))
        return tuple(found)


def _bound(what: str, value: float, least: float, most: float, unit: str) -> None:
    if not least <= value <= most:
        raise PlanRefused(f"the {what} must be {least:,g} to {most:,g} {unit}".rstrip() + f", not {value:,g}")
