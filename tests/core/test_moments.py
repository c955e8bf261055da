import inspect
from typing import get_args

from gateway.core.moments import (
    LOCATION_MOMENTS,
    MOMENTS,
    AbsenceNoticed,
    DroveOff,
    Moment,
    OfferAccepted,
    SubjectArrived,
    whose,
)


def names_of(kind: type) -> set[str]:
    return set(inspect.signature(kind).parameters)


def test_every_moment_is_known_by_its_class_name_but_the_one_that_a_pattern_alone_hears() -> None:
    named = {kind.__name__: kind for kind in get_args(Moment)}
    assert named == {**MOMENTS, "AbsenceNoticed": AbsenceNoticed}


def test_the_moments_of_a_fence_and_no_others_rest_on_where_the_unit_is() -> None:
    assert {name for name, kind in MOMENTS.items() if names_of(kind) >= {"fence", "fence_kind"}} == LOCATION_MOMENTS


def test_a_moment_is_its_holder_s_or_its_subject_s_doing_or_nobody_s() -> None:
    assert whose(OfferAccepted("car-1", 0, "o.1", "pastry", "session")) == "session"
    assert whose(OfferAccepted("car-1", 0, "o.1", "pastry")) is None
    assert whose(SubjectArrived("car-1", 0, "s.anna", "driver")) == "s.anna"
    assert whose(DroveOff("car-1", 0)) is None
