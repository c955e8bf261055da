"""Which offer answers which trigger: latency from the trigger's due time, what is lost, doubled or unexpected. Pure.

An offer answers the last trigger of its unit that was due when it came. Triggers of a unit lie at least the patience
apart, so an offer that comes in time is never taken for the answer to another.
"""

import bisect
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

REMEMBERED = 100_000
"""So many ids of offers are remembered, to tell those that come twice."""


class Heard(NamedTuple):
    """A message on the topic of offers. Empty where it does not say."""

    unit: str
    offer: str = ""
    withdrawn: bool = False


def recognise(topic_filter: str, topic: str, payload: bytes) -> Heard:
    """Return whose offer a message is, and which.

    The unit is the level that stands at the filter's `+`; where the filter has none, the payload's `unit`.

    >>> recognise("alerts/+", "alerts/car-1", b"anything")
    Heard(unit='car-1', offer='', withdrawn=False)
    """
    body = _object(payload)
    levels = dict(zip(topic_filter.split("/"), topic.split("/"), strict=False))
    unit = levels["+"] if "+" in levels else _text(body.get("unit"))
    return Heard(unit, _text(body.get("id")), body.get("withdrawn") is True)


def _object(payload: bytes) -> dict[str, object]:
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


@dataclass(slots=True)
class _Turns:
    """The triggers of one unit."""

    due_ns: list[int] = field(default_factory=list)
    answered: set[int] = field(default_factory=set)


class Correlation:
    """Takes in offers as they arrive.

    Args:
        triggers: Unit and due time of each, in the order of time.
        patience_ns: An offer after a longer time is late: its trigger counts as lost.

    Attributes:
        took_ns: What each answer in time took from the due time of its trigger.
        late: Answers that came when patience had run out.
        duplicates: Offers whose id had come before.
        unexpected: Offers that answer nothing: no trigger was due, or it was answered already.
        withdrawn: Withdrawals, which are no offers.
    """

    def __init__(self, triggers: Iterable[tuple[str, int]], patience_ns: int) -> None:
        self._patience_ns = patience_ns
        self._turns: dict[str, _Turns] = {}
        self._known: dict[str, None] = {}
        self.triggers = 0
        self.took_ns: list[int] = []
        self.late = self.duplicates = self.unexpected = self.withdrawn = 0
        for unit, due_ns in triggers:
            self._turns.setdefault(unit, _Turns()).due_ns.append(due_ns)
            self.triggers += 1

    @property
    def lost(self) -> int:
        """How many triggers brought no offer in time; while more may come, how many have not yet."""
        return self.triggers - len(self.took_ns)

    @property
    def open(self) -> bool:
        """Whether some trigger was not answered at all."""
        return len(self.took_ns) + self.late < self.triggers

    def take(self, heard: Heard, at_ns: int) -> None:
        """Take in what arrived."""
        if heard.withdrawn:
            self.withdrawn += 1
        elif heard.offer and heard.offer in self._known:
            self.duplicates += 1
        else:
            self._remember(heard.offer)
            self._answer(heard.unit, at_ns)

    def _answer(self, unit: str, at_ns: int) -> None:
        turns = self._turns.get(unit)
        last = -1 if turns is None else bisect.bisect_right(turns.due_ns, at_ns) - 1
        if turns is None or last < 0 or last in turns.answered:
            self.unexpected += 1
            return
        turns.answered.add(last)
        took_ns = at_ns - turns.due_ns[last]
        if took_ns > self._patience_ns:
            self.late += 1
        else:
            self.took_ns.append(took_ns)

    def _remember(self, offer: str) -> None:
        if not offer:
            return
        self._known[offer] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
