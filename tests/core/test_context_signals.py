"""How signals are heard: the newest wins, and what decides much is kept."""

from collections.abc import Mapping

import pytest

from gateway.core import context
from gateway.core.events import Scalar
from gateway.core.state import Memory, Scope, StateKey
from gateway.testing.engines import CAR

SEATS = "Vehicle.Cabin.Seat.Row{}.{}.OccupancyStatus"
TYRE = "Vehicle.Chassis.Axle.Row{}.Wheel.{}.Tire.{}"
TEMPERATURE = "Vehicle.Exterior.AirTemperature"
GEAR = "Vehicle.Powertrain.Transmission.SelectedGear"


def heard(*reports: tuple[int, Mapping[str, Scalar]]) -> Memory:
    memory = Memory()
    for ts, signals in reports:
        context.hear(memory, CAR, signals, ts)
    return memory


@pytest.mark.parametrize("path", [TEMPERATURE, GEAR])
def test_the_newest_signal_wins_path_by_path(path: str) -> None:
    memory = heard((10, {path: 3}), (9, {path: 7}))
    assert context.signal(memory, CAR, path) == 3
    assert context.hear(memory, CAR, {path: 5}, 10) == {path: 5}
    assert context.signal(memory, CAR, path) == 5


def test_of_a_late_message_only_what_is_news_counts() -> None:
    memory = heard((10, {TEMPERATURE: 3.0}))
    late = {"Vehicle.Speed": 9.0, TEMPERATURE: 7.0, GEAR: 126}
    assert context.hear(memory, CAR, late, 9) == {"Vehicle.Speed": 9.0, GEAR: 126}
    assert context.signal(memory, CAR, TEMPERATURE) == 3.0
    assert context.signal(memory, CAR, GEAR) == 126


@pytest.mark.parametrize(("ts", "counts"), [(4, False), (5, True), (7, True)])
def test_each_path_of_a_late_message_is_judged_by_itself(ts: int, *, counts: bool) -> None:
    memory = heard((10, {TEMPERATURE: 3.0}), (5, {GEAR: 0}))
    newer = context.hear(memory, CAR, {TEMPERATURE: 7.0, GEAR: 126}, ts)
    assert newer == ({GEAR: 126} if counts else {})
    assert context.signal(memory, CAR, GEAR) == (126 if counts else 0)


def test_a_signal_that_says_nothing_new_counts_as_heard() -> None:
    assert context.hear(heard((10, {GEAR: 126})), CAR, {GEAR: 126}, 11) == {GEAR: 126}


def test_a_signal_never_heard_is_none() -> None:
    assert context.signal(Memory(), CAR, TEMPERATURE) is None
    assert context.signal(Memory(), CAR, GEAR) is None


def test_signals_that_change_rarely_and_decide_much_are_kept() -> None:
    memory = heard((10, {GEAR: 126, TEMPERATURE: 3.0, "Vehicle.Speed": 0.0}))
    kept = [(StateKey(Scope.UNIT, CAR, name, GEAR), value) for name, value in (("signal", 126), ("signal_ts", 10))]
    assert memory.take_changes() == kept


def test_after_a_restart_what_had_been_overtaken_is_still_late() -> None:
    known = heard((10, {GEAR: 127}), (20, {GEAR: 126}))
    restored = Memory(dict(known.take_changes()))
    assert context.hear(restored, CAR, {GEAR: 127}, 10) == {}
    assert context.hear(restored, CAR, {GEAR: 126}, 20) == {GEAR: 126}
    assert context.hear(restored, CAR, {GEAR: 127}, 30) == {GEAR: 127}


def test_what_holds_on_is_not_written_again() -> None:
    memory = heard((10, {GEAR: 126}))
    memory.take_changes()
    context.hear(memory, CAR, {GEAR: 126}, 20)
    assert memory.take_changes() == []


@pytest.mark.parametrize(
    "path",
    [
        GEAR,
        "Vehicle.LowVoltageSystemState",
        SEATS.format(2, "Middle"),
        TYRE.format(1, "Left", "IsPressureLow"),
        TYRE.format(2, "Right", "WinterStatus"),
    ],
)
def test_what_a_silent_bus_would_not_repeat_is_durable(path: str) -> None:
    assert path in context.DURABLE_SIGNALS


@pytest.mark.parametrize("path", [TEMPERATURE, "Vehicle.Speed", "Wayside.MinutesAway"])
def test_what_is_reported_all_the_time_is_not_durable(path: str) -> None:
    assert path not in context.DURABLE_SIGNALS
