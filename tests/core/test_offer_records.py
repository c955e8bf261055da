from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.core import offer_records, offers
from gateway.core.campaign import Action, Kind
from gateway.core.context import Unit
from gateway.core.effects import Offer, OfferedReward, OutcomeRecorded
from gateway.core.events import SESSION, Outcome, OutcomeReported, UnitKind
from gateway.core.offer_records import MADE
from gateway.core.release import compile_release
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.terms import Budget, Calendar, Cap, ContactPolicy, Group, Per, Suppression
from gateway.core.timers import Agenda
from gateway.core.turn import Turn
from gateway.testing.engines import CAR, an_action
from gateway.testing.samples import T0, VALID_MS, make_offer

ANNA = "s.1"  # the holder of the sample offer
UNIT = Unit(CAR, UnitKind.CAR, ("driver_screen",), "en", contextual_offers=True, utc_offset_s=3600)
HOURLY = ContactPolicy((Cap(1, 3600), Cap(1, 3600, per=Per.UNIT)), cool_down_s=60, suppression=Suppression(1, 60))
PASTRY = replace(an_action("pastry"), contact=HOURLY, group="sweet", budget=Budget(1000, Calendar.DAY))
CAKE = replace(an_action("cake"), contact=HOURLY, group="sweet")
COUPON = OfferedReward("coupon", "2.50 EUR off", cost_cents=250, currency="EUR")
NOW = T0 + 1_000
MIDNIGHT = 1_699_916_400_000  # where the unit is: 2023-11-14T00:00:00+01:00


class Counter:
    """A unit with Anna before it, in a release that limits its actions at every level."""

    def __init__(self) -> None:
        self.memory = Memory({StateKey(Scope.UNIT, CAR, "presence", "driver"): {"subject": ANNA, "ts": 1}})
        actions, groups = [PASTRY, CAKE], [Group("sweet", HOURLY)]
        self.release = compile_release("r", 1, [], actions, [], groups=groups, contact=HOURLY)
        self.agenda = Agenda()

    def turn(self, now: int = NOW) -> Turn:
        return Turn(self.memory, self.agenda, self.release, now)

    def offer(self, number: int = 1, action: Action = PASTRY, *, holder: str = ANNA, slate: str = "") -> str:
        reward = COUPON if action.budget else None
        offer = replace(make_offer(number), action=action.id, kind=action.kind, holder=holder, slate=slate)
        offers.make(self.turn(T0), UNIT, replace(offer, reward=reward), action)
        return offer.id

    def told(self, offer: str, *outcomes: Outcome) -> None:
        for outcome in outcomes:
            answer = offers.advance(self.turn(), OutcomeReported(CAR, NOW, "r1", offer, outcome))
            assert not isinstance(answer, str)

    def withdraw(self, *which: str) -> None:
        wanted = [(name, dict(record)) for name, record in offer_records.records(self.memory, CAR) if name in which]
        offers.withdraw(self.memory, NOW, "outranked", lambda record: any(record == known for _, known in wanted))

    def record(self, offer: str) -> Mapping[str, Any]:
        record = offer_records.find(self.memory, offer)
        assert record is not None
        return record

    def reserved(self, scope: Scope = Scope.SUBJECT, owner: str = ANNA) -> list[str]:
        return sorted(self.memory.group(scope, owner, "cap"))


def test_an_unknown_offer_is_not_found() -> None:
    assert offer_records.find(Memory(), "o.1") is None


def test_an_offer_is_found_at_whichever_unit_it_was_made_live_or_ended() -> None:
    counter = Counter()
    first, second = counter.offer(1), counter.offer(2, CAKE)
    counter.memory.load({StateKey(Scope.OFFER, "bus-1", "live", "o.bus-1"): {"unit": "bus-1"}})
    counter.told(first, Outcome.DECLINED)
    assert [counter.record(offer)["action"] for offer in (first, second)] == ["pastry", "cake"]
    assert offer_records.find(counter.memory, "o.unknown") is None


