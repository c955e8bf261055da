from collections.abc import Mapping

import pytest

from gateway.core.errors import ReleaseError
from gateway.core.policy import (
    PERSONAL_VARIABLES,
    VARIABLES,
    Evaluation,
    ExpressionFault,
    Expressions,
    check_expression,
    constant_value,
)


def evaluation(*sources: str, **known: object) -> Evaluation:
    variables: Mapping[str, object] = {**VARIABLES, **known}
    return Expressions(sources).evaluation(variables)


def fault_of(source: str, *, anyone: bool = False) -> ExpressionFault:
    with pytest.raises(ExpressionFault) as fault:
        check_expression(source, anyone=anyone)
    return fault.value


@pytest.mark.parametrize(
    ("source", "known", "holds"),
    [
        ("hour < 10", {"hour": 9}, True),
        ("hour < 10", {"hour": 10}, False),
        ("'fuel_station' in fence_kinds", {"fence_kinds": []}, False),
        ("facts.stamps >= 9", {"facts": {"stamps": 9}}, True),
        ("facts.stamps >= 9", {"facts": {"stamps": 8}}, False),
        ("has(facts.stamps)", {"facts": {}}, False),
        ("air_temperature_c < 7.0", {"air_temperature_c": 4}, True),
    ],
)
def test_an_expression_is_asked_of_what_is_known(source: str, known: dict[str, object], *, holds: bool) -> None:
    assert evaluation(source, **known).holds(source) is holds


def test_an_empty_expression_always_holds() -> None:
    assert evaluation("").holds("") is True


@pytest.mark.parametrize(
    ("source", "known"),
    [
        ("air_temperature_c < 7.0", {"air_temperature_c": None}),
        ("facts.stamps > 3", {"facts": {}}),
        ("facts.stamps > 3", {"facts": {"stamps": "many"}}),
        ("10 / day > 3", {"day": 0}),
        ("10 % day > 3", {"day": 0}),
        ("fences[0] == 'a'", {"fences": []}),
        ("hour + 9223372036854775000 > 1", {"hour": 1_000}),
        ("int(facts.floor) > 1", {"facts": {"floor": "ground"}}),
    ],
)
def test_what_cannot_be_evaluated_refuses_and_does_not_raise(source: str, known: dict[str, object]) -> None:
    assert evaluation(source, **known).holds(source) is None


def test_a_fact_that_is_no_truth_value_refuses() -> None:
    source = "facts.vip"
    assert evaluation(source, facts={"vip": "yes"}).holds(source) is None
    assert evaluation(source, facts={"vip": True}).holds(source) is True


def test_an_expression_that_is_asked_again_answers_the_same() -> None:
    seen = evaluation("hour < 10", hour=9)
    assert (seen.holds("hour < 10"), seen.holds("hour < 10")) == (True, True)


def test_each_context_has_answers_of_its_own() -> None:
    expressions = Expressions(["hour < 10", "", "hour < 10"])
    answers = [expressions.evaluation({**VARIABLES, "hour": hour}).holds("hour < 10") for hour in (9, 10)]
    assert answers == [True, False]


def test_values_are_those_an_expression_read() -> None:
    source = "hour < 10 && 'fuel_station' in fence_kinds"
    seen = evaluation(source, hour=12, fence_kinds=["mall"])
    assert seen.values(source) == {"hour": 12, "fence_kinds": ["mall"]}


def test_values_of_a_subject_say_only_that_they_were_read() -> None:
    source = "facts.income > 100000"
    assert evaluation(source, facts={"income": 5}).values(source) == {"facts": "personal"}


def test_values_leave_out_what_an_expression_names_for_itself() -> None:
    source = "fences.exists(f, f == 'station')"
    assert evaluation(source, fences=["mall"]).values(source) == {"fences": ["mall"]}


def test_a_release_with_a_faulty_expression_is_refused_and_told_why() -> None:
    with pytest.raises(ReleaseError, match=r"expression 'hour < bogus': unknown name 'bogus'"):
        Expressions(["hour < 10", "hour < bogus"])


