"""A registered car that perceives, for tests: one turn an event, under a release that can be changed."""

from dataclasses import replace

from gateway.core import context, offers, perceive
from gateway.core.campaign import Placement
from gateway.core.drive import Drive, Driving
from gateway.core.effects import Effect
from gateway.core.events import ConsentChanged, Event, Purpose, Scalar, SignalsReported
from gateway.core.moments import Moment
from gateway.core.release import Release
from gateway.core.state import Memory, Scope
from gateway.core.timers import Agenda, TimerKey
from gateway.core.turn import Turn
from gateway.core.units import Instant
from gateway.testing.engines import CAR, a_car, a_release, an_action
from gateway.testing.samples import T0, make_offer

ANNA = "s.1"
"""The holder of the sample offer."""
BEN = "s.ben"


class Car:
    """A car, and what is known of it.

    Attributes:
        effects: Those of the last turn.
    """

    def __init__(self, release: Release | None = None) -> None:
        self.memory, self.agenda = Memory(), Agenda()
        self.release = a_release() if release is None else release
        self.now = T0
        self.effects: list[Effect] = []
        perceive.register(self.turn(), a_car())
        self.memory.take_changes()

    def turn(self) -> Turn:
        return Turn(self.memory, self.agenda, self.release, self.now)

    def hears(self, event: Event, now: Instant | None = None) -> list[Moment]:
        self.now = event.ts if now is None else now
        turn = self.turn()
        moments = perceive.perceive(turn, event)
        self.effects = turn.effects
        return moments

    def fires(self, key: TimerKey, now: Instant) -> list[Moment]:
        self.now = now
        turn = self.turn()
        moments = perceive.fire(turn, key)
        self.effects = turn.effects
        return moments

    def signals(self, signals: dict[str, Scalar], ts: Instant = T0) -> list[Moment]:
        return self.hears(SignalsReported(CAR, ts, signals))

    def offers(
        self,
        number: int = 1,
        placement: Placement = Placement.DRIVER_SCREEN,
        *,
        holder: str = ANNA,
        unit: str = CAR,
        personal: bool = False,
    ) -> str:
        """Make the sample offer, and return its id; on the driver's screen it stands while parked only."""
        offer = replace(make_offer(number), placement=placement, holder=holder, unit=unit)
        place = replace(context.unit_of(self.memory, CAR), id=unit)
        standing = offers.Standing(placement is Placement.DRIVER_SCREEN, personal)
        offers.make(self.turn(), place, offer, an_action("pastry"), standing)
        return offer.id

    def here(self, role: str = "driver") -> str | None:
        return context.subject_in(self.memory, CAR, role)

    def drive(self) -> Driving:
        return Drive.from_json(self.memory.get(Scope.UNIT, CAR, "drive")).state


def withdrawal(holder: str, purpose: Purpose, *, unit: str = CAR, ts: Instant = T0) -> ConsentChanged:
    """Return that a holder no longer agrees to a purpose."""
    return ConsentChanged(unit, ts, f"w.{holder}.{purpose.value}", holder, purpose, given=False)
