import math
from itertools import permutations

import pytest

from gateway.core.arbitration import Arbitration, Contender, arbitrate, net_value
from gateway.core.campaign import Kind, Placement
from gateway.core.effects import Refusal, Stage


def contender(
    action: str, net: float, *, kind: Kind = Kind.MARKETING, placement: Placement = Placement.DRIVER_SCREEN
) -> Contender:
    return Contender(kind, action, placement, net)


def lost(reason: str, net: float, by: str | None = None) -> Refusal:
    return Refusal(Stage.ARBITRATION, reason, {"by": by, "net_value": net} if by else {"net_value": net})


def test_net_value_weighs_what_is_gained_against_what_annoys() -> None:
    assert net_value(0.25, 2.0, 8.0, 0.5, 1.0) == 0.25 * 2.0 * 8.0 * 0.5 - 0.75 * 1.0


def test_a_certain_acceptance_annoys_nobody_and_a_certain_refusal_gains_nothing() -> None:
    assert net_value(1.0, 1.0, 3.0, 1.0, 100.0) == 3.0
    assert net_value(0.0, 1.0, 3.0, 1.0, 100.0) == -100.0


def test_nothing_to_choose_from_is_silence() -> None:
    assert arbitrate([]) == Arbitration((), ())


def test_the_greatest_net_value_wins_and_says_by_whom_the_other_was_beaten() -> None:
    arbitration = arbitrate([contender("coffee", 0.5), contender("pastry", 0.75)])
    assert arbitration == Arbitration((1,), (lost("lower_net_value", 0.5, by="pastry"), None))


@pytest.mark.parametrize("net", [0.0, -0.0, -1.0])
@pytest.mark.parametrize("kind", [Kind.MARKETING, Kind.SERVICE])
def test_silence_wins_a_tie_and_all_that_is_worth_less(net: float, kind: Kind) -> None:
    assert arbitrate([contender("pastry", net, kind=kind)]) == Arbitration((), (lost("silence_is_better", net),))


def test_the_least_bit_above_zero_beats_silence() -> None:
    assert arbitrate([contender("pastry", math.ulp(0.0))]).chosen == (0,)


@pytest.mark.parametrize("net", [0.0, -5.0])
def test_safety_is_never_silenced(net: float) -> None:
    assert arbitrate([contender("tyres", net, kind=Kind.SAFETY)]) == Arbitration((0,), (None,))


def test_safety_goes_before_service_before_marketing_whatever_the_values() -> None:
    marketing = contender("pastry", 1000.0)
    service = contender("charger", 10.0, kind=Kind.SERVICE)
    safety = contender("tyres", -0.5, kind=Kind.SAFETY)
    assert arbitrate([marketing, service]).chosen == (1,)
    refusals = (lost("outranked", 1000.0, by="tyres"), lost("outranked", 10.0, by="tyres"), None)
    assert arbitrate([marketing, service, safety]) == Arbitration((2,), refusals)


def test_a_service_worth_less_than_silence_does_not_stand_in_the_way_of_marketing() -> None:
    arbitration = arbitrate([contender("charger", -1.0, kind=Kind.SERVICE), contender("pastry", 0.5)])
    assert arbitration == Arbitration((1,), (lost("silence_is_better", -1.0), None))


def test_equals_are_chosen_by_action_then_placement_in_whatever_order_they_were_read() -> None:
    contenders = [
        contender("pastry", 0.5),
        contender("coffee", 0.5, placement=Placement.VOICE),
        contender("coffee", 0.5, placement=Placement.PHONE),
    ]
    for order in permutations(contenders):
        (chosen,) = arbitrate(order).chosen
        assert order[chosen] is contenders[2]


def in_group(
    action: str, net: float, group: str | None = "dress", *, kind: Kind = Kind.MARKETING, **where: str
) -> Contender:
    place = Placement(where.get("placement", "driver_screen"))
    return Contender(kind, action, place, net, where.get("holder", "s.anna"), group)


def test_a_slate_takes_the_best_of_its_group_along_in_their_order() -> None:
    contenders = [in_group("a", 1.0), in_group("b", 4.0), in_group("c", 3.0), in_group("d", 2.0)]
    arbitration = arbitrate(contenders, {"dress": 3})
    assert arbitration.chosen == (1, 2, 3)
    assert arbitration.refusals == (lost("lower_net_value", 1.0, by="b"), None, None, None)


@pytest.mark.parametrize(
    "other",
    [
        in_group("b", 1.0, "shoes"),
        in_group("b", 1.0, None),
        in_group("b", 1.0, holder="s.ben"),
        in_group("b", 1.0, placement="phone"),
        in_group("b", 1.0, kind=Kind.SERVICE)._replace(net_value=-1.0),
        in_group("b", 0.0),
        in_group("a", 1.0),
    ],
)
def test_nothing_else_stands_in_a_slate(other: Contender) -> None:
    assert arbitrate([in_group("a", 2.0), other], {"dress": 3, "shoes": 3}).chosen == (0,)


def test_a_group_without_a_slate_shows_one() -> None:
    assert arbitrate([in_group("a", 2.0), in_group("b", 1.0)]).chosen == (0,)


def test_what_belongs_to_no_group_shows_one() -> None:
    assert arbitrate([in_group("a", 2.0, None), in_group("b", 1.0, None)], {"dress": 3}).chosen == (0,)


def test_a_slate_never_mixes_kinds() -> None:
    service, marketing = in_group("a", 1.0, kind=Kind.SERVICE), in_group("b", 2.0)
    assert arbitrate([marketing, service], {"dress": 3}).chosen == (1,)
