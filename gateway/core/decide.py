"""Candidates -> one decision: screen, score, arbitrate, act.

One decision is made for a unit at an instant, over all that its moments brought about.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from gateway.core import consent, context, features, offers, safety
from gateway.core.arbitration import Contender, arbitrate, net_value
from gateway.core.campaign import Action, Placement, Treatment
from gateway.core.drive import Driving
from gateway.core.effects import Decision, DecisionRecorded, Offer, OfferMade, Refusal, Stage, Verdict
from gateway.core.events import SESSION, Role
from gateway.core.moments import Moment
from gateway.core.policy import PERSONAL_VARIABLES, Evaluation
from gateway.core.release import ModelSpec
from gateway.core.scoring import Scorer, ScoringFailed
from gateway.core.screening import Candidate, Scene, screen
from gateway.core.state import Scope, StateKey
from gateway.core.triggers import Match
from gateway.core.turn import Turn
from gateway.core.units import SECOND_MS, Instant


@dataclass(slots=True)
class _Entry:
    """A candidate on its way through this decision; None where the unit has no place to show the action."""

    match: Match
    treatment: Treatment
    candidate: Candidate | None
    refusal: Refusal | None = None
    propensity: float | None = None
    net_value: float | None = None

    def verdict(self) -> Verdict:
        """Return what became of it."""
        action, place, trigger = self.match.action, self.treatment.placement, self.match.trigger
        if self.net_value is None:
            return Verdict(action.id, action.kind, place, trigger, self.refusal)
        return Verdict(
            action.id,
            action.kind,
            place,
            trigger,
            self.refusal,
            self.propensity,
            action.context_weight,
            action.value,
            action.lever,
            action.annoyance,
            self.net_value,
        )


def decide(
    turn: Turn, unit: context.Unit, moments: Sequence[Moment], matches: Sequence[Match], scorer: Scorer, epoch: str
) -> None:
    """Choose among the matched actions, or silence; emit the decision and what follows from it."""
    scene = Scene(turn.memory, unit, turn.now)
    entries = _entries(turn, unit, matches)
    for entry in entries:
        if entry.candidate is not None:
            entry.refusal = screen(scene, entry.candidate)
    _score(entries, turn.release.models, scorer)
    chosen = _arbitrate(entries)
    number = f"{unit.id}.{epoch}.{_next_number(turn, unit.id)}"
    turn.emit([DecisionRecorded(_decision(turn, unit, moments, entries, chosen, number))])
    if chosen is not None:
        _act(turn, unit, chosen, _offer(turn, unit, chosen, number))


def _arbitrate(entries: Sequence[_Entry]) -> Candidate | None:
    """Put the permitted entries against each other and silence; give each that loses its reason."""
    permitted = [entry for entry in entries if entry.net_value is not None]
    arbitration = arbitrate(
        [
            Contender(entry.match.action.kind, entry.match.action.id, entry.treatment.placement, entry.net_value or 0.0)
            for entry in permitted
        ]
    )
    for entry, refusal in zip(permitted, arbitration.refusals, strict=True):
        entry.refusal = refusal
    return None if arbitration.chosen is None else permitted[arbitration.chosen].candidate


def _entries(turn: Turn, unit: context.Unit, matches: Iterable[Match]) -> list[_Entry]:
    """Return each matched action once for each placement of the unit it has a treatment for."""
    evaluations: dict[tuple[Role, str], Evaluation] = {}
    addressees: dict[Placement, tuple[Role, str, Evaluation]] = {}
    entries: list[_Entry] = []
    firsts: dict[str, Match] = {}
    for match in matches:
        firsts.setdefault(match.action.id, match)
    for match in firsts.values():
        treatments = _treatments(match.action, unit)
        if not treatments:
            nowhere = Refusal(Stage.ADDRESSEE, "no_placement", {"unit": list(unit.placements)})
            entries.append(_Entry(match, match.action.treatments[0], None, nowhere))
        for treatment in treatments:
            place = treatment.placement
            if place not in addressees:
                role, holder = context.addressee(turn.memory, unit.id, place)
                if (role, holder) not in evaluations:
                    variables = context.variables(turn.memory, turn.release, unit, role, holder, turn.now)
                    evaluations[role, holder] = turn.release.expressions.evaluation(variables)
                addressees[place] = role, holder, evaluations[role, holder]
            role, holder, evaluation = addressees[place]
            candidate = Candidate(match.action, treatment, match.trigger, role, holder, evaluation, match.about)
            entries.append(_Entry(match, treatment, candidate))
    return entries


def _treatments(action: Action, unit: context.Unit) -> list[Treatment]:
    """Return one treatment a placement of the unit: in the unit's language, else the first that is given."""
    by_placement: dict[str, Treatment] = {}
    for treatment in action.treatments:
        spoken = by_placement.get(treatment.placement)
        if treatment.placement in unit.placements and (
            spoken is None or (spoken.language != unit.language and treatment.language == unit.language)
        ):
            by_placement[treatment.placement] = treatment
    return list(by_placement.values())


