"""What the runner does while the time is in doubt, and how it sets time back."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.terms import Cap, ContactPolicy
from gateway.core.units import HOUR_MS
from gateway.edge.clock import Quality
from gateway.testing.clock import FakeClock
from gateway.testing.engines import a_release, an_action
from gateway.testing.samples import T0
from gateway.testing.stage import Stage, a_stage, bodies


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(T0)


def let_in_until(stage: Stage, valid_until_ms: int) -> None:
    """Let somebody in whose consent to see offers ends."""
    notice = {"id": "n1", "version": "1", "language": "en"}
    said = {"holder": "s.1", "purpose": "offer_display", "state": "given", "notice": notice}
    stage.say("consents", {**said, "valid_until_ms": valid_until_ms})
    stage.say("identity", {"state": "present", "role": "driver", "method": "key", "subject": "s.1"})


def park(stage: Stage) -> None:
    """Drive, then park: something to decide on."""
    stage.report(gear=127)
    stage.report(gear=126)


def chosen(stage: Stage) -> list[object]:
    return [row[0] for row in stage.rows("SELECT chosen FROM decisions ORDER BY seq")]


async def test_a_consent_that_ends_does_not_count_while_the_time_is_suspect_and_counts_again(
    path: Path, clock: FakeClock
) -> None:
    async with a_stage(path, clock=clock) as stage:
        let_in_until(stage, T0 + HOUR_MS)
        clock.quality = Quality.SUSPECT
        park(stage)
        await stage.settled()
        assert stage.health.report()["clock"] == "suspect"
        clock.quality = Quality.PLAUSIBLE
        stage.runner._time.hear([])
        park(stage)
        await stage.settled()
        assert chosen(stage) == [None, "pastry"]
        assert stage.health.report()["clock"] == "plausible"


async def test_units_bear_witness_while_the_time_is_suspect(path: Path, clock: FakeClock) -> None:
    async with a_stage(path, clock=clock) as stage:
        stage.report(speed=1.0)
        clock.quality = Quality.SUSPECT
        stage.report(speed=2.0)
        assert clock.heard == [T0]


async def test_time_is_set_back_in_the_ledger_before_it_is_in_the_clock(path: Path, clock: FakeClock) -> None:
    clock.advance(HOUR_MS)  # an hour ahead, and nobody knows
    async with a_stage(path, clock=clock) as stage:
        stage.let_in()
        park(stage)
        await stage.settled()
        (offer,) = bodies(stage.carrier.on("offers"))
        clock.behind = HOUR_MS
        stage.runner._time.hear([])
        stage.runner.disconnected()
        unheard = stage.report(gear=127)
        await stage.gate.until("release")

        assert clock.now() == T0
        assert stage.gate.asked == ["hold", "release"]
        assert unheard not in stage.acknowledged
        assert stage.rows("SELECT value FROM meta WHERE name = 'last_now'") == [(str(T0),)]
        (drive,) = stage.rows("SELECT value FROM state WHERE name = 'drive'")
        assert str(T0 + HOUR_MS) not in str(drive)
        stage.runner.connected(stage.carrier)
        withdrawn = bodies(stage.carrier.on("offers"))[1]
        assert (withdrawn["id"], withdrawn["reason"]) == (offer["id"], "clock_set_back")


async def test_after_it_was_set_back_a_cap_binds_for_its_own_time_and_no_longer(path: Path, clock: FakeClock) -> None:
    clock.advance(HOUR_MS)
    capped = a_release(actions=[replace(an_action("pastry"), contact=ContactPolicy((Cap(count=1, within_s=1_800),)))])
    async with a_stage(path, capped, clock) as stage:
        stage.let_in()
        park(stage)
        await stage.settled()
        (offer,) = bodies(stage.carrier.on("offers"))
        stage.say("outcomes", {"offer_id": offer["id"], "outcome": "presented"})
        clock.behind = HOUR_MS
        stage.runner._time.hear([])
        await stage.gate.until("release")
        park(stage)
        clock.advance(HOUR_MS)
        park(stage)
        await stage.settled()
        assert chosen(stage) == ["pastry", None, "pastry"]


async def test_a_clock_that_no_longer_asks_to_be_set_back_is_not(path: Path, clock: FakeClock) -> None:
    async with a_stage(path, clock=clock) as stage:
        stage.let_in()
        park(stage)
        await stage.settled()
        clock.behind = HOUR_MS
        stage.runner._time.hear([])
        clock.behind = 0  # the wall clock has come to agree with us
        await stage.gate.until("release")
        await stage.settled()
        assert clock.now() == T0
        assert stage.rows("SELECT count(*) FROM offers WHERE withdrawn_ms IS NOT NULL") == [(0,)]
        heard = stage.report(gear=127)
        await stage.settled()
        assert heard in stage.acknowledged


async def test_the_message_that_shows_the_clock_to_be_ahead_is_left_for_the_right_time(
    path: Path, clock: FakeClock
) -> None:
    async with a_stage(path, clock=clock) as stage:
        stage.let_in()
        await stage.settled()
        clock.quality, clock.behind = Quality.SUSPECT, HOUR_MS
        unheard = stage.report(gear=126)
        await stage.gate.until("release")
        await stage.settled()
        assert unheard not in stage.acknowledged
        assert stage.rows("SELECT value FROM state WHERE name = 'drive' AND value LIKE '%parked%'") == []


async def test_an_offer_that_rests_on_a_consent_is_not_published_after_a_start_at_an_unknown_time(
    path: Path, clock: FakeClock
) -> None:
    async with a_stage(path, clock=clock) as stage:
        let_in_until(stage, T0 + HOUR_MS)
        park(stage)
        await stage.settled()
    clock.quality = Quality.SUSPECT
    async with a_stage(path, clock=clock) as stage:
        await stage.settled()
        assert stage.carrier.on("offers") == []
        clock.quality = Quality.PLAUSIBLE
        stage.runner._time.hear([])
        assert len(stage.carrier.on("offers")) == 1


async def test_a_disk_that_says_no_meanwhile_delays_the_setting_back(path: Path, clock: FakeClock) -> None:
    async with a_stage(path, clock=clock) as stage:
        stage.let_in()
        await stage.settled()
        stage.alter("ALTER TABLE state RENAME TO elsewhere")
        clock.behind = HOUR_MS
        stage.runner._time.hear([])
        await stage.runner._until(lambda: stage.count("commit_failures_total") >= 2)
        assert clock.now() == T0
        stage.alter("ALTER TABLE elsewhere RENAME TO state")
        await stage.gate.until("release")
        stage.runner._time.hear([])
        await stage.runner._until(lambda: clock.now() == T0 - HOUR_MS)
