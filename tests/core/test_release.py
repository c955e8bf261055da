from dataclasses import replace

import pytest

from gateway.core.campaign import Action, Audience, Follows
from gateway.core.errors import ReleaseError
from gateway.core.events import Outcome
from gateway.core.patterns import UNFILTERED, Named
from gateway.core.release import ModelSpec, Release, compile_release
from gateway.core.steps import Absence, Challenge, Step, Trigger
from gateway.core.terms import Calendar, ContactPolicy, Group, Per
from gateway.testing.engines import a_fence, a_release, a_trigger, an_action

PERSONAL = ModelSpec("coupon", "1", ("hour", "visits_bar"), ("bar",))
IMPERSONAL = ModelSpec("crowd", "1", ("hour", "alone"), ("bar", "coffee_house"))
BY_MODEL = replace(an_action("beer"), model="coupon", category="bar", prior=None)


def test_a_release_holds_what_it_was_made_of_by_name() -> None:
    fence, pastry = a_fence("station"), an_action("pastry")
    release = a_release("r7", fences=[fence], actions=[pastry], models=[PERSONAL])
    assert (release.id, release.counter) == ("r7", 1)
    assert release.fences == {"station": fence}
    assert release.actions == {"pastry": pastry}
    assert release.models == {"coupon": PERSONAL}
    assert release.index.fences == (fence,)
    assert release.expressions.evaluation({}).holds("") is True


def test_an_empty_release_is_a_release() -> None:
    release = a_release()
    assert (len(release.index), dict(release.waiting), dict(release.by_beacon)) == (0, {}, {})


def test_a_beacon_finds_its_fence() -> None:
    shelf, station = replace(a_fence("shelf"), beacon="b1"), a_fence("station")
    assert a_release(fences=[shelf, station]).by_beacon == {"b1": shelf}


def test_an_id_that_stands_twice_is_refused() -> None:
    with pytest.raises(ReleaseError, match=r"^fence 'station' stands twice$"):
        a_release(fences=[a_fence("station"), a_fence("station", radius_m=5.0)])
    with pytest.raises(ReleaseError, match=r"^action 'pastry' stands twice$"):
        a_release(actions=[an_action("pastry"), an_action("pastry")])
    with pytest.raises(ReleaseError, match=r"^model 'coupon' stands twice$"):
        a_release(models=[PERSONAL, PERSONAL])


@pytest.mark.parametrize(
    "faulty",
    [
        replace(an_action(), eligible="bogus > 1"),
        replace(an_action(), applicable="bogus > 1"),
        replace(an_action(), suitable="bogus > 1"),
    ],
)
def test_a_faulty_expression_is_refused_wherever_it_stands(faulty: Action) -> None:
    with pytest.raises(ReleaseError, match="unknown name 'bogus'"):
        a_release(actions=[faulty])


def test_a_model_that_wants_what_is_not_known_is_refused() -> None:
    model = replace(IMPERSONAL, features=("hour", "shoe_size", "income"))
    with pytest.raises(ReleaseError, match=r"model 'crowd' wants features .* know: shoe_size, income$"):
        a_release(models=[model])


def test_propensity_never_comes_from_nowhere() -> None:
    with pytest.raises(ReleaseError, match="action 'pastry' needs a model, a prior, or a prepared list"):
        a_release(actions=[replace(an_action("pastry"), prior=None)])


def test_propensity_never_comes_from_two_places() -> None:
    with pytest.raises(ReleaseError, match="action 'beer' needs a model, a prior, or a prepared list"):
        a_release(actions=[replace(BY_MODEL, prior=0.5)], models=[PERSONAL])


def test_a_prior_of_zero_is_a_prior() -> None:
    assert a_release(actions=[replace(an_action("pastry"), prior=0.0)]).actions["pastry"].prior == 0.0


def test_an_action_names_a_model_of_its_release() -> None:
    assert a_release(actions=[BY_MODEL], models=[PERSONAL]).actions == {"beer": BY_MODEL}
    with pytest.raises(ReleaseError, match="action 'beer' names the model 'coupon', which is not in the release"):
        a_release(actions=[BY_MODEL], models=[IMPERSONAL])


