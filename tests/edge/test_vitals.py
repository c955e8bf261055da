"""What is noted, counted and taken out, and when."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.core.effects import DecisionRecorded
from gateway.core.units import DAY_MS
from gateway.edge import vitals as module
from gateway.edge.clock import Quality
from gateway.edge.config import LedgerConfig
from gateway.edge.observe import Metrics
from gateway.edge.store.cache import What, notes_in
from gateway.edge.store.rows import Gap
from gateway.edge.store.writer import Upkept
from gateway.edge.vitals import Vitals
from gateway.testing.clock import FakeClock
from gateway.testing.ledger import WatchedWriter, transaction_of
from gateway.testing.samples import T0, make_decision


def _whats(ledger_path: Path) -> list[str]:
    return [note.what for note in notes_in(ledger_path.with_name("cache.db"))]


async def test_refusals_of_the_broker_and_doubts_of_the_clock_are_noted_once_each(ledger_path: Path) -> None:
    watched, metrics, clock = WatchedWriter(ledger_path), Metrics(), FakeClock(T0)
    vitals = Vitals(metrics, clock, LedgerConfig())
    vitals.note(What.LEDGER_FAILED)  # nobody to write it yet
    vitals.start(watched.writer, version="1")
    for _ in range(3):
        metrics.count_connection("refused")
    metrics.count_connection("unreachable")
    clock.quality = Quality.SUSPECT
    vitals._look()
    vitals._look()
    clock.quality = Quality.PLAUSIBLE
    vitals._look()
    vitals.stop()
    await watched.writer.close()

    assert _whats(ledger_path) == ["started", "broker_refused", "clock_suspect", "clock_sure", "stopped"]
    notes = notes_in(ledger_path.with_name("cache.db"))
    assert notes[0].detail == {"version": "1"}
    assert notes[1].detail == {"times": 3}


async def test_age_is_seen_to_once_an_hour_and_when_the_time_is_sure(
    ledger_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched, clock = WatchedWriter(ledger_path), FakeClock(T0 + 2 * DAY_MS)
    for number in (1, 2):
        await watched.commit(transaction_of(DecisionRecorded(make_decision(number, at=T0 + number * DAY_MS))))
    vitals = Vitals(Metrics(), clock, LedgerConfig(keep_decisions_days=1))
    clock.quality = Quality.SUSPECT
    clock.advance(1)
    vitals.start(watched.writer)
    clock.quality = Quality.PLAUSIBLE
    vitals._look()
    await watched.until(lambda: len(watched.gaps) == 1)
    clock.advance(DAY_MS)
    vitals._look()  # not an hour later
    monkeypatch.setattr(module, "RETAIN_EVERY_S", 0.0)
    vitals._retain_at = 0.0
    vitals._look()
    await watched.until(lambda: len(watched.gaps) == 2)
    vitals.stop()
    await watched.writer.close()

    now = T0 + 2 * DAY_MS + 1
    assert watched.gaps == [
        Gap("decisions", T0 + DAY_MS, T0 + DAY_MS, 1, "retention", now),
        Gap("decisions", T0 + 2 * DAY_MS, T0 + 2 * DAY_MS, 1, "retention", now + DAY_MS),
    ]


def test_what_was_taken_out_is_counted_by_stream_and_reason() -> None:
    metrics = Metrics()
    gaps = (Gap("decisions", 1, 2, 5, "budget", 3), Gap("decisions", 2, 3, 6, "budget", 4))
    Vitals(metrics, FakeClock(T0), LedgerConfig()).upkept(Upkept(4096, gaps))

    def value(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"wayside_{name}", labels)

    assert value("ledger_bytes") == 4096
    assert value("evicted_rows_total", stream="decisions", reason="budget") == 11
    assert value("ledger_gaps_total", reason="budget") == 2


def test_a_cache_in_trouble_is_a_warning_and_no_more() -> None:
    vitals = Vitals(Metrics(), FakeClock(T0), LedgerConfig())
    with capture_logs() as lines:
        for what in ("cache_failing", "cache_made_anew", "cache_works"):
            vitals.cache_told(what, "why")

    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("cache_failing", "warning"),
        ("cache_made_anew", "warning"),
        ("cache_works", "info"),
    ]
