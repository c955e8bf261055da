"""Candidates -> one decision: screen, score, arbitrate, act.

One decision is made for a unit at an instant, over all that its moments brought about.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.core import context, features, offers
from gateway.core.arbitration import Arbitration, arbitrate, net_value
from gateway.core.campaign import RANK, Action, Kind, Treatment
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
from gateway.core.units import SECOND_MS


@dataclass(frozen=True, slots=True)
class _Judged:
    """A verdict with the candidate it is about; none where the unit has no place to show the action."""

    verdict: Verdict
    candidate: Candidate | None


def decide(
    turn: Turn, unit: context.Unit, moments: Sequence[Moment], matches: Sequence[Match], scorer: Scorer, epoch: str
) -> None:
    """Choose among the matched actions, or silence; emit the decision and what follows from it."""
    scene = Scene(turn.memory, unit, turn.now)
    judged = _candidates(turn, unit, matches)
    judged = [_screened(scene, each) for each in judged]
    judged = _scored(judged, turn.release.models, scorer)
    arbitration = arbitrate([each.verdict for each in judged])
    chosen = None if arbitration.chosen is None else judged[arbitration.chosen].candidate
    number = f"{unit.id}.{epoch}.{_next_number(turn, unit.id)}"
    offer = None if chosen is None else _offer(turn, unit, chosen, number)
    turn.emit([DecisionRecorded(_decision(turn, unit, moments, judged, arbitration, number))])
    if chosen is not None and offer is not None:
        _act(turn, chosen.action, offer)


def _candidates(turn: Turn, unit: context.Unit, matches: Iterable[Match]) -> list[_Judged]:
    """Return each matched action once for each placement of the unit it has a treatment for."""
    evaluations: dict[tuple[Role, str], Evaluation] = {}
    judged, seen = [], set()
    for match in matches:
        if match.action.id in seen:
            continue
        seen.add(match.action.id)
        treatments = _treatments(match.action, unit)
        if not treatments:
            nowhere = Refusal(Stage.ADDRESSEE, "no_placement", {"unit": list(unit.placements)})
            judged.append(_Judged(_verdict(match, match.action.treatments[0], nowhere), None))
        for treatment in treatments:
            role, holder = context.addressee(turn.memory, unit.id, treatment.placement)
            if (role, holder) not in evaluations:
                variables = context.variables(turn.memory, turn.release, unit, role, holder, turn.now)
                evaluations[role, holder] = turn.release.expressions.evaluation(variables)
            candidate = Candidate(match.action, treatment, match.trigger, role, holder, evaluations[role, holder])
            judged.append(_Judged(_verdict(match, treatment, None), candidate))
    return judged


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


def _verdict(match: Match, treatment: Treatment, refusal: Refusal | None) -> Verdict:
    return Verdict(match.action.id, match.action.kind, treatment.placement, match.trigger, refusal)


def _screened(scene: Scene, judged: _Judged) -> _Judged:
    if judged.candidate is None:
        return judged
    return replace(judged, verdict=replace(judged.verdict, refusal=screen(scene, judged.candidate)))


def _scored(judged: Sequence[_Judged], models: Mapping[str, ModelSpec], scorer: Scorer) -> list[_Judged]:
    """Give every permitted candidate its propensity and net value; each model is asked once, for all its rows."""
    answers: dict[int, float | Refusal] = {}
    rows: dict[str, list[tuple[int, list[float]]]] = defaultdict(list)
    for number, each in enumerate(judged):
        if each.candidate is None or each.verdict.refusal is not None:
            continue
        action = each.candidate.action
        if action.model is None:
            answers[number] = float(action.prior or 0.0)
        else:
            rows[action.model].append((number, _features(each.candidate, models[action.model])))
    for model, asked in rows.items():
        answers.update(zip([n for n, _ in asked], _ask(scorer, model, [row for _, row in asked]), strict=True))
    return [_valued(each, answers[number]) if number in answers else each for number, each in enumerate(judged)]


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


def _valued(judged: _Judged, answer: float | Refusal) -> _Judged:
    if judged.candidate is None:
        return judged
    if isinstance(answer, Refusal):
        return replace(judged, verdict=replace(judged.verdict, refusal=answer))
    action = judged.candidate.action
    net = net_value(answer, action.context_weight, action.value, action.lever, action.annoyance)
    factors = replace(
        judged.verdict,
        propensity=answer,
        context_weight=action.context_weight,
        value=action.value,
        lever=action.lever,
        annoyance=action.annoyance,
        net_value=net,
    )
    return replace(judged, verdict=factors)


def _decision(
    turn: Turn,
    unit: context.Unit,
    moments: Sequence[Moment],
    judged: Sequence[_Judged],
    arbitration: Arbitration,
    number: str,
) -> Decision:
    """Return the record of a choice; addressed to whom the chosen or else the first candidate was for."""
    chosen = arbitration.chosen
    candidates = [each.candidate for each in judged if each.candidate is not None]
    addressed = judged[chosen].candidate if chosen is not None else next(iter(candidates), None)
    variables = addressed.evaluation.variables if addressed is not None else {}
    return Decision(
        id=f"d.{number}",
        unit=unit.id,
        at=turn.now,
        release=turn.release.id,
        holder=SESSION if addressed is None else addressed.holder,
        moments=tuple(type(moment).__name__ for moment in moments),
        verdicts=arbitration.verdicts,
        chosen=None if chosen is None else arbitration.verdicts[chosen].action,
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
        expires=turn.now + action.valid_for_s * SECOND_MS,
    )


def _act(turn: Turn, action: Action, offer: Offer) -> None:
    """Publish the offer, after taking what it outranks off the same placement."""
    rank = RANK[action.kind]
    turn.emit(
        offers.withdraw(
            turn.memory,
            turn.now,
            "outranked",
            lambda r: r["unit"] == offer.unit and r["placement"] == offer.placement and RANK[Kind(r["kind"])] > rank,
        )
    )
    offers.make(turn.memory, turn.agenda, offer, action)
    turn.emit([OfferMade(offer)])
