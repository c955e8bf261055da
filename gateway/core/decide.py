"""Candidates -> one decision: screen, score, arbitrate, act.

One decision is made for a unit at an instant, over all that its moments brought about.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.core import consent, context, features, offers, safety
from gateway.core.arbitration import Contender, arbitrate, net_value
from gateway.core.campaign import Action, Kind, Placement, Treatment
from gateway.core.candidate import Addressee, Candidate, basis_of
from gateway.core.drive import Driving
from gateway.core.effects import Decision, DecisionRecorded, Offer, OfferMade, Refusal, Stage, Verdict
from gateway.core.events import SESSION
from gateway.core.facts import Basis
from gateway.core.moments import Moment
from gateway.core.policy import PERSONAL_VARIABLES
from gateway.core.release import ModelSpec, Release
from gateway.core.scoring import Scorer, ScoringFailed
from gateway.core.screening import Scene, follows_until, screen, screen_whole
from gateway.core.state import Scope, StateKey
from gateway.core.triggers import Match
from gateway.core.turn import Turn
from gateway.core.units import SECOND_MS, Instant

# Looked up once: a member costs a call into its enumeration each time.
_MARKETING = Kind.MARKETING


@dataclass(slots=True)
class _Entry:
    """A candidate on its way through this decision; None where the unit has no place to show the action."""

    match: Match
    treatment: Treatment
    candidate: Candidate | None
    refusal: Refusal | None = None
    also: tuple[Refusal, ...] = ()
    propensity: float | None = None
    context_weight: float | None = None
    net_value: float | None = None

    def verdict(self) -> Verdict:
        """Return what became of it."""
        action, place, trigger = self.match.action, self.treatment.placement, self.match.trigger
        if self.net_value is None:
            return Verdict(action.id, action.kind, place, trigger, self.refusal, also=self.also)
        return Verdict(
            action.id,
            action.kind,
            place,
            trigger,
            self.refusal,
            self.propensity,
            self.context_weight,
            action.value,
            action.lever,
            action.annoyance,
            self.net_value,
        )


@dataclass(frozen=True, slots=True)
class Judge:
    """What a decision needs beside the state.

    Attributes:
        epoch: Keeps the ids of different ledgers apart.
        all_refusals: Every step that refuses a candidate is told of, not only the first.
    """

    scorer: Scorer
    epoch: str
    all_refusals: bool = False


def decide(turn: Turn, unit: context.Unit, moments: Sequence[Moment], matches: Sequence[Match], judge: Judge) -> None:
    """Choose among the matched actions, or silence; emit the decision and what follows from it."""
    scene = Scene(turn, unit)
    entries = _entries(turn, unit, matches)
    for entry in entries:
        _screen(scene, entry, whole=judge.all_refusals)
    _score(entries, turn.release.models, judge.scorer)
    chosen = _arbitrate(turn.release, entries)
    number = f"{unit.id}.{judge.epoch}.{_next_number(turn, unit.id)}"
    made = _offers(scene, chosen, number)
    names = tuple(type(moment).__name__ for moment in moments)
    turn.emit([DecisionRecorded(_decision(scene, names, entries, chosen, number))])
    if made:
        _act(turn, scene, chosen, made)


def _screen(scene: Scene, entry: _Entry, *, whole: bool) -> None:
    if entry.candidate is None:
        return
    if not whole:
        entry.refusal = screen(scene, entry.candidate)
        return
    refusals = screen_whole(scene, entry.candidate)
    entry.refusal, entry.also = (refusals[0], tuple(refusals[1:])) if refusals else (None, ())


def _arbitrate(release: Release, entries: Sequence[_Entry]) -> list[Candidate]:
    """Put the permitted entries against each other and silence; give each that loses its reason.

    Returns the chosen one first, then those of its group that are shown beside it; none: silence.
    """
    permitted = [entry for entry in entries if entry.candidate is not None and entry.net_value is not None]
    contenders = [
        Contender(
            entry.match.action.kind,
            entry.match.action.id,
            entry.treatment.placement,
            entry.net_value or 0.0,
            "" if entry.candidate is None else entry.candidate.holder,
            entry.match.action.group,
        )
        for entry in permitted
    ]
    sizes = {group.id: group.slate for group in release.groups.values()}
    arbitration = arbitrate(contenders, sizes)
    for entry, refusal in zip(permitted, arbitration.refusals, strict=True):
        entry.refusal = refusal
    return [candidate for number in arbitration.chosen if (candidate := permitted[number].candidate) is not None]


def _entries(turn: Turn, unit: context.Unit, matches: Iterable[Match]) -> list[_Entry]:
    """Return each matched action once for each placement of the unit it has a treatment for."""
    marketing, others = (_Addressees(turn, unit, basis_of(kind)) for kind in (_MARKETING, Kind.SERVICE))
    entries: list[_Entry] = []
    for match in _firsts(matches):
        action = match.action
        addressees = marketing if action.kind is _MARKETING else others
        treatments = _treatments(action, unit)
        if not treatments:
            nowhere = Refusal(Stage.ADDRESSEE, "no_placement", {"unit": list(unit.placements)})
            entries.append(_Entry(match, action.treatments[0], None, nowhere))
        for treatment in treatments:
            addressee = addressees[treatment.placement]
            candidate = Candidate(action, treatment, addressee, match.about, match.moment)
            entries.append(_Entry(match, treatment, candidate))
    return entries


class _Addressees(dict[Placement, Addressee]):
    """Whose each placement is; one for all the placements of one person in one role."""

    def __init__(self, turn: Turn, unit: context.Unit, basis: Basis) -> None:
        super().__init__()
        self._turn, self._unit, self._basis = turn, unit, basis

    def __missing__(self, placement: Placement) -> Addressee:
        role, holder = context.addressee(self._turn.memory, self._unit.id, placement)
        for known in self.values():
            if (known.role, known.holder) == (role, holder):
                return self.setdefault(placement, known)
        return self.setdefault(placement, Addressee(self._turn, self._unit, role, holder, self._basis))


def _firsts(matches: Iterable[Match]) -> Iterable[Match]:
    """Return the first match of each action, and of each person it is about."""
    firsts: dict[tuple[str, str | None], Match] = {}
    for match in matches:
        firsts.setdefault((match.action.id, match.about), match)
    return firsts.values()


def _treatments(action: Action, unit: context.Unit) -> list[Treatment]:
    """Return one treatment a placement of the unit, in the language that is nearest to the unit's."""
    if len(action.treatments) == 1:
        return list(action.treatments) if action.treatments[0].placement in unit.placements else []
    best: dict[Placement, tuple[int, Treatment]] = {}
    for treatment in action.treatments:
        if treatment.placement in unit.placements:
            distance = _strangeness(treatment.language, unit.language, action.fallback)
            known = best.get(treatment.placement)
            if known is None or distance < known[0]:
                best[treatment.placement] = (distance, treatment)
    return [treatment for _, treatment in best.values()]


