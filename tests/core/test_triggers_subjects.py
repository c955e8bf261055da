"""Patterns per subject: wherever the person is, while they agree to be remembered."""

from dataclasses import replace

import pytest

from gateway.core import consent, triggers
from gateway.core.campaign import Action
from gateway.core.events import ConsentChanged, Purpose
from gateway.core.moments import AbsenceNoticed, FenceDwelled, Moment, OfferRedeemed, Parked, SubjectArrived
from gateway.core.release import Release
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.steps import Absence, Step, Trigger
from gateway.core.terms import Per
from gateway.core.timers import Agenda, TimerKey
from gateway.testing.engines import CAR, a_release, agreement, an_action
from gateway.testing.samples import T0

DAY = 86_400
ANNA, BERT, TILL = "s.anna", "s.bert", "till-1"
BOTH = (Purpose.PROFILING, Purpose.LOCATION_TRIGGERS)
VISIT = Step("FenceDwelled", fence_kind="cafe")
STOP = Step("Parked")


def per_subject(*steps: Step, within_days: int = 30, absent: tuple[Step, int] | None = None) -> Action:
    absence = None if absent is None else Absence(absent[0], absent[1] * DAY)
    pattern = Trigger(steps, within_days * DAY, absence=absence, per=Per.SUBJECT)
    return replace(an_action("coffee"), triggers=(pattern,))


class People:
    """Known people who come and go, under one release."""

    def __init__(self, *actions: Action) -> None:
        self.memory, self.agenda, self.release = Memory(), Agenda(), a_release(actions=actions)

    def agree(self, subject: str, *purposes: Purpose, unit: str = CAR) -> None:
        for event in agreement(subject, *purposes, unit=unit):
            consent.record(self.memory, event)

    def withdraw(self, subject: str, purpose: Purpose, day: float = 0.0) -> None:
        consent.record(self.memory, ConsentChanged(CAR, at(day), "w1", subject, purpose, given=False))
        triggers.forget_unconsented(self.memory, self.agenda, self.release, subject, CAR, at(day))

    def come(self, subject: str, day: float = 0.0, *, unit: str = CAR, role: str = "driver") -> None:
        self.memory.put(StateKey(Scope.UNIT, unit, "presence", role), {"subject": subject, "ts": at(day)})
        triggers.arrive(self.memory, self.agenda, self.release, subject, unit, at(day))

    def go(self, subject: str, *, unit: str = CAR, role: str = "driver") -> None:
        self.memory.put(StateKey(Scope.UNIT, unit, "presence", role), {"subject": None, "ts": at(0)})
        triggers.depart(self.memory, self.agenda, subject)

    def match(self, moment: Moment) -> list[str | None]:
        return [found.about for found in triggers.match(self.memory, self.agenda, self.release, moment)]

    def windows(self, subject: str = ANNA) -> list[str]:
        return list(self.memory.group(Scope.SUBJECT, subject, "window"))


def at(day: float) -> int:
    return T0 + int(day * DAY * 1000)


def dwelled(day: float, unit: str = CAR) -> FenceDwelled:
    return FenceDwelled(unit, at(day), "bistro", "cafe")


def parked(day: float, unit: str = CAR) -> Parked:
    return Parked(unit, at(day), (), ())


def test_a_person_s_visits_count_at_whatever_unit_they_are() -> None:
    people = People(per_subject(replace(VISIT, times=3), within_days=7))
    people.agree(ANNA)
    people.come(ANNA)
    assert people.match(dwelled(0)) == []
    people.go(ANNA)
    people.come(ANNA, 1, unit=TILL)
    assert people.match(dwelled(1, TILL)) == []
    assert people.match(dwelled(6.9, TILL)) == [ANNA]
    assert people.windows() == []


def test_everyone_there_has_part_in_what_was_nobody_s_doing() -> None:
    people = People(per_subject(replace(STOP, times=2)))
    for subject, role in ((BERT, "passenger"), (ANNA, "driver")):
        people.agree(subject)
        people.come(subject, role=role)
    people.match(parked(0))
    assert people.match(parked(1)) == [ANNA, BERT]


def test_only_the_doer_has_part_in_what_one_person_did() -> None:
    people = People(per_subject(Step("OfferRedeemed", times=2)))
    for subject, role in ((BERT, "passenger"), (ANNA, "driver")):
        people.agree(subject)
        people.come(subject, role=role)
    people.match(OfferRedeemed(CAR, at(0), "o.1", "pastry", TILL, BERT))
    assert (people.windows(ANNA), people.windows(BERT)) == ([], ["coffee/0"])
    assert people.match(OfferRedeemed(CAR, at(1), "o.2", "pastry", TILL, BERT)) == [BERT]


