"""The life of an offer, from made to its end.

Theory. `AHEAD` is the whole of it: an outcome moves an offer one way or not at all. An offer is *open* until it is
accepted or ended; only open ones stand on a screen and can be withdrawn. An accepted one waits for its redemption.
At `closes` it has expired if it was still open; if it was presented, it was ignored. Its record is kept for another
day, so that a repeated or late report is known for what it is.

What an offer holds (contacts, money of a budget) is given back if it was never presented, and taken again if it turns
out that it was. A "no" that was said of an offer which had been taken back or had expired still begins the cool-down,
once, and then the offer was not ignored. What is redeemed again, by another report, is suspicious.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

from gateway.core import caps, chains, consent, context, offer_records
from gateway.core.campaign import RANK, Action, Kind, Placement, Rank
from gateway.core.effects import Offer, OfferWithdrawn, OutcomeRecorded
from gateway.core.events import SESSION, Outcome, OutcomeReported
from gateway.core.moments import Moment, OfferAccepted, OfferDeclined, OfferIgnored, OfferRedeemed, UseSuspected
from gateway.core.offer_records import LIVE, LIVE_STATES, MADE, OPEN, WITHDRAWN, Record, find, keep, records
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.timers import TimerKey
from gateway.core.turn import Turn
from gateway.core.units import DAY_MS, SECOND_MS, Instant

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

KEEP_MS = DAY_MS
"""How long an offer that has closed is still known: what became of it may be reported late."""

REDEEMED_TWICE = "redeemed_twice"

_MOST_REDEMPTIONS = 8
"""How many reports of one redemption are told apart: a till that goes on is suspected no more."""
_TAKEN_BACK = frozenset({WITHDRAWN, Outcome.EXPIRED})
_SHOWN = frozenset(_FORWARD[:3]) | {Outcome.DECLINED, Outcome.DISMISSED}
_NO = frozenset({Outcome.DECLINED, Outcome.DISMISSED, Outcome.NEVER_AGAIN})
_YES = frozenset({Outcome.ACCEPTED, Outcome.REDEEMED})
_FOLLOWED: Mapping[Outcome, Outcome] = {
    Outcome.ACCEPTED: Outcome.ACCEPTED,
    Outcome.REDEEMED: Outcome.REDEEMED,
    Outcome.DECLINED: Outcome.DECLINED,
    Outcome.DISMISSED: Outcome.DECLINED,
}
"""What chains call an outcome."""

_TIMER = "offer"
_OFFERED = "offered"


class Standing(NamedTuple):
    """While what an offer may stand.

    Attributes:
        parked_only: It is taken back when the unit drives off.
        personal: It is taken back when somebody else could read it.
    """

    parked_only: bool = False
    personal: bool = False


ANYWHERE = Standing()


def make(turn: Turn, unit: context.Unit, offer: Offer, action: Action, standing: Standing = ANYWHERE) -> None:
    """Keep an offer that is about to be published; reserve its contacts and spend what it costs."""
    record = {
        "unit": offer.unit,
        "holder": offer.holder,
        "role": offer.role.value,
        "action": offer.action,
        "kind": offer.kind.value,
        "placement": offer.placement.value,
        "purposes": [purpose.value for purpose in consent.purposes_of(action)],
        "state": MADE,
        "presented": False,
        "orphaned": False,
        "closed": False,
        **standing._asdict(),
        "closes": offer.expires,
        "redeem_within_s": action.redeem_within_s,
        **offer_records.hold(turn, unit, offer, action),
    }
    keep(turn.memory, offer.id, record)
    if offer.holder == SESSION:
        turn.memory.put(StateKey(Scope.SESSION, offer.unit, _OFFERED, offer.id), offer.made)
    turn.agenda.set(TimerKey(_TIMER, offer.id), offer.expires)


def advance(turn: Turn, event: OutcomeReported) -> tuple[OutcomeRecorded | None, list[Moment]] | str:
    """Take an offer's outcome. Returns what is recorded and noticed, or the reason why nothing is.

    Nothing is recorded of what is only suspicious. Reasons: `unknown_offer` and `not_shown_here` are the sender's
    fault; `outcome_not_ahead` is a repetition.
    """
    memory, now, outcome = turn.memory, turn.now, event.outcome
    record = find(memory, event.offer)
    if record is None:
        return "unknown_offer"
    if event.unit != record["unit"] and outcome is not Outcome.REDEEMED:
        return "not_shown_here"
    if outcome not in AHEAD[record["state"]]:
        return _redeemed_again(turn, event, record) or _belated(turn, event, record)
    changed = {**record, "state": outcome.value, "presented": record["presented"] or outcome is not Outcome.EXPIRED}
    if outcome is Outcome.ACCEPTED:
        changed |= {"closes": now + record["redeem_within_s"] * SECOND_MS, "answered": True}
        turn.agenda.set(TimerKey(_TIMER, event.offer), changed["closes"])
    if outcome is Outcome.REDEEMED:
        changed["redeemed_by"] = [event.id]
    if not changed["presented"]:
        offer_records.give_back(memory, event.offer, record)
    elif record["state"] in _TAKEN_BACK and not record["presented"]:
        offer_records.hold_again(memory, event.offer, record, now)
    is_ignored = outcome is Outcome.EXPIRED and record["state"] in OPEN and record["presented"]
    moments = _ignored(turn, event.offer, record) if is_ignored else _answered(turn, event, record)
    keep(memory, event.offer, {**changed, "ignored": True} if is_ignored else changed)
    return _recorded(event, now), moments


def _recorded(event: OutcomeReported, now: Instant) -> OutcomeRecorded:
    return OutcomeRecorded(event.id, event.offer, event.unit, now, event.outcome, event.detail)


def _answered(turn: Turn, event: OutcomeReported, record: Record) -> list[Moment]:
    """Take what an answer means for what may be said next. Returns what is noticed of it."""
    _weigh(turn, event.outcome, record)
    chained = _FOLLOWED.get(event.outcome)
    if chained is not None and not record["orphaned"]:
        holder, unit, action = record["holder"], record["unit"], record["action"]
        chains.note(turn.memory, turn.release, holder, unit, action, chained, turn.now)
    return _noticed(turn, event, record)


def _weigh(turn: Turn, outcome: Outcome, record: Record) -> None:
    """Let an answer begin a cool-down, end a row of ignored offers, or be final."""
    if record["orphaned"]:
        return
    memory, holder, unit = turn.memory, record["holder"], record["unit"]
    if outcome is Outcome.NEVER_AGAIN:
        caps.never_again(memory, holder, unit, record["action"], turn.now)
    if outcome in _NO:
        caps.declined(memory, turn.release, holder, unit, offer_records.levels_of(record), turn.now)
    elif outcome in _YES:
        caps.answered(memory, turn.release, holder, unit, offer_records.levels_of(record))


def _ignored(turn: Turn, offer: str, record: Record) -> list[Moment]:
    """Count an offer that was presented and ended without an answer; a slate, of which none was answered, once."""
    others = offer_records.beside(turn.memory, offer, record)
    is_counted = any(other.get("ignored") or _is_answered(other) for other in others)
    levels = [level for level in offer_records.levels_of(record) if level == record["action"] or not is_counted]
    caps.ignored(turn.memory, turn.release, record["holder"], record["unit"], levels, turn.now)
    unit, holder = record["unit"], record["holder"]
    return [OfferIgnored(unit, turn.now, offer, record["action"], holder)] if _is_there(turn.memory, record) else []


def _is_answered(record: Record) -> bool:
    return record["state"] in _NO | _YES or bool(record.get("answered"))


def _belated(turn: Turn, event: OutcomeReported, record: Record) -> tuple[OutcomeRecorded | None, list[Moment]] | str:
    """Take a report of an offer that was taken back or had expired.

    If it was shown after all, it counts; a "no" begins the cool-down, once. It is too late for it to be an occasion.
    """
    is_first_no = event.outcome in _NO and not record.get("answered")
    is_news = event.outcome in _SHOWN and (not record["presented"] or is_first_no)
    if record["state"] not in _TAKEN_BACK or not is_news:
        return "outcome_not_ahead"
    if not record["presented"]:
        offer_records.hold_again(turn.memory, event.offer, record, turn.now)
    _weigh(turn, event.outcome, record)
    keep(turn.memory, event.offer, {**record, "presented": True, "answered": is_first_no})
    return _recorded(event, turn.now), []


def _redeemed_again(turn: Turn, event: OutcomeReported, record: Record) -> tuple[None, list[Moment]] | None:
    """Take another report that an offer was redeemed which had been; None if it is one that is known."""
    known = record.get("redeemed_by", [])
    is_news = bool(known) and event.id not in known and len(known) < _MOST_REDEMPTIONS
    if event.outcome is not Outcome.REDEEMED or not is_news:
        return None
    keep(turn.memory, event.offer, {**record, "redeemed_by": [*known, event.id]})
    if not _is_there(turn.memory, record):
        return None, []
    holder, action = record["holder"], record["action"]
    return None, [UseSuspected(record["unit"], turn.now, REDEEMED_TWICE, holder, action, event.offer)]


def close(turn: Turn, offer: str) -> tuple[OutcomeRecorded | None, list[Moment]]:
    """End an offer whose time has passed; let go of one that has ended long enough ago.

    Returns its expiry, if it is one, and what is noticed. A record is kept for `KEEP_MS` more, since what became of an
    offer may be reported late.
    """
    memory, now = turn.memory, turn.now
    # Its timer is set for exactly as long as its record is kept.
    record = cast("Record", find(memory, offer))
    unit = record["unit"]
    if record["closed"]:
        memory.drop(StateKey(Scope.OFFER, unit, offer_records.ENDED, offer))
        return None, []
    kept = {**record, "closed": True, "closes": now + KEEP_MS}
    turn.agenda.set(TimerKey(_TIMER, offer), kept["closes"])
    if record["state"] not in LIVE_STATES:
        keep(memory, offer, kept)
        return None, []
    if not record["presented"]:
        offer_records.give_back(memory, offer, record)
    is_ignored = record["state"] in OPEN and record["presented"]
    moments = _ignored(turn, offer, record) if is_ignored else []
    keep(memory, offer, {**kept, "state": Outcome.EXPIRED.value} | ({"ignored": True} if is_ignored else {}))
    return OutcomeRecorded("", offer, unit, now, Outcome.EXPIRED, ""), moments


def withdraw(
    memory: Memory, now: Instant, reason: str, concerns: Callable[[Record], bool], *, at: str | None = None
) -> list[OfferWithdrawn]:
    """Take every open offer that `concerns` picks off its screen; unit by unit, in the order of their ids.

    `at` names the unit that was asked about; None: all of them.
    """
    withdrawn = []
    for unit in memory.owners(Scope.OFFER) if at is None else [at]:
        for offer, record in sorted(memory.group(Scope.OFFER, unit, LIVE).items()):
            if record["state"] in OPEN and concerns(record):
                if not record["presented"]:
                    offer_records.give_back(memory, offer, record)
                keep(memory, offer, {**record, "state": WITHDRAWN})
                withdrawn.append(OfferWithdrawn(offer, unit, now, reason))
    return withdrawn


def orphan(memory: Memory, unit: str, *, restored: bool = False) -> None:
    """Part the offers of an ended session from whoever comes next: redeeming one tells the next person nothing.

    `restored`: the session was another process's, so that the records alone tell what it was offered.
    """
    theirs = [offer for offer, _ in records(memory, unit)] if restored else []
    for offer in (*theirs, *sorted(memory.group(Scope.SESSION, unit, _OFFERED))):
        record = find(memory, offer)
        if record is not None and record["holder"] == SESSION:
            keep(memory, offer, {**record, "orphaned": True})


def standing(memory: Memory, unit: str) -> dict[Placement, Rank]:
    """Return the rank of the highest open offer at each placement of a unit that is taken."""
    taken: dict[Placement, Rank] = {}
    for record in memory.group(Scope.OFFER, unit, LIVE).values():
        if record["state"] in OPEN:
            placement, rank = Placement(record["placement"]), RANK[Kind(record["kind"])]
            taken[placement] = min(rank, taken.get(placement, rank))
    return taken


def awaited(memory: Memory, unit: str) -> set[tuple[str, str]]:
    """Return holder and action of each offer that is accepted and not yet redeemed: a subject's at any unit."""
    return {
        (record["holder"], record["action"])
        for place in memory.owners(Scope.OFFER)
        for record in memory.group(Scope.OFFER, place, LIVE).values()
        if record["state"] == Outcome.ACCEPTED
        and not record["orphaned"]
        and (place == unit or record["holder"] != SESSION)
    }


