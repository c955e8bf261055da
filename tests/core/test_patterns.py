import json
from collections.abc import Mapping
from dataclasses import replace

import cel
import pytest

from gateway.core.conditions import Condition, Conditions
from gateway.core.moments import FenceExited, OfferAccepted, Parked
from gateway.core.patterns import Occasion, Told, Window, advance, due_of, is_located, names_of, narrowest, passes
from gateway.core.steps import FILTERS, Absence, Step, Trigger
from gateway.testing.engines import a_fence

A, B, C, X = Step("A"), Step("B"), Step("C"), Step("X")


def play(trigger: Trigger, *happened: tuple[int, str]) -> list[int]:
    """Return when a pattern matches, in seconds; letters are moments, and a waiting ends when nothing else comes."""
    window: Window | None = None
    matches = []
    for at_s, names in (*happened, (10_000, "")):
        if window is not None and window.since is not None and due_of(trigger, window) <= at_s * 1000:
            matches.append(due_of(trigger, window) // 1000)
            window = None

        def fits(step: Step, _: Mapping[str, Told], names: str = names) -> bool:
            return step.moment in names

        window, matched = advance(trigger, window, {}, at_s * 1000, fits)
        window = None if window is None else Window.from_json(json.loads(json.dumps(window.to_json())))
        matches += [at_s] if matched else []
    return matches


def times(step: Step, count: int) -> Step:
    return replace(step, times=count)


THRICE = Trigger((times(A, 3),), 10)


def test_a_count_is_true_of_any_window_of_its_length() -> None:
    assert play(THRICE, (0, "A"), (8, "A"), (9, "A")) == [9]
    assert play(THRICE, (0, "A"), (8, "A"), (11, "A"), (12, "A")) == [12]


def test_a_moment_has_passed_out_at_the_very_instant_its_window_ends() -> None:
    assert play(THRICE, (0, "A"), (8, "A"), (10, "A")) == []


def test_after_a_match_counting_starts_afresh() -> None:
    assert play(THRICE, *((at, "A") for at in range(7))) == [2, 5]


def test_a_step_after_a_counted_one_needs_the_count_to_stand() -> None:
    trigger = Trigger((times(A, 2), B), 10)
    assert play(trigger, (0, "A"), (6, "A"), (9, "B")) == [9]
    assert play(trigger, (0, "A"), (6, "A"), (10, "B")) == []
    assert play(trigger, (0, "A"), (6, "A"), (12, "A"), (13, "B")) == [13]
    assert play(trigger, (0, "A"), (6, "A"), (8, "A"), (15, "B")) == [15]
    assert play(trigger, (0, "A"), (1, "B"), (2, "A"), (3, "B")) == [3]


def test_a_later_counted_step_counts_to_its_end() -> None:
    trigger = Trigger((A, times(B, 2), C), 10)
    assert play(trigger, (0, "A"), (1, "B"), (2, "C"), (3, "B"), (4, "C")) == [4]


def test_a_first_step_that_comes_again_opens_the_window_anew_only_until_the_second_has_begun() -> None:
    trigger = Trigger((A, times(B, 2)), 10)
    assert play(trigger, (0, "A"), (5, "A"), (8, "B"), (12, "B")) == [12]
    assert play(trigger, (0, "A"), (5, "B"), (6, "A"), (12, "B")) == []
    assert play(trigger, (0, "A"), (5, "B"), (6, "A"), (7, "B")) == [7]


def test_one_moment_is_one_step_and_the_later_one() -> None:
    assert play(Trigger((A, A, A), 10), (0, "A"), (1, "A"), (2, "A")) == [2]
    assert play(Trigger((A, B), 10), (0, "AB"), (1, "AB")) == [1]


def test_an_unless_undoes_what_is_under_way_and_nothing_else() -> None:
    trigger = Trigger((A, B), 10, unless=(X,))
    assert play(trigger, (0, "A"), (1, "X"), (2, "B")) == []
    assert play(trigger, (0, "X"), (1, "A"), (2, "B")) == [2]


def test_an_unless_is_asked_before_steps_and_may_begin_the_pattern_anew() -> None:
    trigger = Trigger((A, B), 10, unless=(X,))
    assert play(trigger, (0, "A"), (1, "BX"), (2, "B")) == []
    assert play(trigger, (0, "A"), (1, "AX"), (2, "B")) == [2]


TWICE_THEN_NOT = Trigger((times(A, 2),), 30, absence=Absence(A, 10))


def test_twice_and_then_not_for_ten() -> None:
    assert play(TWICE_THEN_NOT, (0, "A"), (5, "A"), (8, "A")) == [18]
    assert play(TWICE_THEN_NOT, (0, "A")) == []


def test_at_the_instant_a_waiting_ends_nothing_undoes_it() -> None:
    assert play(TWICE_THEN_NOT, (0, "A"), (5, "A"), (15, "A")) == [15]
    assert play(TWICE_THEN_NOT, (0, "A"), (5, "A"), (14, "A")) == [24]


def test_the_window_bounds_the_steps_and_not_the_waiting() -> None:
    trigger = Trigger((times(A, 2),), 10, absence=Absence(A, 100))
    assert play(trigger, (0, "A"), (5, "A")) == [105]


def test_what_counts_on_must_lie_inside_the_window_of_the_steps() -> None:
    trigger = Trigger((times(A, 2),), 10, absence=Absence(A, 100))
    assert play(trigger, (0, "A"), (5, "A"), (20, "A")) == []
    assert play(trigger, (0, "A"), (5, "A"), (20, "A"), (25, "A")) == [125]
    after = Trigger((C, times(A, 2)), 10, absence=Absence(A, 100))
    assert play(after, (0, "C"), (1, "A"), (2, "A"), (9, "A")) == [109]
    assert play(after, (0, "C"), (1, "A"), (2, "A"), (10, "A")) == []


def test_a_last_step_that_is_taken_once_counts_on_too() -> None:
    assert play(Trigger((C, A), 10, absence=Absence(A, 100)), (0, "C"), (1, "A"), (2, "A")) == [102]
    assert play(Trigger((A,), 0, absence=Absence(A, 100)), (0, "A"), (1, "A"), (2, "A")) == [102]


def test_an_absent_moment_that_is_no_last_step_undoes_the_pattern() -> None:
    trigger = Trigger((A, B), 10, absence=Absence(X, 100))
    assert play(trigger, (0, "A"), (1, "B"), (50, "X"), (60, "B")) == []
    assert play(trigger, (0, "A"), (1, "B"), (50, "AX"), (51, "B")) == [151]
    assert play(Trigger((A,), 0, absence=Absence(X, 100)), (0, "A"), (50, "X")) == []


def test_while_a_pattern_waits_its_steps_change_nothing() -> None:
    assert play(Trigger((A, B), 10, absence=Absence(X, 100)), (0, "A"), (1, "B"), (5, "A"), (6, "B")) == [101]


def test_an_unless_undoes_a_waiting_too() -> None:
    assert play(Trigger((A,), 0, absence=Absence(B, 100), unless=(X,)), (0, "A"), (50, "X")) == []


def test_a_waiting_that_is_over_is_left_for_its_timer() -> None:
    waiting = Window(1, (0,), since=0)
    trigger = Trigger((A,), 0, absence=Absence(A, 100), unless=(A,))
    assert advance(trigger, waiting, {}, 100_000, lambda *_: True) == (waiting, False)


def test_a_window_ends_with_the_last_moment_that_it_counts_or_its_waiting() -> None:
    trigger = Trigger((times(A, 2), B, C), 10, absence=Absence(X, 3))
    assert due_of(trigger, Window(0, (1000, 2000))) == 12_000
    assert due_of(trigger, Window(1, (1000, 2000))) == 12_000
    assert due_of(trigger, Window(2, (1000, 2000))) == 11_000
    assert due_of(trigger, Window(3, (1000, 2000), since=5000)) == 8_000


def test_what_is_remembered_is_bounded_and_says_only_what_is_there() -> None:
    assert Window(1, (5,)).to_json() == {"step": 1, "opened": 5}
    full = Window(2, (5, 6), 3, 9, {"stop": {"at": 5}})
    assert full.to_json() == {
        "step": 2,
        "opened": 5,
        "taken": [5, 6],
        "count": 3,
        "since": 9,
        "bound": {"stop": {"at": 5}},
    }
    assert Window.from_json(full.to_json()) == full
    assert Window.from_json({"step": 1, "opened": 5}) == Window(1, (5,))
    window: Window | None = None
    trigger = Trigger((times(A, 3), B), 100)
    for at in range(50):
        window, _ = advance(trigger, window, {}, at, lambda step, _: step is trigger.steps[0])
    assert window == Window(1, (47, 48, 49))


def test_the_last_moment_of_a_bound_step_is_remembered() -> None:
    trigger = Trigger((replace(A, bound="a"), replace(B, bound="b", times=2), C), 100)
    window: Window | None = None
    for at, name in enumerate("ABB"):
        told = {"at": at, "fence": name}
        window, _ = advance(trigger, window, told, at, lambda step, _, name=name: step.moment == name)  # type: ignore[misc]
    assert window is not None
    assert window.bound == {"a": {"at": 0, "fence": "A"}, "b": {"at": 2, "fence": "B"}}


PARKED = Parked("car-1", 7, ("bistro", "gone"), ("cafe",))
FENCES = {"bistro": replace(a_fence("bistro"), kind="cafe", tags=("partner",))}


def test_a_moment_names_its_fences_with_their_kinds_and_tags_and_what_it_is_about() -> None:
    assert names_of(FENCES, PARKED) == {
        ("fence", "bistro"),
        ("fence", "gone"),
        ("fence_kind", "cafe"),
        ("tag", "partner"),
    }
    assert names_of({}, OfferAccepted("car-1", 7, "o.1", "pastry")) == {("action", "pastry")}
    assert names_of({}, FenceExited("car-1", 7, "x", "mall", "left")) == {("fence", "x"), ("fence_kind", "mall")}


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_must_be_among_what_a_moment_names(name: str) -> None:
    step = Step("Parked", **{name: "x"})  # type: ignore[arg-type]
    assert passes(step, frozenset({(name, "x"), ("fence", "y")}))
    assert not passes(step, frozenset({(name, "y")}))
    assert not passes(step, frozenset())
    assert narrowest(step) == (name, "x")


def test_an_equal_condition_is_asked_once_a_moment() -> None:
    class Counted(Conditions):
        asked = 0

        def holds(self, source: str, context: cel.Context) -> bool:
            Counted.asked += 1
            return super().holds(source, context)

    condition = "moment.at == 7"
    occasion = Occasion(FENCES, Counted([Condition(condition, "Parked", {})]), PARKED)
    step = Step("Parked", condition=condition)
    assert [occasion.fits(step, {}) for _ in range(3)] == [True, True, True]
    assert Counted.asked == 1
    assert occasion.fits(step, {"stop": {"at": 1}})
    assert Counted.asked == 2
    assert occasion.fits(Step("Parked", fence_kind="cafe"), {})
    assert not occasion.fits(replace(step, fence_kind="mall"), {})
    assert not occasion.fits(replace(step, moment="DroveOff"), {})
    assert Counted.asked == 2


@pytest.mark.parametrize(
    ("step", "named"),
    [
        (Step("Parked"), ("", "")),
        (Step("Parked", fence_kind="cafe"), ("fence_kind", "cafe")),
        (Step("Parked", fence_kind="cafe", tag="partner"), ("tag", "partner")),
        (Step("Parked", fence_kind="cafe", fence="bistro"), ("fence", "bistro")),
    ],
)
def test_a_step_is_found_by_its_narrowest_filter(step: Step, named: tuple[str, str]) -> None:
    assert narrowest(step) == named


@pytest.mark.parametrize(
    ("step", "located"),
    [
        (Step("Parked"), False),
        (Step("FenceEntered"), True),
        (Step("Parked", fence="bistro"), True),
        (Step("Parked", fence_kind="cafe"), True),
        (Step("Parked", tag="partner"), True),
    ],
)
def test_a_pattern_is_located_if_any_of_its_steps_is(step: Step, *, located: bool) -> None:
    assert is_located(Trigger((Step("DroveOff"),), absence=Absence(step, 5))) == located
