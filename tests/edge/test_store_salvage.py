"""What is taken over out of a ledger that cannot be trusted, and what never is."""

import asyncio
import random
import shutil
import sqlite3
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from gateway.core import consent
from gateway.core.drive import Drive, Driving
from gateway.core.effects import (
    ConsentRecorded,
    DecisionRecorded,
    OfferMade,
    OfferWithdrawn,
    OutcomeRecorded,
    StateChanged,
)
from gateway.core.engine import Engine
from gateway.core.events import Outcome, Purpose
from gateway.core.state import Memory, Scope, StateKey
from gateway.edge.store import files, schema
from gateway.edge.store.check import Fault, Finding, look_over
from gateway.edge.store.ledger import Ledger
from gateway.edge.store.mark import mark_of
from gateway.edge.store.rows import Transaction, release_in_force
from gateway.edge.store.salvage import Salvage, Share
from gateway.edge.store.schema import Opening
from gateway.edge.store.tables import COLUMNS, PAGE_BYTES, VERSION
from gateway.testing.decay import let_decay
from gateway.testing.engines import FixedScorer, a_fence, a_release, an_action
from gateway.testing.ledger import WatchedWriter, transaction_of
from gateway.testing.samples import T0, make_decision, make_offer

DRIVE = StateKey(Scope.UNIT, "car-1", "drive")
PRESENT = StateKey(Scope.UNIT, "car-1", "presence", "driver")
GEAR = StateKey(Scope.UNIT, "car-1", "signal", "Vehicle.Powertrain.Transmission.SelectedGear")
FENCE = StateKey(Scope.UNIT, "car-1", "fence", "station")
CAP = StateKey(Scope.SUBJECT, "s.1", "cap", "pastry/o1")
PERMITTING = {DRIVE, PRESENT, GEAR}
NOW = T0 + 77_000


def _said(purpose: Purpose, id_: str, *, given: bool, supersedes: tuple[str, ...] = ()) -> StateChanged:
    value = {
        "purpose": purpose.value,
        "id": id_,
        "given": given,
        "supersedes": list(supersedes),
        "valid_until": None,
    }
    word = "given" if given else "withdrawn"
    return StateChanged(StateKey(Scope.SUBJECT, "s.1", "consent", f"{purpose}/{word}/{id_}"), value)


STATE = (
    StateChanged(DRIVE, Drive(Driving.PARKED, T0, heard=T0).to_json()),
    StateChanged(PRESENT, {"subject": "s.1", "ts": T0}),
    StateChanged(GEAR, 126),
    StateChanged(FENCE, {"since": T0, "dwelled": False}),
    StateChanged(CAP, T0),
    _said(Purpose.OFFER_DISPLAY, "c1", given=True),
    _said(Purpose.PROFILING, "c2", given=True),
    _said(Purpose.PROFILING, "w2", given=False),
)


def _commit(path: Path, *transactions: Transaction, copy_to: Path | None = None) -> None:
    """Commit as a gateway does; copy the folder while the log is still beside the ledger, as a kill leaves it."""

    async def committed() -> None:
        watched = WatchedWriter(path)
        await watched.commit(*transactions)
        if copy_to is not None:
            shutil.copytree(path.parent, copy_to, ignore=shutil.ignore_patterns("*.mark"))
        await watched.writer.close()

    asyncio.run(committed())


