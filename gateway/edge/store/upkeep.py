"""Keeping the ledger within its bounds: what is taken out of it, in which order, and how that stays on record.

Theory. The ledger has a budget of bytes and days. What it can spare is taken out from the bottom up, the oldest first:

1. explanations of silences: decisions that chose nothing;
2. explanations of offers that have ended;
3. the text of offers that have ended; that they were made, for whom, and what became of them, stays.

State, consents, outcomes and offers are never evicted: they alter decisions, or prove them. Only age takes results
out, and nothing takes out a consent's receipt. Each hole is a row in `gaps` in the transaction that makes it, so that
of every stream: rows written = rows there + counts in `gaps`.

These functions change what they are told to in the transaction that the caller has opened. They know no clock.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gateway.core.units import DAY_MS, Instant
from gateway.edge.store.rows import Gap, gap_row
from gateway.edge.store.tables import PAGE_BYTES, update

TEXT_STREAM = "offers.payload"
"""The stream of the texts of offers: the rows stay, so that they are not counted as rows of `offers`."""

_KIB = 1024
_MIB = 1024 * _KIB
_PAGES_BETWEEN_CHECKPOINTS = 1000
_PAGES_A_TRANSACTION = 8
_PAGES_AN_EVICTION = 4

_NOT_LIVE = (
    "NOT EXISTS (SELECT 1 FROM state WHERE scope = 'offer' AND owner = offers.unit AND name = 'live'"
    " AND item = offers.id)"
)
# Of a ledger whose state was lost, what is not known to have ended may still stand on a screen until it expires.
_ENDED = (
    f"({_NOT_LIVE} AND (offers.expires_ms <= :at OR offers.withdrawn_ms IS NOT NULL"
    " OR coalesce(offers.outcome, '') IN ('redeemed', 'declined', 'dismissed', 'never_again', 'expired')))"
)
_UNEXPLAINED = f"NOT EXISTS (SELECT 1 FROM offers WHERE offers.id = decisions.offer AND NOT {_ENDED})"  # noqa: S608 -- nothing of this comes from outside

_DROP_DECISIONS = "DELETE FROM decisions WHERE seq IN ({}) RETURNING at_ms"
_SILENCES = _DROP_DECISIONS.format("SELECT seq FROM decisions WHERE chosen IS NULL ORDER BY seq LIMIT :limit")
_EXPLANATIONS = _DROP_DECISIONS.format(
    f"SELECT seq FROM decisions WHERE chosen IS NOT NULL AND {_UNEXPLAINED} ORDER BY seq LIMIT :limit"  # noqa: S608 -- nothing of this comes from outside
)
_OLD_DECISIONS = _DROP_DECISIONS.format(
    f"SELECT seq FROM decisions WHERE at_ms < :before AND {_UNEXPLAINED} ORDER BY at_ms LIMIT :limit"  # noqa: S608 -- nothing of this comes from outside
)
_TEXTS = f"SELECT seq FROM offers WHERE payload <> x'' AND {_ENDED} ORDER BY seq LIMIT :limit"  # noqa: S608 -- nothing of this comes from outside
_DROP_TEXT = update("offers", {"payload": "x''"}, ("seq",), "offers.seq = given.seq") + " RETURNING made_ms"
_OLD_OFFERS = (
    f"SELECT seq, id, made_ms FROM offers WHERE made_ms < :before AND expires_ms < :before AND {_ENDED}"  # noqa: S608 -- nothing of this comes from outside
    " ORDER BY made_ms LIMIT :limit"
)
_DROP_OFFER = "DELETE FROM offers WHERE seq = ?"
_DROP_OUTCOMES = "DELETE FROM outcomes WHERE offer = ? RETURNING at_ms"
_STRAY_OUTCOMES = (
    "DELETE FROM outcomes WHERE seq IN (SELECT seq FROM outcomes WHERE at_ms < :before"
    " AND NOT EXISTS (SELECT 1 FROM offers WHERE offers.id = outcomes.offer) ORDER BY at_ms LIMIT :limit)"
    " RETURNING at_ms"
)
_WIDEN = (
    update(  # noqa: S608 -- nothing of this comes from outside
        "gaps",
        {
            "from_ms": "min(gaps.from_ms, given.first)",
            "to_ms": "max(gaps.to_ms, given.last)",
            "count": "gaps.count + given.more",
            "at_ms": "given.at",
        },
        ("stream", "reason", "first", "last", "more", "at", "day"),
        "gaps.seq = (SELECT max(seq) FROM gaps WHERE stream = given.stream AND reason = given.reason)"
        " AND gaps.at_ms BETWEEN given.day AND given.at AND gaps.count IS NOT NULL",
    )
    + " RETURNING seq"
)


@dataclass(frozen=True, slots=True)
class Budget:
    """How the bytes of `[ledger] max_mib` are shared out between the file and its write-ahead log.

    Attributes:
        max_bytes: What both together may take.
    """

    max_bytes: int

    @property
    def log_bytes(self) -> int:
        """How long the write-ahead log may get: an eighth, and at most 16 MiB."""
        return min(16 * _MIB, max(128 * _KIB, self.max_bytes // 8))

    @property
    def pages(self) -> int:
        """How many pages the file may have, all told."""
        return max(1, (self.max_bytes - self.log_bytes) // PAGE_BYTES)

    @property
    def pages_for_commits(self) -> int:
        """How many pages the file may have when something is recorded; the rest is for making room."""
        return max(1, self.pages - min(64, self.pages // 32))

    @property
    def evict_above(self) -> int:
        """Pages in use from which on room is made."""
        return self.pages_for_commits * 9 // 10

    @property
    def evict_to(self) -> int:
        """Pages in use down to which it is made: not at every commit anew."""
        return self.pages_for_commits * 17 // 20

    @property
    def is_small(self) -> bool:
        """Whether the log would outgrow its share if it were taken over into the file as seldom as usual."""
        return self._log_pages < 2 * _PAGES_BETWEEN_CHECKPOINTS

    @property
    def checkpoint_pages(self) -> int:
        """Pages in the log after which they are taken over into the file."""
        return self._log_pages // 4 if self.is_small else _PAGES_BETWEEN_CHECKPOINTS

    @property
    def group_limit(self) -> int:
        """Transactions that fit into the log together; a transaction touches a few pages."""
        return max(1, self._log_pages // _PAGES_A_TRANSACTION)

    @property
    def step(self) -> int:
        """Rows or pages that one step of upkeep may touch: some milliseconds, and no more than fits into the log."""
        return min(256, max(8, self._log_pages // _PAGES_AN_EVICTION))

    @property
    def _log_pages(self) -> int:
        return self.log_bytes // PAGE_BYTES


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the ledger keeps what no longer alters a decision.

    Attributes:
        decisions_ms: Explanations.
        results_ms: Offers that have ended, with their outcomes; counted from when the offer's time was over.
    """

    decisions_ms: int
    results_ms: int


