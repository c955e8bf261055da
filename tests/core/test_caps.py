from dataclasses import replace

import pytest

from gateway.core import caps
from gateway.core.campaign import Kind
from gateway.core.caps import GRACE_MS, Contacts
from gateway.core.events import SESSION
from gateway.core.release import compile_release
from gateway.core.state import Scope, StateKey
from gateway.core.terms import Calendar, Cap, Per
from gateway.core.units import DAY_MS, HOUR_MS
from gateway.testing.engines import CAR, an_action
from gateway.testing.samples import make_offer
from tests.core.town import ANNA, BEN, CAT, EDGE, NOON, TILL, UNIT, Town, campaign, policy

MINUTE = Cap(count=2, within_s=60)


def test_nothing_objects_before_the_first_offer() -> None:
    assert Town(campaign(policy(MINUTE))).objections(NOON) == []


def test_a_cap_objects_with_the_values_that_decide_it() -> None:
    town = Town(campaign(policy(MINUTE)))
    town.offer(NOON)
    assert town.objections(NOON) == []
    town.offer(NOON)
    detail = {"level": "pastry", "count": 2, "used": 2, "within_s": 60, "per": "subject"}
    assert town.objections(NOON) == [("cap_reached", detail)]


def test_cap_resets_at_window_edge() -> None:
    town = Town(campaign(policy(Cap(1, 60))))
    town.offer(NOON)
    assert town.used(EDGE - 1) == 1
    assert town.used(EDGE) == 0


def test_a_sliding_window_slides() -> None:
    town = Town(campaign(policy(Cap(1, 60))))
    town.offer(NOON)
    town.offer(NOON + 10_000)
    assert [town.used(EDGE - 1), town.used(EDGE), town.used(EDGE + 9_999), town.used(EDGE + 10_000)] == [2, 1, 1, 0]


def test_a_fixed_window_holds_what_was_made_since_it_began_in_local_time() -> None:
    town, midnight = Town(campaign(policy(Cap(1, each=Calendar.DAY)))), NOON + 12 * HOUR_MS
    town.offer(midnight - 1)
    detail = {"level": "pastry", "count": 1, "used": 1, "each": "day", "per": "subject"}
    assert town.objections(midnight - 1) == [("cap_reached", detail)]
    assert town.objections(midnight) == []
    assert town.used(midnight, at=replace(UNIT, utc_offset_s=-3600)) == 1
    town.offer(midnight)
    assert town.used(midnight) == 1


def test_a_contact_is_not_lost_to_an_offset_that_goes_back() -> None:
    town, midnight = Town(campaign(policy(Cap(1, each=Calendar.DAY)))), NOON + 12 * HOUR_MS
    town.offer(midnight - 1)
    assert town.used(midnight) == 0
    assert town.used(midnight, at=replace(UNIT, utc_offset_s=-3600)) == 1


def test_all_caps_of_a_level_hold() -> None:
    town = Town(campaign(policy(Cap(1, 60), Cap(2, each=Calendar.WEEK))))
    town.offer(NOON)
    town.offer(NOON)
    assert [detail.get("each") for _, detail in town.objections(NOON)] == [None, "week"]
    assert [detail.get("each") for _, detail in town.objections(EDGE)] == ["week"]


def test_each_level_counts_what_belongs_to_it() -> None:
    cap = policy(Cap(1, 60))
    town = Town(campaign(cap, group=cap, everything=cap))
    town.offer(NOON)
    assert [detail["level"] for _, detail in town.objections(NOON)] == ["pastry", "+sweet", "*"]
    assert [detail["level"] for _, detail in town.objections(NOON, "cake")] == ["+sweet", "*"]
    assert [detail["level"] for _, detail in town.objections(NOON, "tyres")] == ["*"]


def test_an_action_whose_name_begins_alike_is_another() -> None:
    own = policy(Cap(1, 60))
    actions = [replace(an_action(name), contact=own) for name in ("pastry", "pastry-large")]
    town = Town(compile_release("r", 1, [], actions, []))
    town.offer(NOON, "pastry-large")
    assert town.objections(NOON) == []


