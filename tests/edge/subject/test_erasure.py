"""A person who was erased is nowhere left; what is counted stays, and so does everybody else."""

import asyncio
import gzip
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.core.effects import StateChanged
from gateway.core.errors import InvalidInput, StoreError
from gateway.core.state import Scope, StateKey
from gateway.edge.lock import sole_user_of
from gateway.edge.store import inspection, schema
from gateway.edge.store.ledger import Ledger
from gateway.edge.subject import erasure
from gateway.edge.subject.holdings import holdings_of
from gateway.edge.subject.journals import journals_in
from gateway.testing.house import ERIKA, TOM, House
from gateway.testing.ledger import WatchedWriter, transaction_of
from gateway.testing.samples import T0


def erase(house: House, who: str = ERIKA) -> erasure.Erased:
    return erasure.erase(house.ledger, journals_in(house.journal.parent), who, "her request", T0)


def rows(house: House, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{house.ledger}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def bytes_of(house: House) -> Iterator[tuple[str, bytes]]:
    for path in sorted(house.folder.rglob("*")):
        if path.is_file():
            yield path.name, gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def test_before_it_the_id_stands_in_ledger_journal_and_what_was_set_aside(house: House) -> None:
    named = [name for name, content in bytes_of(house) if ERIKA.encode() in content]
    assert named == ["gw-1-e1-1.moments.jsonl.gz", "ledger.db", "ledger.db.bad-1"]


def test_after_it_no_byte_of_any_file_names_the_person(house: House) -> None:
    erased = erase(house)
    assert [name for name, content in bytes_of(house) if ERIKA.encode() in content] == []
    assert [name for name, content in bytes_of(house) if TOM.encode() in content] != []
    assert erased.found_in == ()
    assert {path.name for path in erased.searched} >= {"ledger.db", "ledger.mark", "gw-1-e1-1.moments.jsonl.gz"}
    assert not (house.folder / "ledger.db.bad-1").exists()


def test_the_ledger_is_sound_after_it_and_a_gateway_starts_on_it(house: House) -> None:
    before = inspection.inspect(house.ledger)
    erase(house)
    assert inspection.verify(house.ledger).fault is None
    assert schema.prepare(house.ledger).salvage is None
    after = inspection.inspect(house.ledger)
    assert (after.epoch, after.last_now, after.commits) == (before.epoch, before.last_now, before.commits + 1)


def test_nothing_is_held_of_the_person_any_more(house: House) -> None:
    erase(house)
    assert set(holdings_of(house.ledger, ERIKA).counts().values()) == {0}


def test_what_is_held_of_others_is_what_it_was(house: House) -> None:
    before = holdings_of(house.ledger, TOM)
    erase(house)
    after = holdings_of(house.ledger, TOM)
    assert after.offers == before.offers
    assert after.outcomes == before.outcomes
    assert after.consents == before.consents
    partner = [value["value"] for key, value in after.own.items() if key.item == "partner"]
    assert partner == ["erased"]
    differing = {key for key in before.own if after.own[key] != before.own[key]}
    assert [key.item for key in differing] == ["partner"]
    assert len(after.decisions) == len(before.decisions)


def test_offers_and_outcomes_stay_counted_without_the_person(house: House) -> None:
    erase(house)
    counted = "SELECT id, holder, action, length(payload), publication FROM offers ORDER BY seq"
    assert rows(house, counted)[0] == ("o.car-1.e1.1", "", "pastry", 0, "dropped")
    assert rows(house, "SELECT offer, id, outcome, detail FROM outcomes ORDER BY seq")[0] == (
        "o.car-1.e1.1",
        "",
        "presented",
        "",
    )
    assert rows(house, "SELECT count(*) FROM decisions") == [(2,)]
    assert rows(house, "SELECT holder FROM consents") == [(TOM,)]


def test_an_offer_that_may_stand_on_a_screen_is_taken_off_it_and_never_published(house: House) -> None:
    erase(house)
    ledger = Ledger(house.ledger)
    with closing(ledger):
        assert [owed.id for owed in ledger.owed_offers(T0 + 10, 9)] == []
        (owed,) = ledger.owed_withdrawals(T0 + 10, 9)
    assert (owed.offer, owed.reason) == ("o.car-1.e1.1", "consent_withdrawn")


def test_where_the_person_was_nobody_is_and_what_had_begun_with_them_is_over(house: House) -> None:
    erase(house)
    with closing(Ledger(house.ledger)) as ledger:
        unit = ledger.entries_of(Scope.UNIT, "car-1")
    assert {key.item: value for key, value in unit.items() if key.name == "presence"} == {
        "driver": {"subject": None, "ts": T0},
        "passenger": {"subject": TOM, "ts": T0},
    }
    assert [key for key in unit if key.name == "window"] == []


def test_a_household_goes_with_its_last_member(house: House) -> None:
    erase(house)
    assert rows(house, "SELECT DISTINCT owner FROM state WHERE scope = 'household'") == [("h.two",)]


def test_a_household_that_others_belong_to_stays(house: House) -> None:
    held = holdings_of(house.ledger, ERIKA)
    assert held.shared == frozenset()
    joined = """UPDATE state SET value = '{"value":"h.two"}' WHERE owner = ? AND item = 'household'"""
    with closing(sqlite3.connect(house.ledger, isolation_level=None)) as connection:
        connection.execute(joined, (ERIKA,))
    held = holdings_of(house.ledger, ERIKA)
    assert held.shared == {"h.two"}
    assert not any(key.scope is Scope.HOUSEHOLD for key in held.changes)


def test_one_line_stays_of_it_and_says_neither_who_nor_what(house: House) -> None:
    erased = erase(house)
    (line,) = (house.folder / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == erased.noted
    assert (erased.noted["what"], erased.noted["purpose"]) == ("erase", "her request")
    assert (house.folder / "requests.jsonl").stat().st_mode & 0o077 == 0


def test_it_is_refused_while_a_gateway_runs(house: House) -> None:
    before = dict(bytes_of(house))
    with (
        sole_user_of(house.folder),
        pytest.raises(StoreError, match="another gateway is running on it: stop it, erase"),
    ):
        erase(house)
    assert {name: content for name, content in bytes_of(house) if name != "lock"} == before


def test_a_damaged_ledger_is_not_touched(house: House) -> None:
    with closing(sqlite3.connect(house.ledger, isolation_level=None)) as connection:
        connection.execute("UPDATE decisions SET chosen = 'another'")
    with pytest.raises(StoreError, match="start the gateway, which salvages"):
        erase(house)


def test_a_damaged_journal_is_named_and_nothing_is_erased(house: House) -> None:
    (house.journal.parent / "zz.jsonl").write_text("no journal", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"zz\.jsonl: line 1"):
        erase(house)
    assert holdings_of(house.ledger, ERIKA).counts()["consents"] == 2


def test_to_erase_once_more_carries_through_what_was_killed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(erasure, "_erase_rows", killed)
        with pytest.raises(KeyboardInterrupt):
            erase(house)
    assert inspection.verify(house.ledger).fault is None
    assert erase(house).found_in == ()


def test_an_id_that_is_a_part_of_a_longer_one_is_told_as_such(house: House) -> None:
    erased = erase(house, "p.tom-471")
    assert {path.name for path in erased.found_in} == {"ledger.db", house.journal.name}
    assert holdings_of(house.ledger, TOM).counts()["consents"] == 1


def test_somebody_who_is_not_known_is_erased_without_harm(house: House) -> None:
    assert set(erase(house, "p.nobody").noted["found"].values()) == {0}  # type: ignore[attr-defined]
    assert inspection.verify(house.ledger).fault is None


async def _grow(ledger: Path) -> None:
    watched = WatchedWriter(ledger)
    for number in range(40):
        entries = [
            StateChanged(StateKey(Scope.SUBJECT, who, "cap", f"{number}-{item}"), {"by": who, "x": "y" * item})
            for item in range(40)
            for who in (ERIKA, f"p.other-{item}")
        ]
        await watched.commit(transaction_of(*entries))
    await watched.writer.close()


def test_pages_that_a_grown_tree_let_go_of_hold_nothing_either(house: House) -> None:
    asyncio.run(_grow(house.ledger))
    assert house.ledger.read_bytes().count(ERIKA.encode()) > 1_000
    erase(house)
    assert [name for name, content in bytes_of(house) if ERIKA.encode() in content] == []


def test_a_journal_whose_writer_was_killed_is_searched_as_far_as_it_goes(house: House) -> None:
    torn = house.folder / "torn.jsonl.gz"
    whole = gzip.compress(json.dumps({"holder": "p.killed-1"}).encode() + bytes(range(256)) * 40)
    torn.write_bytes(whole[:-12])
    assert [path.name for path in erase(house, "p.killed-1").found_in] == ["torn.jsonl.gz"]


def test_an_id_that_stands_across_what_is_read_at_once_is_found(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "_CHUNK_BYTES", 3)
    (house.folder / "note.txt").write_text("of p.killed-1", encoding="utf-8")
    assert "note.txt" in {path.name for path in erase(house, "p.killed-1").found_in}


def test_what_was_compressed_in_several_parts_is_searched_in_all(house: House) -> None:
    (house.folder / "two.gz").write_bytes(gzip.compress(b"one") + gzip.compress(b"p.killed-1"))
    assert [path.name for path in erase(house, "p.killed-1").found_in] == ["two.gz"]


def test_a_file_that_cannot_be_unpacked_is_named(house: House) -> None:
    (house.folder / "odd.gz").write_bytes(b"nothing of the kind")
    with pytest.raises(StoreError, match=r"odd\.gz: its compression is damaged"):
        erase(house, "p.killed-1")
