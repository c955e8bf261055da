from collections.abc import Iterable
from dataclasses import replace

import pytest

from gateway.core import triggers
from gateway.core.campaign import Action, Follows
from gateway.core.events import Outcome
from gateway.core.fences.geometry import Fence
from gateway.core.moments import (
    AbsenceNoticed,
    ChallengeMet,
    DroveOff,
    FactChanged,
    FenceDwelled,
    FenceEntered,
    FenceExited,
    Moment,
    OfferAccepted,
    OfferRedeemed,
    Parked,
    SubjectArrived,
)
from gateway.core.state import Memory
from gateway.core.steps import Absence, Step, Trigger
from gateway.core.timers import Agenda, TimerKey
from gateway.testing.engines import CAR, a_fence, a_release, a_trigger, an_action

T = 1_000_000
WINDOW = TimerKey("window", CAR, "tyres/0")
ABSENCE = TimerKey("absence", CAR, "tyres/0")
PARKED = Parked(CAR, T, ("station",), ("fuel_station",))
PARKED_NOWHERE = Parked(CAR, T, (), ())


class Watch:
    """A unit's windows and timers under one release."""

    def __init__(self, *actions: Action, fences: Iterable[Fence] = ()) -> None:
        self.memory, self.agenda, self.release = Memory(), Agenda(), a_release(fences=fences, actions=actions)

    def match(self, moment: Moment) -> list[str]:
        return [found.action.id for found in triggers.match(self.memory, self.agenda, self.release, moment)]

    def closes(self) -> list[int]:
        """Return when the car's open windows close."""
        return [due for _, due in triggers.windows(self.memory, self.release, CAR)]


def drove_off(after_s: int = 0, unit: str = CAR) -> DroveOff:
    return DroveOff(unit, T + after_s * 1000)


def entered(after_s: int = 0, fence: str = "station") -> FenceEntered:
    return FenceEntered(CAR, T + after_s * 1000, fence, "fuel_station")


def redeemed(after_s: int = 0, action: str = "pastry") -> OfferRedeemed:
    return OfferRedeemed(CAR, T + after_s * 1000, "o.1", action, "till-1")


def sequence(*steps: Step | str, within_s: int = 60, id_: str = "tyres") -> Action:
    trigger = Trigger(tuple(Step(step) if isinstance(step, str) else step for step in steps), within_s)
    return replace(an_action(id_), triggers=(trigger,))


def test_a_moment_makes_a_candidate_of_each_action_that_waits_for_it() -> None:
    watch = Watch(an_action("b"), an_action("a"), an_action("c", moment="DroveOff"))
    assert watch.match(PARKED) == ["a", "b"]
    assert watch.match(drove_off()) == ["c"]
    assert watch.match(redeemed()) == []


def test_any_of_an_actions_triggers_is_enough_and_the_match_says_which() -> None:
    action = replace(an_action("a"), triggers=(a_trigger("DroveOff"), a_trigger("Parked")))
    watch = Watch(action)
    (found,) = triggers.match(watch.memory, watch.agenda, watch.release, PARKED)
    assert found == triggers.Match(action, "Parked", None, PARKED)


@pytest.mark.parametrize(
    ("step", "moment", "matches"),
    [
        (Step("Parked", fence_kind="fuel_station"), PARKED, True),
        (Step("Parked", fence_kind="mall"), PARKED, False),
        (Step("Parked", fence="station"), PARKED, True),
        (Step("Parked", fence="other"), PARKED, False),
        (Step("Parked", fence="station", fence_kind="mall"), PARKED, False),
        (Step("Parked", fence_kind="fuel_station"), PARKED_NOWHERE, False),
        (Step("FenceEntered", fence_kind="fuel_station"), entered(), True),
        (Step("FenceEntered", fence_kind="mall"), entered(), False),
        (Step("FenceEntered", fence="station"), entered(), True),
        (Step("FenceEntered", fence="station"), entered(fence="other"), False),
        (Step("FenceExited", fence="station"), FenceExited(CAR, T, "station", "fuel_station", "left"), True),
        (Step("FenceDwelled", fence="other"), FenceDwelled(CAR, T, "station", "fuel_station"), False),
        (Step("OfferRedeemed", action="pastry"), redeemed(), True),
        (Step("OfferRedeemed", action="coffee"), redeemed(), False),
        (Step("OfferAccepted", action="pastry"), OfferAccepted(CAR, T, "o.1", "pastry"), True),
    ],
)
def test_a_step_matches_if_every_filter_of_it_does(step: Step, moment: Moment, *, matches: bool) -> None:
    assert Watch(sequence(step, id_="a", within_s=0)).match(moment) == (["a"] if matches else [])


