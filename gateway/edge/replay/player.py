"""A journal, an engine, and nothing else: what was heard is heard again, at the instants it was heard.

Each journal is played by an engine of its own, which starts from the state the journal begins with; so journals are
self-contained, and replaying several is replaying each. Through the release it was recorded with, and with the scores
it records, a journal gives the same effects, bit for bit, on any machine.
"""

import gzip
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from gateway.core.effects import DecisionRecorded, Effect
from gateway.core.engine import Engine
from gateway.core.errors import InvalidInput
from gateway.core.events import Event
from gateway.core.release import Release
from gateway.core.scoring import Scorer
from gateway.core.state import StateKey
from gateway.core.units import Instant
from gateway.edge.replay.report import Choice, Comparison, ReplayReport, choice_of
from gateway.edge.replay.scores import NotReplayable, RecordedScorer, Scores
from gateway.edge.replay.trace import Progress
from gateway.wire.journal import BadJournal, read_lines
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

Call: TypeAlias = EventLine | TimerLine | ActivationLine

_PROGRESS_EVERY: Final = 10_000


class Step(NamedTuple):
    """One call of the engine and what came of it.

    Attributes:
        event: What it received; None when it was woken for its timers or given a release.
        release: What it decided with.
        passed_over: The journal activates a release here that the replay was not given.
    """

    now: Instant
    event: Event | None
    effects: Sequence[Effect]
    release: Release
    passed_over: bool = False


class Rival(NamedTuple):
    """What a replay is compared with: another release, or the same one, with the scorer that asks its models."""

    release: Release
    scorer: Scorer


def play(lines: Iterable[Line], releases: Sequence[Release], scorer: Scorer | None = None) -> Iterator[Step]:
    """Drive an engine with the lines of a journal, step by step.

    Args:
        lines: The journal, header first.
        releases: The one to decide with, then others that the journal may activate.
        scorer: Asks the models anew; None repeats the recorded answers.

    Raises:
        BadJournal: A line is not as the format says.
        NotReplayable: The recorded answers do not fit, or an activated release is not given. Never with a scorer.
    """
    following = iter(lines)
    header = next(following, None)
    if not isinstance(header, HeaderLine):
        raise BadJournal(1, "there is no header")
    second = next(following, None)
    if isinstance(second, StateLine):
        run = _Run(header, second.state, releases, scorer)
    else:
        run = _Run(header, {}, releases, scorer)
        following = following if second is None else chain([second], following)
    for call, scores, torn in _calls(following):
        try:
            yield run.repeat(call, scores)
        except NotReplayable:
            if torn:
                return  # the answers to this very call were being written when the power went
            raise


def replay(
    journals: Sequence[Path],
    release: Release,
    *,
    scorer: Scorer | None = None,
    others: Sequence[Release] = (),
    against: Rival | None = None,
    progress: Progress | None = None,
) -> ReplayReport:
    """Replay journals, each by itself, and return what it came to.

    Args:
        journals: The journals, compressed where named `.gz`.
        release: What to decide with from the first line on.
        scorer: Asks the models of `release` anew; None repeats the recorded answers.
        others: Releases that the journals may activate on their way.
        against: Replay everything a second time through this and report the decisions that differ. It decides from
            the first line to the last; activations are passed over.
        progress: Called with bytes of the journals, both rounds together.

    Raises:
        InvalidInput: `bad_journal`: a line is not as the format says. Without a scorer also `another_release`,
            `scores_missing` and `scores_differ`: see `NotReplayable`. The text begins with the journal's name.
        OSError: A journal cannot be read.
    """
    report = ReplayReport(release.id, comparison=None if against is None else Comparison(against.release.id))
    rounds = 1 if against is None else 2
    meter = _Meter(progress, rounds * sum(journal.stat().st_size for journal in journals))
    for journal in journals:
        try:
            here = _counted(journal, (release, *others), scorer, report, meter)
            if against is not None and report.comparison is not None:
                steps = play(_read(journal, meter), (against.release,), against.scorer)
                report.comparison.add(journal.name, here, _choices(steps))
        except InvalidInput as error:
            raise InvalidInput(error.reason, f"{journal.name}: {error.detail}") from error
    return report


