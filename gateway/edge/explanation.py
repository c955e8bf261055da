"""Why this, and why not that: a decision's trace from the ledger, in words.

Everything said here stands in the record; nothing is computed anew. Subjects appear as the pseudonyms they are.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gateway.core.effects import Decision, Refusal, Verdict
from gateway.core.errors import StoreError
from gateway.core.events import SESSION
from gateway.core.units import SECOND_MS, Instant
from gateway.edge.store.rows import decision_from
from gateway.edge.store.schema import connect_reader

LAST = "last"

_ONE = "SELECT trace FROM decisions WHERE id = ?1 OR offer = ?1 OR id = (SELECT decision FROM offers WHERE id = ?1)"
_NEWEST = "SELECT trace FROM decisions ORDER BY at_ms DESC, rowid DESC LIMIT 1"
_OUTCOMES = "SELECT at_ms, outcome, unit FROM outcomes WHERE offer = ? ORDER BY seq"
_PUBLISHED: Mapping[str | None, str] = {
    "sent": "published",
    "pending": "not yet published",
    "dropped": "never published",
}
_OFFER = "SELECT action, publication, withdrawn_ms, withdrawal_reason, payload FROM offers WHERE id = ?"
_LEVELS: Mapping[str, str] = MappingProxyType({"*": "all marketing"})
_GROUP = "+"

_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "kind_carries_reward": "a {kind} action may not carry a reward",
        "not_started": "its campaign has not started",
        "ended": "its campaign has ended",
        "no_placement": "the unit has no place to show it",
        "nobody_known": "it is for somebody known, and nobody is known as {role}",
        "about_somebody_else": "what led to it was done by somebody else than the {role}",
        "contextual_offers_off": "the owner of the unit shows no marketing to unknown people",
        "not_alone": "it is personal and not for others to read (occupants: {occupants}, others known: {others_known})",
        "no_consent": "no valid consent to {purpose}",
        "not_parked": "nothing is shown on the driver's screen unless parked (drive: {drive})",
        "voice_while_driving": "nothing is said while driving without the driver's wish (drive: {drive})",
        "phone_while_driving": "nothing is sent to the driver's phone while driving (drive: {drive})",
        "not_eligible": "not eligible: {expression} with {values}",
        "not_applicable": "does not apply: {expression} with {values}",
        "not_suitable": "not suitable now: {expression} with {values}",
        "expression_error": "its condition cannot be judged: {expression} with {values}",
        "never_again": "the person said never again",
        "already_accepted": "the person has accepted it already and not yet redeemed it",
        "placement_taken": "another offer stands at {placement}",
        "cooling_down": "the person declined something of {level}, and hears nothing of it until {until}",
        "suppressed": "the person left {ignored} of {level} unanswered in a row, and hears nothing of it until {until}",
        "cap_reached": "{used} contacts of {level} {window}{per}, and {count} is the most",
        "not_following": "only within {within_s} s after {after} was {outcome}",
        "nowhere_near": "no {fence_kind} is known of which {fact} is true",
        "fact_unknown": "the fact {fact} is not known",
        "fact_too_old": "the fact {fact} was told {age_s} s ago, and may be {max_age_s} s old",
        "nothing_to_say": "its text needs {placeholder}, which is not known",
        "words_too_long": "a text of it comes to {length} characters, where there is room for {limit}",
        "budget_spent": "its reward costs {cost}, and of its budget {left} is left",
        "no_discount_due": "no discount is due to this person",
        "not_prepared": "the centre's list says nothing of it, and it has no prior",
        "erased": "what the model answered was erased with a person",
        "silence_is_better": "saying nothing is worth more (net value {net_value:.3f})",
        "lower_net_value": "{by} is worth more (this one {net_value:.3f})",
        "outranked": "{by} goes first by rule, whatever the values",
    }
)


@dataclass(frozen=True, slots=True)
class OutcomeTold:
    """What became of the offer, and where that was reported."""

    at: Instant
    outcome: str
    unit: str


@dataclass(frozen=True, slots=True)
class OfferTold:
    """An offer, and what came of it.

    Attributes:
        publication: Whether the broker has it: pending, sent or dropped; None when it is no longer known.
        withdrawn: Why it was taken back, or None.
        shown: What it was published with: the reward's amount, the age of its facts; empty when that is not known.
    """

    id: str
    action: str | None
    publication: str | None
    withdrawn: str | None
    outcomes: tuple[OutcomeTold, ...]
    shown: Mapping[str, Any]

    def to_json(self) -> dict[str, object]:
        """Return what came of it, for scripts."""
        outcomes = [{"at_ms": told.at, "outcome": told.outcome, "unit": told.unit} for told in self.outcomes]
        return {"publication": self.publication, "withdrawn": self.withdrawn, "outcomes": outcomes}

    def lines(self) -> Iterator[str]:
        """Return what came of it, for people."""
        reward = self.shown.get("reward") or {}
        if reward.get("amount"):
            yield f"  reward: {reward['amount']} {reward['currency']}"
        if self.shown.get("as_of_ms") is not None:
            yield f"  shows what was known at {_utc(self.shown['as_of_ms'])}"
        yield from (f"  {_utc(told.at)} {told.outcome} at {told.unit}" for told in self.outcomes)
        if self.withdrawn is not None:
            yield f"  withdrawn: {self.withdrawn}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with what came of it.

    Attributes:
        offers: What was offered: nothing, one offer, or a slate in its order.
    """

    decision: Decision
    offers: tuple[OfferTold, ...]

    def lines(self) -> Iterator[str]:
        """Return it for people."""
        decision = self.decision
        yield f"Decision {decision.id} at {_utc(decision.at)} for {decision.unit}, by release {decision.release}"
        yield f"  because of: {', '.join(decision.moments)}"
        yield f"  addressed to: {'somebody unknown' if decision.holder == SESSION else decision.holder}"
        yield "  known then:"
        yield from (f"    {name} = {_value(value)}" for name, value in sorted(decision.context.items()))
        chosen = [verdict for verdict in decision.verdicts if verdict.refusal is None]
        if not chosen:
            yield "Chosen: silence (net value 0)"
        for verdict in chosen:
            yield f"Chosen: {verdict.action} ({verdict.kind}) on {verdict.placement}, offer {self._offer_of(verdict)}"
            yield f"  triggered by: {verdict.trigger}"
            yield f"  {_arithmetic(verdict)}"
        refused = [verdict for verdict in decision.verdicts if verdict.refusal is not None]
        if refused:
            yield "Not chosen:"
        for verdict in refused:
            yield from _why_not(verdict)
        yield from self._what_came_of_it()

    def to_json(self) -> dict[str, object]:
        """Return it for scripts: beside the decision what came of its offer, and of those shown with it."""
        first = self.offers[0].to_json() if self.offers else {"publication": None, "withdrawn": None, "outcomes": []}
        beside = [{"offer": told.id, "action": told.action, **told.to_json()} for told in self.offers[1:]]
        return {"decision": asdict(self.decision), **first, "slate": beside}

    def _offer_of(self, verdict: Verdict) -> str | None:
        """Return the offer of a chosen verdict; of a slate each is another's."""
        by_action = {told.action: told.id for told in self.offers}
        return by_action.get(verdict.action, self.decision.offer)

    def _what_came_of_it(self) -> Iterator[str]:
        for told in self.offers:
            name = f" ({told.id})" if len(self.offers) > 1 else ""
            yield f"What came of it{name}: {_PUBLISHED.get(told.publication, 'no longer known')}"
            yield from told.lines()


