"""One timer, re-armed."""

import asyncio

from gateway.edge.alarm import Alarm
from gateway.edge.clock import AnchoredClock
from gateway.testing.clock import FakeClock


class Sleeper:
    """Counts how often it was woken."""

    def __init__(self) -> None:
        self.woken = 0
        self.told = asyncio.Event()

    def wake(self) -> None:
        self.woken += 1
        self.told.set()


async def test_it_wakes_at_what_it_was_armed_for_last() -> None:
    sleeper, clock = Sleeper(), AnchoredClock()
    alarm = Alarm(clock, sleeper.wake)
    due = clock.now() + 20
    alarm.arm(clock.now() + 3_600_000)
    alarm.arm(due)
    alarm.arm(due)
    await sleeper.told.wait()

    assert sleeper.woken == 1
    assert clock.now() >= due


async def test_it_wakes_at_once_for_what_is_overdue_and_may_be_armed_again() -> None:
    sleeper, clock = Sleeper(), FakeClock()
    alarm = Alarm(clock, sleeper.wake)
    for _ in range(2):
        sleeper.told.clear()
        alarm.arm(clock.now() - 5)
        await sleeper.told.wait()

    assert sleeper.woken == 2


async def test_rung_too_early_it_waits_for_the_rest() -> None:
    sleeper, clock = Sleeper(), FakeClock()
    alarm = Alarm(clock, sleeper.wake)
    alarm.arm(clock.now() + 1_000)
    alarm._ring()
    assert sleeper.told.is_set() is False
    clock.advance(1_000)
    alarm._ring()

    assert sleeper.woken == 1
    alarm.disarm()


async def test_disarmed_it_wakes_nobody() -> None:
    sleeper = Sleeper()
    alarm = Alarm(FakeClock(), sleeper.wake)
    alarm.arm(0)
    alarm.disarm()
    alarm.disarm()
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, passed.set)
    await passed.wait()

    assert sleeper.woken == 0