def _grow(path: Path, decisions: int = 3) -> Path:
    """Write what a gateway writes: all kinds of rows, the last offer not confirmed by the broker."""
    _commit(
        path,
        release_in_force("r1", T0),
        transaction_of(*STATE),
        transaction_of(
            ConsentRecorded("c1", "car-1", "s.1", "offer_display", given=True, at=T0),
            ConsentRecorded("c2", "car-1", "s.1", "profiling", given=True, at=T0),
            ConsentRecorded("w2", "car-1", "s.1", "profiling", given=False, at=T0),
            ConsentRecorded("w3", "car-1", "s.2", "offer_display", given=False, at=T0),
            ConsentRecorded("w4", "car-1", "session", "offer_display", given=False, at=T0),
        ),
        *(
            transaction_of(DecisionRecorded(make_decision(n)), OfferMade(make_offer(n, valid_ms=10**9)))
            for n in range(1, decisions + 1)
        ),
        transaction_of(OutcomeRecorded("x", "o.car-1.e1.1", "car-1", T0, Outcome.DECLINED, "")),
        transaction_of(OfferWithdrawn("o.car-1.e1.2", "car-1", T0, "drove_off"), now=NOW),
    )
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture
def grown(ledger_path: Path) -> Path:
    return _grow(ledger_path)


def _salvage(path: Path) -> Salvage:
    report = schema.prepare(path).salvage
    assert report is not None
    assert look_over(path) == Finding(VERSION)
    assert schema.prepare(path) == Opening()
    return report


def _rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def _state(path: Path) -> dict[StateKey, object]:
    with closing(Ledger(path)) as ledger:
        return ledger.whole_state()


def _granted(state: dict[StateKey, object]) -> set[tuple[str, Purpose]]:
    memory = Memory(state)
    return {
        (subject, purpose)
        for subject in ("s.1", "s.2")
        for purpose in Purpose
        if consent.granted(memory, subject, "car-1", purpose, NOW)
    }


def test_a_broken_decision_costs_that_decision_and_no_more(grown: Path) -> None:
    epoch = _rows(grown, "SELECT value FROM meta WHERE name = 'epoch'")
    before = _state(grown)
    let_decay(grown, "UPDATE decisions SET trace = replace(trace, 'pastry', 'pasury') WHERE seq = 2")

    report = _salvage(grown)

    assert (report.file, report.fault, report.complete) == ("ledger.db.bad-1", Fault.DAMAGED, True)
    assert report.detail == "decisions: a row whose seal is broken"
    assert report.tables == {
        "state": Share(8, 0),
        "decisions": Share(2, 1),
        "offers": Share(3, 0),
        "outcomes": Share(1, 0),
        "consents": Share(5, 0),
        "gaps": Share(0, 0),
    }
    assert _state(grown) == before
    assert _granted(before) == {("s.1", Purpose.OFFER_DISPLAY)}
    assert _rows(grown, "SELECT stream, from_ms, to_ms, count, reason, at_ms FROM gaps") == [
        ("decisions", 0, NOW, 1, "damaged", NOW)
    ]
    assert _rows(grown, "SELECT value FROM meta WHERE name = 'epoch'") != epoch
    with closing(Ledger(grown)) as ledger:
        assert (ledger.last_now, ledger.release) == (NOW, "r1")
        assert [owed.id for owed in ledger.owed_offers(NOW, 9)] == ["o.car-1.e1.3"]


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE state SET value = replace(value, 'true', 'trug') WHERE item = 'profiling/given/c2'",
        "DELETE FROM state WHERE item = 'profiling/withdrawn/w2'",
        "DELETE FROM state WHERE name = 'cap'",
        "UPDATE meta SET value = '7' WHERE name = 'commits'",
        "UPDATE meta SET value = 'x' || substr(value, 2) WHERE name = 'epoch'",
        "UPDATE tally SET seals = seals + 1 WHERE name = 'state'",
        "DELETE FROM tally",
        "DROP TABLE meta",
        "DROP TABLE tally",
    ],
)
def test_nothing_permits_where_the_state_is_not_proven_to_be_whole(grown: Path, harm: str) -> None:
    let_decay(grown, harm)

    report = _salvage(grown)
    state = _state(grown)

    assert not report.complete
    assert _granted(state) == set()
    assert PERMITTING.isdisjoint(state)
    assert FENCE in state
    assert _said(Purpose.PROFILING, "w2", given=False).key in state
    with closing(Ledger(grown)) as ledger:
        assert ledger.owed_offers(NOW, 9) == []
        assert [owed.offer for owed in ledger.owed_withdrawals(NOW, 9)] == ["o.car-1.e1.2"]
        assert ledger.last_now == NOW
    assert report.tables["offers"].dropped == 3


