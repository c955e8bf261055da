"""An immutable, already compiled release: what the engine decides with between two activations."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from gateway.core.campaign import UNLIMITED, Action, Audience, Challenge, ContactPolicy, Group, Trigger, describe
from gateway.core.errors import ReleaseError
from gateway.core.events import Outcome
from gateway.core.features import is_feature, is_personal
from gateway.core.fences.geometry import Fence
from gateway.core.fences.index import FenceIndex
from gateway.core.policy import Expressions


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What the engine must know of a model; the scorer holds the rest.

    Attributes:
        features: The names of its inputs, in its order.
        categories: What it can be asked about.
    """

    name: str
    version: str
    features: tuple[str, ...]
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A step that waits for a moment.

    Attributes:
        pattern: The `trigger`-th of the action's triggers, whose `step`-th it is.
        described: The pattern in words.
    """

    action: Action
    trigger: int
    step: int
    pattern: Trigger
    described: str


@dataclass(frozen=True)
class Release:
    """Fences, actions and models under one id, with what is derived from them once. Made by `compile_release`."""

    id: str
    counter: int
    fences: Mapping[str, Fence]
    actions: Mapping[str, Action]
    models: Mapping[str, ModelSpec]
    index: FenceIndex
    expressions: Expressions
    waiting: Mapping[str, tuple[Waiting, ...]]
    by_beacon: Mapping[str, Fence]
    followed: frozenset[tuple[str, Outcome]]
    groups: Mapping[str, Group]
    challenges: Mapping[str, Challenge]
    contact: ContactPolicy

    def levels(self, action: Action) -> tuple[tuple[str, ContactPolicy], ...]:
        """Return the contact policies that bind a marketing action, each by the name of its level.

        An action's level is called by its id, a group's `+` and its id, that of all marketing `*`.
        """
        grouped = () if action.group is None else ((f"+{action.group}", self.groups[action.group].contact),)
        return ((action.id, action.contact), *grouped, ("*", self.contact))


def compile_release(  # noqa: PLR0913 -- what a release is made of
    id_: str,
    counter: int,
    fences: Iterable[Fence],
    actions: Iterable[Action],
    models: Iterable[ModelSpec],
    *,
    groups: Iterable[Group] = (),
    challenges: Iterable[Challenge] = (),
    contact: ContactPolicy = UNLIMITED,
) -> Release:
    """Return the release, checked and indexed.

    Raises:
        ReleaseError: An id stands twice, an expression or a model reference is wrong, or an action for anyone
            rests on what is personal.
    """
    fences_by_id = _unique("fence", fences, lambda fence: fence.id)
    actions_by_id = _unique("action", actions, lambda action: action.id)
    groups_by_id = _unique("group", groups, lambda group: group.id)
    challenges_by_id = _unique("challenge", challenges, lambda challenge: challenge.id)
    models_by_name = _unique("model", models, lambda model: model.name)
    for model in models_by_name.values():
        unknown = [name for name in model.features if not is_feature(name)]
        if unknown:
            raise ReleaseError(f"model {model.name!r} wants features this gateway does not know: {', '.join(unknown)}")
    for action in actions_by_id.values():
        if not action.treatments:
            raise ReleaseError(f"action {action.id!r} has no treatment: it could never be shown")
        if action.group is not None and action.group not in groups_by_id:
            raise ReleaseError(f"action {action.id!r} names the group {action.group!r}, which is not in the release")
        _check_propensity(action, models_by_name)
    sources: dict[Audience, list[str]] = {audience: [] for audience in Audience}
    for action in actions_by_id.values():
        sources[action.audience] += action.expressions
    return Release(
        id=id_,
        counter=counter,
        fences=fences_by_id,
        actions=actions_by_id,
        models=models_by_name,
        index=FenceIndex(fences_by_id.values()),
        expressions=Expressions(sources[Audience.SUBJECT], sources[Audience.ANYONE]),
        waiting=_index_steps(actions_by_id.values()),
        by_beacon={fence.beacon: fence for fence in fences_by_id.values() if fence.beacon},
        followed=frozenset((a.follows.action, a.follows.outcome) for a in actions_by_id.values() if a.follows),
        groups=groups_by_id,
        challenges=challenges_by_id,
        contact=contact,
    )


_Thing = TypeVar("_Thing")


def _unique(what: str, things: Iterable[_Thing], name_of: Callable[[_Thing], str]) -> dict[str, _Thing]:
    named: dict[str, _Thing] = {}
    for thing in things:
        name = name_of(thing)
        if name in named:
            raise ReleaseError(f"{what} {name!r} stands twice")
        named[name] = thing
    return named


def _check_propensity(action: Action, models: Mapping[str, ModelSpec]) -> None:
    """Each action names its model and category, or a prior: P never comes from nowhere."""
    sources = (action.model is not None, action.prior is not None, action.prepared)
    if sources not in {(True, False, False), (False, True, False), (False, False, True), (False, True, True)}:
        raise ReleaseError(
            f"action {action.id!r} needs a model, a prior, or a prepared list"
        )
    if action.prepared and action.audience is Audience.ANYONE:
        raise ReleaseError(f"action {action.id!r} is for anyone, but a prepared list is a subject's")
    if action.model is None:
        return
    model = models.get(action.model)
    if model is None:
        raise ReleaseError(f"action {action.id!r} names the model {action.model!r}, which is not in the release")
    if action.category not in model.categories:
        raise ReleaseError(f"action {action.id!r}: the model {model.name!r} has no category {action.category!r}")
    personal = [name for name in model.features if is_personal(name)]
    if action.audience is Audience.ANYONE and personal:
        raise ReleaseError(
            f"action {action.id!r} is for anyone, but its model reads of a subject: {', '.join(personal)}"
        )


def _index_steps(actions: Iterable[Action]) -> dict[str, tuple[Waiting, ...]]:
    """Return, by the name of a moment, every step that waits for it: matching never scans the other actions.

    In the order of actions and their triggers; of one trigger the last step first.
    """
    waiting: dict[str, list[Waiting]] = defaultdict(list)
    for action in sorted(actions, key=lambda action: action.id):
        for number, trigger in enumerate(action.triggers):
            described = describe(trigger)
            for position, step in reversed(list(enumerate(trigger.steps))):
                waiting[step.moment].append(Waiting(action, number, position, trigger, described))
    return {moment: tuple(steps) for moment, steps in waiting.items()}
