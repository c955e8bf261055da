"""A journal for people: one line for each of its own."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from gateway.core.events import Event, FenceReported, PositionReported, SignalsReported
from gateway.edge.replay.report import utc
from gateway.wire.event_codec import encode_event
from gateway.wire.journal import encode_line, read_journal
from gateway.wire.journal_lines import (
    ActivationLine,
    EventLine,
    HeaderLine,
    Line,
    ScoresLine,
    StateLine,
    TimerLine,
    TornLine,
)

_TOLD_ALREADY: Final = frozenset({"type", "unit", "ts"})


def show(journal: Path, *, unit: str | None = None) -> Iterator[str]:
    """Return a journal's lines for people.

    Args:
        journal: Compressed if named `.gz`.
        unit: Only the events of this unit, with the scores that followed them.

    Raises:
        BadJournal: A line is not as the format says; raised when it is reached.
        OSError: It cannot be read.
    """
    return (_told(line) for line in _of_unit(journal, unit))


def show_json(journal: Path, *, unit: str | None = None) -> Iterator[str]:
    """Return a journal's lines in its own format, without the compression. A torn last line is left out.

    Raises:
        BadJournal: A line is not as the format says; raised when it is reached.
        OSError: It cannot be read.
    """
    lines = (line for line in _of_unit(journal, unit) if not isinstance(line, TornLine))
    return (encode_line(line).decode().rstrip("\n") for line in lines)


def _of_unit(journal: Path, unit: str | None) -> Iterator[Line]:
    chosen = True
    for line in read_journal(journal):
        if isinstance(line, EventLine):
            chosen = unit is None or line.event.unit == unit
        elif not isinstance(line, ScoresLine):
            chosen = True
        if chosen:
            yield line


def _told(line: Line) -> str:
    if isinstance(line, EventLine):
        now, event = line.now, line.event
        return f"{utc(now)}  {event.unit}  {type(event).__name__}{_age(now, event)}  {_content(event)}".rstrip()
    if isinstance(line, ScoresLine):
        answers = "; ".join(f"{decision}: {_pairs(scored)}" for decision, scored in line.scores.items())
        return f"  scores of {answers}"
    return _told_of_itself(line)


def _told_of_itself(line: HeaderLine | StateLine | TimerLine | ActivationLine | TornLine) -> str:
    match line:
        case HeaderLine(level, gateway, epoch, release):
            return f"journal of level {level.value} by {gateway}, epoch {epoch}, release {release}"
        case StateLine(now, state):
            return f"{utc(now)}  begins with {len(state):,} entries of state"
        case TimerLine(now):
            return f"{utc(now)}  woken for timers"
        case ActivationLine(now, release):
            return f"{utc(now)}  activates {release}"
        case TornLine(number):
            return f"torn in line {number}: nothing is known of what followed"


def _age(now: int, event: Event) -> str:
    """Return how old an event was when it was heard, if it was."""
    return f" ({(now - event.ts) / 1000:g} s old)" if now > event.ts else ""


def _content(event: Event) -> str:
    match event:
        case PositionReported(position=position):
            measured = {"accuracy_m": event.accuracy_m, "speed_mps": event.speed_mps, "heading_deg": event.heading_deg}
            return f"{position.lat:.6f} {position.lon:.6f} {_pairs(measured)}".rstrip()
        case SignalsReported(signals=signals):
            return _pairs(signals)
        case FenceReported():
            told = ("exited", "passed_by", "entered", "approached", "receded")
            return _pairs({name: ",".join(getattr(event, name)) or None for name in told})
        case _:
            return _pairs({name: v for name, v in encode_event(event).items() if name not in _TOLD_ALREADY})


def _pairs(values: Mapping[str, object]) -> str:
    """Return what has a value, as `name=value`."""
    return " ".join(f"{name}={_value(value)}" for name, value in values.items() if value not in (None, "", [], {}))


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return f"{len(value)} entries" if value and isinstance(value[0], list) else ",".join(map(str, value))
    return str(value)
