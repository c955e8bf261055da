"""A report tells people and scripts the same, and what to make of it."""

import json
from dataclasses import replace

import pytest

from simulators.load.plan import Plan
from simulators.load.report import Offers, Report
from simulators.load.schedule import Schedule
from simulators.load.sender import Sent
from simulators.load.spread import Spread

LAG = Spread(5_000, 0.05, 0.1, 0.2, 0.5, 1.25)
LATENCY = Spread(10, 0.8, 1.2, 2.0, 2.0, 2.0)
SENT = Sent(5_000, 0, 500.0, LAG, 0, 0, None, 0, 0.3)
OFFERS = Offers(10, 10, 0, 0, 0, 0, 9, LATENCY)
REPORT = Report(Plan(Schedule(500, 10, 20, 1.0)), SENT, OFFERS)


def test_people_are_told_in_a_few_lines() -> None:
    assert REPORT.lines() == [
        "5,000 messages of 20 units at QoS 0 in 10 s: 500.0/s of 500/s",
        "  sender lag    p50 0.05  p90 0.10  p99 0.20  p99.9 0.50  max 1.25 ms; 0 late, 0 unsent",
        "10 triggers: 10 offered, 0 lost, 0 doubled, 0 unexpected, 9 withdrawn",
        "  offer latency p50 0.80  p90 1.20  p99 2.00  p99.9 2.00  max 2.00 ms",
    ]


def test_a_load_without_triggers_tells_nothing_of_offers() -> None:
    sent = replace(SENT, acknowledged=LAG, unacknowledged=3)
    report = Report(Plan(Schedule(500, 10, 20), qos=1), sent, Offers(0, 0, 0, 0, 0, 0, 0, None))
    assert [line[:13].strip() for line in report.lines()] == ["5,000 message", "sender lag", "PUBACK"]
    assert report.lines()[-1].endswith("3 unacknowledged")


def test_scripts_are_told_everything() -> None:
    told = json.loads(json.dumps(REPORT.to_json()))
    assert told["latency_ms"] == {"count": 10, "p50": 0.8, "p90": 1.2, "p99": 2.0, "p99_9": 2.0, "max": 2.0}
    assert told["sent"]["lag_ms"]["max"] == 1.25
    assert told["offers"] == {
        "triggers": 10, "offered": 10, "lost": 0, "late": 0, "duplicates": 0, "unexpected": 0, "withdrawn": 9,
    }  # fmt: skip
    assert (told["plan"]["rate_per_s"], told["kept_schedule"], told["nothing_lost"], told["notes"]) == (
        500,
        True,
        True,
        [],
    )


@pytest.mark.parametrize(
    "report",
    [
        replace(REPORT, sent=replace(SENT, unacknowledged=1)),
        replace(REPORT, sent=replace(SENT, unsent=1)),
        replace(REPORT, offers=replace(OFFERS, lost=1)),
        replace(REPORT, offers=replace(OFFERS, duplicates=1)),
        replace(REPORT, offers=replace(OFFERS, unexpected=1)),
    ],
    ids=["unacknowledged", "unsent", "lost", "doubled", "unexpected"],
)
def test_whatever_went_wrong_is_not_overlooked(report: Report) -> None:
    assert REPORT.nothing_lost
    assert not report.nothing_lost


def test_a_sender_that_fell_behind_says_so() -> None:
    behind = replace(REPORT, sent=replace(SENT, lag=replace(LAG, p99=5.0), held_up=7))
    assert REPORT.kept_schedule
    assert not behind.kept_schedule
    (note,) = behind.notes()
    assert "fell behind its schedule, and the broker did not take it at once 7 times" in note


def test_a_consumer_that_answers_nothing_raises_a_question() -> None:
    silent = replace(REPORT, offers=replace(OFFERS, offered=0, lost=10, latency=None))
    assert "Does the consumer serve these units" in silent.lines()[-1]


def test_late_offers_are_told_with_what_they_leave_open() -> None:
    late = replace(REPORT, offers=replace(OFFERS, offered=8, lost=2, late=2))
    assert "8 offered, 2 lost (2 came late)" in late.lines()[2]
    assert "with more units" in late.lines()[-1]
