"""Runs of an engine, written down as a gateway writes them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from gateway.core.effects import Effect, StateChanged
from gateway.core.engine import Engine
from gateway.core.events import Event, SubjectIdentified
from gateway.core.release import Release
from gateway.core.scoring import Scorer
from gateway.core.state import DURABLE, Scope, StateKey
from gateway.core.units import Instant
from gateway.wire.journal import encode_line, lines_of
from gateway.wire.journal_lines import ActivationLine, HeaderLine, Level, Line, ScoresLine, StateLine

GATEWAY, EPOCH = "gw-1", "e1"

Doing: TypeAlias = Event | Release | None
"""What is done to an engine: it receives an event, is given a release, or is woken."""


@dataclass(frozen=True)
class Run:
    """What an engine did, and the lines of its journal by level."""

    effects: list[Effect]
    lines: Mapping[Level, Sequence[Line]]
    state: Mapping[StateKey, object]

    def write(self, path: Path, level: Level = Level.RAW) -> Path:
        """Write the journal of a level and return where."""
        path.write_bytes(b"".join(encode_line(line) for line in self.lines[level]))
        return path


def run(
    release: Release,
    doings: Iterable[tuple[Instant, Doing]],
    scorer: Scorer,
    *,
    state: Mapping[StateKey, object] | None = None,
    began: Instant = 0,
) -> Run:
    """Let an engine do all that, with a ledger beside it that brings subjects along as the shell does."""
    ledger = dict(state or {})
    engine = Engine.restore(ledger, release, epoch=EPOCH, scorer=scorer)
    lines: dict[Level, list[Line]] = {level: [HeaderLine(level, GATEWAY, EPOCH, release.id)] for level in Level}
    if ledger:
        for told in lines.values():
            told.append(StateLine(began, dict(ledger)))
    effects: list[Effect] = []
    for now, doing in doings:
        what = _arriving(doing, ledger) if isinstance(doing, SubjectIdentified) else doing
        made = _done(engine, what, now)
        for level, told in lines.items():
            told.extend(_told(level, what, made, now))
        _commit(ledger, made)
        effects += made
    return Run(effects, lines, {key: value for key, value in ledger.items() if key.scope in DURABLE})


def _done(engine: Engine, doing: Doing, now: Instant) -> list[Effect]:
    if isinstance(doing, Release):
        return engine.activate(doing, now)
    return engine.handle_timer(now) if doing is None else engine.receive(doing, now)


def _told(level: Level, doing: Doing, made: Sequence[Effect], now: Instant) -> list[Line]:
    if not isinstance(doing, Release):
        return list(lines_of(level, doing, made, now))
    scores = [line for line in lines_of(level, None, made, now) if isinstance(line, ScoresLine)]
    return [ActivationLine(now, doing.id), *scores]


def _arriving(event: SubjectIdentified, ledger: Mapping[StateKey, object]) -> SubjectIdentified:
    own = {key: value for key, value in ledger.items() if key.scope is Scope.SUBJECT and key.owner == event.subject}
    return replace(event, state=own)


def _commit(ledger: dict[StateKey, object], effects: Iterable[Effect]) -> None:
    for effect in effects:
        if isinstance(effect, StateChanged):
            if effect.value is None:
                ledger.pop(effect.key, None)
            else:
                ledger[effect.key] = effect.value
