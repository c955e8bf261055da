"""An offer answers the trigger before it; what is missing, twice or too much is counted."""

import doctest
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.load import correlation as module
from simulators.load.correlation import REMEMBERED, Correlation, Heard, recognise

OFFERS = "wayside/v1/+/offers"
PATIENCE_NS = 50


def _one_trigger() -> Correlation:
    return Correlation([("car-1", 100)], PATIENCE_NS)


def _counts(found: Correlation) -> Mapping[str, int]:
    names = ("lost", "late", "duplicates", "unexpected", "withdrawn")
    return {name: count for name in names if (count := getattr(found, name))}


def test_examples_are_true() -> None:
    result = doctest.testmod(module)
    assert (result.failed, result.attempted > 0) == (0, True)


def test_latency_counts_from_the_due_time() -> None:
    found = _one_trigger()
    assert found.open
    found.take(Heard("car-1", "o.1"), 130)
    assert (found.took_ns, found.open, _counts(found)) == ([30], False, {})


def test_what_does_not_come_is_lost() -> None:
    assert _counts(_one_trigger()) == {"lost": 1}


def test_patience_ends_after_its_last_nanosecond() -> None:
    in_time, late = _one_trigger(), _one_trigger()
    in_time.take(Heard("car-1", "o.1"), 150)
    late.take(Heard("car-1", "o.1"), 151)
    assert (in_time.took_ns, _counts(in_time)) == ([50], {})
    assert (late.took_ns, _counts(late), late.open) == ([], {"lost": 1, "late": 1}, False)


def test_the_same_offer_twice_is_a_duplicate_and_no_answer() -> None:
    found = Correlation([("car-1", 100), ("car-1", 200)], PATIENCE_NS)
    found.take(Heard("car-1", "o.1"), 130)
    found.take(Heard("car-1", "o.1"), 210)
    assert (found.took_ns, _counts(found)) == ([30], {"lost": 1, "duplicates": 1})


@pytest.mark.parametrize(
    "offers",
    [
        [(Heard("car-1", "o.1"), 99)],
        [(Heard("car-2", "o.1"), 130)],
        [(Heard("", "o.1"), 130)],
    ],
    ids=["before the trigger", "of another unit", "of no unit"],
)
def test_an_offer_that_answers_nothing_is_unexpected(offers: Sequence[tuple[Heard, int]]) -> None:
    found = _one_trigger()
    for offer, at_ns in offers:
        found.take(offer, at_ns)
    assert _counts(found) == {"lost": 1, "unexpected": 1}


def test_a_second_offer_to_one_trigger_is_unexpected() -> None:
    found = _one_trigger()
    found.take(Heard("car-1", "o.1"), 110)
    found.take(Heard("car-1", "o.2"), 120)
    assert (found.took_ns, _counts(found)) == ([10], {"unexpected": 1})


def test_offers_without_an_id_are_never_duplicates() -> None:
    found = Correlation([("car-1", 100), ("car-1", 200)], PATIENCE_NS)
    found.take(Heard("car-1"), 110)
    found.take(Heard("car-1"), 220)
    assert (found.took_ns, _counts(found)) == ([10, 20], {})


def test_a_withdrawal_is_no_offer() -> None:
    found = _one_trigger()
    found.take(Heard("car-1", "o.1", withdrawn=True), 110)
    assert _counts(found) == {"lost": 1, "withdrawn": 1}


def test_units_are_answered_each_for_itself() -> None:
    found = Correlation([("car-1", 100), ("car-2", 110)], PATIENCE_NS)
    found.take(Heard("car-2", "o.1"), 115)
    found.take(Heard("car-1", "o.2"), 120)
    assert (found.took_ns, _counts(found)) == ([5, 20], {})


def test_memory_of_ids_is_bounded() -> None:
    found = Correlation([], PATIENCE_NS)
    for number in range(REMEMBERED + 1):
        found.take(Heard("car-1", f"o.{number}"), 1)
    found.take(Heard("car-1", f"o.{REMEMBERED}"), 1)
    found.take(Heard("car-1", "o.0"), 1)
    assert _counts(found) == {"duplicates": 1, "unexpected": REMEMBERED + 2}


@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)))
def test_exactly_what_went_wrong_is_counted(dropped: set[int], doubled: set[int], extra: set[int]) -> None:
    units = [f"car-{number}" for number in range(31)]
    found = Correlation([(unit, 10 * number) for number, unit in enumerate(units)], PATIENCE_NS)
    for number, unit in enumerate(units):
        if number in dropped:
            continue
        found.take(Heard(unit, unit), 10 * number + 1)
        for offer in [unit] * (number in doubled) + [f"x.{unit}"] * (number in extra):
            found.take(Heard(unit, offer), 10 * number + 2)
    expected = {
        "lost": len(dropped),
        "duplicates": len(doubled - dropped),
        "unexpected": len(extra - dropped),
    }
    assert _counts(found) == {name: count for name, count in expected.items() if count}
    assert found.took_ns == [1] * (31 - len(dropped))


@pytest.mark.parametrize(
    ("payload", "heard"),
    [
        (b'{"id": "o.1", "title": "A pastry"}', Heard("car-1", "o.1")),
        (b'{"id": "o.1", "withdrawn": true, "reason": "expired"}', Heard("car-1", "o.1", withdrawn=True)),
        (b'{"id": 7}', Heard("car-1")),
        (b"[]", Heard("car-1")),
        (b"\xff", Heard("car-1")),
        (b"", Heard("car-1")),
        (b"[" * 100_000, Heard("car-1")),
    ],
)
def test_any_message_of_any_consumer_is_recognised(payload: bytes, heard: Heard) -> None:
    assert recognise(OFFERS, "wayside/v1/car-1/offers", payload) == heard


def test_a_topic_of_all_units_leaves_it_to_the_payload_to_name_one() -> None:
    assert recognise("alerts", "alerts", b'{"unit": "car-1", "id": "o.1"}') == Heard("car-1", "o.1")
    assert recognise("alerts/#", "alerts/a/b", b"beep") == Heard("")