@pytest.mark.parametrize(
    "step",
    [Step("DroveOff", fence="station"), Step("DroveOff", fence_kind="mall"), Step("DroveOff", action="pastry")],
)
def test_a_filter_on_what_a_moment_does_not_name_fails(step: Step) -> None:
    assert Watch(sequence(step, within_s=0)).match(drove_off()) == []


def test_one_moment_opens_no_window_for_a_trigger_of_one_step() -> None:
    watch = Watch(an_action("a"))
    watch.match(PARKED)
    assert watch.memory.entries() == {}
    assert watch.agenda.next_due() is None


def test_a_sequence_matches_at_its_last_step() -> None:
    watch = Watch(sequence("Parked", "OfferRedeemed", "DroveOff"))
    assert watch.match(PARKED) == []
    assert watch.match(redeemed(1)) == []
    assert watch.match(drove_off(2)) == ["tyres"]


def test_a_sequence_in_the_wrong_order_does_not_match() -> None:
    watch = Watch(sequence("Parked", "OfferRedeemed", "DroveOff"))
    assert [watch.match(moment) for moment in (redeemed(), PARKED, drove_off(), redeemed(1))] == [[], [], [], []]
    assert watch.match(drove_off(2)) == ["tyres"]


def test_a_window_opens_with_its_first_step_and_closes_so_long_after_it() -> None:
    watch = Watch(sequence("Parked", "OfferRedeemed", "DroveOff"))
    watch.match(PARKED)
    watch.match(redeemed(59))
    assert watch.closes() == [T + 60_000]
    assert watch.agenda.take_due(T + 59_999) is None
    assert watch.agenda.take_due(T + 60_000) == (T + 60_000, WINDOW)


def test_a_closed_window_waits_for_nothing() -> None:
    watch = Watch(sequence("Parked", "OfferRedeemed"))
    watch.match(PARKED)
    triggers.close_window(watch.memory, CAR, "tyres/0")
    assert watch.match(redeemed(60)) == []
    assert watch.closes() == []


def test_a_first_step_that_comes_again_opens_the_window_anew() -> None:
    watch = Watch(sequence("Parked", "OfferRedeemed"))
    watch.match(PARKED)
    watch.match(replace(PARKED, at=T + 30_000))
    assert watch.closes() == [T + 90_000]
    assert watch.agenda.take_due(T + 89_999) is None
    assert watch.agenda.take_due(T + 90_000) == (T + 90_000, WINDOW)


def test_a_first_step_that_comes_late_costs_no_progress() -> None:
    watch = Watch(sequence("Parked", "OfferRedeemed", "DroveOff"))
    watch.match(PARKED)
    watch.match(redeemed(1))
    watch.match(replace(PARKED, at=T + 2_000))
    assert watch.closes() == [T + 60_000]
    assert watch.match(drove_off(3)) == ["tyres"]


def test_a_matched_sequence_begins_from_the_start() -> None:
    watch = Watch(sequence("Parked", "OfferRedeemed"))
    watch.match(PARKED)
    watch.match(redeemed(1))
    assert (watch.closes(), watch.agenda.next_due()) == ([], None)
    assert watch.match(redeemed(2)) == []


def test_one_moment_is_one_step() -> None:
    watch = Watch(sequence("Parked", "Parked", "Parked"))
    assert [watch.match(PARKED) for _ in range(3)] == [[], [], ["tyres"]]
    assert watch.closes() == []


def test_the_windows_of_two_triggers_of_one_action_are_apart() -> None:
    ways = (a_trigger("Parked", "DroveOff", within_s=60), a_trigger("OfferRedeemed", "DroveOff", within_s=60))
    watch = Watch(replace(an_action("tyres"), triggers=ways))
    watch.match(PARKED)
    assert watch.match(drove_off(1)) == ["tyres"]
    watch.match(PARKED)
    watch.match(redeemed(2))
    assert watch.match(drove_off(3)) == ["tyres", "tyres"]


