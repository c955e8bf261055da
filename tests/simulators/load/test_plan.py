"""A plan is refused where it would tell nothing, or harm somebody else."""

import pytest

from simulators.load import native
from simulators.load.plan import Messages, Plan, default_patience_s, is_on_this_machine, refuse_strangers_broker
from simulators.load.schedule import PlanRefused, Schedule

SCHEDULE = Schedule(100, 10, units=20, offers_every_s=1.0)
ELSEWHERE = "192.0.2.1"
"""An address that is nobody's (RFC 5737)."""


def test_units_are_numbered_from_one() -> None:
    assert [Plan(SCHEDULE).unit(number) for number in (0, 19)] == ["car-1", "car-20"]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"qos": 2}, "QoS 0 or 1, not 2"),
        ({"window": 0}, "65,535"),
        ({"window": 65_536}, "65,535"),
        ({"unit_prefix": "a/b-"}, "'a/b-' begins no id of a unit"),
        ({"unit_prefix": "x" * 63}, "begins no id"),
        ({"patience_s": float("inf")}, "0 to 600 s"),
        ({"settle_s": -1.0}, "0 to 600 s"),
        ({"patience_s": 21.0}, "every 20 s, which is less than the patience of 21 s"),
        ({"messages": Messages(topic="a/+")}, "wildcard"),
        ({"messages": Messages(topic="")}, "'' is no topic"),
        ({"messages": Messages(offer_topic="\0")}, "is no topic"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(changed: dict[str, object], says: str) -> None:
    with pytest.raises(PlanRefused, match=says):
        Plan(SCHEDULE, **changed)  # type: ignore[arg-type]  # what is wrong with it is what it is about


@pytest.mark.parametrize(("units", "every_s", "patience_s"), [(20, 1.0, 10.0), (2, 0.5, 1.0), (1, 0.0, 10.0)])
def test_patience_lasts_no_longer_than_until_the_units_next_turn(units: int, every_s: float, patience_s: float) -> None:
    schedule = Schedule(100, 10, units, every_s)
    assert default_patience_s(schedule) == patience_s
    assert Plan(schedule, patience_s=patience_s).patience_s == patience_s


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_is_known(host: str) -> None:
    assert is_on_this_machine(host)


def test_a_load_goes_to_nobody_elses_broker_by_mistake() -> None:
    with pytest.raises(PlanRefused, match=r"192\.0\.2\.1 is not this machine"):
        refuse_strangers_broker(Plan(SCHEDULE, ELSEWHERE))
    refuse_strangers_broker(Plan(SCHEDULE, ELSEWHERE, own_broker=True))
    refuse_strangers_broker(Plan(SCHEDULE))


def test_messages_are_native_where_a_gateway_listens() -> None:
    assert Messages().are_native
    assert Messages(payload="{}").are_native
    assert not Messages(topic="fix/{unit}").are_native


def test_a_subject_fits_on_the_wire_however_long_its_unit_is_called() -> None:
    assert native.subject_of("car-1") == "s.load.car-1"
    assert len(native.subject_of("x" * 64)) == 64
