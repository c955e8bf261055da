"""What operators ask of a ledger."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.core.errors import StoreError
from gateway.edge.lock import sole_user_of
from gateway.edge.store import check, schema
from gateway.edge.store.check import Fault
from gateway.edge.store.inspection import TABLES, export, inspect, vacuum, verify
from gateway.edge.store.rows import sign_of_life
from gateway.edge.store.session import Session
from gateway.edge.store.upkeep import Budget
from gateway.testing.samples import T0
from gateway.testing.stage import a_stage


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A ledger in which somebody agreed, parked, was offered a pastry and has not answered."""
    path = tmp_path / "data" / "ledger.db"
    asyncio.run(_fill(path))
    return path


async def _fill(path: Path) -> None:
    async with a_stage(path) as stage:
        stage.let_in()
        stage.report(gear=126)
        await stage.settled()


def test_it_tells_how_the_ledger_stands(ledger: Path) -> None:
    standing = inspect(ledger)
    assert (standing.version, standing.last_now, standing.release) == (2, T0, "release-1")
    assert {table: held.rows for table, held in standing.tables.items()} == {
        "meta": standing.tables["meta"].rows,
        "state": standing.tables["state"].rows,
        "decisions": 1,
        "offers": 1,
        "outcomes": 0,
        "consents": 6,
        "gaps": 0,
    }
    assert standing.tables["decisions"].first == standing.tables["decisions"].last == T0
    assert (standing.owed_offers, standing.owed_withdrawals) == (1, 0)
    assert standing.file_bytes == ledger.stat().st_size
    assert standing.set_aside == ()
    json.dumps(standing.to_json())


async def test_it_reads_beside_a_gateway_that_writes(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    async with a_stage(path) as stage:
        stage.let_in()
        await stage.settled()
        assert inspect(path).tables["consents"].rows == 6
        assert verify(path).fault is None
        stage.report(gear=126)
        await stage.settled()
        assert inspect(path).tables["decisions"].rows == 1
        assert stage.health.report()["ledger"] == "ok"


def test_what_is_damaged_is_told_and_left_as_it_is(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        connection.execute("UPDATE consents SET receipt = 'x' WHERE seq = 3")
    before = ledger.read_bytes()
    finding = verify(ledger)
    assert (finding.fault, finding.detail) == (Fault.DAMAGED, "consents: a row whose seal is broken")
    assert ledger.read_bytes() == before
    with pytest.raises(StoreError, match="is damaged"):
        vacuum(ledger)
    schema.prepare(ledger)
    standing = inspect(ledger)
    assert standing.set_aside == ("ledger.db.bad-1",)
    assert ("consents", "damaged") in {(gap.stream, gap.reason) for gap in standing.gaps}


def test_everything_is_exported_with_its_json_unpacked(ledger: Path) -> None:
    rows = list(export(ledger))
    assert {str(row["table"]) for row in rows} == set(TABLES) - {"outcomes", "gaps"}
    (decision,) = (row for row in rows if row["table"] == "decisions")
    (offer,) = (row for row in rows if row["table"] == "offers")
    assert isinstance(decision["trace"], dict)
    assert isinstance(offer["payload"], dict)
    assert (offer["payload"]["id"], decision["chosen"]) == (offer["id"], "pastry")
    assert [row["table"] for row in export(ledger, ["offers"])] == ["offers"]
    json.dumps(rows)


def test_free_room_is_given_back(ledger: Path) -> None:
    with closing(schema.connect_writer(ledger, 1 << 30)) as connection:
        connection.execute("CREATE TABLE ballast (bytes BLOB)")
        connection.execute("INSERT INTO ballast VALUES (zeroblob(1000000))")
        connection.execute("DROP TABLE ballast")
    assert inspect(ledger).free_bytes > 900_000
    before, after = vacuum(ledger)
    assert before - after > 900_000
    assert after == ledger.stat().st_size
    assert inspect(ledger).free_bytes == 0
    assert verify(ledger).fault is None


def test_a_ledger_in_use_is_not_vacuumed(ledger: Path) -> None:
    with sole_user_of(ledger.parent), pytest.raises(StoreError, match="another gateway is running"):
        vacuum(ledger)


def test_a_ledger_that_is_none_is_told_so(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    for ask in (inspect, verify, vacuum, lambda each: list(export(each))):
        with pytest.raises(StoreError, match="there is no ledger"):
            ask(path)
    path.write_bytes(b"something else entirely")
    with pytest.raises(StoreError, match="cannot be read"):
        inspect(path)
    assert verify(path).fault is Fault.DAMAGED


@pytest.mark.parametrize(("version", "said"), [(1, "start the gateway once"), (99, "install a newer one")])
def test_another_version_is_not_guessed_at(ledger: Path, version: int, said: str) -> None:
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA user_version={version}")
    with pytest.raises(StoreError, match=said):
        inspect(ledger)


def test_a_state_that_is_a_mere_number_is_exported_as_one(ledger: Path) -> None:
    values = {row["name"]: row["value"] for row in export(ledger, ["state"]) if row["scope"] == "unit"}
    assert values["signal"] == 126


def test_a_commit_while_it_is_looked_over_is_not_missing(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_and_commit(connection: sqlite3.Connection) -> None:
        connection.execute("SELECT count(*) FROM meta").fetchone()
        session = Session(ledger, Budget(1 << 24), schema.connect_writer)
        session.commit([sign_of_life(T0 + 1)])
        session.close()

    monkeypatch.setattr(check, "_check_shape", look_and_commit)
    assert verify(ledger).fault is None
