"""Random whole releases: actions of every kind with triggers of every form, under contact policies of every level.

What is drawn is dense on purpose: few places, few facts, short windows and low caps, so that limits are reached, what
follows comes to pass, and each reason of a refusal occurs. Everything is valid: what campaign files refuse is not here.
"""

from collections.abc import Sequence
from dataclasses import replace

from gateway.core.campaign import Action, Audience, FactNeed, Follows, Kind, Nearest, Placement, Treatment, Weight
from gateway.core.events import Outcome
from gateway.core.fences.geometry import Circle, Fence
from gateway.core.release import ModelSpec, Release, compile_release
from gateway.core.scoring import ScoringFailed
from gateway.core.steps import Absence, Challenge, Step, Trigger
from gateway.core.terms import Budget, Calendar, Cap, ContactPolicy, Discount, Group, Per, Reward, Suppression
from gateway.core.units import HOUR_MS, Instant, Position
from gateway.testing.drawing import Draw, among, chance, some

START: Instant = 1_767_250_800_000
"""2026-01-01T07:00:00Z: when every random journal begins."""
UNITS = ("car-1", "car-2", "till-1")
FENCES = ("bank-1", "bank-2", "cafe", "station")
SUBJECT_FACTS = ("basket", "risk", "visits", "worth")
PLACE_FACTS = ("price", "stock")
WORKS = "works"
"""The fact of a bank by which it is worth pointing to."""

_KINDS = (*[Kind.MARKETING] * 7, Kind.SERVICE, Kind.SERVICE, Kind.SAFETY)
_WINDOWS_S = (60, 60, 600, 3600, 86_400)
_OFTEN = ("Parked", "FenceEntered", "SubjectArrived", "FactChanged", "DroveOff")
_MOMENTS = (*_OFTEN, *_OFTEN, "FenceExited", "FenceDwelled", "TyrePressureLow", "FuelRanLow", "FenceApproached")
_OF_OFFERS = ("OfferAccepted", "OfferDeclined", "OfferIgnored", "OfferRedeemed")
_OF_CHALLENGES = ("ChallengeAdvanced", "ChallengeMet")
_FOR_ANYONE = (
    "occupants <= 1",
    "hour >= 6",
    "10 / (occupants - 1) > 2",
    "parked",
    "place.stock > 0",
    "'cafe' in fence_kinds",
    "fence_tags.exists(t, t == 'partner')",
    "!fuel_low || weekday < 6",
)
_OF_SUBJECTS = ("facts.visits > 1", "has(facts.basket)", "known && role == 'driver'")
_BODIES = ("Warm, beside the till.", "{moment.unit}", "{place.price} now, told {place.price.age} ago")
_BODIES_OF_SUBJECTS = ("For your {facts.basket}.", "Your {facts.basket} of {facts.basket.age} ago")
_OUTCOMES = (Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.REDEEMED, Outcome.DECLINED)

_MODELS = (
    ModelSpec("habit", "1", ("hour", "alone", "visits_coffee_house", "category_coffee_house"), ("coffee_house",)),
    ModelSpec("moody", "1", ("hour", "alone", "validity_hours"), ("bar",)),
)
"""The first reads of a subject, the second does not and has its moods."""


class MoodyScorer:
    """Answers by what it is asked alone: one model well, the other at times with nothing, nonsense or too much."""

    def score(self, model: str, rows: Sequence[Sequence[float]]) -> list[float]:
        """Return a propensity for each row.

        Raises:
            ScoringFailed: The model is the moody one, and the hour a quarter of the day: `model_unavailable`.
        """
        answers = [min(0.9, 0.3 + 0.2 * sum(value > 0 for value in row)) for row in rows]
        if model != "moody":
            return answers
        mood = int(rows[0][0]) % 8
        if mood == 1:
            raise ScoringFailed("model_unavailable")
        if mood == 3:
            return [*answers, 0.5]
        return [float("nan")] * len(rows) if mood == 5 else answers


