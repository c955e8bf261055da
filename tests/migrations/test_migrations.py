"""Real ledgers of every earlier version come to the present one whole, whenever the power goes."""

import gzip
import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.core.engine import Engine
from gateway.core.errors import StoreError
from gateway.core.state import Scope, StateKey
from gateway.edge.store import migrations, schema
from gateway.edge.store.account import AccountReader
from gateway.edge.store.check import Finding, look_over
from gateway.edge.store.ledger import Ledger
from gateway.edge.store.salvage import Share
from gateway.edge.store.tables import COLUMNS, VERSION
from gateway.testing.decay import let_decay
from gateway.testing.engines import FixedScorer, a_fence, a_release, an_action

DATA = Path(__file__).parent / "data"
NAMES = ["v1-demo", "v1-grown"]

# As version 1 read them.
STATE = "SELECT scope, owner, name, item, value FROM state ORDER BY scope, owner, name, item"
ACCOUNT = (
    "SELECT trace FROM decisions ORDER BY rowid",
    (
        "SELECT id, decision, unit, holder, action, kind, placement, made_ms, expires_ms, payload, publication,"
        " outcome, withdrawn_ms, withdrawal_reason, withdrawal FROM offers ORDER BY rowid"
    ),
    "SELECT seq, id, offer, unit, at_ms, outcome, detail FROM outcomes ORDER BY seq",
    "SELECT seq, id, unit, holder, purpose, given, at_ms, receipt FROM consents ORDER BY seq",
    "SELECT name, value FROM meta WHERE name NOT IN ('commits', 'version') ORDER BY name",
    STATE,
)


def unpack(name: str, folder: Path) -> Path:
    folder.mkdir()
    packed_files = list(DATA.glob(f"{name}.db*.gz"))
    assert packed_files
    for packed in packed_files:
        target = folder / packed.name.removesuffix(".gz").replace(name, "ledger")
        target.write_bytes(gzip.decompress(packed.read_bytes()))
    return folder / "ledger.db"


def read(path: Path) -> list[list[tuple[object, ...]]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return [connection.execute(query).fetchall() for query in ACCOUNT]


@pytest.fixture(params=NAMES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return unpack(request.param, tmp_path / "ledger")


def kill_at_every_step(source: Path, out: Path) -> list[tuple[str, Path]]:
    """Return the steps of opening a ledger, each with a copy of its folder as it was left by a death at that step."""
    command = [sys.executable, str(DATA.parent / "kill_points.py"), str(source.parent), str(out)]
    # Measuring a process that is killed would only be slow.
    environment = {**os.environ, "PYTHONPATH": str(DATA.parents[2]), "COVERAGE_PROCESS_CONFIG": ""}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return [(step, out / str(number) / "ledger.db") for number, step in enumerate(json.loads(done.stdout), 1)]


def each_once(steps: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Return the steps that left different files behind."""
    left = {}
    for step, path in steps:
        files = (file for file in sorted(path.parent.iterdir()) if not file.name.endswith("-shm"))
        left[tuple((file.name, sha256(file.read_bytes()).digest()) for file in files)] = (step, path)
    return list(left.values())


def test_all_that_was_recorded_is_there_after_the_migration(path: Path) -> None:
    before = read(path)

    assert schema.prepare(path) == schema.Opening(migrated_from=1)
    assert read(path) == before
    assert schema.prepare(path) == schema.Opening()


def test_the_ledger_keeps_its_epoch_and_every_row_is_sealed(path: Path) -> None:
    schema.prepare(path)

    assert look_over(path) == Finding(VERSION)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,)
        tally = dict(connection.execute("SELECT name, rows FROM tally"))
        counts = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 -- names of ours
            for table in COLUMNS
        }
    assert tally == counts
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_engine_goes_on_where_version_1_would_have(path: Path) -> None:
    release = a_release(fences=[a_fence()], actions=[an_action("pastry")])
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        old = {StateKey(Scope(scope), *key): json.loads(value) for scope, *key, value in connection.execute(STATE)}
    schema.prepare(path)
    with closing(Ledger(path)) as ledger:
        restored = Engine.restore(ledger.restorable_state(), release, epoch="e", scorer=FixedScorer())
    expected = Engine.restore(old, release, epoch="e", scorer=FixedScorer())

    assert restored.snapshot() == expected.snapshot()
    assert restored.next_timer() == expected.next_timer()


def test_the_account_of_a_migrated_ledger_can_be_read(path: Path) -> None:
    schema.prepare(path)

    with AccountReader(path) as reader:
        account = reader.read()
    assert account.decisions
    assert account.offers
    assert account.consents


def test_killed_at_any_step_of_a_migration_the_next_start_finds_a_whole_ledger(tmp_path: Path) -> None:
    source = unpack("v1-grown", tmp_path / "source")
    steps = kill_at_every_step(source, tmp_path / "out")
    expected = read(source)
    found: Counter[int] = Counter()
    for step, path in each_once(steps):
        finding = look_over(path)
        assert finding.fault is None, step
        found[finding.version] += 1
        assert schema.prepare(path) == schema.Opening(migrated_from=1 if finding.version == 1 else None), step
        assert read(path) == expected, step
        assert not path.with_name("ledger.db.new").exists()
    assert set(found) == {1, 2}
    assert {step.partition(":")[0] for step, _ in steps} >= {"migrations.py", "files.py", "schema.py"}


def test_killed_at_any_step_of_a_salvage_the_next_start_carries_it_through(tmp_path: Path) -> None:
    source = unpack("v1-grown", tmp_path / "source")
    schema.prepare(source)
    _, _, outcomes, consents, _, state = read(source)
    let_decay(source, "UPDATE decisions SET trace = replace(trace, 'Parked', 'Perked') WHERE seq = 1")
    steps = kill_at_every_step(source, tmp_path / "out")
    told = 0
    states = each_once(steps)
    for step, path in states:
        opening = schema.prepare(path)
        told += opening.salvage is not None
        assert opening.salvage is None or opening.salvage.tables["decisions"] == Share(3, 1), step
        assert look_over(path) == Finding(VERSION), step
        after = read(path)
        assert (after[2], after[3], after[5]) == (outcomes, consents, state), step
        left = sorted(each.name for each in path.parent.iterdir() if each.suffix not in {".mark", ".db"})
        assert left == ["ledger.db.bad-1"], step
    assert told >= len(states) - 2
    assert {step.partition(":")[0] for step, _ in steps} >= {"salvage.py", "files.py", "schema.py"}


def test_a_migration_whose_result_is_not_sound_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read(path)
    monkeypatch.setattr(migrations, "_STEPS", {2: lambda database: database.execute("DROP TABLE consents")})

    with pytest.raises(StoreError, match="could not be brought to version 2"):
        schema.prepare(path)
    assert look_over(path) == Finding(1)
    assert read(path) == before


def test_a_ledger_that_somebody_writes_is_not_replaced(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("SELECT count(*) FROM state").fetchone()
        with pytest.raises(StoreError, match=r"cannot be prepared|is in use"):
            schema.prepare(path)
    assert look_over(path) == Finding(1)
