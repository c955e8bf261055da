"""The life of an offer, from made to its end.

Theory. `AHEAD` is the whole of it: an outcome moves an offer one way or not at all. An offer is *open* until it is
accepted or ended; only open ones stand on a screen and can be withdrawn. An accepted one waits for its redemption.
At `closes` it has expired if it was still open. Its record is kept for another day, so that a repeated or late report
is known for what it is. A cap whose offer was never presented is given back, and taken again if it turns out that it
was.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from gateway.core import caps, consent, context
from gateway.core.campaign import RANK, Action, Kind, Placement, Rank
from gateway.core.effects import Offer, OfferWithdrawn, OutcomeRecorded
from gateway.core.events import SESSION, Outcome, OutcomeReported
from gateway.core.moments import Moment, OfferAccepted, OfferRedeemed
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.timers import Agenda, TimerKey
from gateway.core.units import DAY_MS, SECOND_MS, Instant

MADE = "made"
WITHDRAWN = "withdrawn"

_ENDS = frozenset({Outcome.DECLINED, Outcome.DISMISSED, Outcome.NEVER_AGAIN, Outcome.EXPIRED})
_FORWARD = (Outcome.PRESENTED, Outcome.SEEN, Outcome.ACCEPTED, Outcome.REDEEMED)

AHEAD: Mapping[str, frozenset[Outcome]] = {
    MADE: frozenset(_FORWARD) | _ENDS,
    Outcome.PRESENTED: frozenset(_FORWARD[1:]) | _ENDS,
    Outcome.SEEN: frozenset(_FORWARD[2:]) | _ENDS,
    Outcome.ACCEPTED: frozenset({Outcome.REDEEMED, Outcome.NEVER_AGAIN, Outcome.EXPIRED}),
    Outcome.REDEEMED: frozenset({Outcome.NEVER_AGAIN}),
    Outcome.DECLINED: frozenset({Outcome.NEVER_AGAIN}),
    Outcome.DISMISSED: frozenset({Outcome.NEVER_AGAIN}),
    Outcome.EXPIRED: frozenset({Outcome.NEVER_AGAIN, Outcome.REDEEMED}),
    WITHDRAWN: frozenset({Outcome.NEVER_AGAIN, Outcome.REDEEMED}),
    Outcome.NEVER_AGAIN: frozenset(),
}
"""Which outcomes may follow which. One may be skipped (a till redeems what was never reported as seen).

