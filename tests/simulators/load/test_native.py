"""What is said by default is what a gateway reads, and makes people present who agreed."""

import pytest

from gateway.core.events import ConsentChanged, Event, SignalsReported, SubjectIdentified, SubjectLeft
from gateway.testing.samples import T0
from gateway.wire.read import read
from simulators.load import native
from simulators.load.template import filled_for, unit_in

KEY = b"k" * 32


def _heard(topic: str, payload: bytes) -> list[Event]:
    return list(read(topic, payload, T0, credential_key=KEY, retained=False).events)


@pytest.mark.parametrize(
    ("template", "signals"),
    [
        (native.PAYLOAD, {"Vehicle.Speed": 0.0, "Vehicle.Exterior.AirTemperature": 4.17}),
        (native.ARMING, {"Vehicle.LowVoltageSystemState": "ON"}),
        (native.TRIGGER, {"Vehicle.LowVoltageSystemState": "OFF"}),
    ],
)
def test_units_report_signals_that_a_gateway_listens_to(template: str, signals: dict[str, object]) -> None:
    (event,) = _heard(unit_in(native.TOPIC, "car-1"), filled_for(template, "car-1")(T0, 17))
    assert event == SignalsReported("car-1", T0, signals)  # type: ignore[arg-type]  # the values are scalars


def test_a_driver_agrees_and_gets_in() -> None:
    said = [event for topic, payload in native.boarding("car-1", "r1", T0) for event in _heard(topic, payload.encode())]
    consents = [event for event in said if isinstance(event, ConsentChanged)]
    assert {(event.holder, event.given) for event in consents} == {("s.load.car-1", True)}
    assert [event.purpose for event in consents] == list(native.PURPOSES)
    assert [event.subject for event in said if isinstance(event, SubjectIdentified)] == ["s.load.car-1"]


def test_a_driver_gets_out() -> None:
    said = [event for topic, payload in native.leaving("car-1", "r1", T0) for event in _heard(topic, payload.encode())]
    assert [type(event) for event in said] == [SubjectLeft]