def explain(ledger: Path, name: str) -> Explanation:
    """Return the explanation of a decision.

    Args:
        ledger: The ledger's file.
        name: The id of the decision or of its offer, or `last`.

    Raises:
        StoreError: The ledger cannot be read or has no such decision.
    """
    try:
        with closing(connect_reader(ledger)) as connection:
            found = connection.execute(_NEWEST) if name == LAST else connection.execute(_ONE, (name,))
            row = found.fetchone()
            if row is None:
                what = "no decision yet" if name == LAST else f"no decision or offer {name!r}"
                raise StoreError(f"{ledger}: there is {what}")
            decision = decision_from(row[0])
            made = () if decision.offer is None else (decision.offer, *decision.slate)
            return Explanation(decision, tuple(_offer(connection, each) for each in made))
    except (sqlite3.Error, ValueError) as error:
        raise StoreError(f"{ledger}: cannot be read: {error}") from error


def refusal_in_words(refusal: Refusal) -> str:
    """Return why a candidate was refused, as a person would say it."""
    template = _WORDS.get(refusal.reason)
    if template is None:
        return f"{refusal.reason} {_value(refusal.detail)}" if refusal.detail else refusal.reason
    shown = {name: _value(value) if isinstance(value, dict) else value for name, value in refusal.detail.items()}
    return template.format_map(_Told(shown | _in_words(refusal.detail)))


