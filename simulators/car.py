"""A simulated car with a person in it: drives by a script, and answers offers by a taste."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from gateway.wire.payloads import (
    Consent,
    ConsentState,
    Identity,
    Method,
    Notice,
    Outcome,
    Presence,
    Purpose,
    Role,
    Telemetry,
)
from gateway.wire.topics import Channel
from simulators.drive import Place, Road, Step, frames
from simulators.unit import Address, Shown, SimulatedClock, Unit

NOTICE = Notice(id="notice.demo", version="1", language="en")


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a simulation runs, for people who watch it: real seconds.

    Attributes:
        second_s: A simulated second takes this long.
        reading_s: A person takes this long to notice an offer, and again to answer it.
    """

    second_s: float = 0.0
    reading_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Taste:
    """What a person does with an offer once it was read, by action; None leaves it standing, unanswered."""

    answers: Mapping[str, Outcome | None] = field(default_factory=dict)
    otherwise: Outcome | None = Outcome.DECLINED

    def answer(self, action: str) -> Outcome | None:
        """Return what becomes of an offer of this action."""
        return self.answers.get(action, self.otherwise)


class Car(Unit):
    """A car that is driven along a road, and whose driver reads what its screen shows."""

    def __init__(
        self, id_: str, broker: Address, clock: SimulatedClock, *, taste: Taste, pace: Pace | None = None
    ) -> None:
        super().__init__(id_, broker, clock)
        self._taste = taste
        self._pace = pace or Pace()
        self._reading: set[asyncio.Task[None]] = set()
        self._road: Road | None = None
        self._place = Place()

    async def identify(self, subject: str, role: Role, method: Method = Method.APP) -> None:
        """Say that a known person is in the car."""
        present = Identity(
            id=self.next_id(),
            ts_ms=self.clock.now_ms,
            state=Presence.PRESENT,
            role=role,
            method=method,
            subject=subject,
        )
        await self.publish(Channel.IDENTITY, present)

    async def consent(self, holder: str, purpose: Purpose, state: ConsentState, supersedes: Sequence[str] = ()) -> str:
        """Say what a person agreed to or withdrew; return the id it went under."""
        said = Consent(
            id=self.next_id(),
            ts_ms=self.clock.now_ms,
            holder=holder,
            purpose=purpose,
            state=state,
            notice=NOTICE if state is ConsentState.GIVEN else None,
            method="screen",
            supersedes=tuple(supersedes),
        )
        await self.publish(Channel.CONSENTS, said)
        return said.id

    def put_on(self, road: Road, at: Place) -> None:
        """Put the car on a road: the drives that follow go along it."""
        self._road, self._place = road, at

    async def drive(self, *steps: Step) -> int:
        """Drive by a script, one message a simulated second; return how many seconds it took.

        Raises:
            ValueError: The car is on no road, or a step cannot be driven.
        """
        if self._road is None:
            raise ValueError(f"{self.id} is on no road")
        seconds = 0
        for frame in frames(self._road, self._place, steps):
            await asyncio.sleep(self._pace.second_s)
            self.clock.advance(1)
            self._place, seconds = frame.place, seconds + 1
            await self.publish(Channel.TELEMETRY, Telemetry(ts_ms=self.clock.now_ms, signals=dict(frame.signals)))
        return seconds

    async def fall_silent(self) -> None:
        """End what the car and its driver do by themselves."""
        await super().fall_silent()
        for reading in self._reading:
            reading.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*self._reading)

    def _show(self, shown: Shown) -> None:
        reading = asyncio.create_task(self._read(shown))
        self._reading.add(reading)
        reading.add_done_callback(self._reading.discard)

    async def _read(self, shown: Shown) -> None:
        """Do what a person does: be shown it, look, and answer; nothing more once it was withdrawn."""
        for outcome in (Outcome.PRESENTED, Outcome.SEEN, self._taste.answer(shown.offer.action)):
            if outcome is None or shown.withdrawn is not None:
                return
            await self.report(shown.offer.id, outcome)
            await asyncio.sleep(self._pace.reading_s)
