"""A shop, for tests: offers of one unit, at which their holder is, and what becomes of them."""

from dataclasses import replace
from typing import Any

from gateway.core import budget, caps, chains, offers
from gateway.core.campaign import Follows, Kind
from gateway.core.context import Unit
from gateway.core.effects import Offer, OutcomeRecorded
from gateway.core.events import SESSION, Outcome, OutcomeReported, UnitKind
from gateway.core.moments import Moment
from gateway.core.offer_records import MADE, WITHDRAWN
from gateway.core.release import compile_release
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.terms import Budget, Cap, ContactPolicy, Suppression
from gateway.core.timers import Agenda, TimerKey
from gateway.core.turn import Turn
from gateway.testing.engines import CAR, an_action
from gateway.testing.samples import T0, make_offer

ANNA = "s.1"  # the holder of the sample offer
RULE = ContactPolicy((Cap(count=1, within_s=3600),), cool_down_s=60, suppression=Suppression(ignored=1, for_s=60))
PASTRY = replace(an_action("pastry"), contact=RULE, redeem_within_s=600, budget=Budget(1000))
FOLLOWING = [
    replace(an_action(f"after_{outcome}"), follows=Follows("pastry", outcome, 60))
    for outcome in (Outcome.ACCEPTED, Outcome.REDEEMED, Outcome.DECLINED)
]
TIMER = TimerKey("offer", "o.car-1.e1.1")
NOW = T0 + 1_000


def unit(id_: str = CAR) -> Unit:
    return Unit(id_, UnitKind.CAR, ("driver_screen",), "en", contextual_offers=True, utc_offset_s=0)


class Shop:
    """Offers of one unit, at which Anna is, and their outcomes."""

    def __init__(self, *made: Offer, kind: Kind = Kind.MARKETING) -> None:
        self.agenda = Agenda()
        self.memory = Memory({StateKey(Scope.UNIT, CAR, "presence", "driver"): {"subject": ANNA, "ts": 1}})
        self.release = compile_release("r", 1, [], [replace(PASTRY, kind=kind), *FOLLOWING], [])
        for offer in made or (replace(make_offer(), kind=kind),):
            self.make(offer)

    def turn(self, now: int = NOW) -> Turn:
        return Turn(self.memory, self.agenda, self.release, now)

    def make(self, offer: Offer) -> None:
        action = replace(self.release.actions["pastry"], kind=offer.kind)
        offers.make(self.turn(offer.made), unit(offer.unit), offer, action)

    def told(
        self, *outcomes: Outcome, offer: str = TIMER.owner, unit: str = CAR, now: int = NOW, id_: str = "r1"
    ) -> tuple[OutcomeRecorded | None, list[Moment]] | str:
        reports = [OutcomeReported(unit, now, id_, offer, outcome, "why") for outcome in outcomes]
        return [offers.advance(self.turn(now), report) for report in reports][-1]

    def moments(self, *outcomes: Outcome, unit: str = CAR, id_: str = "r1") -> list[Moment]:
        answer = self.told(*outcomes, unit=unit, id_=id_)
        assert not isinstance(answer, str)
        return answer[1]

    def close(self, now: int = NOW) -> tuple[OutcomeRecorded | None, list[Moment]]:
        return offers.close(self.turn(now), TIMER.owner)

    def withdrawn(self) -> list[str]:
        return [each.offer for each in offers.withdraw(self.memory, NOW, "drove_off", lambda _: True)]

    def record(self, offer: str = TIMER.owner) -> dict[str, Any]:
        (record,) = [each for name in ("live", "ended") if (each := self.memory.get(Scope.OFFER, CAR, name, offer))]
        return dict(record)

    def reasons(self, holder: str = ANNA, now: int = NOW) -> list[str]:
        contacts = caps.Contacts(self.memory, self.release, unit(), holder, now)
        return [reason for reason, _ in contacts.objections(PASTRY)]

    def used(self, holder: str = ANNA) -> int:
        return self.reasons(holder).count("cap_reached")

    def left_cents(self) -> object:
        refused = budget.objection(self.memory, PASTRY, 10**9, NOW, 0)
        return refused and refused[1]["left_cents"]

    def followed(self, outcome: Outcome, holder: str = ANNA) -> bool:
        follows = Follows("pastry", outcome, 60)
        return chains.open_until(self.memory, holder, CAR, follows, NOW) is not None


def a_session_offer() -> Offer:
    return replace(make_offer(), holder=SESSION)


def in_state(state: str) -> Shop:
    """Return a shop whose offer has come to a state the shortest way."""
    shop = Shop()
    if state == WITHDRAWN:
        shop.withdrawn()
    elif state == Outcome.REDEEMED:
        shop.told(Outcome.ACCEPTED, Outcome.REDEEMED)
    elif state != MADE:
        shop.told(Outcome(state))
    return shop
