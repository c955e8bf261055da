"""What can be seen from outside, and what cannot."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog

from gateway.core.effects import EventIgnored, EventRefused
from gateway.core.events import SESSION
from gateway.edge.observe import Health, Metrics, configure_log, log, log_decision
from gateway.testing.samples import T0, make_decision
from gateway.wire.topics import Channel


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """A stream to log to; whatever was configured for it is undone."""
    root, library = logging.getLogger(), logging.getLogger("gmqtt")
    before = root.handlers[:], root.level, library.level
    yield io.StringIO()
    root.handlers, root.level, library.level = before[0], before[1], before[2]
    structlog.reset_defaults()


def _lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_the_line_of_a_decision_names_ids_and_reasons_but_no_person(stream: io.StringIO) -> None:
    configure_log("info", "json", stream)
    log_decision(make_decision(), 0.000_123)
    (line,) = _lines(stream)

    assert line | {"timestamp": ""} == {
        "event": "decision",
        "level": "info",
        "timestamp": "",
        "decision": "d.car-1.e1.1",
        "unit": "car-1",
        "at_ms": T0,
        "release": "r1",
        "moments": ["Parked"],
        "holder": "subject",
        "candidates": 2,
        "chosen": "pastry",
        "offer": "o.car-1.e1.1",
        "refusals": {"no_consent": 1},
        "duration_us": 123,
    }
    assert "s.1" not in stream.getvalue()


def test_a_session_is_called_a_session(stream: io.StringIO) -> None:
    configure_log("info", "json", stream)
    log_decision(replace(make_decision(), holder=SESSION), 0.0)

    assert _lines(stream)[0]["holder"] == "session"


def test_lines_below_the_level_are_not_written(stream: io.StringIO) -> None:
    configure_log("warning", "json", stream)
    log_decision(make_decision(), 0.0)

    assert stream.getvalue() == ""


def test_people_get_text(stream: io.StringIO) -> None:
    configure_log("info", "console", stream)
    log.info("started", gateway="gw-1")

    assert "gateway=gw-1" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_what_libraries_say_has_the_same_form(stream: io.StringIO) -> None:
    configure_log("info", "json", stream)
    logging.getLogger("somebody").warning("it is %s", "late")

    assert {key: _lines(stream)[0][key] for key in ("event", "library", "said", "level")} == {
        "event": "library",
        "library": "somebody",
        "said": "it is late",
        "level": "warning",
    }


def test_the_mqtt_library_which_repeats_payloads_is_heard_at_debug_only(stream: io.StringIO) -> None:
    packets = logging.getLogger("gmqtt.mqtt.handler")
    configure_log("info", "json", stream)
    packets.error("RECV payload")
    assert stream.getvalue() == ""
    configure_log("debug", "json", stream)
    packets.debug("RECV payload")

    assert "RECV" in stream.getvalue()


def test_a_decision_is_counted_with_each_of_its_refusals() -> None:
    metrics = Metrics()
    metrics.count_decision(make_decision(), 0.0001)
    metrics.count_decision(replace(make_decision(), chosen=None), 0.0001)
    sample = metrics.registry.get_sample_value

    assert sample("wayside_decisions_total", {"outcome": "offer"}) == 1
    assert sample("wayside_decisions_total", {"outcome": "silence"}) == 1
    assert sample("wayside_refusals_total", {"stage": "consent", "reason": "no_consent"}) == 2
    assert sample("wayside_decision_seconds_count") == 2


def test_what_the_engine_ignores_and_refuses_is_counted_by_reason() -> None:
    metrics = Metrics()
    metrics.count_effects([EventIgnored("car-1", T0, "late_fix"), EventRefused("car-1", T0, "unknown_offer")])

    assert metrics.registry.get_sample_value("wayside_ignored_total", {"reason": "late_fix"}) == 1
    assert metrics.registry.get_sample_value("wayside_dead_letters_total", {"reason": "unknown_offer"}) == 1


def test_no_label_holds_a_unit_a_subject_or_an_id() -> None:
    metrics = Metrics()
    metrics.count_message(Channel.TELEMETRY)
    metrics.count_decision(make_decision(), 0.0001)
    metrics.count_commit(3, 0.001)
    labels = {name for metric in metrics.registry.collect() for sample in metric.samples for name in sample.labels}

    assert labels <= {"channel", "reason", "outcome", "stage", "kind", "result", "le"}


@pytest.mark.parametrize(
    ("health", "ready"),
    [
        (Health(started=True, connected=True), True),
        (Health(started=True, connected=True, ledger="quarantined"), True),
        (Health(connected=True), False),
        (Health(started=True), False),
        (Health(started=True, connected=True, stopping=True), False),
        (Health(started=True, connected=True, ledger="failing"), False),
    ],
)
def test_ready_means_heard_decided_and_recorded(health: Health, ready: object) -> None:
    assert health.report()["ready"] is ready
