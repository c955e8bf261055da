"""Plays a story: the very engine that decides on a device hears what happens, at the instants the story names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeVar

import shapely

from gateway.core.effects import (
    Decision,
    DecisionRecorded,
    Effect,
    MomentNoticed,
    Offer,
    OfferMade,
    OfferWithdrawn,
    StateChanged,
)
from gateway.core.engine import Engine
from gateway.core.errors import WaysideError
from gateway.core.events import Event, FactsChanged, ListPrepared, SubjectIdentified
from gateway.core.fences.geometry import Fence
from gateway.core.moments import Moment
from gateway.core.release import Release, compile_release
from gateway.core.scoring import Scorer
from gateway.core.state import Scope, StateKey
from gateway.core.units import Instant
from gateway.edge.scenario.casting import CannotHappen, Casting
from gateway.edge.scenario.reading import ScenariosRefused
from gateway.edge.scenario.story import Case, Entry, Given, Happening, PlaceGiven
from gateway.edge.store.ledger import household_in
from gateway.wire.campaign_source import Code, Problem
from gateway.wire.campaigns import load_campaigns
from gateway.wire.fences import FencesRefused, make_fence
from gateway.wire.model_manifest import read_model

EPOCH = "scenario"

T = TypeVar("T")
R = TypeVar("R")


class Library(Protocol):
    """Where files of places and models come from: what a device never needs, and a desk has."""

    def fences(self, path: Path) -> Sequence[Fence]:
        """Return the fences of a source file.

        Raises:
            WaysideError, OSError: It cannot be read.
        """
        ...

    def model(self, name: str, beside: Path) -> Path:
        """Return the folder of a model, by its name or by its folder from the file that names it.

        Raises:
            WaysideError: There is none.
        """
        ...

    def scorer(self, folders: Mapping[str, Path]) -> Scorer:
        """Return what asks the models."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the engine: what it heard, None when time alone passed, and what it asked for."""

    now: Instant
    event: Event | None
    effects: Sequence[Effect]
    happening: Happening | None = None