class _Run:
    """One journal on its way through one engine."""

    def __init__(
        self, header: HeaderLine, state: Mapping[StateKey, object], releases: Sequence[Release], scorer: Scorer | None
    ) -> None:
        self._release = releases[0]
        self._known = {release.id: release for release in releases}
        self._is_recorded = scorer is None
        self._recorded = RecordedScorer(erased=header.erased)
        if self._is_recorded and self._release.models and header.release != self._release.id:
            raise NotReplayable(
                "another_release", f"recorded with {header.release!r}: to replay it with {self._release.id!r}, rescore"
            )
        self._engine = Engine.restore(
            state, self._release, epoch=header.epoch, scorer=self._recorded if scorer is None else scorer
        )

    def repeat(self, call: Call, scores: Scores) -> Step:
        """Make one call again."""
        event, passed_over = None, False
        activated = self._activated(call.release) if isinstance(call, ActivationLine) else None
        if self._is_recorded:
            self._recorded.load(scores, activated or self._release)
        if isinstance(call, EventLine):
            event = call.event
            effects = self._engine.receive(event, call.now)
        elif activated is not None:
            self._release = activated
            effects = self._engine.activate(activated, call.now)
        else:
            passed_over = isinstance(call, ActivationLine)
            effects = self._engine.handle_timer(call.now)
        if self._is_recorded:
            self._recorded.check(effects)
        return Step(call.now, event, effects, self._release, passed_over)

    def _activated(self, release: str) -> Release | None:
        known = self._known.get(release)
        if known is None and self._is_recorded and self._release.models:
            raise NotReplayable("another_release", f"it activates {release!r}, which is not given: give it, or rescore")
        return known


def _calls(lines: Iterable[Line]) -> Iterator[tuple[Call, Scores, bool]]:
    """Return each call with the scores recorded after it, and whether the journal is torn right behind it."""
    pending: Call | None = None
    scores: Scores = {}
    for line in lines:
        if isinstance(line, ScoresLine):
            scores = {**scores, **line.scores}
        elif isinstance(line, EventLine | TimerLine | ActivationLine):
            if pending is not None:
                yield pending, scores, False
            pending, scores = line, {}
        elif isinstance(line, TornLine) and pending is not None:
            yield pending, scores, True
            pending = None
    if pending is not None:
        yield pending, scores, False


class _Meter:
    """Bytes read, of all journals together."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def at(self, position: int) -> None:
        """Tell how far the journal being read is."""
        if self._progress is not None:
            self._progress(self._done + position, self._total)

    def finish(self, size: int) -> None:
        """Tell that a journal has been read."""
        self._done += size
        self.at(0)


def _read(journal: Path, meter: _Meter) -> Iterator[Line]:
    with journal.open("rb") as file:
        lines = read_lines(gzip.GzipFile(fileobj=file) if journal.suffix == ".gz" else file)
        for number, line in enumerate(lines, start=1):
            yield line
            if number % _PROGRESS_EVERY == 0:
                meter.at(file.tell())
    meter.finish(journal.stat().st_size)


_MutableChoices: TypeAlias = dict[tuple[Instant, str], list[Choice]]


def _counted(
    journal: Path, releases: Sequence[Release], scorer: Scorer | None, report: ReplayReport, meter: _Meter
) -> _MutableChoices:
    """Replay one journal into the report; return its decisions where they are compared."""
    began = time.perf_counter()
    compared = report.comparison is not None
    choices: _MutableChoices = defaultdict(list)
    report.journals += 1
    for step in play(_noted(_read(journal, meter), report), releases, scorer):
        report.observe(step.now, step.event, step.effects, step.release)
        report.passed_over += step.passed_over
        if compared:
            _collect(choices, step)
    report.took_s += time.perf_counter() - began
    return choices


def _noted(lines: Iterable[Line], report: ReplayReport) -> Iterator[Line]:
    """Note what the lines say of the journal itself."""
    for line in lines:
        if isinstance(line, HeaderLine):
            report.recorded_with.add(line.release)
        elif isinstance(line, TornLine):
            report.torn += 1
        yield line


def _choices(steps: Iterable[Step]) -> _MutableChoices:
    choices: _MutableChoices = defaultdict(list)
    for step in steps:
        _collect(choices, step)
    return choices


def _collect(choices: _MutableChoices, step: Step) -> None:
    for effect in step.effects:
        if isinstance(effect, DecisionRecorded):
            decision = effect.decision
            choices[decision.at, decision.unit].append(choice_of(decision))
