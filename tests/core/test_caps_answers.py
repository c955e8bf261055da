"""What answers, and their absence, keep quiet about: cool-downs, suppression, never again."""

from gateway.core import caps
from gateway.core.caps import GRACE_MS
from gateway.core.events import SESSION
from gateway.core.state import Scope, StateKey
from gateway.core.units import DAY_MS
from gateway.testing.engines import CAR
from tests.core.town import ANNA, BEN, EDGE, NOON, TILL, Town, campaign, policy


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
    assert town.objections(EDGE) == []
    assert town.memory.take_changes() == []
    town.objections(EDGE + GRACE_MS)
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
    assert town.objections(EDGE + 60_000) == []
    town.objections(EDGE + 60_000 + GRACE_MS)
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
