from dataclasses import replace
from itertools import permutations

import pytest

from gateway.core.campaign import Kind
from gateway.core.consent import FOR_GOOD, granted, granted_until, home_of, purposes_of, record
from gateway.core.events import SESSION, ConsentChanged, Purpose
from gateway.core.state import Memory, Scope, StateKey
from gateway.testing.engines import CAR, agreement, an_action

ANNA, BEN = "s.anna", "s.ben"
DISPLAY = Purpose.OFFER_DISPLAY
NOW = 1_000


def given(
    id_: str, *supersedes: str, holder: str = ANNA, valid_until: int | None = None, unit: str = CAR
) -> ConsentChanged:
    return ConsentChanged(unit, 0, id_, holder, DISPLAY, given=True, supersedes=supersedes, valid_until=valid_until)


def withdrawn(id_: str, holder: str = ANNA, unit: str = CAR) -> ConsentChanged:
    return ConsentChanged(unit, 0, id_, holder, DISPLAY, given=False)


def after(*said: ConsentChanged) -> Memory:
    memory = Memory()
    for event in said:
        record(memory, event)
    return memory


def agrees(memory: Memory, holder: str = ANNA, *, now: int = NOW, unit: str = CAR, purpose: Purpose = DISPLAY) -> bool:
    return granted(memory, holder, unit, purpose, now)


@pytest.mark.parametrize("holder", [ANNA, SESSION])
@pytest.mark.parametrize("purpose", list(Purpose))
def test_unknown_is_denied(holder: str, purpose: Purpose) -> None:
    assert not agrees(Memory(), holder, purpose=purpose)


def test_given_is_granted() -> None:
    assert agrees(after(given("g1")))


def test_a_purpose_is_agreed_to_by_itself() -> None:
    memory = after(*agreement(ANNA, Purpose.PROFILING))
    assert {purpose for purpose in Purpose if agrees(memory, purpose=purpose)} == {Purpose.PROFILING}


def test_a_withdrawal_of_one_purpose_leaves_the_others() -> None:
    memory = after(*agreement(ANNA), withdrawn("w1"))
    assert {purpose for purpose in Purpose if not agrees(memory, purpose=purpose)} == {DISPLAY}


def test_one_person_does_not_agree_for_another() -> None:
    memory = after(given("g1"))
    assert not agrees(memory, BEN)
    assert not agrees(memory, SESSION)


def test_what_a_subject_agreed_to_holds_at_every_unit() -> None:
    assert agrees(after(given("g1", unit="till-1")), unit=CAR)


def test_what_a_session_agreed_to_holds_at_its_unit_only() -> None:
    memory = after(given("g1", holder=SESSION))
    assert agrees(memory, SESSION)
    assert not agrees(memory, SESSION, unit="car-2")


def test_withdrawn_is_denied() -> None:
    assert not agrees(after(given("g1"), withdrawn("w1")))


def test_a_given_that_names_every_withdrawal_is_granted() -> None:
    assert agrees(after(withdrawn("w1"), withdrawn("w2"), given("g1", "w1", "w2")))


def test_a_given_that_misses_one_withdrawal_is_denied() -> None:
    assert not agrees(after(withdrawn("w1"), withdrawn("w2"), given("g1", "w1")))


def test_a_withdrawal_that_names_every_withdrawal_is_still_none_given() -> None:
    assert not agrees(after(replace(withdrawn("w1"), supersedes=("w1",))))


def test_late_given_never_revives_consent() -> None:
    assert not agrees(after(withdrawn("w1"), given("g1")))


def test_withdrawal_wins_a_tie() -> None:
    for said in permutations([given("g1"), withdrawn("w1")]):
        assert not agrees(after(*said))


def test_a_given_may_name_a_withdrawal_that_arrives_after_it() -> None:
    assert agrees(after(given("g1", "w1"), withdrawn("w1")))


def test_the_order_of_arrival_does_not_matter() -> None:
    said = [given("g1"), withdrawn("w1"), given("g2", "w1"), withdrawn("w2"), given("g3", "w1", "w2")]
    states = [after(*order).entries() for order in permutations(said)]
    assert all(state == states[0] for state in states)
    assert agrees(after(*said))
    assert not agrees(after(*said[:-1]))


def test_validity_ends_at_its_very_instant() -> None:
    memory = after(given("g1", valid_until=NOW))
    assert agrees(memory, now=NOW - 1)
    assert not agrees(memory, now=NOW)


