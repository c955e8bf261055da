"""The seal of a row: two rows are never one text to it, and a flipped bit is always found."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.store import schema
from gateway.edge.store.check import Fault, look_over
from gateway.edge.store.seal import Cell, canonical, seal_of, teach, tolerant_text
from gateway.edge.store.tables import COLUMNS, insert, put, update
from gateway.testing.decay import let_decay

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
CELLS = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), TEXT, st.binary(max_size=12), st.floats(allow_nan=False))
ROWS = st.lists(CELLS, max_size=5).map(tuple)


def _parsed(data: bytes) -> tuple[Cell, ...]:
    """Read a canonical text back: that this can be done at all is what makes it injective."""
    cells: list[Cell] = []
    while data:
        kind, data = data[:1], data[1:]
        if kind == b"n":
            cells.append(None)
        elif kind == b"i":
            number, _, data = data.partition(b";")
            cells.append(int(number))
        else:
            length, _, data = data.partition(b":")
            content, data = data[: int(length)], data[int(length) :]
            cells.append(content.decode() if kind == b"t" else content)
    return tuple(cells)


@given(ROWS.filter(lambda row: not any(isinstance(cell, float) for cell in row)))
def test_a_canonical_text_can_be_read_back(row: tuple[Cell, ...]) -> None:
    assert _parsed(canonical(row)) == row


@given(ROWS, ROWS)
def test_different_rows_are_different_texts(one: tuple[Cell, ...], other: tuple[Cell, ...]) -> None:
    assert (canonical(one) == canonical(other)) == (repr(one) == repr(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "bc"), ("ab", "c")),
        (("1",), (1,)),
        ((b"a",), ("a",)),
        ((None,), ("",)),
        ((1,), (1.0,)),
        (("n",), (None,)),
        ((), (None,)),
        (("a", ""), ("a",)),
        (("i1;",), (1,)),
    ],
)
def test_what_looks_alike_is_told_apart(one: tuple[Cell, ...], other: tuple[Cell, ...]) -> None:
    assert canonical(one) != canonical(other)


@given(st.lists(TEXT, min_size=1, max_size=4), st.data())
def test_any_flipped_bit_in_any_cell_is_found(row: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(row) - 1))
    content = bytearray(row[place].encode())
    if not content:
        return
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    flipped = [*row[:place], tolerant_text(bytes(content)), *row[place + 1 :]]

    assert seal_of("state", *flipped) != seal_of("state", *row)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 62))
def test_any_flipped_bit_of_a_number_is_found(number: int, bit: int) -> None:
    assert seal_of("state", number ^ (1 << bit)) != seal_of("state", number)


def test_the_table_is_a_part_of_the_seal() -> None:
    assert seal_of("state", "a") != seal_of("meta", "a")


def test_sqlite_and_python_agree_on_every_kind_of_cell() -> None:
    cells: tuple[Cell, ...] = ("a\0b", "Zoë", "", 2**63 - 1, -1, b"\x00\xff", None, 0.5)
    with closing(sqlite3.connect(":memory:")) as connection:
        teach(connection)
        (seal,) = connection.execute(f"SELECT seal_of('t', {', '.join('?' * len(cells))})", cells).fetchone()

    assert seal == seal_of("t", *cells)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with a row in every table."""
    path = tmp_path / "ledger.db"
    schema.prepare(path)
    sample: dict[str, Cell] = {"reason": "budget", "publication": "pending", "withdrawal": "sent", "payload": b"bytes"}
    numbers = {"at_ms", "made_ms", "expires_ms", "withdrawn_ms", "given", "from_ms", "to_ms", "count"}
    with closing(schema.connect_writer(path, 1 << 26)) as connection:
        for table, columns in COLUMNS.items():
            cells = [
                sample.get(column, 1_700_000_000_000 if column in numbers else f'"{table} {column}"')
                for column in columns
                if column != "seq"
            ]
            connection.execute(insert(table), cells)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.mark.parametrize(
    ("table", "column"), [(table, column) for table, columns in COLUMNS.items() for column in (*columns, "seal")]
)
def test_a_cell_that_changed_behind_the_writer_is_found(path: Path, table: str, column: str) -> None:
    changed = {
        "reason": "'retention'",
        "publication": "'sent'",
        "withdrawal": "'pending'",
        "payload": "x'62797465'",
    }.get(column, f"iif(typeof({column}) = 'text', {column} || 'x', {column} + 1)")
    let_decay(path, f"UPDATE {table} SET {column} = {changed}")  # noqa: S608 -- names of ours

    finding = look_over(path)
    assert finding.fault is Fault.DAMAGED
    assert finding.detail == f"{table}: a row whose seal is broken"


def test_a_row_that_vanished_is_found(path: Path) -> None:
    let_decay(path, "DELETE FROM state")

    assert look_over(path).detail == "state: 0 rows do not come to the tally"


def test_a_trigger_that_changed_is_found(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        (sql,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'state_in'").fetchone()
        connection.execute("DROP TRIGGER state_in")
        connection.execute(sql.replace("rows + 1", "rows + 3"))

    assert look_over(path).detail == "state_in: is not what was made"


def test_an_update_seals_anew_and_does_not_heal(path: Path) -> None:
    sent = update("offers", {"publication": "'sent'"}, ("action",), "offers.action = given.action")
    with closing(schema.connect_writer(path, 1 << 26)) as connection:
        connection.execute(sent, ('"offers action"',))
        assert look_over(path).fault is None
        connection.execute("UPDATE offers SET payload = x'00'")
        connection.execute(sent, ('"offers action"',))
        assert connection.execute("SELECT publication, seal FROM offers").fetchall() == [("sent", -1)]
    assert look_over(path).detail == "offers: a row whose seal is broken"


def test_a_value_that_is_put_twice_has_the_seal_of_the_second(path: Path) -> None:
    statement = put("meta", ("name",), "value")
    with closing(schema.connect_writer(path, 1 << 26)) as connection:
        for value in ("one", "two"):
            connection.execute(statement, ("release", value))
        assert connection.execute("SELECT value, seal FROM meta WHERE name = 'release'").fetchone() == (
            "two",
            seal_of("meta", "release", "two"),
        )
    assert look_over(path).fault is None
