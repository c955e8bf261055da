"""An action in one treatment, addressed: what may be read of whom it speaks to, and the words it would say.

What is read of a person names its purpose: for marketing it is `profiling`, and without their agreement there is
nothing to read; for service and safety, the service itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from gateway.core import discount, facts, nearest, wording
from gateway.core.campaign import TEXT_LIMITS, Action, Kind, Nearest, Treatment
from gateway.core.context import Unit, variables
from gateway.core.effects import OfferedReward
from gateway.core.events import Role, Scalar
from gateway.core.facts import Basis, Fact
from gateway.core.moments import Moment
from gateway.core.policy import Evaluation
from gateway.core.turn import Turn
from gateway.core.units import SECOND_MS, Instant


def basis_of(kind: Kind) -> Basis:
    """Return on what an action of this kind may read of a person."""
    return Basis.PROFILING if kind is Kind.MARKETING else Basis.CONTRACT


class Addressee:
    """Whom candidates of one nature speak to at one place, with what is known of them and of the place: read once."""

    def __init__(self, turn: Turn, unit: Unit, role: Role, holder: str, basis: Basis) -> None:
        self.memory = turn.memory
        self.release = turn.release
        self.now = turn.now
        self.unit = unit
        self.role = role
        self.holder = holder
        self.basis = basis
        self._nearby: dict[Nearest, nearest.Nearby | None] = {}

    def nearby(self, wanted: Nearest) -> nearest.Nearby | None:
        """Return the nearest place of what is wanted, or None."""
        if wanted not in self._nearby:
            self._nearby[wanted] = nearest.find(self.memory, self.release, self.unit.id, wanted, self.now)
        return self._nearby[wanted]

    @cached_property
    def evaluation(self) -> Evaluation:
        """What expressions are asked of."""
        known = variables(self.memory, self.release, self.unit, self.role, self.holder, self.now, self.basis)
        return self.release.expressions.evaluation(known)

    @cached_property
    def facts(self) -> Mapping[str, Fact]:
        """What is known of the holder; nothing of a session."""
        return facts.of_subject(self.memory, self.holder, self.unit.id, self.now, self.basis)

    @cached_property
    def place(self) -> Mapping[str, Fact]:
        """What is known of the unit and of the fences it is in."""
        return facts.of_place(self.memory, self.unit.id, self.now)

    @cached_property
    def prepared(self) -> Mapping[str, float]:
        """The centre's list for the holder."""
        return facts.prepared(self.memory, self.holder, self.unit.id, self.now)


@dataclass(slots=True)
class Candidate:
    """An action in one treatment, with whom it would address.

    Attributes:
        about: Whose doing triggered it, where it was somebody's: it is said to nobody else.
        moment: What completed its trigger.
        cost_cents: What its reward would cost; known once it was screened for its budget.
    """

    action: Action
    treatment: Treatment
    addressee: Addressee
    about: str | None = None
    moment: Moment | None = None
    cost_cents: int = 0

    @property
    def holder(self) -> str:
        """Whom it addresses."""
        return self.addressee.holder

    @property
    def role(self) -> Role:
        """In which role it addresses them."""
        return self.addressee.role

    @property
    def evaluation(self) -> Evaluation:
        """What its expressions are asked of."""
        return self.addressee.evaluation

    def price(self) -> int:
        """Return what its reward would cost, in hundredths; 0 without one."""
        reward = self.action.reward
        if reward is None:
            return 0
        return reward.cost_cents if reward.discount is None else discount.amount_cents(reward, self.addressee.facts)

    def nearby(self) -> nearest.Nearby | None:
        """Return the place it points to, or None."""
        wanted = self.action.nearest
        return None if wanted is None else self.addressee.nearby(wanted)

    def unsaid(self) -> str | None:
        """Return the first placeholder in its words for which nothing is known; None: all can be said."""
        for text in self._texts:
            for name in wording.placeholders(text):
                if self._said(name) is None:
                    return name
        return None

    def overlong(self) -> tuple[int, int] | None:
        """Return length and limit of the first of its texts that has no room at its placement once it is said."""
        limits = TEXT_LIMITS[self.treatment.placement]
        lengths = [len(text) for text in self.words()]
        return next(((length, limit) for length, limit in zip(lengths, limits, strict=True) if length > limit), None)

    def words(self) -> tuple[str, str, str]:
        """Return title, body and call to action as they are said now."""
        title, body, call = self.treatment.texts
        return wording.render(title, self._said), wording.render(body, self._said), wording.render(call, self._said)

    def rewarded(self) -> OfferedReward | None:
        """Return the reward as it is given now: worded, with its cost."""
        given = self.action.reward
        if given is None:
            return None
        text = wording.render(given.text, self._said)
        named = any("amount" in wording.placeholders(each) for each in self._texts)
        told = self.cost_cents if named or given.discount is not None else None
        return OfferedReward(given.id, text, self.cost_cents, given.currency, told)

    def as_of(self) -> Instant | None:
        """Return when the oldest fact was told that its words show; None: they show none."""
        shown = [self._fact(name) for text in self._texts for name in wording.placeholders(text)]
        return min((fact.ts for fact in shown if fact is not None), default=None)

    def fact(self, name: str, *, of_place: bool) -> Fact | None:
        """Return a fact of the place or of the holder, or None."""
        return (self.addressee.place if of_place else self.addressee.facts).get(name)

    @property
    def _texts(self) -> tuple[str, ...]:
        """All that is said of it: its treatment's texts and its reward's."""
        reward = self.action.reward
        return self.treatment.texts if reward is None else (*self.treatment.texts, reward.text)

    def _fact(self, placeholder: str) -> Fact | None:
        source, _, rest = placeholder.partition(".")
        if source not in {"facts", "place"}:
            return None
        return self.fact(rest.removesuffix(".age"), of_place=source == "place")

    def _said(self, placeholder: str) -> str | None:
        if placeholder == "amount":
            reward = self.action.reward
            return None if reward is None else wording.amount(self.cost_cents, reward.currency)
        source, _, name = placeholder.partition(".")
        if source == "nearest":
            nearby = self.nearby()
            if nearby is None:
                return None
            return nearby.fence.name if name == "name" else wording.distance(nearby.distance_m)
        if source == "moment":
            carried: Scalar | None = getattr(self.moment, name, None)
            return wording.value(carried) if isinstance(carried, bool | int | float | str) else None
        fact = self._fact(placeholder)
        if fact is None:
            return None
        return wording.age(self.addressee.now - fact.ts) if name.endswith(".age") else wording.value(fact.value)


def age_s(fact: Fact, now: Instant) -> int:
    """Return how long ago a fact was told, in seconds, one that has begun as a whole one; 0 if it is from after now."""
    return -(min(0, fact.ts - now) // SECOND_MS)
