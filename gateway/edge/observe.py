"""What can be seen from outside: one canonical line per decision, counters, and whether the gateway is ready.

Above DEBUG no line holds a coordinate, a payload or a subject: a decision is told by ids of decision, unit, action and
offer, and by the reasons of its refusals. Labels of metrics are enumerations, never a unit, subject or id.
"""

import logging
import sys
from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway.core.effects import Decision, Effect, EventIgnored, EventRefused, OutcomeRecorded
from gateway.core.events import SESSION
from gateway.edge.clock import Quality
from gateway.edge.store.rows import Gap
from gateway.wire.topics import Channel, Dialect

INBOUND = (
    Channel.TELEMETRY,
    Channel.IDENTITY,
    Channel.OUTCOMES,
    Channel.CONSENTS,
    Channel.FACTS,
    Channel.STATUS,
)
"""What units say."""

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_DECISION_SECONDS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05)
_COMMIT_SECONDS = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)

log: structlog.stdlib.BoundLogger = structlog.get_logger("wayside")
"""The gateway's log. Silent about people; see above."""


class _Bridge(logging.Handler):
    """Hands what libraries say over to our log, so that every line has one form."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it under its library's name."""
        structlog.get_logger("wayside").log(record.levelno, "library", library=record.name, said=record.getMessage())


def configure_log(
    level: Literal["debug", "info", "warning", "error"],
    form: Literal["json", "console"],
    stream: TextIO | None = None,
) -> None:
    """Direct all logging of the process to one stream (standard error unless given), in one form."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    tracebacks = [structlog.processors.dict_tracebacks] if form == "json" else []
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *tracebacks,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_Bridge()]
    root.setLevel(_LEVELS[level])
    # The connection is reported by ourselves; the library's own account of it repeats every packet.
    logging.getLogger("gmqtt").setLevel(logging.DEBUG if level == "debug" else logging.CRITICAL)


def log_decision(decision: Decision, seconds: float) -> None:
    """Write the canonical line of a decision."""
    refusals = Tally(verdict.refusal.reason for verdict in decision.verdicts if verdict.refusal is not None)
    log.info(
        "decision",
        decision=decision.id,
        unit=decision.unit,
        at_ms=decision.at,
        release=decision.release,
        moments=list(decision.moments),
        holder="session" if decision.holder == SESSION else "subject",
        candidates=len(decision.verdicts),
        chosen=decision.chosen,
        offer=decision.offer,
        refusals=dict(sorted(refusals.items())),
        duration_us=round(seconds * 1_000_000),
    )


class _HotCounter(Collector):
    """A counter by one label for what happens with every message: a tenth of what the library's costs."""

    def __init__(self, name: str, documentation: str, label: str, known: Iterable[str] = ()) -> None:
        self._name = name
        self._documentation = documentation
        self._label = label
        self.by_label: Tally[str] = Tally(dict.fromkeys(known, 0))

    def collect(self) -> Iterator[Metric]:
        """Return the counts as they are now. Called from the HTTP thread."""
        family = CounterMetricFamily(self._name, self._documentation, labels=[self._label])
        for value, count in list(self.by_label.items()):
            family.add_metric([str(value)], count)
        yield family


