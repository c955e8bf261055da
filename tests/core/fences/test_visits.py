from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.core.events import FenceReported
from gateway.core.fences import visits
from gateway.core.fences.hours import OpeningHours
from gateway.core.moments import FenceEntered, FenceExited, Moment
from gateway.core.release import Release
from gateway.core.state import Memory, Scope, StateKey
from gateway.core.units import HOUR_MS, MINUTE_MS, Instant
from gateway.testing.engines import CAR, a_fence, a_release
from tests.core.fences.journey import FENCE

FIRST_HOUR_OF_THURSDAY = OpeningHours(((3 * 1440, 3 * 1440 + 60),), ((0, 0),))
"""1970 began on a Thursday."""
SHOP = replace(FENCE, opening_hours=FIRST_HOUR_OF_THURSDAY, dwell_s=90)
NOW = 50_000
WEEK_MS = 7 * 24 * HOUR_MS


class Unit:
    """What is kept of a unit, under a release that can be changed."""

    def __init__(self, *fences: object, now: Instant = NOW) -> None:
        self.memory, self.release, self.now = Memory(), release_of(*fences), now

    def take(self, *, now: Instant = NOW, ts: Instant | None = None, **told: tuple[str, ...]) -> list[Moment]:
        report = FenceReported(CAR, now if ts is None else ts)
        return visits.take(self.memory, self.release, replace(report, **told), now)  # type: ignore[arg-type]

    def dues(self, fence: str = "station") -> dict[str, Instant | None]:
        return dict(visits.dues(self.memory, self.release, CAR, fence))

    def turn(self, now: Instant) -> list[Moment]:
        return visits.turn_hours(self.memory, self.release.fences["station"], CAR, now)

    def entry(self, name: str, fence: str = "station") -> object:
        return self.memory.get(Scope.UNIT, CAR, name, fence)


def release_of(*fences: object) -> Release:
    return a_release(fences=fences or [FENCE])  # type: ignore[arg-type]


def entered(at: Instant, fence: str = "station") -> FenceEntered:
    return FenceEntered(CAR, at, fence, "fuel_station")


def exited(
    at: Instant, reason: str, fence: str = "station", *, stayed_s: int = 0, dwelled: bool = False
) -> FenceExited:
    return FenceExited(CAR, at, fence, "fuel_station", reason, stayed_s, dwelled)


def test_a_visit_is_kept_and_its_end_deletes_it() -> None:
    unit, key, heard = Unit(), StateKey(Scope.UNIT, CAR, "fence", "station"), StateKey(Scope.UNIT, CAR, "heard")
    assert unit.take(entered=("station",)) == [entered(NOW)]
    visits.dwelled(unit.memory, CAR, "station")
    assert unit.take(now=NOW + 1, exited=("station",)) == [exited(NOW + 1, "left", dwelled=True)]
    visit = {"since": NOW, "dwelled": False, "kind": "fuel_station"}
    crossing = StateKey(Scope.UNIT, CAR, "crossing")
    assert unit.memory.take_changes() == [
        (crossing, NOW),
        (key, visit),
        (heard, NOW),
        (key, {**visit, "dwelled": True}),
        (key, None),
        (crossing, NOW + 1),
        (heard, None),
    ]


def test_an_approach_is_kept_until_the_fence_was_left_or_it_receded() -> None:
    unit = Unit()
    assert [moment.at for moment in unit.take(approached=("station",))] == [NOW]
    assert unit.take(now=NOW + 1, approached=("station",)) == []
    unit.take(now=NOW + 2, entered=("station",))
    assert unit.entry("approach") == {"since": NOW}
    unit.take(now=NOW + 3, exited=("station",))
    assert unit.entry("approach") is None
    unit.take(now=NOW + 4, approached=("station",))
    assert unit.take(now=NOW + 5, receded=("station", "elsewhere")) == []
    assert unit.entry("approach") is None


def test_what_is_reported_is_noticed_in_one_order_whatever_order_it_is_told_in() -> None:
    low, high = replace(a_fence("a"), priority=-1), replace(a_fence("z"), priority=1)
    unit = Unit(low, high, FENCE)
    unit.take(entered=("a", "station", "z"))
    told = ("a", "z", "station")
    noticed = unit.take(now=NOW + 1, exited=told, entered=told, passed_by=told, approached=told)
    names = ["FenceExited", "FencePassedBy", "FenceEntered", "FenceApproached"]
    assert [(type(moment).__name__, moment.fence) for moment in noticed] == [  # type: ignore[union-attr]
        (name, fence) for name in names for fence in ("z", "station", "a")
    ]