def _score(entries: Sequence[_Entry], models: Mapping[str, ModelSpec], scorer: Scorer) -> None:
    """Give every permitted entry its propensity and net value; each model is asked once, for all its rows."""
    asked: dict[str, list[tuple[_Entry, list[float]]]] = defaultdict(list)
    for entry in entries:
        if entry.candidate is None or entry.refusal is not None:
            continue
        action = entry.match.action
        if action.model is None:
            _value(entry, action.prior or 0.0)
        else:
            asked[action.model].append((entry, _features(entry.candidate, models[action.model])))
    for model, rows in asked.items():
        answers = _ask(scorer, model, [row for _, row in rows])
        for (entry, _), answer in zip(rows, answers, strict=True):
            if isinstance(answer, Refusal):
                entry.refusal = answer
            else:
                _value(entry, answer)


def _value(entry: _Entry, propensity: float) -> None:
    action = entry.match.action
    entry.propensity = propensity
    entry.net_value = net_value(propensity, action.context_weight, action.value, action.lever, action.annoyance)


def _features(candidate: Candidate, model: ModelSpec) -> list[float]:
    action = candidate.action
    view = features.FeatureView(
        variables=candidate.evaluation.variables,
        facts=candidate.facts,
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
    turn: Turn,
    unit: context.Unit,
    moments: Sequence[Moment],
    entries: Sequence[_Entry],
    chosen: Candidate | None,
    number: str,
) -> Decision:
    """Return the record of a choice; addressed to whom the chosen or else the first candidate was for."""
    addressed = chosen or next((entry.candidate for entry in entries if entry.candidate is not None), None)
    variables = {} if addressed is None else addressed.evaluation.variables
    return Decision(
        id=f"d.{number}",
        unit=unit.id,
        at=turn.now,
        release=turn.release.id,
        holder=SESSION if addressed is None else addressed.holder,
        moments=tuple(type(moment).__name__ for moment in moments),
        verdicts=tuple(entry.verdict() for entry in entries),
        chosen=None if chosen is None else chosen.action.id,
        offer=None if chosen is None else f"o.{number}",
        context={name: value for name, value in variables.items() if name not in PERSONAL_VARIABLES},
    )


def _next_number(turn: Turn, unit: str) -> int:
    key = StateKey(Scope.UNIT, unit, "decisions")
    number = int(turn.memory.get(*key) or 0) + 1
    turn.memory.put(key, number)
    return number


def _offer(turn: Turn, unit: context.Unit, chosen: Candidate, number: str) -> Offer:
    action, treatment = chosen.action, chosen.treatment
    return Offer(
        id=f"o.{number}",
        decision=f"d.{number}",
        unit=unit.id,
        holder=chosen.holder,
        role=chosen.role,
        placement=treatment.placement,
        action=action.id,
        kind=action.kind,
        language=treatment.language,
        title=treatment.title,
        body=treatment.body,
        call_to_action=treatment.call_to_action,
        reward=action.reward,
        made=turn.now,
        expires=_expiry(turn, unit, chosen),
    )


def _expiry(turn: Turn, unit: context.Unit, chosen: Candidate) -> Instant:
    """Return until when an offer stands: no longer than any consent it rests on."""
    ends = [
        consent.granted_until(turn.memory, chosen.holder, unit.id, purpose, turn.now)
        for purpose in consent.purposes_of(chosen.action)
    ]
    return min(turn.now + chosen.action.valid_for_s * SECOND_MS, *ends, consent.FOR_GOOD)


def _act(turn: Turn, unit: context.Unit, chosen: Candidate, offer: Offer) -> None:
    """Publish the offer, after taking what it outranks off the same placement."""
    turn.emit(
        offers.withdraw(
            turn.memory,
            turn.now,
            "outranked",
            lambda record: record["unit"] == offer.unit and record["placement"] == offer.placement,
        )
    )
    opted_in = chosen.facts.get(safety.VOICE_OPT_IN) is True
    objection = safety.objection(chosen.treatment, chosen.role, unit.kind, Driving.DRIVING, voice_opt_in=opted_in)
    personal = chosen.treatment.personal and not chosen.treatment.private
    standing = offers.Standing(parked_only=objection is not None, personal=personal)
    offers.make(turn.memory, turn.agenda, offer, chosen.action, standing)
    turn.emit([OfferMade(offer)])