class Metrics:
    """All counters of the process, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        counter, registry = Counter, self.registry
        self._messages = _HotCounter("wayside_messages", "Messages received.", "channel", INBOUND)
        self._ignored = _HotCounter("wayside_ignored", "Valid events that changed nothing.", "reason")
        registry.register(self._messages)
        registry.register(self._ignored)
        self._dead_letters = counter("wayside_dead_letters", "Messages refused.", ["reason"], registry=registry)
        self._decisions = counter("wayside_decisions", "Decisions recorded.", ["outcome"], registry=registry)
        self._refusals = counter("wayside_refusals", "Candidates refused.", ["stage", "reason"], registry=registry)
        self._publications = counter(
            "wayside_publications", "Messages the broker has answered for.", ["kind", "result"], registry=registry
        )
        self.dead_letters_unpublished = counter(
            "wayside_dead_letters_unpublished", "Refused messages of which no notice was published.", registry=registry
        )
        self.unknown_fields = counter("wayside_unknown_fields", "Fields not known here.", registry=registry)
        self.unknown_signals = counter("wayside_unknown_signals", "Signals not listened to.", registry=registry)
        self.withheld = counter("wayside_withheld_signals", "Signals stopped at the border.", registry=registry)
        self.conflated = counter("wayside_conflated_signals", "Signals that a newer one replaced.", registry=registry)
        self.held = Gauge("wayside_held_events", "Events that wait because the ledger lags.", registry=registry)
        self.backlog = Gauge("wayside_commit_backlog", "Transactions that wait for the disk.", registry=registry)
        self.commits = counter("wayside_commits", "Commits on disk.", registry=registry)
        self.transactions = counter("wayside_transactions", "Transactions on disk.", registry=registry)
        self.commit_failures = counter("wayside_commit_failures", "Commits that failed.", registry=registry)
        self.commit_seconds = Histogram(
            "wayside_commit_seconds", "Time of a commit.", buckets=_COMMIT_SECONDS, registry=registry
        )
        self._ledger_bytes = Gauge(
            "wayside_ledger_bytes", "What the ledger takes on disk, its write-ahead log included.", registry=registry
        )
        self._evicted = counter(
            "wayside_evicted_rows", "Rows taken out of the ledger.", ["stream", "reason"], registry=registry
        )
        self._gaps = counter(
            "wayside_ledger_gaps", "Transactions that left a hole in the ledger.", ["reason"], registry=registry
        )
        self._outcomes = counter("wayside_outcomes", "Outcomes recorded.", ["outcome"], registry=registry)
        self.decision_seconds = Histogram(
            "wayside_decision_seconds", "Engine time of a decision.", buckets=_DECISION_SECONDS, registry=registry
        )
        self.connected = Gauge("wayside_broker_connected", "1 while connected and subscribed.", registry=registry)
        self._connections = counter(
            "wayside_connections", "Attempts to reach the broker.", ["result"], registry=registry
        )
        self._broker_reasons = counter(
            "wayside_broker_reasons", "What the broker refused, and why it left.", ["kind", "reason"], registry=registry
        )

    def count_message(self, channel: Channel | Dialect) -> None:
        """Count a message that was understood."""
        self._messages.by_label[channel] += 1

    def count_ignored(self, reason: str) -> None:
        """Count a message that is right and left unheard."""
        self._ignored.by_label[reason] += 1

    def count_dead_letter(self, reason: str) -> None:
        """Count a message that was refused."""
        self._dead_letters.labels(reason).inc()

    def count_publication(self, kind: str, result: str) -> None:
        """Count what became of a publication: `taken`, `unheard` (nobody subscribes), `refused` or `expired`."""
        self._publications.labels(kind, result).inc()

    def count_connection(self, result: str) -> None:
        """Count an attempt to connect: `accepted`, `resumed`, `refused`, `unreachable`."""
        self._connections.labels(result).inc()

    def count_broker_reason(self, kind: str, reason: str) -> None:
        """Count a refusal, or the end of a connection, by the packet it came in and its name in the standard."""
        self._broker_reasons.labels(kind, reason).inc()

    def count_decision(self, decision: Decision, seconds: float) -> None:
        """Count a recorded decision and each refusal in it."""
        self._decisions.labels("silence" if decision.chosen is None else "offer").inc()
        self.decision_seconds.observe(seconds)
        for verdict in decision.verdicts:
            if verdict.refusal is not None:
                self._refusals.labels(verdict.refusal.stage.value, verdict.refusal.reason).inc()

    def count_commit(self, transactions: int, seconds: float) -> None:
        """Count a commit."""
        self.commits.inc()
        self.transactions.inc(transactions)
        self.commit_seconds.observe(seconds)

    def count_upkeep(self, ledger_bytes: int, gaps: Iterable[Gap]) -> None:
        """Count what was taken out of the ledger, and tell how large it is."""
        self._ledger_bytes.set(ledger_bytes)
        for gap in gaps:
            self._gaps.labels(gap.reason).inc()
            self._evicted.labels(gap.stream, gap.reason).inc(gap.count or 0)

    def totals(self) -> dict[tuple[str, str], int]:
        """Return what is also kept by the hour, by name and label: enumerations, nothing of a person or a unit."""
        totals = {("messages", str(channel)): count for channel, count in list(self._messages.by_label.items())}
        for name, family, label in (
            ("dead_letters", self._dead_letters, "reason"),
            ("decisions", self._decisions, "outcome"),
            ("outcomes", self._outcomes, "outcome"),
            ("connections", self._connections, "result"),
        ):
            totals |= {(name, labels[label]): count for labels, count in _counts(family)}
        offers = [(labels, count) for labels, count in _counts(self._publications) if labels["kind"] == "offer"]
        return totals | {("offers", labels["result"]): count for labels, count in offers}

    def count_effects(self, effects: Iterable[Effect]) -> None:
        """Count outcomes, and what was ignored or refused."""
        for effect in effects:
            if isinstance(effect, EventIgnored):
                self._ignored.by_label[effect.reason] += 1
            elif isinstance(effect, EventRefused):
                self._dead_letters.labels(effect.reason).inc()
            elif isinstance(effect, OutcomeRecorded):
                self._outcomes.labels(effect.outcome.value).inc()


def _counts(counter: Counter) -> Iterator[tuple[dict[str, str], int]]:
    """Yield the labels and the value of each counter of a family."""
    for metric in counter.collect():
        for sample in metric.samples:
            yield sample.labels, int(sample.value)


@dataclass(slots=True)
class Health:
    """Whether the gateway can do its work. Written by the loop, read by the HTTP thread: plain values only.

    Attributes:
        clock: Whether the time can be believed: while it is suspect, a consent that ends on some day does not count.
        ledger: `ok`, or what is wrong: `quarantined` (a damaged file was set aside; works on), `failing`, `full`
            (failing as well: there is no room, and nothing that can be spared).
        salvage: What was wrong with the ledger that was set aside, and what was taken over and lost of each table.
    """

    started: bool = False
    connected: bool = False
    stopping: bool = False
    ledger: Literal["ok", "quarantined", "failing", "full"] = "ok"
    clock: Quality = Quality.PLAUSIBLE
    release: dict[str, str | int] = field(default_factory=dict)
    salvage: dict[str, object] | None = None

    @property
    def ready(self) -> bool:
        """Whether messages are heard, decided on and recorded now."""
        return self.started and self.connected and not self.stopping and self.ledger not in {"failing", "full"}

    def report(self) -> dict[str, object]:
        """Return what `/readyz` answers."""
        return {
            "ready": self.ready,
            "started": self.started,
            "connected": self.connected,
            "stopping": self.stopping,
            "ledger": self.ledger,
            "clock": self.clock.value,
            "release": self.release,
            "salvage": self.salvage,
        }