def test_a_slate_counts_once_for_what_its_offers_share_and_each_for_its_own_action() -> None:
    cap = policy(Cap(1, 60))
    town = Town(campaign(cap, group=cap, everything=cap))
    town.offer(NOON, "pastry", slate="o.1")
    town.offer(NOON, "cake", slate="o.1")
    assert [(d["level"], d["used"]) for _, d in town.objections(NOON)] == [("pastry", 1), ("+sweet", 1), ("*", 1)]
    assert [(d["level"], d["used"]) for _, d in town.objections(NOON, "cake")] == [("cake", 1), ("+sweet", 1), ("*", 1)]


def test_a_subjects_cap_counts_at_every_unit_and_a_sessions_at_its_own() -> None:
    town = Town(campaign(policy(Cap(1, 60))))
    town.offer(NOON)
    town.offer(NOON, to=SESSION)
    assert [town.used(NOON, at=TILL), town.used(NOON, to=BEN)] == [1, 0]
    assert [town.used(NOON, to=SESSION), town.used(NOON, to=SESSION, at=TILL)] == [1, 0]


def test_a_units_cap_counts_whoever_was_there_and_outlasts_them() -> None:
    town = Town(campaign(policy(Cap(2, 60, per=Per.UNIT))))
    town.offer(NOON)
    town.offer(NOON, to=SESSION)
    town.memory.forget(Scope.SESSION, CAR)
    assert [town.used(NOON, to=who) for who in (ANNA, BEN, SESSION)] == [2, 2, 2]
    assert town.used(NOON, at=TILL) == 0
    kept = {key.scope for key, _ in town.memory.take_changes()}
    assert kept == {Scope.UNIT}


def test_a_households_cap_counts_all_who_belong_to_it() -> None:
    town = Town(campaign(policy(Cap(1, 60, per=Per.HOUSEHOLD))))
    town.offer(NOON)
    detail = {"level": "pastry", "count": 1, "used": 1, "within_s": 60, "per": "household"}
    assert town.objections(NOON, to=BEN, at=TILL) == [("cap_reached", detail)]
    assert town.used(NOON) == 1
    assert town.used(NOON, to=CAT) == 0


def test_of_no_household_the_cap_counts_the_subjects_own() -> None:
    town = Town(campaign(policy(Cap(1, 60, per=Per.HOUSEHOLD))))
    town.offer(NOON, to=CAT)
    assert [town.used(NOON, to=who) for who in (CAT, ANNA)] == [1, 0]


def test_a_household_that_changes_or_is_forgotten_lets_nobody_have_more_than_the_cap() -> None:
    town = Town(campaign(policy(Cap(1, 60, per=Per.HOUSEHOLD))))
    town.offer(NOON)
    for household in ("h.2", None, 7):
        town.lives(ANNA, household)
        assert town.used(NOON) == 1
    town.lives(ANNA, "h.1")
    assert town.used(NOON) == 1


def test_a_sessions_household_is_itself() -> None:
    town = Town(campaign(policy(Cap(1, 60, per=Per.HOUSEHOLD))))
    town.offer(NOON, to=SESSION)
    assert [town.used(NOON, to=SESSION), town.used(NOON)] == [1, 0]
    assert town.memory.take_changes() == []


def test_what_is_unlimited_is_counted_nowhere() -> None:
    town = Town(campaign())
    assert [town.offer(NOON) for _ in range(20)] == [[]] * 20
    assert town.objections(NOON) == []
    assert town.memory.take_changes() == []


def test_what_was_given_back_counts_no_more_until_it_is_counted_again() -> None:
    town = Town(campaign(policy(Cap(1, 60))))
    reserved = town.offer(NOON)
    caps.give_back(town.memory, reserved)
    assert town.used(NOON) == 0
    caps.count_again(town.memory, reserved, NOON + 5)
    caps.count_again(town.memory, reserved, NOON + 9)
    assert (town.used(EDGE + 4), town.used(EDGE + 5)) == (1, 0)


def kept(town: Town, scope: Scope, owner: str) -> list[str]:
    return [item.rpartition(".")[2] for item in town.memory.group(scope, owner, "cap")]


