"""What is kept of an offer, and what it holds meanwhile: contacts that count for caps, and money of a budget.

    live, ended     owner: the unit it was made for; item: the offer

    unit, holder, role                       whom it addresses, where they are this
    action, kind, placement                  what it is
    purposes, parked_only, personal          while what it may stand
    state, presented, closes, closed         where it is in its life
    orphaned                                 its session has ended
    slate                                    the first offer of those it is shown with; empty: it stands alone
    levels                                   the levels of contact policy it belongs to
    reserved                                 the reservations that stand for it: scope, owner, item
    spent_cents, spent_opened                what it costs a budget, in the window that was opened then; or None
    answered                                 it was accepted, or a "no" that came after its end was taken
    ignored                                  it was presented and ended without an answer
    redeemed_by                              the reports that redeemed it, or tried to again

Records of older ledgers have no `role`, and no `slate` nor anything below it, and tell in `capped` whether their
action's cap counts them.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from gateway.core import budget, caps
from gateway.core.campaign import Action, Kind
from gateway.core.consent import home_of
from gateway.core.context import Unit
from gateway.core.effects import Offer
from gateway.core.events import Outcome
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.turn import Turn
from gateway.core.units import Instant

Record: TypeAlias = Mapping[str, Any]

MADE = "made"
WITHDRAWN = "withdrawn"

OPEN = frozenset({MADE, Outcome.PRESENTED, Outcome.SEEN})
"""States in which an offer stands on a screen, unanswered."""

LIVE = "live"
ENDED = "ended"
LIVE_STATES = OPEN | {Outcome.ACCEPTED}


def find(memory: Memory, offer: str) -> Record | None:
    """Return what is kept of an offer, or None."""
    for unit in memory.owners(Scope.OFFER):
        for name in (LIVE, ENDED):
            record: Record | None = memory.get(Scope.OFFER, unit, name, offer)
            if record is not None:
                return record
    return None


def keep(memory: Memory, offer: str, record: Record) -> None:
    """Keep a record where its state belongs: decisions look at live offers only, however many have ended."""
    unit, is_live = record["unit"], record["state"] in LIVE_STATES
    if not is_live and memory.get(Scope.OFFER, unit, LIVE, offer) is not None:
        memory.drop(StateKey(Scope.OFFER, unit, LIVE, offer))
    memory.put(StateKey(Scope.OFFER, unit, LIVE if is_live else ENDED, offer), record)


def records(memory: Memory, unit: str) -> list[tuple[str, Record]]:
    """Return all offers of a unit that are still kept, those that have ended too."""
    return [pair for name in (LIVE, ENDED) for pair in sorted(memory.group(Scope.OFFER, unit, name).items())]


def beside(memory: Memory, offer: str, record: Record) -> list[Record]:
    """Return the records of the other offers of its slate."""
    slate = record.get("slate")
    if not slate:
        return []
    others = records(memory, record["unit"])
    return [other for name, other in others if name != offer and other.get("slate") == slate]


def levels_of(record: Record) -> list[str]:
    """Return the levels of contact policy an offer belongs to; none of service and safety."""
    if record["kind"] != Kind.MARKETING:
        return []
    levels: list[str] = record.get("levels", [record["action"], "*"])
    return levels


def hold(turn: Turn, unit: Unit, offer: Offer, action: Action) -> dict[str, object]:
    """Reserve the contacts of an offer and spend what it costs. Returns the fields that say what it holds."""
    reserved = caps.reserve(turn.memory, turn.release, unit, offer, action)
    cents = 0 if offer.reward is None else offer.reward.cost_cents
    opened = budget.spend(turn.memory, action, cents, turn.now, unit.utc_offset_s)
    is_marketing = action.kind is Kind.MARKETING
    return {
        "slate": offer.slate,
        "levels": [level for level, _ in turn.release.levels(action)] if is_marketing else [],
        "reserved": [[key.scope.value, key.owner, key.item] for key in reserved],
        "spent_cents": cents if opened is not None else 0,
        "spent_opened": opened,
    }


def give_back(memory: Memory, offer: str, record: Record) -> None:
    """Give back what an offer holds that ends without having been presented.

    What all offers of its slate hold together is given back with the last of them, if none was presented.
    """
    others = beside(memory, offer, record)
    slate_goes_on = any(other["presented"] or other["state"] in OPEN for other in others)
    caps.give_back(memory, [key for key in _reserved(offer, record) if not (slate_goes_on and caps.is_shared(key))])
    if _spent(record) is not None:
        budget.give_back(memory, record["action"], record["spent_cents"], record["spent_opened"])


def hold_again(memory: Memory, offer: str, record: Record, now: Instant) -> None:
    """Take back what `give_back` gave: it turns out that the offer was shown."""
    ended = Scope.SESSION if record["orphaned"] else None
    caps.count_again(memory, [key for key in _reserved(offer, record) if key.scope is not ended], now)
    if _spent(record) is not None:
        budget.spend_again(memory, record["action"], record["spent_cents"], record["spent_opened"])


def _spent(record: Record) -> Instant | None:
    opened: Instant | None = record.get("spent_opened")
    return opened


def _reserved(offer: str, record: Record) -> list[StateKey]:
    if "reserved" in record:
        return [StateKey(Scope(scope), owner, "cap", item) for scope, owner, item in record["reserved"]]
    scope, owner = home_of(record["holder"], record["unit"])
    return [StateKey(scope, owner, "cap", f"{record['action']}/{offer}")] if record.get("capped") else []
