"""What one step of the engine works on: the state, the timers, the release, the instant, and the effects so far."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.core.effects import Effect, StateChanged
from gateway.core.release import Release
from gateway.core.state import Memory
from gateway.core.timers import Agenda
from gateway.core.units import Instant


@dataclass(slots=True)
class Turn:
    """One event or one timer, at one instant."""

    memory: Memory
    agenda: Agenda
    release: Release
    now: Instant
    effects: list[Effect] = field(default_factory=list)

    def emit(self, effects: Iterable[Effect]) -> None:
        """Add effects, in order."""
        self.effects.extend(effects)

    def finish(self) -> list[Effect]:
        """Return all effects of the step: the changes of state first, since all of them are one transaction."""
        return [StateChanged(key, value) for key, value in self.memory.take_changes()] + self.effects
