"""What people agreed to, by the referee's own reading: a list of all that anybody ever said."""

from gateway.core.campaign import Action, Kind
from gateway.core.events import ConsentChanged, Purpose
from gateway.core.units import Instant

NEVER: Instant = 0
ALWAYS: Instant = 1 << 62


class Consents:
    """Sayings, by person and purpose. They are never forgotten; a stranger's count for nobody else."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self._said: dict[tuple[str, str], list[ConsentChanged]] = {}
        self._ids: set[tuple[str, str, bool, str]] = set()

    def hear(self, event: ConsentChanged, who: str) -> bool:
        """Take in what somebody said. Returns whether it is news."""
        once = (who, event.purpose.value, event.given, event.id)
        if once in self._ids:
            return False
        self._ids.add(once)
        self._said.setdefault((who, event.purpose.value), []).append(event)
        return True

    def until(self, who: str, purpose: Purpose, now: Instant, *, sure: bool = True) -> Instant:
        """Return until when somebody agrees who agrees now; `NEVER` if they do not."""
        sayings = self._said.get((who, purpose.value), [])
        withdrawn = {saying.id for saying in sayings if not saying.given}
        ends = [
            ALWAYS if saying.valid_until is None else saying.valid_until
            for saying in sayings
            if saying.given and saying.id not in withdrawn and withdrawn <= set(saying.supersedes)
        ]
        return max((end for end in ends if end > now and (sure or end == ALWAYS)), default=NEVER)


_PLACES = ("fences", "fence_kinds", "fence_tags", "ahead", "ahead_kinds", "ahead_tags", "place")


def purposes_of(action: Action) -> tuple[Purpose, ...]:
    """Return what an action needs agreement to, read from its campaign word by word."""
    if action.kind is not Kind.MARKETING:
        return ()
    steps = [
        step
        for trigger in action.triggers
        for step in (*trigger.steps, *trigger.unless, *([trigger.absence.step] if trigger.absence else []))
    ]
    said = " ".join(text for treatment in action.treatments for text in (treatment.body, treatment.title))
    asked = [action.eligible, action.applicable, action.suitable, *(weight.condition for weight in action.weights)]
    words = set("".join(c if c.isalnum() or c == "_" else " " for c in " ".join(asked)).split())
    located = any(step.moment.startswith("Fence") or step.fence or step.fence_kind or step.tag for step in steps)
    located |= action.nearest is not None or any(word in said for word in ("{place.", "{nearest.", "{moment.fence"))
    located |= any(".fence" in step.condition for step in steps)
    located |= any(need.of_place for need in action.facts) or bool(words.intersection(_PLACES))
    personal = action.model is not None or action.prepared or "facts" in words or "{facts." in said
    personal |= any(not need.of_place for need in action.facts)
    personal |= any(trigger.per.value == "subject" for trigger in action.triggers)
    personal |= any(step.challenge or step.moment.startswith("Challenge") for step in steps)
    personal |= any(step.moment == "FactChanged" and not (step.fence or step.fence_kind or step.tag) for step in steps)
    personal |= action.reward is not None and action.reward.discount is not None
    needed = [Purpose.OFFER_DISPLAY]
    return (*needed, *[Purpose.LOCATION_TRIGGERS] * located, *[Purpose.PROFILING] * personal)