@pytest.mark.parametrize("category", [None, "coffee_house"])
def test_an_action_names_a_category_of_its_model(category: str | None) -> None:
    with pytest.raises(ReleaseError, match=f"action 'beer': the model 'coupon' has no category {category!r}"):
        a_release(actions=[replace(BY_MODEL, category=category)], models=[PERSONAL])


def test_a_model_for_anyone_reads_nothing_of_a_subject() -> None:
    anyone = replace(BY_MODEL, audience=Audience.ANYONE)
    with pytest.raises(ReleaseError, match="action 'beer' is for anyone, but its model reads of a subject: visits_bar"):
        a_release(actions=[anyone], models=[PERSONAL])
    assert a_release(actions=[replace(anyone, model="crowd")], models=[IMPERSONAL]).actions["beer"].model == "crowd"


def test_an_expression_for_anyone_reads_nothing_of_a_subject() -> None:
    anyone = replace(an_action("a", audience=Audience.ANYONE), suitable="has(facts.vip)")
    with pytest.raises(ReleaseError, match="'facts' reads of a subject, but the action is for anyone"):
        a_release(actions=[anyone])
    subject = replace(an_action("b"), suitable="has(facts.vip)")
    with pytest.raises(ReleaseError, match="the action is for anyone"):
        a_release(actions=[subject, anyone])
    assert set(a_release(actions=[subject, replace(anyone, suitable="known")]).actions) == {"a", "b"}


def items(release: Release, moment: str) -> dict[Named, list[str]]:
    return {named: [each.item for each in found] for named, found in release.waiting[moment].items()}


def test_patterns_are_found_by_the_moments_they_wait_for() -> None:
    twice, off = a_trigger("Parked", "Parked", within_s=60), a_trigger("DroveOff")
    two_ways, once = replace(an_action("b"), triggers=(twice, off)), an_action("a", moment="Parked")
    release = a_release(actions=[two_ways, once])
    assert items(release, "Parked") == {UNFILTERED: ["a/0", "b/0"]}
    assert items(release, "DroveOff") == {UNFILTERED: ["b/1"]}
    assert [each.described for each in release.waiting["Parked"][UNFILTERED]] == [
        "Parked",
        "Parked, then Parked within 60 s",
    ]


def test_patterns_are_found_by_the_narrowest_filter_of_each_step() -> None:
    steps = (
        Step("FenceEntered", fence_kind="cafe", fence="bistro"),
        Step("FenceEntered", fence_kind="cafe", tag="partner"),
    )
    absence = Absence(Step("OfferRedeemed", action="pastry"), 60)
    pattern = Trigger(steps, 60, unless=(Step("FactChanged", fact="basket"),), absence=absence)
    release = a_release(actions=[replace(an_action("a"), triggers=(pattern,))])
    assert items(release, "FenceEntered") == {("fence", "bistro"): ["a/0"], ("tag", "partner"): ["a/0"]}
    assert items(release, "FactChanged") == {("fact", "basket"): ["a/0"]}
    assert items(release, "OfferRedeemed") == {("action", "pastry"): ["a/0"]}


def test_only_patterns_that_remember_something_are_kept_by_name() -> None:
    remembered = replace(an_action("a"), triggers=(a_trigger("Parked"), a_trigger("Parked", "DroveOff", within_s=60)))
    assert list(a_release(actions=[remembered]).patterns) == ["a/1"]


def test_the_fingerprint_of_a_pattern_is_that_of_its_definition() -> None:
    def form_of(pattern: Trigger, value: float = 1.0) -> int:
        action = replace(an_action("a"), triggers=(pattern,), value=value)
        return a_release(actions=[action]).patterns["a/0"].form

    pattern = a_trigger("Parked", "DroveOff", within_s=60)
    assert form_of(pattern) == form_of(a_trigger("Parked", "DroveOff", within_s=60), value=2.0)
    assert form_of(pattern) != form_of(a_trigger("Parked", "DroveOff", within_s=61))


