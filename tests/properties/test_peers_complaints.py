"""What users of other systems complain about in caps, each complaint a test through the whole engine.

A person called Anna stands at a till, agrees to everything, and something is offered to her on the way under test; it
is presented, and then everything happens once more.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.campaign import Follows, Kind, Placement
from gateway.core.events import (
    Event,
    FactsChanged,
    FenceReported,
    Outcome,
    Role,
)
from gateway.core.steps import Absence, Challenge, Step, Trigger
from gateway.core.terms import Calendar, Cap, ContactPolicy, Group, Per
from gateway.core.units import DAY_MS, MINUTE_MS
from gateway.testing.engines import (
    agreement,
    an_action,
    identified,
    offers_in,
)
from gateway.testing.place import (
    ANNA,
    BEN,
    ONCE_A_DAY,
    OTHER_TILL,
    TILL,
    Place,
    a_visit,
    capped,
    enters,
    goes_elsewhere,
)
from gateway.testing.shell import Restarted, SetBack
from gateway.wire.campaigns import check
from gateway.wire.credentials import keyed_hash

ENTER, EXIT = Step("FenceEntered"), Step("FenceExited")


def a_visit_that_lasts(place: Place, unit: str) -> None:
    place.happens(enters(unit))
    place.waits(2 * MINUTE_MS)
    place.happens(FenceReported(unit, 0, exited=("cafe",)))


def two_visits(place: Place, unit: str) -> None:
    a_visit(place, unit)
    a_visit(place, unit)


def a_question_answered(place: Place, unit: str) -> None:
    """Something is asked, as a service, and answered with yes: what follows it is offered then."""
    before = len(place.offered("asked"))
    a_visit(place, unit)
    if len(place.offered("asked")) > before:
        asked = [offer.id for offer in offers_in(place.effects) if offer.action == "asked"][-1]
        place.reported(Outcome.ACCEPTED, asked, unit)


WAYS: dict[str, tuple[Trigger, Callable[[Place, str], None]]] = {
    "single moment": (Trigger((ENTER,)), a_visit),
    "condition": (Trigger((replace(ENTER, condition="moment.fence == 'cafe'"),)), a_visit),
    "sequence": (Trigger((ENTER, EXIT), 600), a_visit),
    "unless": (Trigger((ENTER, EXIT), 600, unless=(Step("DroveOff"),)), a_visit),
    "count": (Trigger((replace(ENTER, times=2),), 600), two_visits),
    "per subject": (Trigger((ENTER, EXIT), 600, per=Per.SUBJECT), a_visit),
    "count per subject": (Trigger((replace(ENTER, times=2),), 600, per=Per.SUBJECT), two_visits),
    "absence by timer": (Trigger((ENTER,), absence=Absence(EXIT, 60)), a_visit_that_lasts),
    "absence per subject": (Trigger((ENTER,), absence=Absence(EXIT, 60), per=Per.SUBJECT), a_visit_that_lasts),
    "challenge": (Trigger((Step("ChallengeAdvanced", challenge="visits"),)), a_visit),
}
CHALLENGE = Challenge("visits", ENTER, 9, Calendar.MONTH)


def stays(place: Place) -> str:
    del place
    return TILL


def restarts(place: Place) -> str:
    place.happens(Restarted())
    return TILL


MEANWHILE = (stays, restarts, goes_elsewhere)


def tried_twice(place: Place, visit: Callable[[Place, str], None], meanwhile: Callable[[Place], str]) -> None:
    place.comes(ANNA)
    visit(place, TILL)
    place.reported(Outcome.PRESENTED)
    place.waits(10 * MINUTE_MS)
    visit(place, meanwhile(place))


@pytest.mark.parametrize("meanwhile", MEANWHILE)
@pytest.mark.parametrize("way", WAYS)
def test_no_way_to_an_offer_ignores_its_cap(way: str, meanwhile: Callable[[Place], str]) -> None:
    trigger, visit = WAYS[way]
    place = Place(capped(trigger), challenges=[CHALLENGE])
    tried_twice(place, visit, meanwhile)
    assert place.offered() == [ANNA]
    assert set(place.reasons()) == {"cap_reached"}


@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_what_follows_another_offer_is_capped_like_any(meanwhile: Callable[[Place], str]) -> None:
    asked = an_action("asked", kind=Kind.SERVICE, moment="FenceEntered", placements=[Placement.KIOSK_SCREEN])
    follower = replace(capped(Trigger((ENTER,))), triggers=(), follows=Follows("asked", Outcome.ACCEPTED, 60))
    place = Place(asked, follower)
    tried_twice(place, a_question_answered, meanwhile)
    assert len(place.offered("asked")) == 2
    assert place.offered() == [ANNA]
    assert place.reasons()[-1] == "cap_reached"


@pytest.mark.parametrize("meanwhile", MEANWHILE)
def test_what_is_shown_beside_another_offer_is_capped_like_any(meanwhile: Callable[[Place], str]) -> None:
    first = replace(an_action("first", moment="FenceEntered", placements=[Placement.KIOSK_SCREEN]), value=9.0)
    shown = replace(first, group="slate", valid_for_s=60)
    place = Place(shown, replace(capped(Trigger((ENTER,))), group="slate"), groups=[Group("slate", slate=2)])
    tried_twice(place, a_visit, meanwhile)
    assert len(place.offered("first")) == 2
    assert place.offered() == [ANNA]


@pytest.mark.parametrize("level", ["action", "group", "all"])
def test_each_level_of_contact_policy_binds(level: str) -> None:
    action = replace(capped(Trigger((ENTER,))), group="g", contact=ONCE_A_DAY if level == "action" else ContactPolicy())
    group = Group("g", ONCE_A_DAY if level == "group" else ContactPolicy())
    place = Place(action, groups=[group], contact=ONCE_A_DAY if level == "all" else ContactPolicy())
    tried_twice(place, a_visit, stays)
    assert (place.offered(), set(place.reasons())) == ([ANNA], {"cap_reached"})


@pytest.mark.parametrize("kind", [Kind.SERVICE, Kind.SAFETY])
def test_what_must_be_said_is_not_capped_by_what_marketing_may_say(kind: Kind) -> None:
    said = replace(
        an_action("said", kind=kind, moment="FenceEntered", placements=[Placement.KIOSK_SCREEN]),
        contact=ONCE_A_DAY,
        valid_for_s=1,
    )
    place = Place(
        said, capped(Trigger((ENTER,))), contact=ContactPolicy((Cap(1, within_s=86_400),), cool_down_s=86_400)
    )
    place.comes(ANNA)
    for _ in range(20):
        a_visit(place, TILL)
        place.reported(Outcome.DECLINED)
    assert place.offered("said") == [ANNA] * 20


CAMPAIGN = """
campaign: tried
actions:
  - id: pastry
    kind: marketing
    audience: subject
    when: [{moment: Parked}]
    propensity: {prior: 0.3}
    value: 1
    annoyance: 0
    cap: CAP
    treatments: [{placement: driver_screen, language: en, title: A title, body: A body}]
