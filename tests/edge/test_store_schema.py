"""Opening a ledger: fresh, damaged, foreign, from the future."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from gateway.core.errors import StoreError
from gateway.edge.store import schema
from gateway.edge.store.check import Fault
from gateway.edge.store.ledger import Ledger
from gateway.edge.store.salvage import Salvage, finish_salvage
from gateway.edge.store.schema import Opening
from gateway.edge.store.tables import PAGE_BYTES, VERSION, decode, encode


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "ledger.db"


def _salvaged(path: Path) -> Salvage:
    salvage = schema.prepare(path).salvage
    assert salvage is not None
    return salvage


def _epoch(path: Path) -> str:
    with closing(Ledger(path)) as ledger:
        return ledger.epoch


def test_a_fresh_ledger_is_its_owners_only_and_has_an_epoch(path: Path) -> None:
    assert schema.prepare(path) == Opening()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(_epoch(path)) == 36


def test_the_epoch_stays_with_the_file(path: Path) -> None:
    schema.prepare(path)
    epoch = _epoch(path)

    assert schema.prepare(path) == Opening()
    assert _epoch(path) == epoch


@pytest.mark.parametrize(
    "content",
    [b"", b"not a database at all, but long enough to be taken for one" * 100, b"SQLite format 3\0" + b"\xff" * 8192],
    ids=["empty", "text", "garbled"],
)
def test_a_damaged_file_is_set_aside_and_a_new_epoch_begins(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)

    salvage = _salvaged(path)
    assert (salvage.file, salvage.fault, salvage.complete) == ("ledger.db.bad-1", Fault.DAMAGED, False)
    assert path.with_name("ledger.db.bad-1").read_bytes() == content
    assert _epoch(path)


def test_a_damaged_page_is_noticed(path: Path) -> None:
    schema.prepare(path)
    epoch = _epoch(path)
    content = bytearray(path.read_bytes())
    content[PAGE_BYTES : 3 * PAGE_BYTES] = b"\xa5" * (2 * PAGE_BYTES)
    path.write_bytes(content)

    assert schema.prepare(path).salvage is not None
    assert _epoch(path) != epoch


def test_each_damaged_file_is_kept_under_its_own_name(path: Path) -> None:
    path.parent.mkdir()
    for number in (1, 2):
        path.write_bytes(b"x" * 5000)
        path.with_name("ledger.db-wal").write_bytes(b"its log")
        assert _salvaged(path).file == f"ledger.db.bad-{number}"
        assert path.with_name(f"ledger.db.bad-{number}-wal").exists()


def test_another_programs_database_is_set_aside(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")

    assert schema.prepare(path).salvage is not None


def test_a_ledger_without_its_tables_is_set_aside(path: Path) -> None:
    schema.prepare(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE meta")

    assert schema.prepare(path).salvage is not None


def test_a_ledger_from_the_future_is_refused_and_left_alone(path: Path) -> None:
    schema.prepare(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version={VERSION + 1}")
        connection.execute("DELETE FROM meta WHERE name = 'version'")
        connection.commit()
    content = path.read_bytes()

    with pytest.raises(schema.LedgerTooNew, match="install a newer one") as caught:
        schema.prepare(path)
    assert (caught.value.found, caught.value.known) == (VERSION + 1, VERSION)
    assert path.read_bytes() == content
    with pytest.raises(schema.LedgerTooNew):
        Ledger(path)


def test_a_number_from_the_future_that_the_table_denies_is_damage(path: Path) -> None:
    schema.prepare(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=66")

    assert _salvaged(path).detail == "version 66 in the header, 2 in the table"


def test_a_half_made_ledger_is_made_anew(path: Path) -> None:
    path.parent.mkdir()
    path.with_name("ledger.db.new").write_bytes(b"half of it")

    schema.prepare(path)

    assert _epoch(path)
    assert not path.with_name("ledger.db.new").exists()


def test_a_folder_that_cannot_be_made_is_a_store_error(path: Path) -> None:
    path.parent.write_text("a file where the folder should be", encoding="utf-8")

    with pytest.raises(StoreError, match="cannot be prepared"):
        schema.prepare(path)


def test_a_ledger_that_cannot_be_opened_is_not_taken_for_a_damaged_one(path: Path) -> None:
    path.mkdir(parents=True)

    with pytest.raises(StoreError, match="cannot be prepared"):
        schema.prepare(path)
    assert path.is_dir()


def test_the_writing_connection_loses_nothing_at_a_power_cut(path: Path) -> None:
    schema.prepare(path)
    with closing(schema.connect_writer(path, 64 * 1024 * 1024)) as connection:
        settings = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in (
                "journal_mode",
                "synchronous",
                "secure_delete",
                "auto_vacuum",
                "max_page_count",
                "busy_timeout",
            )
        }

    assert settings == {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "auto_vacuum": 2,
        "max_page_count": 64 * 1024 * 1024 // 4096,
        "busy_timeout": 5000,
    }


def test_a_reader_can_neither_write_nor_checkpoint(path: Path) -> None:
    schema.prepare(path)
    with closing(schema.connect_reader(path)) as connection:
        assert connection.execute("PRAGMA wal_autocheckpoint").fetchone() == (0,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM meta")


def test_state_values_keep_their_text_and_refuse_what_is_no_json() -> None:
    assert decode(encode({"name": "Zoë", "n": [1, 2.5, None, True]})) == {
        "name": "Zoë",
        "n": [1, 2.5, None, True],
    }
    with pytest.raises(ValueError, match="Out of range"):
        encode(float("nan"))


def test_nothing_is_finished_where_nothing_was_begun(tmp_path: Path) -> None:
    assert finish_salvage(tmp_path / "ledger.db") is None