What a till has redeemed was redeemed, though it is told of after the offer had expired here or was taken back.
"""

OPEN = frozenset({MADE, Outcome.PRESENTED, Outcome.SEEN})
"""States in which an offer stands on a screen, unanswered."""

KEEP_MS = DAY_MS
"""How long an offer that has closed is still known: what became of it may be reported late."""

_TAKEN_BACK = frozenset({WITHDRAWN, Outcome.EXPIRED})
_SHOWN = frozenset(_FORWARD[:3]) | {Outcome.DECLINED, Outcome.DISMISSED}
_LIVE_STATES = OPEN | {Outcome.ACCEPTED}

_LIVE = "live"
_ENDED = "ended"
_TIMER = "offer"


class Standing(NamedTuple):
    """While what an offer may stand.

    Attributes:
        parked_only: It is taken back when the unit drives off.
        personal: It is taken back when somebody else could read it.
    """

    parked_only: bool = False
    personal: bool = False


ANYWHERE = Standing()


def make(memory: Memory, agenda: Agenda, offer: Offer, action: Action, standing: Standing = ANYWHERE) -> None:
    """Keep an offer that is about to be published, and reserve its cap."""
    purposes = [purpose.value for purpose in consent.purposes_of(action)]
    _keep(
        memory,
        offer.id,
        {
            "unit": offer.unit,
            "holder": offer.holder,
            "action": offer.action,
            "kind": offer.kind.value,
            "placement": offer.placement.value,
            "purposes": purposes,
            "state": MADE,
            "presented": False,
            "orphaned": False,
            "closed": False,
            "capped": caps.cap_of(action) is not None,
            **standing._asdict(),
            "closes": offer.expires,
            "redeem_within_s": action.redeem_within_s,
        },
    )
    agenda.set(TimerKey(_TIMER, offer.id), offer.expires)
    if caps.cap_of(action) is not None:
        caps.reserve(memory, offer.holder, offer.unit, offer.action, offer.id, offer.made)


def advance(
    memory: Memory, agenda: Agenda, event: OutcomeReported, now: Instant
) -> tuple[OutcomeRecorded, list[Moment]] | str:
    """Take an offer's outcome. Returns what is recorded and noticed, or the reason why nothing is.

    Reasons: `unknown_offer` and `not_shown_here` are the sender's fault; `outcome_not_ahead` is a repetition.
    """
    record = _find(memory, event.offer)
    if record is None:
        return "unknown_offer"
    if event.unit != record["unit"] and event.outcome is not Outcome.REDEEMED:
        return "not_shown_here"
    if event.outcome not in AHEAD[record["state"]]:
        return _belated(memory, event, record, now)
    presented = record["presented"] or event.outcome is not Outcome.EXPIRED
    changed = {**record, "state": event.outcome.value, "presented": presented}
    if event.outcome is Outcome.ACCEPTED:
        changed["closes"] = now + record["redeem_within_s"] * SECOND_MS
        agenda.set(TimerKey(_TIMER, event.offer), changed["closes"])
    if event.outcome is Outcome.NEVER_AGAIN and not record["orphaned"]:
        caps.never_again(memory, record["holder"], record["unit"], record["action"], now)
    if not presented:
        _release(memory, event.offer, record)
    elif record["state"] in _TAKEN_BACK and not record["presented"]:
        _reserve_again(memory, event.offer, record, now)
    _keep(memory, event.offer, changed)
    recorded = OutcomeRecorded(event.id, event.offer, event.unit, now, event.outcome, event.detail)
    return recorded, _noticed(memory, event, record, now)


def _belated(
    memory: Memory, event: OutcomeReported, record: Mapping[str, Any], now: Instant
) -> tuple[OutcomeRecorded, list[Moment]] | str:
    """Take a report that an offer was shown after all, which was taken back or had expired: it counts for the cap."""
    if record["presented"] or record["state"] not in _TAKEN_BACK or event.outcome not in _SHOWN:
        return "outcome_not_ahead"
    _reserve_again(memory, event.offer, record, now)
    _keep(memory, event.offer, {**record, "presented": True})
    return OutcomeRecorded(event.id, event.offer, event.unit, now, event.outcome, event.detail), []


def close(memory: Memory, agenda: Agenda, offer: str, now: Instant) -> OutcomeRecorded | None:
    """End an offer whose time has passed; let go of one that has ended long enough ago. Returns its expiry, if any.

    A record is kept for `KEEP_MS` more, since what became of an offer may be reported late.
    """
    # Its timer is set for exactly as long as its record is kept.
    record = cast("Mapping[str, Any]", _find(memory, offer))
    unit = record["unit"]
    if record["closed"]:
        memory.drop(StateKey(Scope.OFFER, unit, _ENDED, offer))
        return None
    kept = {**record, "closed": True, "closes": now + KEEP_MS}
    agenda.set(TimerKey(_TIMER, offer), kept["closes"])
    if record["state"] not in _LIVE_STATES:
        _keep(memory, offer, kept)
        return None
    if not record["presented"]:
        _release(memory, offer, record)
    _keep(memory, offer, {**kept, "state": Outcome.EXPIRED.value})
    return OutcomeRecorded("", offer, unit, now, Outcome.EXPIRED, "")


def withdraw(
    memory: Memory, now: Instant, reason: str, concerns: Callable[[Mapping[str, Any]], bool]
) -> list[OfferWithdrawn]:
    """Take every open offer that `concerns` picks off its screen; unit by unit, in the order of their ids."""
    withdrawn = []
    for unit in memory.owners(Scope.OFFER):
        for offer, record in sorted(memory.group(Scope.OFFER, unit, _LIVE).items()):
            if record["state"] in OPEN and concerns(record):
                if not record["presented"]:
                    _release(memory, offer, record)
                _keep(memory, offer, {**record, "state": WITHDRAWN})
                withdrawn.append(OfferWithdrawn(offer, unit, now, reason))
    return withdrawn


def orphan(memory: Memory, unit: str) -> None:
    """Part the offers of an ended session from whoever comes next: redeeming one tells the next person nothing."""
    for offer, record in _records(memory, unit):
        if record["holder"] == SESSION:
            _keep(memory, offer, {**record, "orphaned": True})


def standing(memory: Memory, unit: str) -> dict[Placement, Rank]:
    """Return the rank of the highest open offer at each placement of a unit that is taken."""
    taken: dict[Placement, Rank] = {}
    for record in memory.group(Scope.OFFER, unit, _LIVE).values():
        if record["state"] in OPEN:
            placement, rank = Placement(record["placement"]), RANK[Kind(record["kind"])]
            taken[placement] = min(rank, taken.get(placement, rank))
    return taken


def awaited(memory: Memory, unit: str) -> set[tuple[str, str]]:
    """Return holder and action of each offer that is accepted and not yet redeemed: a subject's at any unit."""
    return {
        (record["holder"], record["action"])
        for place in memory.owners(Scope.OFFER)
        for record in memory.group(Scope.OFFER, place, _LIVE).values()
        if record["state"] == Outcome.ACCEPTED
        and not record["orphaned"]
        and (place == unit or record["holder"] != SESSION)
    }


