import pytest

from gateway.core.state import DURABLE, Memory, Scope, StateKey

DRIVE = StateKey(Scope.UNIT, "car-1", "drive")
STATION = StateKey(Scope.UNIT, "car-1", "fence", "station")
MALL = StateKey(Scope.UNIT, "car-1", "fence", "mall")
SESSION_CAP = StateKey(Scope.SESSION, "car-1", "cap", "pastry/o.1")


def test_what_was_put_is_got() -> None:
    memory = Memory()
    memory.put(STATION, {"since": 1})
    assert memory.get(*STATION) == {"since": 1}


def test_an_entry_that_was_never_put_is_none() -> None:
    memory = Memory()
    memory.put(STATION, 1)
    assert memory.get(*DRIVE) is None
    assert memory.get(*MALL) is None
    assert memory.get(Scope.SUBJECT, "car-1", "fence", "station") is None


def test_a_group_holds_the_entries_of_one_name_by_item() -> None:
    memory = Memory({STATION: 1, MALL: 2, DRIVE: 3})
    assert dict(memory.group(Scope.UNIT, "car-1", "fence")) == {"station": 1, "mall": 2}
    assert dict(memory.group(Scope.UNIT, "car-2", "fence")) == {}


def test_changes_are_taken_once_and_in_order() -> None:
    memory = Memory()
    memory.put(STATION, 1)
    memory.put(DRIVE, 2)
    memory.put(STATION, 3)
    assert memory.take_changes() == [(STATION, 1), (DRIVE, 2), (STATION, 3)]
    assert memory.take_changes() == []


def test_putting_the_value_an_entry_has_changes_nothing() -> None:
    memory = Memory({STATION: {"since": 1}})
    memory.put(STATION, {"since": 1})
    assert memory.take_changes() == []


def test_a_first_value_of_none_is_a_change() -> None:
    memory = Memory()
    memory.put(STATION, None)
    assert memory.take_changes() == [(STATION, None)]


@pytest.mark.parametrize("scope", list(Scope))
def test_only_durable_scopes_note_their_changes(scope: Scope) -> None:
    memory, key = Memory(), StateKey(scope, "x", "name", "item")
    memory.put(key, 1)
    memory.drop(key)
    assert memory.take_changes() == ([(key, 1), (key, None)] if scope in DURABLE else [])


def test_sessions_and_kinematics_are_not_durable() -> None:
    assert set(Scope) - DURABLE == {Scope.SESSION, Scope.KINEMATICS}


def test_a_dropped_entry_is_gone_and_its_siblings_stay() -> None:
    memory = Memory({STATION: 1, MALL: 2})
    memory.drop(STATION)
    assert memory.entries() == {MALL: 2}
    assert memory.take_changes() == [(STATION, None)]


def test_an_owner_without_entries_is_no_owner() -> None:
    memory = Memory({STATION: 1, DRIVE: 2})
    memory.drop(STATION)
    assert memory.owners(Scope.UNIT) == ["car-1"]
    memory.drop(DRIVE)
    assert memory.owners(Scope.UNIT) == []


def test_an_entry_that_only_the_ledger_holds_can_be_dropped() -> None:
    memory = Memory()
    memory.drop(STATION)
    assert memory.take_changes() == [(STATION, None)]


def test_owners_are_sorted_whatever_the_order_they_came_in() -> None:
    memory = Memory()
    for unit in ("c", "a", "b"):
        memory.put(StateKey(Scope.UNIT, unit, "drive"), 1)
    assert memory.owners(Scope.UNIT) == ["a", "b", "c"]


def test_loaded_entries_are_known_but_no_change() -> None:
    memory = Memory()
    memory.load({STATION: 1})
    assert memory.get(*STATION) == 1
    assert memory.take_changes() == []


def test_a_memory_takes_no_hold_of_the_mapping_it_was_made_from() -> None:
    entries: dict[StateKey, object] = {STATION: 1}
    memory = Memory(entries)
    memory.put(STATION, 2)
    assert entries == {STATION: 1}


def test_forgetting_an_owner_deletes_nothing_in_the_ledger() -> None:
    anna, ben = StateKey(Scope.SUBJECT, "s.anna", "fact", "vip"), StateKey(Scope.SUBJECT, "s.ben", "fact", "vip")
    memory = Memory({anna: True, ben: True})
    memory.forget(Scope.SUBJECT, "s.anna")
    assert memory.entries() == {ben: True}
    assert memory.take_changes() == []


def test_forgetting_an_unknown_owner_is_no_error() -> None:
    memory = Memory({STATION: 1})
    memory.forget(Scope.UNIT, "car-2")
    assert memory.entries() == {STATION: 1}


def test_entries_come_in_one_order_whatever_the_order_they_were_put_in() -> None:
    keys = [MALL, STATION, DRIVE, SESSION_CAP]
    forwards, backwards = Memory(dict.fromkeys(keys, 1)), Memory(dict.fromkeys(reversed(keys), 1))
    assert list(forwards.entries()) == list(backwards.entries()) == [DRIVE, MALL, STATION, SESSION_CAP]


def test_a_memory_made_of_entries_has_these_entries() -> None:
    memory = Memory({STATION: {"since": 1}, SESSION_CAP: 2})
    assert Memory(memory.entries()).entries() == memory.entries()


def test_kinematics_are_written_in_place_and_never_noted() -> None:
    memory = Memory()
    memory.kinematics("car-1", "fix")["last"] = (1, 2.0)
    assert memory.get(Scope.KINEMATICS, "car-1", "fix", "last") == (1, 2.0)
    assert memory.kinematics("car-1", "fix") == {"last": (1, 2.0)}
    assert memory.take_changes() == []


def test_kinematics_that_hold_nothing_are_no_entries() -> None:
    memory = Memory()
    memory.kinematics("car-1", "fix")
    assert memory.entries() == {}


def test_entries_are_ordered_by_owner_within_their_scope() -> None:
    later, earlier = StateKey(Scope.UNIT, "car-2", "a"), StateKey(Scope.UNIT, "car-1", "b")
    assert list(Memory({later: 1, earlier: 1}).entries()) == [earlier, later]