"""


def problems_with(folder: Path, cap: str) -> list[str]:
    path = folder / "campaign.yaml"
    path.write_text(CAMPAIGN.replace("CAP", cap), encoding="utf-8")
    return [str(problem) for problem in check([path])]


@pytest.mark.parametrize("cap", ["0", "{count: 0, within: 1 d}", "{count: 0, each: day}", "{count: -1, each: day}"])
def test_a_cap_of_nought_is_refused_where_it_is_written(tmp_path: Path, cap: str) -> None:
    assert problems_with(tmp_path, cap) != []


def test_no_limit_is_written_in_so_many_words(tmp_path: Path) -> None:
    assert problems_with(tmp_path, "unlimited") == []


def test_a_cap_of_nought_would_never_mean_no_limit() -> None:
    place = Place(replace(capped(Trigger((ENTER,))), contact=ContactPolicy((Cap(0, within_s=60),))))
    place.comes(ANNA)
    a_visit(place, TILL)
    assert place.offered() == []


def test_unlimited_is_unlimited() -> None:
    place = Place(replace(capped(Trigger((ENTER,))), contact=ContactPolicy(), valid_for_s=1))
    place.comes(ANNA)
    for _ in range(20):
        a_visit(place, TILL)
    assert place.offered() == [ANNA] * 20


def repeated(events: Iterable[Event], *, restarted: bool) -> Place:
    """Let each event be delivered twice, the second time after a restart if asked for."""
    place = Place(replace(capped(Trigger((ENTER,))), contact=ContactPolicy(), valid_for_s=3600))
    for event in events:
        place.happens(event)
        if restarted:
            place.delivered(Restarted())
        place.delivered(replace(event, ts=place.now))
    return place


@pytest.mark.parametrize("restarted", [False, True])
def test_what_is_delivered_twice_is_sent_once(restarted: bool) -> None:  # noqa: FBT001 -- a case
    visit = FenceReported(TILL, 0, entered=("cafe",))
    place = repeated([identified(ANNA, role=Role.CUSTOMER, unit=TILL), visit], restarted=restarted)
    assert place.offered() == [ANNA]


def test_an_answer_that_is_delivered_twice_counts_once() -> None:
    place = Place(replace(capped(Trigger((ENTER,))), contact=ContactPolicy((Cap(2, within_s=86_400),))))
    place.comes(ANNA)
    a_visit(place, TILL)
    place.reported(Outcome.PRESENTED)
    place.reported(Outcome.PRESENTED)
    place.waits(10 * MINUTE_MS)
    a_visit(place, TILL)
    assert place.offered() == [ANNA, ANNA]


def test_a_restart_sends_nothing_again() -> None:
    place = Place(replace(capped(Trigger((ENTER,))), contact=ContactPolicy(), valid_for_s=3600))
    place.comes(ANNA)
    a_visit(place, TILL)
    for _ in range(5):
        place.happens(Restarted())
        place.waits(MINUTE_MS)
    assert place.offered() == [ANNA]


def test_a_cap_counts_a_person_wherever_they_are() -> None:
    place = Place(capped(Trigger((ENTER,))))
    tried_twice(place, a_visit, goes_elsewhere)
    assert place.offered() == [ANNA]


def test_a_cap_that_one_person_has_reached_leaves_room_for_another() -> None:
    place = Place(capped(Trigger((ENTER,))))
    tried_twice(place, a_visit, stays)
    place.goes()
    place.comes(BEN)
    a_visit(place, TILL)
    assert place.offered() == [ANNA, BEN]


def test_a_person_at_two_units_at_once_is_one_person() -> None:
    place = Place(capped(Trigger((ENTER,))))
    place.comes(ANNA)
    place.comes(ANNA, OTHER_TILL)
    a_visit(place, TILL)
    a_visit(place, OTHER_TILL)
    assert place.offered() == [ANNA]


def of_household(person: str, household: str) -> FactsChanged:
    return FactsChanged(TILL, 0, person, {"household": household}, f"f.{person}")


def test_a_cap_per_household_counts_all_of_it() -> None:
    per_household = ContactPolicy((Cap(1, within_s=86_400, per=Per.HOUSEHOLD),))
    place = Place(replace(capped(Trigger((ENTER,))), contact=per_household))
    place.happens(of_household(ANNA, "h.1"), of_household(BEN, "h.1"))
    tried_twice(place, a_visit, stays)
    place.goes()
    place.comes(BEN)
    a_visit(place, TILL)
    assert place.offered() == [ANNA]


def test_a_household_that_is_told_of_during_a_visit_counts_at_once() -> None:
    per_household = ContactPolicy((Cap(1, within_s=86_400, per=Per.HOUSEHOLD),))
    place = Place(replace(capped(Trigger((ENTER,))), contact=per_household))
    place.happens(of_household(ANNA, "h.1"))
    tried_twice(place, a_visit, stays)
    place.goes()
    place.comes(BEN)
    place.happens(of_household(BEN, "h.1"))
    a_visit(place, TILL)
    assert place.offered() == [ANNA]


def test_a_clock_that_ran_ahead_and_is_set_back_frees_no_cap() -> None:
    place = Place(capped(Trigger((ENTER,))))
    tried_twice(place, a_visit, stays)
    place.now += 30 * DAY_MS
    place.happens(Restarted())
    a_visit(place, TILL)
    place.now -= 30 * DAY_MS
    place.happens(SetBack(30 * DAY_MS))
    place.waits(MINUTE_MS)
    offered = len(place.offered())
    a_visit(place, TILL)
    assert len(place.offered()) == offered


@pytest.mark.parametrize("written", ["CARD-0042", "card-0042 ", " Card-0042\n", "\uff23ard-0042"])
def test_a_card_is_one_person_however_its_number_is_written(written: str) -> None:
    key = b"sixteen bytes or more"
    assert keyed_hash(written, key) == keyed_hash("card-0042", key)


def test_subject_ids_are_taken_as_they_are() -> None:
    place = Place(capped(Trigger((ENTER,))))
    for person in ("s.Cleo", "s.cleo"):
        place.happens(*agreement(person, unit=TILL))
        place.comes(person)
        a_visit(place, TILL)
        place.goes()
    assert place.offered() == ["s.Cleo", "s.cleo"]
