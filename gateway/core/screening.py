"""Between "something happened" and "what is best": what is allowed, and kind.

The steps are asked in a fixed order and the first refusal stands:

1. kind             is it within its dates; does a service or safety action carry a reward?
2. addressee        is it for whom this placement belongs to; can nobody else read what is personal?
3. consent          does the holder agree to every purpose it needs? (marketing only)
4. safety           may it be shown in this driving state?
5. eligibility, 6. applicability, 7. suitability     do its expressions hold?
8. contact_policy   never-again, already accepted, placement taken, cap
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from gateway.core import caps, consent, context, offers, safety
from gateway.core.campaign import RANK, Action, Audience, Kind, Treatment
from gateway.core.drive import Driving
from gateway.core.effects import Refusal, Stage
from gateway.core.events import SESSION, Purpose, Role
from gateway.core.policy import Evaluation
from gateway.core.state import Memory
from gateway.core.units import Instant

# Looked up once: a member costs a call into its enumeration each time.
_MARKETING, _SUBJECT, _PARKED = Kind.MARKETING, Audience.SUBJECT, Driving.PARKED


@dataclass(slots=True)
class Candidate:
    """An action in one treatment, with whom it would address and what its expressions are asked of.

    Attributes:
        about: Whose doing triggered it, where it was somebody's: it is said to nobody else.
    """

    action: Action
    treatment: Treatment
    trigger: str
    role: Role
    holder: str
    evaluation: Evaluation
    about: str | None = None

    @property
    def facts(self) -> Mapping[str, object]:
        """What is known of the holder; nothing of a session."""
        facts: Mapping[str, object] = self.evaluation.variables["facts"]  # type: ignore[assignment]
        return facts


class Scene:
    """Where and when candidates are screened, with what they all have in common looked up once."""

    def __init__(self, memory: Memory, unit: context.Unit, now: Instant) -> None:
        self.memory = memory
        self.unit = unit
        self.now = now
        self.driving = context.drive_of(memory, unit.id).state
        self.taken = offers.standing(memory, unit.id)
        self.awaited = offers.awaited(memory, unit.id)
        self._granted: dict[tuple[str, Purpose], bool] = {}
        self._refused: dict[str, Collection[str]] = {}

    def granted(self, holder: str, purpose: Purpose) -> bool:
        """Return whether the holder agrees to the purpose now."""
        key = (holder, purpose)
        if key not in self._granted:
            self._granted[key] = consent.granted(self.memory, holder, self.unit.id, purpose, self.now)
        return self._granted[key]

    def refused_for_good(self, holder: str) -> Collection[str]:
        """Return the actions of which the holder said never again."""
        if holder not in self._refused:
            self._refused[holder] = caps.refused_for_good(self.memory, holder, self.unit.id)
        return self._refused[holder]


def screen(scene: Scene, candidate: Candidate) -> Refusal | None:
    """Return the first refusal of a candidate, or None: it is permitted."""
    return (
        _kind(scene, candidate)
        or _addressee(scene, candidate)
        or _consent(scene, candidate)
        or _safety(scene, candidate)
        or _engagement_policy(candidate)
        or _contact_policy(scene, candidate)
    )


def _kind(scene: Scene, candidate: Candidate) -> Refusal | None:
    action = candidate.action
    if action.kind is not _MARKETING and action.reward is not None:
        return Refusal(Stage.KIND, "kind_carries_reward", {"kind": action.kind.value})
    if action.starts is not None and scene.now < action.starts:
        return Refusal(Stage.KIND, "not_started", {"starts": action.starts})
    if action.ends is not None and scene.now >= action.ends:
        return Refusal(Stage.KIND, "ended", {"ends": action.ends})
    return None


def _addressee(scene: Scene, candidate: Candidate) -> Refusal | None:
    action, is_session = candidate.action, candidate.holder == SESSION
    if candidate.about is not None and candidate.about != candidate.holder:
        return Refusal(Stage.ADDRESSEE, "about_somebody_else", {"role": candidate.role.value})
    if is_session and action.audience is _SUBJECT:
        return Refusal(Stage.ADDRESSEE, "nobody_known", {"role": candidate.role.value})
    if is_session and action.kind is _MARKETING and not scene.unit.contextual_offers:
        return Refusal(Stage.ADDRESSEE, "contextual_offers_off", {"unit": scene.unit.id})
    if not candidate.treatment.personal or candidate.treatment.private:
        return None
    if context.is_alone(scene.memory, scene.unit, candidate.holder):
        return None
    occupants = context.occupants(scene.memory, scene.unit.id)
    others = len(context.subjects_at(scene.memory, scene.unit.id) - {candidate.holder})
    return Refusal(Stage.ADDRESSEE, "not_alone", {"occupants": occupants, "others_known": others})


def _consent(scene: Scene, candidate: Candidate) -> Refusal | None:
    for purpose in consent.purposes_of(candidate.action):
        if not scene.granted(candidate.holder, purpose):
            return Refusal(Stage.CONSENT, "no_consent", {"purpose": purpose.value})
    return None


def _safety(scene: Scene, candidate: Candidate) -> Refusal | None:
    if scene.driving is _PARKED:
        return None
    treatment, opted_in = candidate.treatment, candidate.facts.get(safety.VOICE_OPT_IN) is True
    objection = safety.objection(treatment, candidate.role, scene.unit.kind, scene.driving, voice_opt_in=opted_in)
    if objection is None:
        return None
    return Refusal(Stage.SAFETY, objection, {"drive": scene.driving.value, "placement": treatment.placement.value})


def _engagement_policy(candidate: Candidate) -> Refusal | None:
    action, holds = candidate.action, candidate.evaluation.holds
    if not holds(action.eligible):
        return _unmet(Stage.ELIGIBILITY, "not_eligible", candidate.evaluation, action.eligible)
    if not holds(action.applicable):
        return _unmet(Stage.APPLICABILITY, "not_applicable", candidate.evaluation, action.applicable)
    if not holds(action.suitable):
        return _unmet(Stage.SUITABILITY, "not_suitable", candidate.evaluation, action.suitable)
    return None


def _unmet(stage: Stage, reason: str, evaluation: Evaluation, source: str) -> Refusal:
    failed = evaluation.holds(source) is None
    detail: dict[str, object] = {"expression": source, "values": evaluation.values(source)}
    return Refusal(stage, "expression_error" if failed else reason, detail)


def _contact_policy(scene: Scene, candidate: Candidate) -> Refusal | None:
    action, holder = candidate.action, candidate.holder
    if action.kind is _MARKETING:
        if action.id in scene.refused_for_good(holder):
            return Refusal(Stage.CONTACT_POLICY, "never_again")
        if (holder, action.id) in scene.awaited:
            return Refusal(Stage.CONTACT_POLICY, "already_accepted")
    taken = scene.taken.get(candidate.treatment.placement)
    if taken is not None and taken <= RANK[action.kind]:
        return Refusal(Stage.CONTACT_POLICY, "placement_taken", {"placement": candidate.treatment.placement.value})
    cap = caps.cap_of(action)
    if cap is not None:
        used = caps.used(scene.memory, holder, scene.unit.id, action, scene.now)
        if used >= cap.count:
            detail: dict[str, object] = {"used": used, "count": cap.count, "within_s": cap.within_s}
            return Refusal(Stage.CONTACT_POLICY, "cap_reached", detail)
    return None
