"""The journal of a running gateway: off unless configured, one file for each engine that began.

A journal is a courtesy to its reader. When it cannot be written, it ends, which is logged; deciding goes on.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from gateway.core.effects import Effect
from gateway.core.events import Event
from gateway.core.state import DURABLE, StateKey
from gateway.core.units import SECOND_MS, Instant
from gateway.edge.config import JournalConfig
from gateway.edge.observe import log
from gateway.wire.journal import JournalWriter, create_journal, lines_of
from gateway.wire.journal_lines import ActivationLine, HeaderLine, Level, ScoresLine, StateLine


class Journal:
    """Writes what the engine heard, while there is something to write it to."""

    def __init__(self, config: JournalConfig, gateway: str, epoch: str, release: str) -> None:
        self._config = config
        self._gateway = gateway
        self._epoch = epoch
        self._release = release
        self._writer: JournalWriter | None = None
        self._level = Level.MOMENTS

    @property
    def is_open(self) -> bool:
        """Whether it is worth the trouble to `record`."""
        return self._writer is not None

    def begin(self, state: Mapping[StateKey, object], now: Instant) -> None:
        """Begin a new file with the state an engine starts from. Nothing happens where journals are off."""
        self.close()
        if self._config.level == "off":
            return
        self._level = Level.RAW if self._config.level == "raw" and not self._raw_has_ended(now) else Level.MOMENTS
        header = HeaderLine(self._level, self._gateway, self._epoch, self._release)
        path = self._config.path / f"{self._gateway}-{self._epoch}-{now}.{self._level.value}.jsonl.gz"
        try:
            self._config.path.mkdir(parents=True, exist_ok=True)
            self._writer = create_journal(path, header, flush_lines=self._level is Level.MOMENTS)
            durable = {key: value for key, value in state.items() if key.scope in DURABLE}
            if durable:
                self._writer.append(StateLine(now, durable))
        except OSError as error:
            self._give_up(error)

    def record(self, event: Event | None, effects: Iterable[Effect], now: Instant) -> None:
        """Write what one call of the engine heard and scored."""
        if self._writer is None:
            return
        try:
            self._writer.record(event, effects, now)
        except OSError as error:
            self._give_up(error)

    def activated(self, release: str, effects: Iterable[Effect], now: Instant) -> None:
        """Write that the engine was given a release, and what it scored for that."""
        if self._writer is None:
            return
        scores = [line for line in lines_of(self._level, None, effects, now) if isinstance(line, ScoresLine)]
        try:
            self._writer.append(ActivationLine(now, release))
            for line in scores:
                self._writer.append(line)
        except OSError as error:
            self._give_up(error)

    def check(self, now: Instant) -> None:
        """End a raw journal whose permission has ended."""
        if self._writer is not None and self._level is Level.RAW and self._raw_has_ended(now):
            log.warning("raw_journal_ended", raw_until=self._config.raw_until)
            self.close()

    def close(self) -> None:
        """Write what is buffered and close the file; it may be closed already."""
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.close()
            except OSError as error:
                log.error("journal_failed", reason=str(error))

    def _raw_has_ended(self, now: Instant) -> bool:
        until = self._config.raw_until
        return until is None or datetime.fromtimestamp(now / SECOND_MS, tz=UTC).date().isoformat() > until

    def _give_up(self, error: OSError) -> None:
        log.error("journal_failed", reason=str(error))
        self.close()
