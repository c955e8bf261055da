"""An installed place of contact as the gateway hears it: an MQTT client with a birth, a last will and a clock.

What is heard is kept, and told to whoever waits for it. Nothing here takes the passing of time for something having
happened: the clock only sets a pace, and an end to waiting.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Self

import aiomqtt

from gateway.wire.payloads import Liveness, Offer, Outcome, OutcomeReport, Payload, UnitStatus, Withdrawal
from gateway.wire.read import InvalidInput, read_offer
from gateway.wire.topics import Channel, topic_of

AT_LEAST_ONCE = 1
_STANDING = frozenset({Outcome.PRESENTED, Outcome.SEEN})


class NotSeen(Exception):
    """What was waited for did not happen in time.

    Attributes:
        awaited: What it was.
    """

    def __init__(self, awaited: str, within_s: float, instead: str) -> None:
        super().__init__(f"waited {within_s:g} s for {awaited}, but {instead}")
        self.awaited = awaited


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker listens.

    Attributes:
        protocol: What it speaks: `3.1.1`, or `auto` where MQTT 5 may be tried first.
    """

    host: str
    port: int
    protocol: str = "auto"


@dataclass(slots=True)
class SimulatedClock:
    """A unit's own clock: it moves as the simulation does, which may be faster than real time, never backwards.

    A gateway takes nothing that claims to come from a minute ahead of it, and decides on nothing older than a minute.
    A simulation that runs fast therefore starts `behind` and may get as far ahead; one that is held up is carried on.

    Attributes:
        now_ms: Milliseconds since 1970-01-01T00:00:00Z.
    """

    now_ms: int
    _slowest: Callable[[], int] = field(default=lambda: 0, repr=False)

    @classmethod
    def behind(cls, seconds: float, wall_ms: Callable[[], int]) -> Self:
        """Return a clock that lags so much behind the wall's now, and never more than that."""

        def slowest() -> int:
            return wall_ms() - round(seconds * 1000)

        return cls(slowest(), slowest)

    def advance(self, seconds: float) -> None:
        """Let simulated time pass."""
        self.now_ms = max(self.now_ms + round(seconds * 1000), self._slowest())


@dataclass(slots=True)
class Shown:
    """An offer as the unit received it, what was answered, and why it was withdrawn, if it was."""

    offer: Offer
    answers: list[Outcome] = field(default_factory=list)
    withdrawn: str | None = None

    @property
    def stands(self) -> bool:
        """Whether it is on the screen: not withdrawn, and not answered for good."""
        return self.withdrawn is None and _STANDING.issuperset(self.answers)


