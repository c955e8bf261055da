"""The referee: after everything the engine does it says whether a promise was broken.

| promise             | how it is held against the engine                                                 |
|---------------------|-----------------------------------------------------------------------------------|
| consent             | each candidate that passed, each offer while it stands, has every consent it needs |
| safety              | a driver's screen is open while parked, no longer, and then it is                 |
| contact policy      | "never again", cool-downs, suppression, caps: just what the engine says           |
| budget              | what was promised never comes to more than there is                               |
| service and safety  | never refused by what binds marketing, never with a reward                        |
| choice              | the best permitted candidate by rank and net value, if it beats silence           |
| time                | no offer stands past its expiry, none is made twice                               |

A refusal must be as true as a permission: an engine that refuses too much is broken as well.
"""

from collections import Counter
from dataclasses import replace

from gateway.core.campaign import Audience, Kind, Placement
from gateway.core.effects import (
    Decision,
    DecisionRecorded,
    Effect,
    EventIgnored,
    EventRefused,
    MomentNoticed,
    Offer,
    OfferMade,
    OfferWithdrawn,
    OutcomeRecorded,
    Stage,
    Verdict,
)
from gateway.core.events import (
    SESSION,
    ConsentChanged,
    Event,
    FactsChanged,
    Outcome,
    OutcomeReported,
    SignalsReported,
    UnitKind,
    UnitLost,
    UnitRegistered,
)
from gateway.core.release import Release
from gateway.core.units import Instant
from gateway.testing.referee import consents
from gateway.testing.referee.books import Books
from gateway.testing.shell import Activated, Restarted, SetBack, Turned

_RANK = {Kind.SAFETY: 0, Kind.SERVICE: 1, Kind.MARKETING: 2}
_ORDER = {stage: number for number, stage in enumerate(Stage)}
_NO = {Outcome.DECLINED, Outcome.DISMISSED, Outcome.NEVER_AGAIN}
_YES = {Outcome.ACCEPTED, Outcome.REDEEMED}
_LIMITS = {Stage.CONSENT, Stage.SAFETY, Stage.CONTACT_POLICY, Stage.BUDGET}
_FOR_ALL = {"placement_taken"}


class Broken(AssertionError):
    """A promise was broken."""


