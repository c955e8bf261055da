"""What rewards have cost, by the referee's own addition: a list of all that was ever promised."""

from dataclasses import dataclass

from gateway.core.campaign import Action
from gateway.core.units import Instant
from gateway.testing.referee.contacts import LONGEST_MS, calendar_opens


@dataclass(slots=True)
class Promise:
    """What one offer costs, in the window that was open then."""

    offer: str
    cents: int
    window: Instant
    stands: bool = True


class Money:
    """All promises, by action."""

    def __init__(self) -> None:
        """Begin with nothing promised."""
        self.vague: set[str] = set()
        self._promises: dict[str, list[Promise]] = {}
        self._windows: dict[str, Instant] = {}

    def spent(self, action: Action, now: Instant, offset_s: int) -> int:
        """Return what is promised of an action's budget in the window of an instant."""
        window = self._window(action, now, offset_s)
        return sum(p.cents for p in self._promises.get(action.id, ()) if p.stands and p.window == window)

    def promise(self, action: Action, offer: str, cents: int, now: Instant, offset_s: int) -> None:
        """Note what an offer costs."""
        if action.budget is not None and cents:
            window = self._windows[action.id] = self._window(action, now, offset_s)
            self._promises.setdefault(action.id, []).append(Promise(offer, cents, window))

    def keep(self, action: str, offer: str, *, stands: bool) -> None:
        """Note that an offer was never shown, or that it was after all; too late for a window that is over."""
        for promise in self._promises.get(action, ()):
            if promise.offer == offer and promise.window == self._windows.get(action):
                promise.stands = stands

    def forget(self, action: str) -> None:
        """An action has another budget from now on, or the clock was set back: what counts nobody says."""
        self._promises.pop(action, None)
        self._windows.pop(action, None)
        self.vague.add(action)

    def set_back(self) -> None:
        """Whether a calendar window that began in a wrong time is the one of now, nobody says."""
        for action in [name for name, window in self._windows.items() if window]:
            self.forget(action)

    def _window(self, action: Action, now: Instant, offset_s: int) -> Instant:
        """Return when the window began; one goes on until another begins more than half of one later."""
        each = None if action.budget is None else action.budget.each
        if each is None:
            return 0
        opens, known = calendar_opens(each, now, offset_s), self._windows.get(action.id)
        return opens if known is None or opens - known > LONGEST_MS[each] // 2 else known
