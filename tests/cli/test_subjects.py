"""`wayside subject`, as a privacy officer calls it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from gateway.cli import subjects
from gateway.core.errors import StoreError
from gateway.core.events import SESSION
from gateway.edge.lock import sole_user_of
from gateway.edge.store import inspection
from gateway.testing.house import ERIKA, TOM, House, configure, furnish
from gateway.wire.credentials import keyed_hash

Wayside = Callable[..., Result]
WHY = ("--purpose", "a request")


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    furnish(folder)
    return folder


@pytest.fixture
def house(furnished: Path, tmp_path: Path) -> House:
    house = House(tmp_path / "data")
    shutil.copytree(furnished, house.folder)
    configure(house)
    return house


def noted(house: House) -> list[dict[str, object]]:
    return [json.loads(line) for line in (house.folder / "requests.jsonl").read_text("utf-8").splitlines()]


def test_export_hands_over_all_there_is_and_notes_that_it_did(wayside: Wayside, house: House) -> None:
    told = json.loads(wayside("subject", "export", ERIKA, "--config", house.config, *WHY).output)
    assert told["found"] == {
        "state": 9,
        "decisions": 2,
        "offers": 1,
        "outcomes": 1,
        "consents": 2,
        "journal_lines": 15,
    }
    assert told["state"].keys() == {"consent", "fact", "household_cap"}
    assert told["decisions"][0]["holder"] == ERIKA
    assert told["offers"][0]["payload"]["title"] == f"For {ERIKA}"
    assert told["outcomes"][0]["detail"] == f"seen by {ERIKA}"
    (receipt,) = told["consents"]
    assert receipt["consent_record"]["header"]["consent_status"] == "withdrawn"
    assert list(told["journals"]) == [house.journal.name]
    assert noted(house) == [{"at": told["exported"], "what": "export", "purpose": "a request", "found": told["found"]}]


def test_export_to_a_file_nobody_else_can_read_disturbs_no_gateway(
    wayside: Wayside, house: House, tmp_path: Path
) -> None:
    out = tmp_path / "erika.json"
    with sole_user_of(house.folder):
        wayside("subject", "export", ERIKA, "--config", house.config, *WHY, "-o", out)
    assert json.loads(out.read_text("utf-8"))["subject"] == ERIKA
    assert out.stat().st_mode & 0o077 == 0


def test_export_of_a_person_who_is_not_known_holds_nothing(wayside: Wayside, house: House) -> None:
    told = json.loads(wayside("subject", "export", "p.nobody", "--config", house.config, *WHY).output)
    assert set(told["found"].values()) == {0}


def test_an_export_names_nobody_else_but_where_they_name_the_person(wayside: Wayside, house: House) -> None:
    told = json.loads(wayside("subject", "export", ERIKA, "--config", house.config, *WHY).output)
    told.pop("named_by")
    told.pop("journals")
    assert TOM not in json.dumps(told)


def test_receipts_say_where_each_purpose_stands(wayside: Wayside, house: House) -> None:
    said = wayside("subject", "receipts", ERIKA, "--config", house.config, *WHY).output.splitlines()
    assert said == [
        "offer_display: withdrawn",
        "  2023-11-14T22:13:20.000Z given at car-1, until withdrawn, notice notice.cars 3 (de)",
        "  2023-11-14T22:13:20.005Z withdrawn at car-1, for good",
    ]
    (receipt,) = json.loads(wayside("subject", "receipts", TOM, "--config", house.config, *WHY, "--json").output)
    record = receipt["consent_record"]
    assert record["header"]["consent_status"] == "given"
    assert record["party_identification"][0]["party_name"] == "Example Fuel AG"
    assert [line["what"] for line in noted(house)] == ["receipts", "receipts"]


def test_of_nothing_there_is_nothing_to_show(wayside: Wayside, house: House) -> None:
    said = wayside("subject", "receipts", "p.nobody", "--config", house.config, *WHY).output
    assert said == "Nothing was agreed to or withdrawn.\n"


def test_erase_asks_first_and_then_searches_every_file(wayside: Wayside, house: House) -> None:
    wayside("subject", "erase", ERIKA, "--config", house.config, *WHY, exits=1)  # nobody answered
    assert not (house.folder / "requests.jsonl").exists()
    said = wayside("subject", "erase", ERIKA, "--config", house.config, *WHY, "--yes").output
    assert "files searched byte by byte: the id stands in none." in said
    assert wayside("ledger", "verify", house.ledger).output.startswith(f"{house.ledger}: sound")
    assert [line["what"] for line in noted(house)] == ["erase"]


def test_a_dry_run_says_what_would_go_and_erases_nothing(wayside: Wayside, house: House) -> None:
    before = house.ledger.read_bytes()
    said = wayside("subject", "erase", ERIKA, "--config", house.config, *WHY, "--dry-run").output
    assert "consents       2" in said
    assert f"deleted        {house.folder / 'ledger.db.bad-1'}" in said
    assert (
        json.loads(wayside("subject", "erase", ERIKA, "--config", house.config, *WHY, "--dry-run", "--json").output)[
            "offers"
        ]
        == 1
    )
    assert house.ledger.read_bytes() == before


def test_erase_for_scripts_says_what_was_searched_and_what_is_left(wayside: Wayside, house: House) -> None:
    told = json.loads(wayside("subject", "erase", ERIKA, "--config", house.config, *WHY, "--yes", "--json").output)
    assert (told["what"], told["left_in"]) == ("erase", [])
    assert told["searched"] >= 4


def test_erase_ends_with_one_if_the_id_stands_in_another(wayside: Wayside, house: House) -> None:
    said = wayside("subject", "erase", "p.tom-471", "--config", house.config, *WHY, "-y", exits=1).output
    assert "be it as a part of a longer one" in said


def test_erase_beside_a_running_gateway_is_refused(wayside: Wayside, house: House) -> None:
    with sole_user_of(house.folder), pytest.raises(StoreError, match="stop it, erase, and start it again"):
        wayside("subject", "erase", ERIKA, "--config", house.config, *WHY, "--yes")


def test_an_operator_finds_a_person_by_their_card(
    wayside: Wayside, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    (house.folder / "credential.key").write_bytes(b"k" * 32)
    (house.folder / "credential.key").chmod(0o600)
    told = wayside("subject", "export", "6012 3400", "--credential", "--config", house.config, *WHY).output
    assert json.loads(told)["subject"] == keyed_hash("6012 3400", b"k" * 32)
    assert "6012" not in (house.folder / "requests.jsonl").read_text("utf-8")

    class Typed:
        def readline(self) -> str:
            return "6012 3400\n"

    monkeypatch.setattr(subjects, "_input", Typed)
    again = wayside("subject", "export", "-", "--credential", "--config", house.config, *WHY).output
    assert json.loads(again)["subject"] == json.loads(told)["subject"]


def test_where_no_card_was_ever_heard_no_key_is_made(wayside: Wayside, house: House) -> None:
    with pytest.raises(StoreError, match="no number was ever heard"):
        wayside("subject", "export", "6012", "--credential", "--config", house.config, *WHY)
    assert not (house.folder / "credential.key").exists()


@pytest.mark.parametrize(
    ("who", "why", "said"),
    [("a b", "x", "letters, digits"), (ERIKA, " ", "say why"), (ERIKA, f"for {ERIKA}", "do not name the person")],
)
def test_whose_and_why_must_be_said_and_kept_apart(
    wayside: Wayside, house: House, who: str, why: str, said: str
) -> None:
    shown = wayside("subject", "export", who, "--config", house.config, "--purpose", why, exits=2).output
    assert said in " ".join(shown.split())


def test_another_ledger_and_journal_can_be_named(wayside: Wayside, house: House, tmp_path: Path) -> None:
    other, journal = tmp_path / "other" / "ledger.db", tmp_path / "kept.jsonl.gz"
    other.parent.mkdir()
    shutil.copy(house.ledger, other)
    shutil.copy(house.folder / "ledger.mark", other.parent)
    shutil.move(house.journal, journal)
    arguments = ("--config", house.config, *WHY, "--ledger", other, "--journal", journal, "--yes")
    wayside("subject", "erase", ERIKA, *arguments)
    assert inspection.verify(other).fault is None
    assert ERIKA.encode() not in other.read_bytes()
    assert ERIKA.encode() in house.ledger.read_bytes()


def test_an_export_is_written_into_nothing_that_lay_there_before(
    wayside: Wayside, house: House, tmp_path: Path
) -> None:
    shared, out = tmp_path / "shared.json", tmp_path / "erika.json"
    shared.write_text("for all to read", encoding="utf-8")
    (tmp_path / "erika.json.part").symlink_to(shared)
    wayside("subject", "export", ERIKA, "--config", house.config, *WHY, "-o", out)
    assert shared.read_text(encoding="utf-8") == "for all to read"
    assert out.stat().st_mode & 0o077 == 0
    (tmp_path / "erika.json.part").touch(mode=0o644)
    wayside("subject", "export", ERIKA, "--config", house.config, *WHY, "-o", out)
    assert out.stat().st_mode & 0o077 == 0


def test_an_export_that_cannot_take_its_place_leaves_no_draft_behind(
    wayside: Wayside, house: House, tmp_path: Path
) -> None:
    (tmp_path / "erika").mkdir()
    with pytest.raises(OSError, match="erika"):
        wayside("subject", "export", ERIKA, "--config", house.config, *WHY, "-o", tmp_path / "erika")
    assert not (tmp_path / "erika.part").exists()


def test_journals_of_one_name_in_two_folders_are_both_handed_over_and_one_named_twice_once(
    wayside: Wayside, house: House, tmp_path: Path
) -> None:
    kept = tmp_path / "kept" / house.journal.name
    kept.parent.mkdir()
    shutil.copy(house.journal, kept)
    again = kept.parent / ".." / "kept" / kept.name
    arguments = ("--config", house.config, *WHY, "--journal", kept, "--journal", again)
    told = json.loads(wayside("subject", "export", ERIKA, *arguments).output)
    assert told["found"]["journal_lines"] == 2 * 15
    assert [len(lines) for lines in told["journals"].values()] == [2 * 15]


@pytest.mark.parametrize(("who", "why"), [("a", "a request of May"), ("p.anna", "for p.anna."), ("3", "paragraph 3")])
def test_a_purpose_that_names_the_person_is_refused_also_at_the_end_of_a_sentence(
    wayside: Wayside, house: House, who: str, why: str
) -> None:
    wayside("subject", "export", who, "--config", house.config, "--purpose", why, exits=2)


def test_an_id_that_is_only_a_part_of_a_word_does_not_stand_in_the_way_of_a_purpose(
    wayside: Wayside, house: House
) -> None:
    wayside("subject", "export", "e", "--config", house.config, "--purpose", "her request")


def test_no_card_at_all_is_nobody(wayside: Wayside, house: House) -> None:
    shown = wayside("subject", "export", "", "--credential", "--config", house.config, *WHY, exits=2).output
    assert "nobody is named" in " ".join(shown.split())


def test_a_session_is_nobody(wayside: Wayside, house: House) -> None:
    shown = wayside("subject", "erase", SESSION, "--config", house.config, *WHY, "--yes", exits=2).output
    assert "nobody in particular" in " ".join(shown.split())
