"""A withdrawal reaches what was not sent yet, and an arrival brings what a household may still hear."""

from pathlib import Path

from gateway.core.state import Scope, StateKey
from gateway.testing.carrier import FakeCarrier
from gateway.testing.clock import FakeClock
from gateway.testing.samples import T0
from gateway.testing.stage import Stage, a_stage, bodies

WITHDRAWN = {"id": "w-1", "holder": "s.1", "purpose": "offer_display", "state": "withdrawn"}


async def offered_while_away(stage: Stage) -> None:
    """Let an offer be made that cannot be published."""
    stage.let_in()
    await stage.settled()
    stage.runner.disconnected()
    stage.report(gear=126)
    await stage.settled()
    assert stage.rows("SELECT publication FROM offers") == [("pending",)]


async def test_an_offer_that_waits_for_the_broker_is_published_when_it_is_back(tmp_path: Path) -> None:
    async with a_stage(tmp_path / "ledger.db") as stage:
        await offered_while_away(stage)
        carrier = FakeCarrier()
        stage.runner.connected(carrier)
        assert [body["action"] for body in bodies(carrier.on("offers"))] == ["pastry"]


async def test_a_withdrawal_that_the_broker_had_kept_comes_before_what_is_owed(tmp_path: Path) -> None:
    async with a_stage(tmp_path / "ledger.db") as stage:
        await offered_while_away(stage)
        carrier = FakeCarrier()
        # Nothing is awaited in between: the withdrawal is not on the disk yet when the connection is there.
        stage.say("consents", WITHDRAWN)
        stage.runner.connected(carrier)
        await stage.settled()
        assert [body for body in bodies(carrier.on("offers")) if "title" in body] == []
        assert stage.rows("SELECT withdrawal_reason FROM offers") == [("consent_withdrawn",)]


async def test_an_offer_withdrawn_while_the_broker_was_away_is_never_published_also_by_the_next_process(
    tmp_path: Path,
) -> None:
    clock = FakeClock(T0)
    async with a_stage(tmp_path / "ledger.db", clock=clock) as stage:
        await offered_while_away(stage)
        stage.say("consents", WITHDRAWN)
        await stage.settled()
    async with a_stage(tmp_path / "ledger.db", clock=clock) as stage:
        await stage.settled()
        assert [body for body in bodies(stage.carrier.on("offers")) if "title" in body] == []


async def test_what_is_owed_is_published_although_more_goes_on_being_recorded(tmp_path: Path) -> None:
    async with a_stage(tmp_path / "ledger.db") as stage:
        await offered_while_away(stage)
        carrier = FakeCarrier()
        stage.say("consents", {**WITHDRAWN, "purpose": "third_party"})
        stage.runner.connected(carrier)
        stage.say("consents", {**WITHDRAWN, "id": "w-2", "purpose": "cloud_sync"})
        await stage.settled()
        assert [body["action"] for body in bodies(carrier.on("offers"))] == ["pastry"]


async def test_a_connection_that_ended_before_the_commit_gets_nothing(tmp_path: Path) -> None:
    async with a_stage(tmp_path / "ledger.db") as stage:
        await offered_while_away(stage)
        carrier = FakeCarrier()
        stage.say("consents", {**WITHDRAWN, "purpose": "third_party"})
        stage.runner.connected(carrier)
        stage.runner.disconnected()
        await stage.settled()
        assert carrier.on("offers") == []


async def test_the_engine_hears_of_a_household_with_the_one_who_arrives(tmp_path: Path) -> None:
    async with a_stage(tmp_path / "ledger.db") as stage:
        stage.say("facts", {"subject": "s.1", "facts": {"household": "h.1"}})
        await stage.settled()
        stage.alter("INSERT INTO state SELECT scope, 'h.1', 'cap', '*/o.1', '5', 0 FROM (SELECT 'household' AS scope)")
        stage.let_in()
        await stage.settled()
        assert stage.runner._engine.snapshot()[StateKey(Scope.HOUSEHOLD, "h.1", "cap", "*/o.1")] == 5


async def test_of_somebody_absent_a_fact_that_comes_late_changes_nothing(tmp_path: Path) -> None:
    async with a_stage(tmp_path / "ledger.db") as stage:
        for ts, visits in ((T0 - 5, 3), (T0 - 9, 2)):
            stage.say("facts", {"ts_ms": ts, "subject": "s.9", "facts": {"visits": visits}})
        await stage.settled()
        stage.say("facts", {"ts_ms": T0 - 8, "subject": "s.9", "facts": {"visits": 1}})
        await stage.settled()
        (known,) = stage.rows("SELECT json_extract(value, '$.value') FROM state WHERE owner = 's.9'")
        assert known == (3,)
