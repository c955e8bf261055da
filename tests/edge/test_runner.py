"""Commit, then publish, then acknowledge; and what a gateway that was away knows when it is back."""

import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.core.state import Scope, StateKey
from gateway.testing.carrier import FakeCarrier
from gateway.testing.clock import FakeClock
from gateway.testing.engines import a_fence, a_release, an_action
from gateway.testing.samples import T0
from gateway.testing.stage import Stage, a_stage, bodies
from gateway.wire.journal import read_journal
from gateway.wire.journal_lines import EventLine, HeaderLine, StateLine


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


async def test_an_offer_is_published_and_its_cause_acknowledged_only_once_both_are_on_disk(path: Path) -> None:
    async with a_stage(path) as stage:
        stage.let_in()
        parked = stage.report(gear=126)
        assert stage.carrier.on("offers") == []
        assert parked not in stage.acknowledged
        await stage.settled()

        (offer,) = bodies(stage.carrier.on("offers"))
        assert offer["action"] == "pastry"
        assert stage.acknowledged == list(range(1, parked + 1))
        assert stage.rows("SELECT id, publication FROM offers") == [(offer["id"], "pending")]
        assert stage.count("decisions_total", outcome="offer") == 1


async def test_acknowledgements_keep_the_order_of_the_messages(path: Path) -> None:
    async with a_stage(path) as stage:
        stage.report(gear=127)
        nothing_to_record = stage.report(speed=50.0)
        refused = stage.say("telemetry", {"signals": 7})
        assert stage.acknowledged == []
        await stage.settled()
        assert stage.acknowledged == [1, nothing_to_record, refused]

        at_once = stage.report(speed=51.0)
        assert stage.acknowledged[-1] == at_once


async def test_an_offer_is_marked_as_sent_when_the_broker_has_it(path: Path) -> None:
    async with a_stage(path) as stage:
        stage.let_in()
        stage.report(gear=126)
        await stage.settled()
        stage.confirm_all()
        await stage.settled()

        assert stage.rows("SELECT publication FROM offers") == [("sent",)]


async def test_a_withdrawal_is_marked_as_sent_when_the_broker_has_it(path: Path) -> None:
    async with a_stage(path) as stage:
        stage.let_in()
        stage.report(gear=126)
        stage.report(gear=127)
        await stage.settled()
        stage.confirm_all()
        await stage.settled()

        assert [body.get("reason") for body in bodies(stage.carrier.on("offers"))] == [None, "drove_off"]
        assert stage.rows("SELECT publication, withdrawal FROM offers") == [("sent", "sent")]


async def test_what_the_broker_refused_is_published_again_at_the_next_connection(path: Path) -> None:
    async with a_stage(path) as stage:
        stage.let_in()
        stage.report(gear=126)
        await stage.settled()
        for sent in stage.carrier.sent:
            stage.runner.confirmed(sent.token, 135)
        stage.runner.disconnected()
        again = FakeCarrier()
        stage.runner.connected(again)

        assert again.on("offers") == stage.carrier.on("offers")
        assert bodies(again.on("status"))[0]["state"] == "born"


async def test_what_was_decided_without_a_connection_is_published_with_the_next(path: Path) -> None:
    async with a_stage(path) as stage:
        stage.runner.disconnected()
        stage.let_in()
        stage.report(gear=126)
        await stage.settled()
        again = FakeCarrier()
        stage.runner.connected(again)

        assert [body["action"] for body in bodies(again.on("offers"))] == ["pastry"]


async def test_a_restart_publishes_what_is_owed_and_valid_and_nothing_else(path: Path) -> None:
    clock = FakeClock(T0)
    async with a_stage(path, clock=clock) as stage:
        stage.let_in()
        stage.report(gear=126)
        await stage.settled()
    clock.advance(1_000)
    async with a_stage(path, clock=clock) as stage:
        await stage.settled()
        (offer,) = stage.carrier.on("offers")
        assert offer.expiry_s == 299
    clock.advance(300_000)
    async with a_stage(path, clock=clock) as stage:
        await stage.settled()
        assert stage.carrier.on("offers") == []
        assert stage.rows("SELECT outcome FROM offers") == [("expired",)]


async def test_an_offer_that_expires_is_recorded_at_its_own_instant_however_late_the_wake_up(path: Path) -> None:
    clock = FakeClock(T0)
    async with a_stage(path, clock=clock) as stage:
        stage.let_in()
        stage.report(gear=126)
        await stage.settled()
        clock.advance(400_000)
        stage.runner._wake()
        await stage.settled()

        assert stage.rows("SELECT outcome, at_ms FROM outcomes") == [("expired", T0 + 300_000)]


async def test_a_subject_who_comes_back_is_known_though_nothing_is_on_disk_yet(path: Path) -> None:
    async with a_stage(path) as stage:
        stage.let_in()
        stage.say("identity", {"state": "left", "role": "driver"})
        stage.say("identity", {"state": "present", "role": "driver", "method": "key", "subject": "s.1"})
        stage.report(gear=126)
        await stage.settled()

        assert [body["action"] for body in bodies(stage.carrier.on("offers"))] == ["pastry"]