def test_a_plain_pattern_is_a_sequence_at_a_unit_and_nothing_more() -> None:
    def is_plain(pattern: Trigger) -> bool:
        return a_release(actions=[replace(an_action("a"), triggers=(pattern,))]).patterns["a/0"].is_plain

    plain = a_trigger("Parked", "DroveOff", within_s=60)
    assert is_plain(plain)
    assert not is_plain(replace(plain, per=Per.SUBJECT))
    assert not is_plain(replace(plain, unless=(Step("DroveOff"),)))
    assert not is_plain(replace(plain, absence=Absence(Step("DroveOff"), 5)))
    assert not is_plain(replace(plain, steps=(Step("Parked", times=2),)))
    assert not is_plain(replace(plain, steps=(Step("Parked"), Step("DroveOff", condition="true"))))


@pytest.mark.parametrize(
    ("outcome", "moment"),
    [
        (Outcome.ACCEPTED, "OfferAccepted"),
        (Outcome.REDEEMED, "OfferRedeemed"),
        (Outcome.DECLINED, "OfferDeclined"),
    ],
)
def test_the_outcome_that_an_action_follows_is_an_occasion(outcome: Outcome, moment: str) -> None:
    follower = replace(an_action("cake"), triggers=(), follows=Follows("pastry", outcome, 180))
    release = a_release(actions=[an_action("pastry"), follower])
    assert items(release, moment) == {("action", "pastry"): ["cake/follows"]}
    (waiting,) = release.waiting[moment]["action", "pastry"]
    assert waiting.described == f"after pastry {outcome}"
    assert release.followed == {("pastry", outcome)}


def test_an_outcome_that_nobody_notices_cannot_be_followed() -> None:
    follower = replace(an_action("cake"), follows=Follows("pastry", Outcome.SEEN, 180))
    with pytest.raises(ReleaseError, match="action 'cake' follows an offer that was seen: nobody notices that"):
        a_release(actions=[follower])


def test_a_faulty_condition_is_refused_wherever_it_stands() -> None:
    faulty = Step("Parked", condition="moment.fense == 'a'")
    for pattern in (
        Trigger((faulty,)),
        Trigger((Step("DroveOff"),), unless=(faulty,)),
        Trigger((Step("DroveOff"),), absence=Absence(faulty, 60)),
    ):
        with pytest.raises(ReleaseError, match=r"condition .*: 'moment' is a Parked, which has no 'fense'"):
            a_release(actions=[replace(an_action("a"), triggers=(pattern,))])
    with pytest.raises(ReleaseError, match="no 'fense'"):
        compile_release("r", 1, [], [], [], challenges=[Challenge("c", faulty, 3, Calendar.WEEK)])


def test_challenges_are_found_by_the_moment_they_count_and_where() -> None:
    visits, stops = Step("FenceDwelled", fence_kind="cafe"), Step("Parked")
    challenges = [Challenge(id_, step, 3, Calendar.WEEK) for id_, step in (("b", visits), ("a", visits), ("c", stops))]
    counting = compile_release("r", 1, [], [], [], challenges=challenges).counting
    found = {m: {named: [c.id for c in each] for named, each in where.items()} for m, where in counting.items()}
    assert found == {"FenceDwelled": {("fence_kind", "cafe"): ["b", "a"]}, "Parked": {UNFILTERED: ["c"]}}


def test_an_action_names_a_group_of_its_release() -> None:
    grouped = replace(an_action("a"), group="coffee", contact=ContactPolicy(cool_down_s=60))
    with pytest.raises(ReleaseError, match="action 'a' names the group 'coffee', which is not in the release"):
        a_release(actions=[grouped])
    coffee = Group("coffee", ContactPolicy(cool_down_s=30))
    release = compile_release("r", 1, [], [grouped], [], groups=[coffee])
    assert release.levels(grouped) == (("a", grouped.contact), ("+coffee", coffee.contact), ("*", ContactPolicy()))
    assert [level for level, _ in release.levels(an_action("b"))] == ["b", "*"]


def test_a_prepared_list_is_a_subjects() -> None:
    prepared = replace(an_action("a"), prior=None, prepared=True)
    assert a_release(actions=[prepared]).actions["a"].prepared
    with pytest.raises(ReleaseError, match="action 'a' is for anyone, but a prepared list is a subject's"):
        a_release(actions=[replace(prepared, audience=Audience.ANYONE)])


def test_an_action_that_could_never_be_shown_is_refused() -> None:
    with pytest.raises(ReleaseError, match="no treatment"):
        a_release(actions=[replace(an_action("pastry"), treatments=())])
