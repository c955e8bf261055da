"""What the parts of campaigns may refer to, and what is asked of parts in more than one rule."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.core.campaign import Audience, Kind
from gateway.core.fences.geometry import Fence
from gateway.core.policy import ExpressionFault
from gateway.core.release import ModelSpec
from gateway.wire.campaign_shapes import Part
from gateway.wire.campaign_source import Located


@dataclass(frozen=True, slots=True)
class Known:
    """Every action, group and challenge of the campaigns; None: not known now, so nothing is said about such names."""

    actions: Mapping[str, Part]
    groups: Mapping[str, Part]
    challenges: Mapping[str, Part]
    fences: Mapping[str, Fence] | None
    models: Mapping[str, ModelSpec] | None


def is_marketing(action: Part) -> bool:
    """Return whether an action is marketing; not if its kind could not be read."""
    return action.get("kind", Kind) is Kind.MARKETING


def is_for_anyone(action: Part) -> bool:
    """Return whether it is for anyone, of whom nothing may be read."""
    return action.get("audience", Audience) is Audience.ANYONE


def steps_of(trigger: Part) -> tuple[Part, ...]:
    """Return the steps a trigger goes through: of a single moment, itself."""
    return (trigger,) if trigger.node_of("sequence") is None else trigger.parts("sequence")


def all_steps_of(trigger: Part) -> tuple[Part, ...]:
    """Return every step of a trigger, those that undo it or must not happen included."""
    return (*steps_of(trigger), *trigger.parts("unless"), *trigger.parts("absent"))


def offset_of(located: Located[str], fault: ExpressionFault) -> int | None:
    """Return the offset of a fault in an expression; None: it has no place."""
    if not fault.line:
        return None
    lines = located.value.split("\n")
    return sum(len(line) + 1 for line in lines[: fault.line - 1]) + fault.column - 1