async def test_a_subject_who_comes_back_after_a_restart_is_known_from_the_ledger(path: Path) -> None:
    async with a_stage(path) as stage:
        stage.let_in()
        stage.say("identity", {"state": "left", "role": "driver"})
        await stage.settled()
    async with a_stage(path) as stage:
        stage.say("identity", {"state": "present", "role": "driver", "method": "key", "subject": "s.1"})
        stage.report(gear=126)
        await stage.settled()

        assert len(stage.carrier.on("offers")) == 1


async def test_an_event_the_engine_refuses_is_dead_lettered_and_acknowledged(path: Path) -> None:
    async with a_stage(path) as stage:
        number = stage.say("outcomes", {"offer_id": "o.nobody", "outcome": "accepted"})
        await stage.settled()

        (letter,) = bodies(stage.carrier.on("deadletter"))
        assert (letter["topic"], letter["reason"]) == ("wayside/v1/car-1/outcomes", "unknown_offer")
        assert number in stage.acknowledged
        assert stage.count("dead_letters_total", reason="unknown_offer") == 1


async def test_a_consent_is_kept_with_the_words_it_was_given_on(path: Path) -> None:
    async with a_stage(path) as stage:
        stage.let_in()
        await stage.settled()

        (receipt,) = stage.rows("SELECT receipt FROM consents WHERE purpose = 'profiling'")
        assert json.loads(str(receipt[0]))["notice"] == {"id": "n1", "version": "1", "language": "en"}


async def test_local_time_follows_the_zone_when_its_offset_changes(path: Path) -> None:
    before_summer = 1_711_846_800_000 - 60_000  # 2024-03-31T01:00:00Z, when Zurich moves to UTC+2
    clock = FakeClock(before_summer)
    registered = StateKey(Scope.UNIT, "car-1", "registered")

    def offset(stage: Stage) -> object:
        value = stage.runner._engine.snapshot()[registered]
        assert isinstance(value, dict)
        return value["utc_offset_s"]

    async with a_stage(path, clock=clock) as stage:
        assert offset(stage) == 3_600
        clock.advance(60_000)
        stage.report(speed=1.0)
        assert offset(stage) == 7_200


async def test_a_new_release_is_activated_over_the_old_ones_state(path: Path) -> None:
    with_station = a_release("r1", fences=[a_fence("station")])
    async with a_stage(path, with_station) as stage:
        stage.report(lat=47.6, lon=-122.3)
        await stage.settled()
        assert stage.rows("SELECT count(*) FROM state WHERE name = 'fence'") == [(1,)]
    async with a_stage(path, a_release("r2")) as stage:
        await stage.settled()
        assert stage.rows("SELECT count(*) FROM state WHERE name = 'fence'") == [(0,)]
        assert stage.rows("SELECT value FROM meta WHERE name = 'release'") == [("r2",)]


async def test_each_decision_is_told_in_one_line_that_names_nobody(path: Path) -> None:
    with capture_logs() as lines:
        async with a_stage(path, a_release(fences=[a_fence()], actions=[an_action("pastry")])) as stage:
            stage.let_in("s.hidden")
            stage.report(lat=47.600123, lon=-122.300123, gear=126)
            await stage.settled()

    (line,) = [line for line in lines if line["event"] == "decision"]
    assert (line["unit"], line["chosen"], line["holder"], line["candidates"]) == ("car-1", "pastry", "subject", 1)
    assert line["duration_us"] > 0
    told = json.dumps(lines)
    assert "s.hidden" not in told
    assert "47.6" not in told
    assert "122.3" not in told


async def test_the_journal_holds_what_the_engine_heard(path: Path, tmp_path: Path) -> None:
    journal = {"level": "moments", "path": str(tmp_path / "journals")}
    async with a_stage(path, journal=journal) as stage:
        stage.let_in()
        stage.report(gear=126)
        await stage.settled()
    clock = FakeClock(T0 + 1)
    async with a_stage(path, a_release("r2"), clock, journal=journal) as stage:
        stage.runner._wake()

    first, second = (list(read_journal(file)) for file in sorted((tmp_path / "journals").iterdir()))
    assert isinstance(first[0], HeaderLine)
    events = [type(line.event).__name__ for line in first if isinstance(line, EventLine)]
    assert events == ["UnitRegistered"] * 2 + ["ConsentChanged"] * 6 + ["SubjectIdentified", "SignalsReported"]
    assert isinstance(second[1], StateLine)
    assert any(key.scope is Scope.SUBJECT for key in second[1].state)


async def test_a_confirmation_of_something_else_is_nothing(path: Path) -> None:
    async with a_stage(path) as stage:
        stage.runner.confirmed("not ours", 0)

        assert stage.count("publications_total", kind="offer", result="taken") == 0


async def test_what_two_sessions_agree_to_under_one_id_is_two_receipts(path: Path) -> None:
    notice = {"id": "n1", "version": "1", "language": "en"}
    given = {"holder": "session", "purpose": "offer_display", "state": "given", "notice": notice, "id": "c-1"}
    async with a_stage(path) as stage:
        stage.say("consents", given)
        stage.say("consents", given)  # the same person's, delivered twice
        stage.say("status", {"state": "gone"})
        stage.say("consents", given)
        await stage.settled()
        assert stage.rows("SELECT count(*) FROM consents WHERE holder = 'session'") == [(2,)]
