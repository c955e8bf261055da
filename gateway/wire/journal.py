"""Journals: what an engine heard and when, so that it can be replayed. JSON Lines, gzip if named `.gz`.

```
{"journal":1,"level":"moments","gateway":"g1","epoch":"e1","release":"r1"}     first, once
{"now_ms":..,"state":[[scope,owner,name,item,value],...]}                      second, if the engine knew anything
{"now_ms":..,"event":{"type":"SignalsReported",...}}                           engine.receive(event, now)
{"now_ms":..,"event":null}                                                     engine.handle_timer(now)
{"now_ms":..,"activate":"r2"}                                                  engine.activate(release, now)
{"scores":{"<decision>":{"<action>":0.31}}}                                    after a call that made decisions
```
Where somebody was erased from a journal, its first line says so: `"erased":true`.

An action that one decision scored for several placements stands as `<action>/<placement>`; where a model gave no
propensity, the reason stands instead of the number, so that a replay hears the same.

`now_ms` never decreases. Level `moments` holds no coordinate: a fix is replaced by the crossings it caused, or left
out; replayed, both levels come to the same decisions. Level `raw` holds every fix, for simulators and rigs.

A line that was being written when the power went is tolerated if it is the last, and reported as `TornLine`. Any other
line that is not as above is an error with its number.
"""

import gzip
import itertools
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol, Self

from pydantic_core import from_json

from gateway.core.effects import (
    Decision,
    DecisionRecorded,
    Effect,
    EventIgnored,
    EventRefused,
    FixTold,
    Stage,
    Verdict,
)
from gateway.core.errors import InvalidInput, InvariantViolation
from gateway.core.events import Event, FenceReported, PositionReported, SignalsReported
from gateway.core.units import Instant
from gateway.wire.event_codec import decode_event, decode_state, encode_event, encode_state
from gateway.wire.journal_lines import (
    ActivationLine,
    EventLine,
    HeaderLine,
    Level,
    Line,
    ScoresLine,
    StateLine,
    TimerLine,
    TornLine,
)
from gateway.wire.reasons import Reason
from gateway.wire.vss import COORDINATE_PATHS

FORMAT: Final = 1
MAX_LINE_BYTES: Final = 64 * 1024 * 1024
"""A longer line is an error; only the line of state can come near it."""


class ByteSink(Protocol):
    """What a journal is written to: a binary file, or one that compresses."""

    def write(self, data: bytes, /) -> int:
        """Take all of the bytes."""
        ...

    def flush(self) -> None:
        """Hand on what is buffered."""
        ...

    def close(self) -> None:
        """Hand on what is buffered, and end."""
        ...


class ByteSource(Protocol):
    """What a journal is read from: a binary file, or one that decompresses."""

    def readline(self, size: int, /) -> bytes:
        """Return bytes up to and with a newline, at most `size`; none at the end."""
        ...


class BadJournal(InvalidInput):
    """A journal that cannot be trusted to say what happened.

    Attributes:
        line: The number of the line, from 1.
    """

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(Reason.BAD_JOURNAL, f"line {line}: {detail}")
        self.line = line


def lines_of(level: Level, event: Event | None, effects: Iterable[Effect], now: Instant) -> Iterator[Line]:
    """Return the lines that tell of one call of the engine.

    At level `moments` a fix becomes what it amounts to: the crossings it caused, or a sign of life. One that is nothing
    of the kind is left out; but if timers fell due in its call, the wake-up they would have needed stands for it, so
    that a replay fires them at the same `now`.

    Args:
        level: How much they may tell.
        event: What the engine received; None when it was woken for its timers.
        effects: What the call returned.
        now: The instant it was called with.
    """
    effects = tuple(effects)
    told = _told(effects) if level is Level.MOMENTS and isinstance(event, PositionReported) else event
    if told is not None:
        yield EventLine(now, told)
    elif event is None or any(not isinstance(effect, EventIgnored | EventRefused) for effect in effects):
        yield TimerLine(now)
    decisions = [effect.decision for effect in effects if isinstance(effect, DecisionRecorded)]
    scores = {decision.id: answers for decision in decisions if (answers := _answers(decision))}
    if scores:
        yield ScoresLine(scores)


