"""`wayside ledger`, as operators call it."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import Result

from gateway.core.errors import StoreError
from gateway.edge.store import schema
from gateway.testing.stage import a_stage

Wayside = Callable[..., Result]


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "ledger.db"
    asyncio.run(_fill(path))
    return path


async def _fill(path: Path) -> None:
    async with a_stage(path) as stage:
        stage.let_in()
        stage.report(gear=126)
        await stage.settled()


def damage(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger, isolation_level=None)) as connection:
        connection.execute("UPDATE decisions SET chosen = 'another'")


def test_inspect_says_what_it_holds_owes_and_misses(wayside: Wayside, ledger: Path) -> None:
    said = wayside("ledger", "inspect", ledger).output
    assert "decisions    1 rows  2023-11-14 22:13:20Z to 2023-11-14 22:13:20Z" in said
    assert "owed         1 offers, 0 withdrawals" in said
    assert json.loads(wayside("ledger", "inspect", ledger, "--json").output)["tables"]["offers"]["rows"] == 1


def test_inspect_tells_of_gaps_and_of_what_was_set_aside(wayside: Wayside, ledger: Path) -> None:
    damage(ledger)
    schema.prepare(ledger)
    said = wayside("ledger", "inspect", ledger).output
    assert "set aside    ledger.db.bad-1" in said
    assert "gap          decisions: 1, " in said
    assert said.count(", damaged") >= 1


def test_verify_says_sound_or_what_is_wrong(wayside: Wayside, ledger: Path) -> None:
    assert wayside("ledger", "verify", ledger).output == f"{ledger}: sound (schema version 2)\n"
    damage(ledger)
    said = wayside("ledger", "verify", ledger, exits=1).output
    assert said == f"{ledger}: damaged: decisions: a row whose seal is broken\n"
    told = json.loads(wayside("ledger", "verify", ledger, "--json", exits=1).output)
    assert told == {"version": 2, "fault": "damaged", "detail": "decisions: a row whose seal is broken"}


def test_export_writes_json_lines_to_a_file_nobody_else_can_read(
    wayside: Wayside, ledger: Path, tmp_path: Path
) -> None:
    out = tmp_path / "all.jsonl"
    wayside("ledger", "export", ledger, "-o", out)
    tables = [json.loads(line)["table"] for line in out.read_text(encoding="utf-8").splitlines()]
    assert tables.count("consents") == 6
    assert out.stat().st_mode & 0o777 == 0o600
    (line,) = wayside("ledger", "export", ledger, "--table", "decisions").output.splitlines()
    assert json.loads(line)["chosen"] == "pastry"


def test_export_names_the_tables_there_are(wayside: Wayside, ledger: Path) -> None:
    assert "outcomes" in wayside("ledger", "export", ledger, "--table", "persons", exits=2).output


def test_vacuum_says_what_it_gave_back(wayside: Wayside, ledger: Path) -> None:
    said = json.loads(wayside("ledger", "vacuum", ledger, "--json").output)
    assert said["bytes_after"] <= said["bytes_before"]
    assert "bytes before" in wayside("ledger", "vacuum", ledger).output


def test_a_file_that_is_no_ledger_is_told_so_with_what_to_do(wayside: Wayside, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(StoreError, match="`wayside ledger verify` tells more"):
        wayside("ledger", "inspect", path)
