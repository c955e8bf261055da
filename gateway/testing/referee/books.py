"""All of the referee's books together, and the questions that need several of them."""

from dataclasses import dataclass

from gateway.core.campaign import Action, Kind, Placement
from gateway.core.effects import Offer
from gateway.core.events import SESSION, FactsChanged, Purpose, UnitRegistered
from gateway.core.release import Release
from gateway.core.terms import Cap, ContactPolicy, Per
from gateway.core.units import Instant
from gateway.testing.referee.consents import Consents, purposes_of
from gateway.testing.referee.contacts import Contacts, Mark, Owner, levels_of
from gateway.testing.referee.driving import LIMIT_MS, Car
from gateway.testing.referee.money import Money
from gateway.testing.referee.presence import Presence
from gateway.testing.referee.told import Told

_RANK = {Kind.SAFETY: 0, Kind.SERVICE: 1, Kind.MARKETING: 2}


@dataclass(slots=True)
class Shown:
    """An offer and what became of it: `open`, `accepted` or `ended`."""

    offer: Offer
    who: str
    levels: list[str]
    purposes: tuple[Purpose, ...]
    state: str = "open"
    presented: bool = False
    answered: bool = False
    ignored: bool = False


class Books:
    """What the referee knows.

    Attributes:
        standing: The offers that were open when last looked at.
        asleep: The units that have not made themselves known since the last start.
    """

    def __init__(self, release: Release) -> None:
        """Begin with nothing known."""
        self.release = release
        self.units: dict[str, UnitRegistered] = {}
        self.asleep: set[str] = set()
        self.presence = Presence()
        self.consents = Consents()
        self.told = Told()
        self.contacts = Contacts()
        self.money = Money()
        self.shown: dict[str, Shown] = {}
        self.standing: dict[str, Shown] = {}
        self.accepted: list[Shown] = []
        self.decisions: set[str] = set()
        self._cars: dict[str, Car] = {}
        self._slates: dict[str, list[str]] = {}

    def car(self, unit: str) -> Car:
        """Return what is known of a unit's motion."""
        return self._cars.setdefault(unit, Car())

    def wait(self, now: Instant, *, until_after: bool = False) -> None:
        """Let time pass; `until_after`: what ends at this very instant has not ended yet."""
        self.presence.wait(now - until_after)
        for car in self._cars.values():
            car.lapse(now - until_after)

    def register(self, unit: UnitRegistered) -> None:
        """A unit is known; for the first time since a start: whoever was unknown there is somebody else."""
        self.units[unit.unit] = unit
        if unit.unit in self.asleep:
            self.asleep.discard(unit.unit)
            self.presence.part(unit.unit)

    def restart(self) -> None:
        """No stranger is known any more, of cars what is kept on disk; units must make themselves known anew."""
        self.asleep = set(self.units)
        for unit in self.units:
            self.presence.part(unit)
        for car in self._cars.values():
            car.restart()

    def set_back(self, now: Instant, by_ms: int) -> None:
        """Move what was noted of a wrong time."""
        for car in self._cars.values():
            car.set_back(now, by_ms)
        self.presence.set_back(now, by_ms)
        self.contacts.set_back(now, by_ms)
        self.money.set_back()

    def activate(self, release: Release) -> None:
        """Let another release decide: of levels and budgets that it changes nobody says what still counts."""
        before, after = _policies(self.release), _policies(release)
        for level in before.keys() | after.keys():
            if before.get(level) != after.get(level):
                self.contacts.forget(level)
        for name in self.release.actions.keys() | release.actions.keys():
            old, new = self.release.actions.get(name), release.actions.get(name)
            if (old and old.budget) != (new and new.budget):
                self.money.forget(name)
        self.release = release

    def hear_facts(self, event: FactsChanged, now: Instant) -> None:
        """Take in facts; whoever gets another household while present counts for it from their next visit on."""
        self.told.hear(event, min(event.ts, now))

    def is_vague(self, action: Action) -> bool:
        """Return whether nobody says which contacts count for an action."""
        levels = levels_of(self.release, action) if action.kind is Kind.MARKETING else []
        return not self.contacts.vague.isdisjoint(level for level, _ in levels)

    def agrees(self, holder: str, unit: str, purpose: Purpose, now: Instant, *, sure: bool | None = None) -> bool:
        """Return whether a holder agrees now."""
        is_sure = self.units[unit].time_is_sure if sure is None else sure
        return self.consents.until(self.presence.who(holder, unit), purpose, now, sure=is_sure) > now

    def is_parked(self, unit: str, now: Instant, *, at_a_timer: bool) -> bool:
        """Return whether a unit is parked; at a timer also at the very instant at which nobody can say any longer."""
        car = self.car(unit)
        return car.is_parked(now) or (at_a_timer and car.since is not None and now == car.since + LIMIT_MS)

    def household(self, holder: str, now: Instant) -> str | None:
        """Return the household of a person, or None."""
        known = None if holder == SESSION else self.told.of(holder, "household", now)
        return known if isinstance(known, str) else None

    def objection(self, action: Action, holder: str, unit: str, placement: Placement, now: Instant) -> str | None:
        """Return the first reason of contact policy why an action may not be shown now, or None."""
        if action.kind is Kind.MARKETING:
            reason = self._of_marketing(action, holder, unit, now)
            if reason is not None:
                return reason
        ranks = [_RANK[each.offer.kind] for each in self.open_at(unit, placement)]
        outranks = not ranks or _RANK[action.kind] < min(ranks) or action.kind is Kind.SAFETY
        return None if outranks else "placement_taken"

    def _of_marketing(self, action: Action, holder: str, unit: str, now: Instant) -> str | None:
        who, levels = self.presence.who(holder, unit), levels_of(self.release, action)
        if (who, action.id) in self.contacts.never:
            return "never_again"
        if any(now < self.contacts.cools_until(who, level, policy) for level, policy in levels):
            return "cooling_down"
        if any(now < self.contacts.suppressed_until(who, level, policy) for level, policy in levels):
            return "suppressed"
        for level, policy in levels:
            if any(self._used(level, cap, holder, unit, now) >= cap.count for cap in policy.caps):
                return "cap_reached"
        return "already_accepted" if self._is_accepted(who, action.id) else None

    def over_a_cap(self, offer: Offer) -> str | None:
        """Return the level at which an offer that is about to be shown is one too many, or None."""
        return next((f"{level} {cap}" for level, cap, used in self._caps(offer) if used >= cap.count), None)

    def is_last_of_a_cap(self, offer: Offer) -> bool:
        """Return whether an offer that is about to be shown is the last that some cap allows."""
        return any(used == cap.count - 1 for _, cap, used in self._caps(offer))

    def overspent(self, offer: Offer) -> bool:
        """Return whether a budget cannot pay for an offer that is about to be shown."""
        action = self.release.actions[offer.action]
        if action.budget is None or offer.reward is None:
            return False
        spent = self.money.spent(action, offer.made, self.units[offer.unit].utc_offset_s)
        return spent + offer.reward.cost_cents > action.budget.total_cents

    def open_at(self, unit: str, placement: Placement) -> list[Shown]:
        """Return the offers that stand at a placement."""
        return [
            shown
            for shown in self.standing.values()
            if shown.state == "open" and shown.offer.unit == unit and shown.offer.placement is placement
        ]

    def show(self, offer: Offer, action: Action) -> None:
        """Note that an offer is made: its contacts count, and its money is promised."""
        who = self.presence.who(offer.holder, offer.unit)
        is_marketing = action.kind is Kind.MARKETING
        levels = [level for level, _ in levels_of(self.release, action)] if is_marketing else []
        self.shown[offer.id] = shown = Shown(offer, who, levels, purposes_of(action))
        self.standing[offer.id] = shown
        self._slates.setdefault(offer.slate, []).append(offer.id)
        household = self.household(offer.holder, offer.made)
        mark = Mark("", offer.slate or offer.id, who, household, offer.unit, offer.made)
        self.contacts.mark(levels, action.id, offer.id, mark)
        cents = 0 if offer.reward is None else offer.reward.cost_cents
        self.money.promise(action, offer.id, cents, offer.made, self.units[offer.unit].utc_offset_s)

    def unseen(self, shown: Shown) -> None:
        """An offer ended that was never shown: it counts no more."""
        if shown.presented:
            return
        others = [self.shown[other] for other in self._beside(shown)]
        still = {other.offer.id for other in others if other.presented or other.state == "open"}
        self.contacts.let_go(shown.offer.id, still)
        self.money.keep(shown.offer.action, shown.offer.id, stands=False)

    def seen_after_all(self, shown: Shown, now: Instant) -> None:
        """An offer that counted no more was shown: it counts."""
        is_at_hand = any(shown.who in self.presence.at(unit) for unit in self.units)
        self.contacts.take_again(shown.offer.id, now, _policies(self.release), is_at_hand=is_at_hand)
        self.money.keep(shown.offer.action, shown.offer.id, stands=True)

    def ignored(self, shown: Shown, now: Instant) -> None:
        """An offer was shown and nothing was said; of a slate that counts once."""
        shown.ignored = True
        others = [self.shown[other] for other in self._beside(shown)]
        once = any(other.ignored or other.answered for other in others)
        levels = [level for level in shown.levels if level == shown.offer.action or not once]
        self.contacts.ignore(shown.who, self._with_policies(levels), now)

    def answered(self, shown: Shown, now: Instant, *, no: bool, never: bool) -> None:
        """Somebody said yes, no, or never."""
        self.contacts.answer(shown.who, shown.levels)
        if no:
            self.contacts.decline(shown.who, self._with_policies(shown.levels), now)
        if never:
            self.contacts.never.add((shown.who, shown.offer.action))

    def _with_policies(self, levels: list[str]) -> list[tuple[str, ContactPolicy | None]]:
        known = _policies(self.release)
        return [(level, known.get(level)) for level in levels]

    def _beside(self, shown: Shown) -> list[str]:
        slate = shown.offer.slate
        return [name for name in self._slates.get(slate, ()) if slate and name != shown.offer.id]

    def _is_accepted(self, who: str, action: str) -> bool:
        return any(
            each.state == "accepted" and each.who == who and each.offer.action == action for each in self.accepted
        )

    def _caps(self, offer: Offer) -> list[tuple[str, Cap, int]]:
        """Return the caps an offer comes under, with what counts against each, its own slate left out."""
        action = self.release.actions[offer.action]
        levels = levels_of(self.release, action) if action.kind is Kind.MARKETING else []
        return [
            (level, cap, self._used(level, cap, offer.holder, offer.unit, offer.made, offer.slate))
            for level, policy in levels
            for cap in policy.caps
        ]

    def _used(self, level: str, cap: Cap, holder: str, unit: str, now: Instant, beside: str = "") -> int:
        household = self.household(holder, now) if cap.per is Per.HOUSEHOLD else None
        owner = Owner(self.presence.who(holder, unit), household, unit)
        return self.contacts.used(level, cap, owner, now, self.units[unit].utc_offset_s, beside)


def _policies(release: Release) -> dict[str, ContactPolicy]:
    actions = {action.id: action.contact for action in release.actions.values()}
    return actions | {f"+{group.id}": group.contact for group in release.groups.values()} | {"*": release.contact}
