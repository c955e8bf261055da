import inspect
from typing import get_args

from gateway.core.moments import LOCATION_MOMENTS, MOMENTS, Moment


def names_of(kind: type) -> set[str]:
    return set(inspect.signature(kind).parameters)


def test_every_moment_is_known_by_its_class_name() -> None:
    assert {kind.__name__: kind for kind in get_args(Moment)} == MOMENTS


def test_the_moments_of_a_fence_and_no_others_rest_on_where_the_unit_is() -> None:
    assert {name for name, kind in MOMENTS.items() if "fence" in names_of(kind)} == LOCATION_MOMENTS
