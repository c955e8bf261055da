import pytest

from gateway.core import consent
from gateway.core.events import Purpose
from gateway.core.moments import DroveOff, FenceExited, OfferAccepted
from gateway.core.partakers import is_occasion, may_remember, partakers
from gateway.core.state import Memory, Scope, StateKey
from gateway.testing.engines import CAR, agreement


def presence(**subjects: str | None) -> Memory:
    return Memory(
        {StateKey(Scope.UNIT, CAR, "presence", role): {"subject": s, "ts": 0} for role, s in subjects.items()}
    )


def test_all_who_are_there_have_part_in_what_was_nobody_s_doing_and_else_the_doer() -> None:
    memory = presence(driver="s.bert", passenger="s.anna", customer=None)
    assert partakers(memory, DroveOff(CAR, 0)) == ["s.anna", "s.bert"]
    assert partakers(memory, OfferAccepted(CAR, 0, "o.1", "pastry", "s.bert")) == ["s.bert"]
    assert partakers(memory, OfferAccepted(CAR, 0, "o.1", "pastry", "session")) == []
    assert partakers(presence(), DroveOff(CAR, 0)) == []


@pytest.mark.parametrize(("reason", "is_one"), [("gap", False), ("left", True)])
def test_leaving_after_a_long_silence_is_no_occasion(reason: str, *, is_one: bool) -> None:
    assert is_occasion(FenceExited(CAR, 0, "station", "fuel_station", reason)) == is_one
    assert is_occasion(DroveOff(CAR, 0))


@pytest.mark.parametrize(
    ("purposes", "plain", "located"),
    [
        ((), False, False),
        ((Purpose.PROFILING,), True, False),
        ((Purpose.LOCATION_TRIGGERS,), False, False),
        ((Purpose.PROFILING, Purpose.LOCATION_TRIGGERS), True, True),
    ],
)
def test_remembering_needs_agreement(purposes: tuple[Purpose, ...], *, plain: bool, located: bool) -> None:
    memory = Memory()
    for event in agreement("s.anna", *purposes) if purposes else ():
        consent.record(memory, event)
    assert may_remember(memory, "s.anna", CAR, 0, located=False) == plain
    assert may_remember(memory, "s.anna", CAR, 0, located=True) == located
