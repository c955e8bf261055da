"""The sender beside the listener: what becomes of it reaches who started it."""

import select
import time

import pytest

from gateway.testing.mosquitto import Mosquitto, free_port
from simulators.load.background import BackgroundSender
from simulators.load.plan import Plan
from simulators.load.schedule import Schedule

PATIENCE_S = 20.0


def _plan(port: int, seconds: float) -> Plan:
    return Plan(Schedule(100, seconds), port=port)


def _start(sender: BackgroundSender) -> None:
    sender.start(time.monotonic_ns(), time.time_ns() // 1_000_000)


def test_a_sender_that_reaches_nobody_says_so() -> None:
    with pytest.raises(ConnectionRefusedError, match="nobody listens at"):
        BackgroundSender(_plan(free_port(), 1), "c")


def test_it_says_when_it_is_done(mosquitto: Mosquitto) -> None:
    with BackgroundSender(_plan(mosquitto.port, 0.2), "c") as sender:
        _start(sender)
        assert select.select([sender], [], [], PATIENCE_S)[0] == [sender]
        assert sender.result().messages == 20


def test_it_ends_when_it_is_not_wanted_any_more(mosquitto: Mosquitto) -> None:
    began_s = time.monotonic()
    with BackgroundSender(_plan(mosquitto.port, 3_600), "c") as sender:
        _start(sender)
    assert time.monotonic() - began_s < PATIENCE_S


def test_it_need_not_be_started(mosquitto: Mosquitto) -> None:
    with BackgroundSender(_plan(mosquitto.port, 1), "c") as sender:
        assert select.select([sender], [], [], 0)[0] == []


def test_a_broker_that_goes_away_is_an_error(mosquitto: Mosquitto) -> None:
    with BackgroundSender(_plan(mosquitto.port, 60), "c") as sender:
        _start(sender)
        mosquitto.stop()
        with pytest.raises(OSError, match=r"closed|reset|Broken pipe"):
            sender.result()
