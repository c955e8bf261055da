"""The units of the configuration, as the engine is told of them."""

from gateway.core.events import Role, UnitKind, UnitRegistered
from gateway.edge.config import UnitConfig
from gateway.edge.registry import UnitRegistry
from gateway.testing.engines import a_fence, a_release
from gateway.wire.devices import Tyre
from gateway.wire.topics import DeviceTopic, Dialect

QUARTER_MS = 15 * 60_000
SUMMER_TIME = 1_711_846_800_000  # 2024-03-31T01:00:00Z, when Zurich moves to UTC+2

CAR = UnitConfig.model_validate(
    {"id": "car-1", "kind": "car", "placements": ["voice"], "time_zone": "Europe/Zurich", "contextual_offers": True}
)
TILL = UnitConfig.model_validate({"id": "till-1", "kind": "kiosk", "placements": ["kiosk_screen"], "language": "de"})


def test_every_unit_is_told_of_at_the_start() -> None:
    now = SUMMER_TIME - 1

    assert UnitRegistry([CAR, TILL]).registrations(now) == [
        UnitRegistered("car-1", now, UnitKind.CAR, ("voice",), "en", contextual_offers=True, utc_offset_s=3_600),
        UnitRegistered("till-1", now, UnitKind.KIOSK, ("kiosk_screen",), "de", contextual_offers=False),
    ]


def test_a_unit_is_told_of_again_when_its_offset_has_changed_and_is_due_to_be_asked_then() -> None:
    registry = UnitRegistry([CAR, TILL])
    registry.registrations(SUMMER_TIME - QUARTER_MS)
    assert registry.due == SUMMER_TIME
    changed = registry.registrations(SUMMER_TIME)

    assert [(unit.unit, unit.utc_offset_s) for unit in changed] == [("car-1", 7_200)]
    assert registry.registrations(SUMMER_TIME + 1) == []


def test_a_new_engine_is_told_of_all_of_them_again() -> None:
    registry = UnitRegistry([CAR])
    registry.registrations(SUMMER_TIME)
    registry.forget()

    assert len(registry.registrations(SUMMER_TIME)) == 1


def test_each_unit_is_subscribed_to_by_name() -> None:
    assert UnitRegistry([TILL]).filters == (
        "wayside/v1/till-1/telemetry",
        "wayside/v1/till-1/identity",
        "wayside/v1/till-1/outcomes",
        "wayside/v1/till-1/consents",
        "wayside/v1/till-1/facts",
        "wayside/v1/till-1/status",
    )


BOUND = UnitConfig.model_validate(
    {
        "id": "car-2",
        "kind": "car",
        "placements": ["voice"],
        "devices": {
            "owntracks": ["anna/phone"],
            "theengs": ["Car"],
            "tyres": {"80eaca108a78": "Row1.Left", "81:EA:CA:20:4C:11/2": "Row1.Right"},
            "tags": [{"id": "c0ffee123456", "role": "driver"}],
        },
    }
)


def test_devices_are_subscribed_to_by_name_and_nothing_beside_them() -> None:
    assert UnitRegistry([TILL, BOUND]).filters[12:] == (
        "owntracks/anna/phone",
        "owntracks/anna/phone/event",
        "owntracks/anna/phone/beacon",
        "home/Car/BTtoMQTT/+",
    )


def test_devices_speak_for_the_unit_they_are_bound_to() -> None:
    devices = UnitRegistry([TILL, BOUND], a_release(fences=[a_fence("station")])).devices

    assert devices.unit_of(DeviceTopic(Dialect.OWNTRACKS, "anna/phone")) == "car-2"
    assert devices.unit_of(DeviceTopic(Dialect.OWNTRACKS, "Car")) is None
    assert devices.unit_of(DeviceTopic(Dialect.THEENGS, "Car")) == "car-2"
    assert devices.tyre_of("80:EA:CA:10:8A:78", 7) == Tyre("car-2", "Row1.Left")
    assert devices.tyre_of("81:EA:CA:20:4C:11", 2) == Tyre("car-2", "Row1.Right")
    assert devices.tyre_of("81:EA:CA:20:4C:11", 1) is None
    assert devices.role_of("car-2", "C0:FF:EE:12:34:56") is Role.DRIVER
    assert devices.role_of("till-1", "C0:FF:EE:12:34:56") is None
    assert devices.fence_of("station") == "station"


def test_a_new_engine_is_told_anew_which_tags_are_there() -> None:
    registry = UnitRegistry([BOUND])
    assert registry.devices.arrives("car-2", "C0:FF:EE:12:34:56", Role.DRIVER)
    assert not registry.devices.arrives("car-2", "C0:FF:EE:12:34:56", Role.DRIVER)
    registry.forget()
    assert registry.devices.arrives("car-2", "C0:FF:EE:12:34:56", Role.DRIVER)
