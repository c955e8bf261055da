"""A connection that carries nowhere: it keeps what it was given, and the test answers for the broker."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

_PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Sent:
    """What was published."""

    topic: str
    payload: bytes
    token: object
    retain: bool
    expiry_s: int | None


@dataclass
class FakeCarrier:
    """Takes `capacity` publications, one fewer after each.

    Attributes:
        sent: What was published, in order.
        is_paused: Whether it was asked to read no more.
    """

    capacity: int = 1_000
    is_open: bool = True
    is_paused: bool = False
    sent: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._told = asyncio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that was published made a condition true.

        Raises:
            TimeoutError: It did not come true in good time.
        """
        async with asyncio.timeout(_PATIENCE_S):
            while not condition():
                self._told.clear()
                await self._told.wait()

    def send(
        self, topic: str, payload: bytes, token: object, *, retain: bool = False, expiry_s: int | None = None
    ) -> None:
        """Keep it.

        Raises:
            OverflowError: There is no capacity, as the library has it.
        """
        if self.capacity < 1:
            raise OverflowError("no capacity")
        self.capacity -= 1
        self.sent.append(Sent(topic, payload, token, retain, expiry_s))
        self._told.set()

    def pause(self) -> None:
        """Note that no more is to be read."""
        self.is_paused = True

    def resume(self) -> None:
        """Note that more may be read."""
        self.is_paused = False

    def on(self, channel: str) -> list[Sent]:
        """Return what was published on a channel of whatever owner."""
        return [sent for sent in self.sent if sent.topic.endswith(f"/{channel}")]