class Referee:
    """Watches one gateway.

    Attributes:
        counts: What was checked, how often it was at stake, and what the engine refused and why.
    """

    def __init__(self, release: Release) -> None:
        """Begin with a gateway that has just started for the first time."""
        self.counts: Counter[str] = Counter()
        self._books = Books(release)
        self._timers = False

    def watch(self, turned: Turned) -> None:
        """Take in what happened and judge what the engine made of it.

        Raises:
            Broken: A promise was broken.
        """
        self._timers = turned.what is None
        if self._timers:
            for effect in turned.effects:
                self._books.wait(_instant_of(effect), until_after=True)
                self._take(effect)
        if not isinstance(turned.what, SetBack):  # what fell due meanwhile comes after it
            self._books.wait(turned.now)
        if not isinstance(turned.what, Activated | Restarted | SetBack | None):
            self._hear(turned.what, turned)
        for effect in () if self._timers else turned.effects:
            self._take(effect)
        self._interrupted(turned)
        self._judge_standing(turned.now)

    def activate(self, release: Release) -> None:
        """Let another release decide; said before the activation is watched."""
        self._books.activate(release)

    def _interrupted(self, turned: Turned) -> None:
        if isinstance(turned.what, Restarted | SetBack):
            self.counts["restarts"] += 1
            self._books.restart()
        if isinstance(turned.what, SetBack):
            self.counts["set_backs"] += 1
            self._books.set_back(turned.now, turned.what.by_ms)
        self.counts["activations"] += isinstance(turned.what, Activated)

    def _hear(self, event: Event, turned: Turned) -> None:
        books, now = self._books, turned.now
        if any(isinstance(effect, EventRefused) for effect in turned.effects):
            return
        if event.ts > now and not isinstance(event, SignalsReported):
            event = replace(event, ts=now)  # whatever their clock says, people are heard now
        books.presence.hear(event)
        match event:
            case UnitRegistered():
                books.register(event)
            case ConsentChanged():
                if books.consents.hear(event, books.presence.who(event.holder, event.unit)) and event.holder == SESSION:
                    books.presence.speak(event.unit, now)
            case FactsChanged():
                books.hear_facts(event, now)
            case SignalsReported():
                books.car(event.unit).hear(event, now)
            case UnitLost():
                books.car(event.unit).lose()
            case OutcomeReported():
                self._hear_outcome(event, turned)

    def _hear_outcome(self, event: OutcomeReported, turned: Turned) -> None:
        """A stranger who answers is still there."""
        shown, books = self._books.shown.get(event.offer), self._books
        wordless = event.outcome in {Outcome.PRESENTED, Outcome.EXPIRED}
        in_vain = any(isinstance(effect, EventIgnored | EventRefused) for effect in turned.effects)
        if shown is None or wordless or in_vain or shown.offer.holder != SESSION or shown.offer.unit != event.unit:
            return
        if shown.who == books.presence.who(SESSION, event.unit):
            books.presence.speak(event.unit, turned.now)

    def _take(self, effect: Effect) -> None:
        if isinstance(effect, DecisionRecorded):
            self._judge_decision(effect.decision)
        elif isinstance(effect, OfferMade):
            self._judge_offer(effect.offer)
        elif isinstance(effect, OfferWithdrawn):
            shown = self._books.shown[effect.offer]
            self._must(shown.state == "open", "only what is open is withdrawn", effect)
            shown.state = "ended"
            self._books.unseen(shown)
            self.counts[f"withdrawn:{effect.reason}"] += 1
        elif isinstance(effect, OutcomeRecorded):
            self._outcome(effect)

    def _outcome(self, effect: OutcomeRecorded) -> None:
        """Move an offer on, with what that means for what may be said next."""
        books, shown, outcome = self._books, self._books.shown[effect.offer], effect.outcome
        was, seen = shown.state, shown.presented
        if was == "accepted":
            books.accepted.remove(shown)
        if outcome is Outcome.EXPIRED:
            shown.state = "ended"
            if was == "open" and seen:
                books.ignored(shown, effect.at)
            elif not seen:
                books.unseen(shown)
            return
        shown.presented = True
        if was == "ended" and not seen:
            books.seen_after_all(shown, effect.at)
        if outcome is Outcome.ACCEPTED and was == "open":
            shown.state = "accepted"
            books.accepted.append(shown)
        elif outcome in _NO | _YES:
            shown.state = "ended"
        if outcome in _NO | _YES:
            shown.answered = True
            books.answered(shown, effect.at, no=outcome in _NO, never=outcome is Outcome.NEVER_AGAIN)
        self.counts[f"outcome:{outcome.value}"] += 1

    def _judge_decision(self, decision: Decision) -> None:
        self.counts["decisions"] += 1
        at_stake = any(v.refusal is None or v.refusal.stage in _LIMITS for v in decision.verdicts)
        self.counts["decisions_at_stake"] += at_stake
        self._must(decision.id not in self._books.decisions, "a decision is made once", decision.id)
        self._books.decisions.add(decision.id)
        for verdict in decision.verdicts:
            stage = Stage.ARBITRATION if verdict.refusal is None else verdict.refusal.stage
            if verdict.refusal is not None:
                self.counts[f"refused:{stage.value}/{verdict.refusal.reason}"] += 1
            self._judge_kind(verdict, decision)
            if _ORDER[stage] >= _ORDER[Stage.CONSENT]:
                self._judge_consent(verdict, decision)
            if _ORDER[stage] >= _ORDER[Stage.SAFETY]:
                self._judge_safety(verdict, decision)
            if _ORDER[stage] >= _ORDER[Stage.CONTACT_POLICY]:
                self._judge_contact(verdict, decision)
            if _ORDER[stage] >= _ORDER[Stage.BUDGET]:
                self._judge_budget(verdict, decision)
        self._judge_choice(decision)

    def _judge_kind(self, verdict: Verdict, decision: Decision) -> None:
        """Service and safety are bound by nothing that binds marketing."""
        refusal = verdict.refusal
        if verdict.kind is Kind.MARKETING:
            return
        self.counts["checked:service_and_safety"] += 1
        if refusal is None:
            return
        self._must(refusal.stage is not Stage.CONSENT, "service and safety need no consent", verdict, decision)
        self._must(refusal.stage is not Stage.BUDGET, "service and safety cost nothing", verdict, decision)
        if refusal.stage is Stage.CONTACT_POLICY:
            self._must(refusal.reason in _FOR_ALL, "contact policy binds marketing only", verdict, decision)

    def _judge_consent(self, verdict: Verdict, decision: Decision) -> None:
        books = self._books
        holder = books.presence.before(verdict.placement, decision.unit)
        lacking = [
            purpose.value
            for purpose in consents.purposes_of(books.release.actions[verdict.action])
            if not books.agrees(holder, decision.unit, purpose, decision.at)
        ]
        refusal = verdict.refusal
        self.counts["checked:consent"] += verdict.kind is Kind.MARKETING
        if refusal is not None and refusal.stage is Stage.CONSENT:
            self.counts["at_stake:consent"] += 1
            self._must(refusal.detail["purpose"] in lacking, "a consent that is there counts", verdict, decision)
        else:
            self._must(not lacking, "no marketing without every consent it needs", lacking, verdict, decision)

    def _judge_safety(self, verdict: Verdict, decision: Decision) -> None:
        refused = verdict.refusal is not None and verdict.refusal.stage is Stage.SAFETY
        parked = self._books.is_parked(decision.unit, decision.at, at_a_timer=self._timers)
        if verdict.placement is Placement.DRIVER_SCREEN:
            self.counts["checked:driver_screen"] += 1
            self.counts["at_stake:driver_screen"] += refused
            self._must(parked is not refused, "the driver's screen is open while parked only", verdict, decision)
        elif refused:
            self._must(not parked, "what is parked may be spoken to", verdict, decision)

    def _judge_contact(self, verdict: Verdict, decision: Decision) -> None:
        """The first objection must be the one the referee has; none where it has none."""
        books, at = self._books, decision.at
        action = books.release.actions[verdict.action]
        holder = books.presence.before(verdict.placement, decision.unit)
        refusal = verdict.refusal
        said = refusal.reason if refusal is not None and refusal.stage is Stage.CONTACT_POLICY else None
        if verdict.kind is Kind.MARKETING and books.is_vague(action):
            self.counts["passed_over:contact_policy"] += 1
            return
        expected = books.objection(action, holder, decision.unit, verdict.placement, at)
        self.counts["checked:contact_policy"] += 1
        if said is not None:
            self.counts[f"at_stake:{said}"] += 1
        self._must(said == expected, f"contact policy: {expected} is due, {said} was said", verdict, decision)

    def _judge_budget(self, verdict: Verdict, decision: Decision) -> None:
        action, refusal = self._books.release.actions[verdict.action], verdict.refusal
        if action.budget is None or action.reward is None or action.id in self._books.money.vague:
            return
        spent = self._books.money.spent(action, decision.at, self._books.units[decision.unit].utc_offset_s)
        left = max(0, action.budget.total_cents - spent)
        self.counts["checked:budget"] += 1
        if refusal is not None and refusal.reason == "budget_spent":
            self.counts["at_stake:budget"] += 1
            self._must(refusal.detail["left_cents"] == left, f"{left} is left of a budget", verdict, decision)
            # What a discount came to is told to nobody, but it is never more than this.
            discount, cost = action.reward.discount, refusal.detail["cost_cents"]
            most = int(str(cost)) if discount is None else discount.at_most_cents
            self._must(most > left and (discount is None or cost == "personal"), "what can be paid is paid", decision)
        elif action.reward.discount is None and (refusal is None or refusal.stage is not Stage.BUDGET):
            self._must(action.reward.cost_cents <= left, f"only {left} is left of a budget", verdict, decision)

    def _judge_choice(self, decision: Decision) -> None:
        """Rank goes before value, value before silence; safety is never silenced."""
        scored = [verdict for verdict in decision.verdicts if verdict.net_value is not None]
        chosen = [verdict for verdict in scored if verdict.refusal is None]
        self._must(bool(chosen) is (decision.chosen is not None), "what is chosen is not refused", decision)
        worth = [(_RANK[v.kind], -_net_value(v)) for v in scored if _net_value(v) > 0 or v.kind is Kind.SAFETY]
        if not worth or not chosen:
            self._must(bool(worth) is bool(chosen), "silence is beaten by what is worth more", decision)
            return
        best = min((_RANK[verdict.kind], -_net_value(verdict)) for verdict in chosen)
        self._must(best == min(worth), "the best permitted candidate is chosen", decision)
        self.counts["at_stake:choice"] += len(worth) > 1

    def _judge_offer(self, offer: Offer) -> None:
        books = self._books
        action, unit = books.release.actions[offer.action], books.units[offer.unit]
        self.counts["offers"] += 1
        self.counts[f"offers:{offer.kind.value}"] += 1
        self.counts["at_stake:slate"] += bool(offer.position)
        self._must(offer.id not in books.shown, "an offer is made once", offer)
        self._must(offer.decision in books.decisions, "every offer has its decision", offer)
        self._must(offer.holder == books.presence.before(offer.placement, offer.unit), "whom it is for", offer)
        if offer.kind is not Kind.MARKETING:
            self._must(offer.reward is None, "service and safety carry no reward", offer)
        if offer.holder == SESSION:
            self._must(action.audience is Audience.ANYONE, "a session is told what is for anyone", offer)
            self._must(offer.kind is not Kind.MARKETING or unit.contextual_offers, "offers to strangers are off", offer)
        if offer.placement is Placement.DRIVER_SCREEN:
            parked = books.is_parked(offer.unit, offer.made, at_a_timer=self._timers)
            self._must(parked and unit.kind is UnitKind.CAR, "only to the driver of a parked car", offer)
        lacking = [p for p in consents.purposes_of(action) if not books.agrees(offer.holder, offer.unit, p, offer.made)]
        self._must(not lacking, "no marketing without consent", lacking, offer)
        over = books.over_a_cap(offer) if not books.is_vague(action) else None
        self._must(over is None, f"never over a cap: {over}", offer)
        self.counts["at_stake:last_of_a_cap"] += books.is_last_of_a_cap(offer)
        self._must(not books.overspent(offer), "a budget is never overspent", offer)
        rivals = [each for each in books.open_at(offer.unit, offer.placement) if each.offer.slate != (offer.slate or 0)]
        self._must(not rivals, "one thing at a time at a placement", offer, rivals)
        books.show(offer, action)

    def _judge_standing(self, now: Instant) -> None:
        """What stands on a screen may still stand there."""
        books = self._books
        for shown in list(books.standing.values()):
            if shown.state != "open":
                del books.standing[shown.offer.id]
                continue
            offer = shown.offer
            if offer.unit in books.asleep:
                continue
            self.counts["checked:standing"] += 1
            self._must(self._timers or now < offer.expires, "no offer stands past its expiry", shown)
            if offer.placement is Placement.DRIVER_SCREEN:
                parked = books.is_parked(offer.unit, now, at_a_timer=False)
                self._must(parked, "what a driver may not see is taken back", shown)
            lacking = [p for p in shown.purposes if not books.agrees(offer.holder, offer.unit, p, now, sure=True)]
            self._must(not lacking or shown.who != books.presence.who(offer.holder, offer.unit), "withdrawn", shown)
            self._must(shown.who == books.presence.who(offer.holder, offer.unit), "its stranger is gone", shown)

    def _must(self, holds: bool, promise: str, *seen: object) -> None:  # noqa: FBT001 -- it is what is claimed
        if not holds:
            raise Broken(f"{promise}\n  " + "\n  ".join(map(str, seen)))


def _instant_of(effect: Effect) -> Instant:
    """Return when an effect of a timer came to be; 0 where it does not say."""
    match effect:
        case DecisionRecorded():
            return effect.decision.at
        case OfferMade():
            return effect.offer.made
        case OfferWithdrawn() | OutcomeRecorded():
            return effect.at
        case MomentNoticed():
            return effect.moment.at
        case _:
            return 0


def _net_value(verdict: Verdict) -> float:
    p, c, v, l, a = (  # noqa: E741 -- the formula's own letters
        float(factor or 0.0)
        for factor in (verdict.propensity, verdict.context_weight, verdict.value, verdict.lever, verdict.annoyance)
    )
    return p * c * v * l - (1 - p) * a