def _strangeness(language: str, wanted: str, fallback: str | None) -> int:
    """Return how far a language is from the one wanted: the same, its relative, the fallback, another."""
    if language == wanted:
        return 0
    if language.partition("-")[0] == wanted.partition("-")[0]:
        return 1
    return 2 if language == fallback else 3


def _score(entries: Sequence[_Entry], models: Mapping[str, ModelSpec], scorer: Scorer) -> None:
    """Give every permitted entry its propensity and net value; each model is asked once, for all its rows."""
    asked: dict[str, list[tuple[_Entry, Candidate, list[float]]]] = defaultdict(list)
    for entry in entries:
        if entry.candidate is None or entry.refusal is not None:
            continue
        action = entry.match.action
        if action.model is not None:
            asked[action.model].append((entry, entry.candidate, _features(entry.candidate, models[action.model])))
            continue
        stated = entry.candidate.addressee.prepared.get(action.id, action.prior) if action.prepared else action.prior
        if stated is None:
            entry.refusal = Refusal(Stage.SCORE, "not_prepared")
        else:
            _value(entry, entry.candidate, stated)
    for model, rows in asked.items():
        answers = _ask(scorer, model, [row for _, _, row in rows])
        for (entry, candidate, _), answer in zip(rows, answers, strict=True):
            if isinstance(answer, Refusal):
                entry.refusal = answer
            else:
                _value(entry, candidate, answer)


def _value(entry: _Entry, candidate: Candidate, propensity: float) -> None:
    action, weight = entry.match.action, entry.match.action.context_weight
    for factor in action.weights:
        if not factor.condition or candidate.evaluation.holds(factor.condition):
            weight *= factor.weight
    entry.propensity, entry.context_weight = propensity, weight
    entry.net_value = net_value(propensity, weight, action.value, action.lever, action.annoyance)


def _features(candidate: Candidate, model: ModelSpec) -> list[float]:
    action, variables = candidate.action, candidate.evaluation.variables
    view = features.FeatureView(
        variables=variables,
        facts={name: fact.value for name, fact in candidate.addressee.facts.items()},
        category=action.category or "",
        validity_s=action.valid_for_s + action.redeem_within_s,
    )
    return features.vector(model.features, view)


