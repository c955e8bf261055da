"""The messages of a plan as packets, by number."""

from collections.abc import Callable
from functools import lru_cache

from simulators.load import packets
from simulators.load.plan import Plan
from simulators.load.schedule import MOST_UNITS
from simulators.load.template import filled_for, unit_in

IDS = 65_535
"""Packet ids go from 1 to this."""

_NS_PER_MS = 1_000_000


class Encoder:
    """Encodes any message of a plan.

    Args:
        start_ms: The wall's time at the start: a message's `{ts_ms}` is when it is due.
    """

    def __init__(self, plan: Plan, start_ms: int) -> None:
        self._plan = plan
        self._start_ms = start_ms
        self._special: dict[int, tuple[str, int]] = {}
        for unit, arming, message in plan.schedule.triggers():
            self._special |= {arming: (plan.messages.arming, unit), message: (plan.messages.trigger, unit)}
        self._topic = lru_cache(MOST_UNITS)(self._encode_topic)
        self._fill = lru_cache(3 * MOST_UNITS)(self._filled)

    def packet(self, number: int) -> bytes:
        """Return the PUBLISH of a message."""
        template, unit = self._special.get(number) or (
            self._plan.messages.payload,
            number % self._plan.schedule.units,
        )
        ts_ms = self._start_ms + self._plan.schedule.due_ns(number) // _NS_PER_MS
        packet_id = packet_id_of(number) if self._plan.qos else 0
        return packets.publish(self._topic(unit), self._fill(template, unit)(ts_ms, number), packet_id)

    def _encode_topic(self, unit: int) -> bytes:
        return packets.text(unit_in(self._plan.messages.topic, self._plan.unit(unit)))

    def _filled(self, template: str, unit: int) -> Callable[[int, int], bytes]:
        return filled_for(template, self._plan.unit(unit))


def packet_id_of(number: int) -> int:
    """Return the packet id of a message at QoS 1; ids go round."""
    return number % IDS + 1
