from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import caps
from gateway.core.calendar import window_start
from gateway.core.campaign import UNLIMITED, Action, Calendar, Cap, ContactPolicy, Group, Kind, Per, Suppression
from gateway.core.caps import Contacts
from gateway.core.context import Unit
from gateway.core.events import SESSION, UnitKind
from gateway.core.release import Release, compile_release
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.units import DAY_MS, HOUR_MS, Instant
from gateway.testing.engines import CAR, an_action
from gateway.testing.samples import make_offer

ANNA, BEN, CAT = "s.anna", "s.ben", "s.cat"
UNIT = Unit(CAR, UnitKind.CAR, ("driver_screen",), "en", contextual_offers=True, utc_offset_s=0)
TILL = replace(UNIT, id="till-1", kind=UnitKind.KIOSK)
NOON = 20_000 * DAY_MS + 12 * HOUR_MS
MINUTE = Cap(count=2, within_s=60)
EDGE = NOON + 60_000
WEEK_S = 7 * 24 * 3600


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


def test_what_no_window_counts_any_longer_is_deleted_and_what_counts_stays() -> None:
    town = Town(campaign(policy(Cap(3, 60), Cap(5, 120, per=Per.UNIT))))
    town.offer(NOON)
    town.offer(NOON + 1)
    town.memory.take_changes()
    town.objections(EDGE)
    assert town.memory.take_changes() == []
    town.objections(EDGE + 60_000)
    gone = "pastry/o.car-1.e1.1"
    assert town.memory.take_changes() == [
        (StateKey(Scope.SUBJECT, ANNA, "cap", gone), None),
        (StateKey(Scope.UNIT, CAR, "cap", gone), None),
    ]


def test_what_a_release_counts_no_more_is_kept_a_month_lest_an_earlier_one_comes_back() -> None:
    known, ghosts = campaign(policy(Cap(1, 60))), ("ghost/o.1", "+ghost/o.2", "*/o.3", "pastry/o.4")
    town, month = Town(known), 31 * DAY_MS
    for item in ghosts:
        town.memory.put(StateKey(Scope.SUBJECT, ANNA, "cap", item), NOON)
    town.objections(NOON + month - 1)
    assert set(town.memory.group(Scope.SUBJECT, ANNA, "cap")) == set(ghosts[:3])
    town.objections(NOON + month)
    assert dict(town.memory.group(Scope.SUBJECT, ANNA, "cap")) == {}


def test_an_owners_reservations_are_gone_through_once_a_decision() -> None:
    town = Town(campaign(policy(Cap(1, 60)), group=policy(Cap(1, 60, per=Per.HOUSEHOLD))))
    contacts = Contacts(town.memory, town.release, UNIT, ANNA, NOON)
    assert list(contacts.objections(town.release.actions["pastry"])) == []
    town.offer(NOON)
    assert list(contacts.objections(town.release.actions["pastry"])) == []


def test_a_cool_down_begins_with_a_decline_and_ends_at_its_very_end() -> None:
    town = Town(campaign(policy(cool_down_s=60)))
    town.declined(NOON, "pastry", "+sweet", "*")
    detail = {"level": "pastry", "cool_down_s": 60, "until": EDGE}
    assert town.objections(EDGE - 1) == [("cooling_down", detail)]
    assert town.objections(EDGE - 1, "cake") == []
    assert town.objections(EDGE - 1, to=BEN) == []
    assert town.objections(EDGE) == []


def test_a_cool_down_of_a_group_or_of_everything_keeps_quiet_about_all_of_it() -> None:
    town = Town(campaign(group=policy(cool_down_s=60), everything=policy(cool_down_s=30)))
    town.declined(NOON, "pastry", "+sweet", "*")
    assert [detail["level"] for _, detail in town.objections(NOON, "cake")] == ["+sweet", "*"]
    assert [detail["level"] for _, detail in town.objections(NOON, "tyres")] == ["*"]
    assert town.reasons(NOON + 30_000, "cake") == ["cooling_down"]