class Fill(NamedTuple):
    """How many pages a file has, and how many of them are free."""

    pages: int
    free: int

    @property
    def used(self) -> int:
        """Pages that hold something."""
        return self.pages - self.free

    @property
    def surplus(self) -> int:
        """Free pages that are worth giving back to the disk. A twentieth is kept: the ledger will want it again."""
        return max(0, self.free - self.pages // 20)


def fill_of(connection: sqlite3.Connection) -> Fill:
    """Return how full a file is, what is still in the log included."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    return Fill(int(pages), int(free))


def bytes_on_disk(path: Path) -> tuple[int, int]:
    """Return the sizes of a ledger and of its write-ahead log."""
    return _size(path), _size(path.with_name(path.name + "-wal"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def evict(connection: sqlite3.Connection, at: Instant, limit: int) -> Gap | None:
    """Take out what can be spared most easily, at most `limit` of it.

    Returns:
        The hole, already on record; None: nothing can be spared.
    """
    given = {"at": at, "limit": limit}
    for statement in (_SILENCES, _EXPLANATIONS):
        gap = _hole("decisions", "budget", connection.execute(statement, given).fetchall(), at)
        if gap is not None:
            break
    else:
        texts = connection.execute(_TEXTS, given).fetchall()
        taken = [connection.execute(_DROP_TEXT, text).fetchone() for text in texts]
        gap = _hole(TEXT_STREAM, "budget", taken, at)
    if gap is not None:
        record(connection, gap)
    return gap


def retain(connection: sqlite3.Connection, retention: Retention, now: Instant, limit: int) -> tuple[Gap, ...]:
    """Take out what is older than it may become, at most `limit` rows of a kind; none left: nothing is too old.

    What is exactly as old as it may become stays.
    """
    decisions = {"at": now, "before": now - retention.decisions_ms, "limit": limit}
    results = {"at": now, "before": now - retention.results_ms, "limit": limit}
    offers = connection.execute(_OLD_OFFERS, results).fetchall()
    outcomes: list[tuple[Instant]] = []
    for seq, offer, _made in offers:
        connection.execute(_DROP_OFFER, (seq,))
        outcomes += connection.execute(_DROP_OUTCOMES, (offer,)).fetchall()
    outcomes += connection.execute(_STRAY_OUTCOMES, results).fetchall()
    holes = (
        _hole("decisions", "retention", connection.execute(_OLD_DECISIONS, decisions).fetchall(), now),
        _hole("offers", "retention", [(made,) for _seq, _id, made in offers], now),
        _hole("outcomes", "retention", outcomes, now),
    )
    gaps = tuple(hole for hole in holes if hole is not None)
    for gap in gaps:
        record(connection, gap)
    return gaps


def _hole(stream: str, reason: str, taken: list[tuple[Instant]], at: Instant) -> Gap | None:
    if not taken:
        return None
    instants = [instant for (instant,) in taken]
    return Gap(stream, min(instants), max(instants), len(instants), reason, at)


def record(connection: sqlite3.Connection, gap: Gap) -> None:
    """Write a hole down: into the row of the same stream and reason of the same day, if there is one."""
    day = gap.at - gap.at % DAY_MS
    given = (gap.stream, gap.reason, gap.first, gap.last, gap.count, gap.at, day)
    if gap.count is None or not connection.execute(_WIDEN, given).fetchall():
        connection.execute(*gap_row(gap))


def give_back(connection: sqlite3.Connection, pages: int) -> None:
    """Move the last pages of the file into free ones and cut it, by at most `pages`. Outside of any transaction."""
    if pages <= 0:
        return  # which SQLite would take for: all of them
    # As a script: a statement that answers with no columns is stepped once, which is one page.
    connection.executescript(f"PRAGMA incremental_vacuum({pages})")
