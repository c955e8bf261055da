import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import wording
from gateway.core.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from gateway.core.wording import Unsaid, placeholders, render


def test_a_text_names_its_placeholders_in_their_order() -> None:
    text = "{amount} off {facts.basket_item}, {place.stock} left ({place.stock.age} ago), {nearest.distance}, "
    text += "{moment.wheel}"
    assert placeholders(text) == (
        "amount",
        "facts.basket_item",
        "place.stock",
        "place.stock.age",
        "nearest.distance",
        "moment.wheel",
    )


def test_a_text_without_braces_has_none() -> None:
    assert placeholders("A pastry while you wait?") == ()


def test_doubled_braces_are_braces() -> None:
    assert placeholders("{{amount}}") == ()
    assert render("{{amount}} and }}{{", lambda _: "wrong") == "{amount} and }{"


@pytest.mark.parametrize("text", ["{", "}", "a { b", "{amount", "amount}", "{{amount}", "{a{b}}"])
def test_a_brace_that_stands_alone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"write '|there is no placeholder"):
        placeholders(text)


@pytest.mark.parametrize(
    "name",
    ["", "amounts", "facts", "facts.", "facts.Name", "place.a.old", "nearest.fence", "moment", "moment.a.b", " amount"],
)
def test_what_is_no_placeholder_is_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match="there is no placeholder"):
        placeholders(f"{{{name}}}")


def test_what_is_known_stands_for_its_placeholder() -> None:
    said = {"amount": "2.50 EUR", "nearest.name": "Ballard"}
    assert render("{amount} off at {nearest.name}, {amount}!", said.get) == "2.50 EUR off at Ballard, 2.50 EUR!"


def test_what_is_said_is_not_read_again() -> None:
    assert render("{facts.name}", lambda _: "{amount}") == "{amount}"


def test_what_is_not_known_cannot_be_said() -> None:
    with pytest.raises(Unsaid) as unsaid:
        render("For {facts.name}", lambda _: None)
    assert unsaid.value.placeholder == "facts.name"


@given(st.text(alphabet="ab {}", max_size=12))
def test_every_text_is_refused_or_can_be_said(text: str) -> None:
    try:
        placeholders(text)
    except ValueError:
        return
    assert render(text, lambda _: "x").count("{") == text.count("{{")


def test_an_amount_has_two_decimals() -> None:
    assert [wording.amount(cents, "EUR") for cents in (0, 5, 250, 123_456)] == [
        "0.00 EUR",
        "0.05 EUR",
        "2.50 EUR",
        "1234.56 EUR",
    ]


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (-1, "0 s"),
        (0, "0 s"),
        (MINUTE_MS - 1, "59 s"),
        (MINUTE_MS, "1 min"),
        (HOUR_MS - SECOND_MS, "59 min"),
        (HOUR_MS, "1 h"),
        (DAY_MS, "1 d"),
        (49 * HOUR_MS, "2 d"),
    ],
)
def test_an_age_is_told_in_its_largest_whole_unit(ms: int, said: str) -> None:
    assert wording.age(ms) == said


@pytest.mark.parametrize(
    ("metres", "said"), [(0.0, "50 m"), (430.0, "450 m"), (974.0, "950 m"), (975.0, "1.0 km"), (1234.0, "1.2 km")]
)
def test_a_distance_is_told_roughly(metres: float, said: str) -> None:
    assert wording.distance(metres) == said


def test_what_cannot_be_printed_is_a_space() -> None:
    assert wording.value("a\nb\u200b\x07c") == "a b  c"


def test_values_are_worded_plainly() -> None:
    assert [wording.value(value) for value in (3.0, 2.5, 7, "M", True, False)] == ["3", "2.5", "7", "M", "yes", "no"]