def test_a_decline_is_kept_only_where_it_cools_down_and_let_go_when_that_is_over() -> None:
    town = Town(campaign(policy(cool_down_s=60)))
    town.declined(NOON, "pastry", "+sweet", "*", "ghost")
    key = StateKey(Scope.SUBJECT, ANNA, "declined", "pastry")
    assert town.memory.take_changes() == [(key, NOON)]
    town.objections(EDGE)
    assert town.memory.take_changes() == [(key, None)]


def test_so_many_ignored_in_a_row_suppress_for_as_long_as_is_said() -> None:
    town = Town(campaign(policy(ignored=2, for_s=60)))
    town.ignored(NOON - 5)
    assert town.objections(NOON) == []
    town.ignored(NOON)
    detail = {"level": "pastry", "ignored": 2, "until": EDGE}
    assert town.objections(EDGE - 1) == [("suppressed", detail)]
    assert town.objections(EDGE - 1, "cake") == town.objections(EDGE - 1, to=BEN) == []
    assert town.objections(EDGE) == []


def test_after_a_suppression_it_starts_afresh() -> None:
    town = Town(campaign(policy(ignored=2, for_s=60)))
    town.ignored(NOON, NOON, EDGE)
    assert town.objections(EDGE) == []
    town.ignored(EDGE)
    assert town.reasons(EDGE) == ["suppressed"]
    town.objections(EDGE + 60_000)
    assert dict(town.memory.group(Scope.SUBJECT, ANNA, "ignored")) == {}


def test_what_is_ignored_while_suppressed_counts_on() -> None:
    town = Town(campaign(policy(ignored=2, for_s=60)))
    town.ignored(NOON, NOON, NOON + 1_000)
    assert town.objections(NOON)[0][1] == {"level": "pastry", "ignored": 3, "until": EDGE + 1_000}


def test_an_answer_begins_the_row_anew_at_its_levels() -> None:
    levels = ("pastry", "+sweet", "*")
    rule = policy(ignored=2, for_s=60)
    town = Town(campaign(rule, group=rule, everything=rule))
    town.ignored(NOON, NOON, levels=levels)
    town.answered("cake", "+sweet")
    assert [detail["level"] for _, detail in town.objections(NOON)] == ["pastry", "*"]
    town.ignored(NOON, levels=["+sweet"])
    assert [detail["level"] for _, detail in town.objections(NOON)] == ["pastry", "*"]


def test_a_decline_is_an_answer_too() -> None:
    town = Town(campaign(policy(ignored=1, for_s=60, cool_down_s=30)))
    town.ignored(NOON)
    town.declined(NOON, "pastry")
    assert town.reasons(NOON) == ["cooling_down"]


def test_ignoring_is_kept_only_where_it_suppresses() -> None:
    town = Town(campaign(policy(ignored=1, for_s=60)))
    town.ignored(NOON, levels=["+sweet", "*", "ghost"])
    assert town.memory.take_changes() == []


def test_an_answer_of_one_who_is_here_and_ignored_nothing_changes_nothing() -> None:
    town = Town(campaign(policy(ignored=1, for_s=60)))
    town.answered("pastry", "+sweet", "ghost")
    assert town.memory.take_changes() == []


def test_an_answer_of_one_who_has_left_is_taken_to_the_ledger() -> None:
    town = Town(campaign(policy(ignored=1, for_s=60)))
    town.answered("pastry", "+sweet", "ghost", by="s.gone")
    told = [StateKey(Scope.SUBJECT, "s.gone", "ignored", level) for level in ("pastry", "ghost")]
    assert town.memory.take_changes() == [(key, None) for key in told]


def test_never_again_is_for_good_for_this_action_and_holder_only() -> None:
    town = Town(campaign())
    caps.never_again(town.memory, ANNA, CAR, "pastry", NOON)
    assert town.objections(NOON + 10_000 * DAY_MS) == [("never_again", {})]
    assert town.objections(NOON, at=TILL) == [("never_again", {})]
    assert town.objections(NOON, "cake") == town.objections(NOON, to=BEN) == []
    assert town.memory.take_changes() == [(StateKey(Scope.SUBJECT, ANNA, "never", "pastry"), NOON)]


