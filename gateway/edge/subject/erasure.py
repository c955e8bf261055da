"""Erasing a person from ledger, journals and what was set aside, so that their id is nowhere left.

What is personal is deleted: their state, decisions made for them, consents and receipts, what they said in answer. What
is counted and paid for stays without them: that an offer was made, when, where, of which action, and what became of it.
An offer that may still stand on a screen is taken off it at the gateway's next start.

The gateway must be stopped: its engine holds in memory what is erased here, and would write it down anew. Journals go
first, since the ledger tells which offers in them were the person's; so that killed at any step, to erase once more
carries it through.
"""

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.core.effects import StateChanged
from gateway.core.errors import StoreError
from gateway.core.units import Instant
from gateway.edge.lock import sole_user_of
from gateway.edge.store import inspection
from gateway.edge.store.rows import Recorder, Row, Transaction
from gateway.edge.store.schema import connect_writer
from gateway.edge.store.session import Session
from gateway.edge.store.tables import update
from gateway.edge.store.upkeep import Budget
from gateway.edge.subject import journals, register
from gateway.edge.subject.holdings import Holdings, holdings_of
from gateway.edge.subject.traces import Name
from gateway.wire.write import encode_offer

_ROOM_BYTES = 1 << 40
_CHUNK_BYTES = 1 << 20
_GZIP = 31
"""What zlib calls the format of gzip with its largest window."""
_OFF_SCREEN = (
    "offers.withdrawn_ms IS NULL AND offers.expires_ms > given.now"
    " AND coalesce(offers.outcome, 'presented') IN ('presented', 'seen')"
)
_ANONYMOUS_OFFER = update(
    "offers",
    {
        "holder": "''",
        "payload": "x''",
        "publication": "CASE offers.publication WHEN 'pending' THEN 'dropped' ELSE offers.publication END",
        "withdrawn_ms": f"CASE WHEN {_OFF_SCREEN} THEN given.now ELSE offers.withdrawn_ms END",
        "withdrawal_reason": f"CASE WHEN {_OFF_SCREEN} THEN 'consent_withdrawn' ELSE offers.withdrawal_reason END",
        "withdrawal": f"CASE WHEN {_OFF_SCREEN} THEN 'pending' ELSE offers.withdrawal END",
    },
    ("now", "seq"),
    "offers.seq = given.seq",
)
_ANONYMOUS_OUTCOME = update("outcomes", {"id": "''", "detail": "''"}, ("seq",), "outcomes.seq = given.seq")
_DROP_DECISION = "DELETE FROM decisions WHERE seq = ?"
_STRIKE = update("decisions", {"trace": "given.trace"}, ("trace", "seq"), "decisions.seq = given.seq")
_DROP_CONSENTS = "DELETE FROM consents WHERE holder = ?"


@dataclass(frozen=True, slots=True)
class Plan:
    """What erasing a person would take away.

    Attributes:
        journals: Those that hold something of them.
        set_aside: Damaged ledgers that were kept and hold their id: they cannot be mended, and are deleted.
    """

    ledger: Path
    holdings: Holdings
    journals: tuple[journals.Found, ...]
    set_aside: tuple[Path, ...]

    def counts(self) -> dict[str, int]:
        """Return how much there is, by kind."""
        lines = sum(found.lines for found in self.journals)
        return {**self.holdings.counts(), "journal_lines": lines, "set_aside": len(self.set_aside)}


@dataclass(frozen=True, slots=True)
class Erased:
    """What was done.

    Attributes:
        noted: The line that stays of it.
        searched: The files that were then searched for the id, byte by byte.
        found_in: Those of them in which it still stands, be it as a part of a longer one.
    """

    noted: dict[str, object]
    searched: tuple[Path, ...]
    found_in: tuple[Path, ...]


def plan(ledger: Path, journal_files: Iterable[Path], subject: str) -> Plan:
    """Return what would be erased; nothing is changed.

    Raises:
        StoreError: The ledger cannot be read.
        InvalidInput: A journal is damaged.
        OSError: A file cannot be read.
    """
    held = holdings_of(ledger, subject)
    found = [journals.find(each, subject, held.offer_ids) for each in journal_files]
    aside = [each for each in sorted(ledger.parent.glob(f"{ledger.name}.bad-*")) if _stands_in(subject, each)]
    return Plan(ledger, held, tuple(each for each in found if each.lines), tuple(aside))


