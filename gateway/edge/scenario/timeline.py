"""Tells a story that was played: when, what happened, what was noticed, what was decided and why. In plain words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

from gateway.core.effects import (
    Decision,
    Effect,
    EventIgnored,
    EventRefused,
    Offer,
    OfferWithdrawn,
    OutcomeRecorded,
    Verdict,
)
from gateway.core.events import SESSION
from gateway.core.moments import Moment
from gateway.core.units import Instant
from gateway.edge.explanation import refusal_in_words
from gateway.edge.scenario.casting import Casting
from gateway.edge.scenario.playing import Call, Played, Scene, seen
from gateway.edge.scenario.story import (
    Answers,
    Arrives,
    Clock,
    Consents,
    Happening,
    Hears,
    Learns,
    Leaves,
    Loses,
    Moves,
    Prepares,
    Signals,
    Told,
)
from gateway.edge.scenario.verifying import Judgement

_MARGIN = " " * 11
_HIDDEN = frozenset({"unit", "at", "holder", "offer"})


def lines(played: Played, judgements: Sequence[Judgement | None]) -> Iterator[str]:
    """Yield the story for people, line by line."""
    casting = played.casting
    yield f"  {_day(casting.local(casting.begin()))}, {casting.zone.key}"
    yield from (f"  given: {said}" for said in given_lines(played))
    day = casting.local(casting.begin()).date()
    for scene, judgement in zip(played.scenes, judgements, strict=True):
        here = casting.local(scene.now)
        if here.date() != day:
            day = here.date()
            yield f"  {_day(here)}"
        yield from _scene(played, scene)
        if judgement is not None:
            yield from _judged(judgement)


def given_lines(played: Played) -> Iterator[str]:
    """Yield what is known before anything happens."""
    given = played.case.given
    for name, unit in given.units.items():
        guests = ", its owner shows offers to guests" if unit.guests else ""
        yield f"{name} is a {unit.kind}{guests}{_known(unit.facts)}"
    for name, place in given.places.items():
        tags = f", {', '.join(place.tags)}" if place.tags else ""
        yield f"{name} is a {str(place.kind).replace('_', ' ')}{tags}{_known(place.facts)}"
    for name, person in given.people.items():
        agreed = ", ".join(person.agrees_to or ()) or "nothing"
        until = f" until {person.agrees_until:%Y-%m-%d %H:%M}" if person.agrees_until else ""
        yield f"{name} agrees to {agreed}{until}{_known(person.facts)}"


def _known(facts: Mapping[str, Told]) -> str:
    return f"; known: {_facts(facts)}" if facts else ""


def _scene(played: Played, scene: Scene) -> Iterator[str]:
    casting = played.casting
    for call in scene.calls:
        came = list(_came(played, call)) if call.event is None else []
        if came:
            yield from _at(casting, call.now, "time passes", came)
    for happening in scene.entry.happenings:
        calls = [call for call in scene.calls if call.happening is happening]
        yield from _at(casting, scene.now, words(happening), (line for call in calls for line in _came(played, call)))
    if not scene.entry.happenings:
        yield from _at(casting, scene.now, "nothing else happens", ())


def _at(casting: Casting, now: Instant, what: str, came: Iterable[str]) -> Iterator[str]:
    yield f"  {casting.local(now):%H:%M:%S} {what}"
    yield from (f"{_MARGIN}{line}" for line in came)


def words(happening: Happening) -> str:  # noqa: C901, PLR0911 -- one case for each thing that may happen
    """Return what happens, as one would say it."""
    match happening:
        case Arrives():
            at = f" at {happening.unit}" if happening.unit else ""
            role = f" as {happening.role}" if happening.role else ""
            return f"{happening.who} arrives{at}{role}{f', known by {happening.method}' if happening.method else ''}"
        case Leaves():
            return f"{happening.who} leaves{f' {happening.unit}' if happening.unit else ''}"
        case Signals():
            return f"{happening.unit or 'the unit'} signals: {happening.said}"
        case Moves():
            return f"{happening.unit or 'the unit'} moves {happening.how} {happening.place}"
        case Hears():
            near = "no longer" if happening.distance_m is None else f"at {happening.distance_m:g} m"
            return f"{happening.unit or 'the unit'} hears {happening.beacon} {near}"
        case Consents():
            verb, to = ("agrees", "to") if happening.given else ("withdraws", "from")
            ago = f", said {_span(happening.said_ago_ms)} ago" if happening.said_ago_ms else ""
            until = f" until {happening.until:%Y-%m-%d %H:%M}" if happening.until else ""
            return f"{happening.who} {verb} {to} {', '.join(happening.purposes)}{until}{ago}"
        case Learns():
            return f"it becomes known of {happening.about}: {_facts(happening.facts)}"
        case Prepares():
            listed = ", ".join(f"{action} {p:g}" for action, p in happening.propensities.items())
            return f"the centre has prepared a list for {happening.who}: {listed}"
        case Answers():
            said = ", ".join(happening.outcomes)
            return f"{happening.action} is {said}{f', says {happening.unit}' if happening.unit else ''}"
        case Loses():
            return f"{happening.unit} is no longer connected"
        case Clock():
            return "the gateway knows the time" if happening.sure else "the gateway's clock cannot be believed"


def _facts(facts: Mapping[str, Told]) -> str:
    return ", ".join(
        f"{name} = {'no longer known' if told.value is None else _value(told.value)}"
        f"{f' ({_span(told.ago_ms)} old)' if told.ago_ms else ''}"
        for name, told in facts.items()
    )


def _came(played: Played, call: Call) -> Iterator[str]:
    """Yield what came of one call of the engine."""
    what = seen([call])
    if what.moments:
        yield f"noticed: {', '.join(_moment(played.casting, moment) for moment in what.moments)}"
    offers = {offer.id: offer for offer in what.offers}
    for effect in call.effects:
        yield from _told(played, effect)
    for decision in what.decisions:
        yield from _decision(played, decision, offers)


def _told(played: Played, effect: Effect) -> Iterator[str]:
    match effect:
        case OutcomeRecorded():
            yield f"recorded: {_action_of(played, effect.offer)} {effect.outcome}"
        case OfferWithdrawn():
            yield f"WITHDRAWN at {effect.unit}: {_action_of(played, effect.offer)} ({effect.reason})"
        case EventIgnored():
            yield f"ignored: {effect.reason}"
        case EventRefused():
            yield f"refused to hear it: {effect.reason}"
        case _:
            return


def _action_of(played: Played, offer: str) -> str:
    for scene in played.scenes:
        for made in seen(scene.calls).offers:
            if made.id == offer:
                return made.action
    return offer


def _moment(casting: Casting, moment: Moment) -> str:
    shown = {name: value for name, value in asdict(moment).items() if name not in _HIDDEN and value not in ("", ())}
    said = ", ".join(_person(casting, name, value) for name, value in shown.items())
    return f"{type(moment).__name__}{f' ({said})' if said else ''}"


def _person(casting: Casting, name: str, value: object) -> str:
    return casting.name_of(str(value)) if name == "subject" else _value(value)


def _decision(played: Played, decision: Decision, offers: Mapping[str, Offer]) -> Iterator[str]:
    made = [offers[id_] for id_ in (decision.offer, *decision.slate) if id_ is not None and id_ in offers]
    if not made:
        yield f"decided at {decision.unit}: silence"
    for offer in made:
        to = "whoever is there" if offer.holder == SESSION else played.casting.name_of(offer.holder)
        yield f"OFFERED at {decision.unit}, {offer.placement}, to {to}: {offer.action}, {offer.title!r}"
        yield f"    {offer.body!r}{f', reward: {offer.reward.text}' if offer.reward else ''}"
        yield from (
            f"    {_arithmetic(v)}" for v in decision.verdicts if v.refusal is None and v.action == offer.action
        )
    for verdict in decision.verdicts:
        if verdict.refusal is not None:
            refusal = verdict.refusal
            yield f"not {verdict.action} on {verdict.placement}: {refusal.stage}: {refusal_in_words(refusal)}"
            yield from (f"    also {also.stage}: {refusal_in_words(also)}" for also in verdict.also)


def _arithmetic(verdict: Verdict) -> str:
    if verdict.propensity is None:
        return "not weighed"
    return (
        f"P {verdict.propensity:.3f} x C {verdict.context_weight:g} x V {verdict.value:g} x L {verdict.lever:g}"
        f" - (1 - P) x A {verdict.annoyance:g} = {verdict.net_value:.3f}"
    )


def _judged(judgement: Judgement) -> Iterator[str]:
    if not judgement.differences:
        yield f"{_MARGIN}as expected"
    for difference in judgement.differences:
        yield f"{_MARGIN}DIFFERENT, line {difference.line}"
        yield f"{_MARGIN}    expected  {difference.expected}"
        yield f"{_MARGIN}    found     {difference.found}"


def as_json(played: Played, judgements: Sequence[Judgement | None]) -> list[dict[str, object]]:
    """Return the story for scripts, scene by scene."""
    return [
        {
            "line": scene.entry.line,
            "at": played.casting.local(scene.now).isoformat(),
            "happens": [words(happening) for happening in scene.entry.happenings],
            "moments": [{"moment": type(m).__name__, **asdict(m)} for m in seen(scene.calls).moments],
            "decisions": [asdict(decision) for decision in seen(scene.calls).decisions],
            "offers": [asdict(offer) for offer in seen(scene.calls).offers],
            "withdrawals": [asdict(withdrawal) for withdrawal in seen(scene.calls).withdrawals],
            "differences": [] if judgement is None else [asdict(each) for each in judgement.differences],
        }
        for scene, judgement in zip(played.scenes, judgements, strict=True)
    ]


def _day(here: datetime) -> str:
    return f"{here:%a %d %b %Y}"


def _span(ms: int) -> str:
    for unit_ms, unit in ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min")):
        if ms >= unit_ms and ms % unit_ms == 0:
            return f"{ms // unit_ms} {unit}"
    return f"{ms // 1_000} s"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value)
