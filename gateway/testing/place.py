"""Two tills and a car at one gateway, and people who come, go, and are told of things."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.core.campaign import Action, Placement
from gateway.core.effects import Effect, OfferMade
from gateway.core.events import FenceReported, Outcome, Role, SubjectLeft
from gateway.core.release import Release, compile_release
from gateway.core.steps import Challenge, Trigger
from gateway.core.terms import Cap, ContactPolicy, Group
from gateway.core.units import SECOND_MS, Instant
from gateway.testing.engines import (
    FixedScorer,
    a_car,
    a_fence,
    a_till,
    agreement,
    an_action,
    decisions_in,
    identified,
    offers_in,
    outcome,
)
from gateway.testing.samples import T0
from gateway.testing.shell import Activated, Entry, Gateway, Occurrence, Restarted, SetBack

ANNA, BEN = "s.anna", "s.ben"
TILL, OTHER_TILL = "till-1", "till-2"
ONCE_A_DAY = ContactPolicy((Cap(1, within_s=86_400),))


class Place:
    """Two tills and a car at one gateway; Anna and Ben agree to everything.

    Attributes:
        now: The time; it goes on by a second with everything that happens.
        effects: All that came of it.
    """

    def __init__(
        self,
        *actions: Action,
        groups: Sequence[Group] = (),
        challenges: Sequence[Challenge] = (),
        **more: ContactPolicy,
    ) -> None:
        """Open it with these campaigns."""
        release: Release = compile_release(
            "r", 1, [a_fence("cafe")], actions, [], groups=groups, challenges=challenges, **more
        )
        self.now: Instant = T0
        self.effects: list[Effect] = []
        self._gateway = Gateway([release], FixedScorer())
        self._number = 0
        self.happens(a_till(TILL), a_till(OTHER_TILL), a_car())
        for person in (ANNA, BEN):
            self.happens(*agreement(person, unit=TILL))

    def happens(self, *occurrences: Occurrence) -> None:
        """Let something happen, one after the other, each a second later."""
        for what in occurrences:
            self.now += SECOND_MS
            if isinstance(what, Restarted | Activated | SetBack):
                self.delivered(what)
            else:
                self.delivered(replace(what, ts=self.now))

    def delivered(self, what: Occurrence) -> None:
        """Let something be heard now, whenever it was sent."""
        for turned in self._gateway.live_through(Entry(self.now, what)):
            self.effects += turned.effects

    def waits(self, ms: int) -> None:
        """Let time pass, and timers fire."""
        self.now += ms
        self.effects += self._gateway.wake(self.now).effects

    def comes(self, person: str, unit: str = TILL, role: Role = Role.CUSTOMER) -> None:
        """Let somebody come to a unit."""
        self.happens(identified(person, role=role, unit=unit))

    def goes(self, unit: str = TILL, role: Role = Role.CUSTOMER) -> None:
        """Let whoever is there go."""
        self._number += 1
        self.happens(SubjectLeft(unit, 0, f"l{self._number}", role))

    def reported(self, said: Outcome, offer: str = "", unit: str = TILL) -> None:
        """Let something become of an offer; of the last one if none is named."""
        self._number += 1
        last = offer or [effect.offer.id for effect in self.effects if isinstance(effect, OfferMade)][-1]
        self.happens(replace(outcome(last, said, unit=unit), id=f"r{self._number}"))

    def offered(self, action: str = "capped") -> list[str]:
        """Return to whom an action was offered, in order."""
        return [offer.holder for offer in offers_in(self.effects) if offer.action == action]

    def reasons(self, action: str = "capped") -> list[str]:
        """Return why an action was refused, in order."""
        verdicts = (v for d in decisions_in(self.effects) for v in d.verdicts if v.action == action)
        return [verdict.refusal.reason for verdict in verdicts if verdict.refusal is not None]


def enters(unit: str) -> FenceReported:
    """Return that a unit comes into the cafe, where it may have been before."""
    return FenceReported(unit, 0, entered=("cafe",), exited=("cafe",))


def a_visit(place: Place, unit: str) -> None:
    """Let a unit come into the cafe and leave it."""
    place.happens(enters(unit), FenceReported(unit, 0, exited=("cafe",)))


def goes_elsewhere(place: Place) -> str:
    """Let Anna go from one till to the other; return which that is."""
    place.goes()
    place.comes(ANNA, OTHER_TILL)
    return OTHER_TILL


def capped(trigger: Trigger, contact: ContactPolicy | None = None) -> Action:
    """Return an action for the screen of a till, once a day unless said otherwise; its offers stand for a minute."""
    action = an_action("capped", placements=[Placement.KIOSK_SCREEN])
    return replace(action, triggers=(trigger,), contact=contact or ONCE_A_DAY, valid_for_s=60)
