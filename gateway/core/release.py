"""An immutable, already compiled release: what the engine decides with between two activations."""

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from gateway.core.campaign import Action, Audience, Follows
from gateway.core.conditions import Condition, Conditions, conditions_of
from gateway.core.errors import ReleaseError
from gateway.core.events import Outcome
from gateway.core.features import is_feature, is_personal
from gateway.core.fences.geometry import Fence
from gateway.core.fences.index import FenceIndex
from gateway.core.patterns import Named, is_located, narrowest
from gateway.core.policy import Expressions
from gateway.core.steps import Challenge, Step, Trigger, describe, steps_of
from gateway.core.terms import UNLIMITED, ContactPolicy, Group, Per


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
    """A pattern that waits for moments.

    Attributes:
        order: Patterns that one moment completes are told in this order.
        item: By which its window is kept: the action and the number of its trigger.
        pattern: The trigger, or, for an action that follows another, the outcome it follows.
        described: The pattern in words.
        form: A fingerprint of the pattern: another one is another pattern.
        located: Whether it rests on where somebody was.
        is_single, per_subject: As the pattern says; looked up once, since every moment asks.
    """

    order: int
    action: Action
    item: str
    pattern: Trigger
    described: str
    form: int = field(init=False)
    located: bool = field(init=False)
    is_single: bool = field(init=False)
    per_subject: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "form", zlib.crc32(repr(self.pattern).encode()))
        object.__setattr__(self, "located", is_located(self.pattern))
        object.__setattr__(self, "is_single", self.pattern.is_single)
        object.__setattr__(self, "per_subject", self.pattern.per is Per.SUBJECT)

    @property
    def is_plain(self) -> bool:
        """Whether it is a sequence as ledgers of schema version 2 could hold one under way."""
        return (
            not self.per_subject
            and self.pattern.absence is None
            and not self.pattern.unless
            and all(step.times == 1 and not step.condition for step in self.pattern.steps)
        )


@dataclass(frozen=True)
class Release:
    """Fences, actions and models under one id, with what is derived from them once. Made by `compile_release`.

    Attributes:
        waiting: By the name of a moment and by a filter that it must pass, the patterns that wait for it.
        patterns: By item, the patterns of which something is remembered.
        counting: By the name of a moment and by a filter that it must pass, the challenges that count it.
    """

    id: str
    counter: int
    fences: Mapping[str, Fence]
    actions: Mapping[str, Action]
    models: Mapping[str, ModelSpec]
    index: FenceIndex
    expressions: Expressions
    conditions: Conditions
    waiting: Mapping[str, Mapping[Named, tuple[Waiting, ...]]]
    patterns: Mapping[str, Waiting]
    counting: Mapping[str, Mapping[Named, tuple[Challenge, ...]]]
    by_beacon: Mapping[str, Fence]
    followed: frozenset[tuple[str, Outcome]]
    groups: Mapping[str, Group]
    challenges: Mapping[str, Challenge]
    contact: ContactPolicy

    @cached_property
    def _policies(self) -> dict[str, tuple[tuple[str, ContactPolicy], ...]]:
        return {
            action.id: tuple((level, policy) for level, policy in self.levels(action) if policy != UNLIMITED)
            for action in self.actions.values()
        }

    def policies(self, action: Action) -> tuple[tuple[str, ContactPolicy], ...]:
        """Return those levels of an action of the release at which anything is limited; worked out once."""
        return self._policies[action.id]

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
    waiting = _waiting(actions_by_id.values())
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
        conditions=Conditions(_conditions(waiting, challenges_by_id.values())),
        waiting=_index_steps(waiting),
        patterns={each.item: each for each in waiting if not each.is_single},
        counting=_index_counted(challenges_by_id.values()),
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
        raise ReleaseError(f"action {action.id!r} needs a model, a prior, or a prepared list")
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


_OCCASION = {
    Outcome.ACCEPTED: "OfferAccepted",
    Outcome.REDEEMED: "OfferRedeemed",
    Outcome.DECLINED: "OfferDeclined",
}
"""The moment by which an outcome is noticed that another action may follow."""


def _waiting(actions: Iterable[Action]) -> list[Waiting]:
    """Return every pattern: action by action, its triggers and then what it follows."""
    waiting: list[Waiting] = []
    for action in sorted(actions, key=lambda action: action.id):
        patterns = [(str(number), trigger, describe(trigger)) for number, trigger in enumerate(action.triggers)]
        if action.follows is not None:
            said = f"after {action.follows.action} {action.follows.outcome.value}"
            patterns.append(("follows", _followed(action.id, action.follows), said))
        for number, pattern, described in patterns:
            waiting.append(Waiting(len(waiting), action, f"{action.id}/{number}", pattern, described))
    return waiting


def _followed(action: str, follows: Follows) -> Trigger:
    if follows.outcome not in _OCCASION:
        raise ReleaseError(f"action {action!r} follows an offer that was {follows.outcome.value}: nobody notices that")
    return Trigger((Step(_OCCASION[follows.outcome], action=follows.action),))


def _index_steps(waiting: Iterable[Waiting]) -> dict[str, dict[Named, tuple[Waiting, ...]]]:
    """Return, by the name of a moment and then by a filter, every pattern with such a step.

    Matching looks up what a moment names and never scans the other patterns.
    """
    index: dict[str, dict[Named, dict[int, Waiting]]] = defaultdict(lambda: defaultdict(dict))
    for each in waiting:
        for step in steps_of(each.pattern):
            index[step.moment][narrowest(step)][each.order] = each
    return {
        moment: {named: tuple(found.values()) for named, found in by_filter.items()}
        for moment, by_filter in index.items()
    }


def _index_counted(challenges: Iterable[Challenge]) -> dict[str, dict[Named, tuple[Challenge, ...]]]:
    counting: dict[str, dict[Named, list[Challenge]]] = defaultdict(lambda: defaultdict(list))
    for challenge in challenges:
        counting[challenge.counted.moment][narrowest(challenge.counted)].append(challenge)
    return {
        moment: {named: tuple(counted) for named, counted in by_filter.items()}
        for moment, by_filter in counting.items()
    }


def _conditions(waiting: Iterable[Waiting], challenges: Iterable[Challenge]) -> Iterator[Condition]:
    for each in waiting:
        yield from conditions_of(each.pattern)
    for challenge in challenges:
        yield from conditions_of(Trigger((challenge.counted,)))
