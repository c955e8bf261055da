"""What came of a load: lines for people, names for scripts, and whether all went well."""

from dataclasses import asdict, dataclass

from simulators.load.correlation import Correlation
from simulators.load.plan import Plan
from simulators.load.sender import LATE_NS, Sent
from simulators.load.spread import Spread

_NS_PER_MS = 1_000_000
_NAME_WIDTH = 16


@dataclass(frozen=True, slots=True)
class Offers:
    """What the triggers brought about.

    Attributes:
        offered: How many were answered in time.
        lost: How many were not, those among them that were answered late.
        latency: From the due time of the trigger to the arrival of its offer; of those in time.
    """

    triggers: int
    offered: int
    lost: int
    late: int
    duplicates: int
    unexpected: int
    withdrawn: int
    latency: Spread | None

    @staticmethod
    def of(correlation: Correlation) -> "Offers":
        """Return what a correlation has found."""
        return Offers(
            correlation.triggers,
            len(correlation.took_ns),
            correlation.lost,
            correlation.late,
            correlation.duplicates,
            correlation.unexpected,
            correlation.withdrawn,
            Spread.of(correlation.took_ns),
        )


@dataclass(frozen=True, slots=True)
class Report:
    """A load that was run."""

    plan: Plan
    sent: Sent
    offers: Offers

    @property
    def kept_schedule(self) -> bool:
        """Whether all messages went out, and 99 of 100 in good time: else the figures are the sender's as well."""
        lag = self.sent.lag
        return lag is not None and not self.sent.unsent and lag.p99 * _NS_PER_MS < LATE_NS

    @property
    def nothing_lost(self) -> bool:
        """Whether everything was sent, acknowledged and answered exactly once."""
        offers = self.offers
        return not (
            self.sent.unsent or self.sent.unacknowledged or offers.lost or offers.duplicates or offers.unexpected
        )

    def to_json(self) -> dict[str, object]:
        """Return it for scripts; durations in milliseconds."""
        schedule, sent, offers = self.plan.schedule, asdict(self.sent), asdict(self.offers)
        return {
            "plan": {
                "host": self.plan.host,
                "port": self.plan.port,
                "qos": self.plan.qos,
                "rate_per_s": schedule.rate,
                "units": schedule.units,
                "seconds": schedule.seconds,
                "offers_every_s": schedule.offers_every_s,
                "window": self.plan.window,
                "patience_s": self.plan.patience_s,
            },
            "sent": {
                **{name: sent[name] for name in ("messages", "unsent", "per_s", "late", "held_up", "unacknowledged")},
                "cpu_s": sent["cpu_s"],
                "lag_ms": sent["lag"],
                "acknowledged_ms": sent["acknowledged"],
            },
            "offers": {name: value for name, value in offers.items() if name != "latency"},
            "latency_ms": offers["latency"],
            "kept_schedule": self.kept_schedule,
            "nothing_lost": self.nothing_lost,
            "notes": self.notes(),
        }

    def lines(self) -> list[str]:
        """Return it for people."""
        schedule, sent = self.plan.schedule, self.sent
        what = f"{sent.messages:,} messages of {schedule.units:,} units at QoS {self.plan.qos}"
        lines = [f"{what} in {schedule.seconds:g} s: {sent.per_s:,.1f}/s of {schedule.rate:,}/s"]
        if sent.lag is not None:
            lines.append(f"{'  sender lag':{_NAME_WIDTH}}{sent.lag.line()}; {sent.late:,} late, {sent.unsent:,} unsent")
        if sent.acknowledged is not None:
            lines.append(
                f"{'  PUBACK':{_NAME_WIDTH}}{sent.acknowledged.line()}; {sent.unacknowledged:,} unacknowledged"
            )
        if self.offers.triggers:
            lines += self._offer_lines()
        return lines + self.notes()

    def _offer_lines(self) -> list[str]:
        offers = self.offers
        late = f" ({offers.late:,} came late)" if offers.late else ""
        answered = f"{offers.triggers:,} triggers: {offers.offered:,} offered, {offers.lost:,} lost{late}"
        others = f"{offers.duplicates:,} doubled, {offers.unexpected:,} unexpected, {offers.withdrawn:,} withdrawn"
        lines = [f"{answered}, {others}"]
        if offers.latency is not None:
            lines.append(f"{'  offer latency':{_NAME_WIDTH}}{offers.latency.line()}")
        return lines

    def notes(self) -> list[str]:
        """Return what a reader of the figures should know."""
        return [note for note, holds in self._notes() if holds]

    def _notes(self) -> list[tuple[str, bool]]:
        sent, offers = self.sent, self.offers
        held_up = f", and the broker did not take it at once {sent.held_up:,} times" if sent.held_up else ""
        return [
            (
                f"The load fell behind its schedule{held_up}: latencies hold that lag, for they count from due times.",
                not self.kept_schedule,
            ),
            (
                "No trigger was answered. Does the consumer serve these units, and offer each time it is triggered?",
                bool(offers.triggers) and offers.offered + offers.late == 0,
            ),
            (
                "Of offers that come later than a unit's next trigger nothing can be told: with more units, more can.",
                offers.late > 0,
            ),
        ]