class _Told(dict[str, object]):
    """The values of a refusal; one that an older record has not is told as unknown."""

    def __missing__(self, name: str) -> str:
        return "unknown"


def _in_words(detail: Mapping[str, Any]) -> dict[str, object]:
    """Return those values that people read otherwise than they are recorded."""
    level, per, each = detail.get("level", "it"), detail.get("per"), detail.get("each")
    words: dict[str, object] = {
        "level": f"group {level[1:]}" if level.startswith(_GROUP) else _LEVELS.get(level, level),
        "window": f"in this {each}" if each else f"within {detail.get('within_s')} s",
        "per": f" per {per}" if per else "",
    }
    if isinstance(until := detail.get("until"), int):
        words["until"] = _utc(until)
    for cents, name in (("cost_cents", "cost"), ("left_cents", "left")):
        if isinstance(amount := detail.get(cents), int):
            words[name] = f"{amount / 100:.2f}"
    return words


def _offer(connection: sqlite3.Connection, offer: str) -> OfferTold:
    row = connection.execute(_OFFER, (offer,)).fetchone()
    action, publication, withdrawn_ms, reason, payload = row or (None, None, None, None, b"")
    outcomes = tuple(OutcomeTold(*each) for each in connection.execute(_OUTCOMES, (offer,)))
    withdrawn = None if withdrawn_ms is None else f"{reason} at {_utc(withdrawn_ms)}"
    return OfferTold(offer, action, publication, withdrawn, outcomes, _published(payload))


def _published(payload: bytes) -> Mapping[str, Any]:
    """Return what was published; nothing of an offer whose text has been taken out since."""
    try:
        fields = json.loads(payload)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _why_not(verdict: Verdict) -> Iterator[str]:
    if verdict.refusal is None:
        return
    yield f"  {verdict.action} ({verdict.kind}) on {verdict.placement}"
    yield f"    triggered by: {verdict.trigger}"
    yield f"    refused at {verdict.refusal.stage}: {refusal_in_words(verdict.refusal)}"
    for other in verdict.also:
        yield f"    also at {other.stage}: {refusal_in_words(other)}"
    if verdict.net_value is not None:
        yield f"    {_arithmetic(verdict)}"


def _arithmetic(verdict: Verdict) -> str:
    if verdict.propensity is None:
        return "not scored"
    return (
        f"P {verdict.propensity:.3f} x C {verdict.context_weight:g} x V {verdict.value:g} x L {verdict.lever:g}"
        f" - (1 - P) x A {verdict.annoyance:g} = {verdict.net_value:.3f}"
    )


def _utc(instant: Instant) -> str:
    return f"{datetime.fromtimestamp(instant / SECOND_MS, tz=UTC):%Y-%m-%d %H:%M:%S}Z"


def _value(value: object) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, list | tuple):
        return ", ".join(_value(part) for part in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} = {_value(part)}" for name, part in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
