"""Notes and counts that may be lost at any time, and that nobody waits for."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from gateway.core.units import HOUR_MS
from gateway.edge.store import cache as module
from gateway.edge.store.cache import Cache, HourCount, Note, What, boot_id, counts_in, notes_in
from gateway.testing.samples import T0
from gateway.testing.small_disk import SmallDisk

HOUR = T0 - T0 % HOUR_MS
STARTED = Note(T0, "boot-1", What.STARTED.value, {"version": "1"})


class Told:
    """A cache at a path, and what it told."""

    def __init__(self, path: Path, max_bytes: int = 16 * 1024 * 1024) -> None:
        self.said: list[str] = []
        self.cache = Cache(path, lambda what, _reason: self.said.append(what), max_bytes)

    def write(self, *notes: Note) -> None:
        for note in notes or (STARTED,):
            self.cache.note(note)
        self.cache.flush()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.db"


def test_a_note_is_kept_with_when_and_what(path: Path) -> None:
    told = Told(path)
    told.write(STARTED, Note(T0 + 1, "boot-1", What.LEDGER_FULL.value, {}))
    told.cache.close()
    Told(path).write(Note(T0 + 2, "boot-2", What.STARTED.value, {}))

    assert [(note.at, note.boot, note.what) for note in notes_in(path)] == [
        (T0, "boot-1", "started"),
        (T0 + 1, "boot-1", "ledger_full"),
        (T0 + 2, "boot-2", "started"),
    ]
    assert notes_in(path)[0].detail == {"version": "1"}
    assert told.said == []


def test_counts_are_kept_by_the_hour_and_only_what_was_added(path: Path) -> None:
    told = Told(path)
    key, other = ("messages", "telemetry"), ("dead_letters", "bad_json")
    for now, totals in (
        (T0, {key: 5}),
        (T0 + 1, {key: 7, other: 1}),
        (HOUR + HOUR_MS, {key: 7, other: 3}),
        (HOUR + HOUR_MS, {key: 7, other: 3}),
    ):
        told.cache.count(now, totals)
        told.cache.flush()

    assert counts_in(path) == [
        HourCount(HOUR, "dead_letters", "bad_json", 1),
        HourCount(HOUR, "messages", "telemetry", 7),
        HourCount(HOUR + HOUR_MS, "dead_letters", "bad_json", 2),
    ]


def test_a_process_counts_on_where_another_has_ended(path: Path) -> None:
    for _ in range(2):
        told = Told(path)
        told.cache.count(T0, {("messages", "telemetry"): 5})
        told.cache.flush()
        told.cache.close()

    assert counts_in(path) == [HourCount(HOUR, "messages", "telemetry", 10)]


def test_nothing_to_write_opens_no_file(path: Path) -> None:
    Told(path).cache.flush()

    assert not path.exists()


def test_it_is_for_its_owner_only_and_has_the_ledgers_pragmas_but_one(path: Path) -> None:
    told = Told(path)
    told.write()
    connection = told.cache._connection
    assert connection is not None
    said = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in _PRAGMAS}

    assert said == _PRAGMAS
    assert path.stat().st_mode & 0o777 == 0o600


_PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": 1,
    "foreign_keys": 1,
    "trusted_schema": 0,
    "cell_size_check": 1,
    "secure_delete": 1,
    "auto_vacuum": 2,
}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def _zero_a_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:8192] = bytes(4096)
    path.write_bytes(content)


def _flip_a_value(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b"boot-1", b"boot-9"))


def _other_make(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE health (seq INTEGER)")


def _newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=9")


@pytest.mark.parametrize(
    "damage",
    [_cut, _zero_a_page, _flip_a_value, _other_make, _newer, lambda path: path.write_bytes(b"not a database" * 500)],
    ids=["cut", "zeroed", "flipped", "other make", "newer", "garbage"],
)
def test_a_damaged_file_is_made_anew(path: Path, damage: Callable[[Path], None]) -> None:
    told = Told(path)
    told.write()
    told.cache.close()
    damage(path)
    again = Told(path)
    again.write(Note(T0 + 9, "boot-2", "started", {}))

    assert again.said == ["cache_made_anew"]
    assert [note.at for note in notes_in(path)] == [T0 + 9]


def test_a_file_damaged_while_it_is_open_is_made_anew(path: Path) -> None:
    told = Told(path)
    told.write()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE health")
    told.write(Note(T0 + 9, "boot-2", "started", {}))

    assert told.said == ["cache_made_anew"]
    assert [note.at for note in notes_in(path)] == [T0 + 9]


def test_a_lost_file_is_made_again(path: Path) -> None:
    told = Told(path)
    told.write()
    told.cache.close()
    path.unlink()
    told.write()

    assert told.said == []
    assert notes_in(path) == [STARTED]


def test_what_cannot_be_written_waits_and_is_told_of_once(path: Path) -> None:
    path.mkdir()
    told = Told(path)
    for number in range(3):
        told.write(STARTED._replace(at=number))
        told.cache.count(T0, {("messages", "telemetry"): number + 1})
        told.cache.flush()
    assert told.said == ["cache_failing"]
    path.rmdir()
    told.cache.flush()  # nothing new: not tried again for that
    assert not path.exists()
    told.write(STARTED._replace(at=3))

    assert told.said == ["cache_failing", "cache_works"]
    assert [note.at for note in notes_in(path)] == [0, 1, 2, 3]
    assert counts_in(path) == [HourCount(HOUR, "messages", "telemetry", 3)]


def test_what_waits_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COUNTS_WAITING", 10)
    path.mkdir()
    told = Told(path)
    for number in range(module.NOTES_WAITING + 5):
        told.cache.note(STARTED._replace(at=number))
        told.cache.count(T0 + number * HOUR_MS, {("messages", "telemetry"): number})
    told.cache.flush()
    path.rmdir()
    told.write()

    assert len(notes_in(path)) == module.NOTES_WAITING
    assert len(counts_in(path)) == 10


def test_it_stays_within_its_budget_and_gives_up_counts_before_notes(path: Path) -> None:
    rng = random.Random(1)  # noqa: S311 -- data
    told = Told(path, max_bytes=1024 * 1024)
    told.write(*(STARTED._replace(at=number) for number in range(100)))
    largest = 0
    for hour in range(600):
        totals = {("messages", f"label-{number}"): (hour + 1) * 10 + rng.randrange(10) for number in range(60)}
        told.cache.count(HOUR + hour * HOUR_MS, totals)
        told.cache.flush()
        largest = max(
            largest, sum(file.stat().st_size for file in path.parent.glob("cache.db*") if "shm" not in file.name)
        )

    assert told.said == []
    assert largest <= 1024 * 1024
    assert len(notes_in(path)) == 100
    counts = counts_in(path)
    assert counts[-1].hour == HOUR + 599 * HOUR_MS
    assert counts[0].hour > HOUR


def test_notes_alone_stay_within_the_budget_too_the_newest_are_kept(path: Path) -> None:
    told = Told(path, max_bytes=1024 * 1024)
    for number in range(40):
        told.write(*(Note(number * 100 + each, "boot", "started", {"said": "x" * 400}) for each in range(100)))

    notes = notes_in(path)
    assert told.said == []
    assert notes[-1].at == 3999
    assert 0 < len(notes) < 4000
    assert path.stat().st_size <= 1024 * 1024


def test_a_full_disk_is_waited_out(small_disk: SmallDisk) -> None:
    path = small_disk.path / "cache.db"
    told = Told(path)
    told.write()
    small_disk.fill()
    for number in range(40):
        told.write(*(STARTED._replace(at=number, detail={"said": "x" * 3000}) for _ in range(20)))
    assert told.said == ["cache_failing"]
    small_disk.free()
    told.write(STARTED._replace(at=99))

    assert told.said == ["cache_failing", "cache_works"]
    assert notes_in(path)[-1].at == 99
    told.cache.close()


def test_a_disk_that_cannot_be_written_is_waited_out(small_disk: SmallDisk) -> None:
    path = small_disk.path / "cache.db"
    told = Told(path)
    told.write()
    told.cache.close()
    with small_disk.read_only():
        told.write()
        assert told.said == ["cache_failing"]
    told.write()

    assert len(notes_in(path)) == 3
    told.cache.close()


def test_the_boot_has_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert boot_id() == boot_id()
    monkeypatch.setattr(module, "_BOOT_ID", tmp_path / "nowhere")

    assert boot_id() == "unknown"
