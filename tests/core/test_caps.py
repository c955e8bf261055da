from dataclasses import replace

import pytest

from gateway.core import caps
from gateway.core.campaign import UNLIMITED, Cap, ContactPolicy, Kind
from gateway.core.events import SESSION
from gateway.core.state import Memory, Scope, StateKey
from gateway.testing.engines import CAR, an_action

ANNA, BEN = "s.anna", "s.ben"
PASTRY = replace(an_action("pastry"), contact=ContactPolicy((Cap(count=2, within_s=60),)))
MADE = 1_000_000
EDGE = MADE + 60_000


def reserved(*reservations: tuple[str, int], holder: str = ANNA, action: str = "pastry") -> Memory:
    memory = Memory()
    for offer, at in reservations:
        caps.reserve(memory, holder, CAR, action, offer, at)
    memory.take_changes()
    return memory


def test_nothing_is_used_before_the_first_offer() -> None:
    assert caps.used(Memory(), ANNA, CAR, PASTRY, MADE) == 0


def test_a_reservation_counts_from_the_instant_it_is_made() -> None:
    assert caps.used(reserved(("o.1", MADE)), ANNA, CAR, PASTRY, MADE) == 1


def test_cap_resets_at_window_edge() -> None:
    assert caps.used(reserved(("o.1", MADE)), ANNA, CAR, PASTRY, EDGE - 1) == 1
    assert caps.used(reserved(("o.1", MADE)), ANNA, CAR, PASTRY, EDGE) == 0


def test_the_window_slides() -> None:
    memory = reserved(("o.1", MADE), ("o.2", MADE + 10_000))
    assert caps.used(memory, ANNA, CAR, PASTRY, EDGE - 1) == 2
    assert caps.used(memory, ANNA, CAR, PASTRY, EDGE) == 1
    assert caps.used(memory, ANNA, CAR, PASTRY, EDGE + 10_000) == 0


def test_what_has_passed_is_deleted_and_what_counts_stays() -> None:
    memory = reserved(("o.1", MADE), ("o.2", MADE + 1))
    caps.used(memory, ANNA, CAR, PASTRY, EDGE)
    assert memory.take_changes() == [(StateKey(Scope.SUBJECT, ANNA, "cap", "pastry/o.1"), None)]
    assert dict(memory.group(Scope.SUBJECT, ANNA, "cap")) == {"pastry/o.2": MADE + 1}


def test_an_action_whose_name_begins_alike_is_another() -> None:
    memory = reserved(("o.1", MADE), action="pastry-large")
    assert caps.used(memory, ANNA, CAR, PASTRY, MADE) == 0


def test_each_holder_has_a_cap_of_its_own() -> None:
    memory = reserved(("o.1", MADE))
    assert caps.used(memory, BEN, CAR, PASTRY, MADE) == 0
    assert caps.used(memory, SESSION, CAR, PASTRY, MADE) == 0


def test_a_subjects_cap_counts_at_every_unit_and_a_sessions_at_its_own() -> None:
    assert caps.used(reserved(("o.1", MADE)), ANNA, "till-1", PASTRY, MADE) == 1
    session = reserved(("o.1", MADE), holder=SESSION)
    assert caps.used(session, SESSION, CAR, PASTRY, MADE) == 1
    assert caps.used(session, SESSION, "till-1", PASTRY, MADE) == 0


def test_a_released_reservation_counts_no_more() -> None:
    memory = reserved(("o.1", MADE), ("o.2", MADE))
    caps.release(memory, ANNA, CAR, "pastry", "o.1")
    assert caps.used(memory, ANNA, CAR, PASTRY, MADE) == 1
    assert memory.take_changes() == [(StateKey(Scope.SUBJECT, ANNA, "cap", "pastry/o.1"), None)]


@pytest.mark.parametrize("kind", [Kind.SERVICE, Kind.SAFETY])
def test_service_and_safety_are_never_capped(kind: Kind) -> None:
    action = replace(an_action("pastry", kind=kind), contact=ContactPolicy((Cap(count=1, within_s=60),)))
    assert caps.cap_of(action) is None
    assert caps.used(reserved(("o.1", MADE)), ANNA, CAR, action, MADE) == 0


def test_marketing_is_bound_by_the_cap_it_states() -> None:
    assert caps.cap_of(PASTRY) == Cap(count=2, within_s=60)
    assert caps.cap_of(replace(PASTRY, contact=UNLIMITED)) is None


def test_never_again_is_for_good_for_this_action_and_holder_only() -> None:
    memory = Memory()
    caps.never_again(memory, ANNA, CAR, "pastry", MADE)
    assert "pastry" in caps.refused_for_good(memory, ANNA, CAR)
    assert "pastry" in caps.refused_for_good(memory, ANNA, "till-1")
    assert "coffee" not in caps.refused_for_good(memory, ANNA, CAR)
    assert "pastry" not in caps.refused_for_good(memory, BEN, CAR)
    assert memory.take_changes() == [(StateKey(Scope.SUBJECT, ANNA, "never", "pastry"), MADE)]


def test_a_sessions_never_again_is_not_kept() -> None:
    memory = Memory()
    caps.never_again(memory, SESSION, CAR, "pastry", MADE)
    assert "pastry" in caps.refused_for_good(memory, SESSION, CAR)
    assert "pastry" not in caps.refused_for_good(memory, SESSION, "car-2")
    assert memory.take_changes() == []
