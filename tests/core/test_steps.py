import pytest

from gateway.core.steps import FILTERS, Absence, Step, Trigger, describe, is_located, steps_of
from gateway.testing.engines import a_trigger

CHANGED = Step("FactChanged", fact="basket", condition="true")


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        (a_trigger("Parked"), "Parked"),
        (Trigger((Step("Parked", fence_kind="fuel_station"),)), "Parked in fuel_station"),
        (Trigger((Step("Parked", fence="station", fence_kind="fuel_station"),)), "Parked in station"),
        (Trigger((Step("FenceEntered", fence="station"),)), "FenceEntered in station"),
        (
            Trigger((Step("Parked", fence_kind="fuel_station"), Step("OfferRedeemed", action="pastry")), 1200),
            "Parked in fuel_station, then OfferRedeemed of pastry within 1200 s",
        ),
        (
            Trigger(
                (Step("FenceDwelled", fence_kind="cafe", times=2),), 600, absence=Absence(Step("FenceDwelled"), 60)
            ),
            "FenceDwelled in cafe 2 times within 600 s, then no FenceDwelled for 60 s",
        ),
        (
            Trigger((Step("Parked", tag="partner"), CHANGED), 60, unless=(Step("DroveOff"),)),
            "Parked tagged partner, then FactChanged of basket if true within 60 s, unless DroveOff",
        ),
        (Trigger((Step("ChallengeMet", challenge="three"),)), "ChallengeMet of three"),
    ],
)
def test_a_trigger_is_described_in_words(trigger: Trigger, words: str) -> None:
    assert describe(trigger) == words


def test_the_steps_of_a_trigger_are_all_that_it_looks_at() -> None:
    steps = Step("A"), Step("B"), Step("C"), Step("D")
    assert steps_of(Trigger(steps[:2], 60, unless=(steps[2],), absence=Absence(steps[3], 60))) == steps


def test_one_moment_alone_needs_no_memory() -> None:
    assert Trigger((Step("A"),)).is_single
    assert not Trigger((Step("A", times=2),), 60).is_single
    assert not Trigger((Step("A"), Step("B")), 60).is_single
    assert not Trigger((Step("A"),), absence=Absence(Step("B"), 60)).is_single


def test_a_step_picks_by_everything_but_its_condition() -> None:
    assert set(FILTERS) == {"fence_kind", "fence", "tag", "action", "fact", "challenge"}


@pytest.mark.parametrize(
    "step",
    [
        Step("FenceEntered"),
        Step("Parked", fence="station"),
        Step("Parked", fence_kind="mall"),
        Step("Parked", tag="partner"),
        Step("Parked", condition="moment.fence_kinds.size() > 0"),
        Step("FactChanged", condition="stop . fence == ''"),
        Step("Parked", condition="moment['fences'].size() > 0"),
        Step("Parked", condition="moment.// where\n fences.size() > 0"),
    ],
)
def test_a_step_rests_on_a_place_by_its_moment_its_filters_or_what_it_asks(step: Step) -> None:
    assert is_located(step)


@pytest.mark.parametrize("step", [Step("Parked"), Step("FactChanged", fact="basket", condition="moment.at > stop.at")])
def test_a_step_that_asks_of_no_place_rests_on_none(step: Step) -> None:
    assert not is_located(step)