def test_what_no_window_counts_is_kept_while_the_clock_may_be_set_back_but_no_more_than_counts() -> None:
    town = Town(campaign(policy(Cap(3, 60), Cap(2, 120, per=Per.UNIT))))
    for number in range(5):
        town.offer(NOON + number)
    town.objections(EDGE)
    assert kept(town, Scope.SUBJECT, ANNA) == kept(town, Scope.UNIT, CAR) == ["1", "2", "3", "4", "5"]
    town.objections(EDGE + 60_010)
    assert kept(town, Scope.SUBJECT, ANNA) == kept(town, Scope.UNIT, CAR) == ["3", "4", "5"]
    town.objections(NOON + 3 + GRACE_MS)
    assert kept(town, Scope.SUBJECT, ANNA) == kept(town, Scope.UNIT, CAR) == ["5"]


def test_what_a_release_counts_no_more_is_kept_a_month_lest_an_earlier_one_comes_back() -> None:
    known, ghosts = campaign(policy(Cap(1, 60))), ("ghost/o.1", "+ghost/o.2", "*/o.3", "pastry/o.4")
    town, month = Town(known), 31 * DAY_MS
    for item in ghosts:
        town.memory.put(StateKey(Scope.SUBJECT, ANNA, "cap", item), NOON)
    town.objections(NOON + month - 1)
    assert set(town.memory.group(Scope.SUBJECT, ANNA, "cap")) == set(ghosts)
    town.objections(NOON + month)
    assert set(town.memory.group(Scope.SUBJECT, ANNA, "cap")) == {"pastry/o.4"}


def test_an_owners_reservations_are_gone_through_once_a_decision() -> None:
    town = Town(campaign(policy(Cap(1, 60)), group=policy(Cap(1, 60, per=Per.HOUSEHOLD))))
    contacts = Contacts(town.memory, town.release, UNIT, ANNA, NOON)
    assert list(contacts.objections(town.release.actions["pastry"])) == []
    town.offer(NOON)
    assert list(contacts.objections(town.release.actions["pastry"])) == []


def test_objections_come_in_a_fixed_order_and_one_need_not_ask_for_all() -> None:
    rule = policy(Cap(1, 60), cool_down_s=60, ignored=1, for_s=60)
    town = Town(campaign(rule, group=rule, everything=rule))
    caps.never_again(town.memory, ANNA, CAR, "pastry", NOON)
    town.offer(NOON)
    town.declined(NOON, "pastry", "+sweet", "*")
    town.ignored(NOON, levels=["pastry", "+sweet", "*"])
    found = [(reason, detail.get("level")) for reason, detail in town.objections(NOON)]
    levels = ["pastry", "+sweet", "*"]
    of_each = [(reason, level) for reason in ("cooling_down", "suppressed", "cap_reached") for level in levels]
    assert found == [("never_again", None), *of_each]
    first = next(Contacts(town.memory, town.release, UNIT, ANNA, NOON).objections(town.release.actions["pastry"]))
    assert first == ("never_again", {})


@pytest.mark.parametrize("kind", [Kind.SERVICE, Kind.SAFETY])
def test_service_and_safety_are_never_limited_nor_counted(kind: Kind) -> None:
    rule = policy(Cap(1, 60), Cap(1, 60, per=Per.UNIT), cool_down_s=60, ignored=1, for_s=60)
    town = Town(campaign(rule, group=rule, everything=rule))
    marketing, levels = town.release.actions["pastry"], ["pastry", "+sweet", "*"]
    town.offer(NOON)
    town.declined(NOON, *levels)
    town.ignored(NOON, levels=levels)
    caps.never_again(town.memory, ANNA, CAR, "pastry", NOON)
    notice = replace(marketing, kind=kind)
    assert town.reasons(NOON)
    assert list(Contacts(town.memory, town.release, UNIT, ANNA, NOON).objections(notice)) == []
    town.memory.take_changes()
    assert caps.reserve(town.memory, town.release, UNIT, make_offer(), notice) == []
    assert town.memory.take_changes() == []


def test_a_reservation_of_an_older_ledger_counts_as_ever() -> None:
    town = Town(campaign(policy(Cap(1, 60))))
    town.memory.put(StateKey(Scope.SUBJECT, ANNA, "cap", "pastry/o.car-1.e1.9"), NOON)
    assert town.used(NOON) == 1


def test_only_what_a_slate_has_in_common_is_shared() -> None:
    town = Town(campaign(policy(MINUTE), group=policy(MINUTE), everything=policy(MINUTE)))
    assert [caps.is_shared(key) for key in town.offer(NOON)] == [False, True, True]