@pytest.mark.parametrize("holder", ["session", "s.else"])
def test_nothing_is_remembered_of_whoever_is_not_known_to_be_there(holder: str) -> None:
    people = People(per_subject(Step("OfferRedeemed", times=2)))
    people.agree(ANNA)
    people.come(ANNA)
    people.match(OfferRedeemed(CAR, at(0), "o.1", "pastry", TILL, holder))
    assert people.windows(ANNA) == people.windows(holder) == []


@pytest.mark.parametrize(
    ("step", "purposes", "remembered"),
    [
        (VISIT, BOTH, True),
        (VISIT, (Purpose.PROFILING,), False),
        (VISIT, (Purpose.LOCATION_TRIGGERS,), False),
        (STOP, (Purpose.PROFILING,), True),
        (STOP, (Purpose.LOCATION_TRIGGERS,), False),
        (replace(STOP, tag="partner"), (Purpose.PROFILING,), False),
    ],
)
def test_without_agreement_nothing_is_remembered(
    step: Step, purposes: tuple[Purpose, ...], *, remembered: bool
) -> None:
    people = People(per_subject(replace(step, times=2)))
    people.agree(ANNA, *purposes)
    people.come(ANNA)
    people.match(dwelled(0))
    people.match(parked(0))
    assert bool(people.windows()) == remembered


def test_one_moment_alone_needs_no_memory_and_so_no_agreement() -> None:
    people = People(per_subject(VISIT, within_days=0))
    people.come(ANNA)
    assert people.match(dwelled(0)) == [ANNA]
    assert people.windows() == []


def test_withdrawing_drops_what_was_remembered_and_its_timers() -> None:
    people = People(per_subject(replace(VISIT, times=2)))
    people.agree(ANNA, *BOTH)
    people.come(ANNA)
    people.match(dwelled(0))
    people.withdraw(ANNA, Purpose.LOCATION_TRIGGERS)
    assert (people.windows(), people.agenda.next_due()) == ([], None)


def test_withdrawing_location_leaves_what_tells_no_place() -> None:
    people = People(per_subject(replace(STOP, times=2)))
    people.agree(ANNA, *BOTH)
    people.come(ANNA)
    people.match(parked(0))
    people.withdraw(ANNA, Purpose.LOCATION_TRIGGERS)
    assert people.windows() == ["coffee/0"]
    people.withdraw(ANNA, Purpose.PROFILING)
    assert people.windows() == []


WIN_BACK = per_subject(replace(VISIT, times=2), absent=(VISIT, 10))


def test_visited_twice_and_then_not_for_ten_days() -> None:
    people = People(WIN_BACK)
    people.agree(ANNA)
    people.come(ANNA)
    for day in (0, 5, 8):
        assert people.match(dwelled(day)) == []
    key = TimerKey("absence", ANNA, "coffee/0")
    assert people.agenda.take_due(at(18) - 1) is None
    assert triggers.windows(people.memory, people.release, CAR) == [(key, at(18))]
    assert people.agenda.take_due(at(18)) == (at(18), key)
    (noticed,) = triggers.absence_passed(people.memory, people.release, ANNA, "coffee/0", at(18))
    assert noticed == AbsenceNoticed(CAR, at(18), "coffee/0", ANNA)
    assert people.match(noticed) == [ANNA]
    assert people.windows() == []


def waited_out(people: People) -> None:
    people.agree(ANNA)
    people.come(ANNA)
    people.match(dwelled(0))
    people.match(dwelled(5))
    people.go(ANNA)


def test_the_timers_of_a_person_rest_while_they_are_away() -> None:
    people = People(WIN_BACK)
    waited_out(people)
    assert people.agenda.next_due() is None
    assert triggers.windows(people.memory, people.release, CAR) == []
    assert triggers.absence_passed(people.memory, people.release, ANNA, "coffee/0", at(15)) == []


def test_a_waiting_that_ended_meanwhile_is_noticed_where_the_person_comes_next() -> None:
    people = People(WIN_BACK)
    waited_out(people)
    people.come(ANNA, 30, unit=TILL)
    assert people.match(dwelled(30, TILL)) == []
    assert people.agenda.next_due() == at(15)
    (noticed,) = triggers.absence_passed(people.memory, people.release, ANNA, "coffee/0", at(30))
    assert noticed.unit == TILL
    assert people.match(noticed) == [ANNA]


def test_the_timers_of_a_person_run_on_while_they_are_at_another_unit() -> None:
    people = People(WIN_BACK)
    people.agree(ANNA)
    people.come(ANNA)
    people.come(ANNA, 1, unit=TILL, role="customer")
    people.match(dwelled(1))
    people.match(dwelled(2))
    people.go(ANNA)
    assert people.agenda.next_due() == at(12)
    (noticed,) = triggers.absence_passed(people.memory, people.release, ANNA, "coffee/0", at(12))
    assert noticed.unit == TILL


