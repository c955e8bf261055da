"""Compares what a story says is to follow with what did.

What people see is told exactly: an offer or a withdrawal that no `then` names is a difference. Reasons and moments are
told as far as the story cares: others may be there too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.core.effects import Offer, OfferWithdrawn, Refusal, Verdict
from gateway.edge.scenario.playing import Call, Played, Seen, seen
from gateway.edge.scenario.story import Figure, OfferExpected, RefusalExpected, Then, WithdrawalExpected
from gateway.edge.scenario.words import NOTHING


@dataclass(frozen=True, slots=True)
class Difference:
    """Where what followed is not what was to follow."""

    line: int
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be said after a scene: nothing yet, or the differences since the last time, with what was claimed."""

    claims: int
    differences: tuple[Difference, ...]


def verify(played: Played) -> list[Judgement | None]:
    """Return the judgement after each scene that has a `then`; the last scene is always judged."""
    judgements: list[Judgement | None] = []
    since: list[Call] = list(played.before)
    offers: dict[str, Offer] = {}
    for number, scene in enumerate(played.scenes, start=1):
        since += scene.calls
        offers |= {offer.id: offer for offer in seen(scene.calls).offers}
        then = scene.entry.then
        if then is None and number == len(played.scenes):
            then = Then(scene.entry.line)
        if then is None:
            judgements.append(None)
            continue
        found = _Found(played, seen(since), offers)
        judgements.append(Judgement(then.claims, tuple(found.differences(then))))
        since = []
    return judgements


class _Found:
    """What has followed since the last `then`."""

    def __init__(self, played: Played, what: Seen, offers: Mapping[str, Offer]) -> None:
        self._played = played
        self._what = what
        self._offers = offers

    def differences(self, then: Then) -> Iterator[Difference]:
        """Yield each difference."""
        yield from self._offered(then)
        yield from self._withdrawn(then)
        for expected in then.refused:
            yield from self._refused(expected)
        names = {type(moment).__name__ for moment in self._what.moments}
        shown = ", ".join(sorted(names)) or "nothing was noticed"
        yield from (Difference(line, f"{name} noticed", shown) for name, line in then.noticed if name not in names)
        yield from (Difference(line, f"{name} not noticed", "it was") for name, line in then.unnoticed if name in names)
        for action, line in then.not_considered:
            verdicts = [verdict for verdict in self._verdicts() if verdict.action == action]
            if verdicts:
                yield Difference(line, f"{action} does not even come up", _listed(_said_of(v) for v in verdicts))

    def _verdicts(self) -> list[Verdict]:
        return [verdict for decision in self._what.decisions for verdict in decision.verdicts]

    def _offered(self, then: Then) -> Iterator[Difference]:
        found = _together(self._what.offers)
        expected = list(then.offered)
        if [len(group) for group in expected] != [len(group) for group in found] or not all(
            want.action == got.action
            for wants, gots in zip(expected, found, strict=False)
            for want, got in zip(wants, gots, strict=False)
        ):
            line = expected[0][0].line if expected else then.line
            yield Difference(line, f"offered: {_groups(expected)}", self._instead(expected, found))
            return
        for wants, gots in zip(expected, found, strict=True):
            for want, got in zip(wants, gots, strict=True):
                yield from self._compare(want, got)

    def _instead(self, expected: Sequence[Sequence[OfferExpected]], found: Sequence[Sequence[Offer]]) -> str:
        """Return what was offered, and why what was expected was not."""
        told = f"offered: {_groups(found)}"
        got = {offer.action for group in found for offer in group}
        missing = [want.action for group in expected for want in group if want.action not in got]
        for action in dict.fromkeys(missing):
            verdicts = [verdict for verdict in self._verdicts() if verdict.action == action]
            why = _listed(_said_of(verdict) for verdict in verdicts) if verdicts else "did not come up"
            told += f"; {action}: {why}"
        return told

    def _compare(self, want: OfferExpected, got: Offer) -> Iterator[Difference]:
        to = self._played.casting.name_of(got.holder)
        reward = got.reward.text if got.reward else NOTHING
        pairs = [("on", want.on, got.placement), ("unit", want.unit, got.unit), ("to", want.to, to)]
        for name, wanted, was in pairs:
            if wanted is not None and wanted != was:
                yield Difference(want.line, f"{want.action}, {name}: {wanted}", str(was))
        words = f"{got.title} / {got.body} / {got.call_to_action}"
        for said in want.says:
            if said not in words:
                yield Difference(want.line, f"{want.action} says {said!r}", repr(words))
        if want.reward is not None and not (want.reward == reward if want.reward == NOTHING else want.reward in reward):
            yield Difference(want.line, f"{want.action}, reward: {want.reward}", reward)
        for decision in self._what.decisions:
            for verdict in decision.verdicts if decision.id == got.decision else ():
                if verdict.action == want.action and verdict.refusal is None:
                    yield from _weighed(want.line, want.action, want.weighed, verdict)

    def _withdrawn(self, then: Then) -> Iterator[Difference]:
        found = [(self._action_of(each), each.reason) for each in self._what.withdrawals]
        left = list(found)
        missing: list[WithdrawalExpected] = []
        for want in then.withdrawn:
            got = next((each for each in left if each[0] == want.action and want.reason in {None, each[1]}), None)
            if got is None:
                missing.append(want)
            else:
                left.remove(got)
        shown = _listed(f"{action} ({reason})" for action, reason in found) or NOTHING
        for want in missing:
            reason = f" ({want.reason})" if want.reason else ""
            yield Difference(want.line, f"withdrawn: {want.action}{reason}", f"withdrawn: {shown}")
        if left and not missing:
            wanted = _listed(want.action for want in then.withdrawn) or NOTHING
            yield Difference(then.line, f"withdrawn: {wanted}", f"withdrawn: {shown}")

    def _action_of(self, withdrawal: OfferWithdrawn) -> str:
        offer = self._offers.get(withdrawal.offer)
        return offer.action if offer else withdrawal.offer

    def _refused(self, want: RefusalExpected) -> Iterator[Difference]:
        verdicts = [
            verdict
            for decision in self._what.decisions
            for verdict in decision.verdicts
            if verdict.action == want.action
            and want.on in {None, verdict.placement}
            and want.unit in {None, decision.unit}
        ]
        fitting = [verdict for verdict in verdicts if any(_fits(want, refusal) for refusal in _refusals(verdict))]
        if not fitting:
            shown = _listed(_said_of(verdict) for verdict in verdicts) or "did not come up"
            yield Difference(want.line, f"{want.action} refused: {_wanted(want)}", f"{want.action}: {shown}")
            return
        differences = [list(_weighed(want.line, want.action, want.weighed, verdict)) for verdict in fitting]
        if all(differences):
            yield from differences[0]


