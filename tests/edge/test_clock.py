"""Time: anchored once, never back."""

import pytest

from gateway.edge.clock import AnchoredClock, elapsed_ns
from gateway.testing.clock import FakeClock

_SECOND_NS = 1_000_000_000


class Hands:
    """The wall clock and the elapsed time, moved by hand."""

    def __init__(self, wall_s: int) -> None:
        self.wall_ns = wall_s * _SECOND_NS
        self.elapsed_ns = 77 * _SECOND_NS

    def clock(self, floor: int = 0) -> AnchoredClock:
        return AnchoredClock(floor, lambda: self.wall_ns, lambda: self.elapsed_ns)


def test_it_starts_at_wall_time_in_milliseconds() -> None:
    assert Hands(wall_s=1_700_000_000).clock().now() == 1_700_000_000_000


def test_it_moves_with_elapsed_time_and_not_with_the_wall_clock() -> None:
    hands = Hands(wall_s=1_700_000_000)
    clock = hands.clock()
    hands.wall_ns = 0
    hands.elapsed_ns += 2 * _SECOND_NS

    assert clock.now() == 1_700_000_002_000


def test_a_wall_clock_behind_the_ledger_is_overruled() -> None:
    hands = Hands(wall_s=0)
    clock = hands.clock(floor=1_700_000_000_000)
    hands.elapsed_ns += _SECOND_NS

    assert clock.now() == 1_700_000_001_000


def test_the_real_clock_agrees_with_wall_time_and_never_goes_back() -> None:
    clock = AnchoredClock()
    first = clock.now()

    assert first > 1_600_000_000_000
    assert clock.now() >= first
    assert elapsed_ns() > 0


def test_the_fake_clock_moves_only_forward() -> None:
    clock = FakeClock(at=1_000)

    assert clock.advance(5) == clock.now() == 1_005
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)