def test_a_withdrawal_of_which_only_the_receipt_is_left_is_put_back(grown: Path) -> None:
    let_decay(grown, "DELETE FROM state WHERE scope = 'subject'")

    _salvage(grown)

    said = {key for key in _state(grown) if key.name == "consent"}
    assert said == {
        StateKey(Scope.SUBJECT, "s.1", "consent", "profiling/withdrawn/w2"),
        StateKey(Scope.SUBJECT, "s.2", "consent", "offer_display/withdrawn/w3"),
    }


def test_a_ledger_that_went_back_in_time_gives_nothing(grown: Path, tmp_path: Path) -> None:
    shutil.copy(grown, tmp_path / "copy")
    _commit(grown, transaction_of(_said(Purpose.OFFER_DISPLAY, "w1", given=False), now=NOW + 5))
    shutil.copy(tmp_path / "copy", grown)

    report = _salvage(grown)

    assert (report.fault, report.detail, report.complete) == (Fault.ROLLED_BACK, "1 commits are missing", False)
    assert _granted(_state(grown)) == set()
    assert _rows(grown, "SELECT DISTINCT from_ms, to_ms, count, reason FROM gaps") == [
        (NOW, NOW + 5, None, "rolled_back")
    ]
    with closing(Ledger(grown)) as ledger:
        assert ledger.last_now == NOW + 5


def test_a_ledger_that_is_gone_is_told_of(grown: Path) -> None:
    grown.unlink()

    report = _salvage(grown)

    assert (report.file, report.fault, report.complete) == (None, Fault.LOST, False)
    assert {share.lost for share in report.tables.values()} == {None}
    assert mark_of(grown).exists()
    with closing(Ledger(grown)) as ledger:
        assert ledger.last_now == NOW