def test_an_absence_is_noticed_at_the_unit_the_person_came_to_last() -> None:
    people = People(WIN_BACK)
    people.agree(ANNA)
    people.come(ANNA, 1, unit=TILL, role="customer")
    people.come(ANNA, 2)
    people.match(dwelled(3))
    people.match(dwelled(4))
    (noticed,) = triggers.absence_passed(people.memory, people.release, ANNA, "coffee/0", at(14))
    assert noticed.unit == CAR


def test_an_absence_is_not_noticed_of_a_person_whose_agreement_has_ended() -> None:
    people = People(WIN_BACK)
    for event in agreement(ANNA, *BOTH):
        consent.record(people.memory, replace(event, valid_until=at(9)))
    people.come(ANNA)
    people.match(dwelled(0))
    people.match(dwelled(5))
    assert triggers.absence_passed(people.memory, people.release, ANNA, "coffee/0", at(15)) == []
    assert people.windows() == []


def test_on_arrival_what_is_no_longer_agreed_to_is_dropped() -> None:
    people = People(WIN_BACK)
    waited_out(people)
    consent.record(people.memory, ConsentChanged(TILL, at(6), "w1", ANNA, Purpose.PROFILING, given=False))
    people.come(ANNA, 7)
    assert (people.windows(), people.agenda.next_due()) == ([], None)


def with_release(people: People, release: Release) -> People:
    people.release = release
    return people


def test_on_arrival_the_windows_of_changed_patterns_are_closed() -> None:
    people = People(WIN_BACK)
    waited_out(people)
    with_release(people, a_release(actions=[per_subject(replace(VISIT, times=2), absent=(VISIT, 11))]))
    people.come(ANNA, 7)
    assert (people.windows(), people.agenda.next_due()) == ([], None)


def test_another_release_closes_the_changed_windows_of_those_who_are_there() -> None:
    people = People(WIN_BACK)
    people.agree(ANNA)
    people.come(ANNA)
    people.match(dwelled(0))
    triggers.close_changed(people.memory, people.release, people.release, CAR)
    assert people.windows() == ["coffee/0"]
    triggers.close_changed(people.memory, None, a_release(actions=[per_subject(replace(VISIT, times=3))]), CAR)
    assert people.windows() == []


def test_a_closed_window_of_a_person_is_theirs() -> None:
    people = People(WIN_BACK)
    people.agree(ANNA)
    people.come(ANNA)
    people.match(dwelled(0))
    triggers.close_window(people.memory, ANNA, "coffee/0")
    assert people.windows() == []


def test_what_a_person_did_goes_on_when_the_unit_is_handed_over() -> None:
    people = People(WIN_BACK)
    people.agree(ANNA)
    people.come(ANNA)
    people.match(dwelled(0))
    triggers.close_all(people.memory, people.agenda, CAR)
    assert people.windows() == ["coffee/0"]


def test_arriving_is_a_person_s_own_doing() -> None:
    people = People(per_subject(Step("SubjectArrived", times=2)))
    for subject, role in ((BERT, "passenger"), (ANNA, "driver")):
        people.agree(subject)
        people.come(subject, role=role)
    people.match(SubjectArrived(CAR, at(0), ANNA, "driver"))
    assert (people.windows(ANNA), people.windows(BERT)) == (["coffee/0"], [])
    assert people.match(SubjectArrived(CAR, at(1), ANNA, "driver")) == [ANNA]


def test_a_single_moment_of_a_subject_passes_its_condition_or_is_none() -> None:
    single = replace(
        an_action("coffee"), triggers=(Trigger((replace(STOP, condition="moment.at < 0"),), per=Per.SUBJECT),)
    )
    people = People(single, replace(single, id="tea", triggers=(Trigger((STOP,), per=Per.SUBJECT),)))
    people.come(ANNA)
    found = triggers.match(people.memory, people.agenda, people.release, parked(0))
    assert [(match.action.id, match.about) for match in found] == [("tea", ANNA)]


@pytest.mark.parametrize(("asked", "kept"), [("stop.at > 0", set()), ("stop.fences == []", {"fences", "fence_kinds"})])
def test_where_somebody_was_is_kept_by_no_pattern_that_does_not_ask_for_it(asked: str, kept: set[str]) -> None:
    people = People(per_subject(Step("Parked", bound="stop"), Step("OfferRedeemed", condition=asked)))
    people.agree(ANNA, *BOTH)
    people.come(ANNA)
    people.match(Parked(CAR, T0, ("station",), ("fuel_station",)))
    (window,) = people.memory.group(Scope.SUBJECT, ANNA, "window").values()
    assert window["bound"]["stop"].keys() == {"unit", "at"} | kept
