"""What the runner does when the disk says no or lags, when senders misbehave, and when it is told to end."""

import asyncio
import json
import random
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.core.events import SignalsReported
from gateway.core.units import DAY_MS
from gateway.edge import runner as module
from gateway.edge.clock import Quality
from gateway.edge.ingest import Message
from gateway.edge.link import Backoff
from gateway.edge.store.cache import HourCount, counts_in, notes_in
from gateway.testing.carrier import FakeCarrier
from gateway.testing.clock import FakeClock
from gateway.testing.samples import T0
from gateway.testing.small_disk import SmallDisk
from gateway.testing.stage import GEAR, SPEED, Stage, a_stage, bodies


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


async def test_a_failed_commit_publishes_nothing_acknowledges_nothing_and_starts_over_from_the_ledger(
    path: Path,
) -> None:
    async with a_stage(path) as stage:
        stage.let_in()
        await stage.settled()
        acknowledged = list(stage.acknowledged)
        stage.alter("ALTER TABLE offers RENAME TO elsewhere")
        stage.report(gear=126)
        await stage.gate.until("hold")
        stage.runner.disconnected()
        assert stage.carrier.on("offers") == []
        assert stage.acknowledged == acknowledged
        assert stage.health.report()["ledger"] == "failing"
        stage.report(gear=126)
        await stage.gate.until("release")
        assert stage.health.report()["ledger"] == "ok"
        assert stage.count("commit_failures_total") == 1

        stage.alter("ALTER TABLE elsewhere RENAME TO offers")
        stage.runner.connected(stage.carrier)
        parked = stage.report(gear=126)
        await stage.settled()
        assert [body["action"] for body in bodies(stage.carrier.on("offers"))] == ["pastry"]
        assert stage.acknowledged == [*acknowledged, parked]
        assert stage.rows("SELECT count(*) FROM decisions") == [(1,)]


async def test_as_long_as_the_disk_says_no_it_is_tried_again(path: Path) -> None:
    async with a_stage(path) as stage:
        await stage.settled()
        stage.alter("ALTER TABLE meta RENAME TO elsewhere")
        stage.report(gear=126)
        await stage.runner._until(lambda: stage.count("commit_failures_total") >= 3)
        assert stage.gate.asked[-1] == "hold"
        stage.alter("ALTER TABLE elsewhere RENAME TO meta")

        await stage.gate.until("release")


async def test_a_ledger_that_cannot_be_read_is_a_failed_commit(path: Path) -> None:
    async with a_stage(path) as stage:
        await stage.settled()
        stage.alter("ALTER TABLE state RENAME TO elsewhere")
        present = {"state": "present", "role": "driver", "method": "key", "subject": "s.1"}
        number = stage.say("identity", present)
        assert stage.gate.asked == ["hold"]
        assert number not in stage.acknowledged
        # The disk can be written, but the state not read: that is no recovery yet.
        await stage.runner._until(lambda: stage.count("commit_failures_total") >= 3)
        assert "release" not in stage.gate.asked
        stage.alter("ALTER TABLE elsewhere RENAME TO state")

        await stage.gate.until("release")


async def test_what_is_owed_cannot_be_read_is_a_failed_commit(path: Path) -> None:
    async with a_stage(path) as stage:
        await stage.settled()
        stage.alter("ALTER TABLE offers RENAME TO elsewhere")
        stage.runner.connected(FakeCarrier())

        assert stage.gate.asked == ["hold"]