def test_a_log_that_lost_its_ledger_is_not_played_into_a_new_one(ledger_path: Path, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    _commit(ledger_path, transaction_of(*STATE), copy_to=killed)
    path = killed / ledger_path.name
    path.unlink()

    report = _salvage(path)

    assert (report.file, report.fault) == ("ledger.db.bad-1", Fault.LOST)
    assert (killed / "ledger.db.bad-1-wal").exists()
    assert _state(path) == {}


def test_of_a_ledger_under_the_log_of_another_only_its_own_is_taken_over(grown: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger" / "ledger.db"
    schema.prepare(stranger)
    theirs = StateKey(Scope.SUBJECT, "s.theirs", "fact", "visits")
    _commit(stranger, transaction_of(StateChanged(theirs, 3)), copy_to=tmp_path / "killed")
    shutil.copy(tmp_path / "killed" / "ledger.db-wal", grown.with_name("ledger.db-wal"))

    report = _salvage(grown)

    state = _state(grown)
    assert not report.complete
    assert theirs not in state
    assert _granted(state) == set()
    assert _said(Purpose.PROFILING, "w2", given=False).key in state


def test_another_ledger_in_the_place_of_ours_gives_nothing(grown: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "ledger.db"
    schema.prepare(other)
    _grow(other)
    shutil.copy(other, grown)

    report = _salvage(grown)

    assert (report.fault, report.file) == (Fault.FOREIGN, "ledger.db.bad-1")
    assert _state(grown) == {}
    with closing(Ledger(grown)) as ledger:
        assert ledger.last_now == NOW


def test_rows_are_found_on_both_sides_of_pages_that_cannot_be_read(ledger_path: Path) -> None:
    grown = _grow(ledger_path, decisions=400)
    content = bytearray(grown.read_bytes())
    pages = [
        at
        for at in range(0, len(content), PAGE_BYTES)
        if content[at] == 0x0D and b"verdicts" in content[at : at + PAGE_BYTES]
    ]
    for at in (pages[3], pages[len(pages) // 2], pages[-4]):
        content[at : at + PAGE_BYTES] = bytes(PAGE_BYTES)
    grown.write_bytes(content)

    report = _salvage(grown)

    share = report.tables["decisions"]
    assert report.detail.startswith("integrity check: ")
    assert report.complete
    assert share.lost is not None
    assert share.taken + share.lost == 400
    assert 0 < share.lost <= 3 * PAGE_BYTES // 400
    assert _rows(grown, "SELECT min(seq), max(seq) FROM decisions") == [(1, 400)]


def test_a_header_that_only_forbids_writing_is_found(grown: Path) -> None:
    content = bytearray(grown.read_bytes())
    content[18] ^= 1
    grown.write_bytes(content)

    assert schema.prepare(grown).salvage is not None


def test_what_an_interrupted_salvage_began_is_carried_through(grown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grown.with_name("ledger.db-wal").write_bytes(b"its log")
    let_decay(grown, "DELETE FROM decisions WHERE seq = 1")
    grown.with_name("ledger.db-wal").write_bytes(b"its log")

    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files, "sync_folder", killed)
        with pytest.raises(KeyboardInterrupt):
            schema.prepare(grown)
        assert grown.exists()
        with pytest.raises(KeyboardInterrupt):
            schema.prepare(grown)
        assert not grown.exists()
    report = _salvage(grown)

    assert (report.file, report.tables["decisions"]) == ("ledger.db.bad-1", Share(2, 1))
    assert grown.with_name("ledger.db.bad-1-wal").exists()
    assert not grown.with_name("ledger.db.bad-2").exists()


def test_a_report_is_plain_values(grown: Path) -> None:
    let_decay(grown, "DELETE FROM outcomes")

    report = _salvage(grown)

    assert report.told() == asdict(report)
    assert report.told()["tables"] == {
        table: {"taken": share.taken, "lost": share.lost, "dropped": share.dropped}
        for table, share in report.tables.items()
    }
    assert set(report.tables) == set(COLUMNS) - {"meta"}


def test_any_flipped_bit_is_found_or_harmless_and_permits_nothing_new(grown: Path, tmp_path: Path) -> None:
    whole, before = grown.read_bytes(), _contents(grown)
    granted = _granted(_state(grown))
    rng = random.Random(20_260)  # noqa: S311 -- repeatable, not secret
    found = 0
    for number in range(150):
        path = tmp_path / str(number) / "ledger.db"
        path.parent.mkdir()
        content = bytearray(whole)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        report = schema.prepare(path).salvage
        if report is None:
            assert _contents(path) == before
        else:
            found += 1
            assert look_over(path) == Finding(VERSION)
            state = _state(path)
            assert _granted(state) == (granted if report.complete else set())
            assert report.complete or PERMITTING.isdisjoint(state)
        shutil.rmtree(path.parent)
    assert found > 10


def _contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    return {
        table: _rows(path, f"SELECT * FROM {table} ORDER BY 1, 2, 3")  # noqa: S608 -- names of ours
        for table in ("meta", *COLUMNS)
    }


def test_an_engine_can_go_on_from_any_part_of_a_state() -> None:
    release = a_release(fences=[a_fence()], actions=[an_action("pastry")])
    rng = random.Random(20_260)  # noqa: S311 -- repeatable, not secret
    whole = {change.key: change.value for change in STATE}
    for _ in range(100):
        part = {key: value for key, value in whole.items() if rng.random() < 0.5}
        engine = Engine.restore(part, release, epoch="e", scorer=FixedScorer())
        engine.handle_timer(NOW + 10**10)


def test_the_names_of_quarantine_are_never_used_twice(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.with_name("ledger.db.bad-1-wal").write_bytes(b"an earlier log")
    path.write_bytes(b"x" * 5000)

    assert _salvage(path).file == "ledger.db.bad-2"