def test_who_enters_a_closed_fence_waits_in_it_and_leaves_without_a_word() -> None:
    unit = Unit(SHOP, now=HOUR_MS)
    assert unit.take(now=HOUR_MS, entered=("station",)) == []
    assert unit.entry("waiting") == {"since": HOUR_MS}
    assert unit.take(now=HOUR_MS + 1, entered=("station",)) == []
    assert unit.dues() == {"dwell": None, "hours": WEEK_MS}
    assert visits.held(unit.memory, CAR) == ["station"]
    assert visits.inside(unit.memory, CAR) == []
    assert unit.take(now=HOUR_MS + 2, ts=5, exited=("station",)) == []
    assert unit.entry("waiting") == {"since": HOUR_MS}, "a report from before it came changes nothing"
    assert unit.take(now=HOUR_MS + 2, exited=("station",)) == []
    assert unit.entry("waiting") is None
    assert unit.dues() == {"dwell": None, "hours": None}


def test_a_fence_that_closes_lets_go_and_takes_back_who_is_still_there_when_it_opens() -> None:
    unit = Unit(SHOP)
    unit.take(entered=("station",), approached=("station",))
    assert unit.dues() == {"dwell": NOW + 90_000, "hours": HOUR_MS}
    assert unit.turn(HOUR_MS) == [exited(HOUR_MS, "closed", stayed_s=3_550)]
    assert unit.entry("approach") is None
    assert unit.turn(HOUR_MS) == []
    assert unit.dues()["hours"] == WEEK_MS
    assert unit.turn(WEEK_MS) == [entered(WEEK_MS)]
    assert unit.turn(WEEK_MS) == []
    assert unit.dues() == {"dwell": WEEK_MS + 90_000, "hours": WEEK_MS + HOUR_MS}


def test_hours_that_do_not_fit_a_visit_any_more_are_looked_at_at_once() -> None:
    unit = Unit(now=HOUR_MS)
    unit.take(now=HOUR_MS, entered=("station",))
    unit.release = release_of(SHOP)
    assert unit.dues()["hours"] == HOUR_MS
    unit.turn(HOUR_MS)
    unit.release = release_of(FENCE)
    assert unit.dues()["hours"] == HOUR_MS


@pytest.mark.parametrize(("ts", "heard"), [(NOW + HOUR_MS - 1, NOW), (NOW + HOUR_MS, NOW + HOUR_MS)])
def test_a_sign_of_life_is_kept_to_the_hour(ts: Instant, heard: Instant) -> None:
    unit = Unit()
    unit.take(entered=("station",))
    assert visits.is_sign_due(unit.memory, CAR, ts) is (heard == ts)
    unit.take(now=ts)
    assert unit.memory.get(Scope.UNIT, CAR, "heard") == heard
    assert visits.silence_due(unit.memory, CAR) == heard + visits.SILENCE_MS


def test_a_sign_of_life_is_of_its_own_time_and_never_of_the_future() -> None:
    unit = Unit()
    unit.take(now=NOW + 2 * HOUR_MS, ts=NOW, entered=("station",))
    assert visits.silence_due(unit.memory, CAR) == NOW + visits.SILENCE_MS
    unit.take(now=NOW + 2 * HOUR_MS, ts=NOW + 2 * HOUR_MS + MINUTE_MS)
    assert visits.silence_due(unit.memory, CAR) == NOW + 2 * HOUR_MS + visits.SILENCE_MS


def test_who_is_nowhere_gives_no_sign_of_life() -> None:
    unit = Unit()
    assert unit.take() == []
    assert not visits.is_sign_due(unit.memory, CAR, NOW)
    assert visits.silence_due(unit.memory, CAR) is None
    assert unit.memory.take_changes() == []


def test_a_visit_of_before_signs_of_life_were_kept_is_due_for_one() -> None:
    unit = Unit()
    unit.memory.put(StateKey(Scope.UNIT, CAR, "fence", "station"), {"since": 5, "dwelled": False})
    assert visits.is_sign_due(unit.memory, CAR, NOW)


def test_who_is_silent_for_too_long_is_nowhere() -> None:
    unit = Unit(FENCE, replace(SHOP, id="shop"), a_fence("z"), now=HOUR_MS)
    unit.take(now=HOUR_MS, entered=("z", "station", "shop"), approached=("z",))
    at = HOUR_MS + visits.SILENCE_MS
    assert visits.give_up(unit.memory, unit.release, CAR, at) == [exited(at, "gap"), exited(at, "gap", "z")]
    assert [key.name for key in unit.memory.entries() if key.scope is Scope.UNIT] == ["crossing"]


def test_those_inside_a_removed_fence_leave_it_as_the_kind_it_was() -> None:
    mall = replace(a_fence("mall"), kind="mall")
    unit = Unit(FENCE, mall, replace(SHOP, id="shop"), now=HOUR_MS)
    unit.take(now=HOUR_MS, entered=("mall", "station", "shop"), approached=("mall",))
    new = release_of(FENCE)
    left = FenceExited(CAR, NOW, "mall", "mall", "fence_removed")
    assert visits.removed(unit.memory, new, new, CAR, NOW) == [left], "the old release may be gone already"
    assert [key.item for key in unit.memory.entries() if key.name in {"fence", "waiting", "approach"}] == ["station"]
    assert visits.silence_due(unit.memory, CAR) is not None
    assert visits.removed(unit.memory, new, a_release(), CAR, NOW) == [exited(NOW, "fence_removed")]
    assert visits.silence_due(unit.memory, CAR) is None


