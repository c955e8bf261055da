"""The tables of `ledger.db`: what they hold, and the statements that write them so that every row is sealed.

A statement is made here from the names of its columns, and nowhere else is a row of the ledger written: what is
inserted is sealed as it goes in, what is changed in place is sealed anew by the statement that changes it.
"""

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from gateway.edge.store.seal import FUNCTION, NEVER

VERSION = 2
UNSEALED = 1
"""The version whose rows had no seals yet."""
APPLICATION_ID = 0x57415953  # "WAYS"
PAGE_BYTES = 4096

_TABLES = """
CREATE TABLE tally (
    name  TEXT PRIMARY KEY,
    rows  INTEGER NOT NULL,
    seals INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    seal  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE state (
    scope TEXT NOT NULL,
    owner TEXT NOT NULL,
    name  TEXT NOT NULL,
    item  TEXT NOT NULL,
    value TEXT NOT NULL,
    seal  INTEGER NOT NULL,
    PRIMARY KEY (scope, owner, name, item)
) WITHOUT ROWID;

CREATE TABLE decisions (
    seq     INTEGER PRIMARY KEY,
    id      TEXT NOT NULL UNIQUE,
    unit    TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    release TEXT NOT NULL,
    chosen  TEXT,
    offer   TEXT,
    trace   TEXT NOT NULL,
    seal    INTEGER NOT NULL
);
CREATE INDEX decisions_at ON decisions (at_ms);
CREATE INDEX decisions_silent ON decisions (seq) WHERE chosen IS NULL;

CREATE TABLE offers (
    seq               INTEGER PRIMARY KEY,
    id                TEXT NOT NULL UNIQUE,
    decision          TEXT NOT NULL,
    unit              TEXT NOT NULL,
    holder            TEXT NOT NULL,
    action            TEXT NOT NULL,
    kind              TEXT NOT NULL,
    placement         TEXT NOT NULL,
    made_ms           INTEGER NOT NULL,
    expires_ms        INTEGER NOT NULL,
    payload           BLOB NOT NULL,
    publication       TEXT NOT NULL DEFAULT 'pending' CHECK (publication IN ('pending', 'sent', 'dropped')),
    outcome           TEXT,
    withdrawn_ms      INTEGER,
    withdrawal_reason TEXT,
    withdrawal        TEXT CHECK (withdrawal IN ('pending', 'sent')),
    seal              INTEGER NOT NULL
);
CREATE INDEX offers_owed ON offers (expires_ms) WHERE publication = 'pending' OR withdrawal = 'pending';
CREATE INDEX offers_made ON offers (made_ms);
CREATE INDEX offers_shown ON offers (seq) WHERE payload <> x'';

CREATE TABLE outcomes (
    seq     INTEGER PRIMARY KEY,
    id      TEXT NOT NULL,
    offer   TEXT NOT NULL,
    unit    TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    detail  TEXT NOT NULL,
    seal    INTEGER NOT NULL
);
CREATE INDEX outcomes_offer ON outcomes (offer);
CREATE INDEX outcomes_at ON outcomes (at_ms);

CREATE TABLE consents (
    seq     INTEGER PRIMARY KEY,
    id      TEXT NOT NULL,
    unit    TEXT NOT NULL,
    holder  TEXT NOT NULL,
    purpose TEXT NOT NULL,
    given   INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,
    receipt TEXT NOT NULL,
    seal    INTEGER NOT NULL
);
-- A person says a thing once. Two sessions are two people, even if their firmware counts from 1 for each.
CREATE UNIQUE INDEX consents_once ON consents (holder, purpose, id, given, unit) WHERE holder <> 'session';

CREATE TABLE gaps (
    seq     INTEGER PRIMARY KEY,
    stream  TEXT NOT NULL,
    from_ms INTEGER NOT NULL,
    to_ms   INTEGER NOT NULL,
    count   INTEGER,
    reason  TEXT NOT NULL CHECK (reason IN ('budget', 'retention', 'damaged', 'rolled_back')),
    at_ms   INTEGER NOT NULL,
    seal    INTEGER NOT NULL
);
CREATE INDEX gaps_of ON gaps (stream, reason);
"""

COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "meta": ("name", "value"),
        "state": ("scope", "owner", "name", "item", "value"),
        "decisions": ("seq", "id", "unit", "at_ms", "release", "chosen", "offer", "trace"),
        "offers": (
            *("seq", "id", "decision", "unit", "holder", "action", "kind", "placement", "made_ms", "expires_ms"),
            *("payload", "publication", "outcome", "withdrawn_ms", "withdrawal_reason", "withdrawal"),
        ),
        "outcomes": ("seq", "id", "offer", "unit", "at_ms", "outcome", "detail"),
        "consents": ("seq", "id", "unit", "holder", "purpose", "given", "at_ms", "receipt"),
        "gaps": ("seq", "stream", "from_ms", "to_ms", "count", "reason", "at_ms"),
    }
)
"""The columns of each sealed table in their order, without the seal."""

_KEPT_TALLY = """
INSERT INTO tally VALUES ('{table}', 0, 0);
CREATE TRIGGER {table}_in AFTER INSERT ON {table} BEGIN
    UPDATE tally SET rows = rows + 1, seals = seals + NEW.seal WHERE name = '{table}';
END;
CREATE TRIGGER {table}_set AFTER UPDATE OF seal ON {table} BEGIN
    UPDATE tally SET seals = seals - OLD.seal + NEW.seal WHERE name = '{table}';
END;
CREATE TRIGGER {table}_out AFTER DELETE ON {table} BEGIN
    UPDATE tally SET rows = rows - 1, seals = seals - OLD.seal WHERE name = '{table}';
END;
"""

SCHEMA = _TABLES + "".join(_KEPT_TALLY.format(table=table) for table in COLUMNS)
"""What makes the tables. The tally knows, whoever writes, how many rows a table has and what their seals come to:
rows that have vanished, or have come back from an earlier time, are noticed although each that is left is sound."""


def insert(table: str, conflict: str = "") -> str:
    """Return the statement that inserts a sealed row. Its values: all columns in their order, without `seq`.

    Args:
        table: Where to.
        conflict: What to do about a row that is there already, e.g. `ON CONFLICT DO NOTHING`.
    """
    columns = COLUMNS[table]
    # As a subquery of its own, max(seq) is one look at the end of the table; beside others it would read all of it.
    sources = {"seq": f"coalesce((SELECT max(seq) FROM {table}), 0) + 1"}  # noqa: S608 -- names of ours
    values = ", ".join(f"{sources.get(column, '?')} AS {column}" for column in columns)
    names = ", ".join(columns)
    # Without a WHERE, SQLite would take ON CONFLICT for a join's ON.
    return (
        f"INSERT INTO {table} ({names}, seal) SELECT {names}, {_sealed(table, columns)} FROM (SELECT {values})"  # noqa: S608 -- names of ours
        f" WHERE true {conflict}"
    )


def put(table: str, key: Sequence[str], value: str) -> str:
    """Return the statement that sets the value of a key, in a table where a row is a key and its value."""
    conflict = f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {value} = excluded.{value}, seal = excluded.seal"
    return insert(table, conflict)


def update(table: str, changes: Mapping[str, str], given: Sequence[str], where: str) -> str:
    """Return the statement that changes rows in place and seals them anew.

    A row whose seal is wrong already is changed but does not become right by it: it is still found at the next start.

    Args:
        table: Where.
        changes: Columns and the expressions of their new values.
        given: Names of the statement's values in their order: `given.name` in expressions and in `where`.
        where: Which rows.
    """
    before = [f"{table}.{column}" for column in COLUMNS[table]]
    after = [changes.get(column, f"{table}.{column}") for column in COLUMNS[table]]
    assignments = ", ".join(f"{column} = {expression}" for column, expression in changes.items())
    source = f" FROM (SELECT {', '.join(f'? AS {name}' for name in given)}) AS given" if given else ""
    return (
        f"UPDATE {table} SET {assignments}, seal = CASE WHEN {table}.seal = {_sealed(table, before)}"  # noqa: S608 -- names of ours
        f" THEN {_sealed(table, after)} ELSE {NEVER} END{source} WHERE {where}"
    )


def _sealed(table: str, cells: Sequence[str]) -> str:
    return f"{FUNCTION}('{table}', {', '.join(cells)})"


def encode(value: object) -> str:
    """Return a state value as the ledger keeps it: JSON, compact, keys in their order."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def decode(text: str) -> object:
    """Return the value that `encode` wrote."""
    value: object = json.loads(text)
    return value
