"""The units of the configuration, as the engine is told of them."""

from gateway.core.events import UnitKind, UnitRegistered
from gateway.edge.config import UnitConfig
from gateway.edge.registry import UnitRegistry

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
        "wayside/v1/till-1/status",
    )
