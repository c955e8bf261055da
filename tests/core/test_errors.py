import pytest

from gateway.core.errors import (
    InvalidInput,
    InvalidPosition,
    InvariantViolation,
    ReleaseError,
    StoreError,
    Unavailable,
    WaysideError,
)


@pytest.mark.parametrize("error", [InvalidInput, ReleaseError, Unavailable, StoreError, InvariantViolation])
def test_every_branch_of_the_tree_is_a_wayside_error_and_no_other_branch(error: type[Exception]) -> None:
    branches = {InvalidInput, ReleaseError, Unavailable, StoreError, InvariantViolation}
    assert issubclass(error, WaysideError)
    assert [other for other in branches if issubclass(error, other)] == [error]


def test_invalid_input_carries_its_reason_and_tells_its_detail() -> None:
    error = InvalidInput("stale", "12 s late")
    assert (error.reason, error.detail, str(error)) == ("stale", "12 s late", "stale: 12 s late")


def test_invalid_input_without_detail_is_its_reason() -> None:
    error = InvalidInput("stale")
    assert (error.reason, error.detail, str(error)) == ("stale", "", "stale")


def test_an_invalid_position_is_the_senders_fault_and_its_text_holds_no_coordinate() -> None:
    error = InvalidPosition(-722.335167, 47.608013)
    assert isinstance(error, InvalidInput)
    assert (error.lon, error.lat) == (-722.335167, 47.608013)
    assert "722" not in str(error)
    assert "47.6" not in str(error)