def test_one_valid_given_is_enough() -> None:
    assert agrees(after(given("g1", valid_until=1), given("g2", valid_until=NOW + 1)))


def test_what_is_said_twice_is_known() -> None:
    memory = Memory()
    assert record(memory, given("g1"))
    assert not record(memory, given("g1"))
    assert record(memory, withdrawn("w1"))
    assert not record(memory, withdrawn("w1"))


def test_repeating_a_consent_with_another_validity_extends_nothing() -> None:
    memory = after(given("g1", valid_until=NOW), given("g1", valid_until=NOW + 5))
    assert not agrees(memory, now=NOW)


@pytest.mark.parametrize("said", list(permutations([given("c1"), withdrawn("c1")])))
def test_one_id_that_is_both_given_and_withdrawn_is_withdrawn(said: tuple[ConsentChanged, ...]) -> None:
    assert not agrees(after(*said))


def test_a_consent_is_kept_as_json_in_one_form() -> None:
    memory = after(given("g1", "w2", "w1", valid_until=NOW))
    (key, value), *more = memory.take_changes()
    assert not more
    assert key[:3] == (Scope.SUBJECT, ANNA, "consent")
    assert value == {
        "purpose": "offer_display",
        "id": "g1",
        "given": True,
        "supersedes": ["w1", "w2"],
        "valid_until": NOW,
    }


def test_what_a_session_said_is_never_kept() -> None:
    memory = after(given("g1", holder=SESSION))
    assert memory.take_changes() == []
    assert memory.owners(Scope.SESSION) == [CAR]


def test_a_subject_is_at_home_with_itself_and_a_session_at_its_unit() -> None:
    assert home_of(ANNA, CAR) == (Scope.SUBJECT, ANNA)
    assert home_of(SESSION, CAR) == (Scope.SESSION, CAR)


@pytest.mark.parametrize("kind", [Kind.SERVICE, Kind.SAFETY])
def test_service_and_safety_need_no_consent(kind: Kind) -> None:
    action = replace(an_action(kind=kind, moment="FenceEntered"), model="coupon", prior=None)
    assert purposes_of(action) == ()


def test_marketing_needs_agreement_to_be_shown() -> None:
    assert purposes_of(an_action()) == (DISPLAY,)


def test_marketing_by_location_needs_agreement_to_that() -> None:
    assert purposes_of(an_action(moment="FenceEntered")) == (DISPLAY, Purpose.LOCATION_TRIGGERS)


def test_marketing_by_a_model_needs_agreement_to_profiling() -> None:
    action = replace(an_action(), model="coupon", category="bar", prior=None)
    assert purposes_of(action) == (DISPLAY, Purpose.PROFILING)
    everywhere = replace(action, triggers=an_action(moment="FenceDwelled").triggers)
    assert purposes_of(everywhere) == (DISPLAY, Purpose.LOCATION_TRIGGERS, Purpose.PROFILING)


def test_while_the_clock_is_suspect_only_what_never_ends_is_granted() -> None:
    memory = after(given("g1", valid_until=NOW + 1))
    memory.put(StateKey(Scope.UNIT, CAR, "registered"), {"time_is_sure": False})
    assert not agrees(memory)
    record(memory, given("g2"))
    assert agrees(memory)


def test_what_a_suspect_clock_made_lapse_counts_again_once_the_time_is_sure() -> None:
    memory = after(given("g1", valid_until=NOW + 1))
    memory.put(StateKey(Scope.UNIT, CAR, "registered"), {"time_is_sure": False})
    memory.put(StateKey(Scope.UNIT, CAR, "registered"), {"time_is_sure": True})
    assert agrees(memory)


@pytest.mark.parametrize(
    ("said", "until"),
    [
        ([], 0),
        ([given("g1", valid_until=NOW)], 0),
        ([given("g1", valid_until=NOW + 5)], NOW + 5),
        ([given("g1", valid_until=NOW + 5), given("g2", valid_until=NOW + 9)], NOW + 9),
        ([given("g1", valid_until=NOW + 5), given("g2")], FOR_GOOD),
        ([given("g1"), withdrawn("w1")], 0),
    ],
)
def test_it_is_granted_until_the_last_end_that_counts(said: list[ConsentChanged], until: int) -> None:
    assert granted_until(after(*said), ANNA, CAR, DISPLAY, NOW) == until
