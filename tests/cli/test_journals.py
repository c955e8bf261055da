"""`wayside journal`, `wayside replay` and `wayside explain`, as their users meet them."""

import json
from pathlib import Path

import pytest

from gateway.edge import explanation
from tests.cli.conftest import ROOT, Wayside

DRIVE = ROOT / "deploy/demo/drive.csv"
COLUMNS = ("--columns", "lat=lat,lon=lon,unix_s=time")


@pytest.fixture
def journal(wayside: Wayside, tmp_path: Path) -> Path:
    out = tmp_path / "made/for/it/drive.jsonl.gz"
    shown = wayside("journal", "convert", DRIVE, *COLUMNS, "--out", out).output
    assert "54 fixes in 54 rows" in shown
    assert "parked 1 times" in shown
    return out


def test_a_converted_journal_is_shown_line_by_line(wayside: Wayside, journal: Path) -> None:
    shown = wayside("journal", "show", journal).output.splitlines()
    assert len(shown) == 58
    assert json.loads(wayside("journal", "show", journal, "--json").output.splitlines()[0])["journal"] == 1


def test_conversion_reports_to_scripts_and_can_leave_parking_out(wayside: Wayside, tmp_path: Path) -> None:
    out = tmp_path / "drive.jsonl"
    arguments = ("journal", "convert", DRIVE, *COLUMNS, "--out", out, "--park-after-s", "0", "--json")
    report = json.loads(wayside(*arguments).output)
    assert (report["fixes"], report["parked"]) == (54, 0)


def test_an_order_that_does_not_exist_is_the_callers_error(wayside: Wayside, tmp_path: Path) -> None:
    arguments = ("journal", "convert", DRIVE, *COLUMNS, "--out", tmp_path / "x.jsonl", "--order", "random")
    assert "newest-first" in wayside(*arguments, exits=2).output


def test_a_journal_is_replayed_and_compared(wayside: Wayside, journal: Path, demo_release: Path) -> None:
    shown = wayside("replay", journal, "--release", demo_release, "--rescore").output
    assert "fuel_station: entered 1, exited 1" in shown
    arguments = ("replay", journal, "--release", demo_release, "--rescore", "--against", demo_release, "--json")
    report = json.loads(wayside(*arguments).output)
    assert report["decisions"]["total"] == 2 if isinstance(report["decisions"], dict) else report["decisions"] == 2


def test_explain_prints_the_trace_for_people_and_for_scripts(
    wayside: Wayside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    class Told:
        def lines(self) -> list[str]:
            return ["Chosen: silence"]

        def to_json(self) -> dict[str, object]:
            return {"chosen": None}

    def explain(path: Path, name: str) -> Told:
        asked.extend([path, name])
        return Told()

    ledger = tmp_path / "ledger.db"
    ledger.touch()
    monkeypatch.setattr(explanation, "explain", explain)
    assert wayside("explain", "last", "--ledger", ledger).output == "Chosen: silence\n"
    assert json.loads(wayside("explain", "last", "--ledger", ledger, "--json").output) == {"chosen": None}
    assert asked == [ledger, "last", ledger, "last"]
