from dataclasses import replace

import pytest

from gateway.core.campaign import Action, Audience
from gateway.core.errors import ReleaseError
from gateway.core.release import ModelSpec, Waiting
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
    with pytest.raises(ReleaseError, match="action 'pastry' needs either a model or a prior"):
        a_release(actions=[replace(an_action("pastry"), prior=None)])


def test_propensity_never_comes_from_two_places() -> None:
    with pytest.raises(ReleaseError, match="action 'beer' needs either a model or a prior"):
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


def test_steps_are_found_by_the_moment_they_wait_for_last_steps_first() -> None:
    twice, off = a_trigger("Parked", "Parked", within_s=60), a_trigger("DroveOff")
    two_ways, once = replace(an_action("b"), triggers=(twice, off)), an_action("a", moment="Parked")
    in_words = "Parked, then Parked within 60 s"
    assert a_release(actions=[two_ways, once]).waiting == {
        "Parked": (
            Waiting(once, 0, 0, a_trigger("Parked"), "Parked"),
            Waiting(two_ways, 0, 1, twice, in_words),
            Waiting(two_ways, 0, 0, twice, in_words),
        ),
        "DroveOff": (Waiting(two_ways, 1, 0, off, "DroveOff"),),
    }


def test_an_action_that_could_never_be_shown_is_refused() -> None:
    with pytest.raises(ReleaseError, match="no treatment"):
        a_release(actions=[replace(an_action("pastry"), treatments=())])
