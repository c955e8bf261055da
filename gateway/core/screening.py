"""Between "something happened" and "what is best": what is allowed, and kind.

The steps are asked in a fixed order and the first refusal stands; all of them are told where that is asked for:

 1. kind             is it within its dates; does a service or safety action carry a reward?
 2. addressee        is it for whom this placement belongs to; can nobody else read what is personal?
 3. consent          does the holder agree to every purpose it needs? (marketing only)
 4. safety           may it be shown in this driving state?
 5. eligibility      does its strict expression hold?
 6. applicability    is it open after what it follows; is there a place it can point to; does its expression hold?
 7. suitability      is it kind: does its expression hold?
 8. facts            are the facts it rests on known, and new enough; can its words be said, and have they room?
 9. contact_policy   never again, cool-down, suppression, caps (marketing only); already accepted; placement taken
10. budget           is there a discount to give; can its reward still be paid?
"""

from collections.abc import Callable, Sequence
from functools import cached_property

from gateway.core import budget, caps, chains, consent, context, discount, facts, offers, safety
from gateway.core.campaign import RANK, Action, Audience, Kind
from gateway.core.candidate import Candidate, age_s
from gateway.core.drive import Driving
from gateway.core.effects import Refusal, Stage
from gateway.core.events import SESSION, Purpose
from gateway.core.facts import Basis
from gateway.core.turn import Turn
from gateway.core.units import Instant

# Looked up once: a member costs a call into its enumeration each time.
_MARKETING, _WARNING, _SUBJECT, _PARKED = Kind.MARKETING, Kind.SAFETY, Audience.SUBJECT, Driving.PARKED


class Scene:
    """Where and when candidates are screened, with what they all have in common looked up once."""

    def __init__(self, turn: Turn, unit: context.Unit) -> None:
        self.memory = turn.memory
        self.release = turn.release
        self.now = turn.now
        self.unit = unit
        self.driving = context.drive_of(self.memory, unit.id).state
        self.taken = offers.standing(self.memory, unit.id)
        self._missing: dict[tuple[str, tuple[bool, ...]], Purpose | None] = {}
        self._contacts: dict[str, caps.Contacts] = {}
        self._opted_in: dict[str, bool] = {}

    @cached_property
    def awaited(self) -> set[tuple[str, str]]:
        """Holder and action of each offer that is accepted and not yet redeemed."""
        return offers.awaited(self.memory, self.unit.id)

    def missing_consent(self, holder: str, action: Action) -> Purpose | None:
        """Return the first purpose that an action needs and the holder does not agree to now, or None."""
        key = (holder, (action.kind is _MARKETING, action.needs_location, action.reads_person))
        if key not in self._missing:
            needed, memory, unit = consent.purposes_of(action), self.memory, self.unit.id
            refused = (each for each in needed if not consent.granted(memory, holder, unit, each, self.now))
            self._missing[key] = next(refused, None)
        return self._missing[key]

    def contacts(self, holder: str) -> caps.Contacts:
        """Return how often the holder was bothered."""
        if holder not in self._contacts:
            self._contacts[holder] = caps.Contacts(self.memory, self.release, self.unit, holder, self.now)
        return self._contacts[holder]

    def voice_opt_in(self, holder: str) -> bool:
        """Return whether the holder agreed to be spoken to while driving."""
        if holder not in self._opted_in:
            known = facts.of_subject(self.memory, holder, self.unit.id, self.now, Basis.RECORD)
            fact = known.get(facts.VOICE_OPT_IN)
            self._opted_in[holder] = fact is not None and fact.value is True
        return self._opted_in[holder]


def screen(scene: Scene, candidate: Candidate) -> Refusal | None:
    """Return the first refusal of a candidate, or None: it is permitted."""
    # Most steps have nothing to ask of most actions: to know that here saves the call.
    action = candidate.action
    return (
        (_kind(scene, candidate) if action.is_bounded or action.reward else None)
        or _addressee(scene, candidate)
        or (_consent(scene, candidate) if action.kind is _MARKETING else None)
        or (_safety(scene, candidate) if scene.driving is not _PARKED else None)
        or (None if _holds(candidate, action.eligible) else _eligibility(scene, candidate))
        or (_applicability(scene, candidate) if action.follows or action.nearest else None)
        or (None if _holds(candidate, action.applicable) else _applicability(scene, candidate))
        or (None if _holds(candidate, action.suitable) else _suitability(scene, candidate))
        or (_facts(scene, candidate) if action.facts or action.is_worded else None)
        or _contact_policy(scene, candidate)
        or (_budget(scene, candidate) if action.reward else None)
    )


def screen_whole(scene: Scene, candidate: Candidate) -> list[Refusal]:
    """Return the refusal of every step that refuses a candidate, in their order."""
    refusals = (step(scene, candidate) for step in _STEPS)
    return [refusal for refusal in refusals if refusal is not None]


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
    action, is_session = candidate.action, candidate.addressee.holder == SESSION
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
    missing = scene.missing_consent(candidate.addressee.holder, candidate.action)
    return None if missing is None else Refusal(Stage.CONSENT, "no_consent", {"purpose": missing.value})


