"""Whether an action can ever be offered: at a moment at which it may be shown, after offers that can be made."""

from collections.abc import Collection, Iterable, KeysView

from gateway.core.campaign import Placement
from gateway.wire.campaign_known import Known, steps_of
from gateway.wire.campaign_shapes import Part
from gateway.wire.campaign_source import Code

_ONLY_WHILE_DRIVING = frozenset({"DroveOff"})


def check_seen(action: Part) -> None:
    """An action that comes up only while driving needs a treatment that may be given then."""
    triggers, treatments = action.parts("when"), action.parts("treatments")
    placements = [treatment.get("placement", Placement) for treatment in treatments]
    if not triggers or not treatments or None in placements or action.node_of("follows") is not None:
        return
    if all(map(_comes_while_driving, triggers)) and not any(map(_may_be_given_while_driving, treatments)):
        message = "it comes up only while driving, and no treatment of it may be given then"
        hint = "add passenger_screen or a voice with `while_driving: true`"
        action.source.note(Code.UNREACHABLE, action.node, message, hint)


def _comes_while_driving(trigger: Part) -> bool:
    steps = steps_of(trigger)
    if not steps or trigger.node_of("absent") is not None:
        return False
    return all(step.get("moment", str) for step in steps) and steps[-1].get("moment", str) in _ONLY_WHILE_DRIVING


def _may_be_given_while_driving(treatment: Part) -> bool:
    placement = treatment.get("placement", Placement)
    if placement is Placement.VOICE:
        return bool(treatment.get("while_driving", bool))
    return placement is not Placement.DRIVER_SCREEN


def check_reachable(actions: Iterable[Part], known: Known) -> None:
    """Find the actions that wait for an offer which can never be made: their own, or one in a circle.

    An action is reachable if one of its occasions waits for reachable actions only; the least fixed point, so that
    those which wait for each other are none. A step without an action, or with an unknown one, holds nobody up.
    """
    unsettled = {name: action for action in actions if (name := action.get("id", str)) is not None}
    awaited = {name: list(_occasions(action, known)) for name, action in unsettled.items()}
    while reached := [name for name in unsettled if _is_reached(awaited[name], unsettled.keys())]:
        for name in reached:
            del unsettled[name]
    for name, action in unsettled.items():
        names = sorted({other for occasion in awaited[name] for other in occasion} & unsettled.keys())
        others = "an offer of itself" if names == [name] else f"offers of {', '.join(names)}"
        message = f"the action {name!r} can never be offered: it waits for {others}, which can never be made"
        action.source.note(Code.UNREACHABLE, action.node, message, "give it a trigger that needs no such offer")


def _is_reached(occasions: list[set[str]], unsettled: KeysView[str]) -> bool:
    return not occasions or any(unsettled.isdisjoint(occasion) for occasion in occasions)


def _occasions(action: Part, known: Known) -> Iterable[set[str]]:
    """Yield, for each way an action can come about, the actions of which offers must have been made before."""
    before = {name for follows in action.parts("follows") if (name := follows.get("action", str)) is not None}
    if before:
        yield before  # the outcome itself is an occasion; any other needs it too
        return
    for trigger in action.parts("when"):
        yield {name for step in steps_of(trigger) for name in _awaited(step, known)}


def _awaited(step: Part, known: Known) -> Collection[str]:
    """Return the action a step waits for, be it by way of what a challenge counts."""
    counted = known.challenges.get(step.get("challenge", str) or "")
    steps = (step, *(counted.parts("counts") if counted else ()))
    return {name for each in steps if (name := each.get("action", str)) is not None}
