from gateway.core.effects import EventIgnored, EventRefused, StateChanged
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.timers import Agenda
from gateway.core.turn import Turn
from gateway.testing.engines import a_release

KEY = StateKey(Scope.UNIT, "car-1", "drive")


def test_changes_of_state_stand_before_all_other_effects() -> None:
    turn = Turn(Memory(), Agenda(), a_release(), 5)
    ignored, refused = EventIgnored("car-1", 5, "late_fix"), EventRefused("car-1", 5, "unknown_offer")
    turn.emit([ignored])
    turn.memory.put(KEY, "parked")
    turn.emit([refused])
    turn.memory.drop(KEY)
    assert turn.finish() == [StateChanged(KEY, "parked"), StateChanged(KEY, None), ignored, refused]


def test_a_turn_in_which_nothing_happened_has_no_effects() -> None:
    assert Turn(Memory({KEY: "parked"}), Agenda(), a_release(), 5).finish() == []


def test_changes_are_in_the_effects_of_one_turn_only() -> None:
    memory = Memory()
    memory.put(KEY, "parked")
    assert Turn(memory, Agenda(), a_release(), 5).finish() == [StateChanged(KEY, "parked")]
    assert Turn(memory, Agenda(), a_release(), 6).finish() == []
