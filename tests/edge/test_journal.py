"""The journal of a running gateway: off, of moments, or raw until a day."""

from pathlib import Path

import pytest

from gateway.core.effects import DecisionRecorded
from gateway.core.events import PositionReported, SignalsReported
from gateway.core.state import Scope, StateKey
from gateway.core.units import Position
from gateway.edge.config import JournalConfig
from gateway.edge.journal import Journal
from gateway.testing.samples import T0, make_decision
from gateway.wire.journal import read_journal
from gateway.wire.journal_lines import ActivationLine, EventLine, HeaderLine, Level, ScoresLine, StateLine, TimerLine

DAY_MS = 86_400_000
DURABLE = StateKey(Scope.UNIT, "car-1", "drive")
FLEETING = StateKey(Scope.SESSION, "car-1", "consent")
FIX = PositionReported("car-1", T0, Position(8.5, 47.4))
SIGNALS = SignalsReported("car-1", T0, {"Vehicle.Speed": 1.0})


def _journal(folder: Path, level: str, until: str | None = None) -> Journal:
    config = JournalConfig.model_validate({"level": level, "path": folder, "raw_until": until})
    return Journal(config, "gw-1", "e1", "r1")


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def test_switched_off_it_writes_nothing(tmp_path: Path) -> None:
    journal = _journal(tmp_path / "journals", "off")
    journal.begin({DURABLE: 1}, T0)
    journal.record(SIGNALS, [], T0)
    journal.activated("r2", [], T0)
    journal.check(T0)
    journal.close()

    assert _files(tmp_path / "journals") == []


def test_it_begins_with_what_the_ledger_knew_and_holds_no_position(tmp_path: Path) -> None:
    journal = _journal(tmp_path, "moments")
    journal.begin({DURABLE: 1, FLEETING: 2}, T0)
    journal.record(FIX, [], T0)
    journal.record(SIGNALS, [], T0)
    journal.record(None, [], T0)
    journal.activated("r2", [], T0)
    journal.close()

    assert list(read_journal(_files(tmp_path)[0])) == [
        HeaderLine(Level.MOMENTS, "gw-1", "e1", "r1"),
        StateLine(T0, {DURABLE: 1}),
        EventLine(T0, SIGNALS),
        TimerLine(T0),
        ActivationLine(T0, "r2"),
    ]


def test_what_an_activation_scored_stands_behind_it(tmp_path: Path) -> None:
    journal = _journal(tmp_path, "moments")
    journal.begin({}, T0)
    journal.activated("r2", [DecisionRecorded(make_decision())], T0)
    journal.close()

    assert list(read_journal(_files(tmp_path)[0]))[1:] == [
        ActivationLine(T0, "r2"),
        ScoresLine({"d.car-1.e1.1": {"pastry": 0.5}}),
    ]


def test_raw_holds_positions_until_its_last_day_has_ended(tmp_path: Path) -> None:
    journal = _journal(tmp_path, "raw", "2023-11-14")
    journal.begin({}, T0)
    journal.record(FIX, [], T0)
    journal.check(T0)
    still_open = journal.is_open
    journal.check(T0 + DAY_MS)

    assert (still_open, journal.is_open) == (True, False)
    assert EventLine(T0, FIX) in list(read_journal(_files(tmp_path)[0]))


def test_raw_that_has_ended_begins_as_moments(tmp_path: Path) -> None:
    journal = _journal(tmp_path, "raw", "2023-11-14")
    journal.begin({}, T0 + DAY_MS)
    journal.record(FIX, [], T0 + DAY_MS)
    journal.close()

    (file,) = _files(tmp_path)
    assert list(read_journal(file)) == [HeaderLine(Level.MOMENTS, "gw-1", "e1", "r1")]


def test_each_engine_has_a_file_of_its_own(tmp_path: Path) -> None:
    journal = _journal(tmp_path, "moments")
    journal.begin({}, T0)
    journal.begin({}, T0 + 1)
    journal.close()

    assert len(_files(tmp_path)) == 2


@pytest.mark.parametrize("act", ["begin", "record", "activated", "close"])
def test_a_journal_that_cannot_be_written_ends_and_nothing_else_does(
    tmp_path: Path, act: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = _journal(tmp_path / "journals", "moments")
    if act == "begin":
        (tmp_path / "journals").write_text("a file where a folder should be", encoding="utf-8")
        journal.begin({}, T0)
    else:
        journal.begin({}, T0)
        writer = journal._writer
        assert writer is not None

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(writer, {"record": "record", "activated": "append", "close": "close"}[act], full)
            {
                "record": lambda: journal.record(SIGNALS, [], T0),
                "activated": lambda: journal.activated("r2", [], T0),
            }.get(act, journal.close)()
        writer.close()

    assert not journal.is_open
