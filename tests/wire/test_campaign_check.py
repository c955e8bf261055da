import re
from pathlib import Path

import pytest

from gateway.core.fences.geometry import Circle, Fence
from gateway.core.release import ModelSpec
from gateway.core.units import Position
from gateway.wire.campaign_rules import find_expression_fault, price_in
from gateway.wire.campaigns import Code, Problem, check

BROKEN = Path(__file__).parent / "broken_campaigns"
FENCES = [Fence("station-1", "fuel_station", "Station", Circle(Position(-122.3, 47.6), 60.0))]
MODELS = [ModelSpec("coupon", "1.0.0", ("hour", "visits_bar"), ("bar",))]
EXPECTED = re.compile(rb"# expect (\d+):(\d+) (\w+): (.*)")

ACTION = """
  - id: {id}
    kind: marketing
    audience: subject
    when:
      - {{{trigger}}}
    propensity: {{prior: 0.3}}
    value: 1
    annoyance: 0
    cap: unlimited
    treatments:
      - {{placement: {placement}, language: en, title: A title, body: A body{flags}}}
"""


def action(name: str, trigger: str, placement: str = "driver_screen", flags: str = "") -> str:
    return ACTION.format(id=name, trigger=trigger, placement=placement, flags=flags)


def check_text(folder: Path, *actions: str) -> list[Problem]:
    path = folder / "campaign.yaml"
    path.write_text("campaign: tried\nactions:" + "".join(actions), encoding="utf-8")
    return check([path])


@pytest.mark.parametrize("path", sorted(BROKEN.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_broken_campaign_has_the_one_problem_its_first_line_names(path: Path) -> None:
    expected = EXPECTED.fullmatch(path.read_bytes().splitlines()[0])
    assert expected is not None
    problems = check([path], fences=FENCES, models=MODELS)
    assert [(p.line, p.column, p.code.value) for p in problems] == [
        (int(expected[1]), int(expected[2]), expected[3].decode())
    ]
    assert expected[4].decode() in str(problems[0])
    assert str(problems[0]).startswith(str(path))


def test_every_code_has_a_broken_campaign_or_a_test_of_several_files() -> None:
    heads = [EXPECTED.fullmatch(path.read_bytes().splitlines()[0]) for path in BROKEN.glob("*.yaml")]
    shown = {head[3].decode() for head in heads if head}
    assert set(Code) - shown == {Code.DUPLICATE_CAMPAIGN}


def test_two_files_of_one_campaign_name_are_refused(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("campaign: same\nactions:" + action("one", "moment: Parked"))
    second.write_text("campaign: same\nactions:" + action("two", "moment: Parked"))
    assert [(p.path, p.line, p.code) for p in check([first, second])] == [(second, 1, Code.DUPLICATE_CAMPAIGN)]


def test_an_action_id_is_unique_across_files(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("campaign: one\nactions:" + action("pastry", "moment: Parked"))
    second.write_text("campaign: two\nactions:" + action("pastry", "moment: Parked"))
    (problem,) = check([tmp_path])
    assert (problem.path, problem.line, problem.code) == (second, 3, Code.DUPLICATE_ACTION)
    assert "a.yaml, line 3" in problem.message


def test_an_action_may_wait_for_one_of_another_file(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("campaign: one\nactions:" + action("pastry", "moment: Parked"))
    second.write_text("campaign: two\nactions:" + action("tyres", "moment: OfferRedeemed, action: pastry"))
    assert check([first, second]) == []
    assert [p.code for p in check([second])] == [Code.UNKNOWN_ACTION]


def test_actions_that_wait_for_each_other_are_all_unreachable(tmp_path: Path) -> None:
    problems = check_text(
        tmp_path,
        action("one", "moment: OfferRedeemed, action: two"),
        action("two", "moment: OfferRedeemed, action: one"),
        action("three", "sequence: [{moment: Parked}, {moment: OfferRedeemed, action: two}], within: 5 min"),
    )
    assert [(p.line, p.code) for p in problems] == [(3, "unreachable"), (15, "unreachable"), (27, "unreachable")]
    assert "waits for offers of two" in problems[2].message


def test_one_way_in_makes_a_whole_circle_reachable(tmp_path: Path) -> None:
    circle = action("one", "moment: OfferRedeemed, action: two"), action("two", "moment: OfferRedeemed, action: one")
    entry = action("two", "moment: Parked}\n      - {moment: OfferRedeemed, action: one")
    assert check_text(tmp_path, circle[0], entry) == []


@pytest.mark.parametrize(
    ("placement", "flags", "codes"),
    [
        ("driver_screen", "", [Code.UNREACHABLE]),
        ("voice", "", [Code.UNREACHABLE]),
        ("voice", ", while_driving: true", []),
        ("passenger_screen", "", []),
        ("phone", "", []),
    ],
)
def test_what_comes_up_only_while_driving_needs_a_place_that_is_open_then(
    tmp_path: Path, placement: str, flags: str, codes: list[Code]
) -> None:
    problems = check_text(tmp_path, action("bye", "moment: DroveOff", placement, flags))
    assert [p.code for p in problems] == codes


def test_a_sequence_that_ends_parked_may_begin_while_driving(tmp_path: Path) -> None:
    trigger = "sequence: [{moment: DroveOff}, {moment: Parked}], within: 1 h"
    assert check_text(tmp_path, action("back", trigger)) == []


@pytest.mark.parametrize(
    "text",
    [
        "Only 5 €",
        "now $3.99",
        "2 EUR less",
        "5 euros",
        "A FREE wash",
        "Get one free!",
        "20 % off",
        "10 percent discount",
        "on the house",
        "kostenlos",
        "Your coupon is here",
        "half-price today",
        "Tyres on sale",
    ],
)
def test_prices_and_adverts_are_found(text: str) -> None:
    assert price_in(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "Tyre pressure is low",
        "Fuel is at 10%",
        "Feel free to call us",
        "Keep the road free of ice",
        "Use your hands-free set",
        "Pressure is 20% too low",
        "Stop within 5 km",
        "You are free to go",
    ],
)
def test_words_of_service_are_no_prices(text: str) -> None:
    assert price_in(text) is None


@pytest.mark.parametrize("source", ["1 / 0 == 1", "[1][5] == 1", "9223372036854775807 + 1 > 0", "int('x') == 1"])
def test_an_expression_that_can_only_fail_is_a_fault_and_no_crash(source: str) -> None:
    assert find_expression_fault(source) is not None


def test_names_of_fences_and_models_are_taken_on_trust_when_none_are_given(tmp_path: Path) -> None:
    text = action("pastry", "moment: Parked, fence: nowhere").replace("{prior: 0.3}", "{model: any, category: thing}")
    assert check_text(tmp_path, text) == []


def test_all_problems_are_found_in_one_go(tmp_path: Path) -> None:
    broken = action("pastry", "moment: Parkd").replace("value: 1", "value: -1").replace("annoyance: 0", "anoyance: 0")
    problems = check_text(tmp_path, broken)
    assert [p.code for p in problems] == ["missing_field", "unknown_moment", "out_of_range", "unknown_field"]