def timers(memory: Memory) -> list[tuple[TimerKey, Instant]]:
    """Return when each offer closes."""
    return [
        (TimerKey(_TIMER, offer), record["closes"])
        for unit in memory.owners(Scope.OFFER)
        for offer, record in _records(memory, unit)
    ]


def _records(memory: Memory, unit: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return all offers of a unit that are still kept, those that have ended too."""
    return [pair for name in (_LIVE, _ENDED) for pair in sorted(memory.group(Scope.OFFER, unit, name).items())]


def _find(memory: Memory, offer: str) -> Mapping[str, Any] | None:
    for unit in memory.owners(Scope.OFFER):
        for name in (_LIVE, _ENDED):
            record: Mapping[str, Any] | None = memory.get(Scope.OFFER, unit, name, offer)
            if record is not None:
                return record
    return None


def _keep(memory: Memory, offer: str, record: Mapping[str, Any]) -> None:
    """Keep a record where its state belongs: decisions look at live offers only, however many have ended."""
    unit, is_live = record["unit"], record["state"] in _LIVE_STATES
    if not is_live and memory.get(Scope.OFFER, unit, _LIVE, offer) is not None:
        memory.drop(StateKey(Scope.OFFER, unit, _LIVE, offer))
    memory.put(StateKey(Scope.OFFER, unit, _LIVE if is_live else _ENDED, offer), record)


def _reserve_again(memory: Memory, offer: str, record: Mapping[str, Any], now: Instant) -> None:
    """Take back what `_release` gave: it turns out that the offer was shown."""
    if record["capped"] and not record["orphaned"]:
        caps.reserve(memory, record["holder"], record["unit"], record["action"], offer, now)


def _release(memory: Memory, offer: str, record: Mapping[str, Any]) -> None:
    caps.release(memory, record["holder"], record["unit"], record["action"], offer)


def _noticed(memory: Memory, event: OutcomeReported, record: Mapping[str, Any], now: Instant) -> list[Moment]:
    """Return the moments at the unit the offer was made for, wherever its outcome was reported.

    None once its holder has gone from there: what one person did must not open a window for the next.
    """
    unit, action, holder = record["unit"], record["action"], record["holder"]
    if record["orphaned"] or (holder != SESSION and holder not in context.subjects_at(memory, unit)):
        return []
    if event.outcome is Outcome.ACCEPTED:
        return [OfferAccepted(unit, now, event.offer, action, holder)]
    if event.outcome is Outcome.REDEEMED:
        return [OfferRedeemed(unit, now, event.offer, action, event.unit, holder)]
    return []