def _safety(scene: Scene, candidate: Candidate) -> Refusal | None:
    if scene.driving is _PARKED:
        return None
    treatment, opted_in = candidate.treatment, scene.voice_opt_in(candidate.holder)
    objection = safety.objection(treatment, candidate.role, scene.unit.kind, scene.driving, voice_opt_in=opted_in)
    if objection is None:
        return None
    return Refusal(Stage.SAFETY, objection, {"drive": scene.driving.value, "placement": treatment.placement.value})


def _eligibility(scene: Scene, candidate: Candidate) -> Refusal | None:
    del scene
    return _unmet(Stage.ELIGIBILITY, "not_eligible", candidate, candidate.action.eligible)


def _applicability(scene: Scene, candidate: Candidate) -> Refusal | None:
    action = candidate.action
    if action.follows is not None and follows_until(scene, candidate.holder, action) <= scene.now:
        after: dict[str, object] = {"after": action.follows.action, "outcome": action.follows.outcome.value}
        return Refusal(Stage.APPLICABILITY, "not_following", after | {"within_s": action.follows.within_s})
    if action.nearest is not None and candidate.nearby() is None:
        wanted: dict[str, object] = {"fence_kind": action.nearest.fence_kind, "fact": action.nearest.fact}
        return Refusal(Stage.APPLICABILITY, "nowhere_near", wanted)
    return _unmet(Stage.APPLICABILITY, "not_applicable", candidate, action.applicable)


def follows_until(scene: Scene, holder: str, action: Action) -> Instant:
    """Return until when an action is open after what it follows: `consent.FOR_GOOD` if nothing, 0 if it is not open."""
    if action.follows is None:
        return consent.FOR_GOOD
    return chains.open_until(scene.memory, holder, scene.unit.id, action.follows, scene.now) or 0


def _suitability(scene: Scene, candidate: Candidate) -> Refusal | None:
    del scene
    return _unmet(Stage.SUITABILITY, "not_suitable", candidate, candidate.action.suitable)


def _holds(candidate: Candidate, source: str) -> bool:
    return not source or candidate.addressee.evaluation.holds(source) is True


def _unmet(stage: Stage, reason: str, candidate: Candidate, source: str) -> Refusal | None:
    if _holds(candidate, source):
        return None
    evaluation = candidate.addressee.evaluation
    answer = evaluation.holds(source)
    detail: dict[str, object] = {"expression": source, "values": evaluation.values(source)}
    return Refusal(stage, "expression_error" if answer is None else reason, detail)


def _facts(scene: Scene, candidate: Candidate) -> Refusal | None:
    for need in candidate.action.facts:
        name = f"place.{need.name}" if need.of_place else need.name
        fact = candidate.fact(need.name, of_place=need.of_place)
        if fact is None:
            return Refusal(Stage.FACTS, "fact_unknown", {"fact": name})
        known_for_s = age_s(fact, scene.now)
        if need.max_age_s is not None and known_for_s > need.max_age_s:
            detail: dict[str, object] = {"fact": name, "age_s": known_for_s, "max_age_s": need.max_age_s}
            return Refusal(Stage.FACTS, "fact_too_old", detail)
    unsaid = candidate.unsaid()
    if unsaid is not None:
        return Refusal(Stage.FACTS, "nothing_to_say", {"placeholder": unsaid})
    overlong = candidate.overlong() if candidate.action.is_worded else None
    if overlong is None:
        return None
    length, limit = overlong
    return Refusal(Stage.FACTS, "words_too_long", {"length": length, "limit": limit})


def _contact_policy(scene: Scene, candidate: Candidate) -> Refusal | None:
    action, holder = candidate.action, candidate.addressee.holder
    if action.kind is _MARKETING:
        objection = scene.contacts(holder).objection(action)
        if objection is not None:
            return Refusal(Stage.CONTACT_POLICY, *objection)
        if (holder, action.id) in scene.awaited:
            return Refusal(Stage.CONTACT_POLICY, "already_accepted")
    taken = scene.taken.get(candidate.treatment.placement)
    # A warning may take the place of another: what is newly wrong is kept from nobody.
    rank = RANK[action.kind]
    if taken is not None and (taken < rank or (taken == rank and action.kind is not _WARNING)):
        return Refusal(Stage.CONTACT_POLICY, "placement_taken", {"placement": candidate.treatment.placement.value})
    return None


def _budget(scene: Scene, candidate: Candidate) -> Refusal | None:
    action = candidate.action
    reward = action.reward
    if reward is None:
        return None
    candidate.cost_cents = candidate.price()
    if reward.discount is not None and not candidate.cost_cents:
        return Refusal(Stage.BUDGET, discount.NO_DISCOUNT_DUE, {"risk": "personal", "worth": "personal"})
    refused = budget.objection(scene.memory, action, candidate.cost_cents, scene.now, scene.unit.utc_offset_s)
    if refused is None:
        return None
    reason, detail = refused
    # What a discount comes to tells what its person is worth.
    return Refusal(Stage.BUDGET, reason, detail if reward.discount is None else detail | {"cost_cents": "personal"})


_STEPS: Sequence[Callable[[Scene, Candidate], Refusal | None]] = (
    _kind,
    _addressee,
    _consent,
    _safety,
    _eligibility,
    _applicability,
    _suitability,
    _facts,
    _contact_policy,
    _budget,
)