async def test_while_the_ledger_lags_routine_signals_give_way_and_nothing_else_does(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HOLD_AT", 1)
    monkeypatch.setattr(module, "GO_ON_AT", 0)
    async with a_stage(path) as stage:
        await stage.settled()
        stage.let_in()
        for speed in range(100):
            stage.report(speed=float(speed))
        last = stage.report(gear=126)
        assert stage.count("held_events") > 0
        await stage.runner._until(lambda: last in stage.acknowledged)

        assert stage.acknowledged == sorted(stage.acknowledged)
        assert len(stage.acknowledged) == last
        assert stage.count("conflated_signals_total") == 99
        assert len(stage.carrier.on("offers")) == 1
        assert stage.count("held_events") == 0


async def test_when_no_more_can_be_held_the_socket_is_read_no_more(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HOLD_AT", 1)
    monkeypatch.setattr(module, "GO_ON_AT", 0)
    monkeypatch.setattr("gateway.edge.ingest.KEPT_LIMIT", 3)
    async with a_stage(path) as stage:
        await stage.settled()
        for gear in (126, 127, 126, 127):
            stage.report(gear=gear)
        paused = stage.carrier.is_paused
        await stage.runner._until(lambda: len(stage.acknowledged) == 4)

        assert paused
        assert not stage.carrier.is_paused


async def test_draining_takes_nothing_in_publishes_what_is_owed_and_says_goodbye(path: Path) -> None:
    async with a_stage(path) as stage:
        stage.let_in()
        parked = stage.report(gear=126)
        draining = asyncio.create_task(stage.runner.drain())
        await stage.settled()
        late = stage.report(gear=127)
        await stage.carrier.until(lambda: len(stage.carrier.on("status")) == 2)
        assert not draining.done()
        stage.confirm_all()
        await draining

        assert parked in stage.acknowledged
        assert late not in stage.acknowledged
        assert [body["state"] for body in bodies(stage.carrier.on("status"))] == ["born", "gone"]
        assert stage.rows("SELECT publication FROM offers") == [("sent",)]


async def test_draining_ends_though_the_disk_says_no(path: Path) -> None:
    async with a_stage(path) as stage:
        await stage.settled()
        stage.alter("ALTER TABLE meta RENAME TO elsewhere")
        stage.report(gear=126)
        stage.runner.disconnected()

        await stage.runner.drain()
        assert stage.gate.asked == ["hold"]


async def test_nothing_a_sender_can_write_stops_the_gateway(path: Path, realdata: Path) -> None:
    conformance = realdata / "conformance"
    payloads = [file.read_bytes() for file in sorted((conformance / "json_parsing").rglob("n_*.json"))]
    naughty = json.loads((conformance / "naughty_strings" / "blns.json").read_text(encoding="utf-8"))
    assert len(payloads) > 100
    assert len(naughty) > 100
    async with a_stage(path) as stage:
        stage.let_in()
        for payload in payloads:
            for channel in ("telemetry", "identity", "outcomes", "consents", "status", "nonsense"):
                stage.runner.message(f"wayside/v1/car-1/{channel}", payload, None, retained=False)
        for text in naughty:
            stage.runner.message(f"wayside/v1/{text}/telemetry", text.encode("utf-8", "replace"), None, retained=False)
            stage.say("outcomes", {"offer_id": "o.nobody", "outcome": "declined", "detail": text})
            stage.say("telemetry", {"signals": {text: text, SPEED: text}})
        parked = stage.report(gear=126)
        await stage.settled()

        assert [body["action"] for body in bodies(stage.carrier.on("offers"))] == ["pastry"]
        assert stage.acknowledged == list(range(1, parked + 1))
        assert stage.count("dead_letters_total", reason="bad_json") > len(payloads)
        assert stage.gate.asked == []


async def test_an_offer_that_is_withdrawn_in_the_same_breath_is_never_published(path: Path) -> None:
    async with a_stage(path) as stage:
        stage.let_in()
        parked_and_gone = tuple(SignalsReported("car-1", T0, {GEAR: gear}) for gear in (126, 127))
        stage.runner._hear(Message("car-1", parked_and_gone), stage.clock.now())
        await stage.settled()

        assert stage.carrier.on("offers") == []
        assert stage.rows("SELECT publication, withdrawal_reason, withdrawal FROM offers") == [
            ("dropped", "drove_off", None)
        ]
        assert stage.rows("SELECT count(*) FROM decisions WHERE offer IS NOT NULL") == [(1,)]
    async with a_stage(path) as stage:
        assert stage.carrier.on("offers") == []


async def test_a_full_ledger_says_so_and_does_not_flap_and_recovers_by_itself(path: Path) -> None:
    async with a_stage(path, ledger={"max_mib": 1}) as stage:
        await stage.settled()
        stage.alter("CREATE TABLE ballast AS SELECT zeroblob(900000)")
        number = 0
        while not stage.gate.asked:
            number += 1
            stage.let_in(f"s.{number}")  # receipts, which are never taken out
            await stage.settled()
        await stage.runner._until(lambda: stage.count("commit_failures_total") >= 5)
        assert "release" not in stage.gate.asked
        assert stage.health.report()["ledger"] == "full"
        assert not stage.health.ready
        stage.alter("DROP TABLE ballast")

        await stage.gate.until("release")
        assert stage.health.report()["ledger"] == "ok"


@pytest.mark.parametrize(("steady_s", "failures"), [(3600.0, [1, 2]), (0.0, [1, 1])])
async def test_the_waiting_grows_until_the_ledger_has_been_sound_for_a_while(
    path: Path, steady_s: float, failures: list[int]
) -> None:
    with capture_logs() as lines:
        async with a_stage(path) as stage:
            stage.runner._backoff = Backoff(first_s=0.0, steady_s=steady_s)
            stage.let_in()
            await stage.settled()
            stage.alter("ALTER TABLE offers RENAME TO elsewhere")
            for gear in (126, 126):
                stage.report(gear=gear)
                await stage.gate.until("hold")
                await stage.gate.until("release")

    assert [line["failures"] for line in lines if line["event"] == "ledger_recovered"] == failures


async def test_failures_and_recoveries_stay_on_record_beside_the_ledger(path: Path) -> None:
    async with a_stage(path) as stage:
        stage.let_in()
        await stage.settled()
        stage.alter("ALTER TABLE offers RENAME TO elsewhere")
        stage.report(gear=126)
        await stage.gate.until("hold")
        await stage.gate.until("release")

    notes = notes_in(path.with_name("cache.db"))
    assert [note.what for note in notes] == ["started", "ledger_failed", "ledger_recovered", "stopped"]
    assert all(note.at == T0 for note in notes)


async def test_what_there_was_in_an_hour_is_counted_without_names(path: Path) -> None:
    async with a_stage(path) as stage:
        stage.let_in("s.hidden")
        stage.report(gear=126)
        await stage.settled()
        stage.confirm_all()
        stage.say("outcomes", {"offer_id": "o.nobody", "outcome": "accepted"})
        stage.say("outcomes", {"offer_id": str(bodies(stage.carrier.on("offers"))[0]["id"]), "outcome": "declined"})
        await stage.settled()

    cache = path.with_name("cache.db")
    hour = T0 - T0 % 3_600_000
    assert set(counts_in(cache)) >= {
        HourCount(hour, "messages", "telemetry", 1),
        HourCount(hour, "messages", "consents", 6),
        HourCount(hour, "dead_letters", "unknown_offer", 1),
        HourCount(hour, "decisions", "offer", 1),
        HourCount(hour, "offers", "taken", 1),
        HourCount(hour, "outcomes", "declined", 1),
    }
    for file in path.parent.glob("cache.db*"):
        content = file.read_bytes()
        assert b"s.hidden" not in content
        assert b"car-1" not in content


@pytest.mark.parametrize("content", [None, b"no database" * 1000], ids=["unusable", "damaged"])
async def test_whatever_becomes_of_the_cache_deciding_goes_on(path: Path, content: bytes | None) -> None:
    cache = path.with_name("cache.db")
    if content is None:
        cache.mkdir()
    else:
        cache.write_bytes(content)
    async with a_stage(path) as stage:
        stage.let_in()
        parked = stage.report(gear=126)
        await stage.settled()

        assert [body["action"] for body in bodies(stage.carrier.on("offers"))] == ["pastry"]
        assert parked in stage.acknowledged
        assert stage.gate.asked == []


@pytest.mark.parametrize("quality", list(Quality))
async def test_old_explanations_go_but_not_by_a_clock_in_doubt(path: Path, quality: Quality) -> None:
    async with a_stage(path) as stage:
        stage.let_in()
        stage.report(gear=126)
        stage.report(gear=127)
        await stage.settled()
    clock = FakeClock(T0 + 31 * DAY_MS)
    clock.quality = quality
    async with a_stage(path, clock=clock) as stage:
        # What the writer had been asked for at the start comes before what it is asked for now.
        stage.report(gear=127)
        await stage.settled()
    left = {Quality.PLAUSIBLE: 0, Quality.SUSPECT: 1}[quality]

    assert stage.rows("SELECT count(*) FROM decisions") == [(left,)]
    assert stage.count("evicted_rows_total", stream="decisions", reason="retention") == 1 - left
    assert stage.count("ledger_gaps_total", reason="retention") == 1 - left
    assert stage.count("ledger_bytes") > 0


def _visit(stage: Stage, clock: FakeClock) -> None:
    """Let the car drive and park once more: a decision, an offer, and the end of the one before."""
    clock.advance(1_000)
    stage.report(gear=127)
    stage.report(gear=126)


async def test_a_disk_filled_at_random_moments_sees_no_offer_without_its_record(small_disk: SmallDisk) -> None:
    rng = random.Random(11)  # noqa: S311 -- moments
    published: set[str] = set()
    outages, clock = 0, FakeClock(T0)
    async with a_stage(small_disk.path / "ledger.db", clock=clock, ledger={"max_mib": 2}) as stage:
        stage.let_in()
        await stage.settled()
        for _ in range(20):
            carrier = FakeCarrier()
            stage.runner.connected(carrier)
            for _ in range(rng.randrange(1, 40)):
                _visit(stage, clock)
                if rng.random() < 0.1:
                    small_disk.fill(leaving=rng.choice((0, 0, 4096, 20_000)))
                    await asyncio.sleep(0)
            await stage.settled()
            published |= {str(body["id"]) for body in bodies(carrier.on("offers"))}
            stage.runner.disconnected()
            held = stage.gate.asked.count("hold")
            small_disk.free()
            if held > outages:
                outages = held
                await stage.gate.until("release")

        recorded = {str(offer) for (offer,) in stage.rows("SELECT id FROM offers")}
        assert outages > 0
        assert len(published) > 20
        assert published <= recorded
        assert stage.health.report()["ledger"] == "ok"