def test_the_windows_of_two_units_are_apart() -> None:
    watch = Watch(sequence("Parked", "DroveOff"))
    watch.match(PARKED)
    assert watch.match(drove_off(1, unit="car-2")) == []
    assert watch.match(drove_off(1)) == ["tyres"]


def test_open_windows_are_told_with_their_ends() -> None:
    watch = Watch(sequence("Parked", "DroveOff"), sequence("Parked", "DroveOff", id_="coffee", within_s=5))
    watch.match(PARKED)
    coffee = TimerKey("window", CAR, "coffee/0")
    assert triggers.windows(watch.memory, watch.release, CAR) == [(coffee, T + 5_000), (WINDOW, T + 60_000)]
    assert triggers.windows(watch.memory, watch.release, "car-2") == []


def test_windows_come_by_name_in_whatever_order_they_were_opened() -> None:
    actions = sequence("Parked", "OfferRedeemed"), sequence("DroveOff", "OfferRedeemed", id_="coffee")
    told, closed, changed = Watch(*actions), Watch(*actions), Watch(*actions)
    for watch in (told, closed, changed):
        watch.match(PARKED)
        watch.match(drove_off())
        watch.memory.take_changes()
    triggers.close_all(closed.memory, closed.agenda, CAR)
    triggers.close_changed(changed.memory, changed.release, a_release(), CAR)
    by_name = ["coffee/0", "tyres/0"]
    assert [key.item for key, _ in triggers.windows(told.memory, told.release, CAR)] == by_name
    assert [key.item for key, _ in closed.memory.take_changes()] == by_name
    assert [key.item for key, _ in changed.memory.take_changes()] == by_name


def test_with_the_person_all_windows_of_the_unit_close() -> None:
    watch = Watch(sequence("Parked", "DroveOff"), sequence("Parked", "DroveOff", id_="coffee"))
    watch.match(PARKED)
    watch.match(replace(PARKED, unit="car-2", at=T + 1_000))
    triggers.close_all(watch.memory, watch.agenda, CAR)
    assert triggers.windows(watch.memory, watch.release, CAR) == []
    assert len(triggers.windows(watch.memory, watch.release, "car-2")) == 2
    assert watch.agenda.next_due() == T + 61_000


def test_a_filter_on_a_tag_asks_the_fences_that_a_moment_names() -> None:
    partner = replace(a_fence("station"), tags=("partner", "24h"))
    action = sequence(Step("Parked", tag="partner"), id_="a", within_s=0)
    assert Watch(action, fences=[partner]).match(PARKED) == ["a"]
    assert Watch(action, fences=[a_fence("station")]).match(PARKED) == []
    assert Watch(action).match(PARKED) == []


def test_the_kind_of_a_fence_that_a_moment_names_by_its_id_is_known() -> None:
    watch = Watch(sequence(Step("FactChanged", fact="stock", fence_kind="fuel_station")), fences=[a_fence("station")])
    assert watch.match(FactChanged(CAR, T, "stock", "fence", fence="station")) == ["tyres"]
    assert watch.match(FactChanged(CAR, T, "price", "fence", fence="station")) == []
    assert watch.match(FactChanged(CAR, T, "stock", "unit")) == []


def test_a_fact_of_a_fence_is_heard_only_by_who_asks_for_fences() -> None:
    watch = Watch(sequence(Step("FactChanged", fact="stock")))
    assert watch.match(FactChanged(CAR, T, "stock", "fence", fence="station")) == []
    assert watch.match(FactChanged(CAR, T, "stock", "unit")) == ["tyres"]


def test_a_condition_is_asked_about_the_moment_and_the_bound_ones() -> None:
    watch = Watch(
        sequence(
            Step("Parked", bound="stop", condition="moment.fence_kinds.size() == 1"),
            Step("OfferRedeemed", condition="moment.at - stop.at > 10000"),
        )
    )
    assert watch.match(PARKED_NOWHERE) == []
    assert watch.closes() == []
    assert watch.match(PARKED) == []
    assert watch.match(redeemed(10)) == []
    assert watch.match(redeemed(11)) == ["tyres"]