def fences() -> list[Fence]:
    """Return a few places in a row, far enough apart that nobody is in two by accident."""
    kinds = {"bank-1": "bank", "bank-2": "bank", "cafe": "cafe", "station": "fuel_station"}
    return [
        Fence(
            name,
            kinds[name],
            name.title(),
            Circle(Position(-122.3 + number / 10, 47.6), 100.0),
            dwell_s=60 if name in {"cafe", "station"} else 0,
            tags=("partner",) if name == "station" else (),
        )
        for number, name in enumerate(FENCES)
    ]


def a_release(draw: Draw) -> Release:
    """Return a release of six to fourteen actions."""
    challenges = _challenges(draw)
    groups = [Group(f"g{number}", _contact(draw), among(draw, (1, 2, 3))) for number in range(draw.whole(0, 2))]
    names = [f"a{number:02}" for number in range(draw.whole(6, 14))]
    actions = [_action(draw, name, names, groups, challenges) for name in names]
    return compile_release(
        "r1", 1, fences(), actions, _MODELS, groups=groups, challenges=challenges, contact=_all(draw)
    )


def another_release(draw: Draw, known: Release, number: int) -> Release:
    """Return what follows a release: some actions are gone, some are changed, and perhaps a contact policy is."""
    groups, challenges = list(known.groups.values()), list(known.challenges.values())
    names = sorted(known.actions)
    kept = [action for action in known.actions.values() if not chance(draw, 10)] or list(known.actions.values())
    actions = [_action(draw, a.id, names, groups, challenges) if chance(draw, 15) else a for a in kept]
    if chance(draw, 20):
        groups = [replace(group, contact=_contact(draw)) for group in groups]
    contact = _all(draw) if chance(draw, 10) else known.contact
    return compile_release(
        f"r{number}", number, fences(), actions, _MODELS, groups=groups, challenges=challenges, contact=contact
    )


def without(known: Release, action: str) -> Release:
    """Return a release that differs in nothing but that it has not got an action."""
    rest = [each for each in known.actions.values() if each.id != action]
    return compile_release(
        known.id,
        known.counter,
        known.fences.values(),
        rest,
        known.models.values(),
        groups=known.groups.values(),
        challenges=known.challenges.values(),
        contact=known.contact,
    )


def _all(draw: Draw) -> ContactPolicy:
    """Return a policy over all marketing that leaves room for something to happen."""
    return _contact(draw, (3, 6, 12)) if chance(draw, 50) else ContactPolicy()


def _challenges(draw: Draw) -> list[Challenge]:
    counted = (Step("FenceEntered", fence_kind="cafe"), Step("SubjectArrived"), Step("FenceDwelled"), Step("Parked"))
    each = (Calendar.DAY, Calendar.WEEK)
    return [
        Challenge(f"c{number}", among(draw, counted), draw.whole(1, 3), among(draw, each))
        for number in range(draw.whole(0, 2))
    ]


def _contact(draw: Draw, counts: Sequence[int] = (1, 1, 2, 3)) -> ContactPolicy:
    caps = tuple(_cap(draw, counts) for _ in range(draw.whole(0, 2)))
    cool_down_s = among(draw, (60, 600, 86_400)) if chance(draw, 30) else 0
    suppression = Suppression(draw.whole(1, 2), among(draw, (600, 86_400))) if chance(draw, 30) else None
    return ContactPolicy(caps, cool_down_s, suppression)


def _cap(draw: Draw, counts: Sequence[int]) -> Cap:
    count, per = among(draw, counts), among(draw, (Per.SUBJECT, *Per))
    if chance(draw, 60):
        return Cap(count, within_s=among(draw, _WINDOWS_S), per=per)
    return Cap(count, each=among(draw, tuple(Calendar)), per=per)