class Unit:
    """One unit: an async context manager that is connected within its block.

    Attributes:
        shown: The offers that were received, by id, in their order.
        reported: What became of offers, in the order it was said here.
        sent: How many messages were sent on each channel.
    """

    def __init__(self, id_: str, broker: Address, clock: SimulatedClock) -> None:
        self.id = id_
        self.clock = clock
        self.shown: dict[str, Shown] = {}
        self.reported: list[tuple[str, Outcome]] = []
        self.sent: dict[Channel, int] = {}
        self._broker = broker
        self._offers = topic_of(id_, Channel.OFFERS)
        self._numbered = 0
        self._news = asyncio.Condition()
        self._deaf: Exception | None = None

    async def __aenter__(self) -> Self:
        gone = UnitStatus(state=Liveness.GONE).encode()
        will = aiomqtt.Will(topic_of(self.id, Channel.STATUS), gone, AT_LEAST_ONCE)
        async with AsyncExitStack() as connecting:
            self._client = await connecting.enter_async_context(
                aiomqtt.Client(self._broker.host, self._broker.port, identifier=self.id, will=will)
            )
            await self._client.subscribe(self._offers, AT_LEAST_ONCE)
            self._listening = asyncio.create_task(self._listen())
            connecting.push_async_callback(self.fall_silent)
            await self.publish(Channel.STATUS, UnitStatus(state=Liveness.BORN, ts_ms=self.clock.now_ms))
            self._connection = connecting.pop_all()
        return self

    async def __aexit__(self, *error: object) -> None:
        async with self._connection:
            await self.fall_silent()
            with suppress(aiomqtt.MqttError):  # where the broker went first, the last will says the same
                await self.publish(Channel.STATUS, UnitStatus(state=Liveness.GONE, ts_ms=self.clock.now_ms))

    def next_id(self) -> str:
        """Return an id for the next message."""
        self._numbered += 1
        return f"{self.id}.{self._numbered}"

    async def publish(self, channel: Channel, payload: Payload) -> None:
        """Publish on one of the unit's channels; returns once the broker has it."""
        await self._client.publish(topic_of(self.id, channel), payload.encode(), qos=AT_LEAST_ONCE)
        self.sent[channel] = self.sent.get(channel, 0) + 1

    async def report(self, offer: str, outcome: Outcome) -> None:
        """Say what became of an offer, made to this unit or to another."""
        report = OutcomeReport(id=self.next_id(), ts_ms=self.clock.now_ms, offer_id=offer, outcome=outcome)
        await self.publish(Channel.OUTCOMES, report)
        async with self._news:
            self.reported.append((offer, outcome))
            if offer in self.shown:
                self.shown[offer].answers.append(outcome)
            self._news.notify_all()

    async def until(self, awaited: str, condition: Callable[[], bool], within_s: float) -> None:
        """Wait until a condition over what was heard and said here holds.

        Raises:
            NotSeen: It did not within that time, or nothing more can be heard.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s), self._news:
                await self._news.wait_for(lambda: condition() or self._deaf is not None)
        if not condition():
            raise NotSeen(awaited, within_s, self._so_far()) from self._deaf

    async def until_answered(self, action: str, answer: Outcome, within_s: float) -> Shown:
        """Return an offer of an action that was not withdrawn, once it is here and was answered so last.

        Raises:
            NotSeen: No such offer came, or it was not answered so.
        """

        def answered() -> list[Shown]:
            offers = [shown for shown in self.shown.values() if shown.offer.action == action and not shown.withdrawn]
            return [shown for shown in offers if shown.answers[-1:] == [answer]]

        await self.until(f"an offer of {action} at {self.id}, {answer}", lambda: bool(answered()), within_s)
        return answered()[0]

    def standing(self) -> list[Offer]:
        """Return the offers on the unit's screens."""
        return [shown.offer for shown in self.shown.values() if shown.stands]

    async def fall_silent(self) -> None:
        """End what the unit does by itself: it hears and answers nothing more."""
        self._listening.cancel()
        with suppress(asyncio.CancelledError):
            await self._listening

    async def _listen(self) -> None:
        """Take in offers and withdrawals as long as the connection lasts."""
        try:
            async for message in self._client.messages:
                # A broker may hand over retained messages that nobody here asked for: the embedded one does.
                if message.topic.value == self._offers:
                    await self._take(message.payload)
        except (aiomqtt.MqttError, InvalidInput) as error:
            async with self._news:
                self._deaf = error
                self._news.notify_all()

    async def _take(self, payload: bytes) -> None:
        """Take in one message of the unit's offers. The same offer may come twice: it is shown once."""
        heard = read_offer(payload)
        known = self.shown.get(heard.id)
        async with self._news:
            if isinstance(heard, Withdrawal):
                if known is not None:
                    known.withdrawn = heard.reason
            elif known is None:
                self.shown[heard.id] = Shown(heard)
            self._news.notify_all()
        if known is None and heard.id in self.shown:
            self._show(self.shown[heard.id])

    def _show(self, shown: Shown) -> None:
        """Bring a new offer to whoever looks at the unit; nobody does at this one."""

    def _so_far(self) -> str:
        if self._deaf is not None:
            return f"{self.id} could hear nothing any more: {self._deaf}"
        offers = ", ".join(
            f"{shown.offer.action} ({shown.withdrawn or ' '.join(shown.answers) or 'unanswered'})"
            for shown in self.shown.values()
        )
        return f"{self.id} had only {offers}" if offers else f"{self.id} was offered nothing"
