"""At most one line a minute and reason, and no count is lost."""

import io
import json
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from gateway.edge.observe import configure_log
from gateway.edge.summary import Summary
from gateway.testing.samples import T0

MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def stream() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    configure_log("info", "json", stream)
    yield stream
    structlog.reset_defaults()


def _lines(stream: io.StringIO) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    stream.seek(0)
    stream.truncate()
    return lines


def test_the_first_is_told_at_once_and_the_rest_after_a_minute(stream: io.StringIO) -> None:
    _lines(stream)
    summary = Summary("message_refused")
    for second in range(90):
        summary.catch_up(T0 + second * 1_000)
        if second < 50:
            summary.note("bad_json", T0 + second * 1_000, unit=f"car-{second}")
    lines = _lines(stream)

    assert [(line["count"], line["unit"]) for line in lines] == [(1, "car-0"), (49, "car-49")]
    assert {(line["event"], line["reason"], line["level"]) for line in lines} == {
        ("message_refused", "bad_json", "warning")
    }


def test_what_is_left_is_told_at_the_end(stream: io.StringIO) -> None:
    _lines(stream)
    summary = Summary("message_refused")
    for reason in ("bad_json", "bad_json", "retained", "bad_json"):
        summary.note(reason, T0)
    summary.flush(T0)
    summary.flush(T0)

    assert [(line["reason"], line["count"]) for line in _lines(stream)] == [
        ("bad_json", 1),
        ("retained", 1),
        ("bad_json", 2),
    ]


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 40_000), st.booleans()), min_size=1, max_size=40
    )
)
def test_no_count_is_lost_and_no_minute_has_two_lines_of_a_reason(
    stream: io.StringIO, steps: list[tuple[str, int, bool]]
) -> None:
    _lines(stream)
    summary = Summary("message_refused")
    now, told_at = T0, {"a": [T0 - MINUTE_MS], "b": [T0 - MINUTE_MS]}
    told = {"a": 0, "b": 0}
    for reason, pause_ms, catches_up in steps:
        now += pause_ms
        summary.note(reason, now)
        if catches_up:
            summary.catch_up(now)
        for line in _lines(stream):
            place = str(line["reason"])
            assert now - told_at[place][-1] >= MINUTE_MS
            told_at[place].append(now)
            told[place] += int(str(line["count"]))
    summary.catch_up(now + MINUTE_MS)
    for line in _lines(stream):
        told[str(line["reason"])] += int(str(line["count"]))

    assert told == {each: sum(reason == each for reason, _, _ in steps) for each in ("a", "b")}


def test_a_clock_that_was_set_back_silences_nothing(stream: io.StringIO) -> None:
    _lines(stream)
    summary = Summary("message_refused")
    summary.note("bad_json", T0 + 1_000 * MINUTE_MS)
    summary.note("bad_json", T0)
    assert [line["count"] for line in _lines(stream)] == [1, 1]
