"""Wayside's own dialect: what units of a load say by default, and who sits in them."""

from collections.abc import Iterator

from gateway.wire.payloads import Consent, ConsentState, Identity, Method, Notice, Payload, Presence, Purpose, Role
from gateway.wire.topics import PREFIX, Channel, topic_of

TOPIC = f"{PREFIX}/{{unit}}/{Channel.TELEMETRY}"
OFFER_TOPIC = f"{PREFIX}/+/{Channel.OFFERS}"

PAYLOAD = '{"ts_ms":{ts_ms},"signals":{"Vehicle.Speed":0.0,"Vehicle.Exterior.AirTemperature":4.{n}}}'
"""Two signals, one of which is new each time. At speed 0, for a speed would end what a trigger began."""
ARMING = '{"ts_ms":{ts_ms},"signals":{"Vehicle.LowVoltageSystemState":"ON"}}'
TRIGGER = '{"ts_ms":{ts_ms},"signals":{"Vehicle.LowVoltageSystemState":"OFF"}}'
"""The ignition goes off: the unit is parked."""

PURPOSES = (Purpose.LOCATION_TRIGGERS, Purpose.OFFER_DISPLAY, Purpose.PROFILING)
NOTICE = Notice(id="notice.load", version="1", language="en")


def subject_of(unit: str) -> str:
    """Return who drives a unit under load: the same one in every run."""
    return f"s.load.{unit}"[:64]


def boarding(unit: str, run: str, ts_ms: int) -> Iterator[tuple[str, Payload]]:
    """Yield what is said before the load, by topic: someone agrees to what marketing rests on, and drives."""
    subject = subject_of(unit)
    for purpose in PURPOSES:
        yield (
            topic_of(unit, Channel.CONSENTS),
            Consent(
                id=f"c.{run}.{purpose}",
                ts_ms=ts_ms,
                holder=subject,
                purpose=purpose,
                state=ConsentState.GIVEN,
                notice=NOTICE,
                method="load",
            ),
        )
    yield (
        topic_of(unit, Channel.IDENTITY),
        Identity(
            id=f"i.{run}.present",
            ts_ms=ts_ms,
            state=Presence.PRESENT,
            role=Role.DRIVER,
            method=Method.APP,
            subject=subject,
        ),
    )


def leaving(unit: str, run: str, ts_ms: int) -> Iterator[tuple[str, Payload]]:
    """Yield what is said after the load, by topic: the driver is gone."""
    left = Identity(id=f"i.{run}.left", ts_ms=ts_ms, state=Presence.LEFT, role=Role.DRIVER)
    yield topic_of(unit, Channel.IDENTITY), left