def _answers(decision: Decision) -> dict[str, float | str]:
    """Return the propensity of each candidate that was scored, or the reason why it got none, in their order."""
    scored: list[tuple[Verdict, float | str]] = []
    for verdict in decision.verdicts:
        if verdict.propensity is not None:
            scored.append((verdict, verdict.propensity))
        elif verdict.refusal is not None and verdict.refusal.stage is Stage.SCORE:
            scored.append((verdict, verdict.refusal.reason))
    times = Counter(verdict.action for verdict, _ in scored)
    return {
        verdict.action if times[verdict.action] == 1 else f"{verdict.action}/{verdict.placement.value}": answer
        for verdict, answer in scored
    }


def _told(effects: Iterable[Effect]) -> FenceReported | None:
    """Return what a fix amounted to; None if it was nothing.

    What its call noticed beside that is a timer's: a replay fires the same timers.
    """
    return next((effect.report for effect in effects if isinstance(effect, FixTold)), None)


class JournalWriter:
    """Appends lines to a stream of bytes, the header first. Closing it closes the stream.

    With `flush_lines` each line reaches the operating system before `append` returns, at some cost in compression.
    """

    def __init__(self, stream: ByteSink, header: HeaderLine, *, flush_lines: bool = False) -> None:
        self._stream = stream
        self._level = header.level
        self._flush_lines = flush_lines
        self.append(header)

    def append(self, line: Line) -> None:
        """Write one line.

        Raises:
            InvariantViolation: At level `moments`, the line holds a coordinate; nothing was written.
        """
        if self._level is Level.MOMENTS and isinstance(line, EventLine) and _has_coordinates(line.event):
            raise InvariantViolation("a coordinate does not go into a journal of level moments")
        self._stream.write(encode_line(line))
        if self._flush_lines:
            self._stream.flush()

    def record(self, event: Event | None, effects: Iterable[Effect], now: Instant) -> None:
        """Write the lines that tell of one call of the engine; see `lines_of`."""
        for line in lines_of(self._level, event, effects, now):
            self.append(line)

    def close(self) -> None:
        """Write what is buffered and close the stream."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


def create_journal(path: Path, header: HeaderLine, *, flush_lines: bool = False) -> JournalWriter:
    """Return a writer of a new journal, compressed if its name ends in `.gz`.

    Only its owner may read it: it tells who was where. The same lines give the same bytes: no time of day is written
    into the compression.

    Raises:
        FileExistsError: There is a file already; no journal is overwritten.
    """
    stream = gzip.GzipFile(path, "xb", mtime=0) if path.suffix == ".gz" else path.open("xb")
    path.chmod(0o600)
    return JournalWriter(stream, header, flush_lines=flush_lines)


def read_journal(path: Path) -> Iterator[Line]:
    """Return the lines of a journal one by one, the header first; memory does not grow with its length.

    Raises:
        BadJournal: A line is not as the format says; raised when the line is reached.
        OSError: The file cannot be opened.
    """
    with path.open("rb") as file:
        yield from read_lines(gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file)


def read_lines(stream: ByteSource) -> Iterator[Line]:
    """Return the lines of a journal from a stream of bytes that are not, or no longer, compressed.

    Raises:
        BadJournal: A line is not as the format says.
    """
    number, now = 0, 0
    for number, line in enumerate(_decoded(stream), start=1):
        if isinstance(line, HeaderLine) is not (number == 1):
            raise BadJournal(number, "the header stands first, and once")
        if isinstance(line, StateLine) and number != 2:
            raise BadJournal(number, "state stands in the second line only")
        if isinstance(line, StateLine | EventLine | TimerLine | ActivationLine):
            if line.now < now:
                raise BadJournal(number, "now_ms decreases")
            now = line.now
        yield line
    if number == 0:
        raise BadJournal(1, "there is no header")


def encode_line(line: Line) -> bytes:
    """Return a line as it stands in a journal, its newline included."""
    text = json.dumps(_fields_of(line), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"{text}\n".encode()


def _fields_of(line: Line) -> dict[str, object]:
    match line:
        case HeaderLine(level, gateway, epoch, release, erased):
            told: dict[str, object] = {
                "journal": FORMAT,
                "level": level.value,
                "gateway": gateway,
                "epoch": epoch,
                "release": release,
            }
            return {**told, "erased": True} if erased else told
        case StateLine(now, state):
            return {"now_ms": now, "state": encode_state(state)}
        case EventLine(now, event):
            return {"now_ms": now, "event": encode_event(event)}
        case TimerLine(now):
            return {"now_ms": now, "event": None}
        case ActivationLine(now, release):
            return {"now_ms": now, "activate": release}
        case ScoresLine(scores):
            return {"scores": {decision: dict(propensities) for decision, propensities in scores.items()}}
        case TornLine():
            raise InvariantViolation("a torn line is read, never written")


def _has_coordinates(event: Event) -> bool:
    if isinstance(event, SignalsReported):
        return not COORDINATE_PATHS.isdisjoint(event.signals)
    return isinstance(event, PositionReported)


def _decoded(stream: ByteSource) -> Iterator[Line]:
    for number in itertools.count(1):
        try:
            raw = stream.readline(MAX_LINE_BYTES + 1)
        except EOFError:  # the compression just stops: whoever wrote it did not come to close it
            yield TornLine(number)
            return
        except (gzip.BadGzipFile, zlib.error) as error:
            raise BadJournal(number, "the compression is damaged, here or a little further on") from error
        if not raw:
            return
        if len(raw) > MAX_LINE_BYTES:
            raise BadJournal(number, f"longer than {MAX_LINE_BYTES} bytes")
        try:
            yield _decode_line(from_json(raw, allow_inf_nan=False))
        except (ValueError, InvalidInput) as error:
            if not raw.endswith(b"\n") and isinstance(error, ValueError):
                yield TornLine(number)
                return
            raise BadJournal(number, error.detail if isinstance(error, InvalidInput) else "no JSON") from error


def _decode_line(fields: object) -> Line:
    if not isinstance(fields, dict):
        raise _fault("expected an object")
    if "journal" in fields:
        return _decode_header(fields)
    if "scores" in fields:
        return _decode_scores(fields["scores"])
    now = fields.get("now_ms")
    if type(now) is not int or now < 0:
        raise _fault("now_ms is missing or wrong")
    if "event" in fields:
        return TimerLine(now) if fields["event"] is None else EventLine(now, decode_event(fields["event"]))
    if "state" in fields:
        return _decode_state_line(now, fields["state"])
    release = fields.get("activate")
    if not isinstance(release, str):
        raise _fault("neither state, event nor activate")
    return ActivationLine(now, release)


def _decode_header(fields: Mapping[str, object]) -> HeaderLine:
    if fields["journal"] != FORMAT or isinstance(fields["journal"], bool):
        raise _fault(f"a format other than {FORMAT}")
    level, gateway, epoch, release = (fields.get(name) for name in ("level", "gateway", "epoch", "release"))
    if not isinstance(gateway, str) or not isinstance(epoch, str) or not isinstance(release, str):
        raise _fault("gateway, epoch and release are texts")
    if level not in list(Level):
        raise _fault("no such level")
    return HeaderLine(Level(str(level)), gateway, epoch, release, erased=fields.get("erased") is True)


def _decode_state_line(now: Instant, value: object) -> StateLine:
    try:
        return StateLine(now, decode_state(value))
    except (TypeError, ValueError) as error:
        raise _fault("an entry of state is wrong") from error


def _decode_scores(value: object) -> ScoresLine:
    scores: dict[str, dict[str, float | str]] = {}
    if not isinstance(value, dict):
        raise _fault("scores are an object")
    for decision, propensities in value.items():
        if not isinstance(propensities, dict):
            raise _fault("the scores of a decision are an object")
        for action, propensity in propensities.items():
            if isinstance(propensity, str):
                scores.setdefault(decision, {})[action] = propensity
                continue
            if isinstance(propensity, bool) or not isinstance(propensity, int | float) or not 0 <= propensity <= 1:
                raise _fault("a propensity lies in 0..1")
            scores.setdefault(decision, {})[action] = float(propensity)
    return ScoresLine(scores)


def _fault(detail: str) -> InvalidInput:
    return InvalidInput(Reason.BAD_JOURNAL, detail)