def _action(
    draw: Draw, name: str, names: Sequence[str], groups: Sequence[Group], challenges: Sequence[Challenge]
) -> Action:
    kind = among(draw, _KINDS)
    audience = among(draw, (*[Audience.SUBJECT] * 3, Audience.ANYONE, Audience.ANYONE))
    triggers = tuple(_trigger(draw, kind, audience, names, challenges) for _ in range(draw.whole(1, 2)))
    triggers += (Trigger((Step(among(draw, _OFTEN)),)),)
    for_subject, is_marketing = audience is Audience.SUBJECT, kind is Kind.MARKETING
    action = Action(
        name,
        kind,
        audience,
        triggers,
        _treatments(draw, for_subject=for_subject),
        eligible=_expression(draw, 25, for_subject=for_subject),
        applicable=_expression(draw, 12, for_subject=for_subject),
        suitable=_expression(draw, 12, for_subject=for_subject),
        prior=among(draw, (0.1, 0.4, 0.5, 0.9)),
        value=among(draw, (0.0, 0.5, 1.0, 2.0)),
        annoyance=among(draw, (0.0, 0.1, 0.1, 2.0)),
        lever=among(draw, (1.0, 1.0, 2.0)),
        context_weight=among(draw, (1.0, 1.0, 1.5)),
        weights=(Weight(among(draw, _FOR_ANYONE), 1.5),) if chance(draw, 20) else (),
        facts=_needs(draw, for_subject=for_subject),
        nearest=Nearest("bank", WORKS) if chance(draw, 5) else None,
        follows=_follows(draw, names) if chance(draw, 10) else None,
        fallback=among(draw, (None, "de")),
        valid_for_s=among(draw, (30, 120, 600, 3600)),
        redeem_within_s=among(draw, (60, 3600)),
        starts=START + among(draw, (HOUR_MS, 30 * HOUR_MS)) if chance(draw, 4) else None,
        ends=START + among(draw, (HOUR_MS, 90 * HOUR_MS)) if chance(draw, 3) else None,
    )
    if is_marketing:
        group = among(draw, groups).id if groups and chance(draw, 60) else None
        reward, budget = _reward(draw, for_subject=for_subject)
        action = replace(action, contact=_contact(draw), group=group, reward=reward, budget=budget)
        action = _for_a_slate(action) if group is not None and chance(draw, 50) else action
    elif chance(draw, 5):
        action = replace(action, reward=Reward("gift", "A gift", 100, "EUR"))
    return _with_propensity(draw, action)


def _for_a_slate(action: Action) -> Action:
    """Let an action come up together with others of its group, in the same place."""
    shared = Treatment(Placement.KIOSK_SCREEN, "en", "Title", _BODIES[0]), Treatment(Placement.PHONE, "en", "T", "B")
    others = tuple(t for t in action.treatments if t.placement not in {Placement.KIOSK_SCREEN, Placement.PHONE})
    together = Trigger((Step("SubjectArrived"),)), Trigger((Step("FenceEntered"),))
    return replace(action, treatments=(*others, *shared), triggers=(*action.triggers, *together), annoyance=0.0)


def _with_propensity(draw: Draw, action: Action) -> Action:
    """Let a model or a prepared list say how likely it is, at times."""
    if action.audience is Audience.SUBJECT and chance(draw, 25):
        return replace(action, prepared=True, prior=among(draw, (None, 0.3)))
    if action.audience is Audience.SUBJECT and chance(draw, 15):
        return replace(action, model="habit", category="coffee_house", prior=None)
    return replace(action, model="moody", category="bar", prior=None) if chance(draw, 12) else action


def _reward(draw: Draw, *, for_subject: bool) -> tuple[Reward | None, Budget | None]:
    """Return reward and budget of a marketing action: none, a fixed one, or a personal discount."""
    if chance(draw, 50):
        return None, None
    budget = Budget(among(draw, (299, 300, 550, 1200)), among(draw, (None, Calendar.HOUR, Calendar.DAY)))
    if for_subject and chance(draw, 40):
        discount = Discount("risk", "worth", 0.1, 50, 300)
        return Reward("off", "{amount} off", currency="EUR", discount=discount), budget
    return Reward("coffee", "A coffee", among(draw, (100, 250)), "EUR"), budget if chance(draw, 70) else None


def _expression(draw: Draw, percent: int, *, for_subject: bool) -> str:
    if not chance(draw, percent):
        return ""
    return among(draw, (*_FOR_ANYONE, *_OF_SUBJECTS) if for_subject else _FOR_ANYONE)


