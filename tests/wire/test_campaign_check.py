import re
from pathlib import Path

import pytest

from gateway.core.fences.geometry import Circle, Fence
from gateway.core.release import ModelSpec
from gateway.core.units import Position
from gateway.wire.campaign_rules import find_expression_fault, price_in
from gateway.wire.campaigns import Code, Problem, check

BROKEN = Path(__file__).parent / "broken_campaigns"
FENCES = [Fence("station-1", "fuel_station", "Station", Circle(Position(-122.3, 47.6), 60.0), tags=("partner",))]
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
    assert set(Code) - shown == {Code.DUPLICATE_CAMPAIGN, Code.DUPLICATE_CONTACT_POLICY}


def test_there_are_at_least_sixty_broken_campaigns_and_none_is_told_without_words() -> None:
    said = [problem for path in BROKEN.glob("*.yaml") for problem in check([path], fences=FENCES, models=MODELS)]
    assert len(said) >= 60
    assert [problem for problem in said if not problem.message] == []


# What these say by themselves, or the YAML library says, needs no hint.
SELF_EVIDENT = {
    Code.UNREADABLE,
    Code.SYNTAX,
    Code.MISSING_FIELD,
    Code.WRONG_TYPE,
    Code.BAD_VALUE,
    Code.OUT_OF_RANGE,
    Code.BAD_EXPRESSION,
    Code.UNKNOWN_FIELD,
}


def test_whatever_does_not_speak_for_itself_has_a_hint() -> None:
    for path in BROKEN.glob("*.yaml"):
        for problem in check([path], fences=FENCES, models=MODELS):
            assert problem.hint or problem.code in SELF_EVIDENT, problem


def test_a_second_policy_over_all_marketing_is_refused_and_says_where_the_first_is(tmp_path: Path) -> None:
    policy = "contact_policy: {cap: {count: 3, each: day}}\n"
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(f"campaign: one\n{policy}actions:" + action("one", "moment: Parked"))
    second.write_text(f"campaign: two\n{policy}actions:" + action("two", "moment: Parked"))
    (problem,) = check([tmp_path])
    assert (problem.path, problem.line, problem.column) == (second, 2, 17)
    assert problem.code is Code.DUPLICATE_CONTACT_POLICY
    assert "a.yaml" in problem.message


def test_groups_and_challenges_of_another_file_are_known(tmp_path: Path) -> None:
    given = (
        "groups: [{id: coffee}]\n"
        "challenges: [{id: visits, counts: {moment: FenceDwelled}, times: 3, each: week}]\nactions:"
    )
    (tmp_path / "a.yaml").write_text(f"campaign: one\n{given}" + action("one", "moment: Parked"))
    using = action("two", "moment: ChallengeMet, challenge: visits") + "    group: coffee\n"
    (tmp_path / "b.yaml").write_text("campaign: two\nactions:" + using)
    assert check([tmp_path]) == []
    alone = check([tmp_path / "b.yaml"])
    assert {p.code for p in alone} == {Code.UNKNOWN_CHALLENGE, Code.UNKNOWN_GROUP}


def follows(name: str, other: str) -> str:
    return action(name, "moment: Parked") + f"    follows: {{action: {other}, outcome: accepted, within: 3 min}}\n"


def test_actions_that_follow_each_other_are_unreachable_whatever_else_they_wait_for(tmp_path: Path) -> None:
    problems = check_text(tmp_path, follows("one", "two"), follows("two", "one"))
    assert [p.code for p in problems] == [Code.UNREACHABLE, Code.UNREACHABLE]
    assert check_text(tmp_path, follows("one", "two"), action("two", "moment: Parked")) == []


def test_an_action_that_waits_for_a_challenge_of_its_own_offers_is_unreachable(tmp_path: Path) -> None:
    path = tmp_path / "campaign.yaml"
    counts = "{moment: OfferRedeemed, action: one}"
    challenges = f"challenges: [{{id: c, counts: {counts}, times: 3, each: week}}]\n"
    path.write_text(f"campaign: tried\n{challenges}actions:" + action("one", "moment: ChallengeMet, challenge: c"))
    assert [p.code for p in check([path])] == [Code.UNREACHABLE]


def test_braces_that_are_meant_are_no_placeholders_and_count_once(tmp_path: Path) -> None:
    text = "{{" + "A" * 38 + "}}"
    assert check_text(tmp_path, action("one", "moment: Parked").replace("A title", f"'{text}'")) == []
    longer = check_text(tmp_path, action("one", "moment: Parked").replace("A title", f"'{text}!'"))
    assert [p.code for p in longer] == [Code.TEXT_TOO_LONG]


def test_a_fact_whose_age_cannot_be_read_counts_as_stated(tmp_path: Path) -> None:
    text = action("one", "moment: Parked", flags=", personal: true").replace("A body", "'{facts.size}'")
    problems = check_text(tmp_path, text + "    facts: {size: ever}\n")
    assert [p.code for p in problems] == [Code.WRONG_TYPE]


@pytest.mark.parametrize("field", ["season", "reason"])
def test_a_moment_may_be_told_if_every_trigger_ends_in_one_that_has_it(tmp_path: Path, field: str) -> None:
    trigger = (
        "moment: TyresOutOfSeason}\n      - {sequence: [{moment: Parked}, {moment: TyresOutOfSeason}], within: 1 h"
    )
    problems = check_text(tmp_path, action("one", trigger).replace("A body", f"'It is {{moment.{field}}}.'"))
    assert [p.code for p in problems] == ([] if field == "season" else [Code.BAD_PLACEHOLDER])


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
        "f\u200bree coffee",
        "\uff15\uff05 off",
        "\uff26\uff32\uff25\uff25 wash",
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
