import asyncio

from gateway.core.events import SignalsReported, UnitLost
from gateway.edge.clock import Quality
from gateway.edge.timekeeper import Timekeeper
from gateway.testing.clock import FakeClock
from gateway.testing.samples import T0


class Told:
    """A timekeeper, and what it told."""

    def __init__(self) -> None:
        self.clock = FakeClock(T0)
        self.said: list[str] = []
        self.keeper = Timekeeper(self.clock, lambda: self.tell("judged"), lambda: self.tell("behind"))
        self.heard = asyncio.Event()

    def tell(self, what: str) -> None:
        self.said.append(what)
        self.heard.set()


async def test_what_units_report_bears_witness_and_nothing_else() -> None:
    told = Told()
    told.keeper.hear([SignalsReported("car-1", T0 + 5, {}), UnitLost("car-1", T0 + 9)])
    assert told.clock.heard == [T0 + 5]
    assert told.said == []


async def test_a_message_is_one_witness_of_the_newest_it_tells() -> None:
    told = Told()
    told.keeper.hear([SignalsReported("car-1", T0 + 5, {}), SignalsReported("car-1", T0 + 9, {})])
    assert told.clock.heard == [T0 + 9]


async def test_what_a_scanner_hears_is_stamped_with_our_time_and_no_witness() -> None:
    told = Told()
    told.keeper.hear([SignalsReported("car-1", T0, {})], "home/CarScanner/BTtoMQTT")
    assert told.clock.heard == []


async def test_a_judgement_is_told_once() -> None:
    told = Told()
    told.clock.quality = Quality.SUSPECT
    told.keeper.hear([])
    told.keeper.hear([])
    assert (told.said, told.keeper.is_sure) == (["judged"], False)
    told.clock.quality = Quality.PLAUSIBLE
    told.keeper.hear([])
    assert (told.said, told.keeper.is_sure) == (["judged", "judged"], True)


async def test_that_the_clock_is_ahead_is_told_until_it_is_set_back() -> None:
    told = Told()
    told.clock.behind = 5
    told.keeper.hear([])
    told.keeper.hear([])
    told.clock.set_back(5)
    told.keeper.hear([])
    assert told.said == ["behind", "behind"]


async def test_it_looks_by_itself_from_time_to_time_until_it_is_stopped() -> None:
    told = Told()
    told.keeper.stop()
    told.keeper.start()
    told.clock.quality = Quality.SUSPECT
    async with asyncio.timeout(30):
        await told.heard.wait()
    told.keeper.stop()
    assert told.said == ["judged"]
