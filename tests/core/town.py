"""A town, for tests: who was offered what there, and what objects to more of it."""

from collections.abc import Iterable
from dataclasses import replace

from gateway.core import caps
from gateway.core.campaign import Kind
from gateway.core.caps import Contacts
from gateway.core.context import Unit
from gateway.core.events import UnitKind
from gateway.core.release import Release, compile_release
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.terms import UNLIMITED, Cap, ContactPolicy, Group, Suppression
from gateway.core.units import DAY_MS, HOUR_MS, Instant
from gateway.testing.engines import CAR, an_action
from gateway.testing.samples import make_offer

ANNA, BEN, CAT = "s.anna", "s.ben", "s.cat"
UNIT = Unit(CAR, UnitKind.CAR, ("driver_screen",), "en", contextual_offers=True, utc_offset_s=0)
TILL = replace(UNIT, id="till-1", kind=UnitKind.KIOSK)
NOON = 20_000 * DAY_MS + 12 * HOUR_MS
EDGE = NOON + 60_000


def policy(*contact_caps: Cap, cool_down_s: int = 0, ignored: int = 0, for_s: int = 0) -> ContactPolicy:
    return ContactPolicy(contact_caps, cool_down_s, Suppression(ignored, for_s) if ignored else None)


def campaign(
    own: ContactPolicy = UNLIMITED,
    *,
    group: ContactPolicy = UNLIMITED,
    everything: ContactPolicy = UNLIMITED,
    kind: Kind = Kind.MARKETING,
) -> Release:
    """Return a release of a pastry and a cake, who share a group, and of tyres by themselves."""
    actions = [replace(an_action(name, kind=kind), contact=own, group="sweet") for name in ("pastry", "cake")]
    tyres = replace(an_action("tyres", kind=kind), contact=own)
    return compile_release("r", 1, [], [*actions, tyres], [], groups=[Group("sweet", group)], contact=everything)


class Town:
    """Anna and Ben, of one household; Cat, of none; and whoever is unknown: what they were offered."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self.memory = Memory()
        self.made = 0
        for subject in (ANNA, BEN):
            self.lives(subject, "h.1")
        for subject in (ANNA, BEN, CAT):
            self.memory.put(StateKey(Scope.UNIT, CAR, "presence", subject), {"subject": subject, "ts": 1})
        self.memory.take_changes()

    def lives(self, subject: str, household: object) -> None:
        told = {"value": household, "ts": 0, "until": None}
        self.memory.put(StateKey(Scope.SUBJECT, subject, "fact", "household"), told)

    def offer(
        self, now: Instant, action: str = "pastry", *, to: str = ANNA, at: Unit = UNIT, slate: str = ""
    ) -> list[StateKey]:
        self.made += 1
        offer = replace(make_offer(self.made, made=now), holder=to, unit=at.id, action=action, slate=slate)
        return caps.reserve(self.memory, self.release, at, offer, self.release.actions[action])

    def objections(
        self, now: Instant, action: str = "pastry", *, to: str = ANNA, at: Unit = UNIT
    ) -> list[tuple[str, dict[str, object]]]:
        return list(Contacts(self.memory, self.release, at, to, now).objections(self.release.actions[action]))

    def reasons(self, now: Instant, action: str = "pastry", *, to: str = ANNA, at: Unit = UNIT) -> list[str]:
        return [reason for reason, _ in self.objections(now, action, to=to, at=at)]

    def used(self, now: Instant, action: str = "pastry", *, to: str = ANNA, at: Unit = UNIT) -> int:
        """Return how many count for the first cap that objects; 0 if none does."""
        found = [detail["used"] for reason, detail in self.objections(now, action, to=to, at=at) if "used" in detail]
        return int(str(found[0])) if found else 0

    def declined(self, now: Instant, *levels: str, by: str = ANNA) -> None:
        caps.declined(self.memory, self.release, by, CAR, levels, now)

    def ignored(self, *at: Instant, levels: Iterable[str] = ("pastry",), by: str = ANNA) -> None:
        for now in at:
            caps.ignored(self.memory, self.release, by, CAR, levels, now)

    def answered(self, *levels: str, by: str = ANNA) -> None:
        caps.answered(self.memory, self.release, by, CAR, levels)
