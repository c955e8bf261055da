"""Budgets: what all rewards of an action may cost at this gateway, in a calendar window or in all.

    spent     owner: the engine; item: the action     {"opened", "cents"}

Theory. The money is spent when an offer is made, and given back if it was never presented, but only into the window it
was spent in. Where the units of a gateway do not agree what time it is, or an offset changes, a window goes on until
another one begins that is more than half of one later: so no disagreement opens a second budget for the same day.
"""

from gateway.core.calendar import LONGEST_MS, window_start
from gateway.core.campaign import Action
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.units import Instant

BUDGET_SPENT = "budget_spent"


def objection(
    memory: Memory, action: Action, cost_cents: int, now: Instant, utc_offset_s: int
) -> tuple[str, dict[str, object]] | None:
    """Return why a reward of this cost cannot be paid, with the values that decide it; None: it can."""
    if action.budget is None:
        return None
    _, cents = _window(memory, action, now, utc_offset_s)
    left_cents = max(0, action.budget.total_cents - cents)
    if cost_cents <= left_cents:
        return None
    return BUDGET_SPENT, {"left_cents": left_cents, "cost_cents": cost_cents}


def spend(memory: Memory, action: Action, cost_cents: int, now: Instant, utc_offset_s: int) -> Instant | None:
    """Count what a reward costs. Returns when the window it counts in was opened; None: nothing is counted."""
    if action.budget is None or not cost_cents:
        return None
    opened, cents = _window(memory, action, now, utc_offset_s)
    memory.put(_key(action.id), {"opened": opened, "cents": cents + cost_cents})
    return opened


def give_back(memory: Memory, action: str, cost_cents: int, opened: Instant) -> None:
    """Uncount a reward nobody was shown, if its window is still the one that is counted."""
    _change(memory, action, -cost_cents, opened)


def spend_again(memory: Memory, action: str, cost_cents: int, opened: Instant) -> None:
    """Count once more what was given back, if its window is still the one that is counted: it was shown after all.

    That may come to more than there is, of what another offer has taken meanwhile: the next one is refused.
    """
    _change(memory, action, cost_cents, opened)


def _change(memory: Memory, action: str, by_cents: int, opened: Instant) -> None:
    known = memory.get(*_key(action))
    if known is not None and known["opened"] == opened:
        memory.put(_key(action), {"opened": opened, "cents": known["cents"] + by_cents})


def _window(memory: Memory, action: Action, now: Instant, utc_offset_s: int) -> tuple[Instant, int]:
    """Return when the window of an action's budget was opened, and what is spent in it."""
    known = memory.get(*_key(action.id))
    each = None if action.budget is None else action.budget.each
    start = 0 if each is None else window_start(each, now, utc_offset_s)
    if known is None or (each is not None and start - known["opened"] > LONGEST_MS[each] // 2):
        return start, 0
    return known["opened"], known["cents"]


def _key(action: str) -> StateKey:
    return StateKey(Scope.ENGINE, "", "spent", action)
