"""Taking over what can be trusted out of a ledger that cannot, into a fresh one of a new epoch.

Each row stands for itself: it is taken over if it can be read and its seal is right. Whether *all* rows of a table are
there, its tally tells. Where that cannot be proven for the state, what is missing may be what forbade something:
a withdrawal, a departure, a gear that was no longer park. Therefore a salvage never permits:

- consents that were given are left behind unless the whole state is proven to be there; withdrawals are kept, and
  those of which only the receipt is left are put back;
- so are who is present, how a unit drives and what its signals said: unknown is driving, and nobody is there;
- an offer that was still to be published is not published any more.

The damaged file is never written. The fresh one becomes `ledger.db.salvaged` when it is whole; from then on the
exchange is carried through, by the next start if this one is killed.
"""

import itertools
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from pydantic import TypeAdapter

from gateway.core import consent
from gateway.core.events import SESSION, ConsentChanged, Purpose
from gateway.core.state import Memory
from gateway.core.units import Instant
from gateway.edge.store import files
from gateway.edge.store.check import Fault, Finding
from gateway.edge.store.mark import FOLLOWS, Noted, mark_of, read_mark
from gateway.edge.store.remains import Remains
from gateway.edge.store.rows import Gap, gap_row
from gateway.edge.store.tables import COLUMNS, encode, insert, put, update

_TABLES = tuple(table for table in COLUMNS if table != "meta")
_UNSEALED_TABLES = ("consents",)
"""What is taken out of a ledger whose rows have no seals: the receipts, for the withdrawals among them."""
_INSTANTS = MappingProxyType({"decisions": "at_ms", "offers": "made_ms", "outcomes": "at_ms", "consents": "at_ms"})
_PUT_META = put("meta", ("name",), "value")
_NOT_PUBLISHED = update("offers", {"publication": "'dropped'"}, (), "offers.publication = 'pending'")
_PERMITTING = (
    "DELETE FROM state WHERE scope = 'unit' AND name IN ('presence', 'drive', 'signal')"
    " OR scope = 'subject' AND name = 'consent' AND json_extract(value, '$.given')"
)
_WITHDRAWALS = "SELECT id, unit, holder, purpose, at_ms FROM consents WHERE NOT given AND holder <> ? ORDER BY seq"
_REPORT_NAME = "salvage"
_PURPOSES = frozenset(Purpose)


@dataclass(frozen=True, slots=True)
class Share:
    """What became of a table.

    Attributes:
        taken: Rows taken over.
        lost: Rows that could not be; None when nobody can know.
        dropped: Sound rows left behind or disarmed, because they permit what a missing one may have forbidden.
    """

    taken: int
    lost: int | None
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Salvage:
    """What was wrong with a ledger, and what became of it.

    Attributes:
        file: What the ledger is called now; None when it was gone.
        complete: Whether the whole state was proven to be there; if not, nothing that permits was taken over.
        tables: What became of each table.
    """

    file: str | None
    fault: Fault
    detail: str
    complete: bool
    tables: dict[str, Share]

    def told(self) -> dict[str, object]:
        """Return it as plain values: for logs and for whoever asks how the gateway is."""
        return asdict(self)


_REPORT: TypeAdapter[Salvage] = TypeAdapter(Salvage)


def is_lost(path: Path) -> bool:
    """Return whether there was a ledger where none is: its mark or its log lies there."""
    return not path.exists() and any(each.exists() for each in (mark_of(path), files.beside(path, "-wal")))


def salvage(path: Path, finding: Finding) -> Salvage:
    """Replace a ledger that cannot be trusted by a fresh one that holds what can be; keep the file.

    Raises:
        sqlite3.Error: The fresh one cannot be written. The old one stands as it did, and the next start tries again.
        OSError: The same.
    """
    draft = files.draft_of(path)
    files.begin(draft)
    noted = read_mark(path)
    with closing(_remains_of(path, finding, noted)) as remains, closing(files.open_draft(draft)) as target:
        target.execute("BEGIN")
        transfer = _Transfer(remains, target, finding, noted)
        report = transfer.carry_out(_name_for(path))
        target.execute(_PUT_META, (_REPORT_NAME, _REPORT.dump_json(report).decode()))
        target.execute("COMMIT")
    files.put_in_place(draft, _salvaged(path))
    _exchange(path, report)
    return report


def finish_salvage(path: Path) -> Salvage | None:
    """Carry through what an earlier start began and did not end; None when there is nothing of the kind.

    Raises:
        sqlite3.Error: What it left cannot be read.
        OSError: The files cannot be renamed.
    """
    if not _salvaged(path).exists():
        return None
    with closing(files.open_to_look(_salvaged(path))) as connection:
        (text,) = connection.execute("SELECT value FROM meta WHERE name = ?", (_REPORT_NAME,)).fetchone()
    report = _REPORT.validate_json(text)
    _exchange(path, report)
    return report


def _salvaged(path: Path) -> Path:
    return files.beside(path, ".salvaged")


def _name_for(path: Path) -> str | None:
    """Return the first free name for a damaged ledger; None if nothing is left of it."""
    if not any(files.beside(path, suffix).exists() for suffix in ("", *files.COMPANIONS)):
        return None
    names = (files.beside(path, f".bad-{number}") for number in itertools.count(1))
    return next(
        name.name
        for name in names
        if not any(files.beside(name, suffix).exists() for suffix in ("", *files.COMPANIONS))
    )


def _exchange(path: Path, report: Salvage) -> None:
    """Set the damaged file and its log aside, then give the fresh one its name. Each step may have been done."""
    if report.file is not None:
        # Its log first: beside another file it would be played into that one.
        for suffix in (*files.COMPANIONS, ""):
            old = files.beside(path, suffix)
            if old.exists():
                old.rename(files.beside(path.with_name(report.file), suffix))
        files.sync_folder(path)
    files.put_in_place(_salvaged(path), path)