def test_a_record_says_what_its_offer_holds() -> None:
    counter = Counter()
    offer = counter.offer()
    record = counter.record(offer)
    assert record["state"] == MADE
    assert record["levels"] == ["pastry", "+sweet", "*"]
    items = [f"{level}/{offer}" for level in record["levels"]]
    assert record["reserved"] == [where for item in items for where in (["subject", ANNA, item], ["unit", CAR, item])]
    assert (record["spent_cents"], record["spent_opened"], record["slate"]) == (250, MIDNIGHT, "")


def test_what_holds_nothing_says_so() -> None:
    counter = Counter()
    record = counter.record(counter.offer(action=replace(CAKE, kind=Kind.SERVICE)))
    assert [record[name] for name in ("levels", "reserved", "spent_cents", "spent_opened")] == [[], [], 0, None]


def test_an_ended_offer_is_kept_apart_from_the_live_ones() -> None:
    counter = Counter()
    first, second = counter.offer(1), counter.offer(2, CAKE)
    counter.told(first, Outcome.DECLINED)
    assert list(counter.memory.group(Scope.OFFER, CAR, "live")) == [second]
    assert list(counter.memory.group(Scope.OFFER, CAR, "ended")) == [first]
    assert [offer for offer, _ in offer_records.records(counter.memory, CAR)] == [second, first]


def test_an_offer_that_nobody_was_shown_gives_back_all_it_holds() -> None:
    counter = Counter()
    counter.withdraw(counter.offer())
    assert counter.reserved() == counter.reserved(Scope.UNIT, CAR) == []
    assert counter.memory.get(Scope.ENGINE, "", "spent", "pastry") == {"opened": MIDNIGHT, "cents": 0}


def test_what_was_shown_after_all_is_held_again() -> None:
    counter = Counter()
    offer = counter.offer()
    counter.withdraw(offer)
    counter.told(offer, Outcome.SEEN)
    assert (
        counter.reserved()
        == counter.reserved(Scope.UNIT, CAR)
        == [f"{level}/{offer}" for level in ("*", "+sweet", "pastry")]
    )
    assert counter.memory.get(Scope.SUBJECT, ANNA, "cap", f"pastry/{offer}") == NOW
    assert counter.memory.get(Scope.ENGINE, "", "spent", "pastry") == {"opened": MIDNIGHT, "cents": 250}


def test_what_an_ended_session_was_shown_counts_for_its_unit_and_not_for_the_next_session() -> None:
    counter = Counter()
    offer = counter.offer(holder=SESSION)
    counter.withdraw(offer)
    offers.orphan(counter.memory, CAR)
    counter.told(offer, Outcome.PRESENTED)
    assert counter.reserved(Scope.SESSION, CAR) == []
    assert counter.reserved(Scope.UNIT, CAR) == [f"{level}/{offer}" for level in ("*", "+sweet", "pastry")]


def of_slate(counter: Counter) -> tuple[str, str]:
    return counter.offer(1, slate="o.car-1.e1.1"), counter.offer(2, CAKE, slate="o.car-1.e1.1")


SHARED = ["*/o.car-1.e1.1", "+sweet/o.car-1.e1.1"]


def test_a_slate_holds_one_contact_together_and_one_for_each_action() -> None:
    counter = Counter()
    first, second = of_slate(counter)
    assert counter.reserved() == counter.reserved(Scope.UNIT, CAR) == [*SHARED, f"cake/{second}", f"pastry/{first}"]


def test_of_a_slate_what_is_shared_is_given_back_with_the_last_of_it() -> None:
    counter = Counter()
    first, second = of_slate(counter)
    counter.withdraw(first)
    assert counter.reserved() == [*SHARED, f"cake/{second}"]
    counter.told(second, Outcome.EXPIRED)
    assert counter.reserved() == counter.reserved(Scope.UNIT, CAR) == []


@pytest.mark.parametrize("end", [Outcome.ACCEPTED, Outcome.DECLINED, Outcome.EXPIRED])
def test_of_a_slate_what_is_shared_stays_if_any_of_it_was_presented(end: Outcome) -> None:
    counter = Counter()
    first, second = of_slate(counter)
    counter.told(first, Outcome.PRESENTED, end)
    counter.withdraw(second)
    assert counter.reserved() == [*SHARED, f"pastry/{first}"]