@dataclass(slots=True)
class Scene:
    """An entry of the story, and all that came of it."""

    entry: Entry
    now: Instant
    calls: list[Call] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Played:
    """A story that has been played.

    Attributes:
        before: What the engine was told of all that is given.
    """

    path: Path
    case: Case
    casting: Casting
    release: Release
    before: tuple[Call, ...]
    scenes: tuple[Scene, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What effects show to the world."""

    moments: tuple[Moment, ...]
    decisions: tuple[Decision, ...]
    offers: tuple[Offer, ...]
    withdrawals: tuple[OfferWithdrawn, ...]


def seen(calls: Sequence[Call]) -> Seen:
    """Return what the effects of calls show, in their order."""
    effects = [effect for call in calls for effect in call.effects]
    return Seen(
        tuple(effect.moment for effect in effects if isinstance(effect, MomentNoticed)),
        tuple(effect.decision for effect in effects if isinstance(effect, DecisionRecorded)),
        tuple(effect.offer for effect in effects if isinstance(effect, OfferMade)),
        tuple(effect for effect in effects if isinstance(effect, OfferWithdrawn)),
    )


def play(path: Path, case: Case, library: Library, *, all_refusals: bool = False) -> Played:
    """Return what came of a story.

    Args:
        path: The scenario's file.
        case: The story.
        library: Where files of places and models come from.
        all_refusals: Every refusal of each candidate is wanted, not the first one only.

    Raises:
        ScenariosRefused: The release cannot be made, or the story tells of something that cannot be.
    """
    fences = fences_of(path, case.given, library)
    folders = models_of(path, case.given, library)
    release = _release(case.given, fences, folders)
    _check_actions(path, case, release)
    casting = Casting(case.given, release.fences)
    run = _Run(casting, release, library.scorer(folders), all_refusals=all_refusals)
    before = run.introduce()
    scenes = []
    for entry in case.story:
        try:
            scenes.append(run.scene(entry))
        except CannotHappen as fault:
            raise ScenariosRefused([Problem(path, fault.line, 1, Code.BAD_VALUE, fault.detail)]) from fault
    return Played(path, case, casting, release, tuple(before), tuple(scenes))


def fences_of(path: Path, given: Given, library: Library) -> list[Fence]:
    """Return the places that are given, of files and of the story itself.

    Raises:
        ScenariosRefused: One is not sound.
    """
    fences = [fence for file in given.fences or () for fence in _or_refuse(path, given.line, library.fences, file)]
    for name, place in given.places.items():
        properties, (lon, lat) = properties_of(name, place, given.zone or "UTC"), place.at or (0.0, 0.0)
        try:
            fences.append(make_fence(properties, shapely.Point(lon, lat))[0])
        except FencesRefused as fault:
            raise ScenariosRefused([Problem(path, place.line, 1, Code.BAD_VALUE, str(fault))]) from fault
    return fences


def properties_of(name: str, place: PlaceGiven, zone: str) -> dict[str, object]:
    """Return a place's properties, as a file of fences has them."""
    said = {
        "id": name,
        "kind": place.kind,
        "name": place.name or name,
        "radius_m": place.radius_m or 100.0,
        "tags": None if place.tags is None else list(place.tags),
        "dwell_s": place.dwell_s,
        "approach_m": place.approach_m,
        "approach_s": place.approach_s,
        "beacon": place.beacon,
        "opening_hours": place.open,
        "time_zone": None if place.open is None else zone,
    }
    return {key: value for key, value in said.items() if value is not None}


def models_of(path: Path, given: Given, library: Library) -> dict[str, Path]:
    """Return the folders of the models that are given, by the models' names.

    Raises:
        ScenariosRefused: There is no such model.
    """
    folders = [
        _or_refuse(path, given.line, lambda name: library.model(name, path.parent), name) for name in given.models or ()
    ]
    return {read_model(folder).name: folder for folder in folders}


def _release(given: Given, fences: Sequence[Fence], folders: Mapping[str, Path]) -> Release:
    specs = [read_model(folder).spec() for folder in folders.values()]
    campaigns = load_campaigns(given.campaigns or (), fences=fences or None, models=specs or None)
    return compile_release(
        "scenario",
        1,
        fences,
        campaigns.actions,
        specs,
        groups=campaigns.groups,
        challenges=campaigns.challenges,
        contact=campaigns.contact,
    )


def _check_actions(path: Path, case: Case, release: Release) -> None:
    """Check that every action the story expects something of is one of the release."""
    named: dict[str, int] = {}
    for entry in case.story:
        then = entry.then
        if then is not None:
            named |= {offer.action: offer.line for group in then.offered for offer in group}
            named |= {each.action: each.line for each in then.withdrawn}
            named |= {each.action: each.line for each in then.refused}
            named |= dict(then.not_considered)
    unknown = {action: line for action, line in named.items() if action not in release.actions}
    if unknown:
        hint = f"the release has: {', '.join(sorted(release.actions))}"
        raise ScenariosRefused(
            Problem(path, line, 1, Code.UNKNOWN_ACTION, f"there is no action {action!r}", hint)
            for action, line in unknown.items()
        )


def _or_refuse(path: Path, line: int, ask: Callable[[T], R], what: T) -> R:
    try:
        return ask(what)
    except (WaysideError, OSError) as fault:
        raise ScenariosRefused([Problem(path, line, 1, Code.BAD_VALUE, str(fault))]) from fault


class _Run:
    """One engine on its way through one story, with the ledger it would have."""

    def __init__(self, casting: Casting, release: Release, scorer: Scorer, *, all_refusals: bool) -> None:
        self._casting = casting
        self._engine = Engine(release, epoch=EPOCH, scorer=scorer, all_refusals=all_refusals)
        self._ledger: dict[StateKey, object] = {}
        self._offers: list[Offer] = []
        self._now = casting.begin()
        self._offset = casting.local(self._now).utcoffset()

    def introduce(self) -> list[Call]:
        """Tell the engine of all that is given."""
        calls = [self._hear(event) for event in self._casting.registrations(self._now)]
        return calls + [self._hear(event) for event in self._casting.given_events(self._now)]

    def scene(self, entry: Entry) -> Scene:
        """Let time pass until an entry, and let it happen."""
        due = self._casting.due(entry, self._now)
        scene = Scene(entry, due)
        while (timer := self._engine.next_timer()) is not None and timer <= due:
            self._now = max(self._now, timer)
            scene.calls.append(self._keep(Call(self._now, None, self._engine.handle_timer(self._now))))
        self._now = due
        if (offset := self._casting.local(due).utcoffset()) != self._offset:
            self._offset = offset
            scene.calls += [self._hear(event) for event in self._casting.registrations(due)]
        for happening in entry.happenings:
            for event in self._casting.events(happening, due, self._offers):
                scene.calls.append(self._hear(event, happening))
        return scene

    def _hear(self, event: Event, happening: Happening | None = None) -> Call:
        informed = self._informed(event)
        return self._keep(Call(self._now, informed, self._engine.receive(informed, self._now), happening))

    def _informed(self, event: Event) -> Event:
        """Return an event with what the ledger knows of the person it is about, and of their household."""
        if not isinstance(event, SubjectIdentified | FactsChanged | ListPrepared) or not event.subject:
            return event
        homes = {(Scope.SUBJECT, event.subject), (Scope.HOUSEHOLD, household_in(self._ledger, event.subject))}
        own = {key: value for key, value in self._ledger.items() if (key.scope, key.owner) in homes}
        return replace(event, state=own)

    def _keep(self, call: Call) -> Call:
        for effect in call.effects:
            if isinstance(effect, OfferMade):
                self._offers.append(effect.offer)
            elif isinstance(effect, StateChanged):
                self._ledger.pop(effect.key, None) if effect.value is None else self._ledger.update(
                    {effect.key: effect.value}
                )
        return call