def _remains_of(path: Path, finding: Finding, noted: Noted | None) -> Remains:
    """Return what is left of the ledger: without its log, if with it it is another's."""
    remains = Remains(path, finding.version)
    if _is_another(remains.meta(), noted):
        remains.close()
        return Remains(path, finding.version, with_log=False)
    return remains


def _is_another(meta: Mapping[str, str], noted: Noted | None) -> bool:
    """Return whether a ledger is known to be another than its mark speaks of."""
    return noted is not None and "epoch" in meta and noted.epoch not in {meta["epoch"], meta.get(FOLLOWS)}


class _Transfer:
    """Carries rows from a ledger that cannot be trusted into a fresh one, within one transaction."""

    def __init__(self, remains: Remains, target: sqlite3.Connection, finding: Finding, noted: Noted | None) -> None:
        self._remains = remains
        self._target = target
        self._finding = finding
        self._noted = noted
        self._meta = remains.meta()

    def carry_out(self, file: str | None) -> Salvage:
        """Take over what may be, note what is missing, and say so."""
        for table in self._trusted_tables():
            self._take(table)
        shares = {table: self._share(table) for table in _TABLES}
        complete = self._is_complete()
        if not complete:
            shares = self._disarm(shares)
        last_now = self._last_now()
        self._target.execute(_PUT_META, ("last_now", str(last_now)))
        if self._noted is not None:
            self._target.execute(_PUT_META, (FOLLOWS, self._noted.epoch))
        if "release" in self._meta:
            self._target.execute(_PUT_META, ("release", self._meta["release"]))
        self._note_gaps(shares, last_now)
        finding = self._finding
        return Salvage(file, finding.fault or Fault.DAMAGED, finding.detail, complete, shares)

    def _trusted_tables(self) -> tuple[str, ...]:
        if _is_another(self._meta, self._noted):
            return ()
        return _TABLES if self._remains.sealed else _UNSEALED_TABLES

    def _take(self, table: str) -> None:
        columns = COLUMNS[table]
        statement = f"INSERT OR IGNORE INTO {table} VALUES ({'?, ' * len(columns)}?)"  # noqa: S608 -- names of ours
        for cells, seal in self._remains.rows(table):
            # Damaged text for which no seal vouches cannot be written.
            with suppress(UnicodeEncodeError):
                self._target.execute(statement, (*cells, seal))

    def _share(self, table: str) -> Share:
        taken, _ = self._taken(table)
        known = self._remains.tally(table) if self._finding.fault is Fault.DAMAGED else None
        return Share(taken, None if known is None else max(0, known[0] - taken))

    def _taken(self, table: str) -> tuple[int, int]:
        rows, seals = self._target.execute("SELECT rows, seals FROM tally WHERE name = ?", (table,)).fetchone()
        return rows, seals

    def _is_complete(self) -> bool:
        """Return whether every row of the state is known to be there, as of the last commit."""
        noted = self._noted
        if self._finding.fault is not Fault.DAMAGED or not self._remains.with_log or not self._knows_its_commits():
            return False
        if noted is not None and noted.epoch == self._meta["epoch"] and int(self._meta["commits"]) < noted.commits:
            return False
        return self._remains.tally("state") == self._taken("state")

    def _knows_its_commits(self) -> bool:
        seals = [seal for _, seal in self._remains.rows("meta")] if self._remains.sealed else []
        return self._remains.tally("meta") == (len(seals), sum(seals))

    def _disarm(self, shares: dict[str, Share]) -> dict[str, Share]:
        """Leave behind what permits."""
        dropped = self._target.execute(_PERMITTING).rowcount
        unpublished = self._target.execute(_NOT_PUBLISHED).rowcount
        self._put_back_withdrawals()
        state, offers = shares["state"], shares["offers"]
        return shares | {
            "state": Share(state.taken - dropped, state.lost, dropped),
            "offers": Share(offers.taken, offers.lost, unpublished),
        }

    def _put_back_withdrawals(self) -> None:
        """Let no withdrawal be forgotten of which there is a receipt."""
        memory = Memory()
        for id_, unit, holder, purpose, at in self._target.execute(_WITHDRAWALS, (SESSION,)):
            if purpose in _PURPOSES:
                withdrawn = ConsentChanged(unit, at, id_, holder, Purpose(purpose), given=False)
                consent.record(memory, withdrawn)
        for key, value in memory.take_changes():
            self._target.execute(insert("state", "ON CONFLICT DO NOTHING"), (*key, encode(value)))

    def _last_now(self) -> Instant:
        """Return where time goes on: at what the ledger or its mark say, else at the newest of what was taken over."""
        known = [] if self._noted is None else [self._noted.now]
        if "last_now" in self._meta:
            known.append(int(self._meta["last_now"]))
        return max(known or [self._newest(table, column) for table, column in _INSTANTS.items()])

    def _newest(self, table: str, column: str) -> Instant:
        newest: Instant
        (newest,) = self._target.execute(f"SELECT coalesce(max({column}), 0) FROM {table}").fetchone()  # noqa: S608 -- names of ours
        return newest

    def _note_gaps(self, shares: dict[str, Share], now: Instant) -> None:
        rolled_back = self._finding.fault is Fault.ROLLED_BACK
        reason = "rolled_back" if rolled_back else "damaged"
        since = int(self._meta.get("last_now", "0")) if rolled_back else 0
        for table, share in shares.items():
            if share.lost != 0:
                self._target.execute(*gap_row(Gap(table, since, now, share.lost, reason, now)))
