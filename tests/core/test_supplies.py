import pytest

from gateway.core import context, supplies
from gateway.core.events import Scalar
from gateway.core.state import Memory, Scope, StateKey
from gateway.testing.engines import CAR

KEY = StateKey(Scope.UNIT, CAR, "supplies")


class Tank:
    """What signals say of a unit's supplies, one message after the other."""

    def __init__(self, *messages: dict[str, Scalar]) -> None:
        self.memory, self.ts = Memory(), 0
        for message in messages:
            self.hears(message)

    def hears(self, signals: dict[str, Scalar]) -> bool:
        self.ts += 1
        return supplies.hear(self.memory, CAR, context.hear(self.memory, CAR, signals, self.ts))

    def restarts(self) -> None:
        self.memory = Memory({key: value for key, value in self.memory.entries().items() if key == KEY})

    def is_low(self) -> bool:
        return supplies.is_low(self.memory, CAR)


@pytest.mark.parametrize(
    ("path", "value", "little"),
    [
        (supplies.FLAG, True, True),
        (supplies.FLAG, False, False),
        (supplies.FLAG, 1, False),
        (supplies.LEVEL, 12, True),
        (supplies.LEVEL, 13, False),
        (supplies.LEVEL, True, False),
        (supplies.CHARGE, 12.0, True),
        (supplies.CHARGE, 12.1, False),
        (supplies.CHARGE_DISPLAYED, 0.0, True),
        (supplies.FUEL_RANGE, 49_999, True),
        (supplies.FUEL_RANGE, 50_000, False),
        (supplies.RANGE, 49_999, True),
        (supplies.RANGE, 50_000, False),
        (supplies.RANGE, "far", False),
    ],
)
def test_each_signal_says_little_at_its_bound(path: str, value: Scalar, *, little: bool) -> None:
    tank = Tank()
    assert tank.hears({path: value}) is little
    assert tank.is_low() is little


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({supplies.LEVEL: 10}, {supplies.LEVEL: 25}),
        ({supplies.CHARGE: 10.0}, {supplies.CHARGE: 25.0}),
        ({supplies.RANGE: 10_000}, {supplies.RANGE: 100_000}),
        ({supplies.FUEL_RANGE: 10_000}, {supplies.FUEL_RANGE: 100_000}),
        ({supplies.FLAG: True}, {supplies.FLAG: False}),
        ({supplies.FLAG: True, supplies.RANGE: 100_000}, {supplies.FLAG: False}),
        ({supplies.LEVEL: 12, supplies.RANGE: 99_999}, {supplies.LEVEL: 20, supplies.RANGE: 100_000}),
    ],
)
def test_there_is_enough_again_once_one_signal_says_plenty(before: dict[str, Scalar], after: dict[str, Scalar]) -> None:
    tank = Tank(before)
    assert tank.is_low()
    assert not tank.hears(after)
    assert not tank.is_low()
    assert tank.hears(before), "it may run low again"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({supplies.LEVEL: 12}, {supplies.LEVEL: 24}),
        ({supplies.RANGE: 49_999}, {supplies.RANGE: 99_999}),
        ({supplies.FLAG: True, supplies.LEVEL: 20}, {supplies.FLAG: False}),
        ({supplies.FLAG: True}, {supplies.LEVEL: 90}),
        ({supplies.LEVEL: 12, supplies.FLAG: True}, {supplies.LEVEL: 30}),
        ({supplies.RANGE: 49_999}, {supplies.LEVEL: 90}),
        ({supplies.CHARGE: 12.0}, {supplies.CHARGE: 13.0, supplies.RANGE: "far"}),
    ],
)
def test_little_that_became_a_little_more_is_not_noticed_again(
    before: dict[str, Scalar], after: dict[str, Scalar]
) -> None:
    tank = Tank(before)
    assert not tank.hears(after)
    assert tank.is_low()
    assert not tank.hears(before)


def test_running_low_is_noticed_once_however_many_signals_say_so() -> None:
    tank = Tank({supplies.LEVEL: 30})
    assert tank.hears({supplies.LEVEL: 12})
    assert not tank.hears({supplies.LEVEL: 11, supplies.FLAG: True, supplies.RANGE: 40_000})


def test_after_a_restart_it_is_not_noticed_again_and_what_said_little_still_does() -> None:
    tank = Tank({supplies.LEVEL: 10})
    tank.restarts()
    assert tank.is_low()
    assert not tank.hears({supplies.RANGE: 150_000})
    assert tank.is_low()
    assert not tank.hears({supplies.LEVEL: 60})
    assert not tank.is_low()


def test_a_hybrids_empty_battery_is_no_matter() -> None:
    tank = Tank({supplies.LEVEL: 60})
    assert not tank.hears({supplies.CHARGE: 3.0, supplies.CHARGE_DISPLAYED: 0.0})
    tank.restarts()
    assert not tank.hears({supplies.CHARGE: 3.0})
    assert tank.hears({supplies.LEVEL: 9})
    assert not tank.hears({supplies.CHARGE: 90.0, supplies.LEVEL: 13})
    assert tank.is_low(), "what the battery holds is not in the tank"


def test_a_battery_that_was_taken_for_all_there_is_counts_no_more_once_a_tank_is_known() -> None:
    tank = Tank({supplies.CHARGE: 5.0})
    assert tank.is_low()
    assert not tank.hears({supplies.LEVEL: 60})
    assert not tank.is_low()


def test_only_what_changes_is_written() -> None:
    tank = Tank({supplies.LEVEL: 50})
    assert [key for key, _ in tank.memory.take_changes()] == [KEY]
    tank.hears({supplies.LEVEL: 49, supplies.RANGE: 300_000})
    assert tank.memory.take_changes() == []
    tank.hears({supplies.LEVEL: 12})
    low = {"low": True, "tank": True, "little": [supplies.LEVEL]}
    assert tank.memory.take_changes() == [(KEY, low)]


def test_of_a_unit_that_said_nothing_nothing_is_low() -> None:
    assert not Tank().is_low()