def _needs(draw: Draw, *, for_subject: bool) -> tuple[FactNeed, ...]:
    ages = (None, 600, 86_400)
    needs = [FactNeed(among(draw, PLACE_FACTS), of_place=True, max_age_s=among(draw, ages))] if chance(draw, 8) else []
    if for_subject and chance(draw, 15):
        needs.append(FactNeed(among(draw, SUBJECT_FACTS), of_place=False, max_age_s=among(draw, ages)))
    return tuple(needs)


def _follows(draw: Draw, names: Sequence[str]) -> Follows:
    return Follows(among(draw, names), among(draw, _OUTCOMES), among(draw, (60, 600, 3600)))


def _treatments(draw: Draw, *, for_subject: bool) -> tuple[Treatment, ...]:
    placements = some(draw, tuple(Placement), 4) or (Placement.DRIVER_SCREEN, Placement.KIOSK_SCREEN)
    return tuple(
        Treatment(
            placement,
            language,
            "Title",
            _body(draw, for_subject=for_subject),
            personal=for_subject and chance(draw, 30),
            private=chance(draw, 30),
            while_driving=placement is Placement.VOICE and chance(draw, 50),
        )
        for placement in placements
        for language in (("en", "de") if chance(draw, 20) else ("en",))
    )


def _body(draw: Draw, *, for_subject: bool) -> str:
    if not chance(draw, 12):
        return _BODIES[0]
    return among(draw, (*_BODIES, *_BODIES_OF_SUBJECTS) if for_subject else _BODIES)


def _trigger(
    draw: Draw, kind: Kind, audience: Audience, names: Sequence[str], challenges: Sequence[Challenge]
) -> Trigger:
    """Return a pattern: mostly a single moment, else a sequence, a count, with what undoes it, or an absence."""

    def step(bound: str = "", before: str = "") -> Step:
        return replace(_step(draw, kind, names, challenges, before), bound=bound)

    per = Per.SUBJECT if audience is Audience.SUBJECT and chance(draw, 40) else Per.UNIT
    form = draw.whole(0, 9)
    if form < 6:
        return Trigger((step(),), per=per if chance(draw, 50) else Per.UNIT)
    within_s = among(draw, (60, 600, 86_400))
    if form == 6:
        return Trigger((replace(step(), times=draw.whole(2, 3)),), within_s, per=per)
    if form == 7:
        return Trigger((step(bound="first"), step(before="first")), within_s, per=per)
    unless = (step(),) if chance(draw, 60) else ()
    if form == 8:
        return Trigger((step(bound="first"), replace(step(before="first"), times=draw.whole(1, 2))), within_s, unless)
    absence = Absence(step(), among(draw, (60, 3600, 86_400)))
    return Trigger((replace(step(), times=1),), 0, unless, absence, per)


def _step(draw: Draw, kind: Kind, names: Sequence[str], challenges: Sequence[Challenge], before: str) -> Step:
    """Return a moment to wait for, often any of its kind, at times a certain one."""
    pick = draw.whole(0, 19)
    if pick == 19 and kind is not Kind.MARKETING:
        return Step("UseSuspected")
    if pick == 18 and challenges:
        return Step(among(draw, _OF_CHALLENGES), challenge=among(draw, challenges).id)
    if pick >= 15:
        return Step(among(draw, _OF_OFFERS), action=among(draw, names) if chance(draw, 50) else None)
    moment = among(draw, _MOMENTS)
    condition = among(draw, (f"moment.at - {before}.at > 1000", "moment.unit != 'car-2'")) if before else ""
    step = Step(moment, condition=condition if chance(draw, 40) else "")
    if moment == "FactChanged":
        return replace(step, fact=among(draw, (*SUBJECT_FACTS, *PLACE_FACTS)) if chance(draw, 60) else None)
    if moment in {"Parked", "FenceEntered", "FenceExited", "FenceDwelled"} and chance(draw, 40):
        kind_of_place, tag = among(draw, (("cafe", None), ("fuel_station", None), (None, "partner")))
        return replace(step, fence_kind=kind_of_place, tag=tag)
    return step