def erase(ledger: Path, journal_files: Sequence[Path], subject: str, purpose: str, at: Instant) -> Erased:
    """Erase a person, and search every file for what may be left.

    Raises:
        StoreError: A gateway is running, the ledger is damaged, or something cannot be written. To erase once more
            carries it through.
        InvalidInput: A journal is damaged. Nothing was changed.
        OSError: A file cannot be read or written.
    """
    with _stopped(ledger.parent):
        if (finding := inspection.verify(ledger)).fault is not None:
            raise StoreError(
                f"{ledger}: is damaged ({finding.detail}): start the gateway, which salvages what is sound"
            )
        found = plan(ledger, journal_files, subject)
        for journal in found.journals:
            journals.erase(journal.journal, subject, found.holdings.offer_ids)
        _erase_rows(ledger, found.holdings)
        for each in found.set_aside:
            each.unlink()
        if (finding := inspection.verify(ledger)).fault is not None:
            raise StoreError(f"{ledger}: is not sound after it: {finding.detail}")
        noted = register.note(ledger.parent, "erase", purpose, found.counts(), at)
        searched = tuple(_files(ledger.parent, journal_files))
        return Erased(noted, searched, tuple(each for each in searched if _stands_in(subject, each)))


@contextmanager
def _stopped(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, or say that a gateway has it."""
    with ExitStack() as stack:
        try:
            stack.enter_context(sole_user_of(folder))
        except StoreError as error:
            raise StoreError(
                f"{error}: stop it, erase, and start it again; while it runs it would write down anew what is erased"
            ) from error
        yield


def _erase_rows(ledger: Path, held: Holdings) -> None:
    """Change the ledger in one transaction; then write the file anew, so that no page keeps what a row left behind."""
    session = Session(ledger, Budget(_ROOM_BYTES), connect_writer)
    try:
        session.commit([Transaction(held.now, tuple(_rows(held)))])
        session.close()
        with closing(connect_writer(ledger, _ROOM_BYTES)) as connection:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error as error:
        raise StoreError(f"{ledger}: could not be written: {error}") from error
    finally:
        session.close()


def _rows(held: Holdings) -> Iterator[Row]:
    recorder = Recorder(encode_offer)
    recorder.add(StateChanged(key, value) for key, value in held.changes.items())
    gathered = recorder.transaction(held.now)
    yield from () if gathered is None else gathered.rows
    name = Name(held.subject)
    for row in held.decisions:
        yield _DROP_DECISION, (row.seq,)
    for seq, trace in held.mentions.items():
        yield _STRIKE, (name.struck_from(trace), seq)
    for row in held.offers:
        yield _ANONYMOUS_OFFER, (held.now, row.seq)
    for row in held.outcomes:
        yield _ANONYMOUS_OUTCOME, (row.seq,)
    yield _DROP_CONSENTS, (held.subject,)


def _files(folder: Path, journal_files: Iterable[Path]) -> Iterator[Path]:
    """Yield every file of the gateway's data, and the journals wherever they lie."""
    inside = {each.resolve() for each in folder.rglob("*") if each.is_file()}
    yield from sorted(inside | {each.resolve() for each in journal_files})


def _stands_in(subject: str, path: Path) -> bool:
    """Return whether an id stands anywhere in a file; in a compressed one, in what it holds."""
    wanted, tail = subject.encode(), b""
    try:
        for chunk in _content(path):
            if wanted in tail + chunk:
                return True
            tail = (tail + chunk)[-len(wanted) :]
    except zlib.error as error:
        raise StoreError(f"{path}: its compression is damaged, so that nobody can tell who is in it") from error
    return False


def _content(path: Path) -> Iterator[bytes]:
    """Yield what is in a file; of a compressed one whose writer was killed, all that can be had.

    Raises:
        zlib.error: Its compression is damaged.
        OSError: It cannot be read.
    """
    unpack = zlib.decompressobj(_GZIP) if path.suffix == ".gz" else None
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            while unpack is not None and chunk:
                yield unpack.decompress(chunk)
                chunk = unpack.unused_data
                unpack = zlib.decompressobj(_GZIP) if chunk else unpack
            if unpack is None:
                yield chunk
    if unpack is not None:
        yield unpack.flush()