@pytest.mark.parametrize(("old", "kind"), [(release_of(FENCE), "fuel_station"), (a_release(), "zone")])
def test_a_visit_that_does_not_say_its_kind_is_of_the_old_release_s_or_a_zone(old: Release, kind: str) -> None:
    memory = Memory({StateKey(Scope.UNIT, CAR, "fence", "station"): {"since": 5, "dwelled": False}})
    gone = FenceExited(CAR, NOW, "station", kind, "fence_removed", stayed_s=49)
    assert visits.removed(memory, old, a_release(), CAR, NOW) == [gone]


def test_a_fence_of_another_release_has_no_timers() -> None:
    unit = Unit()
    unit.take(entered=("station",))
    unit.release = a_release()
    assert unit.dues() == {"dwell": None, "hours": None}


def test_a_fence_without_dwell_is_never_dwelled_in_and_one_with_it_once() -> None:
    unit = Unit()
    unit.take(entered=("station",))
    assert unit.dues()["dwell"] is None
    unit.release = release_of(replace(FENCE, dwell_s=90))
    assert unit.dues()["dwell"] == NOW + 90_000
    visits.dwelled(unit.memory, CAR, "station")
    assert unit.dues()["dwell"] is None


def test_what_changes_is_looked_at_anew() -> None:
    unit = Unit()
    changes: list[Callable[[], list[Moment]]] = [
        unit.take,
        lambda: unit.turn(NOW),
        lambda: visits.give_up(unit.memory, unit.release, CAR, NOW),
        lambda: visits.removed(unit.memory, unit.release, unit.release, CAR, NOW),
    ]
    for change in changes:
        unit.memory.scratch[CAR] = "worked out"
        change()
        assert unit.memory.scratch == {}


def test_the_end_of_a_visit_says_how_long_it_was_and_whether_it_was_a_real_one() -> None:
    unit = Unit()
    unit.take(entered=("station",))
    assert unit.take(now=NOW + 89_999, exited=("station",)) == [exited(NOW + 89_999, "left", stayed_s=89)]
    unit.take(now=NOW + 100_000, entered=("station",))
    visits.dwelled(unit.memory, CAR, "station")
    left = exited(NOW + 200_000, "left", stayed_s=100, dwelled=True)
    assert unit.take(now=NOW + 200_000, exited=("station",)) == [left]


def test_a_visit_that_is_told_of_late_lasted_from_when_it_began_and_was_never_noticed_to_dwell() -> None:
    unit = Unit()
    unit.take(now=10 * MINUTE_MS, ts=MINUTE_MS, entered=("station",))
    at, left_at = 12 * MINUTE_MS, 11 * MINUTE_MS
    assert unit.take(now=at, ts=left_at, exited=("station",)) == [exited(at, "left", stayed_s=600)]


def test_a_visit_has_no_negative_length() -> None:
    unit = Unit()
    unit.take(now=NOW, ts=NOW - 500, entered=("station",))
    assert unit.take(now=NOW + 1, ts=NOW - 400, exited=("station",)) == [exited(NOW + 1, "left")]


def test_of_a_visit_that_ended_in_silence_only_what_was_heard_counts() -> None:
    unit = Unit()
    unit.take(entered=("station",))
    unit.take(now=NOW + HOUR_MS)
    at = NOW + HOUR_MS + visits.SILENCE_MS
    assert visits.give_up(unit.memory, unit.release, CAR, at) == [exited(at, "gap", stayed_s=3_600)]


def test_a_fence_is_ahead_from_its_approach_until_it_is_reached_or_recedes() -> None:
    unit = Unit(SHOP, a_fence("a"), a_fence("b"))
    unit.take(approached=("station", "b", "a"))
    assert visits.ahead(unit.memory, CAR) == ["a", "b", "station"]
    unit.take(now=HOUR_MS, entered=("station", "a"), receded=("b",))
    assert visits.inside(unit.memory, CAR) == ["a"], "the shop is closed"
    assert visits.ahead(unit.memory, CAR) == []
    assert visits.ahead(unit.memory, "car-2") == []


def test_a_report_s_climate_is_kept() -> None:
    unit = Unit()
    visits.take(unit.memory, unit.release, FenceReported(CAR, NOW, climate="south"), NOW)
    unit.take(now=NOW + 1)
    assert unit.entry("climate", "") == "south"


def test_after_a_restart_what_is_from_before_the_latest_crossing_is_overtaken() -> None:
    unit = Unit()
    visits.awaken(unit.memory, CAR)
    assert not visits.is_overtaken(unit.memory, CAR, 1)
    unit.take(entered=("station",))
    unit.memory.forget(Scope.KINEMATICS, CAR)
    visits.awaken(unit.memory, CAR)
    assert [visits.is_overtaken(unit.memory, CAR, ts) for ts in (NOW - 1, NOW, NOW + 1)] == [True, True, False]
    assert visits.is_older(unit.memory, CAR, "another", NOW - 1)
    assert unit.take(now=NOW + 1, ts=NOW - 1, exited=("station",)) == []
