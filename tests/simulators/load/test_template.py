"""Templates fill in what they name and leave all else alone."""

import doctest

from hypothesis import given
from hypothesis import strategies as st

from simulators.load import template
from simulators.load.template import filled_for


def test_examples_are_true() -> None:
    result = doctest.testmod(template)
    assert (result.failed, result.attempted > 0) == (0, True)


def test_a_place_may_stand_more_than_once_and_in_any_order() -> None:
    assert filled_for("{n} {unit} {ts_ms} {unit} {n}", "car-1")(5, 7) == b"7 car-1 5 car-1 7"


def test_percent_signs_and_other_braces_stand_for_themselves() -> None:
    assert filled_for('{"fuel%": "100%d", "{x}": {n}}', "100%s")(5, 7) == b'{"fuel%": "100%d", "{x}": 7}'
    assert filled_for("{unit}", "100%s")(5, 7) == b"100%s"


@given(st.text().filter(lambda text: "{" not in text), st.integers(0), st.integers(0))
def test_a_text_without_places_is_left_as_it_is(text: str, ts_ms: int, n: int) -> None:
    assert filled_for(text, "car-1")(ts_ms, n) == text.encode()