def test_of_a_slate_that_was_shown_after_all_the_contact_is_held_again_once() -> None:
    counter = Counter()
    first, second = of_slate(counter)
    counter.withdraw(first, second)
    counter.told(first, Outcome.PRESENTED)
    counter.told(second, Outcome.PRESENTED)
    assert counter.reserved() == [*SHARED, f"cake/{second}", f"pastry/{first}"]


def test_only_the_offers_of_the_same_slate_stand_beside_an_offer() -> None:
    counter = Counter()
    first, second = of_slate(counter)
    alone = counter.offer(3)
    beside = [counter.record(second)]
    assert offer_records.beside(counter.memory, first, counter.record(first)) == beside
    assert offer_records.beside(counter.memory, alone, counter.record(alone)) == []


# A ledger of schema version 2 knows nothing of slates, levels, reservations and money.


def of_older_ledger(counter: Counter, *, capped: bool = True, kind: Kind = Kind.MARKETING) -> str:
    offer: Offer = make_offer(9)
    record = {
        "unit": CAR,
        "holder": ANNA,
        "action": "pastry",
        "kind": kind.value,
        "placement": "driver_screen",
        "purposes": ["offer_display"],
        "state": MADE,
        "presented": False,
        "orphaned": False,
        "closed": False,
        "capped": capped,
        "parked_only": False,
        "personal": False,
        "closes": T0 + VALID_MS,
        "redeem_within_s": 600,
    }
    entries: dict[StateKey, object] = {StateKey(Scope.OFFER, CAR, "live", offer.id): record}
    if capped:
        entries[StateKey(Scope.SUBJECT, ANNA, "cap", f"pastry/{offer.id}")] = T0
    counter.memory.load(entries)
    return offer.id


@pytest.mark.parametrize("capped", [True, False])
def test_an_offer_of_an_older_ledger_gives_back_its_cap_and_takes_it_again(*, capped: bool) -> None:
    counter = Counter()
    offer = of_older_ledger(counter, capped=capped)
    held = counter.reserved()
    assert held == ([f"pastry/{offer}"] if capped else [])
    counter.withdraw(offer)
    assert counter.reserved() == []
    counter.told(offer, Outcome.PRESENTED)
    assert counter.reserved() == held


def test_an_offer_of_an_older_ledger_is_declined_for_its_action_and_for_everything() -> None:
    counter = Counter()
    counter.told(of_older_ledger(counter), Outcome.DECLINED)
    assert sorted(counter.memory.group(Scope.SUBJECT, ANNA, "declined")) == ["*", "pastry"]


def test_a_service_of_an_older_ledger_limits_nothing_when_it_is_declined() -> None:
    counter = Counter()
    counter.told(of_older_ledger(counter, capped=False, kind=Kind.SERVICE), Outcome.DECLINED)
    assert sorted(counter.memory.group(Scope.SUBJECT, ANNA, "declined")) == []


def test_an_offer_of_an_older_ledger_lives_its_life() -> None:
    counter = Counter()
    offer = of_older_ledger(counter)
    counter.told(offer, Outcome.PRESENTED, Outcome.SEEN, Outcome.ACCEPTED, Outcome.REDEEMED)
    assert offers.close(counter.turn(), offer) == (None, [])
    assert offers.close(counter.turn(), offer) == (None, [])
    assert offer_records.find(counter.memory, offer) is None


def test_an_offer_of_an_older_ledger_expires_as_ignored() -> None:
    counter = Counter()
    offer = of_older_ledger(counter)
    counter.told(offer, Outcome.PRESENTED)
    expired, noticed = offers.close(counter.turn(), offer)
    assert expired == OutcomeRecorded("", offer, CAR, NOW, Outcome.EXPIRED, "")
    assert [type(moment).__name__ for moment in noticed] == ["OfferIgnored"]
    assert sorted(counter.memory.group(Scope.SUBJECT, ANNA, "ignored")) == ["*", "pastry"]