def test_the_doer_of_the_last_moment_is_whom_a_match_is_about() -> None:
    def about(moment: Moment) -> str | None:
        watch = Watch(an_action("a", moment=type(moment).__name__))
        return triggers.match(watch.memory, watch.agenda, watch.release, moment)[0].about

    assert about(OfferAccepted(CAR, T, "o.1", "pastry", "s.anna")) == "s.anna"
    assert about(ChallengeMet(CAR, T, "c", "s.anna")) == "s.anna"
    assert about(FactChanged(CAR, T, "basket", "subject", subject="s.anna")) == "s.anna"
    assert about(FactChanged(CAR, T, "stock", "unit")) is None
    assert about(SubjectArrived(CAR, T, "s.anna", "driver")) is None
    assert about(PARKED) is None


def test_an_action_that_follows_another_is_a_candidate_at_its_outcome() -> None:
    cake = replace(an_action("cake"), triggers=(), follows=Follows("pastry", Outcome.REDEEMED, 180))
    watch = Watch(an_action("pastry"), cake)
    (found,) = triggers.match(watch.memory, watch.agenda, watch.release, redeemed())
    assert (found.action.id, found.trigger) == ("cake", "after pastry redeemed")
    assert watch.match(redeemed(action="coffee")) == []


def test_leaving_after_a_long_silence_is_no_occasion() -> None:
    watch = Watch(an_action("a", moment="FenceExited"))
    assert watch.match(FenceExited(CAR, T, "station", "fuel_station", "gap")) == []
    assert watch.match(FenceExited(CAR, T, "station", "fuel_station", "closed")) == ["a"]


def counted(times: int, within_s: int = 60, **absent: int) -> Action:
    absence = Absence(Step("Parked"), absent["for_s"]) if absent else None
    return replace(an_action("tyres"), triggers=(Trigger((Step("Parked", times=times),), within_s, absence=absence),))


def parked(after_s: int) -> Parked:
    return replace(PARKED, at=T + after_s * 1000)


def test_a_counted_step_keeps_its_window_as_long_as_one_of_its_moments_counts() -> None:
    watch = Watch(counted(3))
    watch.match(parked(0))
    watch.match(parked(30))
    assert watch.closes() == [T + 90_000]
    assert watch.agenda.take_due(T + 90_000) == (T + 90_000, WINDOW)
    assert watch.match(parked(61)) == []
    assert watch.match(parked(62)) == ["tyres"]
    assert (watch.closes(), watch.agenda.next_due()) == ([], None)


def test_a_waiting_window_has_a_timer_of_its_own() -> None:
    watch = Watch(counted(2, for_s=100))
    watch.match(parked(0))
    assert watch.agenda.next_due() == T + 60_000
    watch.match(parked(1))
    assert watch.agenda.take_due(T + 100_999) is None
    assert triggers.windows(watch.memory, watch.release, CAR) == [(ABSENCE, T + 101_000)]
    assert watch.agenda.take_due(T + 101_000) == (T + 101_000, ABSENCE)


def test_an_ended_waiting_is_noticed_and_matches_once() -> None:
    watch = Watch(counted(1, within_s=0, for_s=100))
    watch.match(PARKED)
    (noticed,) = triggers.absence_passed(watch.memory, watch.release, CAR, "tyres/0", T + 100_000)
    assert noticed == AbsenceNoticed(CAR, T + 100_000, "tyres/0")
    (found,) = triggers.match(watch.memory, watch.agenda, watch.release, noticed)
    assert (found.action.id, found.about, found.moment) == ("tyres", None, noticed)
    assert watch.memory.entries() == {}


def test_what_undoes_a_pattern_drops_its_window_and_timer() -> None:
    pattern = Trigger((Step("Parked"), Step("OfferRedeemed")), 60, unless=(Step("DroveOff"),))
    watch = Watch(replace(an_action("tyres"), triggers=(pattern,)))
    watch.match(PARKED)
    watch.match(drove_off(1))
    assert (watch.closes(), watch.agenda.next_due()) == ([], None)
    assert watch.match(drove_off(2)) == []
    assert watch.match(redeemed(3)) == []


def test_a_window_whose_time_is_over_goes_with_the_next_moment_that_could_move_it() -> None:
    watch = Watch(sequence("Parked", "DroveOff"))
    watch.match(PARKED)
    assert watch.match(drove_off(60)) == []
    assert (watch.memory.entries(), watch.agenda.next_due()) == ({}, None)