def test_what_a_session_said_is_not_kept() -> None:
    town = Town(campaign(policy(cool_down_s=60, ignored=1, for_s=60)))
    caps.never_again(town.memory, SESSION, CAR, "pastry", NOON)
    town.ignored(NOON, by=SESSION)
    town.declined(NOON, "pastry", by=SESSION)
    town.ignored(NOON, by=SESSION)
    assert town.reasons(NOON, to=SESSION) == ["never_again", "cooling_down", "suppressed"]
    assert town.objections(NOON, to=SESSION, at=TILL) == []
    assert town.memory.take_changes() == []


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


# Windows against the list of all that was ever said: the plainest account there is.

COUNTS, PERS = st.integers(1, 2), st.sampled_from(Per)
LENGTHS_S = [1, 3600, 12 * 3600, 24 * 3600, WEEK_S]
CAPS = st.one_of(
    st.builds(Cap, COUNTS, within_s=st.sampled_from(LENGTHS_S), per=PERS),
    st.builds(Cap, COUNTS, each=st.sampled_from(Calendar), per=PERS),
)
POLICIES = st.lists(CAPS, max_size=2).map(lambda chosen: ContactPolicy(tuple(chosen)))
RELEASES = st.builds(
    lambda cap, own, group, everything: campaign(
        replace(own, caps=(cap, *own.caps)), group=group, everything=everything
    ),
    CAPS,
    *[POLICIES] * 3,
)
# Onto an edge, or a millisecond before or after it: time begins at noon.
LATER_MS = st.builds(
    lambda length_s, around: length_s * 1000 + around, st.sampled_from([1, *LENGTHS_S]), st.sampled_from([-1, 0, 0, 1])
) | st.just(0)
HOMES = {ANNA: "h.1", BEN: "h.1", CAT: None, SESSION: None}


@dataclass(frozen=True)
class Try:
    later_ms: int
    action: str
    to: str
    unit: Unit
    is_shown: bool


TRIES = st.lists(
    st.builds(
        Try,
        LATER_MS,
        st.sampled_from(["pastry", "pastry", "cake", "tyres"]),
        st.sampled_from([ANNA, *HOMES]),
        st.builds(replace, st.sampled_from([UNIT, TILL]), utc_offset_s=st.sampled_from([0, 0, 3600, -43_200])),
        st.integers(0, 5).map(bool),
    ),
    min_size=4,
    max_size=20,
)


@dataclass(frozen=True)
class Contact:
    at: Instant
    to: str
    unit: str
    levels: tuple[str, ...]


def counted(contact: Contact, level: str, cap: Cap, asked: Try, now: Instant) -> bool:
    """Return whether a cap counts a contact: the oracle."""
    same_person = contact.to == asked.to and (asked.to != SESSION or contact.unit == asked.unit.id)
    household = HOMES[asked.to]
    whose = {
        Per.UNIT: contact.unit == asked.unit.id,
        Per.SUBJECT: same_person,
        Per.HOUSEHOLD: same_person or (household is not None and HOMES[contact.to] == household),
    }
    if cap.each is None:
        in_window = now - contact.at < cap.within_s * 1000
    else:
        in_window = contact.at >= window_start(cap.each, now, asked.unit.utc_offset_s)
    return level in contact.levels and whose[cap.per] and in_window


def full(release: Release, action: Action, contacts: list[Contact], asked: Try, now: Instant) -> list[tuple[str, int]]:
    return [
        (level, used)
        for level, rule in release.levels(action)
        for cap in rule.caps
        if (used := sum(counted(contact, level, cap, asked, now) for contact in contacts)) >= cap.count
    ]


@settings(max_examples=400)
@given(RELEASES, TRIES)
def test_never_over_a_cap_at_any_window_edge(release: Release, tries: list[Try]) -> None:
    town, contacts, now = Town(release), list[Contact](), NOON
    for asked in tries:
        now += asked.later_ms
        action = release.actions[asked.action]
        objections = town.objections(now, asked.action, to=asked.to, at=asked.unit)
        expected = full(release, action, contacts, asked, now)
        assert [(detail["level"], detail["used"]) for _, detail in objections] == expected
        if objections:
            continue
        reserved = town.offer(now, asked.action, to=asked.to, at=asked.unit)
        if asked.is_shown:
            levels = tuple(level for level, _ in release.levels(action))
            contacts.append(Contact(now, asked.to, asked.unit.id, levels))
        else:
            caps.give_back(town.memory, reserved)