def timers(memory: Memory) -> list[tuple[TimerKey, Instant]]:
    """Return when each offer closes."""
    return [
        (TimerKey(_TIMER, offer), record["closes"])
        for unit in memory.owners(Scope.OFFER)
        for offer, record in records(memory, unit)
    ]


def _is_there(memory: Memory, record: Record) -> bool:
    """Return whether the holder of an offer is where it was made: their doing is nobody else's."""
    unit, holder = record["unit"], record["holder"]
    return not record["orphaned"] and (holder == SESSION or holder in context.subjects_at(memory, unit))


def _noticed(turn: Turn, event: OutcomeReported, record: Record) -> list[Moment]:
    """Return the moments at the unit the offer was made for, wherever its outcome was reported.

    None once its holder has gone from there: what one person did must not open a window for the next.
    """
    if not _is_there(turn.memory, record):
        return []
    unit, action, holder = record["unit"], record["action"], record["holder"]
    match event.outcome:
        case Outcome.ACCEPTED:
            return [OfferAccepted(unit, turn.now, event.offer, action, holder)]
        case Outcome.DECLINED | Outcome.DISMISSED:
            return [OfferDeclined(unit, turn.now, event.offer, action, holder)]
        case Outcome.REDEEMED:
            return [OfferRedeemed(unit, turn.now, event.offer, action, event.unit, holder)]
        case _:
            return []
