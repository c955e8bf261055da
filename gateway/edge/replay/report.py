"""What a replay came to: counted, not judged."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Final, NamedTuple, TypeAlias

from gateway.core.effects import (
    Decision,
    DecisionRecorded,
    Effect,
    EventIgnored,
    EventRefused,
    MomentNoticed,
    OfferMade,
    OfferWithdrawn,
    OutcomeRecorded,
)
from gateway.core.events import Event, FenceReported, PositionReported
from gateway.core.moments import FenceEntered, FenceExited
from gateway.core.release import Release
from gateway.core.units import SECOND_MS, Instant

KEEP_EXAMPLES: Final = 5
"""How many differences a comparison shows; all are counted."""


@dataclass
class Crossings:
    """How often fences of one kind were entered and left."""

    entered: int = 0
    exited: int = 0


@dataclass
class ReplayReport:
    """What was read, what was noticed, what was decided.

    Attributes:
        rejected: Fixes that changed nothing, by reason: `late_fix`, `implausible_jump` ...
        not_taken: Other events that changed nothing, by type and reason.
        strange_fences: Fences that a journal of level `moments` reports and the release does not have.
        passed_over: Activations of releases that were not given.
        silences: Decisions that chose to say nothing.
        refusals: Why candidates were not chosen, by stage and reason.
        torn: Journals that end in the middle of a line.
        took_s: Reading, deciding and counting; comparing not.
    """

    release: str
    journals: int = 0
    recorded_with: set[str] = field(default_factory=set)
    units: set[str] = field(default_factory=set)
    events: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    not_taken: Counter[tuple[str, str]] = field(default_factory=Counter)
    strange_fences: set[str] = field(default_factory=set)
    passed_over: int = 0
    crossings: dict[str, Crossings] = field(default_factory=lambda: defaultdict(Crossings))
    moments: Counter[str] = field(default_factory=Counter)
    decisions: int = 0
    silences: int = 0
    offers: Counter[str] = field(default_factory=Counter)
    withdrawn: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)
    torn: int = 0
    first: Instant | None = None
    last: Instant | None = None
    took_s: float = 0.0
    comparison: "Comparison | None" = None

    @property
    def fixes(self) -> int:
        """How many positions were read."""
        return self.events[PositionReported.__name__]

    @property
    def fixes_per_s(self) -> float:
        """How many positions were replayed a second, everything included."""
        return self.fixes / self.took_s if self.took_s > 0 else 0.0

    def observe(self, now: Instant, event: Event | None, effects: Sequence[Effect], release: Release) -> None:
        """Count one call of the engine."""
        self.first = now if self.first is None else min(self.first, now)
        self.last = now if self.last is None else max(self.last, now)
        if event is not None:
            self.events[type(event).__name__] += 1
            self.units.add(event.unit)
            if isinstance(event, FenceReported):
                self.strange_fences.update({*event.entered, *event.exited} - release.fences.keys())
        for effect in effects:
            self._count(event, effect)

    def _count(self, event: Event | None, effect: Effect) -> None:
        match effect:
            case EventIgnored(reason=reason) | EventRefused(reason=reason):
                if isinstance(event, PositionReported):
                    self.rejected[reason] += 1
                else:
                    self.not_taken[type(event).__name__, reason] += 1
            case MomentNoticed(moment):
                self.moments[type(moment).__name__] += 1
                if isinstance(moment, FenceEntered):
                    self.crossings[moment.fence_kind].entered += 1
                elif isinstance(moment, FenceExited):
                    self.crossings[moment.fence_kind].exited += 1
            case DecisionRecorded(decision):
                self._decided(decision)
            case OfferMade(offer):
                self.offers[offer.action] += 1
            case OfferWithdrawn(reason=reason):
                self.withdrawn[reason] += 1
            case OutcomeRecorded(outcome=outcome):
                self.outcomes[outcome.value] += 1
            case _:
                pass  # state and receipts are the ledger's

    def _decided(self, decision: Decision) -> None:
        self.decisions += 1
        self.silences += decision.chosen is None
        for verdict in decision.verdicts:
            if verdict.refusal is not None:
                self.refusals[verdict.refusal.stage.value, verdict.refusal.reason] += 1

    def lines(self) -> Iterator[str]:
        """Return it for people, one fact a line."""
        yield f"release     {self.release}; {self.journals:,} journals, recorded with {_listed(self.recorded_with)}"
        yield f"units       {_listed(self.units)}"
        if self.first is not None and self.last is not None:
            yield f"time        {utc(self.first)} to {utc(self.last)}"
        yield f"fixes       {self.fixes:,} read, {self.rejected.total():,} rejected{_tail(self.rejected)}"
        yield f"events      {self.events.total():,}{_tail(self.events)}"
        for (kind, reason), count in sorted(self.not_taken.items()):
            yield f"            not taken: {kind} {reason} {count:,}"
        for kind, crossings in sorted(self.crossings.items()):
            yield f"crossings   {kind}: entered {crossings.entered:,}, exited {crossings.exited:,}"
        yield f"moments     {self.moments.total():,}{_tail(self.moments)}"
        yield f"decisions   {self.decisions:,}: {self.offers.total():,} offers, {self.silences:,} silences"
        yield from (f"            offered: {action} {count:,}" for action, count in sorted(self.offers.items()))
        yield from (f"            refused: {s} {r} {count:,}" for (s, r), count in sorted(self.refusals.items()))
        yield from (f"            withdrawn: {reason} {count:,}" for reason, count in sorted(self.withdrawn.items()))
        yield from (f"            outcome: {outcome} {count:,}" for outcome, count in sorted(self.outcomes.items()))
        yield from self._warnings()
        yield f"took        {self.took_s:.2f} s{f', {self.fixes_per_s:,.0f} fixes/s' if self.fixes else ''}"
        if self.comparison is not None:
            yield from self.comparison.lines()

    def _warnings(self) -> Iterator[str]:
        if self.strange_fences:
            yield f"warning     {len(self.strange_fences):,} fences are reported that the release does not have"
        if self.passed_over:
            yield f"warning     {self.passed_over:,} activations of releases not given were passed over"
        if self.torn:
            yield f"warning     {self.torn:,} journals end in the middle of a line"

    def to_json(self) -> dict[str, object]:
        """Return it for scripts."""
        return {
            "release": self.release,
            "journals": self.journals,
            "recorded_with": sorted(self.recorded_with),
            "units": sorted(self.units),
            "first_ms": self.first,
            "last_ms": self.last,
            "fixes": self.fixes,
            "rejected": dict(sorted(self.rejected.items())),
            "events": dict(sorted(self.events.items())),
            "not_taken": _nested(self.not_taken),
            "crossings": {k: {"entered": c.entered, "exited": c.exited} for k, c in sorted(self.crossings.items())},
            "moments": dict(sorted(self.moments.items())),
            "decisions": self.decisions,
            "offers": dict(sorted(self.offers.items())),
            "silences": self.silences,
            "refusals": _nested(self.refusals),
            "withdrawn": dict(sorted(self.withdrawn.items())),
            "outcomes": dict(sorted(self.outcomes.items())),
            "strange_fences": len(self.strange_fences),
            "passed_over": self.passed_over,
            "torn": self.torn,
            "took_s": round(self.took_s, 6),
            "fixes_per_s": round(self.fixes_per_s),
            "against": None if self.comparison is None else self.comparison.to_json(),
        }


class Choice(NamedTuple):
    """A decision as far as two replays are compared.

    Attributes:
        verdicts: Action, placement and the reason of its refusal; empty for the chosen one.
        propensities: Of each verdict; None where it was refused before scoring.
    """

    chosen: str | None
    verdicts: tuple[tuple[str, str, str], ...]
    propensities: tuple[float | None, ...]


Choices: TypeAlias = Mapping[tuple[Instant, str], Sequence[Choice]]
"""Decisions by instant and unit."""


def choice_of(decision: Decision) -> Choice:
    """Return what a comparison keeps of a decision: neither ids nor the context."""
    reasons = ["" if v.refusal is None else f"{v.refusal.stage.value} {v.refusal.reason}" for v in decision.verdicts]
    return Choice(
        decision.chosen,
        tuple((v.action, v.placement.value, reason) for v, reason in zip(decision.verdicts, reasons, strict=True)),
        tuple(v.propensity for v in decision.verdicts),
    )


class Difference(NamedTuple):
    """One decision that two replays do not share; None where one of them made none."""

    journal: str
    unit: str
    at: Instant
    kind: str
    here: Choice | None
    there: Choice | None


@dataclass
class Comparison:
    """How a replay differs from one through another release, decision by decision, by unit and instant.

    Attributes:
        same: Decisions alike in choice, reasons and propensities.
        kinds: The others, by the first that differs: `only_here`, `only_there`, `choice`, `reasons`, `propensity`.
        first: The first few.
    """

    against: str
    same: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    first: list[Difference] = field(default_factory=list)
    largest_propensity_difference: float = 0.0

    def add(self, journal: str, here: Choices, there: Choices) -> None:
        """Compare the decisions that two replays of one journal made."""
        for at, unit in sorted(here.keys() | there.keys()):
            for ours, theirs in zip_longest(here.get((at, unit), ()), there.get((at, unit), ())):
                kind = self._kind(ours, theirs)
                if kind is None:
                    self.same += 1
                    continue
                self.kinds[kind] += 1
                if len(self.first) < KEEP_EXAMPLES:
                    self.first.append(Difference(journal, unit, at, kind, ours, theirs))

    def _kind(self, here: Choice | None, there: Choice | None) -> str | None:
        if here is None or there is None:
            return "only_there" if here is None else "only_here"
        if here.verdicts != there.verdicts:
            return "choice" if here.chosen != there.chosen else "reasons"
        pairs = zip(here.propensities, there.propensities, strict=True)
        difference = max((abs(a - b) for a, b in pairs if a is not None and b is not None), default=0.0)
        self.largest_propensity_difference = max(self.largest_propensity_difference, difference)
        return None if here.propensities == there.propensities else "propensity"

    def lines(self) -> Iterator[str]:
        """Return it for people."""
        alike = f"{self.same:,} decisions alike, {self.kinds.total():,} not{_tail(self.kinds)}"
        yield f"against     {self.against}: {alike}"
        yield f"            largest difference of a propensity {self.largest_propensity_difference:.6g}"
        for one in self.first:
            yield f"            {utc(one.at)} {one.unit} ({one.journal}): {one.kind}"
            yield f"              here  {_told(one.here)}"
            yield f"              there {_told(one.there)}"

    def to_json(self) -> dict[str, object]:
        """Return it for scripts."""
        return {
            "release": self.against,
            "same": self.same,
            "different": dict(sorted(self.kinds.items())),
            "largest_propensity_difference": self.largest_propensity_difference,
            "first": [
                {
                    "journal": one.journal,
                    "unit": one.unit,
                    "at_ms": one.at,
                    "kind": one.kind,
                    "here": None if one.here is None else one.here._asdict(),
                    "there": None if one.there is None else one.there._asdict(),
                }
                for one in self.first
            ],
        }


def utc(instant: Instant) -> str:
    """Return an instant for people, to the millisecond where it has any."""
    text = datetime.fromtimestamp(instant / SECOND_MS, tz=UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z").replace(".000Z", "Z")


def _told(choice: Choice | None) -> str:
    if choice is None:
        return "no decision"
    reasons = "; ".join(f"{action} on {placement}: {reason}" for action, placement, reason in choice.verdicts if reason)
    return f"{choice.chosen or 'silence'}{f' ({reasons})' if reasons else ''}"


def _tail(counts: Counter[str]) -> str:
    return f": {', '.join(f'{name} {count:,}' for name, count in sorted(counts.items()))}" if counts else ""


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _nested(counts: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = defaultdict(dict)
    for (outer, inner), count in sorted(counts.items()):
        nested[outer][inner] = count
    return dict(nested)