def _together(offers: Sequence[Offer]) -> list[list[Offer]]:
    """Return offers in their order, those of a slate in one group."""
    groups: dict[str, list[Offer]] = {}
    for offer in offers:
        groups.setdefault(offer.slate or offer.id, []).append(offer)
    return [sorted(group, key=lambda offer: offer.position) for group in groups.values()]


def _groups(groups: Sequence[Sequence[Offer | OfferExpected]]) -> str:
    said = [" + ".join(offer.action for offer in group) for group in groups]
    return ", ".join(said) or NOTHING


def _refusals(verdict: Verdict) -> list[Refusal]:
    return [*([] if verdict.refusal is None else [verdict.refusal]), *verdict.also]


def _fits(want: RefusalExpected, refusal: Refusal) -> bool:
    if refusal.reason != want.reason or want.stage not in {None, refusal.stage}:
        return False
    missing = object()
    return all(str(refusal.detail.get(name, missing)) == str(value) for name, value in want.values.items())


def _wanted(want: RefusalExpected) -> str:
    stage = f"{want.stage}: " if want.stage else ""
    values = f" with {_listed(f'{name} = {value}' for name, value in want.values.items())}" if want.values else ""
    return f"{stage}{want.reason}{values}{f' on {want.on}' if want.on else ''}"


def _said_of(verdict: Verdict) -> str:
    if verdict.refusal is None:
        return f"chosen on {verdict.placement}"
    values = _listed(f"{name} = {value}" for name, value in verdict.refusal.detail.items())
    return (
        f"{verdict.refusal.stage}: {verdict.refusal.reason}{f' with {values}' if values else ''} on {verdict.placement}"
    )


def _weighed(line: int, action: str, wanted: Mapping[str, Figure], verdict: Verdict) -> Iterator[Difference]:
    for name, figure in wanted.items():
        value: float | None = getattr(verdict, name)
        if value is None or round(value, figure.decimals) != figure.value:
            word = name.replace("_", " ")
            found = "not weighed" if value is None else f"{value:.{figure.decimals + 2}f}"
            yield Difference(line, f"{action}, {word}: {figure.value:.{figure.decimals}f}", found)


def _listed(parts: Iterator[str]) -> str:
    return "; ".join(dict.fromkeys(parts))