def _ask(scorer: Scorer, model: str, rows: list[list[float]]) -> list[float | Refusal]:
    """Return the model's propensities; a refusal for each row it cannot answer."""
    try:
        propensities = [float(p) for p in scorer.score(model, rows)]
    except ScoringFailed as failed:
        return [Refusal(Stage.SCORE, failed.reason, {"model": model})] * len(rows)
    if len(propensities) != len(rows):
        return [Refusal(Stage.SCORE, "wrong_shape", {"model": model})] * len(rows)
    # Written so that NaN is refused as well.
    return [p if 0.0 <= p <= 1.0 else Refusal(Stage.SCORE, "not_a_probability", {"model": model}) for p in propensities]


def _decision(
    scene: Scene, moments: tuple[str, ...], entries: Sequence[_Entry], chosen: Sequence[Candidate], number: str
) -> Decision:
    """Return the record of a choice; addressed to whom the chosen or else the first candidate was for."""
    candidates = [*chosen, *(entry.candidate for entry in entries if entry.candidate is not None)]
    variables = candidates[0].evaluation.variables if candidates else {}
    return Decision(
        id=f"d.{number}",
        unit=scene.unit.id,
        at=scene.now,
        release=scene.release.id,
        holder=candidates[0].holder if candidates else SESSION,
        moments=moments,
        verdicts=tuple(entry.verdict() for entry in entries),
        chosen=chosen[0].action.id if chosen else None,
        offer=_offer_id(number, 0) if chosen else None,
        context={name: value for name, value in variables.items() if name not in PERSONAL_VARIABLES},
        slate=tuple(_offer_id(number, position) for position in range(1, len(chosen))),
    )


def _next_number(turn: Turn, unit: str) -> int:
    key = StateKey(Scope.UNIT, unit, "decisions")
    number = int(turn.memory.get(*key) or 0) + 1
    turn.memory.put(key, number)
    return number


def _offer_id(number: str, position: int) -> str:
    return f"o.{number}.{position + 1}" if position else f"o.{number}"


def _offers(scene: Scene, chosen: Sequence[Candidate], number: str) -> list[Offer]:
    """Return an offer of each that was chosen; several are a slate, called by the first."""
    slate = _offer_id(number, 0) if len(chosen) > 1 else ""
    return [_offer(scene, candidate, number, position, slate) for position, candidate in enumerate(chosen)]


def _offer(scene: Scene, chosen: Candidate, number: str, position: int, slate: str) -> Offer:
    action, treatment = chosen.action, chosen.treatment
    title, body, call_to_action = chosen.words()
    return Offer(
        id=_offer_id(number, position),
        decision=f"d.{number}",
        unit=scene.unit.id,
        holder=chosen.holder,
        role=chosen.role,
        placement=treatment.placement,
        action=action.id,
        kind=action.kind,
        language=treatment.language,
        title=title,
        body=body,
        call_to_action=call_to_action,
        reward=chosen.rewarded(),
        made=scene.now,
        expires=_expiry(scene, chosen),
        slate=slate,
        position=position,
        as_of=chosen.as_of(),
    )


def _expiry(scene: Scene, chosen: Candidate) -> Instant:
    """Return until when an offer stands: no longer than its action, any consent it rests on, or what it follows."""
    ends = [
        consent.granted_until(scene.memory, chosen.holder, scene.unit.id, purpose, scene.now)
        for purpose in consent.purposes_of(chosen.action)
    ]
    ends += [] if chosen.action.ends is None else [chosen.action.ends]
    window = follows_until(scene, chosen.holder, chosen.action)
    return min(scene.now + chosen.action.valid_for_s * SECOND_MS, window, *ends, consent.FOR_GOOD)


def _act(turn: Turn, scene: Scene, chosen: Sequence[Candidate], made: Sequence[Offer]) -> None:
    """Publish the offers, after taking what they outrank off the same placement."""
    unit, placement = scene.unit, made[0].placement
    turn.emit(
        offers.withdraw(
            turn.memory,
            turn.now,
            "outranked",
            lambda record: bool(record["placement"] == placement),
            at=unit.id,
        )
    )
    for candidate, offer in zip(chosen, made, strict=True):
        opted_in = scene.voice_opt_in(candidate.holder)
        objection = safety.objection(
            candidate.treatment, candidate.role, unit.kind, Driving.DRIVING, voice_opt_in=opted_in
        )
        personal = candidate.treatment.personal and not candidate.treatment.private
        standing = offers.Standing(parked_only=objection is not None, personal=personal)
        offers.make(turn, unit, offer, candidate.action, standing)
        turn.emit([OfferMade(offer)])
