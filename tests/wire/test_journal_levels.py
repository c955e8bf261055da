"""Both levels of a journal replay to the same decisions, through the real engine."""

import io

from hypothesis import given

from gateway.core.effects import DURABLE_EFFECTS, Effect
from gateway.testing.worlds import Journal, engine, journeys
from gateway.wire.journal import JournalWriter, read_lines
from gateway.wire.journal_lines import EventLine, HeaderLine, Level, TimerLine


def recorded(journal: Journal, level: Level) -> tuple[list[Effect], bytes]:
    """Return what an engine did on a journey, and the journal it left behind."""
    living, stream, effects = engine(), io.BytesIO(), list[Effect]()
    writer = JournalWriter(stream, HeaderLine(level, "gw-1", "e1", "world"))
    for now, event in journal:
        made = living.receive(event, now)
        writer.record(event, made, now)
        effects += made
    return effects, stream.getvalue()


def replayed(data: bytes) -> list[Effect]:
    """Return what a fresh engine does by a journal."""
    living, effects = engine(), list[Effect]()
    for line in read_lines(io.BytesIO(data)):
        if isinstance(line, EventLine):
            effects += living.receive(line.event, line.now)
        elif isinstance(line, TimerLine):
            effects += living.handle_timer(line.now)
    return effects


@given(journeys())
def test_a_raw_journal_replays_to_the_same_effects(journal: Journal) -> None:
    effects, data = recorded(journal, Level.RAW)
    assert replayed(data) == effects


@given(journeys())
def test_a_journal_of_moments_replays_to_the_same_durable_effects(journal: Journal) -> None:
    effects, data = recorded(journal, Level.MOMENTS)
    durable = [effect for effect in effects if isinstance(effect, DURABLE_EFFECTS)]
    assert [effect for effect in replayed(data) if isinstance(effect, DURABLE_EFFECTS)] == durable
