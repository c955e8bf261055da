import inspect
from typing import get_args

import pytest

from gateway.core.events import Event, Outcome, PositionReported, Purpose, Role, SubjectIdentified
from gateway.core.units import Position


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_every_event_names_its_unit_and_when_it_happened(kind: type) -> None:
    assert list(inspect.signature(kind).parameters)[:2] == ["unit", "ts"]


def test_a_fix_of_unknown_accuracy_does_not_claim_to_be_exact() -> None:
    assert PositionReported("car-1", 0, Position(0.0, 0.0)).accuracy_m is None


def test_a_subject_of_whom_nothing_is_known_brings_nothing() -> None:
    assert SubjectIdentified("car-1", 0, "i1", "s.anna", Role.DRIVER).state == {}


def test_purposes_and_outcomes_are_the_words_of_the_wire() -> None:
    assert {purpose.value for purpose in Purpose} == {
        "location_triggers",
        "profiling",
        "offer_display",
        "cloud_sync",
        "model_training",
        "third_party",
    }
    assert {outcome.value for outcome in Outcome} == {
        "presented",
        "seen",
        "accepted",
        "redeemed",
        "declined",
        "dismissed",
        "never_again",
        "expired",
    }