def test_what_is_for_anyone_is_compiled_as_such() -> None:
    with pytest.raises(ReleaseError, match=r"expression 'has\(facts.vip\)': 'facts' reads of a subject"):
        Expressions([], for_anyone=["has(facts.vip)"])
    expressions = Expressions(["has(facts.vip)"], for_anyone=["hour < 10", ""])
    evaluation_ = expressions.evaluation(VARIABLES)
    assert (evaluation_.holds("has(facts.vip)"), evaluation_.holds("hour < 10")) == (False, False)


@pytest.mark.parametrize(
    "source",
    [
        "parked && occupants == 1",
        "facts.visits_bar > 3",
        "facts['visits bar'] > 3",
        "fences.exists(f, f == 'station')",
        "fence_kinds.all( kind , kind != 'bank')",
        "fences.filter(f, f == 'a').size() == 0 || fences.map(f, f + 'x').size() > 9",
        "weekday in [6, 7]",
        "10 / (occupants - 1) > 2",
        "fences[3] == 'station'",
        "winter_tyres != 'WINTER' && month in [11, 12, 1, 2]",
    ],
)
def test_a_good_expression_passes(source: str) -> None:
    check_expression(source)


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_every_variable_has_a_sample_that_can_be_asked(name: str) -> None:
    check_expression(f"{name} == {name}")


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [("hour >", 1, 7), ("hour\n  > 3 &&", 2, 9), ("", 1, 1), ("hour == $", 1, 9), ("(" * 200, 1, 97)],
)
def test_a_syntax_error_has_its_place(source: str, line: int, column: int) -> None:
    fault = fault_of(source)
    assert (fault.line, fault.column) == (line, column)
    assert fault.message.startswith("Syntax error: ")
    assert "\n" not in fault.message


def test_a_text_that_cannot_even_be_read_is_a_fault_without_a_place() -> None:
    fault = fault_of("language == '\ud800'")
    assert (fault.line, fault.column) == (0, 0)
    assert "surrogates not allowed" in fault.message


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [("bogus > 1", 1, 1), ("parked &&\n  hour > bogus", 2, 10), ("'bogusx' == language && bogus", 1, 25)],
)
def test_an_unknown_name_has_its_place_and_the_known_are_told(source: str, line: int, column: int) -> None:
    fault = fault_of(source)
    assert (fault.line, fault.column) == (line, column)
    assert fault.message == f"unknown name 'bogus'; known are {', '.join(sorted(VARIABLES))}"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("nope(hour)", "nope"),
        ("hour + 'a' == 'b'", "No such overload"),
        ("hour.minutes > 3", "No such overload"),
        ("'a'.matches('(')", "not a valid regex"),
        ("1 / 0 == 1", "can only fail: division by zero"),
        ("['a'][1] == 'a'", "can only fail: index out of bounds"),
        ("9223372036854775807 + 1 > 1", "can only fail: Arithmetic overflow"),
    ],
)
def test_what_can_never_run_shows_before_a_device_meets_them(source: str, told: str) -> None:
    fault = fault_of(source)
    assert told in fault.message
    assert (fault.line, fault.column) == (0, 0)


@pytest.mark.parametrize(("source", "kind"), [("hour", "int"), ("'parked'", "str"), ("fences", "list")])
def test_an_expression_must_be_true_or_false(source: str, kind: str) -> None:
    assert fault_of(source).message == f"must be true or false, but is a {kind}"


def test_an_expression_for_anyone_reads_nothing_of_a_subject() -> None:
    assert frozenset({"facts"}) == PERSONAL_VARIABLES
    check_expression("hour < 10 && known", anyone=True)
    fault = fault_of("hour < 10 && facts.vip", anyone=True)
    assert fault.message == str(fault) == "'facts' reads of a subject, but the action is for anyone"
    assert (fault.line, fault.column) == (1, 14)


@pytest.mark.parametrize(
    ("source", "value"),
    [("", True), ("1 < 2", True), ("'a' == 'b'", False), ("hour < 10", None), ("1 + 1", None), ("1 / 0 == 1", False)],
)
def test_what_reads_no_variable_is_always_the_same(source: str, *, value: bool | None) -> None:
    assert constant_value(source) is value
