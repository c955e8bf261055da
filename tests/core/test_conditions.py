import pytest

from gateway.core.conditions import FIELDS, Condition, Conditions, check_condition, conditions_of, context_of, tell
from gateway.core.errors import ReleaseError
from gateway.core.moments import MOMENTS, Parked
from gateway.core.policy import ExpressionFault
from gateway.core.steps import Absence, Step, Trigger

PARKED = Parked("car-1", 7, ("station",), ("fuel_station",))


@pytest.mark.parametrize(
    ("source", "moment", "bound"),
    [
        ("moment.fence_kinds.size() == 1", "Parked", {}),
        ("moment.at - stop.at > 60000", "OfferRedeemed", {"stop": "Parked"}),
        ("moment.fences.exists(f, f == 'station' && f != 'moment.fense')", "Parked", {}),
        ("moment['fence'] == \"stop.nothing\" // moment.fense", "FenceEntered", {"stop": "Parked"}),
        ("stop.fences.exists(stop, stop.size() > 1)", "Parked", {"stop": "Parked"}),
        ("moment.stayed_s > 600 && !moment.dwelled", "FenceExited", {}),
        ("10 / (moment.stayed_s - 60) > 2", "FenceExited", {}),
        ("{'mall': 1}[moment.fence_kind] == 1", "FenceEntered", {}),
        ("has(moment.fence)", "FenceEntered", {}),
    ],
)
def test_what_can_be_asked_of_moments(source: str, moment: str, bound: dict[str, str]) -> None:
    check_condition(source, moment, bound)


@pytest.mark.parametrize(
    ("source", "message", "place"),
    [
        ("moment.at >", "Syntax error", (1, 12)),
        ("moment.at > 1 &&\n  hour > 3", "unknown name 'hour'; known are moment, stop", (2, 3)),
        (
            "moment.at > 1 || moment.fense == 'a'",
            "'moment' is a FenceEntered, which has no 'fense'; it has unit",
            (1, 18),
        ),
        ("true ||\n stop . fence == 'a'", "'stop' is a Parked, which has no 'fence'", (2, 2)),
        ("moment['fense'] == 'a'", "which has no 'fense'", (1, 1)),
        ("has(moment.fense)", "which has no 'fense'", (1, 5)),
        ("moment.at > 'x'", "No such overload", (0, 0)),
        ("shout(moment.fence)", "Undefined variable or function: 'shout'", (0, 0)),
        ("moment.at", "must be true or false, but is a int", (0, 0)),
        ("moment.fence", "must be true or false, but is a str", (0, 0)),
    ],
)
def test_what_is_wrong_is_said_with_its_place(source: str, message: str, place: tuple[int, int]) -> None:
    with pytest.raises(ExpressionFault) as fault:
        check_condition(source, "FenceEntered", {"stop": "Parked"})
    assert message in fault.value.message
    assert (fault.value.line, fault.value.column) == place


def test_a_fault_of_the_library_without_a_place_is_told_by_its_first_line() -> None:
    with pytest.raises(ExpressionFault) as fault:
        check_condition("(" * 400 + ")" * 400, "Parked", {})
    assert "\n" not in fault.value.message


@pytest.mark.parametrize("name", sorted(MOMENTS))
def test_every_field_of_every_moment_can_be_read(name: str) -> None:
    for field in FIELDS[name]:
        check_condition(f"moment.{field} == moment.{field}", name, {})


def test_a_moment_is_told_by_its_fields_as_json() -> None:
    assert tell(PARKED) == {"unit": "car-1", "at": 7, "fences": ["station"], "fence_kinds": ["fuel_station"]}


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ("moment.at == 7", True),
        ("moment.at == 8", False),
        ("stop.at < moment.at", True),
        ("'station' in moment.fences", True),
        ("moment.fences[3] == 'x'", False),
        ("1 / (moment.at - 7) == 1", False),
        ("later.at == 1", False),
    ],
)
def test_a_condition_that_fails_does_not_hold(source: str, *, holds: bool) -> None:
    known = {"stop": "Parked", "later": "Parked"}
    conditions = Conditions([Condition(source, "Parked", known), Condition(source, "Parked", known)])
    assert conditions.holds(source, context_of(tell(PARKED), {"stop": {"at": 5}})) is holds


def test_the_same_source_is_checked_wherever_it_stands() -> None:
    source = "moment.fence == 'a'"
    with pytest.raises(ReleaseError, match="'moment' is a Parked, which has no 'fence'"):
        Conditions([Condition(source, "FenceEntered", {}), Condition(source, "Parked", {})])


def test_steps_see_what_earlier_ones_bind_and_what_undoes_sees_all() -> None:
    trigger = Trigger(
        (
            Step("Parked", bound="stop", condition="first"),
            Step("DroveOff", bound="off"),
            Step("OfferRedeemed", condition="third"),
        ),
        60,
        unless=(Step("FuelRanLow", condition="unless"), Step("DroveOff")),
        absence=Absence(Step("Parked", condition="absent"), 5),
    )
    both = {"stop": "Parked", "off": "DroveOff"}
    assert list(conditions_of(trigger)) == [
        Condition("first", "Parked", {}),
        Condition("third", "OfferRedeemed", both),
        Condition("unless", "FuelRanLow", both),
        Condition("absent", "Parked", both),
    ]
    assert list(conditions_of(Trigger((Step("Parked"),)))) == []
    assert list(conditions_of(Trigger((Step("Parked"),), absence=Absence(Step("DroveOff"), 5)))) == []
